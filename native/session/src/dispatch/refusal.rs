//! What the engine answers for an operation that the file system doesn't have.

use ferrofuse_protocol::abi::{Kstatfs, StatfsOut};
use ferrofuse_protocol::{Errno, Opcode};

use crate::reply::{Delivery, Reply};

/// Whether a file system may do without. The others are the engine's own, or end what an operation began.
pub(crate) fn is_optional(opcode: Opcode) -> bool {
    !matches!(
        opcode,
        Opcode::Init
            | Opcode::Destroy
            | Opcode::Forget
            | Opcode::BatchForget
            | Opcode::Interrupt
            | Opcode::NotifyReply
            | Opcode::Release
            | Opcode::Releasedir
    )
}

pub(super) fn answer(opcode: Opcode, reply: Reply<'_>) -> Delivery {
    match opcode {
        Opcode::Statfs => reply.record(&StatfsOut { st: no_figures() }),
        _ => reply.error(errno(opcode)),
    }
}

/// Without figures statfs(2), and all that asks for free space first, would fail: nothing is known but the longest name.
pub(crate) fn no_figures() -> Kstatfs {
    Kstatfs {
        bsize: 4096,
        frsize: 4096,
        namelen: 255,
        ..Kstatfs::default()
    }
}

/// `ENOSYS` is remembered by the kernel for the life of the mount: it is right where the kernel then does the right
/// thing by itself (named in each line), and wrong wherever it would only be passed on to the caller.
pub(crate) fn errno(opcode: Opcode) -> Errno {
    match opcode {
        // close(2) succeeds without asking.
        Opcode::Flush => Errno::ENOSYS,
        // fsync(2) succeeds: there is nothing that could be made durable.
        Opcode::Fsync | Opcode::Fsyncdir | Opcode::Syncfs => Errno::ENOSYS,
        // access(2) and chdir(2) succeed without asking; `default_permissions` decides from the mode bits.
        Opcode::Access => Errno::ENOSYS,
        // The kernel answers EOPNOTSUPP from then on.
        Opcode::Setxattr | Opcode::Getxattr | Opcode::Listxattr | Opcode::Removexattr => Errno::ENOSYS,
        Opcode::Fallocate | Opcode::Tmpfile => Errno::ENOSYS,
        // The kernel goes on with MKNOD and OPEN.
        Opcode::Create => Errno::ENOSYS,
        // The kernel goes on with GETATTR.
        Opcode::Statx => Errno::ENOSYS,
        // SEEK_DATA and SEEK_HOLE take the file for all data.
        Opcode::Lseek => Errno::ENOSYS,
        // The kernel copies by reading and writing.
        Opcode::CopyFileRange | Opcode::CopyFileRange64 => Errno::ENOSYS,
        // Always ready, as regular files are.
        Opcode::Poll => Errno::ENOSYS,
        // FIBMAP answers EINVAL or 0, by kernel version.
        Opcode::Bmap => Errno::ENOSYS,
        // Locks are kept by the kernel.
        Opcode::Getlk | Opcode::Setlk | Opcode::Setlkw => Errno::ENOSYS,
        // The kernel answers EINVAL to renames with flags, as renameat2(2) says.
        Opcode::Rename2 => Errno::ENOSYS,
        // "The file system does not support ..." is EPERM in link(2), symlink(2), mknod(2), mkdir(2), unlink(2),
        // rmdir(2) and rename(2).
        Opcode::Link | Opcode::Symlink | Opcode::Mknod | Opcode::Mkdir => Errno::EPERM,
        Opcode::Unlink | Opcode::Rmdir | Opcode::Rename => Errno::EPERM,
        // ioctl(2): the request does not apply to this kind of object.
        Opcode::Ioctl => Errno::ENOTTY,
        _ => Errno::EOPNOTSUPP,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_fallback_replaces_is_never_enosys() {
        let essential = [
            Opcode::Lookup,
            Opcode::Getattr,
            Opcode::Setattr,
            Opcode::Readlink,
            Opcode::Open,
            Opcode::Opendir,
            Opcode::Read,
            Opcode::Write,
            Opcode::Readdir,
            Opcode::Readdirplus,
            Opcode::Mkdir,
            Opcode::Rename,
        ];
        for opcode in essential {
            assert_ne!(errno(opcode), Errno::ENOSYS, "{opcode}");
        }
    }

    #[test]
    fn operations_that_end_others_are_not_optional() {
        for opcode in [Opcode::Release, Opcode::Releasedir, Opcode::Forget, Opcode::BatchForget] {
            assert!(!is_optional(opcode), "{opcode}");
        }
        assert!(is_optional(Opcode::Open) && is_optional(Opcode::Flush));
    }
}
