//! Open files and directories: fh <-> slot.
//!
//! Dispatch reserves a handle before it asks the file system to open, so that the file system can file its own state
//! under the slot; frees it when the open fails, when its reply is lost, or after the release. Which calls may overlap
//! is the gate's business.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::arena::{Arena, Record, Region};
use crate::handler::{Concurrency, Key, Slot};
use crate::nodes::Full;

/// What was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    File = 1,
    Directory = 2,
}

/// The kernel's name of a handle: generation of the slot in the upper half, slot + 1 in the lower. Never 0, which the
/// kernel sends where it has no handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fh(pub(crate) u64);

impl Fh {
    /// Slot that the name claims; whether the claim holds is for [`Handles::find`] to say.
    pub(crate) fn slot(self) -> Option<u32> {
        (self.0 as u32).checked_sub(1)
    }
}

/// One handle. Written by whoever reserved it, before its name is given out.
#[repr(C)]
struct Handle {
    key: AtomicU64,
    /// `open(2)` flags.
    flags: AtomicU32,
    /// [`Kind`] in the lower half, [`Concurrency`] in the upper below [`ENDS`]; 0 until the file system has opened it.
    shape: AtomicU32,
}

/// In a handle's shape: its release has begun.
const ENDS: u32 = 1 << 31;

// SAFETY: atomics of 8 + 4 + 4 bytes, repr(C): no padding.
unsafe impl Record for Handle {}

/// What a request needs to know of its handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) key: Key,
    pub(crate) slot: Slot,
}

pub(crate) struct Handles {
    arena: Arena<Handle>,
}

impl Handles {
    /// Bytes of a region for `max` handles.
    pub(crate) fn bytes(max: u32) -> usize {
        Arena::<Handle>::bytes(max)
    }

    pub(crate) fn new(region: Region) -> Self {
        Self {
            arena: Arena::new(region),
        }
    }

    /// Takes a slot for an open that is about to be asked for.
    pub(crate) fn reserve(&self, key: Key, flags: u32) -> Result<(Fh, Slot), Full> {
        let (slot, handle) = self.arena.claim().ok_or(Full)?;
        handle.shape.store(0, Ordering::Relaxed);
        handle.flags.store(flags, Ordering::Relaxed);
        handle.key.store(key.0, Ordering::Release);
        Ok((Fh(self.arena.id(slot)), Slot(slot)))
    }

    /// The file system has opened it; `key` is that of the node (CREATE learns it with the open). From here on the
    /// handle is found.
    pub(crate) fn opened(&self, slot: Slot, key: Key, kind: Kind, concurrency: Concurrency) {
        let handle = self.arena.get(slot.0);
        handle.key.store(key.0, Ordering::Relaxed);
        handle
            .shape
            .store(kind as u32 | (concurrency as u32) << 16, Ordering::Release);
    }

    /// The handle of that kind that the kernel names.
    pub(crate) fn find(&self, fh: Fh, kind: Kind) -> Option<Open> {
        let (slot, handle) = self.arena.find(fh.0)?;
        let shape = handle.shape.load(Ordering::Acquire);
        let key = handle.key.load(Ordering::Acquire);
        let found = shape & 0xffff == kind as u32 && self.arena.is_current(slot, fh.0);
        found.then_some(Open {
            key: Key(key),
            slot: Slot(slot),
        })
    }

    /// The release of an open handle begins. It is found as before, for what the release itself takes.
    pub(crate) fn ends(&self, slot: Slot) {
        self.arena.get(slot.0).shape.fetch_or(ENDS, Ordering::AcqRel);
    }

    /// Whether the kernel names a handle whose release has not begun.
    pub(crate) fn lasts(&self, fh: Fh) -> bool {
        let found = self.arena.find(fh.0);
        found.is_some_and(|(slot, handle)| {
            let shape = handle.shape.load(Ordering::Acquire);
            shape & ENDS == 0 && self.arena.is_current(slot, fh.0)
        })
    }

    /// The node of an open file; `None` for a directory.
    pub(crate) fn file(&self, slot: Slot) -> Option<Key> {
        let handle = self.arena.get(slot.0);
        let is_file = handle.shape.load(Ordering::Acquire) & 0xffff == Kind::File as u32;
        is_file.then(|| Key(handle.key.load(Ordering::Acquire)))
    }

    /// Ends a handle, opened or only reserved; the caller is its last user.
    pub(crate) fn free(&self, slot: Slot) {
        self.arena.release(slot.0);
    }

    /// Every handle that was opened and not freed.
    pub(crate) fn leftovers(&self) -> Vec<(Open, Kind)> {
        let opened = self.arena.in_use().filter_map(|(slot, handle)| {
            let kind = match handle.shape.load(Ordering::Acquire) & 0xffff {
                1 => Kind::File,
                2 => Kind::Directory,
                _ => return None,
            };
            Some((
                Open {
                    key: Key(handle.key.load(Ordering::Acquire)),
                    slot: Slot(slot),
                },
                kind,
            ))
        });
        opened.collect()
    }

    /// Handles there may be at once.
    pub(crate) fn capacity(&self) -> u32 {
        self.arena.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handles(max: u32) -> Handles {
        Handles::new(Region::anonymous(Handles::bytes(max)).unwrap())
    }

    fn open(handles: &Handles, key: u64, kind: Kind) -> (Fh, Slot) {
        let (fh, slot) = handles.reserve(Key(key), 0).unwrap();
        handles.opened(slot, Key(key), kind, Concurrency::Serialized);
        (fh, slot)
    }

    #[test]
    fn a_handle_is_found_from_opened_to_freed() {
        let handles = handles(4);
        let (fh, slot) = handles.reserve(Key(9), 0).unwrap();
        assert_eq!(handles.find(fh, Kind::File), None, "only reserved");
        handles.opened(slot, Key(9), Kind::File, Concurrency::Concurrent);
        assert_eq!(handles.find(fh, Kind::File), Some(Open { key: Key(9), slot }));
        handles.free(slot);
        assert_eq!(handles.find(fh, Kind::File), None);
    }

    #[test]
    fn a_handle_whose_release_has_begun_is_found_but_does_not_last() {
        let handles = handles(1);
        let (fh, slot) = open(&handles, 9, Kind::File);
        assert!(handles.lasts(fh));
        handles.ends(slot);
        assert!(!handles.lasts(fh));
        assert_eq!(handles.find(fh, Kind::File), Some(Open { key: Key(9), slot }));
        assert_eq!(handles.leftovers().len(), 1);
        handles.free(slot);
        assert!(!handles.lasts(fh));
        let (again, _) = open(&handles, 9, Kind::File);
        assert!(handles.lasts(again) && !handles.lasts(fh));
    }

    #[test]
    fn a_file_is_not_found_as_a_directory() {
        let handles = handles(4);
        let (file, _) = open(&handles, 1, Kind::File);
        let (directory, _) = open(&handles, 2, Kind::Directory);
        assert_eq!(handles.find(file, Kind::Directory), None);
        assert_eq!(handles.find(directory, Kind::File), None);
    }

    #[test]
    fn slots_are_dense_and_reused_under_another_name() {
        let handles = handles(2);
        let (first, slot) = open(&handles, 1, Kind::File);
        assert_eq!(slot, Slot(0));
        assert_eq!(open(&handles, 2, Kind::File).1, Slot(1));
        assert_eq!(handles.reserve(Key(3), 0), Err(Full));
        handles.free(slot);
        let (again, reused) = open(&handles, 3, Kind::File);
        assert_eq!(reused, slot);
        assert_ne!(again, first);
        assert_eq!(handles.find(first, Kind::File), None);
    }

    #[test]
    fn a_slot_that_is_reserved_again_is_not_open_as_what_it_was() {
        let handles = handles(1);
        let (_, slot) = open(&handles, 1, Kind::File);
        handles.free(slot);
        let (fh, _) = handles.reserve(Key(2), 0).unwrap();
        assert_eq!(handles.find(fh, Kind::File), None);
        assert_eq!(handles.leftovers(), []);
    }

    #[test]
    fn leftovers_are_the_opened_ones() {
        let handles = handles(4);
        let (_, gone) = open(&handles, 1, Kind::File);
        let (_, directory) = open(&handles, 2, Kind::Directory);
        handles.reserve(Key(3), 0).unwrap();
        handles.free(gone);
        assert_eq!(
            handles.leftovers(),
            [(
                Open {
                    key: Key(2),
                    slot: directory
                },
                Kind::Directory
            )]
        );
    }

    #[test]
    fn numbers_that_are_no_handle_are_not_found() {
        let handles = handles(2);
        open(&handles, 1, Kind::File);
        for fh in [0, 2, 3, 1 << 32 | 1, u64::MAX] {
            assert_eq!(handles.find(Fh(fh), Kind::File), None, "{fh:#x}");
        }
    }
}
