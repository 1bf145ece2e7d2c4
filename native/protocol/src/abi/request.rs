//! Records that follow [`InHeader`](super::InHeader), one per kind of request, and those of its extensions.
#![allow(
    missing_docs,
    reason = "fields mean what <linux/fuse.h> and the system call's manual page say"
)]

use super::data::FileLock;
use super::pod::records;

records! {
    /// FORGET.
    ForgetIn: size 8, align 8 {
        nlookup: u64,
    }

    /// One node of BATCH_FORGET.
    ForgetOne: size 16, align 8 {
        nodeid: u64,
        nlookup: u64,
    }

    /// BATCH_FORGET; `count` records of [`ForgetOne`] follow.
    BatchForgetIn: size 8, align 4 {
        count: u32,
        dummy: u32,
    }

    /// GETATTR.
    GetattrIn: size 16, align 8 {
        /// Of [`getattr`](super::getattr).
        getattr_flags: u32,
        dummy: u32,
        fh: u64,
    }

    /// STATX.
    StatxIn: size 24, align 8 {
        /// Of [`getattr`](super::getattr).
        getattr_flags: u32,
        reserved: u32,
        fh: u64,
        sx_flags: u32,
        sx_mask: u32,
    }

    /// MKNOD; the name follows.
    MknodIn: size 16, align 4 {
        mode: u32,
        rdev: u32,
        umask: u32,
        padding: u32,
    }

    /// MKDIR; the name follows.
    MkdirIn: size 8, align 4 {
        mode: u32,
        umask: u32,
    }

    /// RENAME; old and new name follow.
    RenameIn: size 8, align 8 {
        newdir: u64,
    }

    /// RENAME2; old and new name follow.
    Rename2In: size 16, align 8 {
        newdir: u64,
        /// Those of renameat2(2).
        flags: u32,
        padding: u32,
    }

    /// LINK; the new name follows.
    LinkIn: size 8, align 8 {
        oldnodeid: u64,
    }

    /// SETATTR.
    SetattrIn: size 88, align 8 {
        /// Which fields are to be set, of [`fattr`](super::fattr).
        valid: u32,
        padding: u32,
        fh: u64,
        size: u64,
        lock_owner: u64,
        /// Seconds since the epoch, a signed number; so are `mtime` and `ctime`.
        atime: u64,
        mtime: u64,
        ctime: u64,
        atimensec: u32,
        mtimensec: u32,
        ctimensec: u32,
        mode: u32,
        unused4: u32,
        uid: u32,
        gid: u32,
        unused5: u32,
    }

    /// OPEN and OPENDIR.
    OpenIn: size 8, align 4 {
        /// `O_*` of open(2).
        flags: u32,
        /// Of [`open`](super::open).
        open_flags: u32,
    }

    /// CREATE and TMPFILE; the name follows.
    CreateIn: size 16, align 4 {
        /// `O_*` of open(2).
        flags: u32,
        mode: u32,
        umask: u32,
        /// Of [`open`](super::open).
        open_flags: u32,
    }

    /// RELEASE and RELEASEDIR.
    ReleaseIn: size 24, align 8 {
        fh: u64,
        /// `O_*` of open(2).
        flags: u32,
        /// Of [`release`](super::release).
        release_flags: u32,
        lock_owner: u64,
    }

    /// FLUSH.
    FlushIn: size 24, align 8 {
        fh: u64,
        unused: u32,
        padding: u32,
        lock_owner: u64,
    }

    /// READ, READDIR and READDIRPLUS.
    ReadIn: size 40, align 8 {
        fh: u64,
        offset: u64,
        size: u32,
        /// Of [`read`](super::read).
        read_flags: u32,
        lock_owner: u64,
        /// `O_*` of the open file.
        flags: u32,
        padding: u32,
    }

    /// WRITE; `size` bytes of data follow.
    WriteIn: size 40, align 8 {
        fh: u64,
        offset: u64,
        size: u32,
        /// Of [`write`](super::write).
        write_flags: u32,
        lock_owner: u64,
        /// `O_*` of the open file.
        flags: u32,
        padding: u32,
    }

    /// FSYNC and FSYNCDIR.
    FsyncIn: size 16, align 8 {
        fh: u64,
        /// Of [`fsync`](super::fsync).
        fsync_flags: u32,
        padding: u32,
    }

    /// SETXATTR; name and `size` bytes of value follow. Without `init::SETXATTR_EXT` the kernel sends the first 8
    /// bytes only.
    SetxattrIn: size 16, align 4 {
        size: u32,
        /// `XATTR_CREATE`, `XATTR_REPLACE` of setxattr(2).
        flags: u32,
        /// Of [`setxattr`](super::setxattr).
        setxattr_flags: u32,
        padding: u32,
    }

    /// GETXATTR (the name follows) and LISTXATTR.
    GetxattrIn: size 8, align 4 {
        /// Room at the caller; 0 asks for the length.
        size: u32,
        padding: u32,
    }

    /// GETLK, SETLK and SETLKW.
    LkIn: size 48, align 8 {
        fh: u64,
        owner: u64,
        lk: FileLock,
        /// Of [`lk`](super::lk).
        lk_flags: u32,
        padding: u32,
    }

    /// ACCESS.
    AccessIn: size 8, align 4 {
        /// `R_OK`, `W_OK`, `X_OK` of access(2).
        mask: u32,
        padding: u32,
    }

    /// INIT. Kernels before 7.36 send the first 16 bytes.
    InitIn: size 64, align 4 {
        major: u32,
        minor: u32,
        max_readahead: u32,
        /// Lower half of [`init`](super::init).
        flags: u32,
        /// Upper half, valid when `flags` has `INIT_EXT`.
        flags2: u32,
        unused: [u32; 11],
    }

    /// INTERRUPT.
    InterruptIn: size 8, align 8 {
        /// The request that is no longer wanted.
        unique: u64,
    }

    /// BMAP.
    BmapIn: size 16, align 8 {
        block: u64,
        blocksize: u32,
        padding: u32,
    }

    /// IOCTL; `in_size` bytes follow.
    IoctlIn: size 32, align 8 {
        fh: u64,
        /// Of [`ioctl`](super::ioctl).
        flags: u32,
        cmd: u32,
        arg: u64,
        in_size: u32,
        out_size: u32,
    }

    /// POLL.
    PollIn: size 24, align 8 {
        fh: u64,
        /// Handle for the wake-up notification.
        kh: u64,
        /// Of [`poll`](super::poll).
        flags: u32,
        /// `POLL*` of poll(2).
        events: u32,
    }

    /// FALLOCATE.
    FallocateIn: size 32, align 8 {
        fh: u64,
        offset: u64,
        length: u64,
        /// `FALLOC_FL_*` of fallocate(2).
        mode: u32,
        padding: u32,
    }

    /// LSEEK.
    LseekIn: size 24, align 8 {
        fh: u64,
        offset: u64,
        /// `SEEK_DATA` or `SEEK_HOLE`.
        whence: u32,
        padding: u32,
    }

    /// COPY_FILE_RANGE and COPY_FILE_RANGE_64.
    CopyFileRangeIn: size 56, align 8 {
        fh_in: u64,
        off_in: u64,
        nodeid_out: u64,
        fh_out: u64,
        off_out: u64,
        len: u64,
        flags: u64,
    }

    /// SYNCFS.
    SyncfsIn: size 8, align 8 {
        padding: u64,
    }

    /// NOTIFY_REPLY, the answer to [`NotifyRetrieveOut`](super::NotifyRetrieveOut); `size` bytes of data follow.
    NotifyRetrieveIn: size 40, align 8 {
        dummy1: u64,
        offset: u64,
        size: u32,
        dummy2: u32,
        dummy3: u64,
        dummy4: u64,
    }

    /// Head of an extension.
    ExtHeader: size 8, align 4 {
        /// Bytes of the extension, this record included.
        size: u32,
        /// Up to [`ext::MAX_NR_SECCTX`](super::ext::MAX_NR_SECCTX): this is a [`SecctxHeader`]; else of
        /// [`ext`](super::ext).
        r#type: u32,
    }

    /// Head of the security contexts of a new file, an extension.
    SecctxHeader: size 8, align 4 {
        /// Bytes of all contexts, this record included.
        size: u32,
        nr_secctx: u32,
    }

    /// Head of one security context; its NUL-terminated name and `size` bytes of value follow.
    Secctx: size 8, align 4 {
        size: u32,
        padding: u32,
    }

    /// Behind [`ExtHeader`] of the supplementary groups; `nr_groups` numbers of 32 bits follow.
    SuppGroups: size 4, align 4 {
        nr_groups: u32,
    }
}

impl InitIn {
    /// Every offered flag of [`init`](super::init), `flags2` in the upper half.
    pub fn all_flags(&self) -> u64 {
        let low = u64::from(self.flags);
        if low & super::init::INIT_EXT == 0 {
            return low;
        }
        low | u64::from(self.flags2) << 32
    }
}
