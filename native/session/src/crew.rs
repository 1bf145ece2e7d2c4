//! How many threads serve a session: who of them works, who stands by, and who may go.
//!
//! Called by [`Session::serve`](crate::Session::serve) and by workers between requests. Makes no threads: it says when
//! one more is wanted. One thread, the reserve, sleeps until a worker takes a request and leaves nobody idle; it becomes
//! a worker then and a next reserve is asked for, so that nothing on a request's way makes a thread.

use std::io;
use std::sync::atomic::{self, AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::transport::{Call, Waker};

/// How the number of a session's workers follows its load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    /// Workers that are always there.
    pub least: usize,
    /// Up to here a worker is added as soon as nobody is idle.
    pub instant: usize,
    /// Up to here a worker is added when all are stuck: nobody idle, and no request finished within `patience`.
    pub most: usize,
    /// Idle workers above these end.
    pub max_idle: usize,
    /// How long workers must be without progress to be stuck.
    pub patience: Duration,
    /// A worker is one too many when it was not needed for so long.
    pub window: Duration,
}

impl Growth {
    /// Up to `threads` workers, of which `max_idle` may be idle. Without a number of threads as many as suit the
    /// processors, and up to 64 for a file system that blocks.
    pub fn new(threads: Option<usize>, max_idle: Option<usize>) -> Self {
        let instant = threads.unwrap_or_else(for_processors).max(1);
        let max_idle = max_idle.unwrap_or(instant);
        Self {
            least: LEAST.min(instant).min(max_idle.max(1)),
            instant,
            most: threads.unwrap_or(MOST).max(instant),
            max_idle,
            patience: Duration::from_millis(5),
            window: Duration::from_secs(5),
        }
    }
}

impl Growth {
    /// Whether there may be more workers than may be idle. The reserve then has an eye on them, though there may not be
    /// more than there are.
    fn shrinks(self) -> bool {
        self.most > self.kept()
    }

    /// Up to here workers stay, idle or not.
    fn kept(self) -> usize {
        self.least.max(self.max_idle)
    }
}

/// One serves, one waits for the next request.
const LEAST: usize = 2;

/// Workers that a file system gets by blocking.
const MOST: usize = 64;

/// Between two attempts to get a thread.
const THREAD_RETRY: Duration = Duration::from_secs(1);

fn for_processors() -> usize {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    (2 * processors).clamp(4, 16)
}

/// Threads of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Threads {
    /// That serve, or sleep until there is something to serve; without the reserve.
    pub workers: usize,
    /// That ever came to serve.
    pub started: u64,
}

/// There is nobody else to serve.
#[derive(Debug)]
pub(crate) struct Alone;

/// What a thread in the crew is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Worker,
    Reserve,
}

/// The threads of a session.
#[derive(Debug)]
pub(crate) struct Crew {
    /// `None`: whoever comes is a worker, and stays.
    growth: Option<Growth>,
    idle: Idle,
    state: Mutex<State>,
}

/// What workers look at with each request. Written when they go to sleep and wake.
#[derive(Debug)]
#[repr(align(128))]
struct Idle {
    /// Workers asleep.
    sleeping: AtomicUsize,
    /// Fewest workers asleep since the window began.
    fewest: AtomicUsize,
    /// The reserve has been called, or there is nothing to call it for.
    called: AtomicBool,
    /// A thread was asked for in vain.
    refused: AtomicBool,
    /// Copy of [`State::workers`].
    workers: AtomicUsize,
}

#[derive(Debug)]
struct State {
    workers: usize,
    reserve: bool,
    /// A thread was asked for that hasn't come yet.
    asked: bool,
    retry_at: Instant,
    window_began: Instant,
    /// Workers that the last window showed to be too many.
    surplus: usize,
    started: u64,
}

impl State {
    fn lacks_reserve(&self, growth: Growth) -> bool {
        !self.reserve && (self.workers < growth.most || growth.shrinks())
    }
}

impl Crew {
    pub(crate) fn new(growth: Option<Growth>) -> Self {
        let now = Instant::now();
        Self {
            growth,
            idle: Idle {
                sleeping: AtomicUsize::new(0),
                fewest: AtomicUsize::new(0),
                called: AtomicBool::new(growth.is_none()),
                refused: AtomicBool::new(false),
                workers: AtomicUsize::new(0),
            },
            state: Mutex::new(State {
                workers: 0,
                reserve: false,
                asked: false,
                retry_at: now,
                window_began: now,
                surplus: 0,
                started: 0,
            }),
        }
    }

    /// A thread has come. `None`: there are enough.
    pub(crate) fn join(&self) -> Option<Place<'_>> {
        let mut state = self.state.lock();
        state.asked = false;
        state.started += 1;
        self.idle.refused.store(false, Ordering::Relaxed);
        let role = match self.growth {
            Some(growth) if state.workers >= growth.least => {
                if !state.lacks_reserve(growth) {
                    return None;
                }
                state.reserve = true;
                Role::Reserve
            }
            _ => {
                self.set_workers(&mut state, |workers| workers + 1);
                Role::Worker
            }
        };
        Some(Place { crew: self, role })
    }

    /// Whether one more thread should be made; the caller tries, and says [`Crew::refused`] if it can't.
    pub(crate) fn wants_thread(&self) -> bool {
        let Some(growth) = self.growth else { return false };
        let mut state = self.state.lock();
        let wants = !state.asked && (state.workers < growth.least || state.lacks_reserve(growth));
        state.asked |= wants;
        wants
    }

    /// The thread that was wanted can't be made now.
    pub(crate) fn refused(&self) {
        let mut state = self.state.lock();
        state.asked = false;
        state.retry_at = Instant::now() + THREAD_RETRY;
        self.idle.refused.store(true, Ordering::Relaxed);
    }

    /// A worker takes a request. Calls the reserve if nobody is left idle; answers whether to try again to get a thread.
    pub(crate) fn takes(&self, waker: &Waker) -> bool {
        if self.idle.sleeping.load(Ordering::SeqCst) == 0 && !self.idle.called.load(Ordering::SeqCst) {
            self.call_reserve(waker);
        }
        self.idle.refused.load(Ordering::Relaxed) && Instant::now() >= self.state.lock().retry_at && self.wants_thread()
    }

    #[cold]
    fn call_reserve(&self, waker: &Waker) {
        if !self.idle.called.swap(true, Ordering::SeqCst) {
            waker.call_reserve();
        }
    }

    /// The reserve hears calls from now on; what was called before is looked at anew.
    fn listen(&self, waker: &Waker) {
        waker.forget_call();
        self.idle.called.store(false, Ordering::SeqCst);
        // The last idle one may have gone to work before that, and have seen the old call still made.
        if self.idle.sleeping.load(Ordering::SeqCst) == 0 {
            self.call_reserve(waker);
        }
    }

    /// A worker has nothing to do; until [`Crew::wakes`] it counts as asleep. What it looks at afterwards is as new as
    /// what those have done who don't see it [asleep](Crew::sleeping).
    pub(crate) fn sleeps(&self) {
        self.idle.sleeping.fetch_add(1, Ordering::SeqCst);
        atomic::fence(Ordering::SeqCst);
    }

    /// Workers asleep. Those who are awake see what the caller has done before.
    pub(crate) fn sleeping(&self) -> usize {
        atomic::fence(Ordering::SeqCst);
        self.idle.sleeping.load(Ordering::SeqCst)
    }

    pub(crate) fn wakes(&self) {
        let left = self.idle.sleeping.fetch_sub(1, Ordering::SeqCst) - 1;
        if left < self.idle.fewest.load(Ordering::Relaxed) {
            self.idle.fewest.fetch_min(left, Ordering::Relaxed);
        }
    }

    /// Whether a worker that [sleeps](Crew::sleeps) is one too many; it doesn't count as asleep any more then.
    pub(crate) fn lets_go(&self, waker: &Waker) -> bool {
        let Some(growth) = self.growth else { return false };
        let sleeping = self.idle.sleeping.load(Ordering::Relaxed);
        if sleeping <= growth.max_idle || self.idle.workers.load(Ordering::Relaxed) <= growth.least {
            return false;
        }
        let was_full = {
            let mut state = self.state.lock();
            self.look_for_surplus(&mut state, growth);
            // Whoever leaves must not be the last asleep: the busy ones took their requests relying on a sleeper.
            let keep = growth.max_idle.max(1);
            let leaves = state.surplus > 0
                && state.workers > growth.least
                && self
                    .idle
                    .sleeping
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |sleeping| {
                        (sleeping > keep).then(|| sleeping - 1)
                    })
                    .is_ok();
            if !leaves {
                return false;
            }
            state.surplus -= 1;
            self.set_workers(&mut state, |workers| workers - 1);
            state.reserve && state.workers + 1 == growth.most
        };
        if was_full {
            // The reserve that had nobody to add may be called again.
            self.listen(waker);
        }
        true
    }

    /// Workers take turns, so each of them has been awake lately, however few are needed: what tells is how many slept
    /// at every moment of the window.
    fn look_for_surplus(&self, state: &mut State, growth: Growth) {
        let now = Instant::now();
        if now.saturating_duration_since(state.window_began) >= growth.window {
            let sleeping = self.idle.sleeping.load(Ordering::Relaxed);
            let fewest = self.idle.fewest.swap(sleeping, Ordering::Relaxed).min(sleeping);
            state.window_began = now;
            state.surplus = fewest.saturating_sub(growth.max_idle);
        }
    }

    /// Workers too many that sleep, and have to be roused to see it.
    fn surplus(&self, growth: Growth) -> usize {
        let mut state = self.state.lock();
        self.look_for_surplus(&mut state, growth);
        state.surplus.min(state.workers.saturating_sub(growth.least))
    }

    fn set_workers(&self, state: &mut State, change: impl FnOnce(usize) -> usize) {
        state.workers = change(state.workers);
        self.idle.workers.store(state.workers, Ordering::Relaxed);
    }

    pub(crate) fn threads(&self) -> Threads {
        let state = self.state.lock();
        Threads {
            workers: state.workers,
            started: state.started,
        }
    }
}

/// A thread's place in the crew, given back when dropped.
pub(crate) struct Place<'c> {
    crew: &'c Crew,
    role: Role,
}

impl Place<'_> {
    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// The reserve's sleep, until it has become a worker. `false`: the session is over. `finished` counts the requests
    /// that workers have finished; `rouse` wakes so many that sleep.
    pub(crate) fn stand_by(
        &mut self,
        waker: &Waker,
        finished: impl Fn() -> u64,
        rouse: impl Fn(usize),
    ) -> io::Result<bool> {
        let Some(growth) = self.crew.growth else {
            return Ok(false);
        };
        // Set while all workers are busy and more are for stuck ones only.
        let mut progress = None;
        // Called when there were as many as may be: nobody calls again.
        let mut missed = false;
        loop {
            let may_shrink = self.crew.threads().workers > growth.kept();
            let time = match progress {
                Some(_) => Some(growth.patience),
                None => (missed || may_shrink).then_some(growth.window),
            };
            let call = waker.stand_by(time)?;
            match call {
                Call::Stop => return Ok(false),
                Call::Needed if progress.is_some() => continue,
                Call::Nothing if progress.is_none() => {
                    rouse(self.crew.surplus(growth));
                    if !missed {
                        continue;
                    }
                }
                Call::Needed | Call::Nothing => {}
            }
            // Some may have left during the sleep.
            let workers = self.crew.threads().workers;
            missed = workers >= growth.most;
            if missed {
                progress = None;
                continue;
            }
            let now = finished();
            let needed = self.is_still_needed();
            let at_once = workers < growth.instant;
            if needed && (at_once || progress == Some(now)) {
                self.promote();
                return Ok(true);
            }
            progress = needed.then_some(now);
        }
    }

    /// Whether nobody is idle. If somebody is, the reserve is called again the next time nobody is.
    fn is_still_needed(&self) -> bool {
        let idle = &self.crew.idle;
        if idle.sleeping.load(Ordering::SeqCst) == 0 {
            return true;
        }
        idle.called.store(false, Ordering::SeqCst);
        // The last idle one may have gone to work meanwhile, and have seen the call still made.
        idle.sleeping.load(Ordering::SeqCst) == 0 && !idle.called.swap(true, Ordering::SeqCst)
    }

    fn promote(&mut self) {
        let mut state = self.crew.state.lock();
        state.reserve = false;
        self.crew.set_workers(&mut state, |workers| workers + 1);
        self.role = Role::Worker;
        // Called again by the next who leaves nobody idle, maybe by this one.
        self.crew.idle.called.store(false, Ordering::SeqCst);
    }

    /// What becomes of a worker that was [let go](Crew::lets_go): the reserve, if there is none.
    pub(crate) fn step_down(mut self, waker: &Waker) -> Option<Self> {
        let crew = self.crew;
        let mut state = crew.state.lock();
        if state.asked || !crew.growth.is_some_and(|growth| state.lacks_reserve(growth)) {
            // Its place was given back when it was told.
            std::mem::forget(self);
            return None;
        }
        state.reserve = true;
        self.role = Role::Reserve;
        drop(state);
        crew.listen(waker);
        Some(self)
    }

    /// What becomes of a thread that can't work: the reserve, which tries again after a while.
    ///
    /// # Errors
    /// It was the only worker.
    pub(crate) fn fall_back(mut self, waker: &Waker) -> Result<Option<Self>, Alone> {
        let crew = self.crew;
        {
            let mut state = crew.state.lock();
            if crew.growth.is_none() || state.workers <= 1 {
                return Err(Alone);
            }
            if state.reserve || state.asked {
                return Ok(None);
            }
            crew.set_workers(&mut state, |workers| workers - 1);
            state.reserve = true;
            self.role = Role::Reserve;
        }
        let retry_at = Instant::now() + THREAD_RETRY;
        while let Some(left) = retry_at
            .checked_duration_since(Instant::now())
            .filter(|left| !left.is_zero())
        {
            if matches!(waker.stand_by(Some(left)), Ok(Call::Stop) | Err(_)) {
                return Ok(None);
            }
        }
        crew.listen(waker);
        Ok(Some(self))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.crew.state.lock();
        match self.role {
            Role::Worker => self.crew.set_workers(&mut state, |workers| workers - 1),
            Role::Reserve => state.reserve = false,
        }
    }
}
