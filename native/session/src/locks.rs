//! Who holds which locks, who waits for one, and who gets it next.
//!
//! Used by dispatch and workers in mounts whose locks the kernel doesn't keep itself. The verdict is the engine's own
//! table's, or the file system's; a request that has to wait is set aside here either way, without a worker and without
//! its lease, and is handed out again when it has got its lock, may try again, or is not to wait any longer. Never blocks,
//! never calls out, knows nothing of what a request is.
//!
//! As in the kernel's own table, what is held decides alone: a request is not kept back by others that came before it and
//! wait. Somebody who holds one lock and asks for a second would otherwise wait for who waits for the first. Those who
//! wait get their locks in the order in which they came.

mod table;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};

use ferrofuse_protocol::Errno;
use parking_lot::Mutex;

use crate::handler::{Key, LockKeeper};
use table::Table;
pub(crate) use table::{Claim, Held, Kind, LAST};

/// What becomes of a request that was set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It has its lock.
    Granted,
    /// The file system is to be asked again.
    Try,
    /// It won't get it.
    Failed(Errno),
}

/// A request that waits, or that the file system is being asked about.
struct Waiter<R> {
    unique: u64,
    claim: Claim,
    stage: Stage<R>,
}

enum Stage<R> {
    /// The request is with a worker, or on its way to one.
    Trying {
        /// The file system is being asked.
        asked: bool,
        /// Locks have changed since the file system was asked.
        stale: bool,
        /// It is not to wait again.
        failed: Option<Errno>,
    },
    Waiting(R),
}

struct State<R> {
    table: Table,
    /// By file, in the order in which they came.
    waiting: HashMap<u64, Vec<Waiter<R>>>,
    /// Of all files.
    waiters: usize,
    /// Why nobody is to wait any more.
    refuses: Option<Errno>,
    ready: VecDeque<(R, Fate)>,
}

pub(crate) struct Locks<R> {
    keeper: LockKeeper,
    /// Requests that may wait at once.
    max_waiters: usize,
    state: Mutex<State<R>>,
    /// Length of `ready`, so that workers need no lock to see that it is empty.
    ready_len: AtomicUsize,
}

impl<R> Locks<R> {
    /// With room for `max` locks, and for as many requests that wait, but for no more than `waiters`.
    pub(crate) fn new(keeper: LockKeeper, max: usize, waiters: usize) -> Self {
        Self {
            keeper,
            max_waiters: max.min(waiters),
            state: Mutex::new(State {
                table: Table::new(max),
                waiting: HashMap::new(),
                waiters: 0,
                refuses: None,
                ready: VecDeque::new(),
            }),
            ready_len: AtomicUsize::new(0),
        }
    }

    /// Whose verdict counts.
    pub(crate) fn keeper(&self) -> LockKeeper {
        self.keeper
    }

    // What changes the engine's own table.

    /// Sets or clears a lock now. `false`: others are in the way.
    ///
    /// # Errors
    /// ENOLCK: the table is full.
    pub(crate) fn set(&self, claim: &Claim) -> Woken<Result<bool, Errno>> {
        self.change(|state| match state.attempt(claim) {
            None => Ok(false),
            Some(Fate::Failed(errno)) => Err(errno),
            Some(_) => Ok(true),
        })
    }

    /// The first lock that is in the way.
    pub(crate) fn in_the_way(&self, claim: &Claim) -> Option<Held> {
        self.state.lock().table.first_in_the_way(claim)
    }

    /// Somebody closed the file: the POSIX locks of its process are gone.
    pub(crate) fn flushed(&self, key: Key, owner: u64) -> Woken<()> {
        self.change(|state| {
            if state.table.drop_owner(key, owner) {
                state.grant(key);
            }
        })
    }

    // What changes who waits.

    /// An open file ends, and with it what was set through it: its flock lock, and those of `F_OFD_SETLK`. POSIX locks
    /// that came through it went with the flush of its last close.
    pub(crate) fn released(&self, key: Key, fh: u64, flock_owner: Option<u64>) -> Woken<()> {
        self.change(|state| {
            // The kernel keeps a file open while somebody waits for a lock on it. One that doesn't must not leave
            // requests behind.
            state.withdraw_all(key, |claim| claim.fh == fh, Errno::EBADF);
            if state.table.drop_handle(key, fh, flock_owner) {
                state.grant(key);
            }
        })
    }

    /// The file system's locks on a file have changed: who waits for one tries again.
    pub(crate) fn changed(&self, key: Key) -> Woken<()> {
        self.change(|state| state.retry(key.0))
    }

    /// The same, for all files.
    pub(crate) fn all_changed(&self) -> Woken<()> {
        self.change(|state| {
            let keys: Vec<u64> = state.waiting.keys().copied().collect();
            keys.into_iter().for_each(|key| state.retry(key));
        })
    }

    /// Before the file system is asked for a lock that somebody would wait for. An interrupt, and changes of locks, are
    /// noted from now on, until [`Locks::ends`] or until the request is set aside.
    ///
    /// # Errors
    /// ENOLCK: too many wait. EINTR: the request was interrupted since it was handed out; or what [`Locks::end_waits`] says.
    /// EINVAL: another request has the number, which no kernel gives twice.
    pub(crate) fn begins(&self, claim: &Claim, unique: u64) -> Result<(), Errno> {
        let mut state = self.state.lock();
        if let Some(waiter) = state.find(claim.key.0, unique) {
            let Stage::Trying { asked, failed, .. } = &mut waiter.stage else {
                return Err(Errno::EINVAL);
            };
            if *asked {
                return Err(Errno::EINVAL);
            }
            *asked = true;
            let Some(errno) = *failed else { return Ok(()) };
            state.remove(claim.key.0, unique);
            return Err(errno);
        }
        if state.waiters >= self.max_waiters {
            return Err(Errno::ENOLCK);
        }
        let stage = Stage::Trying {
            asked: true,
            stale: false,
            failed: state.refuses,
        };
        state.push(unique, *claim, stage);
        Ok(())
    }

    /// The file system has answered, and nobody waits.
    pub(crate) fn ends(&self, key: Key, unique: u64) {
        self.state.lock().remove(key.0, unique);
    }

    /// Sets a request aside until it may have its lock. Gives it back if it is not to wait, because of what has changed
    /// since it was refused, or because it would wait for ever.
    pub(crate) fn wait(&self, claim: &Claim, unique: u64, request: R) -> Woken<Option<(R, Fate)>> {
        self.change(|state| match self.keeper {
            LockKeeper::FileSystem => state.wait_for_file_system(claim.key.0, unique, request),
            LockKeeper::Kernel | LockKeeper::Engine => {
                let fate = state.attempt(claim).or_else(|| {
                    if let Some(errno) = state.refuses {
                        Some(Fate::Failed(errno))
                    } else if state.waiters >= self.max_waiters {
                        Some(Fate::Failed(Errno::ENOLCK))
                    } else if !claim.flock && state.would_deadlock(claim) {
                        Some(Fate::Failed(Errno::EDEADLK))
                    } else {
                        None
                    }
                });
                match fate {
                    Some(fate) => Some((request, fate)),
                    None => {
                        state.push(unique, *claim, Stage::Waiting(request));
                        None
                    }
                }
            }
        })
    }

    /// Somebody who waits got a signal. `true`: the request was set aside, and is handed out to be answered.
    pub(crate) fn interrupt(&self, unique: u64) -> Woken<bool> {
        self.change(|state| state.interrupt(unique))
    }

    /// From now on nobody waits: who does, and who would have to, gets this error. What can be had at once still is, and
    /// who has got a lock keeps it.
    pub(crate) fn end_waits(&self, errno: Errno) -> Woken<()> {
        self.change(|state| {
            state.refuses = Some(errno);
            let all = state.waiting.iter();
            let all = all.flat_map(|(&key, queue)| queue.iter().map(move |waiter| (key, waiter.unique)));
            for (key, unique) in all.collect::<Vec<_>>() {
                state.fail(key, unique, errno);
            }
        })
    }

    // Handing out.

    /// Whether a request is to be tried again or answered.
    pub(crate) fn has_ready(&self) -> bool {
        self.ready_len.load(Ordering::Acquire) > 0
    }

    /// A request that is not to wait any longer.
    pub(crate) fn take_ready(&self) -> Option<(R, Fate)> {
        if !self.has_ready() {
            return None;
        }
        let mut state = self.state.lock();
        let next = state.ready.pop_front();
        self.ready_len.store(state.ready.len(), Ordering::Release);
        next
    }

    /// Every request that was set aside: nobody will hand them out any more.
    pub(crate) fn take_all(&self) -> Vec<R> {
        let mut state = self.state.lock();
        let mut taken: Vec<R> = state.ready.drain(..).map(|(request, _)| request).collect();
        for waiter in std::mem::take(&mut state.waiting).into_values().flatten() {
            if let Stage::Waiting(request) = waiter.stage {
                taken.push(request);
            }
        }
        state.waiters = 0;
        self.ready_len.store(0, Ordering::Release);
        taken
    }

    fn change<T>(&self, change: impl FnOnce(&mut State<R>) -> T) -> Woken<T> {
        let mut state = self.state.lock();
        let before = state.ready.len();
        let outcome = change(&mut state);
        self.ready_len.store(state.ready.len(), Ordering::Release);
        Woken {
            outcome,
            ready: state.ready.len() - before,
        }
    }
}

/// What came of a call, and how many requests it has made ready: a worker is to be woken for each.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "workers sleep until they are woken"]
pub(crate) struct Woken<T> {
    pub(crate) outcome: T,
    pub(crate) ready: usize,
}

impl<R> State<R> {
    /// Sets or clears a lock in the table, and hands out who gets theirs by it. `None`: others are in the way.
    fn attempt(&mut self, claim: &Claim) -> Option<Fate> {
        if claim.flock && claim.kind == Kind::Write && self.table.shares(claim) {
            // flock(2): a conversion removes the lock first. Of two who share it and both want it alone, one gets it.
            let removal = Claim {
                kind: Kind::Unlock,
                ..*claim
            };
            if self.table.set(&removal).is_ok() {
                self.grant(claim.key);
            }
        }
        if !self.table.is_free(claim) {
            return None;
        }
        if let Err(errno) = self.table.set(claim) {
            return Some(Fate::Failed(errno));
        }
        if claim.kind != Kind::Write {
            self.grant(claim.key);
        }
        Some(Fate::Granted)
    }

    /// Gives locks to those who wait and whom nothing is in the way of any more.
    fn grant(&mut self, key: Key) {
        // Who gets a read lock may give up part of a write lock by it.
        while self.grant_once(key.0) {}
    }

    fn grant_once(&mut self, key: u64) -> bool {
        let Some(queue) = self.waiting.get_mut(&key) else {
            return false;
        };
        let mut downgraded = false;
        let mut at = 0;
        while let Some(waiter) = queue.get(at) {
            if !self.table.is_free(&waiter.claim) {
                at += 1;
                continue;
            }
            let fate = match self.table.set(&waiter.claim) {
                Ok(()) => Fate::Granted,
                Err(errno) => Fate::Failed(errno),
            };
            downgraded |= at > 0 && waiter.claim.kind == Kind::Read;
            self.waiters -= 1;
            if let Stage::Waiting(request) = queue.remove(at).stage {
                self.ready.push_back((request, fate));
            }
        }
        if queue.is_empty() {
            self.waiting.remove(&key);
        }
        downgraded
    }

    /// Whether the owner would wait for somebody who waits for the owner, maybe by way of others.
    fn would_deadlock(&self, claim: &Claim) -> bool {
        let mut seen = HashSet::new();
        let mut ahead: Vec<u64> = self.table.in_the_way(claim).map(|held| held.owner).collect();
        while let Some(owner) = ahead.pop() {
            if owner == claim.owner {
                return true;
            }
            if !seen.insert(owner) {
                continue;
            }
            let waiting = self.waiting.values().flatten().map(|waiter| &waiter.claim);
            for its in waiting.filter(|its| its.owner == owner && !its.flock) {
                ahead.extend(self.table.in_the_way(its).map(|held| held.owner));
            }
        }
        false
    }

    fn wait_for_file_system(&mut self, key: u64, unique: u64, request: R) -> Option<(R, Fate)> {
        let Some(waiter) = self.find(key, unique) else {
            // Its handle was released meanwhile.
            return Some((request, Fate::Failed(Errno::EBADF)));
        };
        match waiter.stage {
            Stage::Trying {
                failed: Some(errno), ..
            } => {
                self.remove(key, unique);
                Some((request, Fate::Failed(errno)))
            }
            Stage::Trying { stale: true, .. } => {
                waiter.stage = Stage::Trying {
                    asked: false,
                    stale: false,
                    failed: None,
                };
                Some((request, Fate::Try))
            }
            Stage::Trying { .. } | Stage::Waiting(_) => {
                waiter.stage = Stage::Waiting(request);
                None
            }
        }
    }

    /// Hands out who waits, to try again. They keep their places.
    fn retry(&mut self, key: u64) {
        for waiter in self.waiting.get_mut(&key).into_iter().flatten() {
            if let Stage::Trying { stale, .. } = &mut waiter.stage {
                *stale = true;
                continue;
            }
            let trying = Stage::Trying {
                asked: false,
                stale: false,
                failed: None,
            };
            if let Stage::Waiting(request) = std::mem::replace(&mut waiter.stage, trying) {
                self.ready.push_back((request, Fate::Try));
            }
        }
    }

    fn interrupt(&mut self, unique: u64) -> bool {
        let mut all = self.waiting.iter();
        let found = all.find(|(_, queue)| queue.iter().any(|waiter| waiter.unique == unique));
        let key = found.map(|(&key, _)| key);
        key.is_some_and(|key| self.fail(key, unique, Errno::EINTR))
    }

    /// Sees to it that a request doesn't wait any longer. `true`: it was set aside, and is handed out.
    fn fail(&mut self, key: u64, unique: u64, errno: Errno) -> bool {
        let Some(waiter) = self.find(key, unique) else {
            return false;
        };
        if let Stage::Trying { failed, .. } = &mut waiter.stage {
            *failed = Some(errno);
            return false;
        }
        self.withdraw(key, unique, errno);
        true
    }

    fn withdraw_all(&mut self, key: Key, which: impl Fn(&Claim) -> bool, errno: Errno) {
        let queue = self.waiting.get(&key.0).into_iter().flatten();
        let uniques: Vec<u64> = queue
            .filter(|waiter| which(&waiter.claim))
            .map(|waiter| waiter.unique)
            .collect();
        for unique in uniques {
            self.withdraw(key.0, unique, errno);
        }
    }

    /// Hands a request out that is to fail, if it was set aside.
    fn withdraw(&mut self, key: u64, unique: u64, errno: Errno) {
        if let Some(Stage::Waiting(request)) = self.remove(key, unique) {
            self.ready.push_back((request, Fate::Failed(errno)));
        }
    }

    fn find(&mut self, key: u64, unique: u64) -> Option<&mut Waiter<R>> {
        self.waiting
            .get_mut(&key)?
            .iter_mut()
            .find(|waiter| waiter.unique == unique)
    }

    fn push(&mut self, unique: u64, claim: Claim, stage: Stage<R>) {
        let queue = self.waiting.entry(claim.key.0).or_default();
        queue.push(Waiter { unique, claim, stage });
        self.waiters += 1;
    }

    fn remove(&mut self, key: u64, unique: u64) -> Option<Stage<R>> {
        let queue = self.waiting.get_mut(&key)?;
        let at = queue.iter().position(|waiter| waiter.unique == unique)?;
        let waiter = queue.remove(at);
        if queue.is_empty() {
            self.waiting.remove(&key);
        }
        self.waiters -= 1;
        Some(waiter.stage)
    }
}

#[cfg(test)]
mod tests;
