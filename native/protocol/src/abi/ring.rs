//! Records of FUSE over io_uring (since 7.42).
#![allow(missing_docs, reason = "fields mean what <linux/fuse.h> says")]

use super::pod::records;
use super::uring;

records! {
    /// Part of [`UringReqHeader`]: what belongs to the ring entry.
    UringEntInOut: size 32, align 8 {
        flags: u64,
        /// Names the request in the command that commits its reply.
        commit_id: u64,
        /// Bytes used of the payload buffer.
        payload_sz: u32,
        padding: u32,
        reserved: u64,
    }

    /// Header buffer of a ring entry.
    UringReqHeader: size 288, align 8 {
        /// [`InHeader`](super::InHeader), replaced by [`OutHeader`](super::OutHeader).
        in_out: [u8; uring::IN_OUT_HEADER_SZ],
        /// The fixed record of the operation.
        op_in: [u8; uring::OP_IN_OUT_SZ],
        ring_ent_in_out: UringEntInOut,
    }

    /// What the command area of the submission entry holds.
    UringCmdReq: size 24, align 8 {
        flags: u64,
        commit_id: u64,
        /// The CPU whose requests are meant.
        qid: u16,
        padding: [u8; 6],
    }
}
