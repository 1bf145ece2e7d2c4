//! Identity of a node between kernel and engine.

use std::fmt;

use crate::abi;

/// The number by which the kernel names a node (`fuse_entry_out.nodeid`). Given out by the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct NodeId(pub u64);

impl NodeId {
    /// The root directory; known to the kernel without a lookup.
    pub const ROOT: Self = Self(abi::ROOT_ID);
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
