//! Which locks are held: POSIX byte ranges and flock(2) locks, by file.
//!
//! Used by [`Locks`](super::Locks) under its lock. Plain records, so many at most; knows nothing of requests, and nobody
//! waits here. The rules are those of fcntl(2) and flock(2). A flock lock is one of the whole file in a space of its own:
//! the two kinds never meet.

use std::collections::HashMap;

use ferrofuse_protocol::abi::{self, lk, LkIn};
use ferrofuse_protocol::Errno;

use crate::handler::Key;

/// The last byte of every range that goes "to the end of the file" (`OFFSET_MAX`, as the kernel sends it).
pub(crate) const LAST: u64 = i64::MAX as u64;

/// What a lock request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `F_RDLCK`, `LOCK_SH`.
    Read,
    /// `F_WRLCK`, `LOCK_EX`.
    Write,
    /// `F_UNLCK`, `LOCK_UN`.
    Unlock,
}

/// A lock that somebody wants, or gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) key: Key,
    /// The kernel's name of the handle that it comes through.
    pub(crate) fh: u64,
    /// Whose it is: a process for POSIX locks, an open file for flock locks and those of `F_OFD_SETLK`.
    pub(crate) owner: u64,
    /// The process, for whoever asks who is in the way.
    pub(crate) pid: u32,
    pub(crate) kind: Kind,
    pub(crate) flock: bool,
    /// First byte.
    pub(crate) start: u64,
    /// Last byte.
    pub(crate) end: u64,
}

impl Claim {
    /// What the kernel asks for.
    ///
    /// # Errors
    /// EINVAL: an unknown type, or a range that is none.
    pub(crate) fn of(key: Key, arg: &LkIn) -> Result<Self, Errno> {
        let kind = match i32::try_from(arg.lk.r#type) {
            Ok(libc::F_RDLCK) => Kind::Read,
            Ok(libc::F_WRLCK) => Kind::Write,
            Ok(libc::F_UNLCK) => Kind::Unlock,
            _ => return Err(Errno::EINVAL),
        };
        let flock = arg.lk_flags & lk::FLOCK != 0;
        let (start, end) = if flock { (0, LAST) } else { (arg.lk.start, arg.lk.end) };
        if start > end || end > LAST {
            return Err(Errno::EINVAL);
        }
        Ok(Self {
            key,
            fh: arg.fh,
            owner: arg.owner,
            pid: arg.lk.pid,
            kind,
            flock,
            start,
            end,
        })
    }
}

/// One lock.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) owner: u64,
    /// Through which handle it was set last.
    fh: u64,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) pid: u32,
    write: u32,
}

impl Held {
    fn kind(&self) -> Kind {
        if self.write != 0 {
            Kind::Write
        } else {
            Kind::Read
        }
    }

    fn overlaps(&self, start: u64, end: u64) -> bool {
        self.start <= end && start <= self.end
    }

    /// As the kernel wants it in an answer to GETLK.
    pub(crate) fn to_abi(self) -> abi::FileLock {
        abi::FileLock {
            start: self.start,
            end: self.end,
            r#type: match self.kind() {
                Kind::Write => libc::F_WRLCK as u32,
                _ => libc::F_RDLCK as u32,
            },
            pid: self.pid,
        }
    }
}

/// The locks of one file. An owner's own never overlap, and those of one kind never touch.
#[derive(Default)]
struct OfFile {
    posix: Vec<Held>,
    flock: Vec<Held>,
}

impl OfFile {
    fn space(&self, flock: bool) -> &Vec<Held> {
        if flock {
            &self.flock
        } else {
            &self.posix
        }
    }

    fn space_mut(&mut self, flock: bool) -> &mut Vec<Held> {
        if flock {
            &mut self.flock
        } else {
            &mut self.posix
        }
    }
}

pub(crate) struct Table {
    files: HashMap<u64, OfFile>,
    held: usize,
    max: usize,
}

impl Table {
    /// For `max` locks at most.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            files: HashMap::new(),
            held: 0,
            max,
        }
    }

    /// The locks that keep a claim from being granted.
    pub(crate) fn in_the_way<'a>(&'a self, claim: &'a Claim) -> impl Iterator<Item = &'a Held> {
        let file = self.files.get(&claim.key.0);
        let held = file.map_or(&[][..], |file| file.space(claim.flock));
        held.iter().filter(|held| {
            held.owner != claim.owner
                && match claim.kind {
                    Kind::Read => held.write != 0,
                    Kind::Write => true,
                    Kind::Unlock => false,
                }
                && held.overlaps(claim.start, claim.end)
        })
    }

    /// The first lock in the file that is in the way.
    pub(crate) fn first_in_the_way(&self, claim: &Claim) -> Option<Held> {
        self.in_the_way(claim).min_by_key(|held| held.start).copied()
    }

    pub(crate) fn is_free(&self, claim: &Claim) -> bool {
        self.in_the_way(claim).next().is_none()
    }

    /// Sets or clears what nothing is in the way of: over the range the owner then has this kind, or nothing.
    ///
    /// # Errors
    /// ENOLCK: the table is full. Nothing has changed then.
    pub(crate) fn set(&mut self, claim: &Claim) -> Result<(), Errno> {
        debug_assert!(self.is_free(claim));
        let file = self.files.entry(claim.key.0).or_default();
        let space = file.space_mut(claim.flock);
        let before = space.len();
        let mut made = Vec::with_capacity(3);
        let (mut start, mut end) = (claim.start, claim.end);
        let mut gone = 0;
        for held in space.iter().filter(|held| held.owner == claim.owner) {
            let joins = held.kind() == claim.kind && held.overlaps(start.saturating_sub(1), end.saturating_add(1));
            if joins {
                start = start.min(held.start);
                end = end.max(held.end);
                gone += 1;
            } else if held.overlaps(claim.start, claim.end) {
                let left = (held.start < claim.start).then(|| Held {
                    end: claim.start - 1,
                    ..*held
                });
                let right = (held.end > claim.end).then(|| Held {
                    start: claim.end + 1,
                    ..*held
                });
                made.extend(left.into_iter().chain(right));
                gone += 1;
            }
        }
        if claim.kind != Kind::Unlock {
            made.push(Held {
                owner: claim.owner,
                fh: claim.fh,
                start,
                end,
                pid: claim.pid,
                write: u32::from(claim.kind == Kind::Write),
            });
        }
        let fits = self.held + made.len() <= self.max + gone;
        if fits {
            space.retain(|held| {
                held.owner != claim.owner || !(held.overlaps(start, end) || held.overlaps(claim.start, claim.end))
            });
            space.extend(&made);
        }
        let after = space.len();
        self.counted(claim.key, before, after);
        fits.then_some(()).ok_or(Errno::ENOLCK)
    }

    /// Whether the owner has a read lock in the file.
    pub(crate) fn shares(&self, claim: &Claim) -> bool {
        let held = self.files.get(&claim.key.0).map(|file| file.space(claim.flock));
        held.is_some_and(|held| held.iter().any(|held| held.owner == claim.owner && held.write == 0))
    }

    /// Clears all POSIX locks of an owner; answers whether there were any.
    pub(crate) fn drop_owner(&mut self, key: Key, owner: u64) -> bool {
        self.drop_where(key, false, |held| held.owner == owner)
    }

    /// Clears what was set through a handle, and an open file's flock lock; answers whether there was any.
    pub(crate) fn drop_handle(&mut self, key: Key, fh: u64, flock_owner: Option<u64>) -> bool {
        let posix = self.drop_where(key, false, |held| held.fh == fh);
        let flock = self.drop_where(key, true, |held| held.fh == fh || Some(held.owner) == flock_owner);
        posix || flock
    }

    fn drop_where(&mut self, key: Key, flock: bool, gone: impl Fn(&Held) -> bool) -> bool {
        let Some(file) = self.files.get_mut(&key.0) else {
            return false;
        };
        let space = file.space_mut(flock);
        let before = space.len();
        space.retain(|held| !gone(held));
        let after = space.len();
        self.counted(key, before, after);
        after < before
    }

    /// A file's locks have changed in number.
    fn counted(&mut self, key: Key, before: usize, after: usize) {
        self.held = self.held + after - before;
        let is_empty = |file: &OfFile| file.posix.is_empty() && file.flock.is_empty();
        if after == 0 && self.files.get(&key.0).is_some_and(is_empty) {
            self.files.remove(&key.0);
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> (usize, usize) {
        (self.files.len(), self.held)
    }
}
