//! One descriptor of `/dev/fuse`, or a `SOCK_SEQPACKET` socket that plays it: one message a call, both ways.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use ferrofuse_protocol::abi::{dev, BackingMap};

use super::Sleeper;

/// What a receive came back with.
#[derive(Debug)]
pub(crate) enum Received {
    /// A message of that many bytes.
    Message(usize),
    /// Nothing: the reader was roused.
    Roused,
    /// The connection is over.
    Ended(End),
    /// Something that reading the device doesn't do.
    Failed(io::Error),
}

/// How the kernel ended the connection. What says more is greater: workers may see different ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// Aborted, or the peer closed it: the mount may be in the tree still, dead.
    Aborted,
    /// ENODEV, or DESTROY: nothing is mounted any more.
    Unmounted,
}

/// Memory that others may change at any time: it can be handed to the kernel, never be made a reference.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes<'a> {
    start: *const u8,
    len: usize,
    memory: PhantomData<&'a [u8]>,
}

impl Bytes<'_> {
    /// # Safety
    /// `start` points to `len` bytes that stay mapped during `'a`.
    pub(crate) unsafe fn new(start: *const u8, len: usize) -> Self {
        Self {
            start,
            len,
            memory: PhantomData,
        }
    }

    pub(crate) fn len(self) -> usize {
        self.len
    }

    pub(super) fn start(self) -> *const u8 {
        self.start
    }
}

impl<'a> From<&'a [u8]> for Bytes<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self {
            start: bytes.as_ptr(),
            len: bytes.len(),
            memory: PhantomData,
        }
    }
}

/// Most parts of one message that is sent.
pub(crate) const MAX_PARTS: usize = 4;

/// A descriptor of the connection. Reading it waits for a message.
#[derive(Debug)]
pub(crate) struct Channel {
    fd: OwnedFd,
}

impl Channel {
    /// Takes over the descriptor that was mounted, and makes it blocking and close-on-exec.
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Self> {
        let raw = fd.as_raw_fd();
        // SAFETY: fcntl on a descriptor that `fd` owns; no memory is involved.
        let flags = checked(unsafe { libc::fcntl(raw, libc::F_GETFL) })?;
        // SAFETY: as above.
        checked(unsafe { libc::fcntl(raw, libc::F_SETFL, flags & !libc::O_NONBLOCK) })?;
        // SAFETY: as above.
        checked(unsafe { libc::fcntl(raw, libc::F_SETFD, libc::FD_CLOEXEC) })?;
        Ok(Self { fd })
    }

    /// Opens another descriptor of the same connection, with a queue of its own for what it has read
    /// (`FUSE_DEV_IOC_CLONE`).
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        let flags = libc::O_RDWR | libc::O_CLOEXEC;
        // SAFETY: the path is a C string literal.
        let raw = checked(unsafe { libc::open(c"/dev/fuse".as_ptr(), flags) })?;
        // SAFETY: `raw` was just opened and nobody else knows it.
        let fd = unsafe { OwnedFd::from_raw_fd(raw) };
        let source = self.fd.as_raw_fd() as u32;
        // SAFETY: the request reads one u32 at the pointer, which outlives the call.
        checked(unsafe { libc::ioctl(raw, dev::IOC_CLONE as _, &raw const source) })?;
        Ok(Self { fd })
    }

    /// Registers what a descriptor has open, for the kernel to read and write in place of a file of this connection
    /// (`FUSE_DEV_IOC_BACKING_OPEN`). Answers its id.
    pub(crate) fn backing_open(&self, fd: RawFd) -> io::Result<i32> {
        let map = BackingMap {
            fd,
            ..BackingMap::default()
        };
        // SAFETY: the request reads one BackingMap at the pointer, which outlives the call.
        checked(unsafe { libc::ioctl(self.fd.as_raw_fd(), dev::IOC_BACKING_OPEN as _, &raw const map) })
    }

    /// Ends a registration (`FUSE_DEV_IOC_BACKING_CLOSE`).
    pub(crate) fn backing_close(&self, id: i32) -> io::Result<()> {
        // SAFETY: the request reads one u32 at the pointer, which outlives the call.
        checked(unsafe { libc::ioctl(self.fd.as_raw_fd(), dev::IOC_BACKING_CLOSE as _, &raw const id) }).map(drop)
    }

    /// Closes the descriptor, though others may be using it: they have `over` then, whatever they do. Its number stays
    /// taken.
    pub(super) fn revoke(&self, over: &OwnedFd) {
        // SAFETY: both descriptors are open, and `self` keeps its number; no memory is involved. With both of them open,
        // and their numbers different, it fails only while another thread is opening a descriptor under one of them.
        while unsafe { libc::dup3(over.as_raw_fd(), self.fd.as_raw_fd(), libc::O_CLOEXEC) } < 0 {
            std::hint::spin_loop();
        }
    }

    /// Waits for one message: its beginning goes into `head`, what doesn't fit there into `rest`. Of those who wait at the
    /// device, the one that has waited longest gets the next message: workers take turns, and so end up on the processors
    /// of their clients.
    ///
    /// # Safety
    /// `rest` is mapped and writable during the call.
    pub(crate) unsafe fn receive(&self, head: &mut [u8], rest: *mut [u8], sleeper: &Sleeper) -> Received {
        let parts = [
            libc::iovec {
                iov_base: head.as_mut_ptr().cast(),
                iov_len: head.len(),
            },
            libc::iovec {
                iov_base: rest.cast(),
                iov_len: rest.len(),
            },
        ];
        loop {
            // SAFETY: `head` is borrowed for writing, `rest` is the caller's promise.
            let error = match unsafe { sleeper.read(self.fd.as_raw_fd(), &parts) } {
                // A device never says so; a socket whose peer has closed it does, and what is left of a revoked one.
                Ok(0) => return Received::Ended(End::Aborted),
                Ok(len) => return Received::Message(len),
                Err(error) => error,
            };
            match error.raw_os_error() {
                // ENOENT: the request was taken back between its announcement and the read.
                Some(libc::ENOENT) => {}
                Some(libc::EINTR) => return Received::Roused,
                Some(libc::ENODEV) => return Received::Ended(End::Unmounted),
                Some(libc::ECONNABORTED | libc::ECONNRESET) => return Received::Ended(End::Aborted),
                _ => return Received::Failed(error),
            }
        }
    }

    /// Sends one message that consists of `parts`. It is taken whole or not at all.
    pub(crate) fn send(&self, parts: &[Bytes<'_>]) -> io::Result<()> {
        debug_assert!(parts.len() <= MAX_PARTS);
        let mut vectors = [libc::iovec {
            iov_base: std::ptr::null_mut(),
            iov_len: 0,
        }; MAX_PARTS];
        for (vector, part) in vectors.iter_mut().zip(parts) {
            *vector = libc::iovec {
                iov_base: part.start.cast_mut().cast(),
                iov_len: part.len,
            };
        }
        let count = parts.len().min(MAX_PARTS) as libc::c_int;
        loop {
            // SAFETY: each vector is a `Bytes`, which is mapped during its lifetime; writev only reads them.
            let sent = unsafe { libc::writev(self.fd.as_raw_fd(), vectors.as_ptr(), count) };
            if sent >= 0 {
                return Ok(());
            }
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::EINTR) => {}
                _ => return Err(error),
            }
        }
    }
}

/// Something to put in a descriptor's place: it reads as ended, can't be written to and can be waited for.
pub(super) fn over() -> io::Result<OwnedFd> {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    checked(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) })?;
    // SAFETY: both were just opened and nobody else knows them. The writing end is closed here.
    let [read, _] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
    Ok(read)
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Channel {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// The result of a system call, or the error that it left in `errno`.
pub(super) fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}
