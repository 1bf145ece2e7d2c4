//! What fuser calls: each request becomes a job for a worker, and its outcome one reply of fuser's.
//!
//! Called by fuser's threads. Never calls the handler itself.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ferrofuse_protocol::abi::{
    self, init, BmapIn, CopyFileRangeIn, CreateIn, FallocateIn, Kstatfs, LseekIn, MkdirIn, MknodIn, ReadIn, WriteIn,
};
use ferrofuse_protocol::{Errno, Opcode};
use fuser::{
    AccessFlags, BsdFileFlags, CopyFileRangeFlags, FileAttr, FileHandle, Filesystem, FopenFlags, INodeNo, InitFlags,
    IoctlFlags, KernelConfig, LockOwner, OpenFlags, PollEvents, PollFlags, PollNotifier, RenameFlags, ReplyAttr,
    ReplyBmap, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyLseek, ReplyOpen,
    ReplyPoll, ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};

use super::attributes::{self, Change, ShownEntry};
use super::desk::{Asked, Desk, Listed, Value};
use super::{errno, Opening, Shared};
use crate::dispatch::refusal;
use crate::handler::{Caller, Memory, Offer, Outcome};
use crate::handles::Kind;
use crate::handshake::negotiate;

/// Of what is negotiated, what works through fuser; the reasons are [`CANNOT`](super::CANNOT)'s.
const CAN: u64 = init::ASYNC_READ
    | init::BIG_WRITES
    | init::ASYNC_DIO
    | init::PARALLEL_DIROPS
    | init::MAX_PAGES
    | init::ABORT_ERROR
    | init::ATOMIC_O_TRUNC
    | init::AUTO_INVAL_DATA
    | init::WRITEBACK_CACHE
    | init::CACHE_SYMLINKS
    | init::NO_OPEN_SUPPORT
    | init::NO_OPENDIR_SUPPORT
    | init::POSIX_ACL
    | init::DONT_MASK
    | init::HAS_IOCTL_DIR
    | init::DIRECT_IO_ALLOW_MMAP;

pub(super) struct Decoder<M: Memory> {
    shared: Arc<Shared<M>>,
    opening: Sender<Opening>,
}

/// A reply that may be an error.
trait Answer: Send + 'static {
    fn refuse(self, errno: Errno);
}

macro_rules! answers {
    ($($reply:ty),*) => {$(
        impl Answer for $reply {
            fn refuse(self, error: Errno) {
                self.error(errno(error));
            }
        }
    )*};
}

answers!(
    ReplyAttr,
    ReplyBmap,
    ReplyCreate,
    ReplyData,
    ReplyDirectory,
    ReplyEmpty,
    ReplyEntry,
    ReplyIoctl,
    ReplyLseek,
    ReplyOpen,
    ReplyPoll,
    ReplyStatfs,
    ReplyWrite,
    ReplyXattr
);

impl<M: Memory> Decoder<M> {
    pub(super) fn new(shared: Arc<Shared<M>>, opening: Sender<Opening>) -> Self {
        Self { shared, opening }
    }

    /// Has a worker serve a request, unless the file system doesn't have the operation.
    fn pass<R: Answer, T>(
        &self,
        request: &Request,
        opcode: Opcode,
        reply: R,
        serve: impl FnOnce(&mut Desk<'_, M>) -> Outcome<T> + Send + 'static,
        answer: impl FnOnce(R, T) + Send + 'static,
    ) {
        if !self.shared.config.handles(opcode) && refusal::is_optional(opcode) {
            return reply.refuse(refusal::errno(opcode));
        }
        let asked = Asked {
            unique: request.unique().into(),
            caller: Caller {
                uid: request.uid(),
                gid: request.gid(),
                pid: request.pid(),
            },
        };
        self.shared.post(Box::new(move |desk| {
            desk.take_up(opcode, asked);
            match serve(desk) {
                Ok(value) => answer(reply, value),
                Err(errno) => reply.refuse(errno),
            }
        }));
    }

    /// Opens something, or says that it need not be opened.
    fn pass_open(&self, request: &Request, opcode: Opcode, kind: Kind, ino: INodeNo, flags: i32, reply: ReplyOpen) {
        if self.shared.config.handles(opcode) || !self.shared.config.serves_unopened(kind) {
            let opened = |reply: ReplyOpen, (fh, flags)| reply.opened(FileHandle(fh), flags);
            return self.pass(
                request,
                opcode,
                reply,
                move |desk| desk.open(ino.0, flags, kind),
                opened,
            );
        }
        let (spared, cached) = match kind {
            Kind::File => (init::NO_OPEN_SUPPORT, FopenFlags::FOPEN_KEEP_CACHE),
            Kind::Directory => (
                init::NO_OPENDIR_SUPPORT,
                FopenFlags::FOPEN_KEEP_CACHE | FopenFlags::FOPEN_CACHE_DIR,
            ),
        };
        let direct = kind == Kind::File && self.shared.config.direct_io;
        if !direct && self.shared.granted().is_some_and(|granted| granted.flags & spared != 0) {
            return reply.refuse(Errno::ENOSYS);
        }
        let direct = if direct {
            FopenFlags::FOPEN_DIRECT_IO
        } else {
            FopenFlags::empty()
        };
        reply.opened(FileHandle(0), cached | direct);
    }

    fn pass_release(
        &self,
        request: &Request,
        opcode: Opcode,
        kind: Kind,
        ino: INodeNo,
        fh: FileHandle,
        reply: ReplyEmpty,
    ) {
        let release = move |desk: &mut Desk<'_, M>| {
            let open = desk.handle(ino.0, fh.0, kind)?;
            desk.release(&open)
        };
        self.pass(request, opcode, reply, release, done);
    }
}

fn done(reply: ReplyEmpty, (): ()) {
    reply.ok();
}

fn data(reply: ReplyData, bytes: Vec<u8>) {
    reply.data(&bytes);
}

fn entry(reply: ReplyEntry, shown: ShownEntry) {
    reply.entry_with_ttls(&shown.attr_valid, &shown.entry_valid, &shown.attr, shown.generation);
}

fn attr(reply: ReplyAttr, (attr, valid): (FileAttr, Duration)) {
    reply.attr(&valid, &attr);
}

fn xattr(reply: ReplyXattr, value: Value) {
    match value {
        Value::Size(size) => reply.size(size),
        Value::Bytes(bytes) => reply.data(&bytes),
    }
}

fn statfs(reply: ReplyStatfs, st: Kstatfs) {
    reply.statfs(
        st.blocks, st.bfree, st.bavail, st.files, st.ffree, st.bsize, st.namelen, st.frsize,
    );
}

fn listing(mut reply: ReplyDirectory, records: Vec<Listed>) {
    for (ino, next, kind, name) in records {
        let Ok(kind) = attributes::kind(kind) else {
            return reply.refuse(Errno::EIO);
        };
        // What doesn't fit is asked for again, by its cookie.
        if reply.add(INodeNo(ino), next, kind, OsStr::from_bytes(&name)) {
            break;
        }
    }
    reply.ok();
}

fn owner(lock_owner: Option<LockOwner>) -> u64 {
    lock_owner.map_or(0, |owner| owner.0)
}

impl<M: Memory> Filesystem for Decoder<M> {
    fn init(&mut self, _: &Request, kernel: &mut KernelConfig) -> io::Result<()> {
        let refused = |_| io::Error::from_raw_os_error(libc::EIO);
        let offer = Offer {
            minor: kernel.kernel_abi().1.min(abi::KERNEL_MINOR_VERSION),
            flags: kernel.capabilities().bits(),
        };
        let (answer, answered) = mpsc::sync_channel(1);
        self.opening
            .send(Opening::Offered(offer, answer))
            .map_err(|_| io::Error::from_raw_os_error(libc::EIO))?;
        let wish = answered
            .recv()
            .map_err(|_| io::Error::from_raw_os_error(libc::EIO))?
            .map_err(|errno| io::Error::from_raw_os_error(errno.raw()))?;
        let readahead = kernel.set_max_readahead(u32::MAX).err().unwrap_or_default();
        let mut granted = negotiate(&offer, readahead, &self.shared.config, wish, None);
        granted.flags &= CAN;
        kernel
            .add_capabilities(InitFlags::from_bits_retain(granted.flags))
            .map_err(|_| io::Error::from_raw_os_error(libc::EIO))?;
        kernel.set_max_write(granted.max_write).map_err(refused)?;
        kernel.set_max_readahead(granted.max_readahead).map_err(refused)?;
        let _ = kernel.set_max_background(granted.max_background);
        let _ = kernel.set_congestion_threshold(granted.congestion_threshold);
        // fuser lets a request have as many pages as the larger of the two needs.
        let most = granted.max_write.max(granted.max_readahead);
        granted.max_pages = granted.max_pages.max(most.div_ceil(granted.page_size));
        let _ = self.shared.granted.set(granted);
        Ok(())
    }

    fn lookup(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let name = name.to_owned();
        self.pass(
            request,
            Opcode::Lookup,
            reply,
            move |desk| desk.lookup(parent.0, name.as_bytes()),
            entry,
        );
    }

    fn forget(&self, _: &Request, ino: INodeNo, count: u64) {
        self.shared.post_forget(ino.0, count);
    }

    fn getattr(&self, request: &Request, ino: INodeNo, fh: Option<FileHandle>, reply: ReplyAttr) {
        let fh = fh.map(|fh| fh.0);
        self.pass(
            request,
            Opcode::Getattr,
            reply,
            move |desk| desk.getattr(ino.0, fh),
            attr,
        );
    }

    fn setattr(
        &self,
        request: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        ctime: Option<SystemTime>,
        fh: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let change = Change::default()
            .mode(mode)
            .owner(uid, gid)
            .size(size)
            .times(atime, mtime, ctime)
            .done();
        let fh = fh.map(|fh| fh.0);
        self.pass(
            request,
            Opcode::Setattr,
            reply,
            move |desk| desk.setattr(ino.0, fh, &change),
            attr,
        );
    }

    fn readlink(&self, request: &Request, ino: INodeNo, reply: ReplyData) {
        self.pass(request, Opcode::Readlink, reply, move |desk| desk.readlink(ino.0), data);
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        rdev: u32,
        reply: ReplyEntry,
    ) {
        let name = name.to_owned();
        let arg = MknodIn {
            mode,
            rdev,
            umask,
            padding: 0,
        };
        self.pass(
            request,
            Opcode::Mknod,
            reply,
            move |desk| desk.mknod(parent.0, name.as_bytes(), &arg),
            entry,
        );
    }

    fn mkdir(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, reply: ReplyEntry) {
        let (name, arg) = (name.to_owned(), MkdirIn { mode, umask });
        self.pass(
            request,
            Opcode::Mkdir,
            reply,
            move |desk| desk.mkdir(parent.0, name.as_bytes(), &arg),
            entry,
        );
    }

    fn unlink(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = name.to_owned();
        self.pass(
            request,
            Opcode::Unlink,
            reply,
            move |desk| desk.unlink(parent.0, name.as_bytes()),
            done,
        );
    }

    fn rmdir(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = name.to_owned();
        self.pass(
            request,
            Opcode::Rmdir,
            reply,
            move |desk| desk.rmdir(parent.0, name.as_bytes()),
            done,
        );
    }

    fn symlink(&self, request: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        let (name, target) = (name.to_owned(), target.to_owned());
        self.pass(
            request,
            Opcode::Symlink,
            reply,
            move |desk| desk.symlink(parent.0, name.as_bytes(), target.as_os_str().as_bytes()),
            entry,
        );
    }

    fn rename(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let (name, new_name) = (name.to_owned(), new_name.to_owned());
        self.pass(
            request,
            Opcode::Rename,
            reply,
            move |desk| {
                let (from, to) = ((parent.0, name.as_bytes()), (new_parent.0, new_name.as_bytes()));
                desk.rename(from, to, flags.bits())
            },
            done,
        );
    }

    fn link(&self, request: &Request, ino: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let name = name.to_owned();
        self.pass(
            request,
            Opcode::Link,
            reply,
            move |desk| desk.link(ino.0, parent.0, name.as_bytes()),
            entry,
        );
    }

    fn open(&self, request: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        self.pass_open(request, Opcode::Open, Kind::File, ino, flags.0, reply);
    }

    fn opendir(&self, request: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        self.pass_open(request, Opcode::Opendir, Kind::Directory, ino, flags.0, reply);
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let name = name.to_owned();
        let arg = CreateIn {
            flags: flags as u32,
            mode,
            umask,
            open_flags: 0,
        };
        let created = |reply: ReplyCreate, (shown, fh, flags): (ShownEntry, u64, FopenFlags)| {
            // One timeout for both: the shorter.
            let valid = shown.attr_valid.min(shown.entry_valid);
            reply.created(&valid, &shown.attr, shown.generation, FileHandle(fh), flags);
        };
        self.pass(
            request,
            Opcode::Create,
            reply,
            move |desk| desk.create(parent.0, name.as_bytes(), &arg),
            created,
        );
    }

    fn read(
        &self,
        request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        flags: OpenFlags,
        lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let arg = ReadIn {
            fh: fh.0,
            offset,
            size,
            lock_owner: owner(lock_owner),
            flags: flags.0 as u32,
            ..ReadIn::default()
        };
        self.pass(request, Opcode::Read, reply, move |desk| desk.read(ino.0, &arg), data);
    }

    fn write(
        &self,
        request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        data: &[u8],
        write_flags: WriteFlags,
        flags: OpenFlags,
        lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let data = data.to_owned();
        let arg = WriteIn {
            fh: fh.0,
            offset,
            size: data.len() as u32, // as decoded from one message
            write_flags: write_flags.bits(),
            lock_owner: owner(lock_owner),
            flags: flags.0 as u32,
            padding: 0,
        };
        self.pass(
            request,
            Opcode::Write,
            reply,
            move |desk| desk.write(ino.0, &arg, &data),
            ReplyWrite::written,
        );
    }

    fn flush(&self, request: &Request, ino: INodeNo, fh: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        let flush = move |desk: &mut Desk<'_, M>| {
            let open = desk.handle(ino.0, fh.0, Kind::File)?;
            desk.on(&open, false, |handler, call| handler.flush(call, open.key, open.slot))
        };
        self.pass(request, Opcode::Flush, reply, flush, done);
    }

    fn release(
        &self,
        request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.pass_release(request, Opcode::Release, Kind::File, ino, fh, reply);
    }

    fn releasedir(&self, request: &Request, ino: INodeNo, fh: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.pass_release(request, Opcode::Releasedir, Kind::Directory, ino, fh, reply);
    }

    fn fsync(&self, request: &Request, ino: INodeNo, fh: FileHandle, data_only: bool, reply: ReplyEmpty) {
        let fsync = move |desk: &mut Desk<'_, M>| {
            let open = desk.handle(ino.0, fh.0, Kind::File)?;
            desk.on(&open, false, |handler, call| {
                handler.fsync(call, open.key, open.slot, data_only)
            })
        };
        self.pass(request, Opcode::Fsync, reply, fsync, done);
    }

    fn fsyncdir(&self, request: &Request, ino: INodeNo, fh: FileHandle, data_only: bool, reply: ReplyEmpty) {
        let fsyncdir = move |desk: &mut Desk<'_, M>| {
            let open = desk.handle(ino.0, fh.0, Kind::Directory)?;
            desk.on(&open, false, |handler, call| {
                handler.fsyncdir(call, open.key, open.slot, data_only)
            })
        };
        self.pass(request, Opcode::Fsyncdir, reply, fsyncdir, done);
    }

    fn readdir(&self, request: &Request, ino: INodeNo, fh: FileHandle, offset: u64, reply: ReplyDirectory) {
        let list = move |desk: &mut Desk<'_, M>| desk.readdir(ino.0, fh.0, offset);
        self.pass(request, Opcode::Readdir, reply, list, listing);
    }

    fn statfs(&self, request: &Request, ino: INodeNo, reply: ReplyStatfs) {
        if !self.shared.config.handles(Opcode::Statfs) {
            return statfs(reply, refusal::no_figures());
        }
        let ask = move |desk: &mut Desk<'_, M>| {
            let node = desk.key(ino.0);
            desk.upcall(|handler, call| handler.statfs(call, node))
        };
        self.pass(request, Opcode::Statfs, reply, ask, statfs);
    }

    fn setxattr(
        &self,
        request: &Request,
        ino: INodeNo,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        _: u32,
        reply: ReplyEmpty,
    ) {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.pass(
            request,
            Opcode::Setxattr,
            reply,
            move |desk| desk.setxattr(ino.0, name.as_bytes(), &value, flags as u32),
            done,
        );
    }

    fn getxattr(&self, request: &Request, ino: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        let name = name.to_owned();
        self.pass(
            request,
            Opcode::Getxattr,
            reply,
            move |desk| desk.getxattr(ino.0, name.as_bytes(), size as usize),
            xattr,
        );
    }

    fn listxattr(&self, request: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        let list = move |desk: &mut Desk<'_, M>| desk.listxattr(ino.0, size as usize);
        self.pass(request, Opcode::Listxattr, reply, list, xattr);
    }

    fn removexattr(&self, request: &Request, ino: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = name.to_owned();
        let remove = move |desk: &mut Desk<'_, M>| {
            let node = desk.key(ino.0);
            let name = ferrofuse_protocol::Name::new(name.as_bytes()).map_err(|_| Errno::EINVAL)?;
            desk.upcall(|handler, call| handler.removexattr(call, node, name))
        };
        self.pass(request, Opcode::Removexattr, reply, remove, done);
    }

    fn access(&self, request: &Request, ino: INodeNo, mask: AccessFlags, reply: ReplyEmpty) {
        let ask = move |desk: &mut Desk<'_, M>| {
            let node = desk.key(ino.0);
            desk.upcall(|handler, call| handler.access(call, node, mask.bits() as u32))
        };
        self.pass(request, Opcode::Access, reply, ask, done);
    }

    fn bmap(&self, request: &Request, ino: INodeNo, blocksize: u32, block: u64, reply: ReplyBmap) {
        let arg = BmapIn {
            block,
            blocksize,
            padding: 0,
        };
        let ask = move |desk: &mut Desk<'_, M>| {
            let node = desk.key(ino.0);
            desk.upcall(|handler, call| handler.bmap(call, node, &arg))
        };
        self.pass(request, Opcode::Bmap, reply, ask, ReplyBmap::bmap);
    }

    fn ioctl(
        &self,
        request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        flags: IoctlFlags,
        command: u32,
        input: &[u8],
        room: u32,
        reply: ReplyIoctl,
    ) {
        if flags.contains(IoctlFlags::FUSE_IOCTL_UNRESTRICTED) {
            return reply.refuse(Errno::EINVAL);
        }
        let kind = match flags.contains(IoctlFlags::FUSE_IOCTL_DIR) {
            true => Kind::Directory,
            false => Kind::File,
        };
        let input = input.to_owned();
        self.pass(
            request,
            Opcode::Ioctl,
            reply,
            move |desk| desk.ioctl((ino.0, fh.0, kind), command, &input, room as usize),
            |reply, (result, output)| reply.ioctl(result, &output),
        );
    }

    fn poll(
        &self,
        request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        _: PollNotifier,
        events: PollEvents,
        _: PollFlags,
        reply: ReplyPoll,
    ) {
        let ask = move |desk: &mut Desk<'_, M>| {
            let open = desk.handle(ino.0, fh.0, Kind::File)?;
            desk.upcall(|handler, call| handler.poll(call, open.key, open.slot, events.bits(), None))
        };
        self.pass(request, Opcode::Poll, reply, ask, |reply, ready| {
            reply.poll(PollEvents::from_bits_retain(ready));
        });
    }

    fn fallocate(
        &self,
        request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let arg = FallocateIn {
            fh: fh.0,
            offset,
            length,
            mode: mode as u32,
            padding: 0,
        };
        let allocate = move |desk: &mut Desk<'_, M>| {
            let open = desk.handle(ino.0, fh.0, Kind::File)?;
            desk.on(&open, false, |handler, call| {
                handler.fallocate(call, open.key, open.slot, &arg)
            })
        };
        self.pass(request, Opcode::Fallocate, reply, allocate, done);
    }

    fn lseek(&self, request: &Request, ino: INodeNo, fh: FileHandle, offset: i64, whence: i32, reply: ReplyLseek) {
        // The kernel writes nothing back before it asks.
        if self
            .shared
            .granted()
            .is_some_and(|granted| granted.flags & init::WRITEBACK_CACHE != 0)
        {
            return reply.refuse(Errno::ENOSYS);
        }
        let arg = LseekIn {
            fh: fh.0,
            offset: offset as u64,
            whence: whence as u32,
            padding: 0,
        };
        let seek = move |desk: &mut Desk<'_, M>| desk.lseek(ino.0, &arg);
        self.pass(request, Opcode::Lseek, reply, seek, |reply, offset| {
            reply.offset(offset as i64); // below 2^63, or else negative as it came
        });
    }

    fn copy_file_range(
        &self,
        request: &Request,
        ino_in: INodeNo,
        fh_in: FileHandle,
        off_in: u64,
        ino_out: INodeNo,
        fh_out: FileHandle,
        off_out: u64,
        len: u64,
        flags: CopyFileRangeFlags,
        reply: ReplyWrite,
    ) {
        let arg = CopyFileRangeIn {
            fh_in: fh_in.0,
            off_in,
            nodeid_out: ino_out.0,
            fh_out: fh_out.0,
            off_out,
            len,
            flags: flags.bits(),
        };
        self.pass(
            request,
            Opcode::CopyFileRange,
            reply,
            move |desk| desk.copy_file_range(ino_in.0, &arg),
            ReplyWrite::written,
        );
    }
}
