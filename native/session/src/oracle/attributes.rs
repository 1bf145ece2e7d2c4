//! What fuser has other types for: attributes, times, kinds of files.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ferrofuse_protocol::abi::{fattr, Attr, AttrOut, SetattrIn};
use ferrofuse_protocol::Errno;
use fuser::{FileAttr, FileType, Generation, INodeNo, TimeOrNow};

use crate::config::Config;
use crate::handler::{Entry, Key, Outcome};

/// An entry as fuser sends it.
pub(super) struct ShownEntry {
    pub(super) attr: FileAttr,
    pub(super) attr_valid: Duration,
    pub(super) entry_valid: Duration,
    pub(super) generation: Generation,
}

/// `DT_*` values are the upper bits of the mode.
const DIRENT_SHIFT: u32 = 12;

/// An entry for `nodeid`, which fuser takes for the inode number as well.
pub(super) fn entry(entry: &Entry, nodeid: u64) -> Outcome<ShownEntry> {
    Ok(ShownEntry {
        attr: attributes(&entry.attr, nodeid)?,
        attr_valid: Duration::new(entry.attr_valid, entry.attr_valid_nsec),
        entry_valid: Duration::new(entry.entry_valid, entry.entry_valid_nsec),
        generation: Generation(entry.generation),
    })
}

/// nodeid 0: the kernel remembers for `valid` that there is no such name.
pub(super) fn absent(valid: Duration) -> ShownEntry {
    ShownEntry {
        attr: FileAttr {
            ino: INodeNo(0),
            size: 0,
            blocks: 0,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: FileType::RegularFile,
            perm: 0,
            nlink: 0,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 0,
            flags: 0,
        },
        attr_valid: Duration::ZERO,
        entry_valid: valid,
        generation: Generation(0),
    }
}

/// What mount options make of a node's attributes. Whether the kernel must ask for them each time: writes take setuid and
/// setgid away without its knowing. Written anew, since the engine's own is what it is compared with.
pub(super) fn dress(config: &Config, key: Key, attr: &mut Attr) -> bool {
    if attr.ino == 0 {
        attr.ino = key.0;
    }
    if let Some(uid) = config.uid {
        attr.uid = uid;
    }
    if let Some(gid) = config.gid {
        attr.gid = gid;
    }
    if let Some(umask) = config.umask {
        attr.mode = (attr.mode | 0o777) & !(umask & 0o777);
    }
    attr.mode & libc::S_IFMT == libc::S_IFREG && attr.mode & (libc::S_ISUID | libc::S_ISGID) != 0
}

/// The answer to GETATTR with this inode number, and how long it is valid.
pub(super) fn answer(out: &AttrOut, ino: u64) -> Outcome<(FileAttr, Duration)> {
    Ok((
        attributes(&out.attr, ino)?,
        Duration::new(out.attr_valid, out.attr_valid_nsec),
    ))
}

fn attributes(attr: &Attr, ino: u64) -> Outcome<FileAttr> {
    Ok(FileAttr {
        ino: INodeNo(ino),
        size: attr.size,
        blocks: attr.blocks,
        atime: time(attr.atime, attr.atimensec)?,
        mtime: time(attr.mtime, attr.mtimensec)?,
        ctime: time(attr.ctime, attr.ctimensec)?,
        crtime: UNIX_EPOCH,
        kind: kind(attr.mode >> DIRENT_SHIFT)?,
        perm: (attr.mode & !libc::S_IFMT) as u16, // 12 bits
        nlink: attr.nlink,
        uid: attr.uid,
        gid: attr.gid,
        rdev: attr.rdev,
        blksize: attr.blksize,
        flags: 0,
    })
}

/// The kind that a `DT_*` value names; fuser has none for "unknown".
pub(super) fn kind(dirent: u32) -> Outcome<FileType> {
    match dirent as u8 {
        libc::DT_FIFO => Ok(FileType::NamedPipe),
        libc::DT_CHR => Ok(FileType::CharDevice),
        libc::DT_BLK => Ok(FileType::BlockDevice),
        libc::DT_DIR => Ok(FileType::Directory),
        libc::DT_REG => Ok(FileType::RegularFile),
        libc::DT_LNK => Ok(FileType::Symlink),
        libc::DT_SOCK => Ok(FileType::Socket),
        _ => Err(Errno::EIO),
    }
}

/// `seconds` is a signed number in the kernel's eyes.
fn time(seconds: u64, nanos: u32) -> Outcome<SystemTime> {
    let seconds = seconds as i64;
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let at = if seconds < 0 {
        UNIX_EPOCH.checked_sub(whole)
    } else {
        UNIX_EPOCH.checked_add(whole)
    };
    at.and_then(|at| at.checked_add(Duration::from_nanos(nanos.into())))
        .ok_or(Errno::EIO)
}

/// Seconds, as [`Attr`] has them, and nanoseconds.
fn parts(time: SystemTime) -> (u64, u32) {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => (since.as_secs(), since.subsec_nanos()),
        Err(error) => {
            let before = error.duration();
            let (seconds, nanos) = (before.as_secs() as i64, before.subsec_nanos());
            if nanos == 0 {
                (seconds.wrapping_neg() as u64, 0)
            } else {
                (seconds.wrapping_neg().wrapping_sub(1) as u64, 1_000_000_000 - nanos)
            }
        }
    }
}

/// What a SETATTR changes, piece by piece as fuser has decoded it.
#[derive(Default)]
pub(super) struct Change(SetattrIn);

impl Change {
    pub(super) fn mode(mut self, mode: Option<u32>) -> Self {
        self.take(mode, fattr::MODE, |change, mode| change.mode = mode);
        self
    }

    pub(super) fn owner(mut self, uid: Option<u32>, gid: Option<u32>) -> Self {
        self.take(uid, fattr::UID, |change, uid| change.uid = uid);
        self.take(gid, fattr::GID, |change, gid| change.gid = gid);
        self
    }

    pub(super) fn size(mut self, size: Option<u64>) -> Self {
        self.take(size, fattr::SIZE, |change, size| change.size = size);
        self
    }

    pub(super) fn times(
        mut self,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        ctime: Option<SystemTime>,
    ) -> Self {
        let at = |time| match time {
            TimeOrNow::SpecificTime(time) => (parts(time), false),
            TimeOrNow::Now => (parts(SystemTime::now()), true),
        };
        self.take(atime, fattr::ATIME, |change, time| {
            let ((seconds, nanos), now) = at(time);
            (change.atime, change.atimensec) = (seconds, nanos);
            change.valid |= if now { fattr::ATIME_NOW } else { 0 };
        });
        self.take(mtime, fattr::MTIME, |change, time| {
            let ((seconds, nanos), now) = at(time);
            (change.mtime, change.mtimensec) = (seconds, nanos);
            change.valid |= if now { fattr::MTIME_NOW } else { 0 };
        });
        self.take(ctime, fattr::CTIME, |change, time| {
            (change.ctime, change.ctimensec) = parts(time);
        });
        self
    }

    pub(super) fn done(self) -> SetattrIn {
        self.0
    }

    fn take<T>(&mut self, value: Option<T>, flag: u32, set: impl FnOnce(&mut SetattrIn, T)) {
        if let Some(value) = value {
            self.0.valid |= flag;
            set(&mut self.0, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_and_after_the_epoch_come_back_as_they_were() {
        for (seconds, nanos) in [(0, 0), (5, 7), (-1, 0), (-2, 999_999_999), (-7, 1), (1 << 40, 3)] {
            let there = time(seconds as u64, nanos).unwrap();
            assert_eq!(parts(there), (seconds as u64, nanos), "{seconds}.{nanos}");
        }
    }

    #[test]
    fn a_kind_has_a_name_or_is_refused() {
        assert_eq!(kind(libc::S_IFDIR >> DIRENT_SHIFT), Ok(FileType::Directory));
        assert_eq!(kind(libc::DT_SOCK.into()), Ok(FileType::Socket));
        assert_eq!(kind(libc::DT_UNKNOWN.into()), Err(Errno::EIO));
    }

    #[test]
    fn only_what_is_changed_is_valid() {
        let change = Change::default()
            .mode(Some(0o600))
            .owner(None, Some(3))
            .size(None)
            .times(Some(TimeOrNow::SpecificTime(UNIX_EPOCH)), Some(TimeOrNow::Now), None)
            .done();
        let expected = fattr::MODE | fattr::GID | fattr::ATIME | fattr::MTIME | fattr::MTIME_NOW;
        assert_eq!((change.valid, change.mode, change.gid), (expected, 0o600, 3));
        assert!(change.atime == 0 && change.mtime > 0);
    }
}
