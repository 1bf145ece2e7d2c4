//! Where a thread that has a ring waits for its lease, or its lock request, while others decide about it.
//!
//! A ring's request is answered through its ring, by its thread. So what a thread leaves at a gate or with the locks comes
//! back here, whoever hands it out.

use parking_lot::{Condvar, Mutex};

use crate::gate::Pass;
use crate::handler::Memory;
use crate::lease::{Lease, SetAside};
use crate::locks::Fate;

/// What comes back.
pub(crate) enum Mail<M: Memory> {
    /// A request that waited at its handle, and the pass that admits it; or one that was answered while it waited.
    Lease(Lease<M>, Option<Pass>),
    /// A request for a lock that is not to wait any longer.
    Lock(SetAside<M>, Fate),
    /// There was a request for a lock that nobody has any more.
    Lost,
}

/// One thread's place to wait.
pub(crate) struct Berth<M: Memory> {
    mail: Mutex<Option<Mail<M>>>,
    arrived: Condvar,
}

impl<M: Memory> Default for Berth<M> {
    fn default() -> Self {
        Self {
            mail: Mutex::new(None),
            arrived: Condvar::new(),
        }
    }
}

impl<M: Memory> Berth<M> {
    pub(crate) fn deliver(&self, mail: Mail<M>) {
        let before = self.mail.lock().replace(mail);
        debug_assert!(before.is_none(), "a thread waits for one thing at a time");
        self.arrived.notify_one();
    }

    pub(crate) fn wait(&self) -> Mail<M> {
        let mut mail = self.mail.lock();
        loop {
            if let Some(mail) = mail.take() {
                return mail;
            }
            self.arrived.wait(&mut mail);
        }
    }
}
