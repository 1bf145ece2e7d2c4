//! What a worker sleeps on: its descriptor, parked requests that have become runnable, and the end.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use super::dev::checked;
use super::Channel;

/// An eventfd.
#[derive(Debug)]
pub(crate) struct EventFd(OwnedFd);

impl EventFd {
    /// One that stays signalled from the first [`EventFd::signal`] on, or with `counting` until as many
    /// [`EventFd::take`]s as signals have been made.
    pub(crate) fn new(counting: bool) -> io::Result<Self> {
        let flags = libc::EFD_CLOEXEC | libc::EFD_NONBLOCK | if counting { libc::EFD_SEMAPHORE } else { 0 };
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
        // SAFETY: reads 8 bytes into `value`. It fails only when another worker was faster, which is as good.
        unsafe { libc::read(self.0.as_raw_fd(), (&raw mut value).cast(), size_of::<u64>()) };
    }
}

/// The session's side: wakes workers.
#[derive(Debug)]
pub(crate) struct Waker {
    /// Signalled once for each runnable request.
    ready: EventFd,
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
            ready: EventFd::new(true)?,
            stop: EventFd::new(false)?,
            reserve: EventFd::new(false)?,
        })
    }

    /// Wakes a sleeping worker, if there is one, for a request that may run.
    pub(crate) fn ready(&self) {
        // One write for each request: of the workers that sleep exclusively, one write wakes one, whatever its value.
        self.ready.signal();
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

    /// Wakes all workers, now and whenever they go to sleep again.
    pub(crate) fn stop(&self) {
        self.stop.signal();
    }
}

/// As poll(2) and epoll_wait(2) take it.
fn millis(time: Option<Duration>) -> libc::c_int {
    time.map_or(-1, |time| {
        libc::c_int::try_from(time.as_millis().max(1)).unwrap_or(libc::c_int::MAX)
    })
}

const READY: u64 = 1;

/// Of the workers that sleep on the same descriptor, one wakes for one request.
const EXCLUSIVE: libc::c_int = libc::EPOLLIN | libc::EPOLLEXCLUSIVE;

/// One worker's side.
#[derive(Debug)]
pub(crate) struct Waiter<'a> {
    epoll: OwnedFd,
    /// The worker's channel, which outlives the waiter: the worker owns both.
    device: RawFd,
    waker: &'a Waker,
}

impl<'a> Waiter<'a> {
    /// For the worker that reads `channel`.
    pub(crate) fn new(channel: &Channel, waker: &'a Waker) -> io::Result<Self> {
        // SAFETY: no memory is involved.
        let raw = checked(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: `raw` was just opened and nobody else knows it.
        let epoll = unsafe { OwnedFd::from_raw_fd(raw) };
        let device = channel.as_raw_fd();
        let waiter = Self { epoll, device, waker };
        waiter.add(device, EXCLUSIVE, 0)?;
        waiter.add(waker.ready.0.as_raw_fd(), EXCLUSIVE, READY)?;
        waiter.add(waker.stop.0.as_raw_fd(), libc::EPOLLIN, 0)?;
        Ok(waiter)
    }

    /// Goes to the end of the kernel's queue of sleepers, so that workers take turns. An exclusive entry keeps its place
    /// otherwise, and one and the same worker would serve whenever it is free: the scheduler leaves it on the processor
    /// where it slept, and a lone client on another one then pays two wake-ups across processors for each request. Of
    /// workers that take turns, those beside the client soon are the ones that run.
    fn queue_last(&self) -> io::Result<()> {
        // SAFETY: removing takes no event.
        checked(unsafe {
            libc::epoll_ctl(
                self.epoll.as_raw_fd(),
                libc::EPOLL_CTL_DEL,
                self.device,
                std::ptr::null_mut(),
            )
        })?;
        // What has arrived meanwhile is seen when the entry is added.
        self.add(self.device, EXCLUSIVE, 0)
    }

    fn add(&self, fd: RawFd, events: libc::c_int, id: u64) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: events as u32,
            u64: id,
        };
        // SAFETY: one event that outlives the call.
        checked(unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &raw mut event) })?;
        Ok(())
    }

    /// Sleeps until there may be something to do. `false`: there was nothing for all of `time`.
    pub(crate) fn wait(&self, time: Option<Duration>) -> io::Result<bool> {
        self.queue_last()?;
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 3];
        let room = events.len() as libc::c_int;
        // SAFETY: room for `room` events, which outlive the call.
        let waited = unsafe { libc::epoll_wait(self.epoll.as_raw_fd(), events.as_mut_ptr(), room, millis(time)) };
        let count = match checked(waited) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(true),
            count => count? as usize,
        };
        if events[..count].iter().any(|event| event.u64 == READY) {
            self.waker.ready.take();
        }
        Ok(count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;

    fn pair() -> (Channel, OwnedFd) {
        let (engine, peer) = crate::testing::seqpacket();
        (Channel::new(engine).unwrap(), peer)
    }

    #[test]
    fn each_signal_wakes_one_worker_and_stop_wakes_all() {
        let (channel, _peer) = pair();
        let waker = Waker::new().unwrap();
        let (woken, heard) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..4 {
                let (channel, waker, woken) = (&channel, &waker, woken.clone());
                scope.spawn(move || {
                    let waiter = Waiter::new(channel, waker).unwrap();
                    waiter.wait(None).unwrap();
                    woken.send(()).unwrap();
                });
            }
            waker.ready();
            waker.ready();
            heard.recv_timeout(Duration::from_secs(5)).unwrap();
            heard.recv_timeout(Duration::from_secs(5)).unwrap();
            waker.stop();
            heard.recv_timeout(Duration::from_secs(5)).unwrap();
            heard.recv_timeout(Duration::from_secs(5)).unwrap();
        });
    }

    #[test]
    fn a_message_wakes_its_worker() {
        let (channel, peer) = pair();
        let waker = Waker::new().unwrap();
        let waiter = Waiter::new(&channel, &waker).unwrap();
        // SAFETY: one byte of a literal.
        assert_eq!(unsafe { libc::write(peer.as_raw_fd(), b"x".as_ptr().cast(), 1) }, 1);
        waiter.wait(None).unwrap();
    }

    #[test]
    fn a_worker_that_was_woken_takes_its_signal_with_it() {
        let (channel, _peer) = pair();
        let waker = Waker::new().unwrap();
        let waiter = Waiter::new(&channel, &waker).unwrap();
        let signalled = || {
            let mut polled = libc::pollfd {
                fd: waker.ready.0.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            };
            // SAFETY: one pollfd that outlives the call.
            unsafe { libc::poll(&raw mut polled, 1, 0) == 1 }
        };
        waker.ready();
        waker.ready();
        waiter.wait(None).unwrap();
        assert!(signalled(), "the other one is for another worker");
        waiter.wait(None).unwrap();
        assert!(!signalled(), "or all would be awake for good");
    }
}
