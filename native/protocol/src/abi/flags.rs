//! Flags and codes, one module per group, named as in `<linux/fuse.h>` without the group's prefix.

/// `FATTR_*`: what [`SetattrIn::valid`](super::SetattrIn::valid) asks to set.
pub mod fattr {
    /// `mode`.
    pub const MODE: u32 = 1 << 0;
    /// `uid`.
    pub const UID: u32 = 1 << 1;
    /// `gid`.
    pub const GID: u32 = 1 << 2;
    /// `size`.
    pub const SIZE: u32 = 1 << 3;
    /// `atime`, unless `ATIME_NOW` is set too.
    pub const ATIME: u32 = 1 << 4;
    /// `mtime`, unless `MTIME_NOW` is set too.
    pub const MTIME: u32 = 1 << 5;
    /// `fh` is valid.
    pub const FH: u32 = 1 << 6;
    /// The access time becomes the current time.
    pub const ATIME_NOW: u32 = 1 << 7;
    /// The modification time becomes the current time.
    pub const MTIME_NOW: u32 = 1 << 8;
    /// `lock_owner` is valid.
    pub const LOCKOWNER: u32 = 1 << 9;
    /// `ctime`.
    pub const CTIME: u32 = 1 << 10;
    /// setuid and setgid bits are to be cleared.
    pub const KILL_SUIDGID: u32 = 1 << 11;
}

/// `FOPEN_*`: how an open file is treated, [`OpenOut::open_flags`](super::OpenOut::open_flags).
pub mod fopen {
    /// Reads and writes go past the page cache.
    pub const DIRECT_IO: u32 = 1 << 0;
    /// Opening does not drop cached data.
    pub const KEEP_CACHE: u32 = 1 << 1;
    /// lseek(2) fails.
    pub const NONSEEKABLE: u32 = 1 << 2;
    /// The directory's entries may be cached.
    pub const CACHE_DIR: u32 = 1 << 3;
    /// The file has no position.
    pub const STREAM: u32 = 1 << 4;
    /// close(2) sends no FLUSH (ignored with the writeback cache).
    pub const NOFLUSH: u32 = 1 << 5;
    /// Direct writes to the file may overlap.
    pub const PARALLEL_DIRECT_WRITES: u32 = 1 << 6;
    /// Reads and writes go to the file registered as `backing_id`.
    pub const PASSTHROUGH: u32 = 1 << 7;
}

/// Features offered and granted at INIT; bits from 32 travel in `flags2`.
pub mod init {
    /// Read requests of one file may overlap.
    pub const ASYNC_READ: u64 = 1 << 0;
    /// POSIX locks are sent to the file system.
    pub const POSIX_LOCKS: u64 = 1 << 1;
    /// Reserved.
    pub const FILE_OPS: u64 = 1 << 2;
    /// OPEN handles `O_TRUNC`.
    pub const ATOMIC_O_TRUNC: u64 = 1 << 3;
    /// LOOKUP of `.` and `..` is handled.
    pub const EXPORT_SUPPORT: u64 = 1 << 4;
    /// Writes may exceed 4 KiB.
    pub const BIG_WRITES: u64 = 1 << 5;
    /// The kernel leaves the umask to the file system.
    pub const DONT_MASK: u64 = 1 << 6;
    /// splice(2) to the device.
    pub const SPLICE_WRITE: u64 = 1 << 7;
    /// splice(2) may move pages.
    pub const SPLICE_MOVE: u64 = 1 << 8;
    /// splice(2) from the device.
    pub const SPLICE_READ: u64 = 1 << 9;
    /// flock(2) is sent to the file system.
    pub const FLOCK_LOCKS: u64 = 1 << 10;
    /// ioctl(2) on directories.
    pub const HAS_IOCTL_DIR: u64 = 1 << 11;
    /// Cached pages are dropped when size or mtime change.
    pub const AUTO_INVAL_DATA: u64 = 1 << 12;
    /// READDIRPLUS is handled.
    pub const DO_READDIRPLUS: u64 = 1 << 13;
    /// The kernel chooses between READDIR and READDIRPLUS.
    pub const READDIRPLUS_AUTO: u64 = 1 << 14;
    /// Requests of one direct read or write may overlap.
    pub const ASYNC_DIO: u64 = 1 << 15;
    /// Writes are collected in the page cache.
    pub const WRITEBACK_CACHE: u64 = 1 << 16;
    /// OPEN may answer `ENOSYS` once for all.
    pub const NO_OPEN_SUPPORT: u64 = 1 << 17;
    /// LOOKUP and READDIR of one directory may overlap.
    pub const PARALLEL_DIROPS: u64 = 1 << 18;
    /// The file system clears setuid, setgid and capabilities on write, chown and truncate.
    pub const HANDLE_KILLPRIV: u64 = 1 << 19;
    /// POSIX ACLs are checked by the kernel and stored by the file system.
    pub const POSIX_ACL: u64 = 1 << 20;
    /// Reading the device after an abort gives `ECONNABORTED`.
    pub const ABORT_ERROR: u64 = 1 << 21;
    /// `max_pages` is valid.
    pub const MAX_PAGES: u64 = 1 << 22;
    /// READLINK answers are cached.
    pub const CACHE_SYMLINKS: u64 = 1 << 23;
    /// OPENDIR may answer `ENOSYS` once for all.
    pub const NO_OPENDIR_SUPPORT: u64 = 1 << 24;
    /// Cached pages are dropped only by notification.
    pub const EXPLICIT_INVAL_DATA: u64 = 1 << 25;
    /// `map_alignment` is valid.
    pub const MAP_ALIGNMENT: u64 = 1 << 26;
    /// Directories with `attr::SUBMOUNT` become mounts of their own.
    pub const SUBMOUNTS: u64 = 1 << 27;
    /// As `HANDLE_KILLPRIV`, but only where the kernel asks for it with a `KILL_SUIDGID` flag.
    pub const HANDLE_KILLPRIV_V2: u64 = 1 << 28;
    /// SETXATTR has its long form.
    pub const SETXATTR_EXT: u64 = 1 << 29;
    /// `flags2` is valid.
    pub const INIT_EXT: u64 = 1 << 30;
    /// Reserved.
    pub const INIT_RESERVED: u64 = 1 << 31;
    /// New files come with security contexts.
    pub const SECURITY_CTX: u64 = 1 << 32;
    /// DAX chosen per node.
    pub const HAS_INODE_DAX: u64 = 1 << 33;
    /// New files come with the caller's supplementary group where it is the parent's.
    pub const CREATE_SUPP_GROUP: u64 = 1 << 34;
    /// INVAL_ENTRY knows `notify_inval_entry::EXPIRE_ONLY`.
    pub const HAS_EXPIRE_ONLY: u64 = 1 << 35;
    /// Files opened with `fopen::DIRECT_IO` may be mapped shared.
    pub const DIRECT_IO_ALLOW_MMAP: u64 = 1 << 36;
    /// Pass-through of open files.
    pub const PASSTHROUGH: u64 = 1 << 37;
    /// File handles can't be exported.
    pub const NO_EXPORT_SUPPORT: u64 = 1 << 38;
    /// NOTIFY_RESEND is known.
    pub const HAS_RESEND: u64 = 1 << 39;
    /// Id-mapped mounts are allowed.
    pub const ALLOW_IDMAP: u64 = 1 << 40;
    /// Requests may travel over io_uring.
    pub const OVER_IO_URING: u64 = 1 << 41;
    /// `request_timeout` is valid.
    pub const REQUEST_TIMEOUT: u64 = 1 << 42;
}

/// [`ReleaseIn::release_flags`](super::ReleaseIn::release_flags).
pub mod release {
    /// The release stands for a flush too.
    pub const FLUSH: u32 = 1 << 0;
    /// Drop the owner's flock(2) lock.
    pub const FLOCK_UNLOCK: u32 = 1 << 1;
}

/// [`GetattrIn::getattr_flags`](super::GetattrIn::getattr_flags), also of STATX.
pub mod getattr {
    /// `fh` is valid.
    pub const FH: u32 = 1 << 0;
}

/// [`LkIn::lk_flags`](super::LkIn::lk_flags).
pub mod lk {
    /// flock(2), not fcntl(2).
    pub const FLOCK: u32 = 1 << 0;
}

/// [`WriteIn::write_flags`](super::WriteIn::write_flags).
pub mod write {
    /// From the page cache: `fh` may be another opener's.
    pub const CACHE: u32 = 1 << 0;
    /// `lock_owner` is valid.
    pub const LOCKOWNER: u32 = 1 << 1;
    /// setuid and setgid bits are to be cleared.
    pub const KILL_SUIDGID: u32 = 1 << 2;
}

/// [`ReadIn::read_flags`](super::ReadIn::read_flags).
pub mod read {
    /// `lock_owner` is valid.
    pub const LOCKOWNER: u32 = 1 << 1;
}

/// [`IoctlIn::flags`](super::IoctlIn::flags) and [`IoctlOut::flags`](super::IoctlOut::flags).
pub mod ioctl {
    /// A 32-bit caller on a 64-bit machine.
    pub const COMPAT: u32 = 1 << 0;
    /// `arg` is a pointer of unknown meaning; the reply may ask to retry.
    pub const UNRESTRICTED: u32 = 1 << 1;
    /// Reply: call again with the memory ranges listed.
    pub const RETRY: u32 = 1 << 2;
    /// A 32-bit caller.
    pub const BIT32: u32 = 1 << 3;
    /// On a directory.
    pub const DIR: u32 = 1 << 4;
    /// An x32 caller: 64-bit times.
    pub const COMPAT_X32: u32 = 1 << 5;
    /// Most memory ranges that a reply with `RETRY` may list.
    pub const MAX_IOV: u32 = 256;
}

/// [`PollIn::flags`](super::PollIn::flags).
pub mod poll {
    /// A notification is wanted when the answer changes.
    pub const SCHEDULE_NOTIFY: u32 = 1 << 0;
}

/// [`FsyncIn::fsync_flags`](super::FsyncIn::fsync_flags).
pub mod fsync {
    /// Data only.
    pub const FDATASYNC: u32 = 1 << 0;
}

/// [`Attr::flags`](super::Attr::flags).
pub mod attr {
    /// Root of a submount.
    pub const SUBMOUNT: u32 = 1 << 0;
    /// DAX is wanted.
    pub const DAX: u32 = 1 << 1;
}

/// [`OpenIn::open_flags`](super::OpenIn::open_flags), also of CREATE.
pub mod open {
    /// Truncating clears setuid and setgid bits.
    pub const KILL_SUIDGID: u32 = 1 << 0;
}

/// [`SetxattrIn::setxattr_flags`](super::SetxattrIn::setxattr_flags).
pub mod setxattr {
    /// Setting `system.posix_acl_access` clears the setgid bit.
    pub const ACL_KILL_SGID: u32 = 1 << 0;
}

/// [`NotifyInvalEntryOut::flags`](super::NotifyInvalEntryOut::flags).
pub mod notify_inval_entry {
    /// The entry is looked up again but not unhashed.
    pub const EXPIRE_ONLY: u32 = 1 << 0;
}

/// [`ExtHeader::type`](super::ExtHeader::type).
pub mod ext {
    /// Up to this number the extension is a [`SecctxHeader`](crate::abi::SecctxHeader).
    pub const MAX_NR_SECCTX: u32 = 31;
    /// Supplementary groups.
    pub const GROUPS: u32 = 32;
}

/// ioctl(2) requests of `/dev/fuse`, in the encoding of `asm-generic/ioctl.h` (x86, ARM, RISC-V, s390).
pub mod dev {
    /// Makes a descriptor share the connection of the one given; argument `&u32`, a descriptor.
    pub const IOC_CLONE: u32 = 0x8004_e500;
    /// Registers a file for pass-through; argument [`BackingMap`](crate::abi::BackingMap), answers its id.
    pub const IOC_BACKING_OPEN: u32 = 0x4010_e501;
    /// Drops a registered file; argument `&u32`, its id.
    pub const IOC_BACKING_CLOSE: u32 = 0x4004_e502;
    /// mount(2) waits until INIT is answered; no argument.
    pub const IOC_SYNC_INIT: u32 = 0x0000_e503;
}

/// Numbers of FUSE over io_uring.
pub mod uring {
    /// Bytes of [`UringReqHeader::in_out`](crate::abi::UringReqHeader::in_out).
    pub const IN_OUT_HEADER_SZ: usize = 128;
    /// Bytes of [`UringReqHeader::op_in`](crate::abi::UringReqHeader::op_in).
    pub const OP_IN_OUT_SZ: usize = 128;
    /// Command: register the entry's buffers and fetch a request.
    pub const CMD_REGISTER: u32 = 1;
    /// Command: commit a reply and fetch the next request.
    pub const CMD_COMMIT_AND_FETCH: u32 = 2;
}
