//! The answer to one request: owned, consumed once; dropped unanswered it says `EIO`.

use std::io;

use ferrofuse_protocol::abi::{bytes_of, OutHeader, Pod};
use ferrofuse_protocol::Errno;

use crate::transport::{Bytes, Channel};

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
    channel: &'a Channel,
    unique: u64,
    done: bool,
}

impl<'a> Reply<'a> {
    pub(crate) fn new(channel: &'a Channel, unique: u64) -> Self {
        Self {
            channel,
            unique,
            done: false,
        }
    }

    /// The operation has no reply (FORGET, BATCH_FORGET, NOTIFY_REPLY).
    pub(crate) fn none(mut self) {
        self.done = true;
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

    /// Success and bytes.
    pub(crate) fn bytes(self, bytes: Bytes<'_>) -> Delivery {
        self.send(0, &[bytes])
    }

    fn send(mut self, error: i32, body: &[Bytes<'_>]) -> Delivery {
        self.done = true;
        match self.put(error, body) {
            Ok(()) => Delivery::Delivered,
            Err(failure) => self.lost(&failure),
        }
    }

    fn put(&self, error: i32, body: &[Bytes<'_>]) -> io::Result<()> {
        let len = size_of::<OutHeader>() + body.iter().map(|part| part.len()).sum::<usize>();
        let len = u32::try_from(len).map_err(|_| io::Error::from_raw_os_error(libc::EMSGSIZE))?;
        let header = OutHeader {
            len,
            error,
            unique: self.unique,
        };
        let header = bytes_of(&header).into();
        match *body {
            [] => self.channel.send(&[header]),
            [one] => self.channel.send(&[header, one]),
            [one, two, ..] => self.channel.send(&[header, one, two]),
        }
    }

    fn lost(&self, failure: &io::Error) -> Delivery {
        match failure.raw_os_error().unwrap_or(libc::EIO) {
            libc::ENOENT | libc::ENODEV | libc::EPIPE | libc::ECONNRESET => Delivery::Lost,
            errno => {
                let _ = self.put(-libc::EIO, &[]);
                Delivery::Refused(errno)
            }
        }
    }
}

impl Drop for Reply<'_> {
    fn drop(&mut self) {
        if !self.done {
            let _ = self.put(-libc::EIO, &[]);
        }
    }
}
