//! One thread that serves a processor's queue: a ring, an entry, a lease, all of them its own as long as it lasts.
//!
//! Runs on a thread of the caller of [`Session::serve`](crate::Session::serve), on the queue's processor if it may. One
//! request at a time, and it is the thread's until its reply is committed: a request that has to wait keeps the thread,
//! and others are served by other units. The reply is put into the entry; the system call that commits it waits for the
//! next request.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use crate::arena::Region;
use crate::berth::{Berth, Mail};
use crate::dispatch::{self, lock, Verdict};
use crate::fleet::{Fleet, Phase, Position};
use crate::gate::{Access, Parked, Pass};
use crate::handler::{Handler, Memory};
use crate::handles::Fh;
use crate::in_flight::Station;
use crate::lease::Lease;
use crate::locks::{Claim, Fate};
use crate::log::Level;
use crate::meter::{Meters, Watch};
use crate::session::Session;
use crate::transport::uring::{Completion, Entry, Pin, Ring, Submission};
use crate::transport::{Channel, End};

/// Why a thread serves no ring any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// The session is over.
    Over,
    /// Requests don't come over rings, or not to this one.
    Useless,
}

/// A thread's life in the fleet.
pub(crate) fn serve<H: Handler>(
    session: &Session<H::Memory>,
    fleet: &Fleet,
    mut position: Position,
    handler: &mut H,
) -> Left {
    if position == Position::Standby {
        session.complete_fleet(handler);
        match fleet.stand_by() {
            Some(called) => position = called,
            None if session.is_over() => return Left::Over,
            None => return Left::Useless,
        }
    }
    // Before it may be stuck: the next to be called has to be there.
    session.complete_fleet(handler);
    let guard = Guard {
        session,
        fleet,
        position,
    };
    let (ring, outcome) = match Unit::new(session, fleet, position, handler) {
        Ok(unit) => (Some(unit.number), unit.run()),
        Err(error) => (None, Err(error)),
    };
    std::mem::forget(guard);
    let over = session.is_over() || outcome == Ok(Left::Over);
    // Whoever can't begin won't a second time; the others have a queue that nobody serves now.
    let replaced = ring.is_some() && outcome.is_err() && fleet.phase() == Phase::Serving;
    fleet.left(position, ring, replaced);
    if let (Err(Broken(error)), false) = (&outcome, over) {
        session.leaves_rings(fleet, format_args!("{error}"));
        if fleet.phase() != Phase::Off {
            session
                .log
                .line(Level::Warn, "one ring less", 0, format_args!("{error}"));
        }
    }
    if over {
        Left::Over
    } else {
        Left::Useless
    }
}

/// Cuts the connection when a unit panics: its request can't be answered any more, and whoever made it would wait for ever.
struct Guard<'s, M: Memory> {
    session: &'s Session<M>,
    fleet: &'s Fleet,
    position: Position,
}

impl<M: Memory> Drop for Guard<'_, M> {
    fn drop(&mut self) {
        self.fleet.left(self.position, None, false);
        self.session.abort();
    }
}

/// A ring can't be made, or can't be gone on with.
#[derive(Debug, PartialEq, Eq)]
struct Broken(String);

impl Broken {
    fn new(object: &str, error: &io::Error, remedy: &str) -> Self {
        Self(format!("{object}: {error}; {remedy}"))
    }
}

/// In completions, what else than an entry they are about.
const BELL: u64 = u64::MAX;

/// Where a unit's requests arrive.
enum Entries {
    /// In the lease.
    Own,
    /// In one of several entries: the unit has the queues of processors that aren't there, whose memory is hardly ever
    /// touched. It copies requests to its lease, and replies back.
    Apart(Vec<(Entry, Region)>),
}

struct Unit<'s, H: Handler> {
    session: &'s Session<H::Memory>,
    fleet: &'s Fleet,
    handler: &'s mut H,
    /// `None`: it serves several queues, which are not counted.
    queue: Option<usize>,
    device: Arc<Channel>,
    station: Arc<Station>,
    watch: Option<Watch<'s>>,
    berth: Arc<Berth<H::Memory>>,
    /// Closed before what its entries point to is let go.
    ring: Ring,
    number: u64,
    entries: Entries,
    /// Taken while a request is served, or waits.
    lease: Option<Lease<H::Memory>>,
    /// What has arrived and is not served yet.
    arrived: VecDeque<usize>,
    /// Counted as idle.
    resting: bool,
    pin: Option<Pin>,
}

/// What a unit has waited for.
enum Event {
    /// A request is in this entry.
    Request(usize),
    /// The connection, the session or the rings have ended.
    End,
}

impl<'s, H: Handler> Unit<'s, H> {
    fn new(
        session: &'s Session<H::Memory>,
        fleet: &'s Fleet,
        position: Position,
        handler: &'s mut H,
    ) -> Result<Self, Broken> {
        let device = session
            .device()
            .ok_or_else(|| Broken("the session has ended".to_owned()))?;
        let queue = match position {
            Position::Queue(queue) => Some(queue),
            Position::Absent | Position::Standby => None,
        };
        // Where it may not, the scheduler puts it somewhere: slower, but right.
        let pin = queue
            .filter(|&cpu| fleet.may_pin(cpu))
            .and_then(|cpu| Pin::to(cpu).ok());
        let berth = Arc::<Berth<H::Memory>>::default();
        let memory = "give more memory, or lower threads= or max_write=";
        let mut lease = session
            .leases
            .take(handler, &device)
            .map_err(|error| Broken::new("buffers for a ring", &error, memory))?;
        // A queue's number fits: the kernel takes no others.
        lease.moor(queue.unwrap_or(0) as u16, Arc::clone(&berth));
        let entries = match queue {
            Some(_) => Entries::Own,
            None => Entries::Apart(
                apart(session, fleet).map_err(|error| Broken::new("buffers for a ring", &error, memory))?,
            ),
        };
        let count = match &entries {
            Entries::Own => 1,
            Entries::Apart(entries) => entries.len(),
        };
        let ring = Ring::new(count as u32 + 1).map_err(|error| {
            Broken::new(
                "an io_uring",
                &error,
                "raise the limits of open files and locked memory",
            )
        })?;
        let number = fleet.launched(ring.submitted());
        Ok(Self {
            session,
            fleet,
            handler,
            queue,
            device,
            station: session.in_flight.station(),
            watch: session.meters.as_ref().map(Meters::watch),
            berth,
            ring,
            number,
            entries,
            lease: Some(lease),
            arrived: VecDeque::with_capacity(count),
            resting: false,
            pin,
        })
    }

    fn run(mut self) -> Result<Left, Broken> {
        self.register()?;
        while let Event::Request(number) = self.wait()? {
            self.process(number);
        }
        if self.session.is_over() {
            Ok(Left::Over)
        } else {
            Ok(Left::Useless)
        }
    }

    fn register(&mut self) -> Result<(), Broken> {
        let late = self.fleet.phase() == Phase::Serving;
        self.push(&Submission::poll(self.fleet.bell(), BELL));
        let device = self.device.as_raw_fd();
        let commands: Vec<Submission> = match &self.entries {
            Entries::Own => self
                .lease
                .iter()
                .filter_map(Lease::entry)
                .map(|entry| entry.register(device, 0))
                .collect(),
            Entries::Apart(entries) => (0..)
                .zip(entries)
                .map(|(number, (entry, _))| entry.register(device, number))
                .collect(),
        };
        commands.iter().for_each(|command| self.push(command));
        if let Some(queue) = self.queue {
            // What arrives from now on is served.
            self.fleet.begins(queue);
            self.resting = true;
        }
        self.enter(0)?;
        // One that is refused completes at once.
        while let Some(completion) = self.ring.pop() {
            if let Event::End = self.completed(completion)? {
                return Ok(());
            }
        }
        if late && self.pin.is_some() {
            self.session.stir();
        }
        let first = match self.queue {
            Some(queue) => self.fleet.registered(std::iter::once(queue)),
            None => self.fleet.registered(self.fleet.absent()),
        };
        if first {
            let (units, most) = self.fleet.units();
            let bytes = self.session.granted.bulk() >> 10;
            self.session.log.once(
                Level::Info,
                "transport io_uring",
                0,
                format_args!(
                    "{} queues, {units} rings of {bytes} KiB now and {most} at most",
                    self.fleet.queues()
                ),
            );
        }
        Ok(())
    }

    fn push(&mut self, submission: &Submission) {
        // The ring has room for the bell and one command for each entry.
        let pushed = self.ring.push(submission);
        debug_assert!(pushed, "more commands than entries");
    }

    fn enter(&mut self, wait: u32) -> Result<(), Broken> {
        self.ring
            .enter(wait)
            .map_err(|error| Broken::new("a ring", &error, "give more memory"))
    }

    /// Submits what is to be, and sleeps until there is something to do.
    fn wait(&mut self) -> Result<Event, Broken> {
        if let (Some(queue), false) = (self.queue, self.resting) {
            self.fleet.rests(queue);
            self.resting = true;
        }
        let event = self.next();
        self.wakes();
        event
    }

    fn next(&mut self) -> Result<Event, Broken> {
        loop {
            while let Some(completion) = self.ring.pop() {
                if let Event::End = self.completed(completion)? {
                    return Ok(Event::End);
                }
            }
            if let Some(number) = self.arrived.pop_front() {
                return Ok(Event::Request(number));
            }
            self.enter(1)?;
        }
    }

    fn wakes(&mut self) {
        let Some(queue) = self.queue.filter(|_| std::mem::take(&mut self.resting)) else {
            return;
        };
        if self.fleet.wakes(queue) {
            self.session.complete_fleet(self.handler);
        }
    }

    /// Looks at what has completed. What is no end is a request, remembered.
    fn completed(&mut self, completion: Completion) -> Result<Event, Broken> {
        let number = completion.user_data as usize;
        if completion.user_data == BELL {
            return Ok(Event::End);
        }
        match -completion.result {
            0 => {
                self.arrived.push_back(number);
                Ok(Event::Request(number))
            }
            // EOPNOTSUPP, EBADF: the descriptor was revoked, or there are no rings after all.
            libc::ENOTCONN | libc::ECONNABORTED | libc::ENODEV | libc::ECANCELED | libc::EOPNOTSUPP | libc::EBADF => {
                Ok(Event::End)
            }
            errno => Err(Broken::new(
                "the kernel has refused an entry",
                &io::Error::from_raw_os_error(errno),
                "mount again, or with transport=dev",
            )),
        }
    }

    /// Serves a request, and has its reply committed with the next wait.
    fn process(&mut self, number: usize) {
        let Some(mut lease) = self.lease.take() else { return };
        self.station.received();
        if let (Entries::Apart(entries), Some(own)) = (&self.entries, lease.entry()) {
            if let Some((entry, _)) = entries.get(number) {
                entry.copy_to(own);
            }
        }
        let mut pass = None;
        if lease.arrived() {
            (lease, pass) = self.answer(lease);
        } else {
            self.session.log.line(
                Level::Error,
                "malformed request on a ring",
                0,
                format_args!("answered EIO"),
            );
        }
        self.report();
        if let Some(watch) = &mut self.watch {
            lease.ended(watch);
        }
        let device = self.device.as_raw_fd();
        let commit = match (&self.entries, lease.entry()) {
            (Entries::Apart(entries), Some(own)) => entries.get(number).map(|(entry, _)| {
                own.copy_to(entry);
                entry.commit(device, number as u64)
            }),
            (_, entry) => entry.map(|entry| entry.commit(device, number as u64)),
        };
        self.lease = Some(lease);
        if let Some(commit) = commit {
            self.push(&commit);
        }
        // In the ring before it counts as finished: who waits for that looks there next.
        self.session.in_flight.finished(&self.station);
        if let Some(queue) = self.queue {
            self.fleet.finished(queue);
        }
        if let Some(pass) = pass {
            self.leave(pass);
        }
    }

    /// Has a request answered, however often it has to wait. The pass is to be given back.
    fn answer(&mut self, mut lease: Lease<H::Memory>) -> (Lease<H::Memory>, Option<Pass>) {
        let mut pass = None;
        while !lease.is_answered() {
            let unique = lease.header().map_or(0, |header| header.unique);
            if let Some(header) = lease.header() {
                self.station.serves(header.unique, header.opcode);
            }
            if let Some(watch) = &mut self.watch {
                lease.begins(watch);
            }
            match dispatch::serve(self.session, self.handler, &mut lease, pass.take()) {
                Verdict::Done(left) => {
                    pass = left;
                    break;
                }
                Verdict::Wait(fh, access) => (lease, pass) = self.park(fh, access, unique, lease),
                Verdict::WaitForLock(claim) => lease = self.wait_for_lock(&claim, unique, lease),
                Verdict::Destroyed => {
                    self.session.disconnect(End::Unmounted);
                    break;
                }
                Verdict::Interrupt(unique) => {
                    if let Some(interrupted) = self.session.interrupt(self.handler, unique) {
                        // Of the device's requests nobody is left to go on with it: it is answered.
                        if let Err((interrupted, _)) = interrupted.go_home(None) {
                            self.session.leases.put(interrupted);
                            self.session.in_flight.finished(&self.station);
                        }
                    }
                    break;
                }
            }
        }
        (lease, pass)
    }

    fn report(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.report();
        }
    }

    /// Waits for its turn at the handle. The request may come back answered.
    fn park(
        &mut self,
        fh: Fh,
        access: Access,
        unique: u64,
        lease: Lease<H::Memory>,
    ) -> (Lease<H::Memory>, Option<Pass>) {
        match self.session.gate.park(fh, access, lease) {
            Parked::Admitted(pass, lease) => (lease, Some(pass)),
            Parked::Closed(lease) => (lease, None),
            Parked::Waits => {
                if let Some(interrupted) = self.session.parked_too_late(unique) {
                    return (interrupted, None);
                }
                loop {
                    if let Mail::Lease(lease, pass) = self.wait_for_mail() {
                        return (lease, pass);
                    }
                }
            }
        }
    }

    /// Waits for a lock. The request comes back answered, or to be tried again.
    fn wait_for_lock(&mut self, claim: &Claim, unique: u64, mut lease: Lease<H::Memory>) -> Lease<H::Memory> {
        let (Some(locks), Some(request)) = (&self.session.locks, lease.set_aside()) else {
            // Not reached: the request was decoded, and is unanswered.
            lease.fails_unheard(unique);
            return lease;
        };
        let back = self.session.woken(locks.wait(claim, unique, request)).or_else(|| {
            self.session.set_aside_too_late(unique);
            lock::is_too_late(self.session, locks, claim);
            if self.session.is_over() {
                // The workers that see to such requests at the end may have gone.
                drop(self.session.abandoned_locks());
            }
            match self.wait_for_mail() {
                Mail::Lock(request, fate) => Some((request, fate)),
                Mail::Lease(..) | Mail::Lost => None,
            }
        });
        let Some((request, fate)) = back else {
            lease.fails_unheard(unique);
            return lease;
        };
        lease.resume(request);
        if fate != Fate::Try {
            if let Some(parts) = lease.parts() {
                let reply = parts.due.take();
                let _ = match fate {
                    Fate::Failed(errno) => reply.error(errno),
                    Fate::Granted | Fate::Try => reply.empty(),
                };
            }
        }
        lease
    }

    /// Waits for what others decide. Meanwhile the queue may have another unit in this one's place.
    fn wait_for_mail(&mut self) -> Mail<H::Memory> {
        self.station.idle();
        if let Some(watch) = &mut self.watch {
            watch.idle();
        }
        if let Some(queue) = self.queue {
            if self.fleet.waits(queue) {
                self.session.complete_fleet(self.handler);
            }
        }
        let mail = self.berth.wait();
        if let Some(queue) = self.queue {
            self.fleet.goes_on(queue);
        }
        mail
    }

    /// Gives a pass back. Whoever may run now is told.
    fn leave(&mut self, pass: Pass) {
        if pass.is_last() {
            self.session.end_handle(pass.slot);
        } else if let Some((lease, pass)) = self.session.leave(pass) {
            self.session.make_ready(lease, pass);
        }
    }
}

impl<H: Handler> Drop for Unit<'_, H> {
    fn drop(&mut self) {
        if self.resting {
            self.wakes();
        }
        // A reply may be left to be committed. And a request that is on its way into the ring ends with it, as one that was
        // cancelled; once it is here it ends with the connection.
        let _ = self.ring.settle();
    }
}

/// Entries for the queues of processors that are not there.
fn apart<M: Memory>(session: &Session<M>, fleet: &Fleet) -> io::Result<Vec<(Entry, Region)>> {
    let bytes = session.granted.bulk();
    let each = fleet.absent().map(|queue| {
        let payload = Region::anonymous(bytes)?;
        // SAFETY: the region is kept beside the entry, and the unit's ring is closed before.
        let entry = unsafe { Entry::new(queue as u16, payload.as_bytes()) };
        Ok((entry, payload))
    });
    each.collect()
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
