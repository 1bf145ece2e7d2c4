//! Records of notifications: messages that the kernel has not asked for.
#![allow(missing_docs, reason = "fields mean what <linux/fuse.h> says")]

use super::pod::records;

records! {
    /// POLL.
    NotifyPollWakeupOut: size 8, align 8 {
        /// [`PollIn::kh`](super::PollIn::kh) of the poll that is to be woken.
        kh: u64,
    }

    /// INVAL_INODE.
    NotifyInvalInodeOut: size 24, align 8 {
        /// nodeid, not inode number.
        ino: u64,
        /// First byte; negative for "attributes only".
        off: i64,
        /// Bytes; 0 or less for "to the end".
        len: i64,
    }

    /// INVAL_ENTRY; the NUL-terminated name follows.
    NotifyInvalEntryOut: size 16, align 8 {
        parent: u64,
        /// Without the NUL.
        namelen: u32,
        /// Of [`notify_inval_entry`](super::notify_inval_entry).
        flags: u32,
    }

    /// DELETE; the NUL-terminated name follows.
    NotifyDeleteOut: size 24, align 8 {
        parent: u64,
        child: u64,
        /// Without the NUL.
        namelen: u32,
        padding: u32,
    }

    /// STORE; `size` bytes of data follow.
    NotifyStoreOut: size 24, align 8 {
        nodeid: u64,
        offset: u64,
        size: u32,
        padding: u32,
    }

    /// RETRIEVE; answered by NOTIFY_REPLY.
    NotifyRetrieveOut: size 32, align 8 {
        /// Chosen by the sender; the `unique` of the answer.
        notify_unique: u64,
        nodeid: u64,
        offset: u64,
        size: u32,
        padding: u32,
    }

    /// PRUNE; `count` nodeids of 64 bits follow.
    NotifyPruneOut: size 16, align 8 {
        count: u32,
        padding: u32,
        spare: u64,
    }
}
