//! What unit tests share.

use std::os::fd::{FromRawFd, OwnedFd};

/// The two ends of a connection that keeps messages apart, as `/dev/fuse` does.
pub(crate) fn seqpacket() -> (OwnedFd, OwnedFd) {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    let made = unsafe {
        libc::socketpair(
            libc::AF_UNIX,
            libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC,
            0,
            ends.as_mut_ptr(),
        )
    };
    assert_eq!(made, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: both were just opened and nobody else knows them.
    ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) }).into()
}
