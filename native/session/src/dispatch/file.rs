//! Requests about open files, and the opening of files and directories.

use ferrofuse_protocol::abi::{
    fopen, fsync, init, poll, write, CopyFileRangeIn, CopyFileRangeOut, CreateIn, FsyncIn, LseekIn, LseekOut, OpenIn,
    OpenOut, PollIn, PollOut, ReadIn, ReleaseIn, WriteIn, WriteOut,
};
use ferrofuse_protocol::{Errno, NodeId, Opcode};

use super::{forget, release_unasked, unreserve, Serving};
use crate::handler::{Call, Entry, Handler, Key, Memory, Opened, Outcome, Slot};
use crate::handles::{Fh, Kind, Open};
use crate::lease::bulk_bytes;
use crate::reply::{Delivery, Reply};
use crate::session::Session;

/// Most that one copy answers: what read(2) and write(2) transfer at most fits in a signed count.
const MAX_COPY: u64 = i64::MAX as u64;

/// Most that one COPY_FILE_RANGE answers; whole pages below 2^32.
const MAX_NARROW_COPY: u64 = 0xffff_f000;

impl<H: Handler> Serving<'_, H> {
    pub(super) fn open(mut self, arg: &OpenIn, kind: Kind) -> Delivery {
        let arg = &OpenIn {
            flags: self.file_flags(arg.flags),
            ..*arg
        };
        let reserved = self.node().and_then(|node| {
            let (fh, slot) = self
                .session
                .handles
                .reserve(node, arg.flags)
                .map_err(|_| Errno::ENFILE)?;
            Ok((fh, Open { key: node, slot }))
        });
        let (fh, open) = match reserved {
            Ok(reserved) => reserved,
            Err(errno) => return self.reply.error(errno),
        };
        let outcome = self.upcall(|handler, call| match kind {
            Kind::File => handler.open(call, open.key, arg, open.slot),
            Kind::Directory => handler.opendir(call, open.key, arg, open.slot),
        });
        match outcome {
            Ok(opened) => {
                let out = self.opened(fh, open, kind, opened);
                // The kernel does not say who may keep privileges: root.
                if kind == Kind::File && arg.flags & libc::O_TRUNC as u32 != 0 && self.call.caller.uid != 0 {
                    if let Err(errno) = self.clear_privileges(open) {
                        release_unasked(self.session, self.handler, &mut self.call, open, kind);
                        return self.reply.error(errno);
                    }
                }
                let delivery = self.reply.record(&out);
                if delivery != Delivery::Delivered {
                    release_unasked(self.session, self.handler, &mut self.call, open, kind);
                }
                delivery
            }
            Err(errno) => {
                unreserve(self.session, open.slot);
                self.reply.error(errno)
            }
        }
    }

    /// CREATE and TMPFILE.
    pub(super) fn create(
        mut self,
        arg: &CreateIn,
        make: impl FnOnce(&mut H, &mut Call<'_, H::Memory>, Key, &CreateIn, Slot) -> Outcome<(Entry, Opened)>,
    ) -> Delivery {
        let arg = &CreateIn {
            flags: self.file_flags(arg.flags),
            ..*arg
        };
        let reserved = self.node().and_then(|parent| {
            // The file's own key comes with the answer.
            let (fh, slot) = self
                .session
                .handles
                .reserve(Key(0), arg.flags)
                .map_err(|_| Errno::ENFILE)?;
            Ok((parent, fh, slot))
        });
        let (parent, fh, slot) = match reserved {
            Ok(reserved) => reserved,
            Err(errno) => return self.reply.error(errno),
        };
        let (entry, opened) = match self.upcall(|handler, call| make(handler, call, parent, arg, slot)) {
            Ok(created) => created,
            Err(errno) => {
                unreserve(self.session, slot);
                return self.reply.error(errno);
            }
        };
        let open = Open {
            key: Key(entry.nodeid),
            slot,
        };
        let out = self.opened(fh, open, Kind::File, opened);
        let mut entry = self.acceptable(entry, Some(libc::S_IFREG));
        let truncates = arg.flags & (libc::O_TRUNC | libc::O_EXCL) as u32 == libc::O_TRUNC as u32;
        if self.call.opcode == Opcode::Create && truncates {
            entry = entry.and_then(|entry| self.created_truncating(entry, open, arg));
        }
        match entry.and_then(|entry| self.hand_out(entry)) {
            Ok(entry) => {
                let delivery = self.reply.records(&entry, &out);
                if delivery != Delivery::Delivered {
                    release_unasked(self.session, self.handler, &mut self.call, open, Kind::File);
                    forget(self.session, self.handler, NodeId(entry.nodeid), 1);
                }
                delivery
            }
            Err(errno) => {
                release_unasked(self.session, self.handler, &mut self.call, open, Kind::File);
                self.reply.error(errno)
            }
        }
    }

    /// Whether the kernel may have data and sizes that the handler doesn't know yet.
    fn is_written_back(&self) -> bool {
        self.session.granted.flags & init::WRITEBACK_CACHE != 0
    }

    /// The `open(2)` flags for the handler. Under the writeback cache the kernel reads through any handle, to fill pages
    /// that are written in part, and places appended data itself.
    fn file_flags(&self, flags: u32) -> u32 {
        if !self.is_written_back() {
            return flags;
        }
        let [access, write_only, read_write, append] =
            [libc::O_ACCMODE, libc::O_WRONLY, libc::O_RDWR, libc::O_APPEND].map(|flag| flag as u32);
        let flags = flags & !append;
        if flags & access == write_only {
            flags & !access | read_write
        } else {
            flags
        }
    }

    /// Files the handle, so that it is known before the kernel can name it.
    fn opened(&self, fh: Fh, open: Open, kind: Kind, opened: Opened) -> OpenOut {
        self.session
            .handles
            .opened(open.slot, open.key, kind, opened.concurrency);
        self.session.gate.open(fh, opened.concurrency);
        let mut open_flags = opened.flags & !fopen::PASSTHROUGH;
        if kind == Kind::File {
            let config = &self.session.config;
            open_flags |= if config.direct_io { fopen::DIRECT_IO } else { 0 };
            open_flags |= if config.kernel_cache || config.auto_cache {
                fopen::KEEP_CACHE
            } else {
                0
            };
            if self.session.locks.is_some() {
                // The flush of a close is what ends POSIX locks.
                open_flags &= !fopen::NOFLUSH;
            }
        }
        let backings = self.session.backings.as_ref().filter(|_| kind == Kind::File);
        let (open_flags, backing_id) = match backings {
            Some(backings) => backings.opened(open.key, open_flags, opened.backing),
            None => (open_flags, 0),
        };
        OpenOut {
            fh: fh.0,
            open_flags,
            backing_id,
        }
    }

    pub(super) fn read(mut self, arg: &ReadIn) -> Delivery {
        let size = arg.size as usize;
        let outcome = self.handle(Fh(arg.fh), Kind::File).and_then(|open| {
            if size > self.call.memory.bulk().len() {
                return Err(Errno::EINVAL);
            }
            self.upcall(|handler, call| handler.read(call, open.key, open.slot, arg))
        });
        let data = outcome.and_then(|len| {
            let len = Some(len).filter(|&len| len <= size).ok_or(Errno::EIO)?;
            bulk_bytes(&*self.call.memory, len).ok_or(Errno::EIO)
        });
        match data {
            Ok(data) => self.reply.bytes(data),
            Err(errno) => self.reply.error(errno),
        }
    }

    /// Decoding has checked that `arg.size` bytes came with it.
    pub(super) fn write(mut self, arg: &WriteIn) -> Delivery {
        let outcome = self.handle(Fh(arg.fh), Kind::File).and_then(|open| {
            if arg.write_flags & write::KILL_SUIDGID != 0 {
                self.clear_privileges(open)?;
            }
            self.upcall(|handler, call| handler.write(call, open.key, open.slot, arg))
        });
        let taken = outcome.and_then(|len| u32::try_from(len).ok().filter(|&len| len <= arg.size).ok_or(Errno::EIO));
        match taken {
            Ok(size) => self.reply.record(&WriteOut { size, padding: 0 }),
            Err(errno) => self.reply.error(errno),
        }
    }

    /// A file system that doesn't tell holes from data has files that are all data, with a hole at the end (lseek(2)).
    pub(super) fn lseek(mut self, arg: &LseekIn) -> Delivery {
        // The kernel writes nothing back before it asks, so data that was just written would be taken for a hole. After
        // ENOSYS it answers by itself: all is data up to the size that it knows.
        if self.is_written_back() {
            return self.reply.error(Errno::ENOSYS);
        }
        let outcome = self.handle(Fh(arg.fh), Kind::File).and_then(|Open { key, slot }| {
            // The kernel passes negative offsets on; its own file systems take them for ones past every end.
            if i64::try_from(arg.offset).is_err() {
                return Err(Errno::ENXIO);
            }
            let found = self.upcall(|handler, call| handler.lseek(call, key, slot, arg));
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
        });
        match outcome {
            Ok(offset) => self.reply.record(&LseekOut { offset }),
            Err(errno) => self.reply.error(errno),
        }
    }

    /// Answers the shorter record to COPY_FILE_RANGE, whose count has 32 bits; the caller goes on where that ended.
    pub(super) fn copy_file_range(mut self, arg: &CopyFileRangeIn) -> Delivery {
        let wide = self.call.opcode == Opcode::CopyFileRange64;
        let arg = &CopyFileRangeIn {
            len: arg.len.min(if wide { MAX_COPY } else { MAX_NARROW_COPY }),
            ..*arg
        };
        let target = self.handle(Fh(arg.fh_out), Kind::File);
        let outcome = self.handle(Fh(arg.fh_in), Kind::File).and_then(|source| {
            let target = target?;
            self.upcall(|handler, call| handler.copy_file_range(call, source.slot, target.slot, arg))
        });
        match outcome {
            Ok(copied) if copied > arg.len => self.reply.error(Errno::EIO),
            Ok(bytes_copied) if wide => self.reply.record(&CopyFileRangeOut { bytes_copied }),
            Ok(copied) => self.reply.record(&WriteOut {
                size: copied as u32, // at most MAX_NARROW_COPY
                padding: 0,
            }),
            Err(errno) => self.reply.error(errno),
        }
    }

    pub(super) fn fsync(self, arg: &FsyncIn) -> Delivery {
        let data_only = arg.fsync_flags & fsync::FDATASYNC != 0;
        self.on_file(Fh(arg.fh), |handler, call, open| {
            handler.fsync(call, open.key, open.slot, data_only)
        })
    }

    pub(super) fn fsyncdir(self, arg: &FsyncIn) -> Delivery {
        let data_only = arg.fsync_flags & fsync::FDATASYNC != 0;
        let open = self.handle(Fh(arg.fh), Kind::Directory);
        self.plain(|handler, call| {
            let open = open?;
            handler.fsyncdir(call, open.key, open.slot, data_only)
        })
    }

    /// Calls the handler about an open file, for something that succeeds without saying anything.
    pub(super) fn on_file(
        self,
        fh: Fh,
        call: impl FnOnce(&mut H, &mut Call<'_, H::Memory>, Open) -> Outcome<()>,
    ) -> Delivery {
        let open = self.handle(fh, Kind::File);
        self.plain(|handler, arguments| call(handler, arguments, open?))
    }

    pub(super) fn poll(mut self, arg: &PollIn) -> Delivery {
        let wake = (arg.flags & poll::SCHEDULE_NOTIFY != 0).then_some(arg.kh);
        let outcome = self
            .handle(Fh(arg.fh), Kind::File)
            .and_then(|open| self.upcall(|handler, call| handler.poll(call, open.key, open.slot, arg.events, wake)));
        match outcome {
            Ok(revents) => self.reply.record(&PollOut { revents, padding: 0 }),
            Err(errno) => self.reply.error(errno),
        }
    }

    /// The handle itself ends when its last pass is given back.
    pub(super) fn release(mut self, arg: &ReleaseIn, kind: Kind) -> Delivery {
        if self.session.is_unopened(Fh(arg.fh), kind) {
            return self.reply.empty();
        }
        let open = self.handle(Fh(arg.fh), kind);
        self.unlock_released(open, arg);
        let outcome = self.upcall(|handler, call| {
            let Open { key, slot } = open?;
            match kind {
                Kind::File => handler.release(call, key, slot),
                Kind::Directory => handler.releasedir(call, key, slot),
            }
        });
        self.released(open, arg);
        match outcome {
            Ok(()) => self.reply.empty(),
            Err(errno) => self.reply.error(errno),
        }
    }
}

/// Answers an open where nothing is opened. `ENOSYS` has the kernel never ask again, keep what its cache has, use fh 0 and
/// send no release, also for a mount's later opens; where it must be told otherwise each time, it is told, and fh 0 too.
pub(super) fn open_nothing<M: Memory>(session: &Session<M>, kind: Kind, reply: Reply<'_>) -> Delivery {
    let (spared, cached) = match kind {
        Kind::File => (init::NO_OPEN_SUPPORT, fopen::KEEP_CACHE),
        Kind::Directory => (init::NO_OPENDIR_SUPPORT, fopen::KEEP_CACHE | fopen::CACHE_DIR),
    };
    let direct = kind == Kind::File && session.config.direct_io;
    if session.granted.flags & spared != 0 && !direct {
        return reply.error(Errno::ENOSYS);
    }
    reply.record(&OpenOut {
        fh: 0,
        open_flags: cached | if direct { fopen::DIRECT_IO } else { 0 },
        backing_id: 0,
    })
}
