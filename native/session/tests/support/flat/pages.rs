//! Memory of leases.

use super::*;

/// Page-aligned memory, counted.
pub(crate) struct Pages {
    start: *mut u8,
    layout: Layout,
    alive: Arc<AtomicUsize>,
}

// SAFETY: the memory belongs to the value.
unsafe impl Send for Pages {}

// SAFETY: allocated for the value's life, page-aligned, shared with nobody.
unsafe impl Memory for Pages {
    fn bulk(&self) -> *mut [u8] {
        std::ptr::slice_from_raw_parts_mut(self.start, self.layout.size())
    }
}

impl Pages {
    pub(super) fn new(size: usize, alive: Arc<AtomicUsize>) -> Self {
        let layout = Layout::from_size_align(size, 4096).unwrap();
        alive.fetch_add(1, Ordering::SeqCst);
        // SAFETY: the size is not 0.
        let start = unsafe { alloc_zeroed(layout) };
        Self { start, layout, alive }
    }

    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: nobody else has the memory, and the value is borrowed.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.layout.size()) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
        // SAFETY: allocated with this layout.
        unsafe { dealloc(self.start, self.layout) };
    }
}
