//! What can go wrong with a mount, as one line that names the object and the remedy.

use std::error::Error;
use std::fmt;
use std::io;

/// What kind of thing went wrong; see [`MountError`] for the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountErrorKind {
    /// An option can't be used, or not by this user.
    Option,
    /// The mount point is missing, not a directory, or out of reach.
    Point,
    /// A live mount is in the way.
    AlreadyMounted,
    /// A dead mount is in the way, and is not ours to remove.
    Stale,
    /// `/dev/fuse` is missing or can't be opened.
    Device,
    /// `fusermount3` is needed and not installed.
    NoFusermount,
    /// The mount is in use.
    Busy,
    /// Another mount lies on top of ours.
    Covered,
    /// The kernel or `fusermount3` said no.
    Refused,
}

/// Why something could not be mounted, unmounted or aborted. Shown as one line.
#[derive(Clone, Debug)]
pub struct MountError {
    kind: MountErrorKind,
    message: String,
    errno: Option<i32>,
}

impl MountError {
    pub(super) fn new(kind: MountErrorKind, message: impl Into<String>) -> Self {
        MountError {
            kind,
            message: message.into(),
            errno: None,
        }
    }

    pub(super) fn caused(kind: MountErrorKind, message: impl fmt::Display, cause: &io::Error) -> Self {
        MountError {
            kind,
            message: format!("{message}: {cause}"),
            errno: cause.raw_os_error(),
        }
    }

    pub(super) fn no_table(cause: &io::Error) -> Self {
        Self::caused(
            MountErrorKind::Refused,
            "the table of mounts can't be read: /proc must be mounted",
            cause,
        )
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> MountErrorKind {
        self.kind
    }

    /// errno of the system call that failed, where it was one.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.errno
    }
}

impl fmt::Display for MountError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl Error for MountError {}
