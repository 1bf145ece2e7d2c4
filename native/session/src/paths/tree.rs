//! The names that are known, as a tree of nodes in slots. No locks, no waiting: `paths` has both.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use smallvec::SmallVec;

use super::{NoPath, Seen, MAX_PATH, ROOT};
use crate::handler::{Key, Slot};

/// Index of a node's record.
pub(super) type Index = u32;

/// A node and the directories above it, bottom first, the root left out.
pub(super) type Chain = SmallVec<[Index; 12]>;

const ROOT_INDEX: Index = 0;

pub(super) struct Link {
    parent: Index,
    name: Box<[u8]>,
}

pub(super) struct Handle {
    pub(super) slot: Slot,
    /// Requests about the nameless node that run on this handle.
    pub(super) borrows: u32,
    /// Its release waits for them; nobody borrows it any more.
    pub(super) closing: bool,
}

#[derive(Default)]
pub(super) struct Node {
    /// Tells it from earlier nodes in the same slot.
    generation: u32,
    /// `S_IFMT` bits, 0 if they are not known.
    kind: u32,
    /// Inode number that the file system gave, 0 for none.
    given: u64,
    /// Inode number that is shown when the file system gives none; 0 in a free slot.
    serial: u64,
    /// Entries that the kernel holds.
    lookups: u64,
    /// Upcalls that use a path with this node in it.
    pub(super) pins: u32,
    /// Names in this directory.
    children: u32,
    /// Names that this directory has lost.
    pub(super) losses: u64,
    /// A name of it is being removed or renamed.
    pub(super) owned: bool,
    /// The first is the one that its path is made of.
    links: SmallVec<[Link; 1]>,
    pub(super) handles: Vec<Handle>,
}

impl Node {
    fn is_used(&self) -> bool {
        self.lookups > 0 || self.pins > 0 || self.children > 0 || self.owned || !self.handles.is_empty()
    }

    fn is_the_one(&self, seen: &Seen) -> bool {
        let same_kind = self.kind == 0 || self.kind == seen.kind();
        let same_number = self.given == 0 || seen.ino == 0 || self.given == seen.ino;
        same_kind && same_number
    }
}

/// One name: its hash, and the node that it leads to, in whose links it is found.
struct Entry {
    hash: u64,
    parent: Index,
    child: Index,
}

pub(super) struct Tree {
    nodes: Vec<Node>,
    free: Vec<Index>,
    names: HashTable<Entry>,
    by_number: HashMap<u64, Index>,
    serial: u64,
    hasher: RandomState,
}

impl Tree {
    pub(super) fn new() -> Self {
        let root = Node {
            kind: libc::S_IFDIR,
            serial: ROOT.0,
            lookups: 1,
            ..Node::default()
        };
        Self {
            nodes: vec![root],
            free: Vec::new(),
            names: HashTable::new(),
            by_number: HashMap::new(),
            serial: ROOT.0,
            hasher: RandomState::new(),
        }
    }

    // ---- nodes

    pub(super) fn index(&self, key: Key) -> Option<Index> {
        let index = (key.0 as u32).checked_sub(1)?;
        let node = self.nodes.get(index as usize)?;
        (node.serial != 0 && u64::from(node.generation) == key.0 >> 32).then_some(index)
    }

    pub(super) fn key(&self, index: Index) -> Key {
        Key(u64::from(self.node(index).generation) << 32 | u64::from(index + 1))
    }

    pub(super) fn node(&self, index: Index) -> &Node {
        &self.nodes[index as usize]
    }

    pub(super) fn node_mut(&mut self, index: Index) -> &mut Node {
        &mut self.nodes[index as usize]
    }

    /// The inode number to show.
    pub(super) fn ino(&self, index: Index) -> u64 {
        let node = self.node(index);
        if node.given == 0 {
            node.serial
        } else {
            node.given
        }
    }

    pub(super) fn make(&mut self, seen: &Seen) -> Index {
        let index = self.free.pop().unwrap_or_else(|| {
            self.nodes.push(Node::default());
            // Slots are as many as nodes that the kernel knows at once, which its table bounds.
            u32::try_from(self.nodes.len() - 1).expect("fewer nodes than 2^32")
        });
        self.serial += 1;
        let serial = self.serial;
        let node = self.node_mut(index);
        node.serial = serial;
        node.kind = seen.kind();
        self.number(index, seen.ino);
        index
    }

    fn number(&mut self, index: Index, ino: u64) {
        if ino != 0 {
            self.node_mut(index).given = ino;
            self.by_number.insert(ino, index);
        }
    }

    /// Frees a node that nobody uses, and the directories above it that existed for its sake.
    pub(super) fn tidy(&mut self, index: Index) {
        let mut unused = Chain::from_slice(&[index]);
        while let Some(index) = unused.pop() {
            let node = self.node(index);
            if index == ROOT_INDEX || node.serial == 0 || node.is_used() {
                continue;
            }
            for link in std::mem::take(&mut self.node_mut(index).links) {
                self.unlist(&link, index);
                unused.push(link.parent);
            }
            let Node { given, generation, .. } = std::mem::take(self.node_mut(index));
            self.node_mut(index).generation = generation.wrapping_add(1);
            if self.by_number.get(&given) == Some(&index) {
                self.by_number.remove(&given);
            }
            self.free.push(index);
        }
    }

    /// Counts an entry that is handed to the kernel.
    pub(super) fn count(&mut self, index: Index) {
        self.node_mut(index).lookups += 1;
    }

    pub(super) fn forget(&mut self, index: Index, lookups: u64) {
        let node = self.node_mut(index);
        node.lookups = node.lookups.saturating_sub(lookups);
        self.tidy(index);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    /// Names and inode numbers that lead to nodes.
    #[cfg(test)]
    pub(super) fn ways(&self) -> usize {
        self.names.len() + self.by_number.len()
    }

    // ---- names

    fn hash(&self, parent: Index, name: &[u8]) -> u64 {
        self.hasher.hash_one((parent, name))
    }

    /// The node that a name leads to.
    pub(super) fn child(&self, parent: Index, name: &[u8]) -> Option<Index> {
        let found = self.names.find(self.hash(parent, name), |entry| {
            entry.parent == parent && self.node(entry.child).has_link(parent, name)
        });
        found.map(|entry| entry.child)
    }

    fn attach(&mut self, parent: Index, name: &[u8], child: Index) {
        let link = Link {
            parent,
            name: name.into(),
        };
        self.node_mut(child).links.push(link);
        self.list(parent, name, child);
    }

    fn list(&mut self, parent: Index, name: &[u8], child: Index) {
        let hash = self.hash(parent, name);
        let entry = Entry { hash, parent, child };
        self.names.insert_unique(hash, entry, |entry| entry.hash);
        self.node_mut(parent).children += 1;
    }

    /// Takes a link, already taken off its node, out of the table.
    fn unlist(&mut self, link: &Link, child: Index) {
        let hash = self.hash(link.parent, &link.name);
        // A node has at most one link of a parent and hash that is not in its list.
        let found = self.names.find_entry(hash, |entry| {
            entry.hash == hash && entry.parent == link.parent && entry.child == child
        });
        if let Ok(entry) = found {
            entry.remove();
            let parent = self.node_mut(link.parent);
            parent.children -= 1;
            parent.losses += 1;
        }
    }

    /// The name leads nowhere any more. The node stays for as long as it is used.
    pub(super) fn detach(&mut self, parent: Index, name: &[u8]) {
        let Some(child) = self.child(parent, name) else { return };
        let links = &mut self.node_mut(child).links;
        let Some(at) = links.iter().position(|link| link.is(parent, name)) else {
            return;
        };
        let link = links.remove(at);
        self.unlist(&link, child);
        self.tidy(child);
        self.tidy(parent);
    }

    /// The node of `name` goes by `new_name` from now on; whatever had that name loses it.
    pub(super) fn rename(&mut self, (parent, name): (Index, &[u8]), (new_parent, new_name): (Index, &[u8])) {
        let moved = self.child(parent, name);
        if moved.is_some() && moved == self.child(new_parent, new_name) {
            // Two names of one file: rename(2) does nothing.
            return;
        }
        self.detach(new_parent, new_name);
        if let Some(moved) = moved {
            self.relink(moved, (parent, name), (new_parent, new_name));
        }
        self.tidy(parent);
    }

    pub(super) fn exchange(&mut self, (parent, name): (Index, &[u8]), (other_parent, other_name): (Index, &[u8])) {
        let one = self.child(parent, name);
        let other = self.child(other_parent, other_name);
        if one == other {
            return;
        }
        if let Some(one) = one {
            self.relink(one, (parent, name), (other_parent, other_name));
        }
        if let Some(other) = other {
            self.relink(other, (other_parent, other_name), (parent, name));
        }
    }

    /// Gives one link of a node another name, in its place among the links.
    fn relink(&mut self, child: Index, (parent, name): (Index, &[u8]), (new_parent, new_name): (Index, &[u8])) {
        let Some(link) = self.node_mut(child).links.iter_mut().find(|link| link.is(parent, name)) else {
            return;
        };
        let renamed = Link {
            parent: new_parent,
            name: new_name.into(),
        };
        let old = std::mem::replace(link, renamed);
        self.unlist(&old, child);
        self.list(new_parent, new_name, child);
    }

    // ---- what the file system tells

    /// The node of a name that was found, made or listed; `mine` are the pins that the caller has on it.
    pub(super) fn found(&mut self, parent: Index, name: &[u8], seen: &Seen, mine: impl Fn(Index) -> u32) -> Index {
        if let Some(known) = self.child(parent, name) {
            if self.node(known).is_the_one(seen) {
                self.learn(known, seen);
                return known;
            }
            if self.node(known).pins > mine(known) || self.node(known).owned {
                // Others rely on the name; the next look-up sees to it.
                return known;
            }
            self.detach(parent, name);
        }
        let index = self.elsewhere(seen).unwrap_or_else(|| self.make(seen));
        self.attach(parent, name, index);
        index
    }

    /// The node of another name of the same file.
    fn elsewhere(&self, seen: &Seen) -> Option<Index> {
        if seen.ino == 0 || seen.nlink < 2 || seen.kind() == libc::S_IFDIR {
            return None;
        }
        let index = *self.by_number.get(&seen.ino)?;
        (self.node(index).kind == seen.kind()).then_some(index)
    }

    fn learn(&mut self, index: Index, seen: &Seen) {
        let node = self.node_mut(index);
        node.kind = seen.kind();
        if node.given == 0 {
            self.number(index, seen.ino);
        }
    }

    /// A name was made for a node that exists.
    pub(super) fn linked(&mut self, parent: Index, name: &[u8], node: Index) {
        if self.child(parent, name) != Some(node) {
            self.detach(parent, name);
            self.attach(parent, name, node);
        }
    }

    // ---- paths

    /// The node and all above it but the root.
    pub(super) fn chain(&self, index: Index) -> Result<Chain, NoPath> {
        let mut chain = Chain::new();
        let mut at = index;
        while at != ROOT_INDEX {
            chain.push(at);
            at = self.node(at).links.first().ok_or(NoPath::Nameless)?.parent;
        }
        Ok(chain)
    }

    /// Writes the path of a chain, and of a name below it; answers its length.
    pub(super) fn write(&self, chain: &Chain, name: Option<&[u8]>, out: &mut [u8]) -> Result<usize, NoPath> {
        let above = chain.iter().rev().filter_map(|&index| self.node(index).links.first());
        let parts = above.map(|link| &*link.name).chain(name);
        let mut len = 0;
        for part in parts {
            let end = len + 1 + part.len();
            if end > MAX_PATH {
                return Err(NoPath::TooLong);
            }
            let room = out.get_mut(len..end).ok_or(NoPath::TooLong)?;
            room[0] = b'/';
            room[1..].copy_from_slice(part);
            len = end;
        }
        if len == 0 {
            *out.first_mut().ok_or(NoPath::TooLong)? = b'/';
            len = 1;
        }
        Ok(len)
    }
}

impl Node {
    fn has_link(&self, parent: Index, name: &[u8]) -> bool {
        self.links.iter().any(|link| link.is(parent, name))
    }
}

impl Link {
    fn is(&self, parent: Index, name: &[u8]) -> bool {
        self.parent == parent && *self.name == *name
    }
}
