//! The same [`Handler`] behind somebody else's engine: the crate fuser reads `/dev/fuse`, decodes and replies.
//!
//! An oracle for tests: what applications see of a file system must not depend on which engine serves it. Called by tests,
//! in builds with the feature `fuser` alone. With [`Session`](crate::Session) it shares what is asked of the kernel at INIT and
//! what is answered for operations that a file system lacks, but neither transport nor decoding, nodes, handles, attributes
//! and replies. It is slow: each request is copied and handed over to a worker.
//!
//! fuser decodes on threads of its own, and a [`Handler`] is called by the thread that it was made for; so requests are
//! queued for those in [`Oracle::serve`].

mod attributes;
mod decoder;
mod desk;
mod tables;

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Instant;

use ferrofuse_protocol::{Errno, Opcode};
use fuser::SessionACL;
use parking_lot::{Condvar, Mutex};

use crate::config::Config;
use crate::dispatch::guarded;
use crate::error::{Error, ErrorKind};
use crate::handler::{Handler, Memory, Offer, Outcome, Wish};
use crate::handshake::Granted;
use crate::log::Log;
use decoder::Decoder;
use desk::Desk;
use tables::Tables;

/// What can't be had through fuser, and why. A test of such a thing is to be skipped by this name.
pub const CANNOT: &[(&str, &str)] = &[
    (
        "INTERRUPT",
        "fuser answers ENOSYS itself: a signal doesn't reach the request",
    ),
    (
        "flock",
        "lock requests come without the flag that tells flock(2) from fcntl(2): the kernel keeps all locks",
    ),
    ("SETLKW", "as flock; nor can one that waits be interrupted"),
    (
        "resend",
        "the bit of a resent request is passed on as part of its number",
    ),
    (
        "notifications",
        "not passed on; RETRIEVE's answer is refused with ENOSYS by fuser itself",
    ),
    ("POLL wake-ups", "not passed on: whoever waits is woken by its timeout"),
    ("STATX", "unknown to fuser: no time of birth"),
    ("TMPFILE", "unknown to fuser: O_TMPFILE is not supported"),
    ("SYNCFS", "unknown to fuser"),
    ("COPY_FILE_RANGE_64", "unknown to fuser: at most 4 GiB in one call"),
    (
        "READDIRPLUS",
        "an entry without attributes can't be said, nor two timeouts: listings are followed by lookups",
    ),
    (
        "inode numbers",
        "an entry's inode number is its nodeid: keys are seen where a file system has other numbers",
    ),
    ("SETXATTR_EXT", "the flag that an ACL costs setgid is not decoded"),
    (
        "HANDLE_KILLPRIV_V2",
        "open and create flags are not decoded: the kernel clears setuid by SETATTR",
    ),
    (
        "privileges under direct I/O",
        "a write that passes the cache by doesn't cost setuid and setgid",
    ),
    (
        "EXPORT_SUPPORT",
        "nodeids are keys, but file handles last as long as the kernel remembers the file",
    ),
    ("PASSTHROUGH", "not asked for"),
    ("io_uring", "fuser reads /dev/fuse"),
    (
        "lost replies",
        "that the kernel didn't want one is not told: lookups and handles of it are never taken back",
    ),
    ("ioctl argument", "an argument that is a number is not decoded"),
    (
        "times before 1970",
        "a fraction of a second is counted into the wrong direction when a time is set",
    ),
];

type Job<M> = Box<dyn FnOnce(&mut Desk<'_, M>) + Send>;

/// A mounted file system that fuser serves.
pub struct Oracle<M: Memory> {
    shared: Arc<Shared<M>>,
}

/// What decoding and serving threads have in common.
struct Shared<M: Memory> {
    config: Config,
    log: Log,
    granted: OnceLock<Granted>,
    tables: Tables,
    queue: Mutex<Queue<M>>,
    changed: Condvar,
}

struct Queue<M: Memory> {
    jobs: VecDeque<Job<M>>,
    /// fuser has ended: nothing is added any more.
    closed: bool,
    workers: usize,
    finished: bool,
}

/// How far the opening conversation has come.
enum Opening {
    Offered(Offer, SyncSender<Outcome<Wish>>),
    Opened,
    Failed(io::Error),
}

impl<M: Memory> Oracle<M> {
    /// Has fuser take over a mounted `/dev/fuse` descriptor. [`Handler::init`] is called by this thread.
    ///
    /// # Errors
    /// When the kernel doesn't speak within [`Config::init_deadline`], or fuser or the file system refuses to begin.
    pub fn establish<H>(device: OwnedFd, config: Config, handler: &mut H) -> Result<Self, Error>
    where
        H: Handler<Memory = M>,
    {
        let deadline = Instant::now() + config.init_deadline;
        let shared = Arc::new(Shared {
            log: Log::new(Arc::clone(&config.log)),
            granted: OnceLock::new(),
            tables: Tables::new(config.root_key),
            queue: Mutex::new(Queue {
                jobs: VecDeque::new(),
                closed: false,
                workers: 0,
                finished: false,
            }),
            changed: Condvar::new(),
            config,
        });
        let (opening, progress) = mpsc::channel();
        let ending = Ending(Arc::clone(&shared));
        let decoder = Decoder::new(Arc::clone(&shared), opening.clone());
        thread::Builder::new()
            .name("ferrofuse-oracle".into())
            .spawn(move || {
                let _ending = ending;
                let session = fuser::Session::from_fd(decoder, device, SessionACL::All, fuser::Config::default());
                // Whoever mounts may have given up.
                let _ = match session {
                    Ok(session) => {
                        let _ = opening.send(Opening::Opened);
                        session.run()
                    }
                    Err(error) => {
                        let _ = opening.send(Opening::Failed(error));
                        Ok(())
                    }
                };
            })
            .map_err(|error| failed(ErrorKind::Resources, "allow more threads").caused_by(error))?;
        shared.open(&progress, deadline, handler)?;
        Ok(Self { shared })
    }

    /// One worker's life: calls `handler` for requests that fuser has decoded, until the mount is gone. Any number of
    /// threads may be in here.
    ///
    /// # Errors
    /// The worker's memory can't be had.
    pub fn serve<H: Handler<Memory = M>>(&self, handler: &mut H) -> io::Result<()> {
        let bulk = self.shared.granted().map_or(0, Granted::bulk);
        let mut memory = handler.lease(bulk)?;
        if memory.bulk().len() < bulk {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut desk = Desk::new(&self.shared, handler, &mut memory);
        self.shared.queue.lock().workers += 1;
        while let Some(job) = self.shared.next() {
            job(&mut desk);
        }
        self.shared.queue.lock().workers -= 1;
        self.shared.changed.notify_all();
        Ok(())
    }

    /// Waits until the mount is gone and all workers have returned. `false`: not until `deadline`.
    pub fn wait_ended(&self, deadline: Instant) -> bool {
        let mut queue = self.shared.queue.lock();
        while !(queue.closed && queue.workers == 0) {
            if self.shared.changed.wait_until(&mut queue, deadline).timed_out() {
                return queue.closed && queue.workers == 0;
            }
        }
        true
    }

    /// After the last worker: releases handles that were left open and calls [`Handler::destroy`]. `false`, and nothing done,
    /// when workers are still there or it was called before.
    ///
    /// # Errors
    /// The memory that it takes can't be had.
    pub fn finish<H: Handler<Memory = M>>(&self, handler: &mut H) -> io::Result<bool> {
        {
            let mut queue = self.shared.queue.lock();
            if !queue.closed || queue.workers > 0 || queue.finished {
                return Ok(false);
            }
            queue.finished = true;
        }
        let mut memory = handler.lease(self.shared.granted().map_or(0, Granted::bulk))?;
        Desk::new(&self.shared, handler, &mut memory).release_leftovers();
        let _ = guarded(&self.shared.log, Opcode::Destroy, || {
            handler.destroy();
            Ok(())
        });
        Ok(true)
    }
}

impl<M: Memory> Shared<M> {
    fn granted(&self) -> Option<&Granted> {
        self.granted.get()
    }

    /// Sees the opening conversation through, which fuser holds on a thread of its own.
    fn open<H>(&self, progress: &Receiver<Opening>, deadline: Instant, handler: &mut H) -> Result<(), Error>
    where
        H: Handler<Memory = M>,
    {
        let mut refused = None;
        loop {
            match progress.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Opening::Offered(offer, answer)) => {
                    let wish = guarded(&self.log, Opcode::Init, || handler.init(&offer));
                    refused = wish.err();
                    let _ = answer.send(wish);
                }
                Ok(Opening::Opened) => return Ok(()),
                Ok(Opening::Failed(error)) => {
                    let (kind, remedy) = match refused {
                        Some(_) => (ErrorKind::Refused, "see the file system's own messages"),
                        None => (ErrorKind::Disconnected, "mount again"),
                    };
                    return Err(failed(kind, remedy).caused_by(error));
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(failed(
                        ErrorKind::TimedOut,
                        "check that the descriptor is the mounted one",
                    ));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(failed(ErrorKind::Disconnected, "mount again"));
                }
            }
        }
    }

    /// Queues a request. Without a worker left it is dropped, and fuser answers EIO.
    fn post(&self, job: Job<M>) {
        self.queue.lock().jobs.push_back(job);
        self.changed.notify_all();
    }

    fn next(&self) -> Option<Job<M>> {
        let mut queue = self.queue.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            if queue.closed {
                return None;
            }
            self.changed.wait(&mut queue);
        }
    }
}

/// Ends the workers when fuser's thread ends, in whatever way.
struct Ending<M: Memory>(Arc<Shared<M>>);

impl<M: Memory> Drop for Ending<M> {
    fn drop(&mut self) {
        self.0.queue.lock().closed = true;
        self.0.changed.notify_all();
    }
}

fn failed(kind: ErrorKind, remedy: &'static str) -> Error {
    Error::new(kind, "starting", "fuser", remedy)
}

/// What fuser is told of an error.
fn errno(errno: Errno) -> fuser::Errno {
    fuser::Errno::from_i32(errno.raw())
}
