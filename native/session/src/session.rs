//! One mounted file system: the tables, queues and settings that its workers share, and its life from handshake to
//! the last release.
//!
//! Called by whoever embeds the engine. Starts no threads: each worker is a thread of the caller that stays in
//! [`Session::serve`].

use std::collections::VecDeque;
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrofuse_protocol::{Dialect, Errno};
use parking_lot::{Condvar, Mutex};

use crate::arena::Region;
use crate::backing::Backings;
use crate::config::Config;
use crate::crew::{Alone, Crew, Place, Role, Threads};
use crate::dispatch;
use crate::error::{Error, ErrorKind};
use crate::fleet::{Fleet, Phase};
use crate::gate::{Gate, Pass};
use crate::handler::{Handler, Key, LockKeeper, Memory, Slot};
use crate::handles::{Fh, Handles, Kind};
use crate::handshake::{self, Granted};
use crate::in_flight::{InFlight, Running};
use crate::interrupts::Recent;
use crate::lease::{Lease, Leases, SetAside};
use crate::locks::{Fate, Locks, Woken};
use crate::log::{Level, Log};
use crate::meter::{Meters, Metrics};
use crate::nodes::{Naming, Nodes};
use crate::notify::Retrievals;
use crate::transport::uring::shed_inherited_pin;
use crate::transport::{Channel, Channels, End, Sleepers, Spin, Waker};
use crate::unit;
use crate::worker::{Left, Worker};

/// One mounted file system.
pub struct Session<M: Memory> {
    pub(crate) config: Config,
    pub(crate) granted: Granted,
    pub(crate) dialect: Dialect,
    pub(crate) log: Arc<Log>,
    pub(crate) nodes: Nodes,
    pub(crate) handles: Handles,
    /// What is used without having been opened.
    unopened_files: bool,
    unopened_directories: bool,
    /// `None`: no file is passed through.
    pub(crate) backings: Option<Backings>,
    pub(crate) gate: Gate<Lease<M>>,
    pub(crate) leases: Leases<M>,
    /// `None`: the kernel keeps locks itself.
    pub(crate) locks: Option<Locks<SetAside<M>>>,
    pub(crate) in_flight: InFlight,
    /// `None`: nobody measures.
    pub(crate) meters: Option<Meters>,
    /// Interrupts that may have come before their requests.
    pub(crate) recent: Recent,
    pub(crate) retrievals: Retrievals,
    pub(crate) waker: Waker,
    pub(crate) sleepers: Sleepers,
    /// `None`: workers sleep at once.
    pub(crate) spin: Option<Spin>,
    pub(crate) channels: Channels,
    pub(crate) crew: Crew,
    /// `None`: requests don't come over io_uring.
    pub(crate) fleet: Option<Fleet>,
    ready: Mutex<VecDeque<Waiting<M>>>,
    /// Length of `ready`, so that workers need no lock to see that it is empty.
    ready_len: AtomicUsize,
    /// No worker receives any more: stopped, or the connection is over.
    over: AtomicBool,
    /// How the connection ended.
    end: Mutex<Option<End>>,
    workers: Mutex<Workers>,
    left: Condvar,
}

/// A request that waited, and the pass that admits it; without one it finds its handle gone.
pub(crate) type Waiting<M> = (Lease<M>, Option<Pass>);

struct Workers {
    alive: usize,
    /// Closed by `finish`, so that nobody waits for answers that can't come.
    device: Option<Arc<Channel>>,
}

/// How long an abort waits for roused workers, which have nothing to do but to return.
const ROUSED_WITHIN: Duration = Duration::from_secs(1);

impl<M: Memory> Session<M> {
    /// Takes over a mounted `/dev/fuse` descriptor and holds the opening conversation with the kernel.
    /// [`Handler::init`] is called in it.
    ///
    /// # Errors
    /// When the kernel doesn't speak within [`Config::init_deadline`], speaks a version before 7.31, or the session's
    /// memory can't be had. The descriptor is closed, which ends the mount.
    pub fn establish<H>(device: OwnedFd, config: Config, handler: &mut H) -> Result<Arc<Self>, Error>
    where
        H: Handler<Memory = M>,
    {
        let log = Arc::new(Log::new(Arc::clone(&config.log)));
        let tables = "reserving memory for";
        let nodes = Region::anonymous(Nodes::bytes(config.max_nodes.max(1)))
            .map_err(|error| no_memory(tables, "the node table", "lower max_nodes").caused_by(error))?;
        let handles = Region::anonymous(Handles::bytes(config.max_handles.max(1)))
            .map_err(|error| no_memory(tables, "the handle table", "lower max_handles").caused_by(error))?;
        let waker = Waker::new()
            .map_err(|error| no_memory("opening", "an eventfd", "raise the limit of open files").caused_by(error))?;
        let sleepers = Sleepers::new().map_err(|error| {
            no_memory("reserving", "a real-time signal", "leave one without a handler").caused_by(error)
        })?;
        let channels = Channels::new()
            .map_err(|error| no_memory("opening", "a pipe", "raise the limit of open files").caused_by(error))?;
        let device = Channel::new(device).map_err(|error| {
            no_memory("setting up", "the FUSE device", "give a descriptor of /dev/fuse").caused_by(error)
        })?;
        let (granted, keeper, plan) = handshake::hold(&device, &config, &log, handler)?;
        let fleet = plan.map(|plan| Fleet::new(plan, granted.bulk())).transpose();
        let fleet = fleet
            .map_err(|error| no_memory("making", "an io_uring", "give more memory or open files").caused_by(error))?;
        let device = channels.add(device);
        let backings = Backings::granted(granted.flags, &config, &device, &log);
        let handles = Handles::new(handles);
        let naming = Naming::of(granted.flags);
        // Over a ring each of them keeps a unit: half of those that there may be, so that the others get through.
        let waiters = fleet.as_ref().map_or(usize::MAX, |fleet| fleet.units().1 / 2);
        Ok(Arc::new(Self {
            nodes: Nodes::new(nodes, Key(config.root_key), naming, Arc::clone(&log)),
            backings,
            gate: Gate::new(handles.capacity()),
            handles,
            unopened_files: config.serves_unopened(Kind::File),
            unopened_directories: config.serves_unopened(Kind::Directory),
            leases: Leases::new(granted.bulk()),
            locks: (keeper != LockKeeper::Kernel).then(|| Locks::new(keeper, config.max_locks as usize, waiters)),
            in_flight: InFlight::default(),
            meters: Meters::new(&config, &log),
            recent: Recent::default(),
            retrievals: Retrievals::default(),
            waker,
            sleepers,
            spin: Spin::new(config.idle_spin),
            crew: Crew::new(config.growth),
            fleet,
            ready: Mutex::default(),
            ready_len: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            end: Mutex::default(),
            workers: Mutex::new(Workers {
                alive: 0,
                device: Some(device),
            }),
            channels,
            left: Condvar::new(),
            config,
            dialect: granted.dialect(),
            granted,
            log,
        }))
    }

    /// What was agreed on with the kernel.
    pub fn granted(&self) -> &Granted {
        &self.granted
    }

    /// One worker's life: serves requests with `handler` on the calling thread until the connection is over or
    /// [`Session::stop`] is called. Any number of threads may be in here. With [`Config::growth`] a thread may sleep in
    /// here until it is needed, and returns when it isn't any more.
    ///
    /// # Errors
    /// When the worker can't get what it needs to begin, or the device fails in a way it never should. Other workers
    /// go on.
    pub fn serve<H: Handler<Memory = M>>(&self, handler: &mut H) -> Result<(), Error> {
        let Some(_present) = Present::enter(self) else {
            return Ok(());
        };
        if let Some(fleet) = self.fleet.as_ref().filter(|_| self.crew.threads().workers > 0) {
            if let Some(position) = fleet.join() {
                if unit::serve(self, fleet, position, handler) == unit::Left::Over {
                    return Ok(());
                }
            }
        }
        if self.fleet.is_some() {
            shed_inherited_pin();
        }
        let mut place = self.crew.join();
        while let Some(mut at) = place {
            if at.role() == Role::Reserve && !self.stand_by(&mut at)? {
                return Ok(());
            }
            let Some(device) = self.device() else { return Ok(()) };
            place = match Worker::new(self, handler, device) {
                Ok(worker) => match worker.run()? {
                    Left::Over => None,
                    Left::Surplus => at.step_down(&self.waker),
                },
                Err(error) => {
                    self.log
                        .line(Level::Warn, "one worker less", 0, format_args!("{error}"));
                    match at.fall_back(&self.waker) {
                        Ok(place) => place,
                        Err(Alone) => return Err(error),
                    }
                }
            };
        }
        Ok(())
    }

    /// The threads that serve.
    pub fn threads(&self) -> Threads {
        self.crew.threads()
    }

    fn stand_by(&self, place: &mut Place<'_>) -> Result<bool, Error> {
        place
            .stand_by(
                &self.waker,
                || self.in_flight.total_finished(),
                |workers| self.sleepers.rouse(workers),
            )
            .map_err(|error| no_memory("waiting for", "work", "give more memory").caused_by(error))
    }

    /// Asks for a thread if one is missing. Not at the end, when each would find the others gone and ask for the next.
    pub(crate) fn complete_crew<H: Handler<Memory = M>>(&self, handler: &mut H) {
        if !self.is_over() && self.crew.wants_thread() {
            self.ask_for_thread(handler);
        }
        self.complete_fleet(handler);
    }

    /// Asks for threads that rings need.
    pub(crate) fn complete_fleet<H: Handler<Memory = M>>(&self, handler: &mut H) {
        let Some(fleet) = &self.fleet else { return };
        while !self.is_over() && fleet.wants_thread() {
            if !handler.spawn() {
                if fleet.refused() {
                    self.leaves_rings(fleet, format_args!("no thread could be made for one"));
                }
                return;
            }
        }
    }

    /// Has the device read instead, if no request has come over a ring yet.
    pub(crate) fn leaves_rings(&self, fleet: &Fleet, why: fmt::Arguments<'_>) {
        let Some(device) = self.device() else { return };
        if fleet.gives_up(&device) {
            self.log.once(Level::Warn, "transport dev instead of io_uring", 0, why);
        }
    }

    /// Whether requests come over io_uring. Where they do, none comes before all its threads are there; if those can't be
    /// had, this becomes `false`.
    pub fn is_over_rings(&self) -> bool {
        self.fleet.as_ref().is_some_and(|fleet| fleet.phase() != Phase::Off)
    }

    /// Rings that requests come over.
    pub fn rings(&self) -> usize {
        self.fleet.as_ref().map_or(0, |fleet| fleet.units().0)
    }

    pub(crate) fn ask_for_thread<H: Handler<Memory = M>>(&self, handler: &mut H) {
        if !handler.spawn() {
            self.crew.refused();
        }
    }

    /// Requests received and not yet finished, parked ones included.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.count()
    }

    /// The requests that workers are serving now.
    pub fn running(&self) -> Vec<Running> {
        self.in_flight.running()
    }

    /// What was measured until now; everything that was answered is in it when nothing is in flight. `None` unless
    /// [`Config::metrics`] is set.
    pub fn metrics(&self) -> Option<Metrics> {
        let meters = self.meters.as_ref().filter(|_| self.config.metrics)?;
        // Looked at first, because a request is measured before it is finished.
        let in_flight = self.in_flight();
        Some(Metrics {
            in_flight,
            workers: self.crew.threads().workers + self.rings(),
            longest: meters.longest(),
            operations: meters.operations(),
        })
    }

    /// Waits for a moment in which no request is in flight. `false`: there was none until `deadline`. Callable from any
    /// thread but a worker's.
    pub fn wait_idle(&self, deadline: Instant) -> bool {
        self.in_flight.wait_idle(deadline) && self.fleet.as_ref().is_none_or(|fleet| fleet.wait_committed(deadline))
    }

    /// Before an end: as [`Session::wait_idle`], but that waiting for a lock is over. Who does, and who would have to, is told
    /// `ECONNABORTED`, as at the session's end.
    pub fn drain(&self, deadline: Instant) -> bool {
        if let Some(locks) = &self.locks {
            self.woken(locks.end_waits(Errno::ECONNABORTED));
        }
        self.wait_idle(deadline)
    }

    /// Makes every worker return after the request it serves; parked requests are served first. Callable from any
    /// thread, more than once.
    pub fn stop(&self) {
        self.over.store(true, Ordering::SeqCst);
        self.waker.stop();
        self.sleepers.rouse(usize::MAX);
        if let Some(fleet) = &self.fleet {
            fleet.stop();
        }
        // A waiter between its look and its sleep holds the lock.
        let _workers = self.workers.lock();
        self.left.notify_all();
    }

    /// Cuts the connection: closes all descriptors of the device, whereupon the kernel gives an error to everybody who
    /// waits for an answer, and answers that are still being made are lost. Takes no privileges and waits for nobody: a
    /// handler that hangs goes on hanging. The mount stays in the tree, dead. Callable from any thread, more than once.
    pub fn abort(&self) {
        // First: a worker that finds its descriptor gone has to know why.
        self.disconnect(End::Aborted);
        self.channels.revoke();
        // A read that goes on keeps its descriptor open, and with it the connection.
        self.sleepers.wait_awake(ROUSED_WITHIN);
    }

    /// The connection has ended.
    pub(crate) fn disconnect(&self, how: End) {
        {
            let mut end = self.end.lock();
            *end = (*end).max(Some(how));
        }
        self.stop();
    }

    /// Whether the connection has ended: the mount is gone, or aborted by whomever. Meaningful once a worker has
    /// returned.
    pub fn disconnected(&self) -> bool {
        self.end.lock().is_some()
    }

    /// Whether the connection ended because the mount is gone. `false` for an aborted one, which stays in the
    /// tree until somebody unmounts it. Meaningful once a worker has returned.
    pub fn unmounted(&self) -> bool {
        *self.end.lock() == Some(End::Unmounted)
    }

    /// Whether the session was stopped or its connection ended, and all workers have returned.
    pub fn ended(&self) -> bool {
        self.is_over() && self.workers.lock().alive == 0
    }

    /// Waits until [`Session::ended`]. `false`: not until `deadline`. Callable from any thread but a worker's.
    pub fn wait_ended(&self, deadline: Instant) -> bool {
        let mut workers = self.workers.lock();
        while !(self.is_over() && workers.alive == 0) {
            if self.left.wait_until(&mut workers, deadline).timed_out() {
                return self.is_over() && workers.alive == 0;
            }
        }
        true
    }

    /// Ends the session after its last worker: releases handles that were left open, calls [`Handler::destroy`], and
    /// closes the device, so that whoever still uses the mount gets an error instead of waiting. `false`, and nothing
    /// done, when workers are still there or the session was finished before.
    pub fn finish<H: Handler<Memory = M>>(&self, handler: &mut H) -> bool {
        let device = {
            let mut workers = self.workers.lock();
            if workers.alive > 0 {
                return false;
            }
            workers.device.take()
        };
        let Some(device) = device else { return false };
        self.over.store(true, Ordering::SeqCst);
        dispatch::finish(self, handler, &device);
        self.leases.clear();
        self.retrievals.clear();
        self.left.notify_all();
        true
    }

    /// Whether what is of a kind is used without having been opened.
    pub(crate) fn serves_unopened(&self, kind: Kind) -> bool {
        match kind {
            Kind::File => self.unopened_files,
            Kind::Directory => self.unopened_directories,
        }
    }

    /// Whether the kernel names no handle, because it needs none.
    pub(crate) fn is_unopened(&self, fh: Fh, kind: Kind) -> bool {
        fh.0 == 0 && self.serves_unopened(kind)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    pub(crate) fn device(&self) -> Option<Arc<Channel>> {
        self.workers.lock().device.clone()
    }

    /// A request that may run now, for any worker to take.
    pub(crate) fn take_ready(&self) -> Option<Waiting<M>> {
        if self.ready_len.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut ready = self.ready.lock();
        let next = ready.pop_front();
        self.ready_len.store(ready.len(), Ordering::Release);
        next
    }

    pub(crate) fn make_ready(&self, lease: Lease<M>, pass: Option<Pass>) {
        let Err((lease, pass)) = lease.go_home(pass) else {
            return;
        };
        let mut ready = self.ready.lock();
        ready.push_back((lease, pass));
        self.ready_len.store(ready.len(), Ordering::Release);
        drop(ready);
        self.has_ready(1);
    }

    /// Wakes workers for requests that have become ready, if there are any that sleep: those that are awake look before they
    /// do.
    fn has_ready(&self, requests: usize) {
        if requests > 0 && self.crew.sleeping() > 0 {
            self.sleepers.rouse(requests);
        }
    }

    /// A worker that was roused has got something else to do.
    pub(crate) fn rouse_another(&self) {
        if self.has_work() {
            self.sleepers.rouse(1);
        }
    }

    /// Whether a worker has something to do that doesn't come from the device.
    pub(crate) fn has_work(&self) -> bool {
        self.ready_len.load(Ordering::Acquire) > 0
            || self.locks.as_ref().is_some_and(Locks::has_ready)
            || self.is_over()
    }

    /// Hands a lock request that came over a ring to its thread; gives any other one back.
    pub(crate) fn take_ready_lock(&self) -> Option<(SetAside<M>, Fate)> {
        loop {
            let (request, fate) = self.locks.as_ref()?.take_ready()?;
            if let Err(ours) = request.go_home(fate) {
                return Some(ours);
            }
        }
    }

    /// Lock requests that nobody will be given any more. Those that came over rings are handed to their threads.
    pub(crate) fn abandoned_locks(&self) -> Vec<SetAside<M>> {
        let all = self.locks.as_ref().map(Locks::take_all).unwrap_or_default();
        let fate = Fate::Failed(Errno::ECONNABORTED);
        let ours = all.into_iter().filter_map(|request| request.go_home(fate).err());
        ours.map(|(request, _)| request).collect()
    }

    /// Wakes workers for the lock requests that have become ready.
    pub(crate) fn woken<T>(&self, Woken { outcome, ready }: Woken<T>) -> T {
        self.has_ready(ready);
        outcome
    }

    /// A file system that keeps locks itself has dropped or weakened some, other than by [`Handler::setlk`]: everybody
    /// who waits for a lock tries again. Callable from any thread.
    pub fn locks_changed(&self) {
        if let Some(locks) = self
            .locks
            .as_ref()
            .filter(|locks| locks.keeper() == LockKeeper::FileSystem)
        {
            self.woken(locks.all_changed());
        }
    }

    /// Gives a pass back. Answers the next request for the caller to serve; further ones go to other workers.
    pub(crate) fn leave(&self, pass: Pass) -> Option<Waiting<M>> {
        let mut first = None;
        self.gate.leave(pass, |pass, lease| {
            if first.is_none() && !lease.is_moored() {
                first = Some((lease, Some(pass)));
            } else {
                self.make_ready(lease, Some(pass));
            }
        });
        first
    }

    /// Ends a handle. Requests that waited behind its end run, to find it gone.
    pub(crate) fn end_handle(&self, slot: Slot) {
        let behind = self.gate.close(slot);
        if let Some(backings) = &self.backings {
            if let Some(node) = self.handles.file(slot) {
                backings.closed(node);
            }
        }
        self.handles.free(slot);
        for lease in behind {
            self.make_ready(lease, None);
        }
    }
}

impl<M: Memory> Drop for Session<M> {
    fn drop(&mut self) {
        if self.workers.get_mut().device.is_some() {
            self.log.line(
                Level::Warn,
                "session dropped before it was finished",
                0,
                format_args!("open handles were not released; call Session::finish after the last worker"),
            );
        }
    }
}

/// One worker's presence in [`Session::serve`], panics included.
struct Present<'a, M: Memory>(&'a Session<M>);

impl<'a, M: Memory> Present<'a, M> {
    fn enter(session: &'a Session<M>) -> Option<Self> {
        let mut workers = session.workers.lock();
        workers.device.as_ref()?;
        workers.alive += 1;
        Some(Self(session))
    }
}

impl<M: Memory> Drop for Present<'_, M> {
    fn drop(&mut self) {
        self.0.workers.lock().alive -= 1;
        self.0.left.notify_all();
    }
}

fn no_memory(operation: &'static str, object: &'static str, remedy: &'static str) -> Error {
    Error::new(ErrorKind::Resources, operation, object, remedy)
}
