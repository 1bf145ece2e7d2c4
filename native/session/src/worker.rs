//! One worker's life: receive, serve, again; sleep when there is nothing.
//!
//! Runs on a thread of the caller of [`Session::serve`](crate::Session::serve). Owns no state that outlives it but
//! requests that it parked.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ferrofuse_protocol::Errno;

use crate::dispatch::{self, lock, Verdict};
use crate::error::{Error, ErrorKind};
use crate::gate::{Access, Parked, Pass};
use crate::handler::Handler;
use crate::handles::Fh;
use crate::in_flight::Station;
use crate::interrupts::may_be_left_out;
use crate::lease::Lease;
use crate::locks::{Claim, Fate};
use crate::log::Level;
use crate::meter::{Meters, Watch};
use crate::session::{Session, Waiting};
use crate::transport::{Bed, Channel, End, Received};

pub(crate) struct Worker<'s, H: Handler> {
    session: &'s Session<H::Memory>,
    handler: &'s mut H,
    channel: Arc<Channel>,
    bed: Bed<'s>,
    station: Arc<Station>,
    /// `None`: nobody measures.
    watch: Option<Watch<'s>>,
    /// What the next request is received into. Always there when a request is parked, so that the worker goes on.
    spare: Option<Lease<H::Memory>>,
    /// When memory for a lease could last not be had.
    no_memory_since: Option<Instant>,
}

/// Why a worker has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// The session is over.
    Over,
    /// There are more workers than needed.
    Surplus,
}

/// Between two looks whether a request that can't be parked may run.
const WITHOUT_MEMORY: Duration = Duration::from_millis(2);

/// Between two attempts to get memory.
const MEMORY_RETRY: Duration = Duration::from_secs(1);

impl<'s, H: Handler> Worker<'s, H> {
    pub(crate) fn new(
        session: &'s Session<H::Memory>,
        handler: &'s mut H,
        device: Arc<Channel>,
    ) -> Result<Self, Error> {
        let channel = if session.config.clone_fd {
            own_channel(session, device)
        } else {
            device
        };
        let station = session.in_flight.station();
        let mut worker = Self {
            session,
            handler,
            channel,
            bed: session.sleepers.enter(),
            station,
            watch: session.meters.as_ref().map(Meters::watch),
            spare: None,
            no_memory_since: None,
        };
        let lease = worker.lease()?;
        worker.spare = Some(lease);
        Ok(worker)
    }

    pub(crate) fn run(mut self) -> Result<Left, Error> {
        self.session.complete_crew(self.handler);
        loop {
            if let Some((lease, pass)) = self.session.take_ready() {
                self.takes();
                self.process(lease, pass);
                continue;
            }
            if self.settle_lock()? {
                continue;
            }
            if self.session.is_over() {
                self.abandon_locks()?;
                return Ok(Left::Over);
            }
            let mut lease = self.lease()?;
            let crew = &self.session.crew;
            crew.sleeps();
            if crew.lets_go(&self.session.waker) {
                // Its memory and its descriptor go with it.
                return Ok(Left::Surplus);
            }
            if let Some(spin) = &self.session.spin {
                spin.look(&self.channel, || self.session.has_work());
            }
            self.bed.lies_down();
            let received = if self.session.has_work() {
                Received::Roused
            } else {
                lease.receive(&self.bed)
            };
            let roused = self.bed.gets_up();
            crew.wakes();
            if roused && !matches!(received, Received::Roused) {
                // It was roused for something else.
                self.session.rouse_another();
            }
            match received {
                Received::Message(_) => {
                    self.station.received();
                    self.takes();
                    self.process(lease, None);
                }
                Received::Roused => self.spare = Some(lease),
                Received::Ended(end) => {
                    self.spare = Some(lease);
                    self.session.disconnect(end);
                }
                Received::Failed(error) => {
                    self.spare = Some(lease);
                    return Err(self.broken("reading from").caused_by(error));
                }
            }
        }
    }

    /// Before the worker serves a request: sees to it that another one is there for the next.
    fn takes(&mut self) {
        if self.session.crew.takes(&self.session.waker) {
            self.session.ask_for_thread(self.handler);
        }
    }

    /// The device does what it never should. No worker can go on.
    fn broken(&self, operation: &'static str) -> Error {
        self.session.stop();
        Error::new(
            ErrorKind::Disconnected,
            operation,
            "the FUSE device",
            "unmount and mount again",
        )
    }

    fn lease(&mut self) -> Result<Lease<H::Memory>, Error> {
        if let Some(lease) = self.spare.take() {
            return Ok(lease);
        }
        self.session.leases.take(self.handler, &self.channel).map_err(|error| {
            Error::new(
                ErrorKind::Resources,
                "making",
                "buffers for a request",
                "lower max_write or give more memory",
            )
            .caused_by(error)
        })
    }

    /// Serves a request, and those that become runnable by its end.
    fn process(&mut self, lease: Lease<H::Memory>, pass: Option<Pass>) {
        let mut next = Some((lease, pass));
        while let Some((mut lease, pass)) = next.take() {
            if let Some(header) = lease.header() {
                self.station.serves(header.unique, header.opcode);
            }
            if let Some(watch) = &mut self.watch {
                lease.begins(watch);
            }
            match dispatch::serve(self.session, self.handler, &mut lease, pass) {
                Verdict::Done(pass) => {
                    self.finished(lease);
                    next = pass.and_then(|pass| self.leave(pass));
                }
                Verdict::Wait(fh, access) if self.has_spare() => next = self.park(fh, access, lease),
                Verdict::Wait(_, access) if self.gives_up(access, &lease) => {
                    if let Some(parts) = lease.parts() {
                        let _ = parts.due.take().error(Errno::EINTR);
                    }
                    self.finished(lease);
                }
                Verdict::Wait(..) => {
                    // Without a lease to go on with, the worker waits in the request's place: slow, but nothing is lost.
                    thread::sleep(WITHOUT_MEMORY);
                    next = Some((lease, None));
                }
                Verdict::WaitForLock(claim) => next = self.set_aside(&claim, lease),
                Verdict::Destroyed => {
                    self.finished(lease);
                    self.session.disconnect(End::Unmounted);
                }
                Verdict::Interrupt(unique) => {
                    if let Some(interrupted) = self.session.interrupt(self.handler, unique) {
                        if let Err((interrupted, _)) = interrupted.go_home(None) {
                            self.finished(interrupted);
                        }
                    }
                    self.finished(lease);
                }
            }
        }
        self.report();
    }

    /// Tells of a slow request that is over. Its handle was given back, so that nobody waits for the log.
    fn report(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.report();
        }
    }

    /// What the worker served waits, and may be in other hands already.
    fn idle(&mut self) {
        self.station.idle();
        if let Some(watch) = &mut self.watch {
            watch.idle();
        }
    }

    /// Leaves a request at its handle; answers it if it may run already.
    fn park(&mut self, fh: Fh, access: Access, lease: Lease<H::Memory>) -> Option<Waiting<H::Memory>> {
        let unique = lease.header().map_or(0, |header| header.unique);
        match self.session.gate.park(fh, access, lease) {
            Parked::Waits => {
                self.idle();
                if let Some(interrupted) = self.session.parked_too_late(unique) {
                    self.finished(interrupted);
                }
                None
            }
            Parked::Admitted(pass, lease) => Some((lease, Some(pass))),
            Parked::Closed(lease) => Some((lease, None)),
        }
    }

    /// Leaves a lock request to whoever drops the locks that are in its way; answers it if it is to be tried again.
    fn set_aside(&mut self, claim: &Claim, mut lease: Lease<H::Memory>) -> Option<Waiting<H::Memory>> {
        let unique = lease.header().map_or(0, |header| header.unique);
        let (Some(locks), Some(request)) = (&self.session.locks, lease.set_aside()) else {
            // Not reached: the request was decoded, and is unanswered.
            self.finished(lease);
            return None;
        };
        match self.session.woken(locks.wait(claim, unique, request)) {
            None => {
                self.idle();
                self.put(lease);
                self.session.set_aside_too_late(unique);
                lock::is_too_late(self.session, locks, claim);
                None
            }
            Some((request, fate)) => {
                lease.resume(request);
                if fate == Fate::Try {
                    return Some((lease, None));
                }
                self.settle(lease, fate);
                None
            }
        }
    }

    /// Sees to a lock request that is not to wait any longer, if there is one.
    fn settle_lock(&mut self) -> Result<bool, Error> {
        let Some((request, fate)) = self.session.take_ready_lock() else {
            return Ok(false);
        };
        let mut lease = self.lease()?;
        lease.resume(request);
        self.takes();
        if fate == Fate::Try {
            self.process(lease, None);
        } else {
            self.settle(lease, fate);
        }
        Ok(true)
    }

    /// Answers a lock request whose fate is decided.
    fn settle(&mut self, mut lease: Lease<H::Memory>, fate: Fate) {
        if let Some(header) = lease.header() {
            self.station.serves(header.unique, header.opcode);
        }
        if let Some(watch) = &mut self.watch {
            lease.begins(watch);
        }
        if let Some(parts) = lease.parts() {
            let reply = parts.due.take();
            let _ = match fate {
                Fate::Failed(errno) => reply.error(errno),
                Fate::Granted | Fate::Try => reply.empty(),
            };
        }
        self.finished(lease);
        self.report();
    }

    /// Answers those who wait for locks when nobody will give them any.
    fn abandon_locks(&mut self) -> Result<(), Error> {
        for request in self.session.abandoned_locks() {
            let mut lease = self.lease()?;
            lease.resume(request);
            self.settle(lease, Fate::Failed(Errno::ECONNABORTED));
        }
        Ok(())
    }

    /// Whether a request that has to wait and can't be parked was interrupted meanwhile.
    fn gives_up(&self, access: Access, lease: &Lease<H::Memory>) -> bool {
        access != Access::Last
            && lease
                .header()
                .is_some_and(|header| may_be_left_out(header) && self.session.is_interrupted(header.unique))
    }

    fn finished(&mut self, mut lease: Lease<H::Memory>) {
        self.report();
        if let Some(watch) = &mut self.watch {
            lease.ended(watch);
        }
        self.put(lease);
        self.session.in_flight.finished(&self.station);
    }

    /// Keeps a lease for the next request.
    fn put(&mut self, lease: Lease<H::Memory>) {
        match self.spare {
            None => self.spare = Some(lease),
            Some(_) => self.session.leases.put(lease),
        }
    }

    /// Gives a pass back; answers a request that may run now.
    fn leave(&mut self, pass: Pass) -> Option<Waiting<H::Memory>> {
        if pass.is_last() {
            self.session.end_handle(pass.slot);
            return None;
        }
        self.session.leave(pass)
    }

    /// Makes sure that there is a lease to go on with when a request is parked. After a failure, memory is asked for
    /// again only when a while has passed: a handler may try hard, and long.
    fn has_spare(&mut self) -> bool {
        if self.spare.is_some() {
            return true;
        }
        if self.no_memory_since.is_some_and(|since| since.elapsed() < MEMORY_RETRY) {
            self.spare = self.session.leases.take_pooled(&self.channel);
            return self.spare.is_some();
        }
        match self.session.leases.take(self.handler, &self.channel) {
            Ok(spare) => self.spare = Some(spare),
            Err(error) => {
                self.no_memory_since = Some(Instant::now());
                self.session
                    .log
                    .line(Level::Warn, "no memory to park a request", 0, format_args!("{error}"));
            }
        }
        self.spare.is_some()
    }
}

impl<H: Handler> Drop for Worker<'_, H> {
    fn drop(&mut self) {
        if let Some(lease) = self.spare.take() {
            self.session.leases.put(lease);
        }
    }
}

/// A descriptor of this worker's own, or the shared one and a line that says why.
fn own_channel<M: crate::handler::Memory>(session: &Session<M>, device: Arc<Channel>) -> Arc<Channel> {
    match device.try_clone() {
        Ok(own) => session.channels.add(own),
        Err(error) => {
            session.log.line(
                Level::Info,
                "clone_fd is not available",
                0,
                format_args!("workers share one descriptor: {error}"),
            );
            device
        }
    }
}
