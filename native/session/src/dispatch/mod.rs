//! One request: decode, decide, call the handler, answer exactly once.
//!
//! Called by workers with a lease that holds a message. Knows the tables and the gate; never blocks, and never lets a
//! panic of the handler out.

mod dir;
mod entry;
mod file;
mod ioctl;
pub(crate) mod lock;
mod node;
mod privileges;
pub(crate) mod refusal;
mod xattr;

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use ferrofuse_protocol::abi::{self, fattr, Attr, BatchForgetIn, ForgetOne, InHeader};
use ferrofuse_protocol::{DecodeError, Errno, Message, NodeId, Opcode, Operation};

use crate::config::Config;
use crate::gate::{Access, Entry, Pass};
use crate::handler::{Call, Caller, Handler, Key, Memory, Outcome, Slot};
use crate::handles::{Fh, Kind, Open};
use crate::lease::{bulk_record, Lease, Parts, SPLIT};
use crate::locks::Claim;
use crate::log::{Level, Log};
use crate::reply::{Delivery, Reply};
use crate::session::Session;
use crate::transport::Channel;
use lock::Tried;

/// What a worker has to do after a request was looked at.
#[must_use]
pub(crate) enum Verdict {
    /// It is answered. A pass is to be given back.
    Done(Option<Pass>),
    /// It has to wait for others on its handle and is as it was.
    Wait(Fh, Access),
    /// It has to wait for a lock, and is as it was.
    WaitForLock(Claim),
    /// It is answered, and it was the last one.
    Destroyed,
    /// It has no answer, and says that the request of this number is to be interrupted.
    Interrupt(u64),
}

/// Serves the message in `lease`; `pass` when it was admitted to its handle before.
pub(crate) fn serve<H: Handler>(
    session: &Session<H::Memory>,
    handler: &mut H,
    lease: &mut Lease<H::Memory>,
    pass: Option<Pass>,
) -> Verdict {
    let Some(Parts {
        header,
        head,
        len,
        memory,
        due,
    }) = lease.parts()
    else {
        session
            .log
            .line(Level::Error, "message without a header", 0, format_args!("ignored"));
        return Verdict::Done(pass);
    };
    if header.opcode == Opcode::BatchForget.raw() {
        due.take().none();
        batch_forget(session, handler, head, len, memory);
        return Verdict::Done(pass);
    }
    let (opcode, operation) = match decode(session, header, head, len) {
        Ok(decoded) => decoded,
        Err(error) => {
            malformed(session, header, due.take(), &error);
            if header.opcode == Opcode::NotifyReply.raw() {
                session.retrieved(handler, header, None, memory);
            }
            return Verdict::Done(pass);
        }
    };
    if let Operation::Interrupt(arg) = operation {
        due.take().none();
        return Verdict::Interrupt(arg.unique);
    }
    if let Operation::NotifyReply { arg, .. } = operation {
        due.take().none();
        session.retrieved(handler, header, Some(arg), memory);
        return Verdict::Done(pass);
    }
    if !session.config.handles(opcode) && refusal::is_optional(opcode) && !lock::is_ours(session, opcode) {
        let delivery = match opens(opcode).filter(|&kind| session.serves_unopened(kind)) {
            Some(kind) => file::open_nothing(session, kind, due.take()),
            None => refusal::answer(opcode, due.take()),
        };
        report(session, opcode, delivery);
        return Verdict::Done(pass);
    }
    let pass = match admission(session, &operation, pass) {
        Admission::Granted(pass) => pass,
        Admission::Wait(fh, access) => return Verdict::Wait(fh, access),
        Admission::NoHandle => {
            let _ = due.take().error(Errno::EBADF);
            return Verdict::Done(None);
        }
    };
    let caller = Caller {
        uid: header.uid,
        gid: header.gid,
        pid: header.pid,
    };
    let mut call = Call {
        unique: header.unique,
        opcode,
        caller,
        memory,
    };
    if let (Operation::Setlkw(arg), Some(locks)) = (&operation, &session.locks) {
        let delivery = match lock::set_or_wait(session, locks, handler, &mut call, arg) {
            Ok(Tried::Granted) => due.take().empty(),
            Ok(Tried::InTheWay(claim)) => return Verdict::WaitForLock(claim),
            Err(errno) => due.take().error(errno),
        };
        report(session, opcode, delivery);
        return Verdict::Done(pass);
    }
    let destroyed = matches!(operation, Operation::Destroy);
    let delivery = Serving {
        session,
        handler,
        call,
        header,
        head,
        reply: due.take(),
    }
    .run(&operation);
    report(session, opcode, delivery);
    if destroyed {
        return Verdict::Destroyed;
    }
    Verdict::Done(pass)
}

fn decode<'a, M: Memory>(
    session: &Session<M>,
    header: &InHeader,
    head: &'a [u8],
    len: usize,
) -> Result<(Opcode, Operation<'a>), DecodeError> {
    let dialect = &session.dialect;
    let message = match Opcode::from_raw(header.opcode) {
        Some(Opcode::Write | Opcode::NotifyReply) => Message::with_data_elsewhere(head, len - head.len(), dialect),
        Some(Opcode::Ioctl) => {
            let fixed = (size_of::<InHeader>() + Opcode::Ioctl.fixed_size(dialect)).min(head.len());
            Message::with_data_elsewhere(&head[..fixed], len - fixed, dialect)
        }
        Some(Opcode::Setxattr) => {
            let name = size_of::<InHeader>() + Opcode::Setxattr.fixed_size(dialect);
            let nul = head.iter().skip(name).position(|&byte| byte == 0);
            // Without a NUL there is no name, as decoding will find.
            let value = nul.map_or(head.len(), |nul| name + nul + 1);
            Message::with_data_elsewhere(&head[..value], len - value, dialect)
        }
        _ => Message::contiguous(head, dialect),
    }?;
    Ok((message.opcode(), message.decode()?))
}

fn malformed<M: Memory>(session: &Session<M>, header: &InHeader, reply: Reply<'_>, error: &DecodeError) {
    session.log.line(
        Level::Error,
        "malformed request",
        header.opcode,
        format_args!("{error}"),
    );
    match Opcode::from_raw(header.opcode) {
        Some(opcode) if !opcode.expects_reply() => reply.none(),
        _ => {
            let _ = reply.error(error.errno());
        }
    }
}

fn report<M: Memory>(session: &Session<M>, opcode: Opcode, delivery: Delivery) {
    if let Delivery::Refused(errno) = delivery {
        session.log.line(
            Level::Error,
            "the kernel refused a reply",
            opcode.raw(),
            format_args!("{opcode}: {}; answered EIO", std::io::Error::from_raw_os_error(errno)),
        );
    }
}

enum Admission {
    Granted(Option<Pass>),
    Wait(Fh, Access),
    NoHandle,
}

/// Asks the gate, for operations on open handles.
fn admission<M: Memory>(session: &Session<M>, operation: &Operation<'_>, pass: Option<Pass>) -> Admission {
    if pass.is_some() {
        return Admission::Granted(pass);
    }
    let Some((fh, kind, access)) = gated(operation) else {
        return Admission::Granted(None);
    };
    if session.is_unopened(fh, kind) {
        return Admission::Granted(None);
    }
    // A release that names a handle of the other kind must not end it.
    if access == Access::Last && session.handles.find(fh, kind).is_none() {
        return Admission::NoHandle;
    }
    match session.gate.try_enter(fh, access) {
        Entry::Admitted(pass) => Admission::Granted(Some(pass)),
        Entry::Busy => Admission::Wait(fh, access),
        Entry::Closed => Admission::NoHandle,
    }
}

/// What an operation opens.
fn opens(opcode: Opcode) -> Option<Kind> {
    match opcode {
        Opcode::Open => Some(Kind::File),
        Opcode::Opendir => Some(Kind::Directory),
        _ => None,
    }
}

/// The handle that an operation works on, and how. GETATTR is not gated: stat(2) doesn't wait for a slow read. Lock
/// requests are not: one that waits must not hold up reads, and an unlock waits for nobody.
/// Nor is POLL, which is asked while a read waits for the very data.
fn gated(operation: &Operation<'_>) -> Option<(Fh, Kind, Access)> {
    let (fh, kind, access) = match operation {
        Operation::Read(arg) => (arg.fh, Kind::File, Access::Shared),
        Operation::Write { arg, .. } => (arg.fh, Kind::File, Access::Exclusive),
        Operation::Flush(arg) => (arg.fh, Kind::File, Access::Exclusive),
        Operation::Fsync(arg) => (arg.fh, Kind::File, Access::Exclusive),
        Operation::Fallocate(arg) => (arg.fh, Kind::File, Access::Exclusive),
        Operation::Setattr(arg) if arg.valid & fattr::FH != 0 => (arg.fh, Kind::File, Access::Exclusive),
        Operation::Release(arg) => (arg.fh, Kind::File, Access::Last),
        Operation::Lseek(arg) => (arg.fh, Kind::File, Access::Shared),
        Operation::CopyFileRange(arg) | Operation::CopyFileRange64(arg) => (arg.fh_out, Kind::File, Access::Exclusive),
        Operation::Ioctl { arg, .. } => (arg.fh, ioctl::kind(arg), Access::Exclusive),
        Operation::Readdir(arg) | Operation::Readdirplus(arg) => (arg.fh, Kind::Directory, Access::Exclusive),
        Operation::Fsyncdir(arg) => (arg.fh, Kind::Directory, Access::Exclusive),
        Operation::Releasedir(arg) => (arg.fh, Kind::Directory, Access::Last),
        _ => return None,
    };
    Some((Fh(fh), kind, access))
}

/// One request on its way through the handler.
struct Serving<'a, H: Handler> {
    session: &'a Session<H::Memory>,
    handler: &'a mut H,
    call: Call<'a, H::Memory>,
    header: &'a InHeader,
    head: &'a [u8],
    reply: Reply<'a>,
}

impl<H: Handler> Serving<'_, H> {
    fn run(self, operation: &Operation<'_>) -> Delivery {
        match *operation {
            Operation::Lookup { name } => self.lookup(name),
            Operation::Forget(arg) => self.forget(arg.nlookup),
            Operation::Getattr(arg) => self.getattr(arg),
            Operation::Setattr(arg) => self.setattr(arg),
            Operation::Readlink => self.readlink(),
            Operation::Symlink { name, target } => self.symlink(name, target),
            Operation::Mknod { arg, name } => self.mknod(name, arg),
            Operation::Mkdir { arg, name } => self.mkdir(name, arg),
            Operation::Unlink { name } => self.unlink(name),
            Operation::Rmdir { name } => self.rmdir(name),
            Operation::Rename {
                new_parent,
                flags,
                name,
                new_name,
            } => self.rename(name, new_parent, new_name, flags),
            Operation::Link { node, name } => self.link(node, name),
            Operation::Open(arg) => self.open(arg, Kind::File),
            Operation::Create { arg, name } => self.create(arg, |handler, call, parent, arg, slot| {
                handler.create(call, parent, name, arg, slot)
            }),
            Operation::Tmpfile { arg, .. } => self.create(arg, H::tmpfile),
            Operation::Read(arg) => self.read(arg),
            Operation::Write { arg, .. } => self.write(arg),
            Operation::Flush(arg) => self.flush(arg),
            Operation::Fsync(arg) => self.fsync(arg),
            Operation::Fallocate(arg) => self.on_file(Fh(arg.fh), |handler, call, open| {
                handler.fallocate(call, open.key, open.slot, arg)
            }),
            Operation::Lseek(arg) => self.lseek(arg),
            Operation::CopyFileRange(arg) | Operation::CopyFileRange64(arg) => self.copy_file_range(arg),
            Operation::Ioctl { arg, .. } => self.ioctl(arg),
            Operation::Poll(arg) => self.poll(arg),
            Operation::Release(arg) => self.release(arg, Kind::File),
            Operation::Opendir(arg) => self.open(arg, Kind::Directory),
            Operation::Readdir(arg) => self.readdir(arg),
            Operation::Readdirplus(arg) => self.readdirplus(arg),
            Operation::Fsyncdir(arg) => self.fsyncdir(arg),
            Operation::Releasedir(arg) => self.release(arg, Kind::Directory),
            Operation::Statfs => self.statfs(),
            Operation::Statx(arg) => self.statx(arg),
            Operation::Syncfs => {
                let node = self.node();
                self.plain(|handler, call| handler.syncfs(call, node?))
            }
            Operation::Bmap(arg) => self.bmap(arg),
            Operation::Setxattr {
                size,
                flags,
                setxattr_flags,
                name,
                ..
            } => self.setxattr(name, size as usize, flags, setxattr_flags),
            Operation::Getxattr { size, name } => self.getxattr(name, size as usize),
            Operation::Listxattr { size } => self.listxattr(size as usize),
            Operation::Removexattr { name } => self.removexattr(name),
            Operation::Access(arg) => self.access(arg.mask),
            Operation::Destroy => self.reply.empty(),
            // INIT was answered when the session began.
            Operation::Init { .. } => self.reply.error(Errno::EIO),
            // They were seen to before.
            Operation::NotifyReply { .. } | Operation::BatchForget(_) | Operation::Interrupt(_) => {
                self.reply.none();
                Delivery::Delivered
            }
            Operation::Getlk(arg) => self.getlk(arg),
            Operation::Setlk(arg) => self.setlk(arg),
            // With locks of ours the first was seen to before.
            Operation::Setlkw(_) => refusal::answer(self.call.opcode, self.reply),
        }
    }

    /// Calls the handler, as [`asked`].
    fn upcall<T>(&mut self, call: impl FnOnce(&mut H, &mut Call<'_, H::Memory>) -> Outcome<T>) -> Outcome<T> {
        let Self {
            session,
            handler,
            call: arguments,
            ..
        } = self;
        asked(&session.log, *handler, arguments, call)
    }

    /// Calls the handler for something that succeeds without saying anything.
    fn plain(mut self, call: impl FnOnce(&mut H, &mut Call<'_, H::Memory>) -> Outcome<()>) -> Delivery {
        match self.upcall(call) {
            Ok(()) => self.reply.empty(),
            Err(errno) => self.reply.error(errno),
        }
    }

    /// The key of the node that the request is about.
    fn node(&self) -> Outcome<Key> {
        self.key(NodeId(self.header.nodeid))
    }

    fn key(&self, nodeid: NodeId) -> Outcome<Key> {
        self.session.nodes.key(nodeid).ok_or(Errno::ESTALE)
    }

    /// What a request works on: an open handle, or the node itself where nothing is opened.
    fn handle(&self, fh: Fh, kind: Kind) -> Outcome<Open> {
        if self.session.is_unopened(fh, kind) {
            return Ok(Open {
                key: self.node()?,
                slot: Slot::UNOPENED,
            });
        }
        self.session.handles.find(fh, kind).ok_or(Errno::EBADF)
    }
}

/// Calls the handler; a panic is `EIO`. `ENOSYS` is no answer to one request: the kernel would never ask for the
/// operation again, for any file. What a file system does not have at all, it leaves out of `Config::operations`.
fn asked<H: Handler, T>(
    log: &Log,
    handler: &mut H,
    arguments: &mut Call<'_, H::Memory>,
    call: impl FnOnce(&mut H, &mut Call<'_, H::Memory>) -> Outcome<T>,
) -> Outcome<T> {
    match guarded(log, arguments.opcode, || call(handler, arguments)) {
        Err(Errno::ENOSYS) => Err(Errno::EOPNOTSUPP),
        outcome => outcome,
    }
}

/// Takes references off a node, and tells the handler when that was the last.
fn forget<H: Handler>(session: &Session<H::Memory>, handler: &mut H, nodeid: NodeId, count: u64) {
    if let Some((key, lookups)) = session.nodes.forget(nodeid, count) {
        forgotten(session, handler, key, lookups);
    }
}

fn forgotten<H: Handler>(session: &Session<H::Memory>, handler: &mut H, key: Key, lookups: u64) {
    if !session.config.handles(Opcode::Forget) {
        return;
    }
    // A forget has no answer; a panic in it was logged.
    let _ = guarded(&session.log, Opcode::Forget, || {
        handler.forget(key, lookups);
        Ok(())
    });
}

/// The list may be longer than the head; what is beyond lies in the bulk region.
fn batch_forget<H: Handler>(
    session: &Session<H::Memory>,
    handler: &mut H,
    head: &[u8],
    len: usize,
    memory: &H::Memory,
) {
    const LIST: usize = size_of::<InHeader>() + size_of::<BatchForgetIn>();
    let stated = head
        .get(size_of::<InHeader>()..LIST)
        .and_then(abi::read_from::<BatchForgetIn>);
    let announced = stated.and_then(|arg| {
        (arg.count as usize)
            .checked_mul(size_of::<ForgetOne>())?
            .checked_add(LIST)
    });
    if announced != Some(len) {
        session.log.line(
            Level::Error,
            "malformed request",
            Opcode::BatchForget.raw(),
            format_args!("BATCH_FORGET of {len} bytes, {announced:?} announced"),
        );
        return;
    }
    for at in (LIST..len).step_by(size_of::<ForgetOne>()) {
        let one = match head.get(at..).and_then(abi::read_from::<ForgetOne>) {
            Some(one) => Some(*one),
            None => bulk_record(memory, at.saturating_sub(SPLIT)),
        };
        let Some(one) = one else { return };
        forget(session, handler, NodeId(one.nodeid), one.nlookup);
    }
}

/// Runs a part of the handler and turns a panic into `EIO` and a log line.
pub(crate) fn guarded<T>(log: &Log, opcode: Opcode, part: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    // Whatever state the handler is in after a panic is its own; the engine's is not touched by it.
    panic::catch_unwind(AssertUnwindSafe(part)).unwrap_or_else(|payload| {
        log.line(
            Level::Error,
            "panic in the file system",
            opcode.raw(),
            format_args!("{opcode}: {}", text(&*payload)),
        );
        Err(Errno::EIO)
    })
}

fn text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// What mount options make of a node's attributes; how long the kernel may believe them is `valid`, in seconds and
/// nanoseconds.
fn dress(config: &Config, key: Key, attr: &mut Attr, valid: (&mut u64, &mut u32)) {
    const PERMISSIONS: u32 = 0o777;
    if attr.ino == 0 {
        attr.ino = key.0;
    }
    attr.uid = config.uid.unwrap_or(attr.uid);
    attr.gid = config.gid.unwrap_or(attr.gid);
    if let Some(umask) = config.umask {
        attr.mode = attr.mode & !PERMISSIONS | PERMISSIONS & !umask;
    }
    if privileges::are_fleeting(attr) {
        (*valid.0, *valid.1) = (0, 0);
    }
}

/// Releases an open handle that no RELEASE will come for.
fn release_unasked<H: Handler>(
    session: &Session<H::Memory>,
    handler: &mut H,
    call: &mut Call<'_, H::Memory>,
    Open { key, slot }: Open,
    kind: Kind,
) {
    call.opcode = match kind {
        Kind::File => Opcode::Release,
        Kind::Directory => Opcode::Releasedir,
    };
    // Nobody hears how it went.
    let _ = guarded(&session.log, call.opcode, || match kind {
        Kind::File => handler.release(call, key, slot),
        Kind::Directory => handler.releasedir(call, key, slot),
    });
    session.end_handle(slot);
}

/// The end: releases what the kernel left open, and says good-bye to the handler.
pub(crate) fn finish<H: Handler>(session: &Session<H::Memory>, handler: &mut H, device: &Arc<Channel>) {
    let leftovers = session.handles.leftovers();
    if !leftovers.is_empty() {
        match session.leases.take(handler, device) {
            Ok(mut lease) => {
                for (open, kind) in leftovers {
                    let memory = lease.memory();
                    let mut call = Call {
                        unique: 0,
                        opcode: Opcode::Release,
                        caller: Caller::default(),
                        memory,
                    };
                    release_unasked(session, handler, &mut call, open, kind);
                }
            }
            Err(error) => {
                session.log.line(
                    Level::Error,
                    "handles left open were not released",
                    0,
                    format_args!("{error}"),
                );
            }
        }
    }
    let _ = guarded(&session.log, Opcode::Destroy, || {
        handler.destroy();
        Ok(())
    });
}

/// Ends a handle that its open had reserved but didn't open.
fn unreserve<M: Memory>(session: &Session<M>, slot: Slot) {
    session.handles.free(slot);
}
