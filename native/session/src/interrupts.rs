//! What becomes of an INTERRUPT: the kernel's word that somebody who waits for an answer got a signal.
//!
//! Called by workers. A request that waits for its handle is taken out of the queue and answered `EINTR`, so that a
//! killed application doesn't wait for other people's calls; of any other request the handler is told. INTERRUPT itself
//! has no reply: the kernel understands two errors as one, `ENOSYS` ("never send it again") and `EAGAIN` ("send it
//! again"), and with cloned descriptors it looks for the request only among those of the descriptor that answers.
//!
//! An INTERRUPT may be served before its request was parked, by a worker that was faster. It is therefore remembered
//! before it is looked for, and whoever parks a request looks whether it is remembered: one of the two finds the other.

use std::sync::atomic::{fence, AtomicU64, AtomicUsize, Ordering};

use ferrofuse_protocol::abi::InHeader;
use ferrofuse_protocol::{Errno, Opcode};

use crate::dispatch::guarded;
use crate::handler::{Handler, Memory};
use crate::lease::Lease;
use crate::session::Session;

/// So many are remembered. A request is forgotten when this many others were interrupted between its arrival and its
/// being parked.
const REMEMBERED: usize = 64;

/// The requests that were interrupted last, by `unique`, which the kernel never gives twice.
#[derive(Debug)]
pub(crate) struct Recent {
    uniques: [AtomicU64; REMEMBERED],
    next: AtomicUsize,
}

impl Default for Recent {
    fn default() -> Self {
        Self {
            uniques: [const { AtomicU64::new(0) }; REMEMBERED],
            next: AtomicUsize::new(0),
        }
    }
}

impl Recent {
    fn remember(&self, unique: u64) {
        let place = self.next.fetch_add(1, Ordering::Relaxed) % REMEMBERED;
        self.uniques[place].store(unique, Ordering::SeqCst);
    }

    fn remembers(&self, unique: u64) -> bool {
        self.uniques
            .iter()
            .any(|recent| recent.load(Ordering::SeqCst) == unique)
    }
}

impl<M: Memory> Session<M> {
    /// Serves an INTERRUPT of the request `unique`. Answers the request itself if it had to wait; it is to be counted as
    /// finished then.
    pub(crate) fn interrupt<H: Handler<Memory = M>>(&self, handler: &mut H, unique: u64) -> Option<Lease<M>> {
        self.recent.remember(unique);
        // With the one in `parked_too_late`: either the request is seen in the queue here, or remembered there.
        fence(Ordering::SeqCst);
        if let Some(lease) = self.withdraw(unique) {
            return Some(lease);
        }
        if self.stops_waiting_for_lock(unique) {
            return None;
        }
        // Nobody hears how it went.
        let _ = guarded(&self.log, Opcode::Interrupt, || {
            handler.interrupt(unique);
            Ok(())
        });
        None
    }

    /// To be called after the request `unique` was parked: takes it out again, answered, if it was interrupted before.
    pub(crate) fn parked_too_late(&self, unique: u64) -> Option<Lease<M>> {
        fence(Ordering::SeqCst);
        if !self.is_interrupted(unique) {
            return None;
        }
        self.withdraw(unique)
    }

    /// To be called after the lock request `unique` was set aside, as `parked_too_late`.
    pub(crate) fn set_aside_too_late(&self, unique: u64) {
        fence(Ordering::SeqCst);
        if self.is_interrupted(unique) {
            self.stops_waiting_for_lock(unique);
        }
    }

    /// Has a lock request that was set aside answered `EINTR`, by whichever worker is free. `false`: there is none.
    fn stops_waiting_for_lock(&self, unique: u64) -> bool {
        let locks = self.locks.as_ref();
        locks.is_some_and(|locks| self.woken(locks.interrupt(unique)))
    }

    /// Whether the request was interrupted a short while ago.
    pub(crate) fn is_interrupted(&self, unique: u64) -> bool {
        self.recent.remembers(unique)
    }

    /// Takes a waiting request out of its queue and answers it.
    fn withdraw(&self, unique: u64) -> Option<Lease<M>> {
        let wanted = |lease: &Lease<M>| {
            lease
                .header()
                .is_some_and(|header| header.unique == unique && may_be_left_out(header))
        };
        let mut lease = self
            .gate
            .withdraw(wanted, |pass, lease| self.make_ready(lease, Some(pass)))?;
        if let Some(parts) = lease.parts() {
            let _ = parts.due.take().error(Errno::EINTR);
        }
        Some(lease)
    }
}

/// A FLUSH, like the release of the handle, is what a file system does at close(2) and can't be asked for again. The
/// kernel, too, makes who exits wait for it, whatever signal comes.
pub(crate) fn may_be_left_out(header: &InHeader) -> bool {
    header.opcode != Opcode::Flush.raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_remembered_and_older_ones_forgotten() {
        let recent = Recent::default();
        for unique in 1..=REMEMBERED as u64 + 1 {
            assert!(!recent.remembers(unique));
            recent.remember(unique);
        }
        assert!(!recent.remembers(1));
        assert!((2..=REMEMBERED as u64 + 1).all(|unique| recent.remembers(unique)));
    }
}
