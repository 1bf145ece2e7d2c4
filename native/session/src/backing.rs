//! Pass-through: which open files the kernel reads and writes by itself, on files of another file system.
//!
//! Dispatch asks for each file that is opened, and the session tells of its end; nothing else is called. Knows no
//! replies. What the kernel wants (fs/fuse/iomode.c and backing.c of Linux):
//!
//! - All opens of a node that is passed through name the same registered file. One that names none, or another, is
//!   `EIO` for whoever opens.
//! - No open of a node names one while the node is open through the page cache, or an open that bypasses the cache was
//!   mapped. We never hear of mappings, so none does while the node is open in any other way.
//!
//! So a node is in one way of use from its first open to the last release; the kernel has left a way when it sends the
//! release. An open that wishes another way than the node is in gets on with that one.

use std::collections::hash_map::{Entry, HashMap};
use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, Weak};

use ferrofuse_protocol::abi::{fopen, init};
use parking_lot::Mutex;

use crate::capabilities::without_fsetid;
use crate::config::Config;
use crate::handler::Key;
use crate::log::{Level, Log};
use crate::transport::Channel;

/// Where files are registered for the kernel to read and write: the FUSE device, or what plays it in a test.
pub trait BackingFiles: Send + Sync {
    /// Registers what a descriptor has open; answers its id (`FUSE_DEV_IOC_BACKING_OPEN`). The descriptor is not kept.
    ///
    /// # Errors
    /// What the kernel says.
    fn open(&self, fd: RawFd) -> io::Result<i32>;

    /// Ends a registration (`FUSE_DEV_IOC_BACKING_CLOSE`).
    ///
    /// # Errors
    /// What the kernel says.
    fn close(&self, id: i32) -> io::Result<()>;
}

/// The mounted device.
struct Device {
    /// Not held open: with its last descriptor all registrations end.
    channel: Weak<Channel>,
    /// Whether the kernel leaves it to others to clear setuid and setgid (`HANDLE_KILLPRIV_V2`). It then says so in writes,
    /// of which those that are passed through tell nobody. But it makes them with the rights of who has registered the
    /// file: without `CAP_FSETID` the other file system clears these bits, whoever writes.
    leaves_privileges: bool,
}

impl Device {
    fn channel(&self) -> io::Result<Arc<Channel>> {
        let channel = self.channel.upgrade();
        channel.ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))
    }
}

impl BackingFiles for Device {
    fn open(&self, fd: RawFd) -> io::Result<i32> {
        let channel = self.channel()?;
        if self.leaves_privileges {
            without_fsetid(|| channel.backing_open(fd))?
        } else {
            channel.backing_open(fd)
        }
    }

    fn close(&self, id: i32) -> io::Result<()> {
        self.channel()?.backing_close(id)
    }
}

/// `FOPEN_*` flags that may come with `PASSTHROUGH`; with `DIRECT_IO` only mappings are passed through.
const COMPATIBLE: u32 = fopen::DIRECT_IO | fopen::PARALLEL_DIRECT_WRITES | fopen::NOFLUSH;

/// How a node is open.
#[derive(Clone, Copy)]
enum Way {
    /// In none that names a registered file.
    Plain,
    /// Passed through to the file of this id.
    Passed(i32),
}

struct Use {
    way: Way,
    /// Files open now, replies under way included.
    opens: u64,
}

/// Why a file that was to be passed through is not.
enum Obstacle {
    /// Its node is open in the plain way.
    OpenOtherwise,
    /// What the device said.
    Refused(io::Error),
}

/// The files of one session that are open.
pub(crate) struct Backings {
    files: Arc<dyn BackingFiles>,
    log: Arc<Log>,
    uses: Mutex<HashMap<u64, Use>>,
}

impl Backings {
    /// Those of a session with these INIT flags; `None` if nothing is passed through.
    pub(crate) fn granted(flags: u64, config: &Config, device: &Arc<Channel>, log: &Arc<Log>) -> Option<Self> {
        if flags & init::PASSTHROUGH == 0 {
            return None;
        }
        let files = config.backing_files.clone().unwrap_or_else(|| {
            Arc::new(Device {
                channel: Arc::downgrade(device),
                leaves_privileges: flags & init::HANDLE_KILLPRIV_V2 != 0,
            })
        });
        Some(Self::new(files, Arc::clone(log)))
    }

    fn new(files: Arc<dyn BackingFiles>, log: Arc<Log>) -> Self {
        Self {
            files,
            log,
            uses: Mutex::default(),
        }
    }

    /// A file is open: decides how, from the `FOPEN_*` flags that it would have and the descriptor that it is to be passed
    /// through to. Answers the flags that it gets, and the id that goes with them, or 0. Once for each [`Self::closed`].
    pub(crate) fn opened(&self, node: Key, flags: u32, wished: Option<RawFd>) -> (u32, i32) {
        // Such a file has no place that the kernel could read from.
        let wished = wished.filter(|_| flags & (fopen::NONSEEKABLE | fopen::STREAM) == 0);
        match self.used(node, wished) {
            Ok(Way::Plain) => (flags, 0),
            Ok(Way::Passed(id)) => {
                // Who didn't wish it gets its reads and writes, and the page cache has no part in them.
                let direct = if wished.is_some() { 0 } else { fopen::DIRECT_IO };
                (flags & COMPATIBLE | direct | fopen::PASSTHROUGH, id)
            }
            // Not under the lock: the log may be a file of this mount.
            Err(obstacle) => {
                self.tell(node, &obstacle);
                (flags, 0)
            }
        }
    }

    /// Counts one more open of a node, and tells its way. In spite of an error the node is open, in the plain way.
    fn used(&self, node: Key, wished: Option<RawFd>) -> Result<Way, Obstacle> {
        let mut uses = self.uses.lock();
        match uses.entry(node.0) {
            Entry::Occupied(used) => {
                let used = used.into_mut();
                used.opens += 1;
                match used.way {
                    Way::Plain if wished.is_some() => Err(Obstacle::OpenOtherwise),
                    way => Ok(way),
                }
            }
            Entry::Vacant(unused) => {
                // Under the lock, so that nobody registers the node's file twice.
                let outcome = match wished {
                    Some(fd) => self.files.open(fd).map(Way::Passed).map_err(Obstacle::Refused),
                    None => Ok(Way::Plain),
                };
                unused.insert(Use {
                    way: *outcome.as_ref().unwrap_or(&Way::Plain),
                    opens: 1,
                });
                outcome
            }
        }
    }

    /// An open file has ended, or was never opened after all.
    pub(crate) fn closed(&self, node: Key) {
        let mut uses = self.uses.lock();
        let Entry::Occupied(mut used) = uses.entry(node.0) else {
            return;
        };
        used.get_mut().opens -= 1;
        if used.get().opens > 0 {
            return;
        }
        let last = used.remove();
        // The file may end with its registration, which takes its time; another may be registered meanwhile.
        drop(uses);
        if let Way::Passed(id) = last.way {
            // It fails only where the connection has ended, and all registrations with it.
            let _ = self.files.close(id);
        }
    }

    fn tell(&self, node: Key, obstacle: &Obstacle) {
        match obstacle {
            Obstacle::OpenOtherwise => self.log.once(
                Level::Info,
                "an open file is not passed through",
                0,
                format_args!(
                    "node {} is open in another way; others like it will not be told of",
                    node.0
                ),
            ),
            Obstacle::Refused(error) => {
                let errno = error.raw_os_error().unwrap_or(libc::EIO);
                let (level, why) = reason(errno);
                self.log.once(
                    level,
                    "files are not passed through",
                    errno as u32, // tells the failures apart
                    format_args!("{error}: {why}; reads and writes of such files go through the file system"),
                );
            }
        }
    }
}

/// What a refused registration means, and whose fault it is.
fn reason(errno: i32) -> (Level, &'static str) {
    match errno {
        libc::EPERM => (
            Level::Warn,
            "registering a file needs CAP_SYS_ADMIN outside of any user namespace; run as root of the machine",
        ),
        libc::ELOOP => (
            Level::Warn,
            "the file lies on a stacked file system (overlayfs, or FUSE with pass-through); use the one below it",
        ),
        libc::EOPNOTSUPP => (
            Level::Warn,
            "the file system that has the file can't be read and written by another",
        ),
        libc::EBADF => (
            Level::Error,
            "the file system gave a descriptor that is not open; it has to stay open until release",
        ),
        libc::EINVAL | libc::EISDIR => (
            Level::Error,
            "the file system gave a descriptor of something that is no regular file",
        ),
        _ => (Level::Warn, "the kernel refused to register the file"),
    }
}

#[cfg(test)]
mod tests;
