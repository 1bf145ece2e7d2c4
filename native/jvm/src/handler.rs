//! The session's `Handler`, by upcalls into Java: one value per worker thread, made in `mounts`.
//!
//! Each method puts its small arguments into the lease's args page, calls one method of the Java class `Upcalls` with
//! integers, and takes small results from the args page. What Java answers is checked where it becomes a length; the
//! session checks what it means.

use std::io;
use std::ops::Range;

use ferrofuse_protocol::{abi, Errno, Name, Opcode};
use ferrofuse_session::{Call, Concurrency, Entry, Handler, Key, Memory, Offer, Opened, Outcome, Slot, Wish};

use crate::ids::{ids, Door, Upcalls};
use crate::jvm::{Args, IntMethod, Object, Thread};
use crate::layout::{RequestContext, FLAG_ARMED, FLAG_KILLS_PRIVILEGES};
use crate::lease::Lease;

type LeaseCall<'a> = Call<'a, Lease>;

/// A file system written in Java, for one thread.
pub(crate) struct JavaHandler<'a> {
    thread: Thread,
    door: &'a Object<Door>,
    admission: Admission,
}

/// Whose requests are served.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Admission {
    /// Everybody's whom the kernel lets in.
    Everybody,
    /// Root's and this user's: `allow_root`, which the kernel takes for `allow_other`.
    RootAnd(u32),
}

impl Admission {
    /// Whether a request gets in. Those on an open handle always do: who opened it was asked then, and the kernel makes
    /// some of them in nobody's name (write-back).
    fn admits(self, uid: u32, opcode: Opcode) -> bool {
        match self {
            Self::Everybody => true,
            Self::RootAnd(owner) => uid == 0 || uid == owner || is_on_handle(opcode),
        }
    }
}

fn is_on_handle(opcode: Opcode) -> bool {
    matches!(
        opcode,
        Opcode::Read
            | Opcode::Write
            | Opcode::Flush
            | Opcode::Fsync
            | Opcode::Fallocate
            | Opcode::Release
            | Opcode::Readdir
            | Opcode::Readdirplus
            | Opcode::Fsyncdir
            | Opcode::Releasedir
    )
}

/// What a request says besides its caller.
#[derive(Clone, Copy, Default)]
struct Extra {
    umask: u32,
    kills_privileges: bool,
}

impl<'a> JavaHandler<'a> {
    pub(crate) fn new(thread: Thread, door: &'a Object<Door>, admission: Admission) -> Self {
        Self {
            thread,
            door,
            admission,
        }
    }

    fn upcall<A: Args>(&self, call: &mut LeaseCall<'_>, method: &IntMethod<Upcalls, A>, args: A) -> Outcome<i32> {
        self.upcall_with(call, Extra::default(), method, args)
    }

    fn upcall_with<A: Args>(
        &self,
        call: &mut LeaseCall<'_>,
        extra: Extra,
        method: &IntMethod<Upcalls, A>,
        args: A,
    ) -> Outcome<i32> {
        if !self.admission.admits(call.caller.uid, call.opcode) {
            return Err(Errno::EACCES);
        }
        call.memory.put_request(RequestContext {
            unique: call.unique,
            uid: call.caller.uid,
            gid: call.caller.gid,
            pid: call.caller.pid,
            umask: extra.umask,
            opcode: call.opcode.raw(),
            flags: if extra.kills_privileges {
                FLAG_KILLS_PRIVILEGES
            } else {
                0
            },
        });
        let outcome = method.call(self.thread, call.memory.upcalls(), args);
        if call.memory.page().request.flags & FLAG_ARMED != 0 {
            // Whatever it throws is logged in Java.
            let _ = ids().upcalls.disarm.call(self.thread, call.memory.upcalls(), ());
        }
        outcome
    }

    /// An upcall that hands out a node.
    fn entry<A: Args>(
        &self,
        call: &mut LeaseCall<'_>,
        umask: u32,
        method: &IntMethod<Upcalls, A>,
        args: A,
    ) -> Outcome<Entry> {
        self.upcall_with(
            call,
            Extra {
                umask,
                ..Extra::default()
            },
            method,
            args,
        )?;
        Ok(call.memory.page().entry)
    }

    /// An upcall that puts bytes into the bulk region; answers how many, `limit` at most.
    fn bytes<A: Args>(
        &self,
        call: &mut LeaseCall<'_>,
        limit: usize,
        method: &IntMethod<Upcalls, A>,
        args: A,
    ) -> Outcome<usize> {
        length(self.upcall(call, method, args)?, limit.min(call.memory.bulk().len()))
    }
}

/// A length that Java answered.
fn length(answer: i32, limit: usize) -> Outcome<usize> {
    usize::try_from(answer)
        .ok()
        .filter(|&length| length <= limit)
        .ok_or(Errno::EIO)
}

fn opened(call: &mut LeaseCall<'_>) -> Outcome<Opened> {
    let opened = call.memory.page().opened;
    let concurrency = match opened.concurrency {
        0 => Concurrency::Serialized,
        1 => Concurrency::SharedReads,
        2 => Concurrency::Concurrent,
        _ => return Err(Errno::EIO),
    };
    Ok(Opened {
        flags: opened.flags,
        concurrency,
    })
}

/// As Java has it: a long has no unsigned.
fn long(value: u64) -> i64 {
    value as i64
}

/// As Java has it: bits, or a number whose highest bit is never set.
fn int(value: u32) -> i32 {
    value as i32
}

/// A size that Java takes as an int; nothing larger than the bulk region is ever useful.
fn size(value: usize) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

fn slot_or_none(handle: Option<Slot>) -> i32 {
    handle.map_or(-1, |slot| int(slot.0))
}

impl Handler for JavaHandler<'_> {
    type Memory = Lease;

    fn lease(&mut self, bulk: usize) -> io::Result<Lease> {
        Lease::new(self.thread, self.door, bulk)
    }

    fn init(&mut self, offer: &Offer) -> Outcome<Wish> {
        let answer = ids()
            .door
            .init
            .call(self.thread, self.door, (int(offer.minor), long(offer.flags)))?;
        Ok(Wish {
            clears_privileges: answer != 0,
        })
    }

    fn destroy(&mut self) {
        // Whatever it throws is logged in Java.
        let _ = ids().door.destroy.call(self.thread, self.door, ());
    }

    fn interrupt(&mut self, unique: u64) {
        // Whatever it throws is logged in Java.
        let _ = ids().door.interrupt.call(self.thread, self.door, (long(unique),));
    }

    fn lookup(&mut self, call: &mut LeaseCall<'_>, parent: Key, name: &Name) -> Outcome<Option<Entry>> {
        let name = call.memory.put_name(name.as_bytes())?;
        let found = self.upcall(call, &ids().upcalls.lookup, (long(parent.0), name))?;
        Ok((found != 0).then(|| call.memory.page().entry))
    }

    fn forget(&mut self, node: Key, lookups: u64) {
        // Whatever it throws is logged in Java.
        let _ = ids()
            .door
            .forget
            .call(self.thread, self.door, (long(node.0), long(lookups)));
    }

    fn getattr(&mut self, call: &mut LeaseCall<'_>, node: Key, handle: Option<Slot>) -> Outcome<abi::AttrOut> {
        self.upcall(call, &ids().upcalls.getattr, (long(node.0), slot_or_none(handle)))?;
        Ok(call.memory.page().getattr)
    }

    fn setattr(
        &mut self,
        call: &mut LeaseCall<'_>,
        node: Key,
        handle: Option<Slot>,
        change: &abi::SetattrIn,
    ) -> Outcome<abi::AttrOut> {
        call.memory.page().change = *change;
        let kills_privileges = change.valid & abi::fattr::KILL_SUIDGID != 0;
        let extra = Extra {
            kills_privileges,
            ..Extra::default()
        };
        self.upcall_with(
            call,
            extra,
            &ids().upcalls.setattr,
            (long(node.0), slot_or_none(handle)),
        )?;
        Ok(call.memory.page().getattr)
    }

    fn readlink(&mut self, call: &mut LeaseCall<'_>, node: Key) -> Outcome<usize> {
        self.bytes(call, usize::MAX, &ids().upcalls.readlink, (long(node.0),))
    }

    fn symlink(&mut self, call: &mut LeaseCall<'_>, parent: Key, name: &Name, target: &[u8]) -> Outcome<Entry> {
        let name = call.memory.put_name(name.as_bytes())?;
        let target = call.memory.put_target(target)?;
        self.entry(call, 0, &ids().upcalls.symlink, (long(parent.0), name, target))
    }

    fn mknod(&mut self, call: &mut LeaseCall<'_>, parent: Key, name: &Name, arg: &abi::MknodIn) -> Outcome<Entry> {
        let name = call.memory.put_name(name.as_bytes())?;
        let args = (long(parent.0), name, int(arg.mode), int(arg.rdev));
        self.entry(call, arg.umask, &ids().upcalls.mknod, args)
    }

    fn mkdir(&mut self, call: &mut LeaseCall<'_>, parent: Key, name: &Name, arg: &abi::MkdirIn) -> Outcome<Entry> {
        let name = call.memory.put_name(name.as_bytes())?;
        self.entry(
            call,
            arg.umask,
            &ids().upcalls.mkdir,
            (long(parent.0), name, int(arg.mode)),
        )
    }

    fn unlink(&mut self, call: &mut LeaseCall<'_>, parent: Key, name: &Name) -> Outcome<()> {
        let name = call.memory.put_name(name.as_bytes())?;
        self.upcall(call, &ids().upcalls.unlink, (long(parent.0), name))
            .map(drop)
    }

    fn rmdir(&mut self, call: &mut LeaseCall<'_>, parent: Key, name: &Name) -> Outcome<()> {
        let name = call.memory.put_name(name.as_bytes())?;
        self.upcall(call, &ids().upcalls.rmdir, (long(parent.0), name))
            .map(drop)
    }

    fn rename(
        &mut self,
        call: &mut LeaseCall<'_>,
        parent: Key,
        name: &Name,
        new_parent: Key,
        new_name: &Name,
        flags: u32,
    ) -> Outcome<()> {
        let name = call.memory.put_name(name.as_bytes())?;
        let new_name = call.memory.put_target(new_name.as_bytes())?;
        let args = (long(parent.0), name, long(new_parent.0), new_name, int(flags));
        self.upcall(call, &ids().upcalls.rename, args).map(drop)
    }

    fn link(&mut self, call: &mut LeaseCall<'_>, node: Key, new_parent: Key, new_name: &Name) -> Outcome<Entry> {
        let name = call.memory.put_name(new_name.as_bytes())?;
        self.entry(call, 0, &ids().upcalls.link, (long(node.0), long(new_parent.0), name))
    }

    fn open(&mut self, call: &mut LeaseCall<'_>, node: Key, arg: &abi::OpenIn, slot: Slot) -> Outcome<Opened> {
        let kills_privileges = arg.open_flags & abi::open::KILL_SUIDGID != 0;
        let extra = Extra {
            kills_privileges,
            ..Extra::default()
        };
        self.upcall_with(
            call,
            extra,
            &ids().upcalls.open,
            (long(node.0), int(arg.flags), int(slot.0)),
        )?;
        opened(call)
    }

    fn create(
        &mut self,
        call: &mut LeaseCall<'_>,
        parent: Key,
        name: &Name,
        arg: &abi::CreateIn,
        slot: Slot,
    ) -> Outcome<(Entry, Opened)> {
        let name = call.memory.put_name(name.as_bytes())?;
        let kills_privileges = arg.open_flags & abi::open::KILL_SUIDGID != 0;
        let args = (long(parent.0), name, int(arg.mode), int(arg.flags), int(slot.0));
        self.upcall_with(
            call,
            Extra {
                umask: arg.umask,
                kills_privileges,
            },
            &ids().upcalls.create,
            args,
        )?;
        Ok((call.memory.page().entry, opened(call)?))
    }

    fn read(&mut self, call: &mut LeaseCall<'_>, node: Key, slot: Slot, arg: &abi::ReadIn) -> Outcome<usize> {
        let limit = (arg.size as usize).min(call.memory.bulk().len());
        let args = (long(node.0), int(slot.0), long(arg.offset), size(limit));
        self.bytes(call, limit, &ids().upcalls.read, args)
    }

    fn write(&mut self, call: &mut LeaseCall<'_>, node: Key, slot: Slot, arg: &abi::WriteIn) -> Outcome<usize> {
        let limit = (arg.size as usize).min(call.memory.bulk().len());
        let kills_privileges = arg.write_flags & abi::write::KILL_SUIDGID != 0;
        let extra = Extra {
            kills_privileges,
            ..Extra::default()
        };
        let args = (long(node.0), int(slot.0), long(arg.offset), size(limit));
        length(self.upcall_with(call, extra, &ids().upcalls.write, args)?, limit)
    }

    fn flush(&mut self, call: &mut LeaseCall<'_>, _node: Key, slot: Slot) -> Outcome<()> {
        self.upcall(call, &ids().upcalls.flush, (int(slot.0),)).map(drop)
    }

    fn fsync(&mut self, call: &mut LeaseCall<'_>, _node: Key, slot: Slot, data_only: bool) -> Outcome<()> {
        self.upcall(call, &ids().upcalls.fsync, (int(slot.0), i32::from(data_only)))
            .map(drop)
    }

    fn fallocate(&mut self, call: &mut LeaseCall<'_>, _node: Key, slot: Slot, arg: &abi::FallocateIn) -> Outcome<()> {
        let args = (int(slot.0), int(arg.mode), long(arg.offset), long(arg.length));
        self.upcall(call, &ids().upcalls.fallocate, args).map(drop)
    }

    fn release(&mut self, call: &mut LeaseCall<'_>, _node: Key, slot: Slot) -> Outcome<()> {
        self.upcall(call, &ids().upcalls.release, (int(slot.0),)).map(drop)
    }

    fn opendir(&mut self, call: &mut LeaseCall<'_>, node: Key, _arg: &abi::OpenIn, slot: Slot) -> Outcome<Opened> {
        self.upcall(call, &ids().upcalls.opendir, (long(node.0), int(slot.0)))?;
        opened(call)
    }

    fn readdir(
        &mut self,
        call: &mut LeaseCall<'_>,
        _node: Key,
        slot: Slot,
        cookie: u64,
        size_limit: usize,
        plus: bool,
    ) -> Outcome<usize> {
        let args = (int(slot.0), long(cookie), size(size_limit), i32::from(plus));
        self.bytes(call, size_limit, &ids().upcalls.readdir, args)
    }

    fn fsyncdir(&mut self, call: &mut LeaseCall<'_>, _node: Key, slot: Slot, data_only: bool) -> Outcome<()> {
        self.upcall(call, &ids().upcalls.fsyncdir, (int(slot.0), i32::from(data_only)))
            .map(drop)
    }

    fn releasedir(&mut self, call: &mut LeaseCall<'_>, _node: Key, slot: Slot) -> Outcome<()> {
        self.upcall(call, &ids().upcalls.releasedir, (int(slot.0),)).map(drop)
    }

    fn statfs(&mut self, call: &mut LeaseCall<'_>, node: Key) -> Outcome<abi::Kstatfs> {
        self.upcall(call, &ids().upcalls.statfs, (long(node.0),))?;
        Ok(call.memory.page().statfs)
    }

    fn setxattr(
        &mut self,
        call: &mut LeaseCall<'_>,
        node: Key,
        name: &Name,
        value: Range<usize>,
        flags: u32,
    ) -> Outcome<()> {
        let name = call.memory.put_name(name.as_bytes())?;
        let args = (long(node.0), name, size(value.start), size(value.end), int(flags));
        self.upcall(call, &ids().upcalls.setxattr, args).map(drop)
    }

    fn getxattr(&mut self, call: &mut LeaseCall<'_>, node: Key, name: &Name, room: usize) -> Outcome<usize> {
        let name = call.memory.put_name(name.as_bytes())?;
        let answer = self.upcall(call, &ids().upcalls.getxattr, (long(node.0), name, size(room)))?;
        length(answer, if room == 0 { usize::MAX } else { room })
    }

    fn listxattr(&mut self, call: &mut LeaseCall<'_>, node: Key, room: usize) -> Outcome<usize> {
        let answer = self.upcall(call, &ids().upcalls.listxattr, (long(node.0), size(room)))?;
        length(answer, if room == 0 { usize::MAX } else { room })
    }

    fn removexattr(&mut self, call: &mut LeaseCall<'_>, node: Key, name: &Name) -> Outcome<()> {
        let name = call.memory.put_name(name.as_bytes())?;
        self.upcall(call, &ids().upcalls.removexattr, (long(node.0), name))
            .map(drop)
    }

    fn access(&mut self, call: &mut LeaseCall<'_>, node: Key, mask: u32) -> Outcome<()> {
        self.upcall(call, &ids().upcalls.access, (long(node.0), int(mask)))
            .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allow_root_admits_root_the_owner_and_open_handles() {
        let admission = Admission::RootAnd(1000);
        for (uid, opcode, admitted) in [
            (0, Opcode::Lookup, true),
            (1000, Opcode::Lookup, true),
            (1001, Opcode::Lookup, false),
            (1001, Opcode::Open, false),
            (1001, Opcode::Getattr, false),
            (1001, Opcode::Write, true),
        ] {
            assert_eq!(admission.admits(uid, opcode), admitted, "{uid} {opcode:?}");
        }
        assert!(Admission::Everybody.admits(1001, Opcode::Lookup));
    }

    #[test]
    fn a_length_beyond_its_room_is_an_error() {
        assert_eq!(length(5, 5), Ok(5));
        assert_eq!(length(6, 5), Err(Errno::EIO));
        assert_eq!(length(-1, 5), Err(Errno::EIO));
    }
}
