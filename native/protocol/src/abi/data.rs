//! Records that requests and replies have in common.
#![allow(
    missing_docs,
    reason = "fields mean what <linux/fuse.h> and stat(2), statx(2), statfs(2) say"
)]

use super::pod::records;

records! {
    /// First record of every request.
    InHeader: size 40, align 8 {
        /// Length of the whole message in bytes, this record included.
        len: u32,
        opcode: u32,
        /// Identifies the request; goes into [`OutHeader::unique`] of the reply.
        unique: u64,
        /// The node that the operation is about, the parent directory for operations on names.
        nodeid: u64,
        uid: u32,
        gid: u32,
        /// Thread id of the caller; 0 when it is in another pid namespace.
        pid: u32,
        /// Length of the extensions at the message's end, in units of 8 bytes (since 7.38).
        total_extlen: u16,
        padding: u16,
    }

    /// First record of every reply and notification.
    OutHeader: size 16, align 8 {
        /// Length of the whole message in bytes, this record included.
        len: u32,
        /// 0 or a negated errno above -512; in a notification its code.
        error: i32,
        /// That of the request; 0 in a notification.
        unique: u64,
    }

    /// Attributes of a node.
    Attr: size 88, align 8 {
        ino: u64,
        size: u64,
        /// Units of 512 bytes.
        blocks: u64,
        /// Seconds since the epoch, a signed number in the kernel's eyes; so are `mtime` and `ctime`.
        atime: u64,
        mtime: u64,
        ctime: u64,
        atimensec: u32,
        mtimensec: u32,
        ctimensec: u32,
        mode: u32,
        nlink: u32,
        uid: u32,
        gid: u32,
        rdev: u32,
        blksize: u32,
        /// Of [`attr`](super::attr).
        flags: u32,
    }

    /// A time of [`Statx`].
    SxTime: size 16, align 8 {
        tv_sec: i64,
        tv_nsec: u32,
        __reserved: i32,
    }

    /// Attributes as statx(2) has them.
    Statx: size 256, align 8 {
        mask: u32,
        blksize: u32,
        attributes: u64,
        nlink: u32,
        uid: u32,
        gid: u32,
        mode: u16,
        __spare0: [u16; 1],
        ino: u64,
        size: u64,
        blocks: u64,
        attributes_mask: u64,
        atime: SxTime,
        btime: SxTime,
        ctime: SxTime,
        mtime: SxTime,
        rdev_major: u32,
        rdev_minor: u32,
        dev_major: u32,
        dev_minor: u32,
        __spare2: [u64; 14],
    }

    /// Figures of a file system.
    Kstatfs: size 80, align 8 {
        /// Units of `frsize`; so are `bfree` and `bavail`.
        blocks: u64,
        bfree: u64,
        bavail: u64,
        files: u64,
        ffree: u64,
        bsize: u32,
        namelen: u32,
        frsize: u32,
        padding: u32,
        spare: [u32; 6],
    }

    /// A byte range lock.
    FileLock: size 24, align 8 {
        start: u64,
        /// Last byte, inclusive; `i64::MAX` for "to the end of the file".
        end: u64,
        /// `F_RDLCK`, `F_WRLCK` or `F_UNLCK`.
        r#type: u32,
        pid: u32,
    }

    /// A node as replies hand it out: identity, attributes, and how long the kernel may rely on them.
    EntryOut: size 128, align 8 {
        /// 0 is a negative entry: the name does not exist, for `entry_valid`.
        nodeid: u64,
        generation: u64,
        /// Seconds.
        entry_valid: u64,
        /// Seconds.
        attr_valid: u64,
        entry_valid_nsec: u32,
        attr_valid_nsec: u32,
        attr: Attr,
    }

    /// Head of a record in a directory listing; `namelen` bytes of name and zero padding to 8 follow.
    Dirent: size 24, align 8 {
        ino: u64,
        /// Cookie from which a later READDIR goes on behind this record.
        off: u64,
        namelen: u32,
        /// File type: the mode's type bits shifted right by 12 (`DT_*`).
        r#type: u32,
    }

    /// Head of a record in a READDIRPLUS listing; name and padding follow.
    Direntplus: size 152, align 8 {
        /// `nodeid` 0 means "no attributes given", and no lookup is counted.
        entry_out: EntryOut,
        dirent: Dirent,
    }

    /// One memory range of a restricted ioctl's caller.
    IoctlIovec: size 16, align 8 {
        base: u64,
        len: u64,
    }

    /// Argument of the device ioctl that registers a file for pass-through.
    BackingMap: size 16, align 8 {
        fd: i32,
        flags: u32,
        padding: u64,
    }
}
