//! Paths for file systems that know no nodes: which names lead to which node, and who relies on them.
//!
//! Lies between a [`Handler`](crate::Handler) that calls its file system by path and the keys that the engine knows.
//! The handler asks for a path before each upcall and holds a [`Pin`] during it: as long as it does, the path stays what
//! it is. Who removes or renames a name [owns](Owned) it first: that waits for the pins on the node and below it, and
//! holds new ones back. Knows no attributes but those that tell files apart, and never calls out.
//!
//! **Why nobody waits for ever.** Who waits for an owner holds nothing: each call takes all it needs at once, and a thread
//! holds the result of one call at a time. An owner waits, once it owns, for pins
//! on its nodes and below. Those are upcalls, which end, or other owners, whose parents lie there and who wait for pins
//! further down: waiting goes strictly down the tree. It can't come back up, because an owner's own parents never lie
//! below a node that it owns ([`NoPath::Below`]), which the kernel has refused before (EINVAL, ENOTEMPTY). An upcall that
//! hangs holds up who changes a name above it, and those hold up others there, each with its thread, until it is
//! interrupted.

mod held;
mod tree;

use std::collections::VecDeque;

use ferrofuse_protocol::Name;
use parking_lot::{Condvar, Mutex, MutexGuard};
use smallvec::SmallVec;

use crate::handler::{Key, Slot};
use held::Named;
pub use held::{Borrowed, Owned, Pin};
use tree::{Chain, Handle, Index, Tree};

/// Key of the root directory.
pub const ROOT: Key = Key(1);

/// Bytes of the longest path: `PATH_MAX` less its NUL.
pub const MAX_PATH: usize = 4095;

/// Why there is no path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPath {
    /// The key is no node's.
    Unknown,
    /// The node, or a directory above it, has lost its last name.
    Nameless,
    /// Longer than [`MAX_PATH`].
    TooLong,
    /// A rename of a directory to a place below itself.
    Below,
    /// The request was interrupted while it waited for somebody else's.
    Interrupted,
}

/// What tells one file from another, as its attributes say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Inode number; 0 if the file system gives none.
    pub ino: u64,
    /// Number of names. Only files with more than one are taken for the same by their inode number.
    pub nlink: u32,
    /// Type and permissions.
    pub mode: u32,
}

impl Seen {
    fn kind(&self) -> u32 {
        self.mode & libc::S_IFMT
    }
}

/// A node that is handed to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its key.
    pub key: Key,
    /// Inode number to show.
    pub ino: u64,
}

/// The names of one mounted file system.
pub struct Paths {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    tree: Tree,
    /// Names that are being removed or renamed.
    owned: Vec<(Index, Box<[u8]>)>,
    /// Threads that wait for a change.
    waiting: usize,
    /// Requests that were interrupted lately, waiting or not.
    interrupted: VecDeque<u64>,
}

/// Interrupts that are remembered: one may come before its request waits.
const INTERRUPTS: usize = 64;

impl Default for Paths {
    fn default() -> Self {
        Self::new()
    }
}

impl Paths {
    /// Knows the root alone.
    pub fn new() -> Self {
        Self {
            state: Mutex::new(State {
                tree: Tree::new(),
                owned: Vec::new(),
                waiting: 0,
                interrupted: VecDeque::new(),
            }),
            changed: Condvar::new(),
        }
    }

    /// Writes the path of a node to `out`, and pins it. Waits for whoever changes a name in it; `unique` is the request
    /// that does, which [`Paths::interrupt`] makes give up.
    ///
    /// # Errors
    /// There is none, or it is too long for `out` or the kernel.
    pub fn path(&self, unique: u64, node: Key, out: &mut [u8]) -> Result<Pin<'_>, NoPath> {
        let mut state = self.state.lock();
        let (chain, len) = loop {
            let index = state.tree.index(node).ok_or(NoPath::Unknown)?;
            let chain = state.tree.chain(index)?;
            if state.is_stable(&chain) {
                let len = state.tree.write(&chain, None, out)?;
                break (chain, len);
            }
            self.wait(&mut state, unique)?;
        };
        Ok(self.pin(&mut state, chain, len, None))
    }

    /// Writes the path of a name in a directory to `out`, and pins it. Waits for whoever changes a name in it.
    ///
    /// # Errors
    /// As [`Paths::path`].
    pub fn child<'a>(&'a self, unique: u64, parent: Key, name: &'a Name, out: &mut [u8]) -> Result<Pin<'a>, NoPath> {
        let name = name.as_bytes();
        let mut state = self.state.lock();
        let (mut chain, len, parent, node) = loop {
            let parent = state.tree.index(parent).ok_or(NoPath::Unknown)?;
            let chain = state.tree.chain(parent)?;
            let node = state.tree.child(parent, name);
            if state.is_stable(&chain) && !state.is_owned(parent, name) {
                let len = state.tree.write(&chain, Some(name), out)?;
                break (chain, len, parent, node);
            }
            self.wait(&mut state, unique)?;
        };
        chain.extend(node);
        Ok(self.pin(&mut state, chain, len, Some(Named { parent, name, node })))
    }

    /// Writes the path of a node to `out` and that of the name which it is to get to `new_out`; pins both. The pin is that
    /// of the new name; its node's path has the length answered with it. Both at once, because whoever waits for an owner
    /// must not hold a pin.
    ///
    /// # Errors
    /// As [`Paths::path`].
    pub fn linking<'a>(
        &'a self,
        unique: u64,
        node: Key,
        parent: Key,
        name: &'a Name,
        out: &mut [u8],
        new_out: &mut [u8],
    ) -> Result<(Pin<'a>, usize), NoPath> {
        let name = name.as_bytes();
        let mut state = self.state.lock();
        loop {
            let index = state.tree.index(node).ok_or(NoPath::Unknown)?;
            let parent = state.tree.index(parent).ok_or(NoPath::Unknown)?;
            let mut chain = state.tree.chain(index)?;
            let above = state.tree.chain(parent)?;
            if state.is_stable(&chain) && state.is_stable(&above) && !state.is_owned(parent, name) {
                let len = state.tree.write(&chain, None, out)?;
                let new_len = state.tree.write(&above, Some(name), new_out)?;
                let child = state.tree.child(parent, name);
                chain.extend(above);
                chain.extend(child);
                let named = Named {
                    parent,
                    name,
                    node: child,
                };
                return Ok((self.pin(&mut state, chain, new_len, Some(named)), len));
            }
            self.wait(&mut state, unique)?;
        }
    }

    fn pin<'a>(&'a self, state: &mut State, chain: Chain, len: usize, named: Option<Named<'a>>) -> Pin<'a> {
        for &index in &chain {
            state.tree.node_mut(index).pins += 1;
        }
        Pin {
            paths: self,
            chain,
            len,
            named,
        }
    }

    /// Owns a name that is about to be removed, and writes its path to `out`.
    ///
    /// # Errors
    /// As [`Paths::path`].
    pub fn removal<'a>(
        &'a self,
        unique: u64,
        parent: Key,
        name: &'a Name,
        out: &mut [u8],
    ) -> Result<Owned<'a>, NoPath> {
        self.own(unique, [Some((parent, name)), None], false, [out, &mut []])
    }

    /// Owns both names of a rename, and writes their paths. With `exchange` each gets the other's node.
    ///
    /// # Errors
    /// As [`Paths::path`], and [`NoPath::Below`].
    #[allow(clippy::too_many_arguments)] // the parts of a rename, as the kernel gives them
    pub fn renaming<'a>(
        &'a self,
        unique: u64,
        parent: Key,
        name: &'a Name,
        new_parent: Key,
        new_name: &'a Name,
        exchange: bool,
        out: &mut [u8],
        new_out: &mut [u8],
    ) -> Result<Owned<'a>, NoPath> {
        self.own(
            unique,
            [Some((parent, name)), Some((new_parent, new_name))],
            exchange,
            [out, new_out],
        )
    }

    fn own<'a>(
        &'a self,
        unique: u64,
        names: [Option<(Key, &'a Name)>; 2],
        exchange: bool,
        mut outs: [&mut [u8]; 2],
    ) -> Result<Owned<'a>, NoPath> {
        let mut state = self.state.lock();
        let (wanted, chain) = loop {
            let (wanted, chain) = state.wanted(&names)?;
            let free = state.is_stable(&chain) && wanted.iter().all(|name| state.may_own(name));
            if free {
                break (wanted, chain);
            }
            self.wait(&mut state, unique)?;
        };
        let mut lens = [0; 2];
        for ((name, out), len) in wanted.iter().zip(&mut outs).zip(&mut lens) {
            let above = state.tree.chain(name.parent)?;
            *len = state.tree.write(&above, Some(name.name), out)?;
        }
        if wanted
            .iter()
            .filter_map(|name| name.node)
            .any(|node| chain.contains(&node))
        {
            return Err(NoPath::Below);
        }
        for &index in &chain {
            state.tree.node_mut(index).pins += 1;
        }
        for name in &wanted {
            state.owned.push((name.parent, name.name.into()));
            if let Some(node) = name.node {
                state.tree.node_mut(node).owned = true;
            }
        }
        let owned = Owned {
            paths: self,
            names: wanted,
            chain,
            lens,
            exchange,
        };
        while owned.nodes().any(|node| state.tree.node(node).pins > 0) {
            if let Err(interrupted) = self.wait(&mut state, unique) {
                // Dropping what is owned takes the lock.
                drop(state);
                return Err(interrupted);
            }
        }
        drop(state);
        Ok(owned)
    }

    /// The kernel no longer refers to a node; `lookups` entries had been handed out.
    pub fn forget(&self, node: Key, lookups: u64) {
        let mut state = self.state.lock();
        if let Some(index) = state.tree.index(node) {
            state.tree.forget(index, lookups);
        }
    }

    /// The inode number to show for a node whose file system gives none.
    pub fn ino(&self, node: Key) -> u64 {
        let state = self.state.lock();
        state.tree.index(node).map_or(node.0, |index| state.tree.ino(index))
    }

    /// The node that a path leads to, as far as its names are known; nobody is asked, and nothing waited for. `path` begins
    /// with a slash; empty parts of it mean nothing.
    pub fn find(&self, path: &[u8]) -> Option<Key> {
        let state = self.state.lock();
        let mut parts = path.strip_prefix(b"/")?.split(|&byte| byte == b'/');
        let root = state.tree.index(ROOT)?;
        let found = parts
            .by_ref()
            .filter(|part| !part.is_empty())
            .try_fold(root, |at, part| state.tree.child(at, part))?;
        Some(state.tree.key(found))
    }

    /// Somebody else has removed a name of `node`, which loses it, unless a request relies on it now. A name that leads to
    /// another node by now stays.
    pub fn vanished(&self, parent: Key, name: &Name, node: Key) {
        let mut state = self.state.lock();
        let name = name.as_bytes();
        let Some(parent) = state.tree.index(parent) else { return };
        let known = state
            .tree
            .child(parent, name)
            .filter(|&known| state.tree.key(known) == node);
        if known.is_some_and(|node| state.tree.node(node).pins == 0) && !state.is_owned(parent, name) {
            state.tree.detach(parent, name);
        }
    }

    /// How many names the directory has lost.
    pub fn losses(&self, directory: Key) -> u64 {
        let state = self.state.lock();
        state
            .tree
            .index(directory)
            .map_or(0, |index| state.tree.node(index).losses)
    }

    /// A name of a directory was listed with attributes when the directory had had some [losses](Paths::losses). Counts one
    /// lookup. `None`: it may be gone since, or be going.
    pub fn listed(&self, parent: Key, name: &Name, seen: &Seen, losses: u64) -> Option<Found> {
        let mut state = self.state.lock();
        let parent = state.tree.index(parent)?;
        let name = name.as_bytes();
        if state.is_owned(parent, name) || state.tree.node(parent).losses != losses {
            return None;
        }
        let index = state.tree.found(parent, name, seen, |_| 0);
        Some(state.hand_out(index))
    }

    /// A file was made that has no name. Counts one lookup.
    pub fn nameless(&self, seen: &Seen) -> Found {
        let mut state = self.state.lock();
        let index = state.tree.make(seen);
        state.hand_out(index)
    }

    // ---- handles of files that have lost their names

    /// A file was opened as `slot`, through which it can be asked without a name.
    pub fn opened(&self, node: Key, slot: Slot) {
        let mut state = self.state.lock();
        if let Some(index) = state.tree.index(node) {
            state.tree.node_mut(index).handles.push(Handle {
                slot,
                borrows: 0,
                closing: false,
            });
        }
    }

    /// A handle is about to be released: waits until no request borrows it.
    pub fn closing(&self, node: Key, slot: Slot) {
        let mut state = self.state.lock();
        while let Some(index) = state.tree.index(node) {
            let handles = &mut state.tree.node_mut(index).handles;
            let Some(at) = handles.iter().position(|handle| handle.slot == slot) else {
                return;
            };
            handles[at].closing = true;
            if handles[at].borrows == 0 {
                handles.swap_remove(at);
                state.tree.tidy(index);
                return;
            }
            self.sleep(&mut state);
        }
    }

    /// One of the open handles of a node, which is not released meanwhile.
    pub fn borrow(&self, node: Key) -> Option<Borrowed<'_>> {
        let mut state = self.state.lock();
        let index = state.tree.index(node)?;
        let handles = &mut state.tree.node_mut(index).handles;
        let handle = handles.iter_mut().find(|handle| !handle.closing)?;
        handle.borrows += 1;
        Some(Borrowed {
            paths: self,
            node,
            slot: handle.slot,
        })
    }

    // ---- waiting

    /// A request was interrupted: if it waits here, or is about to, it gives up.
    pub fn interrupt(&self, unique: u64) {
        let mut state = self.state.lock();
        if state.interrupted.len() == INTERRUPTS {
            state.interrupted.pop_front();
        }
        state.interrupted.push_back(unique);
        self.tell(&state);
    }

    fn wait(&self, state: &mut MutexGuard<'_, State>, unique: u64) -> Result<(), NoPath> {
        if state.interrupted.contains(&unique) {
            return Err(NoPath::Interrupted);
        }
        self.sleep(state);
        Ok(())
    }

    fn sleep(&self, state: &mut MutexGuard<'_, State>) {
        state.waiting += 1;
        self.changed.wait(state);
        state.waiting -= 1;
    }

    fn tell(&self, state: &State) {
        if state.waiting > 0 {
            self.changed.notify_all();
        }
    }

    fn unpin(&self, state: &mut State, chain: &Chain) {
        for &index in chain {
            state.tree.node_mut(index).pins -= 1;
        }
        // Owners wait for the last pin on what they own, everybody else for owners.
        let freed = chain.iter().any(|&index| {
            let node = state.tree.node(index);
            node.owned && node.pins == 0
        });
        for &index in chain {
            state.tree.tidy(index);
        }
        if freed {
            self.tell(state);
        }
    }
}

impl State {
    /// Whether nobody changes a name that a chain is made of.
    fn is_stable(&self, chain: &Chain) -> bool {
        self.owned.is_empty() || !chain.iter().any(|&index| self.tree.node(index).owned)
    }

    fn is_owned(&self, parent: Index, name: &[u8]) -> bool {
        self.owned
            .iter()
            .any(|(owned_parent, owned)| *owned_parent == parent && **owned == *name)
            || (!self.owned.is_empty()
                && self
                    .tree
                    .child(parent, name)
                    .is_some_and(|node| self.tree.node(node).owned))
    }

    fn may_own(&self, name: &Named<'_>) -> bool {
        !self.is_owned(name.parent, name.name)
    }

    /// The names to own as they are now, and the directories above them, each once.
    fn wanted<'a>(&self, names: &[Option<(Key, &'a Name)>; 2]) -> Result<(SmallVec<[Named<'a>; 2]>, Chain), NoPath> {
        let mut wanted = SmallVec::new();
        let mut above = Chain::new();
        for &(parent, name) in names.iter().flatten() {
            let parent = self.tree.index(parent).ok_or(NoPath::Unknown)?;
            let name = name.as_bytes();
            let node = self.tree.child(parent, name);
            wanted.push(Named { parent, name, node });
            above.extend(self.tree.chain(parent)?);
        }
        above.sort_unstable();
        above.dedup();
        Ok((wanted, above))
    }

    fn hand_out(&mut self, index: Index) -> Found {
        self.tree.count(index);
        Found {
            key: self.tree.key(index),
            ino: self.tree.ino(index),
        }
    }
}

#[cfg(test)]
mod tests;
