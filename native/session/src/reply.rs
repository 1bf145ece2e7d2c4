//! The answer to one request: owned, consumed once; dropped unanswered it says `EIO`.

use std::io;

use ferrofuse_protocol::abi::{bytes_of, OutHeader, Pod};
use ferrofuse_protocol::Errno;

use crate::transport::{Bytes, Way};

/// What became of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "what a lost reply handed out has to be taken back"]
pub(crate) enum Delivery {
    /// The kernel has it.
    Delivered,
    /// Nobody waits for it any more: the request was aborted or the connection is over. What it handed out, the kernel
    /// doesn't know.
    Lost,
    /// The kernel found fault with it (the `errno` of the write): our bug. The request was answered with `EIO` instead.
    Refused(i32),
}

/// The right and the duty to answer one request.
pub(crate) struct Reply<'a> {
    way: Way<'a>,
    unique: u64,
    done: bool,
    /// Learns what the reply says.
    errno: Option<&'a mut i32>,
}

impl<'a> Reply<'a> {
    pub(crate) fn new(way: impl Into<Way<'a>>, unique: u64) -> Self {
        Self {
            way: way.into(),
            unique,
            done: false,
            errno: None,
        }
    }

    /// Has `errno` say how the request was answered: 0 for success.
    pub(crate) fn telling(mut self, errno: &'a mut i32) -> Self {
        *errno = 0;
        self.errno = Some(errno);
        self
    }

    /// The operation has no reply (FORGET, BATCH_FORGET, NOTIFY_REPLY).
    pub(crate) fn none(mut self) {
        self.done = true;
        if let Way::Ring(stage) = self.way {
            // What frees the entry.
            let _ = stage.put(&self.header(0, 0), &[]);
        }
    }

    /// The operation failed.
    pub(crate) fn error(self, errno: Errno) -> Delivery {
        self.send(-errno.raw(), &[])
    }

    /// Success that says nothing more.
    pub(crate) fn empty(self) -> Delivery {
        self.send(0, &[])
    }

    /// Success and a record.
    pub(crate) fn record<T: Pod>(self, record: &T) -> Delivery {
        self.send(0, &[bytes_of(record).into()])
    }

    /// Success and two records, one behind the other.
    pub(crate) fn records<A: Pod, B: Pod>(self, first: &A, second: &B) -> Delivery {
        self.send(0, &[bytes_of(first).into(), bytes_of(second).into()])
    }

    /// Success, a record and bytes behind it.
    pub(crate) fn record_and_bytes<T: Pod>(self, record: &T, bytes: Bytes<'_>) -> Delivery {
        self.send(0, &[bytes_of(record).into(), bytes])
    }

    /// Success and bytes.
    pub(crate) fn bytes(self, bytes: Bytes<'_>) -> Delivery {
        self.send(0, &[bytes])
    }

    fn send(mut self, error: i32, body: &[Bytes<'_>]) -> Delivery {
        self.done = true;
        self.tell(-error);
        match self.put(error, body) {
            Ok(()) => Delivery::Delivered,
            Err(failure) => self.lost(&failure),
        }
    }

    fn tell(&mut self, errno: i32) {
        if let Some(told) = &mut self.errno {
            **told = errno;
        }
    }

    fn put(&self, error: i32, body: &[Bytes<'_>]) -> io::Result<()> {
        let len = size_of::<OutHeader>() + body.iter().map(|part| part.len()).sum::<usize>();
        let len = u32::try_from(len).map_err(|_| io::Error::from_raw_os_error(libc::EMSGSIZE))?;
        let header = self.header(len, error);
        let channel = match self.way {
            Way::Device(channel) => channel,
            Way::Ring(stage) => return stage.put(&header, body),
        };
        let header = bytes_of(&header).into();
        match *body {
            [] => channel.send(&[header]),
            [one] => channel.send(&[header, one]),
            [one, two, ..] => channel.send(&[header, one, two]),
        }
    }

    fn header(&self, len: u32, error: i32) -> OutHeader {
        OutHeader {
            len,
            error,
            unique: self.unique,
        }
    }

    fn lost(&mut self, failure: &io::Error) -> Delivery {
        match failure.raw_os_error().unwrap_or(libc::EIO) {
            // EBADF: the descriptor was revoked.
            libc::ENOENT | libc::ENODEV | libc::EPIPE | libc::ECONNRESET | libc::EBADF => Delivery::Lost,
            errno => {
                self.tell(libc::EIO);
                let _ = self.put(-libc::EIO, &[]);
                Delivery::Refused(errno)
            }
        }
    }
}

impl Drop for Reply<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.tell(libc::EIO);
            let _ = self.put(-libc::EIO, &[]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;

    use crate::transport::Channel;

    use crate::testing::{receive, seqpacket};

    fn pair() -> (Channel, OwnedFd) {
        let (engine, peer) = seqpacket();
        (Channel::new(engine).unwrap(), peer)
    }

    /// unique, error and length of the only message that has arrived.
    fn only_message(peer: &OwnedFd) -> (u64, i32, u32) {
        let message = receive(peer).expect("a reply");
        assert_eq!(receive(peer), None, "a second reply");
        let header: &OutHeader = ferrofuse_protocol::abi::read_from(&message).expect("a whole header");
        assert_eq!(header.len as usize, message.len());
        (header.unique, header.error, header.len)
    }

    #[test]
    fn a_reply_that_is_dropped_says_eio() {
        let (channel, peer) = pair();
        drop(Reply::new(&channel, 7));
        assert_eq!(only_message(&peer), (7, -libc::EIO, 16));
    }

    #[test]
    fn a_reply_is_sent_once_and_none_is_silent() {
        let (channel, peer) = pair();
        assert_eq!(Reply::new(&channel, 7).error(Errno::ENOENT), Delivery::Delivered);
        assert_eq!(only_message(&peer), (7, -libc::ENOENT, 16));
        assert_eq!(Reply::new(&channel, 8).records(&1_u64, &2_u64), Delivery::Delivered);
        assert_eq!(only_message(&peer), (8, 0, 32));
        Reply::new(&channel, 9).none();
        assert_eq!(receive(&peer), None);
    }

    #[test]
    fn a_reply_that_is_refused_becomes_an_error_so_that_nobody_waits() {
        let (channel, peer) = pair();
        // More than a socket takes in one message.
        let body = vec![0; 8 << 20];
        let delivery = Reply::new(&channel, 7).bytes(body.as_slice().into());
        assert_eq!(delivery, Delivery::Refused(libc::EMSGSIZE));
        assert_eq!(only_message(&peer), (7, -libc::EIO, 16));
    }

    #[test]
    fn a_reply_tells_how_the_request_was_answered() {
        let (channel, _peer) = pair();
        let told = |answer: fn(Reply<'_>) -> Option<Delivery>| {
            let mut errno = 77;
            let _ = answer(Reply::new(&channel, 7).telling(&mut errno));
            errno
        };
        assert_eq!(told(|reply| Some(reply.error(Errno::ENOENT))), libc::ENOENT);
        assert_eq!(told(|reply| Some(reply.empty())), 0);
        assert_eq!(
            told(|reply| {
                reply.none();
                None
            }),
            0
        );
        assert_eq!(told(|_dropped| None), libc::EIO);
        let too_long = told(|reply| Some(reply.bytes(vec![0; 8 << 20].as_slice().into())));
        assert_eq!(too_long, libc::EIO);
    }

    #[test]
    fn a_reply_that_nobody_waits_for_is_lost() {
        let (channel, peer) = pair();
        drop(peer);
        assert_eq!(Reply::new(&channel, 7).empty(), Delivery::Lost);
    }
}
