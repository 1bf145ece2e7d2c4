//! The session's `Handler`, by upcalls into Java: one value per worker thread, made in `mounts`.
//!
//! [`NodeHandler`] serves file systems that name their files by number, [`PathHandler`] those that name them by path;
//! what works on open handles is the same for both and lies here. Each method puts its small arguments into the lease's
//! args page, calls one method of the Java class `Upcalls`, or of the one derived from it for its kind, with integers,
//! and takes small results from the args page. What Java answers is checked where it becomes a length; the session
//! checks what it means.

mod node;
mod path;

use std::io;

use ferrofuse_protocol::{abi, Errno, Opcode};
use ferrofuse_session::{
    Call, Concurrency, Entry, Handle, Ioctl, LockKeeper, Memory, Offer, Opened, Outcome, Slot, Wish,
};

use crate::ids::{ids, Door, Upcall};
use crate::jvm::{Args, IntMethod, Object, Thread};
use crate::layout::{
    self, RequestContext, FLAG_ARMED, FLAG_KILLS_PRIVILEGES, WISH_BIRTH_TIMES, WISH_CLEARS_PRIVILEGES, WISH_KEEPS_ACLS,
    WISH_LOCKS_BY_ENGINE, WISH_LOCKS_BY_FILE_SYSTEM, WISH_PASSES_THROUGH, WISH_RESOLVES_DOTS, WISH_SHARES_FILES,
    WISH_TRUNCATES_ON_OPEN,
};
use crate::lease::Lease;

pub(crate) use node::NodeHandler;
pub(crate) use path::PathHandler;

type LeaseCall<'a> = Call<'a, Lease>;

/// What both kinds of handlers share: a file system written in Java, for one thread.
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
            | Opcode::Lseek
            | Opcode::CopyFileRange
            | Opcode::CopyFileRange64
            | Opcode::Ioctl
            | Opcode::Getlk
            | Opcode::Setlk
            | Opcode::Setlkw
            | Opcode::Poll
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

impl Extra {
    /// Of a request that may ask for setuid and setgid to be cleared.
    fn killing(kills_privileges: bool) -> Self {
        Self {
            kills_privileges,
            ..Self::default()
        }
    }
}

impl<'a> JavaHandler<'a> {
    pub(crate) fn new(thread: Thread, door: &'a Object<Door>, admission: Admission) -> Self {
        Self {
            thread,
            door,
            admission,
        }
    }

    fn upcall<C: Upcall, A: Args>(&self, call: &mut LeaseCall<'_>, method: &IntMethod<C, A>, args: A) -> Outcome<i32> {
        self.upcall_with(call, Extra::default(), method, args)
    }

    fn upcall_with<C: Upcall, A: Args>(
        &self,
        call: &mut LeaseCall<'_>,
        extra: Extra,
        method: &IntMethod<C, A>,
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
        let outcome = method.call(self.thread, call.memory.upcalls()?, args);
        if call.memory.page().request.flags & FLAG_ARMED != 0 {
            // Whatever it throws is logged in Java.
            let _ = ids().upcalls.disarm.call(self.thread, call.memory.upcalls()?, ());
        }
        outcome
    }

    /// An upcall that hands out a node.
    fn entry<C: Upcall, A: Args>(
        &self,
        call: &mut LeaseCall<'_>,
        umask: u32,
        method: &IntMethod<C, A>,
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
    fn bytes<C: Upcall, A: Args>(
        &self,
        call: &mut LeaseCall<'_>,
        limit: usize,
        method: &IntMethod<C, A>,
        args: A,
    ) -> Outcome<usize> {
        length(self.upcall(call, method, args)?, limit.min(call.memory.bulk().len()))
    }
}

/// What works on open handles, and on the file system as a whole.
impl JavaHandler<'_> {
    fn lease(&self, bulk: usize) -> io::Result<Lease> {
        Lease::new(self.thread, self.door, bulk)
    }

    fn init(&self, offer: &Offer) -> Outcome<Wish> {
        let answer = ids()
            .door
            .init
            .call(self.thread, self.door, (int(offer.minor), long(offer.flags)))?;
        Ok(Wish {
            clears_privileges: answer & WISH_CLEARS_PRIVILEGES != 0,
            birth_times: answer & WISH_BIRTH_TIMES != 0,
            keeps_acls: answer & WISH_KEEPS_ACLS != 0,
            locks: if answer & WISH_LOCKS_BY_FILE_SYSTEM != 0 {
                LockKeeper::FileSystem
            } else if answer & WISH_LOCKS_BY_ENGINE != 0 {
                LockKeeper::Engine
            } else {
                LockKeeper::Kernel
            },
            resolves_dots: answer & WISH_RESOLVES_DOTS != 0,
            truncates_on_open: answer & WISH_TRUNCATES_ON_OPEN != 0,
            shares_files: answer & WISH_SHARES_FILES != 0,
            passes_through: answer & WISH_PASSES_THROUGH != 0,
        })
    }

    fn destroy(&self) {
        // Whatever it throws is logged in Java.
        let _ = ids().door.destroy.call(self.thread, self.door, ());
    }

    fn spawn(&self) -> bool {
        // Whatever keeps it from being made is logged in Java.
        ids().door.spawn.call(self.thread, self.door, ()) == Ok(1)
    }

    fn interrupt(&self, unique: u64) {
        // Whatever it throws is logged in Java.
        let _ = ids().door.interrupt.call(self.thread, self.door, (long(unique),));
    }

    fn read(&self, call: &mut LeaseCall<'_>, slot: Slot, arg: &abi::ReadIn) -> Outcome<usize> {
        let limit = (arg.size as usize).min(call.memory.bulk().len());
        let args = (int(slot.0), long(arg.offset), size(limit));
        self.bytes(call, limit, &ids().upcalls.read, args)
    }

    fn write(&self, call: &mut LeaseCall<'_>, slot: Slot, arg: &abi::WriteIn) -> Outcome<usize> {
        let limit = (arg.size as usize).min(call.memory.bulk().len());
        let extra = Extra::killing(arg.write_flags & abi::write::KILL_SUIDGID != 0);
        let args = (int(slot.0), long(arg.offset), size(limit));
        length(self.upcall_with(call, extra, &ids().upcalls.write, args)?, limit)
    }

    fn flush(&self, call: &mut LeaseCall<'_>, slot: Slot) -> Outcome<()> {
        self.upcall(call, &ids().upcalls.flush, (int(slot.0),)).map(drop)
    }

    fn fsync(&self, call: &mut LeaseCall<'_>, slot: Slot, data_only: bool) -> Outcome<()> {
        self.upcall(call, &ids().upcalls.fsync, (int(slot.0), i32::from(data_only)))
            .map(drop)
    }

    fn fallocate(&self, call: &mut LeaseCall<'_>, slot: Slot, arg: &abi::FallocateIn) -> Outcome<()> {
        let args = (int(slot.0), int(arg.mode), long(arg.offset), long(arg.length));
        self.upcall(call, &ids().upcalls.fallocate, args).map(drop)
    }

    fn lseek(&self, call: &mut LeaseCall<'_>, slot: Slot, arg: &abi::LseekIn) -> Outcome<u64> {
        let args = (int(slot.0), long(arg.offset), int(arg.whence));
        self.number(call, &ids().upcalls.lseek, args)
    }

    fn copy_file_range(
        &self,
        call: &mut LeaseCall<'_>,
        source: Slot,
        slot: Slot,
        arg: &abi::CopyFileRangeIn,
    ) -> Outcome<u64> {
        let (from, to) = (long(arg.off_in), long(arg.off_out));
        let args = (int(source.0), from, int(slot.0), to, long(arg.len));
        self.number(call, &ids().upcalls.copy, args)
    }

    fn ioctl(&self, call: &mut LeaseCall<'_>, handle: Handle, arg: &Ioctl) -> Outcome<(u32, usize)> {
        let (Handle::File(slot) | Handle::Directory(slot)) = handle;
        call.memory.page().ioctl = layout::Ioctl {
            argument: arg.argument,
            command: arg.command,
            in_start: position(arg.input.start),
            in_end: position(arg.input.end),
            out_start: position(arg.output.start),
            out_end: position(arg.output.end),
            out_length: 0,
        };
        let method = match handle {
            Handle::File(_) => &ids().upcalls.ioctl,
            Handle::Directory(_) => &ids().upcalls.ioctldir,
        };
        let result = self.upcall(call, method, (int(slot.0),))?;
        let length = call.memory.page().ioctl.out_length as usize;
        Ok((result as u32, length)) // not negative: `upcall` makes that an error
    }

    /// An upcall that answers a number which is too large for what it returns.
    fn number<C: Upcall, A: Args>(&self, call: &mut LeaseCall<'_>, method: &IntMethod<C, A>, args: A) -> Outcome<u64> {
        self.upcall(call, method, args)?;
        Ok(call.memory.page().number)
    }

    fn getlk(&self, call: &mut LeaseCall<'_>, slot: Slot, arg: &abi::LkIn) -> Outcome<Option<abi::FileLock>> {
        let lock = &arg.lk;
        let args = (
            int(slot.0),
            int(lock.r#type),
            long(lock.start),
            long(lock.end),
            long(arg.owner),
            int(lock.pid),
        );
        let found = self.upcall(call, &ids().upcalls.getlk, args)? != 0;
        Ok(found.then(|| call.memory.page().lock))
    }

    fn setlk(&self, call: &mut LeaseCall<'_>, slot: Slot, arg: &abi::LkIn) -> Outcome<bool> {
        let lock = &arg.lk;
        let args = (
            int(slot.0),
            int(lock.r#type),
            long(lock.start),
            long(lock.end),
            long(arg.owner),
            int(lock.pid),
            i32::from(arg.lk_flags & abi::lk::FLOCK != 0),
        );
        Ok(self.upcall(call, &ids().upcalls.setlk, args)? != 0)
    }

    fn poll(&self, call: &mut LeaseCall<'_>, slot: Slot, events: u32, wake: Option<u64>) -> Outcome<u32> {
        let args = (
            int(slot.0),
            int(events),
            long(wake.unwrap_or(0)),
            i32::from(wake.is_some()),
        );
        // No bits of poll(2) are negative.
        Ok(self.upcall(call, &ids().upcalls.poll, args)? as u32)
    }

    fn retrieved(&self, ticket: u64, size: Outcome<usize>, memory: &Lease) {
        let size = match size {
            Ok(size) => self::size(size),
            Err(errno) => -errno.raw(),
        };
        if let Ok(upcalls) = memory.upcalls() {
            // Whatever it throws is logged in Java.
            let _ = ids().upcalls.retrieved.call(self.thread, upcalls, (long(ticket), size));
        }
    }

    fn release(&self, call: &mut LeaseCall<'_>, slot: Slot) -> Outcome<()> {
        self.upcall(call, &ids().upcalls.release, (int(slot.0),)).map(drop)
    }

    fn fsyncdir(&self, call: &mut LeaseCall<'_>, slot: Slot, data_only: bool) -> Outcome<()> {
        self.upcall(call, &ids().upcalls.fsyncdir, (int(slot.0), i32::from(data_only)))
            .map(drop)
    }

    fn releasedir(&self, call: &mut LeaseCall<'_>, slot: Slot) -> Outcome<()> {
        self.upcall(call, &ids().upcalls.releasedir, (int(slot.0),)).map(drop)
    }
}

/// The methods of a `Handler` that `self.java` does whatever files are named by. `self.unopened` says in the args page
/// what a call without a handle is about; a path stays pinned as long as what it answers lives.
macro_rules! handle_operations {
    () => {
        type Memory = Lease;

        fn lease(&mut self, bulk: usize) -> io::Result<Lease> {
            self.java.lease(bulk)
        }

        fn init(&mut self, offer: &Offer) -> Outcome<Wish> {
            self.java.init(offer)
        }

        fn destroy(&mut self) {
            self.java.destroy();
        }

        fn spawn(&mut self) -> bool {
            self.java.spawn()
        }

        fn read(&mut self, call: &mut LeaseCall<'_>, node: Key, slot: Slot, arg: &abi::ReadIn) -> Outcome<usize> {
            let _unopened = self.unopened(call, node, slot)?;
            self.java.read(call, slot, arg)
        }

        fn write(&mut self, call: &mut LeaseCall<'_>, node: Key, slot: Slot, arg: &abi::WriteIn) -> Outcome<usize> {
            let _unopened = self.unopened(call, node, slot)?;
            self.java.write(call, slot, arg)
        }

        fn flush(&mut self, call: &mut LeaseCall<'_>, node: Key, slot: Slot) -> Outcome<()> {
            let _unopened = self.unopened(call, node, slot)?;
            self.java.flush(call, slot)
        }

        fn fsync(&mut self, call: &mut LeaseCall<'_>, node: Key, slot: Slot, data_only: bool) -> Outcome<()> {
            let _unopened = self.unopened(call, node, slot)?;
            self.java.fsync(call, slot, data_only)
        }

        fn fallocate(
            &mut self,
            call: &mut LeaseCall<'_>,
            node: Key,
            slot: Slot,
            arg: &abi::FallocateIn,
        ) -> Outcome<()> {
            let _unopened = self.unopened(call, node, slot)?;
            self.java.fallocate(call, slot, arg)
        }

        fn lseek(&mut self, call: &mut LeaseCall<'_>, node: Key, slot: Slot, arg: &abi::LseekIn) -> Outcome<u64> {
            let _unopened = self.unopened(call, node, slot)?;
            self.java.lseek(call, slot, arg)
        }

        fn copy_file_range(
            &mut self,
            call: &mut LeaseCall<'_>,
            source: Slot,
            slot: Slot,
            arg: &abi::CopyFileRangeIn,
        ) -> Outcome<u64> {
            self.java.copy_file_range(call, source, slot, arg)
        }

        fn ioctl(&mut self, call: &mut LeaseCall<'_>, handle: Handle, arg: &Ioctl) -> Outcome<(u32, usize)> {
            self.java.ioctl(call, handle, arg)
        }

        fn statx(&mut self, call: &mut LeaseCall<'_>, node: Key, handle: Option<Slot>) -> Outcome<Attributes> {
            let out = self.getattr(call, node, handle)?;
            let birth = call.memory.page().birth;
            Ok(Attributes {
                out,
                birth: (birth.given != 0).then_some(abi::SxTime {
                    tv_sec: birth.seconds,
                    tv_nsec: birth.nanos,
                    ..abi::SxTime::default()
                }),
            })
        }

        fn getlk(
            &mut self,
            call: &mut LeaseCall<'_>,
            _node: Key,
            slot: Slot,
            arg: &abi::LkIn,
        ) -> Outcome<Option<abi::FileLock>> {
            self.java.getlk(call, slot, arg)
        }

        fn setlk(&mut self, call: &mut LeaseCall<'_>, _node: Key, slot: Slot, arg: &abi::LkIn) -> Outcome<bool> {
            self.java.setlk(call, slot, arg)
        }

        fn poll(
            &mut self,
            call: &mut LeaseCall<'_>,
            _node: Key,
            slot: Slot,
            events: u32,
            wake: Option<u64>,
        ) -> Outcome<u32> {
            self.java.poll(call, slot, events, wake)
        }

        fn retrieved(&mut self, ticket: u64, size: Outcome<usize>, memory: &mut Lease) {
            self.java.retrieved(ticket, size, memory);
        }

        fn fsyncdir(&mut self, call: &mut LeaseCall<'_>, node: Key, slot: Slot, data_only: bool) -> Outcome<()> {
            let _unopened = self.unopened(call, node, slot)?;
            self.java.fsyncdir(call, slot, data_only)
        }

        fn releasedir(&mut self, call: &mut LeaseCall<'_>, _node: Key, slot: Slot) -> Outcome<()> {
            self.java.releasedir(call, slot)
        }
    };
}
use handle_operations;

/// A length that Java answered.
fn length(answer: i32, limit: usize) -> Outcome<usize> {
    usize::try_from(answer)
        .ok()
        .filter(|&length| length <= limit)
        .ok_or(Errno::EIO)
}

/// The size of something that Java answered; without room only the size was asked for.
fn needed(answer: i32, room: usize) -> Outcome<usize> {
    length(answer, if room == 0 { usize::MAX } else { room })
}

fn opened(call: &mut LeaseCall<'_>) -> Outcome<Opened> {
    let page = call.memory.page();
    let (opened, backing) = (page.opened, page.backing);
    let concurrency = match opened.concurrency {
        0 => Concurrency::Serialized,
        1 => Concurrency::SharedReads,
        2 => Concurrency::Concurrent,
        _ => return Err(Errno::EIO),
    };
    Ok(Opened {
        flags: opened.flags,
        concurrency,
        backing: (backing >= 0).then_some(backing),
    })
}

/// As Java has it: a long has no unsigned.
fn long(value: u64) -> i64 {
    value as i64
}

/// A place in the bulk region, which is far smaller than 4 GiB.
fn position(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
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
            (1001, Opcode::Setlkw, true),
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
