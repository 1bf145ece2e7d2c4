//! Which threads have rings: one for each processor's queue at least, and more where those are busy.
//!
//! Called by [`Session::serve`](crate::Session::serve) and by units, the threads that have a ring each. Makes no threads:
//! it says when one more is wanted, and what it is to do. One of them, the standby, sleeps until a unit takes a request and
//! leaves fewer than [`SPARE`] of its queue idle; it then becomes one there, and a next standby is asked for. A queue serves
//! its processor alone, so each is looked at by itself. A unit lasts as long as the session: the kernel forgets no entry
//! before.
//!
//! Until every queue has a unit, the kernel holds requests back. If one can't be had, the mount is served by reading the
//! device instead; after that, and once all are there, nothing changes any more.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ferrofuse_protocol::abi::{bytes_of, uring, UringCmdReq};
use parking_lot::{Condvar, Mutex};

use crate::transport::uring::{Plan, Ring, Submission, Submitted};
use crate::transport::{Channel, EventFd};

/// What a thread is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    /// To serve the queue of a processor.
    Queue(usize),
    /// To serve the queues of all processors that are not there.
    Absent,
    /// To wait until it is needed.
    Standby,
}

/// How it stands with the rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Requests wait until all queues have a unit.
    Starting,
    Serving,
    /// There are none: the device is read.
    Off,
}

/// Idle units that a queue should have. One for the next request, and one that is registered before the request comes that
/// the next one's handler may be waiting for: what is in the queue before, the kernel doesn't give to a new entry by itself.
const SPARE: usize = 2;

/// Without progress for so long, units are stuck.
const PATIENCE: Duration = Duration::from_millis(5);

/// Between two attempts to get a thread.
const THREAD_RETRY: Duration = Duration::from_secs(1);

/// Between two looks whether the kernel has taken all replies.
const COMMITTING: Duration = Duration::from_micros(50);

/// How it stands with a processor's queue. Written with each request, by threads of that processor.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Queue {
    /// Units that wait for a request.
    idle: AtomicUsize,
    units: AtomicUsize,
    /// Units whose request waits for others.
    waiting: AtomicUsize,
    finished: AtomicU64,
    /// The standby has been told, or there is nothing that it could do.
    called: AtomicBool,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Units that are missing.
    open: VecDeque<Position>,
    /// Of these, the first so many are needed to begin.
    needed: usize,
    /// Queues that have no entry yet.
    unregistered: HashSet<usize>,
    standby: bool,
    /// Threads asked for that haven't come yet.
    asked: usize,
    retry_at: Instant,
    units: usize,
    /// Queues that had too few idle units.
    calls: Vec<usize>,
    over: bool,
    /// Rings, by number.
    rings: Vec<(u64, Submitted)>,
    last_ring: u64,
}

/// The rings of a session.
#[derive(Debug)]
pub(crate) struct Fleet {
    plan: Plan,
    /// Rings there may be at most.
    most: usize,
    queues: Box<[Queue]>,
    state: Mutex<State>,
    changed: Condvar,
    /// Signalled when units are to look whether they go on.
    bell: EventFd,
    /// Tells the kernel that nothing will come of it. Made early: when it is needed, there may be no memory for one.
    refusal: Mutex<Ring>,
}

impl Fleet {
    /// For payloads of `bytes` each.
    pub(crate) fn new(plan: Plan, bytes: usize) -> io::Result<Self> {
        let machine = &plan.machine;
        let (present, absent): (Vec<_>, Vec<_>) = (0..machine.possible).partition(|&cpu| machine.online.contains(cpu));
        let mut open: VecDeque<Position> = present.into_iter().map(Position::Queue).collect();
        let most = plan.most_of_all(bytes);
        let seconds = open.clone();
        if !absent.is_empty() {
            open.push_back(Position::Absent);
        }
        let needed = open.len();
        if plan.instant >= SPARE && needed + seconds.len() <= most {
            open.extend(seconds);
        }
        Ok(Self {
            most,
            queues: (0..machine.possible).map(|_| Queue::default()).collect(),
            state: Mutex::new(State {
                phase: Phase::Starting,
                unregistered: (0..machine.possible).collect(),
                open,
                needed,
                standby: false,
                asked: 0,
                retry_at: Instant::now(),
                units: 0,
                calls: Vec::new(),
                over: false,
                rings: Vec::new(),
                last_ring: 0,
            }),
            changed: Condvar::new(),
            bell: EventFd::new()?,
            refusal: Mutex::new(Ring::shared()?),
            plan,
        })
    }

    pub(crate) fn phase(&self) -> Phase {
        self.state.lock().phase
    }

    /// Rings that serve or could, and how many there may be.
    pub(crate) fn units(&self) -> (usize, usize) {
        (self.state.lock().units, self.most)
    }

    pub(crate) fn queues(&self) -> usize {
        self.queues.len()
    }

    /// Processors whose queues one ring serves.
    pub(crate) fn absent(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.queues.len()).filter(|&cpu| !self.plan.machine.online.contains(cpu))
    }

    /// Whether a thread may run on that processor.
    pub(crate) fn may_pin(&self, cpu: usize) -> bool {
        self.plan.machine.allowed.contains(cpu)
    }

    pub(crate) fn bell(&self) -> RawFd {
        self.bell.as_raw_fd()
    }

    // Threads come and go.

    /// A thread has come. `None`: it is not needed here.
    pub(crate) fn join(&self) -> Option<Position> {
        let mut state = self.state.lock();
        if state.over || state.phase == Phase::Off {
            return None;
        }
        state.asked = state.asked.saturating_sub(1);
        if let Some(position) = state.open.pop_front() {
            state.needed = state.needed.saturating_sub(1);
            self.fill(&mut state, position);
            return Some(position);
        }
        if state.standby {
            return None;
        }
        state.standby = true;
        Some(Position::Standby)
    }

    fn fill(&self, state: &mut State, position: Position) {
        state.units += 1;
        if let Position::Queue(queue) = position {
            self.queues[queue].units.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Whether one more thread should be made; the caller tries, and says [`Fleet::refused`] if it can't.
    pub(crate) fn wants_thread(&self) -> bool {
        let mut state = self.state.lock();
        if state.over || state.phase == Phase::Off || Instant::now() < state.retry_at {
            return false;
        }
        let missing = state.open.len() + usize::from(!state.standby && state.units < self.most);
        let wants = missing > state.asked;
        state.asked += usize::from(wants);
        wants
    }

    /// The thread that was wanted can't be made now. `true`: it was needed to begin.
    pub(crate) fn refused(&self) -> bool {
        let mut state = self.state.lock();
        state.asked = state.asked.saturating_sub(1);
        state.retry_at = Instant::now() + THREAD_RETRY;
        state.phase == Phase::Starting && state.needed > 0
    }

    /// A unit has made its ring.
    pub(crate) fn launched(&self, ring: Submitted) -> u64 {
        let mut state = self.state.lock();
        state.last_ring += 1;
        let number = state.last_ring;
        state.rings.push((number, ring));
        number
    }

    /// A unit has had its entries registered, of these queues. `true`: it was the last one that the kernel waited for.
    pub(crate) fn registered(&self, queues: impl Iterator<Item = usize>) -> bool {
        let mut state = self.state.lock();
        if state.phase != Phase::Starting {
            return false;
        }
        queues.for_each(|queue| {
            state.unregistered.remove(&queue);
        });
        if !state.unregistered.is_empty() {
            return false;
        }
        state.phase = Phase::Serving;
        true
    }

    /// A unit ends. `replaced`: another one is to take its place.
    pub(crate) fn left(&self, position: Position, ring: Option<u64>, replaced: bool) {
        let mut state = self.state.lock();
        state.units -= 1;
        state.rings.retain(|(number, _)| Some(*number) != ring);
        if let Position::Queue(queue) = position {
            self.queues[queue].units.fetch_sub(1, Ordering::SeqCst);
            self.queues[queue].called.store(false, Ordering::SeqCst);
        }
        if replaced && !state.over && state.phase != Phase::Off {
            state.open.push_back(position);
            self.changed.notify_all();
        }
    }

    /// A unit can't be had. While the kernel waits for it, it is told to go on without any: nobody has answered a request
    /// over a ring yet. `true`: that was done.
    pub(crate) fn gives_up(&self, device: &Channel) -> bool {
        {
            let mut state = self.state.lock();
            if state.phase != Phase::Starting || state.over {
                return false;
            }
            state.phase = Phase::Off;
        }
        // An entry without buffers is refused, and with it io_uring for this connection.
        let request = UringCmdReq::default();
        // SAFETY: there are no vectors.
        let refusal =
            unsafe { Submission::command(device.as_raw_fd(), uring::CMD_REGISTER, bytes_of(&request), &[], 0) };
        let mut ring = self.refusal.lock();
        ring.push(&refusal);
        let _ = ring.enter(0);
        self.bell.signal();
        self.changed.notify_all();
        true
    }

    /// The session is over.
    pub(crate) fn stop(&self) {
        self.state.lock().over = true;
        self.bell.signal();
        self.changed.notify_all();
    }

    // Requests come and go.

    /// A new unit of the queue waits for its first request.
    pub(crate) fn begins(&self, queue: usize) {
        self.rests(queue);
        // Called again by the next who leaves too few idle.
        self.queues[queue].called.store(false, Ordering::SeqCst);
    }

    /// A unit of the queue waits for a request.
    pub(crate) fn rests(&self, queue: usize) {
        self.queues[queue].idle.fetch_add(1, Ordering::SeqCst);
    }

    /// It waits no more. `true`: the caller is to see whether a thread can be had.
    pub(crate) fn wakes(&self, queue: usize) -> bool {
        let queued = &self.queues[queue];
        queued.idle.fetch_sub(1, Ordering::SeqCst) <= SPARE && self.call(queue)
    }

    pub(crate) fn finished(&self, queue: usize) {
        self.queues[queue].finished.fetch_add(1, Ordering::Relaxed);
    }

    /// The request of a unit waits for others: it is no reason to have one unit less.
    pub(crate) fn waits(&self, queue: usize) -> bool {
        let queued = &self.queues[queue];
        queued.waiting.fetch_add(1, Ordering::SeqCst);
        queued.called.store(false, Ordering::SeqCst);
        queued.idle.load(Ordering::SeqCst) < SPARE && self.call(queue)
    }

    pub(crate) fn goes_on(&self, queue: usize) {
        self.queues[queue].waiting.fetch_sub(1, Ordering::SeqCst);
    }

    /// Too few are idle at a queue: the standby is told, once.
    fn call(&self, queue: usize) -> bool {
        if self.queues[queue].called.swap(true, Ordering::SeqCst) {
            return false;
        }
        self.call_standby(queue)
    }

    #[cold]
    fn call_standby(&self, queue: usize) -> bool {
        let mut state = self.state.lock();
        state.calls.push(queue);
        self.changed.notify_all();
        !state.standby && state.asked == 0 && Instant::now() >= state.retry_at
    }

    /// The standby's sleep, until there is a unit for it to be. `None`: there won't be any more.
    pub(crate) fn stand_by(&self) -> Option<Position> {
        let mut state = self.state.lock();
        // Queues whose units may be stuck, and what they had finished when they were looked at.
        let mut watched: Vec<(usize, u64)> = Vec::new();
        let mut look_at = Instant::now();
        loop {
            if state.over || state.phase == Phase::Off {
                state.standby = false;
                return None;
            }
            if let Some(position) = state.open.pop_front() {
                return Some(self.promote(&mut state, position, &watched));
            }
            while let Some(queue) = state.calls.pop() {
                match self.need(&state, queue) {
                    Need::Now => return Some(self.promote(&mut state, Position::Queue(queue), &watched)),
                    Need::IfStuck if watched.iter().all(|&(other, _)| other != queue) => {
                        watched.push((queue, self.queues[queue].finished.load(Ordering::Relaxed)));
                        look_at = Instant::now() + PATIENCE;
                    }
                    Need::IfStuck | Need::None => {}
                }
            }
            if watched.is_empty() {
                self.changed.wait(&mut state);
                continue;
            }
            if !self.changed.wait_until(&mut state, look_at).timed_out() {
                continue;
            }
            look_at = Instant::now() + PATIENCE;
            let mut stuck = None;
            watched.retain_mut(|(queue, finished)| {
                let now = self.queues[*queue].finished.load(Ordering::Relaxed);
                match self.need(&state, *queue) {
                    Need::None => return false,
                    Need::Now => stuck = Some(*queue),
                    Need::IfStuck if *finished == now => stuck = Some(*queue),
                    Need::IfStuck => {}
                }
                *finished = now;
                true
            });
            if let Some(queue) = stuck {
                return Some(self.promote(&mut state, Position::Queue(queue), &watched));
            }
        }
    }

    fn promote(&self, state: &mut State, position: Position, watched: &[(usize, u64)]) -> Position {
        state.standby = false;
        self.fill(state, position);
        // The next standby looks at the others.
        state.calls.extend(watched.iter().map(|&(queue, _)| queue));
        if let Position::Queue(queue) = position {
            state.calls.retain(|&other| other != queue);
        }
        position
    }

    /// Whether a queue is to get one more unit.
    fn need(&self, state: &State, queue: usize) -> Need {
        let queued = &self.queues[queue];
        if queued.idle.load(Ordering::SeqCst) >= SPARE {
            queued.called.store(false, Ordering::SeqCst);
            // One may have gone to work meanwhile, and have seen the call still made.
            if queued.idle.load(Ordering::SeqCst) >= SPARE || queued.called.swap(true, Ordering::SeqCst) {
                return Need::None;
            }
        }
        let units = queued.units.load(Ordering::SeqCst);
        let working = units.saturating_sub(queued.waiting.load(Ordering::SeqCst));
        if state.units >= self.most || working >= self.plan.most {
            // Until one more waits for others, it stays called.
            Need::None
        } else if working < self.plan.instant {
            Need::Now
        } else {
            Need::IfStuck
        }
    }

    /// Waits until the kernel has every reply that was given. `false`: not until `deadline`.
    pub(crate) fn wait_committed(&self, deadline: Instant) -> bool {
        loop {
            let all = self.state.lock().rings.iter().all(|(_, ring)| ring.is_all());
            if all || Instant::now() >= deadline {
                return all;
            }
            // A system call's time: nobody tells when it is over.
            thread::sleep(COMMITTING);
        }
    }
}

enum Need {
    None,
    Now,
    IfStuck,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    use ferrofuse_protocol::abi::init;

    use crate::testing::seqpacket;
    use crate::transport::uring::{Machine, Rings, Transport};

    /// `None`, said loudly, where the machine has no io_uring.
    fn fleet(online: &str, instant: usize, most: usize, budget: usize) -> Option<Fleet> {
        let rings = Rings {
            instant,
            most,
            budget,
            machine: Machine::played(3, online, "0-2"),
        };
        match Plan::make(Transport::Uring, &rings, init::OVER_IO_URING) {
            Some(Ok(plan)) => Some(Fleet::new(plan, 1 << 20).unwrap()),
            other => {
                eprintln!("*** SKIPPED: {other:?} ***");
                None
            }
        }
    }

    /// One where each of three queues has a unit at rest.
    fn serving(instant: usize, most: usize, budget: usize) -> Option<Fleet> {
        let fleet = fleet("0-2", instant, most, budget)?;
        for queue in 0..3 {
            assert_eq!(fleet.join(), Some(Position::Queue(queue)));
            fleet.begins(queue);
            assert_eq!(fleet.registered(std::iter::once(queue)), queue == 2);
        }
        // None to spare: tests say how many there are.
        fleet.state.lock().open.clear();
        assert_eq!(fleet.join(), Some(Position::Standby));
        Some(fleet)
    }

    /// What becomes of the standby when `act` has happened.
    fn promoted(fleet: &Fleet, act: impl FnOnce()) -> Option<Position> {
        thread::scope(|scope| {
            let standby = scope.spawn(|| fleet.stand_by());
            act();
            standby.join().unwrap()
        })
    }

    #[test]
    fn every_queue_gets_a_thread_and_one_to_spare_and_those_of_absent_processors_one_together() {
        let Some(fleet) = fleet("0,2", 4, 64, 64 << 20) else {
            return;
        };
        for wanted in [
            Some(Position::Queue(0)),
            Some(Position::Queue(2)),
            Some(Position::Absent),
            Some(Position::Queue(0)),
            Some(Position::Queue(2)),
            Some(Position::Standby),
            None,
        ] {
            assert_eq!(fleet.wants_thread(), wanted.is_some());
            assert_eq!(fleet.join(), wanted);
        }
        assert_eq!(fleet.absent().collect::<Vec<_>>(), [1]);
        assert_eq!(fleet.units(), (5, 64));
    }

    #[test]
    fn a_queue_without_an_idle_unit_gets_one_and_another_one_does_not() {
        let Some(fleet) = serving(2, 2, 64 << 20) else { return };
        let position = promoted(&fleet, || {
            fleet.wakes(1);
        });
        assert_eq!(position, Some(Position::Queue(1)));
        fleet.begins(1);
        assert!(fleet.wants_thread(), "the next standby");
        assert_eq!(fleet.join(), Some(Position::Standby));
        // Two work, and no more are allowed, unless one of them waits for others.
        fleet.wakes(1);
        let position = promoted(&fleet, || {
            while !fleet.state.lock().calls.is_empty() {
                thread::yield_now();
            }
            fleet.waits(1);
        });
        assert_eq!(position, Some(Position::Queue(1)));
    }

    #[test]
    fn beyond_the_instant_limit_only_stuck_queues_get_more() {
        let Some(fleet) = serving(1, 2, 64 << 20) else { return };
        let began = Instant::now();
        let position = promoted(&fleet, || {
            fleet.wakes(2);
        });
        assert_eq!(position, Some(Position::Queue(2)));
        assert!(began.elapsed() >= PATIENCE);
    }

    #[test]
    fn there_are_never_more_than_memory_allows() {
        let Some(fleet) = serving(4, 4, 4 << 20) else { return };
        assert_eq!(fleet.units(), (3, 4));
        fleet.wakes(0);
        assert_eq!(promoted(&fleet, || {}), Some(Position::Queue(0)));
        assert!(!fleet.wants_thread());
        fleet.begins(0);
        fleet.wakes(0);
        assert_eq!(fleet.join(), Some(Position::Standby));
        let position = promoted(&fleet, || {
            while !fleet.state.lock().calls.is_empty() {
                thread::yield_now();
            }
            fleet.stop();
        });
        assert_eq!(position, None);
    }

    #[test]
    fn a_unit_that_breaks_is_replaced_and_the_end_sends_everybody_home() {
        let Some(fleet) = serving(1, 1, 64 << 20) else { return };
        let position = promoted(&fleet, || {
            fleet.wakes(1);
            fleet.left(Position::Queue(1), None, true);
        });
        assert_eq!(position, Some(Position::Queue(1)));
        assert_eq!(fleet.join(), Some(Position::Standby));
        assert_eq!(promoted(&fleet, || fleet.stop()), None);
        assert_eq!(fleet.join(), None);
        assert!(!fleet.wants_thread());
    }

    #[test]
    fn without_all_its_units_it_gives_up_once_and_later_never() {
        let (engine, _peer) = seqpacket();
        let device = Channel::new(engine).unwrap();
        let Some(starting) = fleet("0-2", 1, 1, 64 << 20) else {
            return;
        };
        assert_eq!(starting.join(), Some(Position::Queue(0)));
        assert!(starting.wants_thread());
        assert!(starting.refused(), "it was needed");
        assert!(starting.gives_up(&device) && !starting.gives_up(&device));
        assert_eq!((starting.join(), starting.phase()), (None, Phase::Off));
        let Some(serving) = serving(1, 1, 64 << 20) else { return };
        assert!(!serving.refused() && !serving.gives_up(&device));
        assert_eq!(serving.phase(), Phase::Serving);
    }
}
