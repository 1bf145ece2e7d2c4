//! What a call holds while it runs: a path that stays true, names that are its own, a handle that is not released.
//!
//! Made by [`Paths`], which decides when; dropping them gives back what they hold and wakes who waits for it.

use smallvec::SmallVec;

use super::tree::{Chain, Index};
use super::{Found, Paths, Seen};
use crate::handler::{Key, Slot};

/// A name in a directory, and the node that it led to when it was looked at.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) parent: Index,
    pub(super) name: &'a [u8],
    pub(super) node: Option<Index>,
}

/// A path that stays what it is until this is dropped.
#[must_use = "the path may change as soon as this is dropped"]
pub struct Pin<'a> {
    pub(super) paths: &'a Paths,
    pub(super) chain: Chain,
    pub(super) len: usize,
    pub(super) named: Option<Named<'a>>,
}

impl Pin<'_> {
    /// Bytes of the path.
    #[allow(clippy::len_without_is_empty)] // a path is never empty
    pub fn len(&self) -> usize {
        self.len
    }

    /// A look-up found what the name leads to, or it was made. Counts one lookup.
    ///
    /// # Panics
    /// Never on a pin of [`Paths::child`]; on one of [`Paths::path`] it is a defect of the caller.
    pub fn found(&self, seen: &Seen) -> Found {
        let Named { parent, name, node } = self.name();
        let state = &mut *self.paths.state.lock();
        let mine = |index| u32::from(node == Some(index));
        let index = state.tree.found(parent, name, seen, mine);
        state.hand_out(index)
    }

    /// The name was made as another one of `node`. Counts one lookup. `None` if there is no such node.
    ///
    /// # Panics
    /// As [`Pin::found`].
    pub fn linked(&self, node: Key) -> Option<Found> {
        let Named { parent, name, .. } = self.name();
        let state = &mut *self.paths.state.lock();
        let index = state.tree.index(node)?;
        state.tree.linked(parent, name, index);
        Some(state.hand_out(index))
    }

    /// A look-up found nothing: what was known by the name loses it, unless others rely on it.
    ///
    /// # Panics
    /// As [`Pin::found`].
    pub fn absent(&self) {
        let Named { parent, name, node } = self.name();
        let state = &mut *self.paths.state.lock();
        let Some(node) = node else { return };
        let is_mine = state.tree.child(parent, name) == Some(node) && state.tree.node(node).pins == 1;
        if is_mine && !state.tree.node(node).owned {
            state.tree.detach(parent, name);
        }
    }

    fn name(&self) -> Named<'_> {
        self.named.expect("made by Paths::child")
    }
}

impl Drop for Pin<'_> {
    fn drop(&mut self) {
        let state = &mut *self.paths.state.lock();
        self.paths.unpin(state, &self.chain);
    }
}

/// One or two names that nobody else uses until this is dropped. Dropped as it is, nothing has changed.
#[must_use = "the names are free again as soon as this is dropped"]
pub struct Owned<'a> {
    pub(super) paths: &'a Paths,
    pub(super) names: SmallVec<[Named<'a>; 2]>,
    /// The directories above them, pinned.
    pub(super) chain: Chain,
    pub(super) lens: [usize; 2],
    pub(super) exchange: bool,
}

impl Owned<'_> {
    /// Bytes of the (old) path.
    #[allow(clippy::len_without_is_empty)] // a path is never empty
    pub fn len(&self) -> usize {
        self.lens[0]
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = Index> + '_ {
        self.names.iter().filter_map(|name| name.node)
    }

    /// Bytes of the new path.
    pub fn new_len(&self) -> usize {
        self.lens[1]
    }

    /// It was removed, or renamed.
    pub fn done(self) {
        let mut state = self.paths.state.lock();
        let tree = &mut state.tree;
        match *self.names {
            [name] => tree.detach(name.parent, name.name),
            [from, to] if self.exchange => tree.exchange((from.parent, from.name), (to.parent, to.name)),
            [from, to] => tree.rename((from.parent, from.name), (to.parent, to.name)),
            _ => {}
        }
        // Dropping `self`, which follows, takes the lock again: the names are owned until then.
        drop(state);
    }
}

impl Drop for Owned<'_> {
    fn drop(&mut self) {
        let state = &mut *self.paths.state.lock();
        for name in &self.names {
            let found = state
                .owned
                .iter()
                .position(|(parent, owned)| *parent == name.parent && **owned == *name.name);
            if let Some(at) = found {
                state.owned.swap_remove(at);
            }
            if let Some(node) = name.node {
                state.tree.node_mut(node).owned = false;
                state.tree.tidy(node);
            }
        }
        self.paths.unpin(state, &self.chain);
        self.paths.tell(state);
    }
}

/// An open handle that is not released until this is dropped.
pub struct Borrowed<'a> {
    pub(super) paths: &'a Paths,
    pub(super) node: Key,
    pub(super) slot: Slot,
}

impl Borrowed<'_> {
    /// The handle.
    pub fn slot(&self) -> Slot {
        self.slot
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        let state = &mut *self.paths.state.lock();
        if let Some(index) = state.tree.index(self.node) {
            let handles = &mut state.tree.node_mut(index).handles;
            if let Some(handle) = handles.iter_mut().find(|handle| handle.slot == self.slot) {
                handle.borrows -= 1;
            }
        }
        self.paths.tell(state);
    }
}
