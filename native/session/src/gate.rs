//! Which calls on one open handle may run now, and who waits.
//!
//! Dispatch asks before each call on a handle. A call that may not run yet is parked here with its whole request; the
//! worker goes on with other work. Whoever leaves a handle gets the calls that have become runnable. First come, first
//! served: nobody enters while somebody waits, so a write is not starved by reads. Never blocks, never calls out.
//!
//! Calls on a [`Concurrency::Concurrent`] handle are only counted, with one atomic each way, so that the release can
//! wait for them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::OnceLock;

use parking_lot::Mutex;

use crate::handler::{Concurrency, Slot};
use crate::handles::Fh;

/// What a call does to its handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// May overlap others of its kind if the handle allows it.
    Shared,
    /// Alone, unless the handle is concurrent.
    Exclusive,
    /// The release: alone on every handle, and nothing enters after it.
    Last,
}

/// Permission to run one call; given back by [`Gate::leave`], or by [`Gate::close`] when the access is the last.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a pass that is not given back blocks its handle"]
pub(crate) struct Pass {
    pub(crate) slot: Slot,
    hold: Hold,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    Counted,
    Shared,
    Exclusive,
    Last,
}

impl Pass {
    /// Whether the handle ends with this call.
    pub(crate) fn is_last(&self) -> bool {
        self.hold == Hold::Last
    }
}

/// Answer to a call that wants to run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Admitted(Pass),
    /// Others are in; the request is to be parked.
    Busy,
    /// No such handle, or its release has begun.
    Closed,
}

/// Answer to a request that is to wait.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parked<R> {
    /// The gate keeps the request.
    Waits,
    /// The others left in the meantime.
    Admitted(Pass, R),
    /// The handle ended in the meantime.
    Closed(R),
}

// A door's word: the generation of the handle's name in the upper half, these below. 0 = no handle.
const OPEN: u64 = 1 << 31;
const CONCURRENT: u64 = 1 << 30;
const SHARED_READS: u64 = 1 << 29;
/// The release of a concurrent handle waits or runs.
const CLOSING: u64 = 1 << 28;
/// Calls that are in, of a concurrent handle.
const COUNT: u64 = CLOSING - 1;

/// One slot's gate. Padded so that handles used by different workers don't share a cache line.
#[repr(align(64))]
struct Door<R> {
    word: AtomicU64,
    state: Mutex<State<R>>,
}

struct State<R> {
    readers: u32,
    exclusive: bool,
    waiting: VecDeque<(Access, R)>,
}

impl<R> Default for Door<R> {
    fn default() -> Self {
        Self {
            word: AtomicU64::new(0),
            state: Mutex::new(State {
                readers: 0,
                exclusive: false,
                waiting: VecDeque::new(),
            }),
        }
    }
}

impl<R> Door<R> {
    /// The word, if it is that of the handle `fh` and no release has begun on it.
    fn word_of(&self, fh: Fh) -> Option<u64> {
        let word = self.word.load(Ordering::Acquire);
        (word >> 32 == fh.0 >> 32 && word & OPEN != 0 && word & CLOSING == 0).then_some(word)
    }
}

impl<R> State<R> {
    /// Lets a call in that nobody in keeps out.
    fn admit(&mut self, access: Access, word: u64) -> Option<Hold> {
        let shared = access == Access::Shared && word & SHARED_READS != 0;
        if self.exclusive || (!shared && self.readers > 0) {
            return None;
        }
        if shared {
            self.readers += 1;
            return Some(Hold::Shared);
        }
        self.exclusive = true;
        Some(if access == Access::Last {
            Hold::Last
        } else {
            Hold::Exclusive
        })
    }
}

const CHUNK: usize = 1024;

/// [`CHUNK`] doors, made when the first of their slots is used.
type Chunk<R> = OnceLock<Box<[Door<R>]>>;

pub(crate) struct Gate<R> {
    /// Slots are dense: few chunks are made.
    chunks: Box<[Chunk<R>]>,
    /// Requests in all the queues, so that nobody looks through all doors for nothing.
    waiting: AtomicUsize,
}

impl<R> Gate<R> {
    /// A gate for handles in slots below `capacity`.
    pub(crate) fn new(capacity: u32) -> Self {
        Self {
            chunks: (0..(capacity as usize).div_ceil(CHUNK))
                .map(|_| OnceLock::new())
                .collect(),
            waiting: AtomicUsize::new(0),
        }
    }

    /// A handle was opened; calls on it may come. `fh` is a name given out by the handle table.
    pub(crate) fn open(&self, fh: Fh, concurrency: Concurrency) {
        let Some(slot) = fh.slot() else { return };
        let Some(chunk) = self.chunks.get(slot as usize / CHUNK) else {
            return;
        };
        let chunk = chunk.get_or_init(|| (0..CHUNK).map(|_| Door::default()).collect());
        let door = &chunk[slot as usize % CHUNK];
        let policy = match concurrency {
            Concurrency::Serialized => 0,
            Concurrency::SharedReads => SHARED_READS,
            Concurrency::Concurrent => CONCURRENT,
        };
        // Under the lock: whoever re-examines the word there sees one handle's word or the other's.
        let _state = door.state.lock();
        door.word.store(fh.0 >> 32 << 32 | OPEN | policy, Ordering::Release);
    }

    /// Asks whether a call may run now.
    pub(crate) fn try_enter(&self, fh: Fh, access: Access) -> Entry {
        let Some((slot, door)) = self.door(fh) else {
            return Entry::Closed;
        };
        let Some(mut word) = door.word_of(fh) else {
            return Entry::Closed;
        };
        if word & CONCURRENT == 0 {
            return Self::try_enter_ordered(slot, door, fh, access);
        }
        loop {
            let (next, hold) = match access {
                Access::Last if word & COUNT > 0 => return Entry::Busy,
                Access::Last => (word | CLOSING, Hold::Last),
                _ => (word + 1, Hold::Counted),
            };
            if door
                .word
                .compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
            {
                return Entry::Admitted(Pass { slot, hold });
            }
            match door.word_of(fh) {
                Some(now) => word = now,
                None => return Entry::Closed,
            }
        }
    }

    fn try_enter_ordered(slot: Slot, door: &Door<R>, fh: Fh, access: Access) -> Entry {
        let mut state = door.state.lock();
        let Some(word) = door.word_of(fh) else {
            return Entry::Closed;
        };
        if !state.waiting.is_empty() {
            return Entry::Busy;
        }
        match state.admit(access, word) {
            Some(hold) => Entry::Admitted(Pass { slot, hold }),
            None => Entry::Busy,
        }
    }

    /// Leaves a request here until it may run; for requests whose [`Gate::try_enter`] said `Busy`.
    pub(crate) fn park(&self, fh: Fh, access: Access, request: R) -> Parked<R> {
        let Some((slot, door)) = self.door(fh) else {
            return Parked::Closed(request);
        };
        let mut state = door.state.lock();
        let Some(word) = door.word_of(fh) else {
            return Parked::Closed(request);
        };
        if word & CONCURRENT != 0 {
            return self.park_release(slot, door, &mut state, request);
        }
        if state.waiting.is_empty() {
            if let Some(hold) = state.admit(access, word) {
                return Parked::Admitted(Pass { slot, hold }, request);
            }
        }
        self.queue(&mut state, access, request);
        Parked::Waits
    }

    /// Only a release waits at a concurrent handle: nothing enters from now on, and the last to leave runs it.
    fn park_release(&self, slot: Slot, door: &Door<R>, state: &mut State<R>, request: R) -> Parked<R> {
        let before = door.word.fetch_or(CLOSING, Ordering::AcqRel);
        if before & COUNT == 0 {
            return Parked::Admitted(Pass { slot, hold: Hold::Last }, request);
        }
        // The last one out takes the lock, which is held until the request lies in the queue.
        self.queue(state, Access::Last, request);
        Parked::Waits
    }

    fn queue(&self, state: &mut State<R>, access: Access, request: R) {
        state.waiting.push_back((access, request));
        self.waiting.fetch_add(1, Ordering::SeqCst);
    }

    /// The first in the queue, with the state's lock held.
    fn unqueue(&self, state: &mut State<R>) -> Option<R> {
        let (_, request) = state.waiting.pop_front()?;
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        Some(request)
    }

    /// A call is over. `run` gets every request that may run now, in order, each with its pass.
    pub(crate) fn leave(&self, pass: Pass, mut run: impl FnMut(Pass, R)) {
        let slot = pass.slot;
        let Some(door) = self.door_at(slot) else { return };
        if pass.hold == Hold::Counted {
            let before = door.word.fetch_sub(1, Ordering::AcqRel);
            if before & COUNT == 1 && before & CLOSING != 0 {
                if let Some(release) = self.unqueue(&mut door.state.lock()) {
                    run(Pass { slot, hold: Hold::Last }, release);
                }
            }
            return;
        }
        let mut state = door.state.lock();
        match pass.hold {
            Hold::Shared => state.readers -= 1,
            _ => state.exclusive = false,
        }
        self.admit_waiting(slot, door, &mut state, run);
    }

    /// Lets in those who wait, in order, up to the first who can't enter.
    fn admit_waiting(&self, slot: Slot, door: &Door<R>, state: &mut State<R>, mut run: impl FnMut(Pass, R)) {
        let word = door.word.load(Ordering::Acquire);
        while let Some(&(access, _)) = state.waiting.front() {
            let Some(hold) = state.admit(access, word) else { break };
            if let Some(request) = self.unqueue(state) {
                run(Pass { slot, hold }, request);
            }
        }
    }

    /// Takes a waiting request that is `wanted` out of its queue, but never a release. `run` gets those that only waited
    /// behind it.
    pub(crate) fn withdraw(&self, wanted: impl Fn(&R) -> bool, mut run: impl FnMut(Pass, R)) -> Option<R> {
        if self.waiting.load(Ordering::SeqCst) == 0 {
            return None;
        }
        let chunks = self.chunks.iter().enumerate();
        let made = chunks.filter_map(|(number, chunk)| Some((number * CHUNK, chunk.get()?)));
        let mut doors = made.flat_map(|(first, doors)| (first..).zip(doors.iter()));
        doors.find_map(|(slot, door)| self.withdraw_at(Slot(slot as u32), door, &wanted, &mut run))
    }

    fn withdraw_at(
        &self,
        slot: Slot,
        door: &Door<R>,
        wanted: impl Fn(&R) -> bool,
        run: impl FnMut(Pass, R),
    ) -> Option<R> {
        // Only an ordered handle has others than a release in its queue.
        let word = door.word.load(Ordering::SeqCst);
        if word & OPEN == 0 || word & CONCURRENT != 0 {
            return None;
        }
        let mut state = door.state.lock();
        let place = state
            .waiting
            .iter()
            .position(|(access, request)| *access != Access::Last && wanted(request))?;
        let (_, request) = state.waiting.remove(place)?;
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        self.admit_waiting(slot, door, &mut state, run);
        Some(request)
    }

    /// The handle ends: called by the holder of its last pass, or for a handle that the kernel never learned of.
    /// Answers the requests that waited behind the end; there are none unless the kernel used a handle after releasing
    /// it.
    pub(crate) fn close(&self, slot: Slot) -> impl Iterator<Item = R> {
        let waiting = self.door_at(slot).map(|door| {
            let mut state = door.state.lock();
            door.word.store(0, Ordering::Release);
            state.exclusive = false;
            state.readers = 0;
            self.waiting.fetch_sub(state.waiting.len(), Ordering::SeqCst);
            std::mem::take(&mut state.waiting)
        });
        waiting.unwrap_or_default().into_iter().map(|(_, request)| request)
    }

    fn door(&self, fh: Fh) -> Option<(Slot, &Door<R>)> {
        let slot = Slot(fh.slot()?);
        Some((slot, self.door_at(slot)?))
    }

    fn door_at(&self, slot: Slot) -> Option<&Door<R>> {
        self.chunks
            .get(slot.0 as usize / CHUNK)?
            .get()?
            .get(slot.0 as usize % CHUNK)
    }
}

#[cfg(test)]
mod tests;
