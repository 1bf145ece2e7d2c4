//! Requests about locks, and those that end locks, where the kernel doesn't keep them itself.
//!
//! Whoever keeps them, a request that has to wait is set aside by the worker, and the kernel hears nothing.

use ferrofuse_protocol::abi::release::FLOCK_UNLOCK;
use ferrofuse_protocol::abi::{FileLock, FlushIn, LkIn, LkOut, ReleaseIn};
use ferrofuse_protocol::{abi, Errno, Opcode};

use super::{asked, Serving};
use crate::handler::{Call, Handler, LockKeeper, Memory, Outcome};
use crate::handles::{Fh, Kind, Open};
use crate::lease::SetAside;
use crate::locks::{Claim, Kind as LockKind, Locks, LAST};
use crate::reply::Delivery;
use crate::session::Session;

/// What came of a request that may wait.
pub(super) enum Tried {
    Granted,
    InTheWay(Claim),
}

/// Whether an operation is served though the file system doesn't have it.
pub(super) fn is_ours<M: Memory>(session: &Session<M>, opcode: Opcode) -> bool {
    session.locks.is_some() && matches!(opcode, Opcode::Getlk | Opcode::Setlk | Opcode::Setlkw | Opcode::Flush)
}

/// The handle that a lock request came through, and what it is about.
fn claim<M: Memory>(session: &Session<M>, arg: &LkIn) -> Outcome<(Open, Claim)> {
    let open = session.handles.find(Fh(arg.fh), Kind::File);
    let open = open.filter(|_| session.handles.lasts(Fh(arg.fh))).ok_or(Errno::EBADF)?;
    Ok((open, Claim::of(open.key, arg)?))
}

/// To be called after something was locked through a handle, or waits by it. `true`: the release of the handle has begun
/// meanwhile, which no kernel does, and all that is locked through it is undone: the release may have looked before.
pub(crate) fn is_too_late<M: Memory>(session: &Session<M>, locks: &Locks<SetAside<M>>, claim: &Claim) -> bool {
    let too_late = !session.handles.lasts(Fh(claim.fh));
    if too_late {
        session.woken(locks.released(claim.key, claim.fh, None));
    }
    too_late
}

/// SETLKW, up to where it would have to wait.
pub(super) fn set_or_wait<H: Handler>(
    session: &Session<H::Memory>,
    locks: &Locks<SetAside<H::Memory>>,
    handler: &mut H,
    call: &mut Call<'_, H::Memory>,
    arg: &LkIn,
) -> Outcome<Tried> {
    let (open, claim) = claim(session, arg)?;
    let asks_file_system = locks.keeper() == LockKeeper::FileSystem;
    if asks_file_system {
        locks.begins(&claim, call.unique)?;
    }
    let outcome = set(session, locks, handler, call, open, &claim, arg);
    if asks_file_system && outcome != Ok(false) {
        locks.ends(claim.key, call.unique);
    }
    Ok(if outcome? {
        Tried::Granted
    } else {
        Tried::InTheWay(claim)
    })
}

/// Sets or clears a lock. `false`: others are in the way.
fn set<H: Handler>(
    session: &Session<H::Memory>,
    locks: &Locks<SetAside<H::Memory>>,
    handler: &mut H,
    call: &mut Call<'_, H::Memory>,
    open: Open,
    claim: &Claim,
    arg: &LkIn,
) -> Outcome<bool> {
    if locks.keeper() != LockKeeper::FileSystem {
        let outcome = session.woken(locks.set(claim));
        return if is_too_late(session, locks, claim) {
            Err(Errno::EBADF)
        } else {
            outcome
        };
    }
    let outcome = asked(&session.log, handler, call, |handler, call| {
        handler.setlk(call, open.key, open.slot, arg)
    });
    // A refusal changes nothing: two who wait would have each other asked again for ever.
    let weakens = claim.kind == LockKind::Unlock || claim.kind == LockKind::Read && outcome == Ok(true);
    if weakens {
        session.woken(locks.changed(open.key));
    }
    // Nothing is ever in the way of giving up.
    outcome.map(|granted| granted || claim.kind == LockKind::Unlock)
}

impl<H: Handler> Serving<'_, H> {
    pub(super) fn getlk(mut self, arg: &LkIn) -> Delivery {
        let Some(locks) = &self.session.locks else {
            return super::refusal::answer(self.call.opcode, self.reply);
        };
        let found = claim(self.session, arg).and_then(|(open, claim)| match locks.keeper() {
            _ if claim.kind == LockKind::Unlock => Err(Errno::EINVAL),
            LockKeeper::FileSystem => self.upcall(|handler, call| handler.getlk(call, open.key, open.slot, arg)),
            LockKeeper::Kernel | LockKeeper::Engine => Ok(locks.in_the_way(&claim).map(|held| held.to_abi())),
        });
        // The kernel takes a range that is none for an error of everybody who asks.
        let found = found.and_then(|found| match found {
            Some(lock) if lock.start > lock.end || lock.end > LAST => Err(Errno::EIO),
            found => Ok(found),
        });
        match found {
            Ok(found) => {
                let free = FileLock {
                    r#type: libc::F_UNLCK as u32,
                    ..arg.lk
                };
                self.reply.record(&LkOut {
                    lk: found.unwrap_or(free),
                })
            }
            Err(errno) => self.reply.error(errno),
        }
    }

    pub(super) fn setlk(mut self, arg: &LkIn) -> Delivery {
        let Some(locks) = &self.session.locks else {
            return super::refusal::answer(self.call.opcode, self.reply);
        };
        let outcome = claim(self.session, arg)
            .and_then(|(open, claim)| set(self.session, locks, self.handler, &mut self.call, open, &claim, arg));
        match outcome {
            Ok(true) => self.reply.empty(),
            Ok(false) => self.reply.error(Errno::EAGAIN),
            Err(errno) => self.reply.error(errno),
        }
    }

    /// What the closing process has locked in the file is free only when what it wrote has been flushed.
    pub(super) fn flush(mut self, arg: &FlushIn) -> Delivery {
        let open = self.handle(Fh(arg.fh), Kind::File);
        let outcome = if self.session.config.handles(Opcode::Flush) {
            self.upcall(|handler, call| {
                let open = open?;
                handler.flush(call, open.key, open.slot)
            })
        } else {
            open.map(drop)
        };
        if let (Ok(open), Some(locks)) = (open, &self.session.locks) {
            if locks.keeper() == LockKeeper::FileSystem {
                self.unlock(locks, open, arg.fh, arg.lock_owner, 0);
            } else {
                self.session.woken(locks.flushed(open.key, arg.lock_owner));
            }
        }
        match outcome {
            Ok(()) => self.reply.empty(),
            Err(errno) => self.reply.error(errno),
        }
    }

    /// Before a release, which is the last the file system hears of a handle: its flock lock. From here on nothing is
    /// locked through the handle.
    pub(super) fn unlock_released(&mut self, open: Outcome<Open>, arg: &ReleaseIn) {
        let (Ok(open), Some(locks)) = (open, &self.session.locks) else {
            return;
        };
        self.session.handles.ends(open.slot);
        if arg.release_flags & FLOCK_UNLOCK != 0 && locks.keeper() == LockKeeper::FileSystem {
            self.unlock(locks, open, arg.fh, arg.lock_owner, abi::lk::FLOCK);
        }
    }

    /// After a release: whatever was locked through the handle is free.
    pub(super) fn released(&self, open: Outcome<Open>, arg: &ReleaseIn) {
        let (Ok(open), Some(locks)) = (open, &self.session.locks) else {
            return;
        };
        let flock_owner = (arg.release_flags & FLOCK_UNLOCK != 0).then_some(arg.lock_owner);
        self.session.woken(locks.released(open.key, arg.fh, flock_owner));
        if locks.keeper() == LockKeeper::FileSystem {
            self.session.woken(locks.changed(open.key));
        }
    }

    /// Has the file system clear an owner's locks of the whole file. Nobody hears how it went.
    fn unlock(&mut self, locks: &Locks<SetAside<H::Memory>>, open: Open, fh: u64, owner: u64, lk_flags: u32) {
        let arg = LkIn {
            fh,
            owner,
            lk: FileLock {
                start: 0,
                end: LAST,
                r#type: libc::F_UNLCK as u32,
                pid: 0,
            },
            lk_flags,
            padding: 0,
        };
        let _ = self.upcall(|handler, call| handler.setlk(call, open.key, open.slot, &arg));
        self.session.woken(locks.changed(open.key));
    }
}
