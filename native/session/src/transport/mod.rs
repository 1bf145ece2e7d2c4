//! How requests arrive and replies leave.
//!
//! A worker receives into a lease and waits when there is nothing; a reply leaves through the channel, or the ring entry,
//! that brought its request. Nothing here knows what the bytes mean.

mod channels;
mod dev;
mod rouse;
mod spin;
pub(crate) mod uring;
mod wake;

pub(crate) use channels::Channels;
pub(crate) use dev::{Bytes, Channel, End, Received};
pub(crate) use rouse::{Bed, Sleeper, Sleepers};
pub(crate) use spin::Spin;
pub(crate) use wake::{Call, EventFd, Waker};

/// Where a reply goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way<'a> {
    /// To the descriptor that brought the request, at once.
    Device(&'a Channel),
    /// To the entry that brought it. It stays there until the entry's thread commits it: that is never refused, unless the
    /// connection has ended.
    Ring(uring::Stage<'a>),
}

impl<'a> From<&'a Channel> for Way<'a> {
    fn from(channel: &'a Channel) -> Self {
        Self::Device(channel)
    }
}

impl<'a> From<&'a std::sync::Arc<Channel>> for Way<'a> {
    fn from(channel: &'a std::sync::Arc<Channel>) -> Self {
        Self::Device(channel)
    }
}

impl<'a> From<uring::Stage<'a>> for Way<'a> {
    fn from(stage: uring::Stage<'a>) -> Self {
        Self::Ring(stage)
    }
}
