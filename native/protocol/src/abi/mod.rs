//! The kernel's records and constants, FUSE 7.45, as `<linux/fuse.h>` lays them out (CUSE and DAX left out).
//!
//! Used by everything that touches message bytes. Holds layout and numbers only: no parsing, no policy. A record is
//! named after the kernel's without `fuse_` (`fuse_entry_out` is [`EntryOut`]), its fields are the kernel's. Every
//! number is in the byte order of the machine, as the kernel sends it.

mod data;
mod flags;
mod notify;
mod pod;
mod reply;
mod request;
mod ring;

pub use data::*;
pub use flags::*;
pub use notify::*;
pub use pod::{bytes_of, read_from, slice_from, zeroed, Pod};
pub use reply::*;
pub use request::*;
pub use ring::*;

/// Major version of the protocol.
pub const KERNEL_VERSION: u32 = 7;
/// Highest minor version that these records describe.
pub const KERNEL_MINOR_VERSION: u32 = 45;
/// nodeid of the root directory.
pub const ROOT_ID: u64 = 1;
/// A read from `/dev/fuse` with less room than this fails with `EINVAL`.
pub const MIN_READ_BUFFER: usize = 8192;
/// Bit of [`InHeader::unique`]: the request had been read before and is sent again after `NOTIFY_RESEND`.
pub const UNIQUE_RESEND: u64 = 1 << 63;
/// [`InHeader::uid`] and `gid` on an id-mapped mount when the caller's ids have no mapping.
pub const INVALID_UIDGID: u32 = u32::MAX;
/// Longest name in a directory entry that every kernel takes; longer ones fail with `EIO` before Linux 6.15.
pub const NAME_MAX: usize = 1024;
/// Records in a directory listing and extensions of a request are padded to this many bytes.
pub const RECORD_ALIGN: usize = 8;

/// `len` rounded up to [`RECORD_ALIGN`] (`FUSE_REC_ALIGN`); `None` when that overflows.
pub const fn record_align(len: usize) -> Option<usize> {
    len.checked_next_multiple_of(RECORD_ALIGN)
}
