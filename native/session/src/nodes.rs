//! Which nodes the kernel refers to, and how often: nodeid <-> key.
//!
//! A nodeid is generation and slot of a record; it names one stay of a node in the kernel's memory and is never given
//! to another node. Where file handles outlive that stay (`EXPORT_SUPPORT`) it is the key itself, whose generation the
//! file system tells. Dispatch calls [`Nodes::acquire`] before it commits a reply that hands an entry out, and
//! [`Nodes::forget`] when the kernel drops its references, or when that reply never arrived.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use ferrofuse_protocol::abi::init;
use ferrofuse_protocol::NodeId;
use parking_lot::{Mutex, MutexGuard};

use crate::arena::{Arena, Record, Region};
use crate::handler::Key;
use crate::log::{Level, Log};

const SHARDS: usize = 64;

/// One node that the kernel knows. Counts and key change only under the lock of the key's shard.
#[repr(C)]
struct Node {
    key: AtomicU64,
    /// References that the kernel holds (`nlookup`).
    held: AtomicU64,
    /// Entries handed out since the kernel last held none.
    handed_out: AtomicU64,
    /// `S_IFMT` bits of the entry handed out last; 0 while that is not known.
    kind: AtomicU64,
}

// SAFETY: four atomics of the same size, repr(C).
unsafe impl Record for Node {}

/// Key -> slot of the nodes whose keys hash here, on a cache line of its own.
#[derive(Default)]
#[repr(align(64))]
struct Shard(Mutex<Index>);

type Index = HashMap<u64, u32, BuildHasherDefault<KeyHasher>>;

/// Mixes a key's bits: keys are often consecutive or aligned addresses, and SipHash costs more than the look-up.
#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = mix(self.0 ^ key);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A bijection of 64 bits in which every input bit reaches every output bit: two rounds of multiplying by an odd
/// number and folding the well-mixed upper half down.
fn mix(key: u64) -> u64 {
    let once = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let twice = (once ^ (once >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    twice ^ (twice >> 29)
}

/// What a nodeid is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// The record's slot and generation: means nothing once the node is forgotten.
    Slots,
    /// The file system's key: means the same for ever. The root's key and `FUSE_ROOT_ID` change places.
    Keys,
}

impl Naming {
    /// As the INIT flags in effect ask for.
    pub(crate) fn of(flags: u64) -> Self {
        if flags & init::EXPORT_SUPPORT == 0 {
            Self::Slots
        } else {
            Self::Keys
        }
    }
}

pub(crate) struct Nodes {
    arena: Arena<Node>,
    shards: Box<[Shard]>,
    root: Key,
    naming: Naming,
    log: Arc<Log>,
}

/// A table without a free slot.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Nodes {
    /// Bytes of a region for `max` nodes.
    pub(crate) fn bytes(max: u32) -> usize {
        Arena::<Node>::bytes(max)
    }

    /// A table with the root in it, or the one that another table left in `region`.
    pub(crate) fn new(region: Region, root: Key, naming: Naming, log: Arc<Log>) -> Self {
        let shards = (0..SHARDS).map(|_| Shard::default()).collect();
        let nodes = Self {
            arena: Arena::new(region),
            shards,
            root,
            naming,
            log,
        };
        for (slot, node) in nodes.arena.in_use() {
            let key = Key(node.key.load(Ordering::Acquire));
            nodes.shard(key).insert(key.0, slot);
        }
        if nodes.arena.in_use().next().is_none() {
            // The first slot of a fresh arena is the one whose id is FUSE_ROOT_ID.
            let first = nodes.acquire(root);
            debug_assert_eq!(first, Ok(NodeId(ROOT)));
            nodes.note_kind(NodeId(ROOT), libc::S_IFDIR);
        }
        nodes
    }

    /// Counts one entry for `key` that is about to be handed out, and answers its nodeid.
    pub(crate) fn acquire(&self, key: Key) -> Result<NodeId, Full> {
        let mut index = self.shard(key);
        if let Some(&slot) = index.get(&key.0) {
            let node = self.arena.get(slot);
            node.held.fetch_add(1, Ordering::Relaxed);
            node.handed_out.fetch_add(1, Ordering::Relaxed);
            return Ok(self.id(slot, key));
        }
        let (slot, node) = self.arena.claim().ok_or(Full)?;
        node.key.store(key.0, Ordering::Release);
        node.held.store(1, Ordering::Relaxed);
        node.handed_out.store(1, Ordering::Relaxed);
        node.kind.store(0, Ordering::Relaxed);
        index.insert(key.0, slot);
        Ok(self.id(slot, key))
    }

    /// Drops `count` references. When none is left the node is gone, and its key and the entries handed out for it are
    /// what the file system must hear. A count that the kernel cannot have is taken as "all of them".
    pub(crate) fn forget(&self, nodeid: NodeId, count: u64) -> Option<(Key, u64)> {
        if nodeid.0 == ROOT {
            return None;
        }
        let Some(key) = self.key(nodeid) else {
            self.log.line(
                Level::Error,
                "forget of an unknown node",
                0,
                format_args!("nodeid {:#x}", nodeid.0),
            );
            return None;
        };
        let mut index = self.shard(key);
        // Between look-up and lock another forget may have ended the node.
        let slot = *index.get(&key.0).filter(|&&slot| self.id(slot, key) == nodeid)?;
        let node = self.arena.get(slot);
        let held = node.held.load(Ordering::Relaxed);
        if count < held {
            node.held.store(held - count, Ordering::Relaxed);
            return None;
        }
        let handed_out = node.handed_out.load(Ordering::Relaxed);
        index.remove(&key.0);
        self.arena.release(slot);
        drop(index);
        if count > held {
            self.log.line(
                Level::Error,
                "forget of more references than were handed out",
                0,
                format_args!("nodeid {:#x}: {count} of {held}", nodeid.0),
            );
        }
        Some((key, handed_out))
    }

    /// What the kernel calls a node, if it refers to it.
    pub(crate) fn nodeid(&self, key: Key) -> Option<NodeId> {
        let index = self.shard(key);
        index.get(&key.0).map(|&slot| self.id(slot, key))
    }

    /// The file system's key of a node that the kernel names.
    pub(crate) fn key(&self, nodeid: NodeId) -> Option<Key> {
        if nodeid.0 == ROOT {
            return Some(self.root);
        }
        if self.naming == Naming::Keys {
            let key = self.swap_root(nodeid.0);
            return self.shard(key).contains_key(&key.0).then_some(key);
        }
        let (slot, node) = self.arena.find(nodeid.0)?;
        // Acquire pairs with the store in `acquire`: a key of a later use makes the end of this use visible below.
        let key = node.key.load(Ordering::Acquire);
        self.arena.is_current(slot, nodeid.0).then_some(Key(key))
    }

    /// The key that a nodeid stands for, whether or not the kernel refers to the node: for a file handle that has outlived
    /// that. `None` if a nodeid alone says nothing.
    pub(crate) fn key_of_handle(&self, nodeid: NodeId) -> Option<Key> {
        match self.naming {
            Naming::Slots => self.key(nodeid),
            Naming::Keys => Some(self.swap_root(nodeid.0)),
        }
    }

    fn id(&self, slot: u32, key: Key) -> NodeId {
        NodeId(match self.naming {
            Naming::Slots => self.arena.id(slot),
            Naming::Keys => self.swap_root(key.0).0,
        })
    }

    /// Nodeid <-> key, where one is the other.
    fn swap_root(&self, number: u64) -> Key {
        match number {
            ROOT => self.root,
            number if number == self.root.0 => Key(ROOT),
            number => Key(number),
        }
    }

    fn find(&self, nodeid: NodeId) -> Option<&Node> {
        match self.naming {
            Naming::Slots => self.arena.find(nodeid.0).map(|(_, node)| node),
            Naming::Keys => {
                let key = self.swap_root(nodeid.0);
                let slot = *self.shard(key).get(&key.0)?;
                Some(self.arena.get(slot))
            }
        }
    }

    /// Remembers the type of a node, for which the caller has just counted an entry.
    pub(crate) fn note_kind(&self, nodeid: NodeId, kind: u32) {
        if let Some(node) = self.find(nodeid) {
            let kind = u64::from(kind);
            if node.kind.load(Ordering::Relaxed) != kind {
                node.kind.store(kind, Ordering::Relaxed);
            }
        }
    }

    /// The `S_IFMT` bits that were handed out with a node, as far as they are known.
    pub(crate) fn kind(&self, nodeid: NodeId) -> Option<u32> {
        let node = self.find(nodeid)?;
        Some(node.kind.load(Ordering::Relaxed) as u32).filter(|&kind| kind != 0)
    }

    /// Regular files that the kernel refers to, or did a moment ago.
    pub(crate) fn regular_files(&self) -> impl Iterator<Item = NodeId> + '_ {
        let regular = u64::from(libc::S_IFREG);
        let nodes = self.arena.in_use();
        let files = nodes.filter(move |(_, node)| node.kind.load(Ordering::Relaxed) == regular);
        files.filter_map(|(_, node)| self.nodeid(Key(node.key.load(Ordering::Relaxed))))
    }

    /// Whether a node may be of a type: the one that the kernel was told, if it was told.
    pub(crate) fn may_be(&self, nodeid: NodeId, kind: u32) -> bool {
        self.kind(nodeid).is_none_or(|known| known == kind)
    }

    fn shard(&self, key: Key) -> MutexGuard<'_, Index> {
        // The map uses the hash's upper and lower bits, the shard some in the middle.
        self.shards[(mix(key.0) >> 40) as usize % SHARDS].0.lock()
    }
}

/// `FUSE_ROOT_ID`.
pub(crate) const ROOT: u64 = 1;

#[cfg(test)]
mod tests;
