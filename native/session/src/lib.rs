//! One mounted FUSE file system, from handshake to the last release.
//!
//! [`Session`] speaks with the kernel; a [`Handler`] is the file system behind it. The crate starts no threads and
//! knows nothing of Java. It takes one real-time signal of the process, to rouse workers.
//!
//! With the feature `fuser` there is also [`oracle`], which does start threads: the crate fuser's.

mod arena;
mod backing;
mod berth;
mod capabilities;
mod config;
mod crew;
mod dispatch;
mod error;
mod fleet;
mod gate;
mod handler;
mod handles;
mod handshake;
mod in_flight;
mod interrupts;
mod lease;
mod locks;
mod log;
mod meter;
pub mod mount;
mod nodes;
mod notify;
#[cfg(feature = "fuser")]
pub mod oracle;
pub mod paths;
mod reply;
mod session;
mod transport;
mod unit;
mod worker;

#[cfg(test)]
mod testing;

pub use backing::BackingFiles;
pub use capabilities::Capabilities;
pub use config::{Config, Readdirplus};
pub use crew::{Growth, Threads};
pub use error::{Error, ErrorKind};
pub use handler::{
    Attributes, Call, Caller, Concurrency, Entry, Handle, Handler, Ioctl, Key, LockKeeper, Memory, Offer, Opened,
    Outcome, Slot, Wish,
};
pub use handshake::Granted;
pub use in_flight::Running;
pub use log::{Level, Sink};
pub use meter::{bucket_of, Measures, Metrics, Slow, SlowSink, BUCKETS, SUB_BITS};
pub use notify::{Gone, NotifyError, Stale, Told};
pub use session::Session;
pub use transport::uring::{shed_inherited_pin, Machine, Rings, Transport};
