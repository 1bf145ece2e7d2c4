//! Messages that the kernel has not asked for: what it is to forget, to keep, to give back, or to wake.
//!
//! Called by whoever embeds the engine, from any thread but one that serves a request: the kernel may wait for locks
//! that the caller of that request holds, and for its answer. [`Session::wake`] alone waits for nobody. Written to the
//! device that was mounted, while workers use it. Knows no files: what is meant is for the caller to say.

use std::collections::hash_map::Entry;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use ferrofuse_protocol::abi::{
    bytes_of, init, notify_inval_entry, InHeader, NotifyDeleteOut, NotifyInvalEntryOut, NotifyInvalInodeOut,
    NotifyPollWakeupOut, NotifyPruneOut, NotifyRetrieveIn, NotifyRetrieveOut, NotifyStoreOut, Pod,
};
use ferrofuse_protocol::reply::{notification, NotifyCode};
use ferrofuse_protocol::{Errno, Name, Opcode};
use parking_lot::Mutex;

use crate::dispatch::guarded;
use crate::handler::{Handler, Key, Memory, Outcome};
use crate::log::Level;
use crate::session::Session;
use crate::transport::Bytes;

/// Minor version that knows INC_EPOCH.
const INC_EPOCH_MINOR: u32 = 44;
/// Minor version that knows PRUNE.
const PRUNE_MINOR: u32 = 45;
/// Nodes of one PRUNE message: a page of them.
const PRUNED_AT_ONCE: usize = 512;

/// What became of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Told {
    /// The kernel has done it.
    Done,
    /// The kernel has nothing that it could be done to.
    NotCached,
    /// The connection is over: the kernel has nothing any more.
    Ended,
}

/// Why a notification was not sent, or not taken.
#[derive(Debug)]
pub enum NotifyError {
    /// The kernel doesn't know it.
    Unsupported {
        /// What it is.
        notification: &'static str,
        /// Since when kernels know it.
        since: &'static str,
    },
    /// An argument that no kernel takes.
    Invalid(&'static str),
    /// What the kernel answered.
    Kernel(io::Error),
}

impl NotifyError {
    /// The number that stands for it.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Unsupported { .. } => Errno::EOPNOTSUPP,
            Self::Invalid(_) => Errno::EINVAL,
            Self::Kernel(error) => error.raw_os_error().and_then(Errno::from_raw).unwrap_or(Errno::EIO),
        }
    }
}

impl fmt::Display for NotifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported { notification, since } => {
                write!(f, "{notification} is unknown to this kernel: it needs {since} or later")
            }
            Self::Invalid(what) => f.write_str(what),
            Self::Kernel(error) => write!(f, "the kernel refused a notification: {error}"),
        }
    }
}

impl std::error::Error for NotifyError {}

/// What the kernel remembers of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// Attributes and access control lists.
    Attributes,
    /// These and the cached data of all pages that a range touches. Changed data is written first.
    Data {
        /// First byte.
        offset: u64,
        /// Bytes; 0: to the end.
        len: u64,
    },
}

/// What has happened to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// It may lead elsewhere: it is looked up again, and what was cached below it is dropped.
    Invalid,
    /// It is looked up again, but whoever uses it keeps it (since Linux 6.2).
    Expired,
    /// It was removed, and led to this node; one that leads to another by now stays.
    Deleted(Key),
}

/// Tickets of [`Session::stir`] begin here and are even, as those of all retrievals over rings have to be; no two are the
/// same, or the kernel would take one's answer for the other's.
const STIRS: u64 = 1 << 61;

/// Which answers to RETRIEVE are awaited, by the number that the kernel repeats.
#[derive(Debug, Default)]
pub(crate) struct Retrievals {
    asked: Mutex<HashMap<u64, NotifyRetrieveOut>>,
    stirs: AtomicU64,
}

impl Retrievals {
    /// `false`: the ticket is taken.
    fn begin(&self, ticket: u64, asked: NotifyRetrieveOut) -> bool {
        match self.asked.lock().entry(ticket) {
            Entry::Occupied(_) => false,
            Entry::Vacant(free) => {
                free.insert(asked);
                true
            }
        }
    }

    fn end(&self, ticket: u64) -> Option<NotifyRetrieveOut> {
        self.asked.lock().remove(&ticket)
    }

    /// Nothing is answered any more.
    pub(crate) fn clear(&self) {
        self.asked.lock().clear();
    }
}

impl<M: Memory> Session<M> {
    /// Whether the kernel knows [`Gone::Expired`].
    pub fn can_expire(&self) -> bool {
        self.granted.flags & init::HAS_EXPIRE_ONLY != 0
    }

    /// What the kernel remembers of a node is stale.
    ///
    /// # Errors
    /// A range beyond the largest offset, and what the kernel says.
    pub fn inval_inode(&self, node: Key, stale: Stale) -> Result<Told, NotifyError> {
        let (off, len) = match stale {
            // To the kernel a negative offset says that the data is not meant.
            Stale::Attributes => (-1, 0),
            Stale::Data { offset, len } => {
                let end = offset.checked_add(len).and_then(|end| i64::try_from(end).ok());
                end.ok_or(NotifyError::Invalid("the range ends beyond 2^63 bytes"))?;
                (offset as i64, len as i64)
            }
        };
        let Some(nodeid) = self.nodes.nodeid(node) else {
            return Ok(self.not_cached());
        };
        let out = NotifyInvalInodeOut {
            ino: nodeid.0,
            off,
            len,
        };
        self.tell(NotifyCode::InvalInode, &out, &[])
    }

    /// Something has happened to a name in a directory.
    ///
    /// # Errors
    /// The name can't be one, expiring is unknown to the kernel, or what the kernel says: a deleted directory that has
    /// cached names in it is `ENOTEMPTY`, one that is mounted on `EBUSY`.
    pub fn inval_entry(&self, parent: Key, name: &[u8], gone: Gone) -> Result<Told, NotifyError> {
        if gone == Gone::Expired && !self.can_expire() {
            return Err(NotifyError::Unsupported {
                notification: "expiring a name",
                since: "Linux 6.2",
            });
        }
        let entry = Name::component(name).ok().filter(|name| !name.is_dots());
        if entry.is_none() {
            return Err(NotifyError::Invalid(
                "a name is neither empty nor a dot, has no slash and no NUL",
            ));
        }
        let namelen = u32::try_from(name.len()).map_err(|_| NotifyError::Invalid("the name is too long"))?;
        let Some(parent) = self.nodes.nodeid(parent) else {
            return Ok(self.not_cached());
        };
        let name = [name.into(), b"\0".as_slice().into()];
        if let Gone::Deleted(child) = gone {
            // Whatever the name leads to as far as the kernel knows, it is not what was removed.
            let Some(child) = self.nodes.nodeid(child) else {
                return Ok(self.not_cached());
            };
            let out = NotifyDeleteOut {
                parent: parent.0,
                child: child.0,
                namelen,
                padding: 0,
            };
            return self.tell(NotifyCode::Delete, &out, &name);
        }
        let flags = if gone == Gone::Expired {
            notify_inval_entry::EXPIRE_ONLY
        } else {
            0
        };
        let out = NotifyInvalEntryOut {
            parent: parent.0,
            namelen,
            flags,
        };
        self.tell(NotifyCode::InvalEntry, &out, &name)
    }

    /// Every name that the kernel remembers is to be looked up again before it is used.
    ///
    /// # Errors
    /// Unknown to the kernel before 7.44.
    pub fn inc_epoch(&self) -> Result<Told, NotifyError> {
        self.needs(INC_EPOCH_MINOR, "invalidating all names", "Linux 6.16")?;
        self.tell_parts(NotifyCode::IncEpoch, &[])
    }

    /// The kernel is to forget nodes that nobody uses; those in use stay.
    ///
    /// # Errors
    /// Unknown to the kernel before 7.45.
    pub fn prune(&self, nodes: &[Key]) -> Result<Told, NotifyError> {
        self.needs(PRUNE_MINOR, "pruning", "Linux 6.18")?;
        let known: Vec<u64> = nodes
            .iter()
            .filter_map(|&node| self.nodes.nodeid(node))
            .map(|nodeid| nodeid.0)
            .collect();
        let mut told = self.not_cached();
        for nodeids in known.chunks(PRUNED_AT_ONCE) {
            let out = NotifyPruneOut {
                // At most `PRUNED_AT_ONCE`.
                count: nodeids.len() as u32,
                ..NotifyPruneOut::default()
            };
            let nodeids: Vec<u8> = nodeids.iter().flat_map(|nodeid| nodeid.to_ne_bytes()).collect();
            told = self.tell(NotifyCode::Prune, &out, &[nodeids.as_slice().into()])?;
        }
        Ok(told)
    }

    /// Puts data into the page cache of a regular file, which grows if it ends before the data does. A page that is
    /// written in part stays to be read, unless the file ends in it.
    ///
    /// # Errors
    /// A range beyond the largest offset, and what the kernel says: `EINVAL` if the node is not a regular file.
    ///
    /// # Safety
    /// `data` stays mapped during the call; others may change it.
    pub unsafe fn store(&self, node: Key, offset: u64, data: *const [u8]) -> Result<Told, NotifyError> {
        let too_long = NotifyError::Invalid("the data ends beyond 2^63 bytes, or has more than 2^31");
        let Ok(size) = i32::try_from(data.len()) else {
            return Err(too_long);
        };
        if offset.checked_add(size as u64).is_none_or(|end| end > i64::MAX as u64) {
            return Err(too_long);
        }
        let Some(nodeid) = self.nodes.nodeid(node) else {
            return Ok(self.not_cached());
        };
        let out = NotifyStoreOut {
            nodeid: nodeid.0,
            offset,
            size: size as u32,
            padding: 0,
        };
        // SAFETY: the caller's promise.
        let data = unsafe { Bytes::new(data.cast(), data.len()) };
        self.tell(NotifyCode::Store, &out, &[data])
    }

    /// Asks for what the page cache has of a file, without a gap, from an offset on: at most `size` bytes, at most as
    /// many as the largest write has. It comes to [`Handler::retrieved`] of some worker, under the number `ticket`, if
    /// the answer is [`Told::Done`]; maybe before this returns; not if the connection ends before.
    ///
    /// An answer that comes over a ring has the ticket as its `unique`: it is to be even and beyond all numbers that the
    /// kernel gives its requests, 2^62 for instance.
    ///
    /// # Errors
    /// A ticket that is still waited for, a range beyond the largest offset, and what the kernel says.
    pub fn retrieve(&self, ticket: u64, node: Key, offset: u64, size: u32) -> Result<Told, NotifyError> {
        let size = size.min(self.granted.max_write);
        if offset.checked_add(size.into()).is_none_or(|end| end > i64::MAX as u64) {
            return Err(NotifyError::Invalid("the range ends beyond 2^63 bytes"));
        }
        let Some(nodeid) = self.nodes.nodeid(node) else {
            return Ok(self.not_cached());
        };
        let out = NotifyRetrieveOut {
            notify_unique: ticket,
            nodeid: nodeid.0,
            offset,
            size,
            padding: 0,
        };
        if !self.retrievals.begin(ticket, out) {
            return Err(NotifyError::Invalid("the ticket of a retrieval that is not over"));
        }
        let told = self.tell(NotifyCode::Retrieve, &out, &[]);
        if !matches!(told, Ok(Told::Done)) {
            self.retrievals.end(ticket);
        }
        told
    }

    /// Makes the kernel put a request without a meaning into the queue of the calling thread's processor. An entry that is
    /// registered late gets what is new, but not what has been waiting in the queue: the kernel looks there only when a
    /// reply is committed. Of the notifications that the kernel answers by a request there is one, and it is about regular
    /// files: where it refers to none, what has been waiting goes on waiting until somebody else asks for something there.
    pub(crate) fn stir(&self) {
        /// The kernel may have forgotten one or the other meanwhile.
        const ATTEMPTS: usize = 16;
        for nodeid in self.nodes.regular_files().take(ATTEMPTS) {
            let out = NotifyRetrieveOut {
                notify_unique: STIRS | self.retrievals.stirs.fetch_add(2, Ordering::Relaxed),
                nodeid: nodeid.0,
                ..NotifyRetrieveOut::default()
            };
            if self
                .tell(NotifyCode::Retrieve, &out, &[])
                .is_ok_and(|told| told != Told::NotCached)
            {
                return;
            }
        }
    }

    /// Wakes those who poll an open file, by the number that came with POLL. Does nothing for one that was closed. Waits
    /// for nobody: may be called while a request is served.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn wake(&self, poll: u64) -> Result<Told, NotifyError> {
        self.tell(NotifyCode::Poll, &NotifyPollWakeupOut { kh: poll }, &[])
    }

    fn needs(&self, minor: u32, notification: &'static str, since: &'static str) -> Result<(), NotifyError> {
        if self.granted.minor < minor {
            return Err(NotifyError::Unsupported { notification, since });
        }
        Ok(())
    }

    fn not_cached(&self) -> Told {
        if self.disconnected() {
            Told::Ended
        } else {
            Told::NotCached
        }
    }

    fn tell<T: Pod>(&self, code: NotifyCode, record: &T, rest: &[Bytes<'_>]) -> Result<Told, NotifyError> {
        let record = bytes_of(record).into();
        match *rest {
            [] => self.tell_parts(code, &[record]),
            [one] => self.tell_parts(code, &[record, one]),
            [one, two, ..] => self.tell_parts(code, &[record, one, two]),
        }
    }

    fn tell_parts(&self, code: NotifyCode, parts: &[Bytes<'_>]) -> Result<Told, NotifyError> {
        let len = parts.iter().map(|part| part.len()).sum();
        let head = notification(code, len).ok_or(NotifyError::Invalid("the message is too long"))?;
        let head = bytes_of(&head).into();
        let Some(device) = self.device().filter(|_| !self.disconnected()) else {
            return Ok(Told::Ended);
        };
        let sent = match *parts {
            [] => device.send(&[head]),
            [one] => device.send(&[head, one]),
            [one, two] => device.send(&[head, one, two]),
            [one, two, three, ..] => device.send(&[head, one, two, three]),
        };
        self.verdict(sent)
    }

    fn verdict(&self, sent: io::Result<()>) -> Result<Told, NotifyError> {
        let Err(error) = sent else { return Ok(Told::Done) };
        match error.raw_os_error() {
            Some(libc::ENOENT) => Ok(self.not_cached()),
            // EBADF: the descriptor was revoked.
            Some(libc::ENODEV | libc::ECONNABORTED | libc::EPIPE | libc::ECONNRESET | libc::EBADF) => Ok(Told::Ended),
            _ => Err(NotifyError::Kernel(error)),
        }
    }

    /// The kernel's answer to a RETRIEVE, whose data lies at the start of the bulk region.
    pub(crate) fn retrieved<H: Handler<Memory = M>>(
        &self,
        handler: &mut H,
        header: &InHeader,
        answer: Option<&NotifyRetrieveIn>,
        memory: &mut M,
    ) {
        let ticket = header.unique;
        if ticket & STIRS != 0 && ticket < 2 * STIRS {
            return;
        }
        let Some(asked) = self.retrievals.end(ticket) else {
            self.odd_answer(format_args!("to {ticket:#x}, which nobody has asked for"));
            return;
        };
        let size = match answer {
            Some(answer)
                if answer.offset == asked.offset && answer.size <= asked.size && header.nodeid == asked.nodeid =>
            {
                Ok(answer.size as usize)
            }
            Some(answer) => {
                self.odd_answer(format_args!("{answer:?} of node {:#x} to {asked:?}", header.nodeid));
                Err(Errno::EIO)
            }
            None => Err(Errno::EIO),
        };
        self.give(handler, ticket, size, memory);
    }

    fn odd_answer(&self, what: fmt::Arguments<'_>) {
        self.log.line(
            Level::Error,
            "odd answer to a retrieval",
            0,
            format_args!("{what}; ignored"),
        );
    }

    fn give<H: Handler<Memory = M>>(&self, handler: &mut H, ticket: u64, size: Outcome<usize>, memory: &mut M) {
        let size = size.and_then(|size| Some(size).filter(|&size| size <= memory.bulk().len()).ok_or(Errno::EIO));
        // Nobody hears how it went.
        let _ = guarded(&self.log, Opcode::NotifyReply, || {
            handler.retrieved(ticket, size, memory);
            Ok(())
        });
    }
}
