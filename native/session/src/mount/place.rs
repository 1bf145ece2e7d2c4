//! A look at a directory that never asks its file system anything.
//!
//! Every step here (an `O_PATH` open, statx(2) without synchronisation, the link in `/proc`) is answered by the kernel
//! alone, so it works on a FUSE mount whose server is dead, silent, or not yet started. Only [`Place::liveness`] asks,
//! and it doesn't wait for ever.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long a FUSE mount may take to answer before it counts as silent.
const PATIENCE: Duration = Duration::from_secs(2);

/// Which mount this is.
#[derive(Clone, Copy, Debug)]
pub(super) struct MountId {
    /// Never given to another mount; Linux 6.8 and later.
    unique: Option<u64>,
    /// As in mountinfo; reused.
    pub(super) id: u32,
    /// `st_dev`; reused.
    pub(super) device: (u32, u32),
}

impl MountId {
    /// No other mount ever compares equal.
    pub(super) fn is_unique(&self) -> bool {
        self.unique.is_some()
    }

    /// As a kernel before 6.8 tells it.
    #[cfg(test)]
    pub(super) fn without_unique(self) -> Self {
        MountId { unique: None, ..self }
    }
}

impl PartialEq for MountId {
    fn eq(&self, other: &Self) -> bool {
        match (self.unique, other.unique) {
            (Some(mine), Some(theirs)) => mine == theirs,
            _ => self.id == other.id && self.device == other.device,
        }
    }
}

/// Whether a FUSE mount has somebody who answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Liveness {
    Alive,
    /// The server is gone: every call ends in ENOTCONN.
    Dead,
    /// No answer within [`PATIENCE`].
    Silent,
    /// Its owner keeps us out, so there is no telling.
    Hidden,
}

/// A directory (or other node), pinned. While a `Place` exists, the mount it lies on is busy.
pub(super) struct Place {
    node: OwnedFd,
    /// Without symbolic links, as the calling thread sees it.
    pub(super) path: PathBuf,
    /// `st_mode`.
    pub(super) mode: u32,
    /// The mount that the path leads to: the topmost one there.
    pub(super) mount: MountId,
}

impl Place {
    /// Follows symbolic links. Fails like open(2) where the path leads nowhere or through a dead mount; a dead mount
    /// at its end is no failure.
    pub(super) fn open(path: &Path) -> io::Result<Place> {
        let node: OwnedFd = File::options().read(true).custom_flags(libc::O_PATH).open(path)?.into();
        let path = fs::read_link(link(node.as_fd()))?;
        let unsynced = libc::AT_STATX_DONT_SYNC;
        let attributes = statx(
            node.as_fd(),
            unsynced,
            libc::STATX_TYPE | libc::STATX_MODE | libc::STATX_MNT_ID_UNIQUE,
        )?;
        let mount = MountId {
            unique: (attributes.stx_mask & libc::STATX_MNT_ID_UNIQUE != 0).then_some(attributes.stx_mnt_id),
            id: mount_id(node.as_fd())?,
            device: (attributes.stx_dev_major, attributes.stx_dev_minor),
        };
        Ok(Place {
            node,
            path,
            mode: attributes.stx_mode.into(),
            mount,
        })
    }

    pub(super) fn is_directory(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFDIR
    }

    /// A name for exactly this node, whatever becomes of its path.
    pub(super) fn link(&self) -> PathBuf {
        link(self.node.as_fd())
    }

    /// Asks the file system for attributes, past every cache.
    pub(super) fn liveness(&self) -> io::Result<Liveness> {
        let node = self.node.try_clone()?;
        let (answer, answered) = mpsc::channel();
        // A call into a silent mount can't be taken back; the thread that makes it is left behind.
        thread::Builder::new().name("fuse-probe".into()).spawn(move || {
            let result = statx(node.as_fd(), libc::AT_STATX_FORCE_SYNC, libc::STATX_BASIC_STATS);
            drop(node);
            // Nobody listens any more once the patience is over.
            let _ = answer.send(result.err().and_then(|error| error.raw_os_error()));
        })?;
        Ok(match answered.recv_timeout(PATIENCE) {
            Ok(Some(libc::ENOTCONN | libc::ECONNABORTED)) => Liveness::Dead,
            Ok(Some(libc::EACCES)) => Liveness::Hidden,
            Ok(_) => Liveness::Alive,
            Err(_) => Liveness::Silent,
        })
    }
}

fn link(node: BorrowedFd<'_>) -> PathBuf {
    PathBuf::from(format!("/proc/thread-self/fd/{}", node.as_raw_fd()))
}

/// The mount id of mountinfo, from the descriptor's fdinfo: statx(2) tells it since Linux 5.8 only.
fn mount_id(node: BorrowedFd<'_>) -> io::Result<u32> {
    let path = format!("/proc/thread-self/fdinfo/{}", node.as_raw_fd());
    let info = fs::read_to_string(&path)?;
    let id = info
        .lines()
        .find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok());
    id.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("{path} has no mnt_id")))
}

/// statx(2) of an open node. Called by number: the glibc that is linked against may be older than its wrapper.
fn statx(node: BorrowedFd<'_>, sync: libc::c_int, mask: libc::c_uint) -> io::Result<libc::statx> {
    let empty = CString::default();
    let mut attributes = MaybeUninit::<libc::statx>::zeroed();
    let flags = libc::AT_EMPTY_PATH | libc::AT_NO_AUTOMOUNT | sync;
    // SAFETY: `empty` and `attributes` outlive the call, and the kernel writes at most one `struct statx`.
    let outcome = unsafe {
        libc::syscall(
            libc::SYS_statx,
            node.as_raw_fd(),
            empty.as_ptr(),
            flags,
            mask,
            attributes.as_mut_ptr(),
        )
    };
    if outcome != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: integers only, all zero or written by the kernel.
    Ok(unsafe { attributes.assume_init() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbolic_links_are_resolved() {
        let place = Place::open(Path::new("/proc/self/root")).expect("/proc is mounted");
        assert_eq!(place.path, Path::new("/"));
        assert!(place.is_directory());
    }

    #[test]
    fn different_mounts_are_told_apart_and_the_same_one_is_recognised() {
        let [root, again, proc] = ["/", "/.", "/proc"].map(|path| Place::open(Path::new(path)).expect(path).mount);
        assert!(root == again);
        assert!(root != proc);
    }

    #[test]
    fn an_id_that_was_given_to_another_mount_is_not_the_same_mount() {
        let ours = MountId {
            unique: Some(7),
            id: 40,
            device: (0, 50),
        };
        assert!(
            ours != MountId {
                unique: Some(8),
                ..ours
            }
        );
        assert!(ours == MountId { unique: None, ..ours });
        assert!(
            ours != MountId {
                unique: None,
                device: (0, 51),
                ..ours
            }
        );
    }

    #[test]
    fn a_directory_that_answers_is_alive() {
        let place = Place::open(Path::new("/")).expect("/ exists");
        assert_eq!(place.liveness().expect("a thread can be started"), Liveness::Alive);
    }
}
