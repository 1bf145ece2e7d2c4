//! The FUSE kernel protocol: bytes to types and back.
//!
//! Used by the session engine. A request is decoded by borrowing from the buffer it was read into
//! ([`Message`], [`Operation`]); a reply is a header and the records of [`abi`], sent as they lie in memory
//! ([`reply`], [`dirent`]). Every length from outside is checked before it is used, and no input panics.
//! This crate never does I/O, starts no thread and depends on nothing.

pub mod abi;
pub mod dirent;
mod errno;
mod extension;
mod message;
mod name;
mod node;
mod opcode;
mod operation;
pub mod reply;

pub use errno::Errno;
pub use extension::{Extension, Extensions, Groups, SecurityContext, SecurityContexts};
pub use message::{DecodeError, Dialect, Message};
pub use name::{Name, NameError};
pub use node::NodeId;
pub use opcode::Opcode;
pub use operation::Operation;
