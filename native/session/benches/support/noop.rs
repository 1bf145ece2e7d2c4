//! A file system that answers at once: one file, of which reads and writes touch no byte.

use std::alloc::{alloc_zeroed, dealloc, handle_alloc_error, Layout};
use std::io;
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Instant;

use ferrofuse_protocol::{abi, Errno, Name};
use ferrofuse_session::{
    Attributes, Call, Concurrency, Entry, Handle, Handler, Ioctl, Key, Memory, Offer, Opened, Outcome, Slot, Wish,
};

/// The bulk region of a lease.
pub(crate) struct Page {
    start: *mut u8,
    layout: Layout,
}

// SAFETY: the memory belongs to the value.
unsafe impl Send for Page {}

// SAFETY: allocated for the value's life, page-aligned, shared with nobody.
unsafe impl Memory for Page {
    fn bulk(&self) -> *mut [u8] {
        std::ptr::slice_from_raw_parts_mut(self.start, self.layout.size())
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout.
        unsafe { dealloc(self.start, self.layout) };
    }
}

/// Holds a lookup of [`Gate::BEGIN`] until it is told to go on, and says when it went on and when a lookup of
/// [`Gate::END`] came: in between, requests that were there already were served, and nobody waited for any.
pub(crate) struct Gate {
    pub(crate) open: Receiver<()>,
    pub(crate) passed: Sender<Instant>,
}

impl Gate {
    pub(crate) const BEGIN: &'static str = "begin";
    pub(crate) const END: &'static str = "end";
}

/// One worker's door.
pub(crate) struct Noop {
    pub(crate) concurrency: Concurrency,
    pub(crate) gate: Option<Gate>,
}

impl Noop {
    fn entry() -> Entry {
        Entry {
            nodeid: 10,
            entry_valid: 1,
            attr_valid: 1,
            attr: Self::attr(),
            ..Entry::default()
        }
    }

    fn attr() -> abi::Attr {
        abi::Attr {
            mode: libc::S_IFREG | 0o640,
            size: 1 << 30,
            nlink: 1,
            ..abi::Attr::default()
        }
    }
}

/// What nobody asks for here.
macro_rules! unasked {
    ($($name:ident($($arg:ty),*) -> $out:ty;)*) => {
        $(fn $name(&mut self, _: &mut Call<'_, Page>, $(_: $arg),*) -> Outcome<$out> {
            Err(Errno::EOPNOTSUPP)
        })*
    };
}

impl Handler for Noop {
    type Memory = Page;

    fn lease(&mut self, bulk: usize) -> io::Result<Page> {
        let layout = Layout::from_size_align(bulk, 4096).map_err(io::Error::other)?;
        // SAFETY: a bulk region has a page at least.
        let start = unsafe { alloc_zeroed(layout) };
        if start.is_null() {
            handle_alloc_error(layout);
        }
        Ok(Page { start, layout })
    }

    fn spawn(&mut self) -> bool {
        false
    }

    fn init(&mut self, _: &Offer) -> Outcome<Wish> {
        Ok(Wish::default())
    }

    fn destroy(&mut self) {}

    fn interrupt(&mut self, _: u64) {}

    fn retrieved(&mut self, _: u64, _: Outcome<usize>, _: &mut Page) {}

    fn lookup(&mut self, _: &mut Call<'_, Page>, _: Key, name: &Name) -> Outcome<Option<Entry>> {
        if let Some(gate) = &self.gate {
            match name.as_bytes() {
                begin if begin == Gate::BEGIN.as_bytes() => {
                    // Whoever holds the other ends is gone with a failed bench.
                    let _ = gate.open.recv();
                    let _ = gate.passed.send(Instant::now());
                }
                end if end == Gate::END.as_bytes() => {
                    let _ = gate.passed.send(Instant::now());
                }
                _ => {}
            }
        }
        Ok(Some(Self::entry()))
    }

    fn forget(&mut self, _: Key, _: u64) {}

    fn getattr(&mut self, _: &mut Call<'_, Page>, _: Key, _: Option<Slot>) -> Outcome<abi::AttrOut> {
        Ok(abi::AttrOut {
            attr_valid: 1,
            attr: Self::attr(),
            ..abi::AttrOut::default()
        })
    }

    fn open(&mut self, _: &mut Call<'_, Page>, _: Key, _: &abi::OpenIn, _: Slot) -> Outcome<Opened> {
        Ok(Opened {
            concurrency: self.concurrency,
            ..Opened::default()
        })
    }

    fn read(&mut self, _: &mut Call<'_, Page>, _: Key, _: Slot, arg: &abi::ReadIn) -> Outcome<usize> {
        Ok(arg.size as usize)
    }

    fn write(&mut self, _: &mut Call<'_, Page>, _: Key, _: Slot, arg: &abi::WriteIn) -> Outcome<usize> {
        Ok(arg.size as usize)
    }

    fn release(&mut self, _: &mut Call<'_, Page>, _: Key, _: Slot) -> Outcome<()> {
        Ok(())
    }

    unasked! {
        setattr(Key, Option<Slot>, &abi::SetattrIn) -> abi::AttrOut;
        statx(Key, Option<Slot>) -> Attributes;
        readlink(Key) -> usize;
        symlink(Key, &Name, &[u8]) -> Entry;
        mknod(Key, &Name, &abi::MknodIn) -> Entry;
        mkdir(Key, &Name, &abi::MkdirIn) -> Entry;
        unlink(Key, &Name) -> ();
        rmdir(Key, &Name) -> ();
        rename(Key, &Name, Key, &Name, u32) -> ();
        link(Key, Key, &Name) -> Entry;
        create(Key, &Name, &abi::CreateIn, Slot) -> (Entry, Opened);
        tmpfile(Key, &abi::CreateIn, Slot) -> (Entry, Opened);
        flush(Key, Slot) -> ();
        fsync(Key, Slot, bool) -> ();
        fallocate(Key, Slot, &abi::FallocateIn) -> ();
        lseek(Key, Slot, &abi::LseekIn) -> u64;
        copy_file_range(Slot, Slot, &abi::CopyFileRangeIn) -> u64;
        ioctl(Handle, &Ioctl) -> (u32, usize);
        opendir(Key, &abi::OpenIn, Slot) -> Opened;
        readdir(Key, Slot, u64, usize, bool) -> usize;
        fsyncdir(Key, Slot, bool) -> ();
        releasedir(Key, Slot) -> ();
        statfs(Key) -> abi::Kstatfs;
        syncfs(Key) -> ();
        bmap(Key, &abi::BmapIn) -> u64;
        setxattr(Key, &Name, Range<usize>, u32, bool) -> ();
        getxattr(Key, &Name, usize) -> usize;
        listxattr(Key, usize) -> usize;
        removexattr(Key, &Name) -> ();
        getlk(Key, Slot, &abi::LkIn) -> Option<abi::FileLock>;
        setlk(Key, Slot, &abi::LkIn) -> bool;
        poll(Key, Slot, u32, Option<u64>) -> u32;
        access(Key, u32) -> ();
    }
}
