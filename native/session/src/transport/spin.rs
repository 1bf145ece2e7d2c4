//! Looking for the next message for a moment before sleeping.
//!
//! Where a client asks again as soon as it is answered, its server sleeps for less time than sleeping and waking take,
//! above all across processors. A worker that looks on instead spends a processor's time, so it is for who asks for it.

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::Channel;

/// Who looks, and whether it pays.
#[derive(Debug)]
pub(crate) struct Spin {
    time: Duration,
    /// Somebody is looking: one finds what there is.
    taken: AtomicBool,
    /// How often in a row nothing came.
    misses: AtomicU32,
    /// Sleeps to go to at once before looking again.
    pause: AtomicU32,
}

/// Looks that may be in vain before there is a pause.
const PATIENCE: u32 = 4;
/// The longest pause, as a power of two.
const MOST_DOUBLINGS: u32 = 8;
/// Between two looks, which are system calls and take the device's lock.
const BETWEEN: u32 = 32;

impl Spin {
    /// `None`: for no time.
    pub(crate) fn new(time: Duration) -> Option<Self> {
        (!time.is_zero()).then(|| Self {
            time,
            taken: AtomicBool::new(false),
            misses: AtomicU32::new(0),
            pause: AtomicU32::new(0),
        })
    }

    /// Returns when a message can be read, when there is `other_work`, or when it isn't worth while to look on.
    pub(crate) fn look(&self, channel: &Channel, other_work: impl Fn() -> bool) {
        if self.taken.swap(true, Ordering::Acquire) {
            return;
        }
        if self.pays() {
            self.looked(self.sees(channel, other_work));
        }
        self.taken.store(false, Ordering::Release);
    }

    /// Whether to look this time.
    fn pays(&self) -> bool {
        let pause = self.pause.load(Ordering::Relaxed);
        self.pause.store(pause.saturating_sub(1), Ordering::Relaxed);
        pause == 0
    }

    /// After a look: the more of them were in vain, the longer the pause.
    fn looked(&self, found: bool) {
        if found {
            self.misses.store(0, Ordering::Relaxed);
            return;
        }
        let misses = self.misses.load(Ordering::Relaxed).saturating_add(1);
        self.misses.store(misses, Ordering::Relaxed);
        if let Some(doublings) = misses.checked_sub(PATIENCE) {
            self.pause.store(1 << doublings.min(MOST_DOUBLINGS), Ordering::Relaxed);
        }
    }

    fn sees(&self, channel: &Channel, other_work: impl Fn() -> bool) -> bool {
        let end = Instant::now() + self.time;
        loop {
            let mut polled = libc::pollfd {
                fd: channel.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            };
            // SAFETY: one pollfd that outlives the call, which doesn't wait.
            if unsafe { libc::poll(&raw mut polled, 1, 0) } != 0 || other_work() {
                return true;
            }
            for _ in 0..BETWEEN {
                std::hint::spin_loop();
            }
            if Instant::now() >= end {
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::seqpacket;
    use std::cell::Cell;

    const MOMENT: Duration = Duration::from_micros(100);
    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn it_ends_with_a_message_with_other_work_or_in_time() {
        let (engine, peer) = seqpacket();
        let channel = Channel::new(engine).unwrap();
        let began = Instant::now();
        Spin::new(MOMENT).unwrap().look(&channel, || false);
        assert!(began.elapsed() >= MOMENT);
        let began = Instant::now();
        let spin = Spin::new(LONG).unwrap();
        spin.look(&channel, || true);
        // SAFETY: one byte of a literal.
        assert_eq!(unsafe { libc::write(peer.as_raw_fd(), b"x".as_ptr().cast(), 1) }, 1);
        spin.look(&channel, || false);
        assert!(began.elapsed() < LONG / 2);
        assert!(Spin::new(Duration::ZERO).is_none());
    }

    #[test]
    fn one_looks_at_a_time() {
        let (engine, _peer) = seqpacket();
        let channel = Channel::new(engine).unwrap();
        let spin = Spin::new(LONG).unwrap();
        let looks = Cell::new(0);
        spin.look(&channel, || {
            looks.set(looks.get() + 1);
            spin.look(&channel, || unreachable!("another one looks"));
            true
        });
        assert_eq!(looks.get(), 1);
        assert!(!spin.taken.load(Ordering::SeqCst));
    }

    #[test]
    fn looks_in_vain_become_rare_and_one_that_pays_brings_them_back() {
        let spin = Spin::new(MOMENT).unwrap();
        let mut looks = 0;
        for _ in 0..10_000 {
            if spin.pays() {
                looks += 1;
                spin.looked(false);
            }
        }
        assert!((10..60).contains(&looks), "{looks} looks");
        while !spin.pays() {}
        spin.looked(true);
        for _ in 0..100 {
            assert!(spin.pays());
            spin.looked(true);
        }
    }
}
