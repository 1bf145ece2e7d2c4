//! Which requests have been received and not yet finished, counted without a cache line that all workers write.
//!
//! Each worker counts at a [`Station`] of its own; a request that was parked may be received at one and finished at
//! another. Whoever wants to know adds them up.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

/// A request that a worker is serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// Kernel's id of the request.
    pub unique: u64,
    /// The operation's number.
    pub opcode: u32,
}

/// One worker's counters; only that worker writes them.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Station {
    received: AtomicU64,
    finished: AtomicU64,
    /// 0: serves nothing.
    unique: AtomicU64,
    opcode: AtomicU32,
}

impl Station {
    pub(crate) fn received(&self) {
        self.received.fetch_add(1, Ordering::SeqCst);
    }

    /// The worker begins to serve a request, new or taken over from a parked one.
    pub(crate) fn serves(&self, unique: u64, opcode: u32) {
        self.opcode.store(opcode, Ordering::Relaxed);
        self.unique.store(unique, Ordering::Relaxed);
    }

    /// The worker serves nothing, though what it served isn't finished.
    pub(crate) fn idle(&self) {
        self.unique.store(0, Ordering::Relaxed);
    }

    fn running(&self) -> Option<Running> {
        let unique = self.unique.load(Ordering::Relaxed);
        (unique != 0).then(|| Running {
            unique,
            opcode: self.opcode.load(Ordering::Relaxed),
        })
    }
}

#[derive(Debug, Default)]
pub(crate) struct InFlight {
    stations: Mutex<Vec<Arc<Station>>>,
    /// Somebody waits for idleness: workers that finish a request tell.
    awaited: AtomicBool,
    changed: Condvar,
}

impl InFlight {
    /// A place for one more worker. Its counts stay when the worker ends, and the next one goes on with them.
    pub(crate) fn station(&self) -> Arc<Station> {
        let mut stations = self.stations.lock();
        if let Some(left) = stations.iter().find(|station| Arc::strong_count(station) == 1) {
            return Arc::clone(left);
        }
        let station = Arc::new(Station::default());
        stations.push(Arc::clone(&station));
        station
    }

    /// Requests that were ever finished.
    pub(crate) fn total_finished(&self) -> u64 {
        let stations = self.stations.lock();
        stations
            .iter()
            .map(|station| station.finished.load(Ordering::Relaxed))
            .sum()
    }

    /// The request that was received longest ago at some station is over.
    pub(crate) fn finished(&self, station: &Station) {
        station.idle();
        station.finished.fetch_add(1, Ordering::SeqCst);
        // SeqCst on both sides: either the waiter sees this count, or it is seen waiting here.
        if self.awaited.load(Ordering::SeqCst) {
            let _stations = self.stations.lock();
            self.changed.notify_all();
        }
    }

    pub(crate) fn count(&self) -> u64 {
        Self::sum(&self.stations.lock())
    }

    /// Finished first: a request that moves on between the two sums is counted as in flight, never the other way.
    fn sum(stations: &[Arc<Station>]) -> u64 {
        let finished: u64 = stations
            .iter()
            .map(|station| station.finished.load(Ordering::SeqCst))
            .sum();
        let received: u64 = stations
            .iter()
            .map(|station| station.received.load(Ordering::SeqCst))
            .sum();
        received - finished
    }

    pub(crate) fn running(&self) -> Vec<Running> {
        self.stations
            .lock()
            .iter()
            .filter_map(|station| station.running())
            .collect()
    }

    /// Waits for a moment in which nothing is in flight. `false`: there was none until `deadline`.
    pub(crate) fn wait_idle(&self, deadline: Instant) -> bool {
        let mut stations = self.stations.lock();
        loop {
            self.awaited.store(true, Ordering::SeqCst);
            let idle = Self::sum(&stations) == 0;
            if idle || self.changed.wait_until(&mut stations, deadline).timed_out() {
                self.awaited.store(false, Ordering::SeqCst);
                // Other waiters announce themselves again.
                self.changed.notify_all();
                return idle || Self::sum(&stations) == 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn a_request_may_be_received_at_one_station_and_finished_at_another() {
        let in_flight = InFlight::default();
        let (first, second) = (in_flight.station(), in_flight.station());
        first.received();
        first.received();
        in_flight.finished(&first);
        assert_eq!(in_flight.count(), 1);
        in_flight.finished(&second);
        assert_eq!(in_flight.count(), 0);
    }

    #[test]
    fn what_runs_is_known_by_unique_and_opcode() {
        let in_flight = InFlight::default();
        let station = in_flight.station();
        assert_eq!(in_flight.running(), []);
        station.received();
        station.serves(42, 15);
        assert_eq!(in_flight.running(), [Running { unique: 42, opcode: 15 }]);
        in_flight.finished(&station);
        assert_eq!(in_flight.running(), []);
    }

    #[test]
    fn waiting_for_idleness_ends_with_the_last_request_or_at_the_deadline() {
        let in_flight = InFlight::default();
        let station = in_flight.station();
        station.received();
        assert!(!in_flight.wait_idle(Instant::now() + Duration::from_millis(20)));
        thread::scope(|scope| {
            let waiters =
                [(); 2].map(|()| scope.spawn(|| in_flight.wait_idle(Instant::now() + Duration::from_secs(10))));
            in_flight.finished(&station);
            for waiter in waiters {
                assert!(waiter.join().unwrap());
            }
        });
    }

    #[test]
    fn no_idle_moment_is_missed_when_requests_end_as_the_wait_begins() {
        let in_flight = InFlight::default();
        let station = in_flight.station();
        for _ in 0..2_000 {
            station.received();
            thread::scope(|scope| {
                scope.spawn(|| in_flight.finished(&station));
                assert!(in_flight.wait_idle(Instant::now() + Duration::from_secs(10)));
            });
        }
    }
}
