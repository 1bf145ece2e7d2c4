//! Records that follow [`OutHeader`](super::OutHeader) in replies.
#![allow(
    missing_docs,
    reason = "fields mean what <linux/fuse.h> and the system call's manual page say"
)]

use super::data::{Attr, FileLock, Kstatfs, Statx};
use super::pod::records;

records! {
    /// GETATTR and SETATTR.
    AttrOut: size 104, align 8 {
        /// Seconds.
        attr_valid: u64,
        attr_valid_nsec: u32,
        dummy: u32,
        attr: Attr,
    }

    /// STATX.
    StatxOut: size 288, align 8 {
        /// Seconds.
        attr_valid: u64,
        attr_valid_nsec: u32,
        flags: u32,
        spare: [u64; 2],
        stat: Statx,
    }

    /// OPEN, OPENDIR and, behind [`EntryOut`](super::EntryOut), CREATE and TMPFILE.
    OpenOut: size 16, align 8 {
        fh: u64,
        /// Of [`fopen`](super::fopen).
        open_flags: u32,
        /// Of a registered file, with `fopen::PASSTHROUGH`.
        backing_id: i32,
    }

    /// WRITE, and COPY_FILE_RANGE.
    WriteOut: size 8, align 4 {
        size: u32,
        padding: u32,
    }

    /// STATFS.
    StatfsOut: size 80, align 8 {
        st: Kstatfs,
    }

    /// GETXATTR and LISTXATTR when asked for the length.
    GetxattrOut: size 8, align 4 {
        size: u32,
        padding: u32,
    }

    /// GETLK.
    LkOut: size 24, align 8 {
        lk: FileLock,
    }

    /// INIT.
    InitOut: size 64, align 4 {
        major: u32,
        minor: u32,
        max_readahead: u32,
        /// Lower half of [`init`](super::init).
        flags: u32,
        max_background: u16,
        congestion_threshold: u16,
        /// Bytes.
        max_write: u32,
        /// Nanoseconds.
        time_gran: u32,
        /// With `init::MAX_PAGES`.
        max_pages: u16,
        map_alignment: u16,
        /// Upper half, with `init::INIT_EXT`.
        flags2: u32,
        /// With `init::PASSTHROUGH`; at least 1.
        max_stack_depth: u32,
        /// Seconds, with `init::REQUEST_TIMEOUT`.
        request_timeout: u16,
        unused: [u16; 11],
    }

    /// BMAP.
    BmapOut: size 8, align 8 {
        block: u64,
    }

    /// IOCTL.
    IoctlOut: size 16, align 4 {
        /// Return value of ioctl(2).
        result: i32,
        /// Of [`ioctl`](super::ioctl).
        flags: u32,
        in_iovs: u32,
        out_iovs: u32,
    }

    /// POLL.
    PollOut: size 8, align 4 {
        /// `POLL*` of poll(2).
        revents: u32,
        padding: u32,
    }

    /// LSEEK.
    LseekOut: size 8, align 8 {
        offset: u64,
    }

    /// COPY_FILE_RANGE_64.
    CopyFileRangeOut: size 8, align 8 {
        bytes_copied: u64,
    }
}

impl InitOut {
    /// Sets every granted flag of [`init`](super::init), and `INIT_EXT` when one of the upper half is among them: the
    /// kernel ignores `flags2` without it.
    pub fn set_all_flags(&mut self, flags: u64) {
        let flags = if flags >> 32 == 0 {
            flags
        } else {
            flags | super::init::INIT_EXT
        };
        self.flags = flags as u32;
        self.flags2 = (flags >> 32) as u32;
    }

    /// The bytes that a kernel of protocol 7.`minor` expects: the record grew in 7.5 and 7.23.
    pub fn wire_bytes(&self, minor: u32) -> &[u8] {
        let len = match minor {
            0..=4 => 8,
            5..=22 => 24,
            _ => size_of::<Self>(),
        };
        &super::bytes_of(self)[..len]
    }
}
