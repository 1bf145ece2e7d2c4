//! A worker's calls on the handler, in terms that fuser's replies are made of.
//!
//! Called by the jobs that `decoder` has queued.

use std::ops::Range;
use std::time::Duration;

use ferrofuse_protocol::abi::{
    self, fattr, AttrOut, CopyFileRangeIn, CreateIn, LseekIn, MkdirIn, MknodIn, OpenIn, ReadIn, SetattrIn, WriteIn,
};
use ferrofuse_protocol::dirent::DirentWalker;
use ferrofuse_protocol::{Errno, Name, Opcode};
use fuser::{FileAttr, FopenFlags};

use super::attributes::{self, ShownEntry};
use super::tables::{Open, ROOT};
use super::{Job, Shared};
use crate::dispatch::guarded;
use crate::handler::{Call, Caller, Entry, Handle, Handler, Ioctl, Key, Memory, Opened, Outcome, Slot};
use crate::handles::Kind;
use crate::log::Level;

/// How much of a directory is asked for at once: the least that the kernel ever has room for, since fuser doesn't say how
/// much it is.
const LISTING: usize = 4096;

/// Most bytes that a command number of an ioctl(2) can speak of (`_IOC_SIZEBITS` of `<asm-generic/ioctl.h>`).
const MAX_IOCTL: usize = 1 << 14;

/// Longest target of a symbolic link: a page less the NUL that the kernel adds.
const MAX_TARGET: usize = 4095;

/// Who asked for what.
#[derive(Clone, Copy, Default)]
pub(super) struct Asked {
    pub(super) unique: u64,
    pub(super) caller: Caller,
}

/// A record of a listing: inode number, cookie of the next one, `DT_*`, name.
pub(super) type Listed = (u64, u64, u32, Vec<u8>);

/// A worker, with what it answers in.
pub(super) struct Desk<'a, M: Memory> {
    shared: &'a Shared<M>,
    handler: &'a mut (dyn Handler<Memory = M> + 'a),
    memory: &'a mut M,
    opcode: Opcode,
    asked: Asked,
}

impl<'a, M: Memory> Desk<'a, M> {
    pub(super) fn new(
        shared: &'a Shared<M>,
        handler: &'a mut (dyn Handler<Memory = M> + 'a),
        memory: &'a mut M,
    ) -> Self {
        Self {
            shared,
            handler,
            memory,
            opcode: Opcode::Init,
            asked: Asked::default(),
        }
    }

    /// The request that the next calls are made for.
    pub(super) fn take_up(&mut self, opcode: Opcode, asked: Asked) {
        (self.opcode, self.asked) = (opcode, asked);
    }

    /// Calls the handler. A panic is `EIO`; `ENOSYS` would be heard for every file.
    pub(super) fn upcall<T>(
        &mut self,
        call: impl FnOnce(&mut (dyn Handler<Memory = M> + 'a), &mut Call<'_, M>) -> Outcome<T>,
    ) -> Outcome<T> {
        let mut arguments = Call {
            unique: self.asked.unique,
            opcode: self.opcode,
            caller: self.asked.caller,
            memory: &mut *self.memory,
        };
        let handler = &mut *self.handler;
        match guarded(&self.shared.log, self.opcode, || call(handler, &mut arguments)) {
            Err(Errno::ENOSYS) => Err(Errno::EOPNOTSUPP),
            outcome => outcome,
        }
    }

    pub(super) fn key(&self, nodeid: u64) -> Key {
        Key(self.shared.tables.exchange(nodeid))
    }

    // --- names

    pub(super) fn lookup(&mut self, parent: u64, name: &[u8]) -> Outcome<ShownEntry> {
        let (parent, name) = (self.key(parent), component(name)?);
        let absent = |valid: Duration| match valid.is_zero() {
            true => Err(Errno::ENOENT),
            false => Ok(attributes::absent(valid)),
        };
        match self.upcall(|handler, call| handler.lookup(call, parent, name))? {
            Some(entry) if entry.nodeid == 0 => absent(Duration::new(entry.entry_valid, entry.entry_valid_nsec)),
            Some(entry) => self.hand_out(entry, None),
            None => absent(self.shared.config.negative_timeout),
        }
    }

    pub(super) fn mknod(&mut self, parent: u64, name: &[u8], arg: &MknodIn) -> Outcome<ShownEntry> {
        let (parent, name) = (self.key(parent), component(name)?);
        let entry = self.upcall(|handler, call| handler.mknod(call, parent, name, arg))?;
        let kind = match arg.mode & libc::S_IFMT {
            0 => libc::S_IFREG,
            kind => kind,
        };
        self.hand_out(entry, Some(kind))
    }

    pub(super) fn mkdir(&mut self, parent: u64, name: &[u8], arg: &MkdirIn) -> Outcome<ShownEntry> {
        let (parent, name) = (self.key(parent), component(name)?);
        let entry = self.upcall(|handler, call| handler.mkdir(call, parent, name, arg))?;
        self.hand_out(entry, Some(libc::S_IFDIR))
    }

    pub(super) fn symlink(&mut self, parent: u64, name: &[u8], target: &[u8]) -> Outcome<ShownEntry> {
        let (parent, name) = (self.key(parent), component(name)?);
        let entry = self.upcall(|handler, call| handler.symlink(call, parent, name, target))?;
        self.hand_out(entry, Some(libc::S_IFLNK))
    }

    pub(super) fn link(&mut self, nodeid: u64, parent: u64, name: &[u8]) -> Outcome<ShownEntry> {
        let (node, parent, name) = (self.key(nodeid), self.key(parent), component(name)?);
        let entry = self.upcall(|handler, call| handler.link(call, node, parent, name))?;
        let kind = self.shared.tables.kind(nodeid);
        self.hand_out(entry, kind)
    }

    pub(super) fn unlink(&mut self, parent: u64, name: &[u8]) -> Outcome<()> {
        let (parent, name) = (self.key(parent), component(name)?);
        self.upcall(|handler, call| handler.unlink(call, parent, name))
    }

    pub(super) fn rmdir(&mut self, parent: u64, name: &[u8]) -> Outcome<()> {
        let (parent, name) = (self.key(parent), component(name)?);
        self.upcall(|handler, call| handler.rmdir(call, parent, name))
    }

    pub(super) fn rename(&mut self, from: (u64, &[u8]), to: (u64, &[u8]), flags: u32) -> Outcome<()> {
        let (parent, name) = (self.key(from.0), component(from.1)?);
        let (new_parent, new_name) = (self.key(to.0), component(to.1)?);
        self.upcall(|handler, call| handler.rename(call, parent, name, new_parent, new_name, flags))
    }

    /// Counts an entry that is about to be sent. What the kernel would harm itself with is given back, and is `EIO`: the root
    /// as somebody's child, and something made with another type than was asked for.
    fn hand_out(&mut self, mut entry: Entry, kind: Option<u32>) -> Outcome<ShownEntry> {
        let key = Key(entry.nodeid);
        let nodeid = self.shared.tables.exchange(key.0);
        let found = entry.attr.mode & libc::S_IFMT;
        if attributes::dress(&self.shared.config, key, &mut entry.attr) {
            (entry.attr_valid, entry.attr_valid_nsec) = (0, 0);
        }
        let shown = attributes::entry(&entry, nodeid);
        match shown {
            Ok(shown) if nodeid != ROOT && kind.is_none_or(|kind| kind == found) => {
                self.shared.tables.acquire(nodeid, found);
                Ok(shown)
            }
            _ => {
                self.shared.log.line(
                    Level::Error,
                    "impossible entry",
                    self.opcode.raw(),
                    format_args!(
                        "{} answered node {} with type {found:#o}; answered EIO",
                        self.opcode, key.0
                    ),
                );
                self.forgotten(key, 1);
                Err(Errno::EIO)
            }
        }
    }

    pub(super) fn forget(&mut self, nodeid: u64, count: u64) {
        if let Some(lookups) = self.shared.tables.forget(nodeid, count) {
            self.forgotten(self.key(nodeid), lookups);
        }
    }

    fn forgotten(&mut self, key: Key, lookups: u64) {
        if self.shared.config.handles(Opcode::Forget) {
            // A forget has no answer; a panic in it was logged.
            let _ = guarded(&self.shared.log, Opcode::Forget, || {
                self.handler.forget(key, lookups);
                Ok(())
            });
        }
    }

    // --- nodes

    pub(super) fn getattr(&mut self, nodeid: u64, fh: Option<u64>) -> Outcome<(FileAttr, Duration)> {
        let (node, slot) = (self.key(nodeid), self.slot(fh)?);
        let out = self.upcall(|handler, call| handler.getattr(call, node, slot))?;
        self.shown(nodeid, out)
    }

    pub(super) fn setattr(
        &mut self,
        nodeid: u64,
        fh: Option<u64>,
        change: &SetattrIn,
    ) -> Outcome<(FileAttr, Duration)> {
        let node = self.key(nodeid);
        let open = fh.and_then(|fh| self.shared.tables.find(fh));
        let slot = self.slot(fh)?;
        let change = &SetattrIn {
            valid: change.valid | if slot.is_some() { fattr::FH } else { 0 },
            ..*change
        };
        let out = match open {
            Some(open) => open.in_order(false, || {
                self.upcall(|handler, call| handler.setattr(call, node, slot, change))
            }),
            None => self.upcall(|handler, call| handler.setattr(call, node, slot, change)),
        }?;
        self.shown(nodeid, out)
    }

    /// A node's attributes. One that has changed its type would end the kernel's inode.
    fn shown(&self, nodeid: u64, mut out: AttrOut) -> Outcome<(FileAttr, Duration)> {
        let known = self.shared.tables.kind(nodeid);
        if known.is_some_and(|kind| kind != out.attr.mode & libc::S_IFMT) {
            return Err(Errno::EIO);
        }
        if attributes::dress(&self.shared.config, self.key(nodeid), &mut out.attr) {
            (out.attr_valid, out.attr_valid_nsec) = (0, 0);
        }
        // The root never comes as an entry, so it alone may show its own number.
        let ino = if nodeid == ROOT { out.attr.ino } else { nodeid };
        attributes::answer(&out, ino)
    }

    /// The slot of a file's handle. A directory's is none that the handler asked for.
    fn slot(&self, fh: Option<u64>) -> Outcome<Option<Slot>> {
        let Some(fh) = fh.filter(|&fh| !self.is_unopened(fh, Kind::File)) else {
            return Ok(None);
        };
        let open = self.shared.tables.find(fh).ok_or(Errno::EBADF)?;
        Ok((open.kind == Kind::File).then_some(open.slot))
    }

    pub(super) fn readlink(&mut self, nodeid: u64) -> Outcome<Vec<u8>> {
        let node = self.key(nodeid);
        let len = self.upcall(|handler, call| handler.readlink(call, node))?;
        if len > MAX_TARGET {
            return Err(Errno::ENAMETOOLONG);
        }
        self.bytes(0..len)
    }

    pub(super) fn setxattr(&mut self, nodeid: u64, name: &[u8], value: &[u8], flags: u32) -> Outcome<()> {
        let (node, name) = (self.key(nodeid), Name::new(name).map_err(|_| Errno::EINVAL)?);
        let value = self.put(value).map_err(|_| Errno::E2BIG)?;
        self.upcall(|handler, call| handler.setxattr(call, node, name, value, flags, false))
    }

    pub(super) fn getxattr(&mut self, nodeid: u64, name: &[u8], size: usize) -> Outcome<Value> {
        let (node, name) = (self.key(nodeid), Name::new(name).map_err(|_| Errno::EINVAL)?);
        self.value(size, |handler, call, room| handler.getxattr(call, node, name, room))
    }

    pub(super) fn listxattr(&mut self, nodeid: u64, size: usize) -> Outcome<Value> {
        let node = self.key(nodeid);
        self.value(size, |handler, call, room| handler.listxattr(call, node, room))
    }

    /// Size 0 is answered by the length; otherwise the bytes have to fit in `size`.
    fn value(
        &mut self,
        size: usize,
        get: impl FnOnce(&mut (dyn Handler<Memory = M> + 'a), &mut Call<'_, M>, usize) -> Outcome<usize>,
    ) -> Outcome<Value> {
        let room = size.min(self.memory.bulk().len());
        let len = self.upcall(|handler, call| get(handler, call, room))?;
        if size == 0 {
            return u32::try_from(len).map(Value::Size).map_err(|_| Errno::E2BIG);
        }
        if len > size {
            return Err(Errno::ERANGE);
        }
        self.bytes(0..len).map(Value::Bytes)
    }

    // --- handles

    fn is_unopened(&self, fh: u64, kind: Kind) -> bool {
        fh == 0 && self.shared.config.serves_unopened(kind)
    }

    pub(super) fn handle(&self, nodeid: u64, fh: u64, kind: Kind) -> Outcome<Open> {
        if self.is_unopened(fh, kind) {
            return Ok(Open::unopened(self.key(nodeid), kind));
        }
        let open = self.shared.tables.find(fh).ok_or(Errno::EBADF)?;
        (open.kind == kind).then_some(open).ok_or(Errno::EBADF)
    }

    /// Calls the handler about an open file or directory, in the order that its concurrency asks for.
    pub(super) fn on<T>(
        &mut self,
        open: &Open,
        reads: bool,
        call: impl FnOnce(&mut (dyn Handler<Memory = M> + 'a), &mut Call<'_, M>) -> Outcome<T>,
    ) -> Outcome<T> {
        open.in_order(reads, || self.upcall(call))
    }

    pub(super) fn open(&mut self, nodeid: u64, flags: i32, kind: Kind) -> Outcome<(u64, FopenFlags)> {
        let node = self.key(nodeid);
        let arg = &OpenIn {
            flags: self.file_flags(flags),
            open_flags: 0,
        };
        let slot = self.shared.tables.reserve()?;
        let outcome = self.upcall(|handler, call| match kind {
            Kind::File => handler.open(call, node, arg, slot),
            Kind::Directory => handler.opendir(call, node, arg, slot),
        });
        match outcome {
            Ok(opened) => Ok(self.opened(node, slot, kind, &opened)),
            Err(errno) => {
                self.shared.tables.end(slot);
                Err(errno)
            }
        }
    }

    pub(super) fn create(
        &mut self,
        parent: u64,
        name: &[u8],
        arg: &CreateIn,
    ) -> Outcome<(ShownEntry, u64, FopenFlags)> {
        let (parent, name) = (self.key(parent), component(name)?);
        let arg = &CreateIn {
            flags: self.file_flags(arg.flags as i32),
            ..*arg
        };
        let slot = self.shared.tables.reserve()?;
        let (entry, opened) = match self.upcall(|handler, call| handler.create(call, parent, name, arg, slot)) {
            Ok(made) => made,
            Err(errno) => {
                self.shared.tables.end(slot);
                return Err(errno);
            }
        };
        let (fh, flags) = self.opened(Key(entry.nodeid), slot, Kind::File, &opened);
        match self.hand_out(entry, Some(libc::S_IFREG)) {
            Ok(shown) => Ok((shown, fh, flags)),
            Err(errno) => {
                if let Some(open) = self.shared.tables.find(fh) {
                    // Nobody hears how it went.
                    let _ = self.release(&open);
                }
                Err(errno)
            }
        }
    }

    /// Under the writeback cache the kernel reads through any handle and places appended data itself.
    fn file_flags(&self, flags: i32) -> u32 {
        let written_back = self
            .shared
            .granted()
            .is_some_and(|granted| granted.flags & abi::init::WRITEBACK_CACHE != 0);
        let flags = match flags & libc::O_ACCMODE {
            _ if !written_back => flags,
            libc::O_WRONLY => flags & !(libc::O_APPEND | libc::O_ACCMODE) | libc::O_RDWR,
            _ => flags & !libc::O_APPEND,
        };
        flags as u32
    }

    fn opened(&self, key: Key, slot: Slot, kind: Kind, opened: &Opened) -> (u64, FopenFlags) {
        let fh = self.shared.tables.opened(key, slot, kind, opened.concurrency);
        let config = &self.shared.config;
        let mut flags = FopenFlags::from_bits_retain(opened.flags) - FopenFlags::FOPEN_PASSTHROUGH;
        flags.set(
            FopenFlags::FOPEN_DIRECT_IO,
            flags.contains(FopenFlags::FOPEN_DIRECT_IO) || kind == Kind::File && config.direct_io,
        );
        flags.set(
            FopenFlags::FOPEN_KEEP_CACHE,
            flags.contains(FopenFlags::FOPEN_KEEP_CACHE)
                || kind == Kind::File && (config.kernel_cache || config.auto_cache),
        );
        (fh, flags)
    }

    /// The last call on a handle.
    pub(super) fn release(&mut self, open: &Open) -> Outcome<()> {
        if open.slot == Slot::UNOPENED {
            return Ok(());
        }
        let (key, slot) = (open.key, open.slot);
        let outcome = self.on(open, false, |handler, call| match open.kind {
            Kind::File => handler.release(call, key, slot),
            Kind::Directory => handler.releasedir(call, key, slot),
        });
        self.shared.tables.end(slot);
        outcome
    }

    pub(super) fn release_leftovers(&mut self) {
        for open in self.shared.tables.leftovers() {
            let opcode = match open.kind {
                Kind::File => Opcode::Release,
                Kind::Directory => Opcode::Releasedir,
            };
            self.take_up(opcode, Asked::default());
            // Nobody hears how it went.
            let _ = self.release(&open);
        }
    }

    pub(super) fn read(&mut self, nodeid: u64, arg: &ReadIn) -> Outcome<Vec<u8>> {
        let (open, size) = (self.handle(nodeid, arg.fh, Kind::File)?, arg.size as usize);
        if size > self.memory.bulk().len() {
            return Err(Errno::EINVAL);
        }
        let len = self.on(&open, true, |handler, call| {
            handler.read(call, open.key, open.slot, arg)
        })?;
        if len > size {
            return Err(Errno::EIO);
        }
        self.bytes(0..len)
    }

    pub(super) fn write(&mut self, nodeid: u64, arg: &WriteIn, data: &[u8]) -> Outcome<u32> {
        let open = self.handle(nodeid, arg.fh, Kind::File)?;
        self.put(data)?;
        let taken = self.on(&open, false, |handler, call| {
            handler.write(call, open.key, open.slot, arg)
        })?;
        u32::try_from(taken)
            .ok()
            .filter(|&taken| taken <= arg.size)
            .ok_or(Errno::EIO)
    }

    /// Where a file system doesn't tell holes from data, a file is all data, with a hole at its end.
    pub(super) fn lseek(&mut self, nodeid: u64, arg: &LseekIn) -> Outcome<u64> {
        let open = self.handle(nodeid, arg.fh, Kind::File)?;
        if i64::try_from(arg.offset).is_err() {
            return Err(Errno::ENXIO);
        }
        let (key, slot) = (open.key, open.slot);
        let found = self.on(&open, true, |handler, call| handler.lseek(call, key, slot, arg));
        if found != Err(Errno::EOPNOTSUPP) {
            return found;
        }
        let size = self
            .upcall(|handler, call| handler.getattr(call, key, Some(slot)))?
            .attr
            .size;
        match arg.whence as i32 {
            _ if arg.offset >= size => Err(Errno::ENXIO),
            libc::SEEK_DATA => Ok(arg.offset),
            libc::SEEK_HOLE => Ok(size),
            _ => Err(Errno::EINVAL),
        }
    }

    pub(super) fn copy_file_range(&mut self, nodeid: u64, arg: &CopyFileRangeIn) -> Outcome<u32> {
        const MOST: u64 = 0xffff_f000; // whole pages below 2^32
        let arg = &CopyFileRangeIn {
            len: arg.len.min(MOST),
            ..*arg
        };
        let source = self.handle(nodeid, arg.fh_in, Kind::File)?;
        let target = self.handle(arg.nodeid_out, arg.fh_out, Kind::File)?;
        let copied = self.on(&target, false, |handler, call| {
            handler.copy_file_range(call, source.slot, target.slot, arg)
        })?;
        u32::try_from(copied)
            .ok()
            .filter(|&copied| u64::from(copied) <= arg.len)
            .ok_or(Errno::EIO)
    }

    pub(super) fn ioctl(
        &mut self,
        (nodeid, fh, kind): (u64, u64, Kind),
        command: u32,
        input: &[u8],
        room: usize,
    ) -> Outcome<(i32, Vec<u8>)> {
        let open = self.handle(nodeid, fh, kind)?;
        if input.len() >= MAX_IOCTL || room >= MAX_IOCTL || self.memory.bulk().len() < 2 * MAX_IOCTL {
            return Err(Errno::EINVAL);
        }
        if open.slot == Slot::UNOPENED {
            return Err(Errno::ENOTTY);
        }
        let handle = match kind {
            Kind::File => Handle::File(open.slot),
            Kind::Directory => Handle::Directory(open.slot),
        };
        let ioctl = Ioctl {
            command,
            argument: 0,
            input: self.put(input)?,
            output: MAX_IOCTL..MAX_IOCTL + room,
        };
        let (result, len) = self.on(&open, false, |handler, call| handler.ioctl(call, handle, &ioctl))?;
        let result = i32::try_from(result).map_err(|_| Errno::EIO)?;
        if len > room {
            return Err(Errno::EIO);
        }
        Ok((result, self.bytes(MAX_IOCTL..MAX_IOCTL + len)?))
    }

    pub(super) fn readdir(&mut self, nodeid: u64, fh: u64, cookie: u64) -> Outcome<Vec<Listed>> {
        let open = self.handle(nodeid, fh, Kind::Directory)?;
        let len = self.on(&open, false, |handler, call| {
            handler.readdir(call, open.key, open.slot, cookie, LISTING, false)
        })?;
        let bulk = self.memory.bulk();
        if len > LISTING.min(bulk.len()) {
            return Err(Errno::EIO);
        }
        let listing = std::ptr::slice_from_raw_parts(bulk.cast::<u8>().cast_const(), len);
        // SAFETY: inside the region, which `Memory` promises to stay mapped.
        let mut walker = unsafe { DirentWalker::from_raw(listing) }.map_err(|error| error.errno())?;
        let mut listed = Vec::new();
        while let Some((record, name)) = walker.next_record().map_err(|error| error.errno())? {
            listed.push((record.ino, record.off, record.r#type, name.as_bytes().to_vec()));
        }
        Ok(listed)
    }

    // --- the bulk region

    /// Copies what came with a request to the start of the bulk region.
    fn put(&mut self, data: &[u8]) -> Outcome<Range<usize>> {
        let bulk = self.memory.bulk();
        if data.len() > bulk.len() {
            return Err(Errno::EINVAL);
        }
        // SAFETY: `Memory` promises a writable region, which has room as was checked and lies in no borrow.
        unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), bulk.cast::<u8>(), data.len()) };
        Ok(0..data.len())
    }

    /// Copies an answer out of the bulk region.
    fn bytes(&self, range: Range<usize>) -> Outcome<Vec<u8>> {
        let bulk = self.memory.bulk();
        if range.end > bulk.len() {
            return Err(Errno::EIO);
        }
        let mut bytes = vec![0; range.len()];
        // SAFETY: inside the region, as was checked, which `Memory` promises to be mapped; `bytes` is new.
        unsafe { std::ptr::copy_nonoverlapping(bulk.cast::<u8>().add(range.start), bytes.as_mut_ptr(), range.len()) };
        Ok(bytes)
    }
}

impl<M: Memory> Shared<M> {
    /// Queues what has no answer.
    pub(super) fn post_forget(&self, nodeid: u64, count: u64) {
        let job: Job<M> = Box::new(move |desk| desk.forget(nodeid, count));
        self.post(job);
    }
}

/// The answer to GETXATTR and LISTXATTR.
pub(super) enum Value {
    Size(u32),
    Bytes(Vec<u8>),
}

fn component(name: &[u8]) -> Outcome<&Name> {
    Name::component(name).map_err(|_| Errno::EINVAL)
}
