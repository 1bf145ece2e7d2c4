//! FUSE over io_uring: requests arrive in, and replies leave from, buffers that the kernel knows.
//!
//! The kernel has a queue for each processor and serves it from the entries registered there. This folder knows rings,
//! entries and processors, and decides whether and in what shape they are used; who serves them is `fleet` and `unit`.

mod cpus;
mod entry;
mod plan;
mod ring;

pub(crate) use cpus::Pin;
pub use cpus::{shed_inherited_pin, Machine};
pub(crate) use entry::{Arrived, Entry, Stage};
pub(crate) use plan::Plan;
pub use plan::{Rings, Transport};
pub(crate) use ring::{Completion, Ring, Submission, Submitted};
