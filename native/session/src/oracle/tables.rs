//! What the kernel refers to: nodes by their nodeids, open files and directories by their handles.
//!
//! Plain maps under one lock each, on purpose: the engine's own tables are what they are compared with.

use std::collections::hash_map::{Entry, HashMap};
use std::sync::Arc;

use ferrofuse_protocol::Errno;
use parking_lot::{Mutex, RwLock};

use crate::handler::{Concurrency, Key, Outcome, Slot};
use crate::handles::Kind;

/// The kernel's name of the root.
pub(super) const ROOT: u64 = 1;

pub(super) struct Tables {
    root_key: u64,
    nodes: Mutex<HashMap<u64, Node>>,
    handles: Mutex<Handles>,
}

struct Node {
    /// References that the kernel has.
    held: u64,
    /// Entries that were handed out since it last had none.
    handed_out: u64,
    /// `S_IFMT` bits that it has heard last.
    kind: u32,
}

#[derive(Default)]
struct Handles {
    slots: Vec<Option<Open>>,
    free: Vec<u32>,
}

/// An open file or directory.
#[derive(Clone)]
pub(super) struct Open {
    pub(super) key: Key,
    pub(super) slot: Slot,
    pub(super) kind: Kind,
    order: Arc<Order>,
}

/// Which calls on a handle may overlap.
struct Order {
    concurrency: Concurrency,
    lock: RwLock<()>,
}

impl Tables {
    pub(super) fn new(root_key: u64) -> Self {
        Self {
            root_key,
            nodes: Mutex::default(),
            handles: Mutex::default(),
        }
    }

    /// nodeids are keys, but that the root's and 1 change places.
    pub(super) fn exchange(&self, id: u64) -> u64 {
        match id {
            ROOT => self.root_key,
            id if id == self.root_key => ROOT,
            id => id,
        }
    }

    /// Counts an entry of this type that is handed out.
    pub(super) fn acquire(&self, nodeid: u64, kind: u32) {
        let mut nodes = self.nodes.lock();
        let node = nodes.entry(nodeid).or_insert(Node {
            held: 0,
            handed_out: 0,
            kind,
        });
        node.held += 1;
        node.handed_out += 1;
        node.kind = kind;
    }

    /// Takes references off a node; answers how many had been handed out if those were the last.
    pub(super) fn forget(&self, nodeid: u64, count: u64) -> Option<u64> {
        let mut nodes = self.nodes.lock();
        let Entry::Occupied(mut node) = nodes.entry(nodeid) else {
            return None;
        };
        node.get_mut().held = node.get().held.saturating_sub(count);
        (node.get().held == 0).then(|| node.remove().handed_out)
    }

    /// The type that a node was handed out with.
    pub(super) fn kind(&self, nodeid: u64) -> Option<u32> {
        if nodeid == ROOT {
            return Some(libc::S_IFDIR);
        }
        self.nodes.lock().get(&nodeid).map(|node| node.kind)
    }

    /// A slot for something that is about to be opened.
    pub(super) fn reserve(&self) -> Outcome<Slot> {
        let mut handles = self.handles.lock();
        if let Some(slot) = handles.free.pop() {
            return Ok(Slot(slot));
        }
        let slot = u32::try_from(handles.slots.len()).ok().filter(|&slot| slot < u32::MAX);
        handles.slots.push(None);
        slot.map(Slot).ok_or(Errno::ENFILE)
    }

    /// Files a handle and answers its number, which is never 0.
    pub(super) fn opened(&self, key: Key, slot: Slot, kind: Kind, concurrency: Concurrency) -> u64 {
        let order = Arc::new(Order {
            concurrency,
            lock: RwLock::new(()),
        });
        let open = Open { key, slot, kind, order };
        self.handles.lock().slots[slot.0 as usize] = Some(open);
        u64::from(slot.0) + 1
    }

    pub(super) fn find(&self, fh: u64) -> Option<Open> {
        let at = usize::try_from(fh.checked_sub(1)?).ok()?;
        self.handles.lock().slots.get(at)?.clone()
    }

    /// The slot may be given to another open.
    pub(super) fn end(&self, slot: Slot) {
        let mut handles = self.handles.lock();
        handles.slots[slot.0 as usize] = None;
        handles.free.push(slot.0);
    }

    pub(super) fn leftovers(&self) -> Vec<Open> {
        self.handles.lock().slots.iter().flatten().cloned().collect()
    }
}

impl Open {
    /// What the handler hears where nothing is opened. No call on it waits for another.
    pub(super) fn unopened(key: Key, kind: Kind) -> Self {
        Self {
            key,
            slot: Slot::UNOPENED,
            kind,
            order: Arc::new(Order {
                concurrency: Concurrency::Concurrent,
                lock: RwLock::new(()),
            }),
        }
    }

    /// Makes a call on the handle, alone or beside others, as its concurrency has it. The thread waits.
    pub(super) fn in_order<T>(&self, reads: bool, call: impl FnOnce() -> T) -> T {
        match self.order.concurrency {
            Concurrency::Concurrent => call(),
            Concurrency::SharedReads if reads => {
                let _beside = self.order.lock.read();
                call()
            }
            Concurrency::SharedReads | Concurrency::Serialized => {
                let _alone = self.order.lock.write();
                call()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_forgotten_with_its_last_reference_and_says_how_many_there_were() {
        let tables = Tables::new(7);
        assert_eq!((tables.exchange(1), tables.exchange(7), tables.exchange(9)), (7, 1, 9));
        tables.acquire(9, libc::S_IFREG);
        tables.acquire(9, libc::S_IFREG);
        assert_eq!(tables.kind(9), Some(libc::S_IFREG));
        assert_eq!((tables.forget(9, 1), tables.forget(9, 1)), (None, Some(2)));
        assert_eq!((tables.forget(9, 1), tables.kind(9)), (None, None));
    }

    #[test]
    fn a_slot_is_used_again_after_its_end() {
        let tables = Tables::new(1);
        let slot = tables.reserve().unwrap();
        let fh = tables.opened(Key(5), slot, Kind::File, Concurrency::Serialized);
        assert!(fh > 0 && tables.find(fh).is_some_and(|open| open.key == Key(5)));
        assert!(tables.find(0).is_none() && tables.find(fh + 1).is_none());
        tables.end(slot);
        assert!(tables.find(fh).is_none() && tables.leftovers().is_empty());
        assert_eq!(tables.reserve(), Ok(slot));
    }
}
