//! How requests arrive and replies leave.
//!
//! A worker receives into a lease and waits when there is nothing; a reply leaves through the channel that brought its
//! request. Nothing here knows what the bytes mean.

mod channels;
mod dev;
mod rouse;
mod spin;
mod wake;

pub(crate) use channels::Channels;
pub(crate) use dev::{Bytes, Channel, End, Received};
pub(crate) use rouse::{Bed, Sleeper, Sleepers};
pub(crate) use spin::Spin;
pub(crate) use wake::{Call, Waker};
