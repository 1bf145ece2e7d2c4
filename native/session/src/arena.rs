//! Fixed-slot plain records in one region of memory, at addresses that never change.
//!
//! Used by the node and handle tables. The region is the truth: free list and indices are derived from it, so that a
//! region which outlives the process can be adopted by [`Arena::new`]. Never hands out `&mut`; records consist of
//! atomics.

use std::io;
use std::marker::PhantomData;
use std::mem;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;

/// A mapping of zeroed memory that is touched page by page as it is used.
pub(crate) struct Region {
    base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the mapping belongs to the value and stays where it is; access to its content is the arena's business.
unsafe impl Send for Region {}
// SAFETY: as above; `Region` itself has no method that reads or writes the memory.
unsafe impl Sync for Region {}

impl Region {
    /// Reserves `bytes` of private memory that costs nothing until touched.
    pub(crate) fn anonymous(bytes: usize) -> io::Result<Self> {
        // SAFETY: a new private mapping at an address that the kernel chooses affects no existing memory.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        NonNull::new(base.cast())
            .map(|base| Self { base, bytes })
            .ok_or_else(|| io::Error::from(io::ErrorKind::Other))
    }
}

impl Region {
    /// All of it, for whoever keeps the region.
    pub(crate) fn as_bytes(&self) -> *mut [u8] {
        ptr::slice_from_raw_parts_mut(self.base.as_ptr(), self.bytes)
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping made in `anonymous`; whoever held a reference into it borrowed from `self`.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

/// What may lie in an [`Arena`].
///
/// # Safety
/// The type is `repr(C)`, has no padding, consists of atomics (so that it may be changed through `&` by any thread),
/// needs at most 8-byte alignment, and every bit pattern, all zero included, is a valid value.
pub(crate) unsafe trait Record: Send + Sync + 'static {}

/// `generation` is odd while the slot is in use and grows with every claim and release; 0 = never used.
#[repr(C)]
struct Cell<T> {
    generation: AtomicU32,
    /// Slot + 1 of the next free cell; meaningless while in use.
    next_free: AtomicU32,
    record: T,
}

/// Free cells as a list through `next_free`, and where the never used ones begin.
struct Free {
    head: u32,
    fresh: u32,
}

pub(crate) struct Arena<T> {
    region: Region,
    capacity: u32,
    free: Mutex<Free>,
    records: PhantomData<T>,
}

impl<T: Record> Arena<T> {
    /// Bytes of a region that holds `slots` records.
    pub(crate) fn bytes(slots: u32) -> usize {
        slots as usize * mem::size_of::<Cell<T>>()
    }

    /// Takes over a region: all zero, or left behind by another arena of the same record.
    pub(crate) fn new(region: Region) -> Self {
        const { assert!(mem::align_of::<Cell<T>>() <= 8) };
        let slots = region.bytes / mem::size_of::<Cell<T>>();
        let capacity = u32::try_from(slots).unwrap_or(u32::MAX).min(u32::MAX - 1);
        let arena = Self {
            region,
            capacity,
            free: Mutex::new(Free { head: 0, fresh: 0 }),
            records: PhantomData,
        };
        arena.derive_free_list();
        arena
    }

    fn derive_free_list(&self) {
        let mut free = self.free.lock();
        while free.fresh < self.capacity {
            let cell = self.cell(free.fresh);
            match cell.generation.load(Ordering::Acquire) {
                0 => break,
                generation if generation & 1 == 0 => {
                    cell.next_free.store(free.head, Ordering::Relaxed);
                    free.head = free.fresh + 1;
                }
                _ => {}
            }
            free.fresh += 1;
        }
    }

    /// Takes a free slot into use. Its record holds whatever its last user left. `None`: all are in use.
    pub(crate) fn claim(&self) -> Option<(u32, &T)> {
        let mut free = self.free.lock();
        let slot = match free.head.checked_sub(1) {
            Some(slot) => {
                free.head = self.cell(slot).next_free.load(Ordering::Relaxed);
                slot
            }
            None if free.fresh < self.capacity => {
                free.fresh += 1;
                free.fresh - 1
            }
            None => return None,
        };
        drop(free);
        let cell = self.cell(slot);
        cell.generation.fetch_add(1, Ordering::AcqRel);
        Some((slot, &cell.record))
    }

    /// Gives a slot back; its id is never valid again. The caller owns the use that `claim` began.
    pub(crate) fn release(&self, slot: u32) {
        let cell = self.cell(slot);
        let before = cell.generation.fetch_add(1, Ordering::AcqRel);
        debug_assert!(before & 1 == 1, "slot {slot} released twice");
        if before == u32::MAX {
            // 0 would read as "never used" when the region is adopted.
            cell.generation.store(2, Ordering::Release);
        }
        let mut free = self.free.lock();
        cell.next_free.store(free.head, Ordering::Relaxed);
        free.head = slot + 1;
    }

    /// Name of the slot's present use: generation in the upper half, slot + 1 in the lower. The first use of slot 0
    /// is 1, which is `FUSE_ROOT_ID`.
    pub(crate) fn id(&self, slot: u32) -> u64 {
        let generation = self.cell(slot).generation.load(Ordering::Acquire);
        u64::from(generation >> 1) << 32 | u64::from(slot + 1)
    }

    /// The record that `id` names, unless that use is over. Another thread may end it at any time: whoever reads the
    /// record without a lock asks [`Arena::is_current`] afterwards.
    pub(crate) fn find(&self, id: u64) -> Option<(u32, &T)> {
        let slot = (id as u32).checked_sub(1).filter(|&slot| slot < self.capacity)?;
        self.is_current(slot, id).then(|| (slot, &self.cell(slot).record))
    }

    /// The record of a slot, whoever uses it.
    pub(crate) fn get(&self, slot: u32) -> &T {
        &self.cell(slot).record
    }

    /// Whether the slot's present use is the one that `id` names.
    pub(crate) fn is_current(&self, slot: u32, id: u64) -> bool {
        let generation = self.cell(slot).generation.load(Ordering::Acquire);
        generation & 1 == 1 && u64::from(generation >> 1) == id >> 32
    }

    /// Every slot in use at the time it is looked at.
    pub(crate) fn in_use(&self) -> impl Iterator<Item = (u32, &T)> {
        let fresh = self.free.lock().fresh;
        (0..fresh).filter_map(|slot| {
            let cell = self.cell(slot);
            (cell.generation.load(Ordering::Acquire) & 1 == 1).then_some((slot, &cell.record))
        })
    }

    /// Slots there are.
    pub(crate) fn capacity(&self) -> u32 {
        self.capacity
    }

    #[cfg(test)]
    pub(crate) fn into_region(self) -> Region {
        self.region
    }

    fn cell(&self, slot: u32) -> &Cell<T> {
        assert!(slot < self.capacity, "slot {slot} of {}", self.capacity);
        // SAFETY: the slot lies inside the region (asserted), which is mapped while `self` lives and page-aligned;
        // `Record` promises that any bytes are a valid record and that it may be shared.
        unsafe { self.region.base.cast::<Cell<T>>().add(slot as usize).as_ref() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    #[repr(C)]
    struct Value(AtomicU64);
    // SAFETY: one atomic.
    unsafe impl Record for Value {}

    fn arena(slots: u32) -> Arena<Value> {
        Arena::new(Region::anonymous(Arena::<Value>::bytes(slots)).unwrap())
    }

    #[test]
    fn the_first_id_is_that_of_the_root() {
        let arena = arena(4);
        let (slot, _) = arena.claim().unwrap();
        assert_eq!(arena.id(slot), 1);
    }

    #[test]
    fn an_id_is_void_after_release_and_its_slot_gets_another() {
        let arena = arena(4);
        let (slot, _) = arena.claim().unwrap();
        let first = arena.id(slot);
        arena.release(slot);
        assert!(arena.find(first).is_none());
        let (again, _) = arena.claim().unwrap();
        assert_eq!(again, slot);
        assert_ne!(arena.id(again), first);
        assert!(arena.find(first).is_none());
    }

    #[test]
    fn ids_that_were_never_given_out_are_unknown() {
        let arena = arena(4);
        arena.claim().unwrap();
        for id in [0, 2, 5, 1 << 32, 1 << 32 | 1, u64::MAX, u64::from(u32::MAX)] {
            assert!(arena.find(id).is_none(), "{id:#x}");
        }
    }

    #[test]
    fn a_full_arena_gives_nothing_until_a_slot_is_released() {
        let arena = arena(3);
        for _ in 0..arena.capacity() {
            arena.claim().unwrap();
        }
        assert!(arena.claim().is_none());
        arena.release(1);
        assert_eq!(arena.claim().unwrap().0, 1);
        assert!(arena.claim().is_none());
    }

    #[test]
    fn an_adopted_region_has_the_same_uses_and_the_same_free_slots() {
        let first = arena(8);
        for value in 10..15 {
            first.claim().unwrap().1 .0.store(value, Ordering::Relaxed);
        }
        first.release(1);
        first.release(3);
        let ids: Vec<u64> = first.in_use().map(|(slot, _)| first.id(slot)).collect();

        let second = Arena::<Value>::new(first.into_region());
        let values: Vec<u64> = second
            .in_use()
            .map(|(_, record)| record.0.load(Ordering::Relaxed))
            .collect();
        assert_eq!(values, [10, 12, 14]);
        assert!(ids.iter().all(|&id| second.find(id).is_some()));
        let mut claimed: Vec<u32> = std::iter::from_fn(|| second.claim()).map(|(slot, _)| slot).collect();
        claimed.sort_unstable();
        assert_eq!(claimed, [1, 3, 5, 6, 7]);
    }
}
