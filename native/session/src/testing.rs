//! What unit tests share.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

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

/// The next message, if one has arrived.
pub(crate) fn receive(end: &OwnedFd) -> Option<Vec<u8>> {
    let mut message = vec![0; 1 << 16];
    let raw = end.as_raw_fd();
    // SAFETY: room for that many bytes.
    let got = unsafe { libc::recv(raw, message.as_mut_ptr().cast(), message.len(), libc::MSG_DONTWAIT) };
    message.truncate(usize::try_from(got).ok()?);
    Some(message)
}
