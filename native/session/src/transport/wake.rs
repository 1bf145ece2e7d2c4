//! What the reserve sleeps on: a call, and the end.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use super::dev::checked;

/// An eventfd.
#[derive(Debug)]
pub(crate) struct EventFd(OwnedFd);

impl EventFd {
    /// One that stays signalled from the first [`EventFd::signal`] on until [`EventFd::take`].
    pub(crate) fn new() -> io::Result<Self> {
        let flags = libc::EFD_CLOEXEC | libc::EFD_NONBLOCK;
        // SAFETY: no memory is involved.
        let raw = checked(unsafe { libc::eventfd(0, flags) })?;
        // SAFETY: `raw` was just opened and nobody else knows it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(raw) }))
    }

    pub(crate) fn signal(&self) {
        let once = 1_u64;
        // SAFETY: writes the 8 bytes of `once`. It fails only when the counter is full, and then it is signalled.
        unsafe { libc::write(self.0.as_raw_fd(), (&raw const once).cast(), size_of::<u64>()) };
    }

    pub(crate) fn take(&self) {
        let mut value = 0_u64;
        // SAFETY: reads 8 bytes into `value`. It fails only when there was no signal.
        unsafe { libc::read(self.0.as_raw_fd(), (&raw mut value).cast(), size_of::<u64>()) };
    }
}

impl AsRawFd for EventFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Wakes the reserve.
#[derive(Debug)]
pub(crate) struct Waker {
    /// Signalled once and for all.
    stop: EventFd,
    /// Signalled when the reserve is needed.
    reserve: EventFd,
}

/// What the reserve wakes for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Needed,
    Stop,
    /// Its time was up.
    Nothing,
}

impl Waker {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            stop: EventFd::new()?,
            reserve: EventFd::new()?,
        })
    }

    /// Wakes the reserve, now or as soon as it sleeps.
    pub(crate) fn call_reserve(&self) {
        self.reserve.signal();
    }

    /// Takes a call back that nobody has heard.
    pub(crate) fn forget_call(&self) {
        self.reserve.take();
    }

    /// The reserve's sleep.
    pub(crate) fn stand_by(&self, time: Option<Duration>) -> io::Result<Call> {
        let polled = |fd: &EventFd| libc::pollfd {
            fd: fd.0.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        let mut both = [polled(&self.stop), polled(&self.reserve)];
        // SAFETY: two pollfds that outlive the call.
        match checked(unsafe { libc::poll(both.as_mut_ptr(), 2, millis(time)) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Call::Nothing),
            count => count?,
        };
        if both[0].revents != 0 {
            return Ok(Call::Stop);
        }
        if both[1].revents != 0 {
            self.reserve.take();
            return Ok(Call::Needed);
        }
        Ok(Call::Nothing)
    }

    /// Wakes the reserve for good.
    pub(crate) fn stop(&self) {
        self.stop.signal();
    }
}

/// As poll(2) takes it.
fn millis(time: Option<Duration>) -> libc::c_int {
    time.map_or(-1, |time| {
        libc::c_int::try_from(time.as_millis().max(1)).unwrap_or(libc::c_int::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Option<Duration> = Some(Duration::from_secs(30));
    const SHORT: Option<Duration> = Some(Duration::from_millis(1));

    #[test]
    fn a_call_is_heard_once_and_the_end_for_good() {
        let waker = Waker::new().unwrap();
        assert_eq!(waker.stand_by(SHORT).unwrap(), Call::Nothing);
        waker.call_reserve();
        waker.call_reserve();
        assert_eq!(waker.stand_by(LONG).unwrap(), Call::Needed);
        assert_eq!(waker.stand_by(SHORT).unwrap(), Call::Nothing);
        waker.call_reserve();
        waker.forget_call();
        assert_eq!(waker.stand_by(SHORT).unwrap(), Call::Nothing);
        waker.stop();
        for _ in 0..2 {
            assert_eq!(waker.stand_by(LONG).unwrap(), Call::Stop);
        }
    }
}
