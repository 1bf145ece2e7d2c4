//! What is known to differ between a mount and the host's directory, and why that is right or not the file system's doing:
//! the only place where something is let pass. A tmpfs is the host: like the file system that is tested it has no disk, no
//! journal, no reserved blocks and inode numbers that don't come back; it counts subdirectories as links, keeps directory
//! entries in memory, takes extended attributes of any size, and has O_TMPFILE, holes and renames with flags. ext4 is
//! further away: values of attributes are limited to a block, sizes of directories to blocks, times can't be before 1901.

use crate::observe::{Outcome, Stat};
use crate::op::Op;
use crate::sys::Errno;

/// What kind of file system the mount is: some things differ with one kind alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// One that keeps its files itself, by inode.
    #[default]
    Own,
    /// One that is path-based.
    Path,
    /// One whose files are those of another file system.
    Mirror,
    /// The same, with files that the kernel passes through.
    Passthrough,
}

impl Kind {
    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "own" => Some(Self::Own),
            "path" => Some(Self::Path),
            "mirror" => Some(Self::Mirror),
            "passthrough" => Some(Self::Passthrough),
            _ => None,
        }
    }
}

/// Something that is not the same on both sides.
pub enum Case<'a> {
    /// What an operation answered.
    Answer {
        /// The operation.
        op: &'a Op,
        /// On the host.
        host: &'a Outcome,
        /// On the mount.
        mount: &'a Outcome,
        /// Whether the file system is path-based and the file has no name any more.
        lost: bool,
    },
    /// An attribute.
    Attribute {
        /// Which.
        name: &'static str,
        /// All of them, on the host.
        host: &'a Stat,
        /// And on the mount.
        mount: &'a Stat,
        /// What makes its times uncertain.
        loose: Option<Loose>,
        /// Of the mount.
        kind: Kind,
    },
}

/// What makes the times of a file uncertain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Loose {
    /// It was mapped, shared: for ever.
    Mapped,
    /// truncate(2) to the size that it had: until it is looked at.
    SameSize,
}

/// One known difference.
pub struct Difference {
    /// A few words.
    pub name: &'static str,
    /// Why it is not a fault.
    pub why: &'static str,
    applies: fn(&Case<'_>) -> bool,
}

/// All of them.
pub const KNOWN: &[Difference] = &[
    Difference {
        name: "size of a directory",
        why: "inode(7): only of regular files and symbolic links does st_size have a meaning",
        applies: |case| matches!(case, Case::Attribute { name: "size", host, .. } if host.kind() == libc::S_IFDIR),
    },
    Difference {
        name: "position of a hole",
        why:
            "lseek(2): a file system need not report holes, nor as finely as another one; that no data is taken for a \
              hole, and nothing outside of the file for data, is compared",
        applies: |case| {
            matches!(
                case,
                Case::Answer { host: Outcome::Found { right: a, .. }, mount: Outcome::Found { right: b, .. }, .. } if a == b
            )
        },
    },
    Difference {
        name: "position in a directory",
        why: "lseek(2) of a directory: a position means something only to the file system that told it; that listings go \
              on rightly at those is compared by seekdir",
        applies: |case| {
            matches!(case, Case::Answer { host: Outcome::Cookie(_), mount: Outcome::Cookie(_), .. })
        },
    },
    Difference {
        name: "times of a fifo",
        why: "the kernel keeps a fifo's data by itself, and tells FUSE nothing of it, not even when it changes times",
        applies: |case| {
            matches!(case, Case::Attribute { name: "mtime" | "ctime", host, .. } if host.kind() == libc::S_IFIFO)
        },
    },
    Difference {
        name: "times of a file written to through a mapping",
        why: "mmap(2): they change at any time between the store and the next msync; tmpfs never changes them",
        applies: |case| {
            matches!(
                case,
                Case::Attribute {
                    name: "mtime" | "ctime",
                    loose: Some(Loose::Mapped),
                    ..
                }
            )
        },
    },
    Difference {
        name: "by path: no name and no OpenFile",
        why: "a path-based file system is asked about a file without a name through an OpenFile; directories, special files \
              and what is open with O_PATH have none: ESTALE",
        applies: |case| match case {
            Case::Answer { mount, lost, .. } => *lost && **mount == Outcome::Failed(Errno(libc::ESTALE)),
            Case::Attribute { host, kind, .. } => {
                *kind == Kind::Path && host.nlink == 0 && host.kind() != libc::S_IFREG
            }
        },
    },
    Difference {
        name: "setuid and setgid after a write that was passed through",
        why: "the kernel writes to a passed-through file with the rights of the mount's process, less CAP_FSETID: root's \
              writes cost setuid, too, and setgid that the group may not execute stays, since that process is in the group",
        applies: |case| match case {
            Case::Attribute { name: "mode", host, mount, kind: Kind::Passthrough, .. } => {
                let cleared = mount.mode & 0o6000 == 0 && mount.mode == host.mode & !0o6000;
                let kept = mount.mode & libc::S_IXGRP == 0 && mount.mode == host.mode | libc::S_ISGID;
                host.kind() == libc::S_IFREG && (cleared || kept)
            }
            _ => false,
        },
    },
    Difference {
        name: "a mirror's ctime when times are written back",
        why: "under writeback_cache the kernel hands times down when it likes, and nobody can set a file's ctime",
        applies: |case| {
            matches!(case, Case::Attribute { name: "ctime", host, kind: Kind::Mirror | Kind::Passthrough, .. } if host.kind() == libc::S_IFREG)
        },
    },
    Difference {
        name: "times after truncate to the same size",
        why: "truncate(2) leaves them, open(2) with O_TRUNC changes them, and the kernel asks a file system for both in the \
              same words: SETATTR of a size, without a handle",
        applies: |case| {
            matches!(case, Case::Attribute { name: "mtime" | "ctime", loose: Some(Loose::SameSize), .. })
        },
    },
];

/// Why an operation is not done at all: it leaves the sides in different states, for a reason that is known. For such a
/// reason stores through mappings end where the file ends, too: what is stored in the rest of the last page shows up when
/// the file grows on a tmpfs, and on a mount until the file is opened again (mmap(2) only says that it is not written out).
pub fn avoided(op: &Op) -> Option<&'static str> {
    match op {
        // The host's kernel takes setuid away, though no owner changes; that of a mount leaves it to the file system, but
        // says so only with an owner (FATTR_UID, FATTR_GID).
        Op::Chown { uid: -1, gid: -1, .. } | Op::Fchown { uid: -1, gid: -1, .. } => Some("chown to nobody"),
        // Opens the link in /proc, which is the same file system on both sides but not the same file.
        Op::Reopen { flags, .. } if flags.0 & libc::O_NOFOLLOW != 0 => Some("a link in /proc"),
        _ => None,
    }
}

/// The known difference that a case is, if it is one.
pub fn known(case: &Case<'_>) -> Option<&'static Difference> {
    KNOWN.iter().find(|difference| (difference.applies)(case))
}
