//! All descriptors of a connection, so that they can be taken away from whoever uses them.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::dev::{over, Channel};

/// The connection's descriptors. Holds none of them open.
#[derive(Debug)]
pub(crate) struct Channels {
    /// What is put in a descriptor's place. Made early: when it is needed, descriptors may be what there is none of.
    over: OwnedFd,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    channels: Vec<Weak<Channel>>,
    revoked: bool,
}

impl Channels {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            over: over()?,
            state: Mutex::default(),
        })
    }

    /// Keeps an eye on a descriptor. One that comes after [`Channels::revoke`] is revoked at once.
    pub(crate) fn add(&self, channel: Channel) -> Arc<Channel> {
        let channel = Arc::new(channel);
        let mut state = self.state.lock();
        if state.revoked {
            channel.revoke(&self.over);
        }
        state.channels.retain(|channel| channel.strong_count() > 0);
        state.channels.push(Arc::downgrade(&channel));
        channel
    }

    /// Closes all descriptors, though they are in use: to their users it looks like the end of the connection. The kernel
    /// aborts a connection whose last descriptor is closed.
    pub(crate) fn revoke(&self) {
        let mut state = self.state.lock();
        state.revoked = true;
        for channel in state.channels.drain(..).filter_map(|channel| channel.upgrade()) {
            channel.revoke(&self.over);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::super::{End, Received, Sleeper};
    use super::*;
    use crate::testing::{receive, seqpacket};

    fn is_over(channel: &Channel) -> bool {
        let mut polled = libc::pollfd {
            fd: channel.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one pollfd that outlives the call.
        if unsafe { libc::poll(&raw mut polled, 1, 0) } == 0 {
            return false;
        }
        let mut rest = [0_u8; 1];
        // SAFETY: `rest` outlives the call.
        let received = unsafe { channel.receive(&mut [0; 1], &raw mut rest, &Sleeper::undisturbed()) };
        matches!(received, Received::Ended(End::Aborted))
    }

    #[test]
    fn a_revoked_descriptor_has_ended_for_both_sides_and_later_ones_are_revoked_at_once() {
        let channels = Channels::new().unwrap();
        let (engine, peer) = seqpacket();
        let channel = channels.add(Channel::new(engine).unwrap());
        let (engine, other_peer) = seqpacket();
        drop(channels.add(Channel::new(engine).unwrap()));
        assert_eq!(receive(&other_peer).as_deref(), Some([].as_slice()));
        assert!(receive(&peer).is_none() && !is_over(&channel));
        channels.revoke();
        assert_eq!(receive(&peer).as_deref(), Some([].as_slice()), "the end");
        assert!(is_over(&channel));
        assert_eq!(
            channel.send(&[b"x".as_slice().into()]).unwrap_err().raw_os_error(),
            Some(libc::EBADF)
        );
        let (engine, peer) = seqpacket();
        assert!(is_over(&channels.add(Channel::new(engine).unwrap())));
        assert_eq!(receive(&peer).as_deref(), Some([].as_slice()));
        channels.revoke();
    }
}
