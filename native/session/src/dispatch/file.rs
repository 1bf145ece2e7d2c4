//! Requests about open files, and the opening of files and directories.

use ferrofuse_protocol::abi::{
    fopen, fsync, init, CreateIn, FsyncIn, OpenIn, OpenOut, ReadIn, ReleaseIn, WriteIn, WriteOut,
};
use ferrofuse_protocol::{Errno, Name, NodeId};

use super::{forget, release_unasked, unreserve, Serving};
use crate::handler::{Call, Handler, Key, Memory, Opened, Outcome};
use crate::handles::{Fh, Kind, Open};
use crate::lease::bulk_bytes;
use crate::reply::Delivery;

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

    pub(super) fn create(mut self, name: &Name, arg: &CreateIn) -> Delivery {
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
        let (entry, opened) = match self.upcall(|handler, call| handler.create(call, parent, name, arg, slot)) {
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
        let entry = self.acceptable(entry, Some(libc::S_IFREG));
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

    /// The `open(2)` flags for the handler. Under the writeback cache the kernel reads through any handle, to fill pages
    /// that are written in part, and places appended data itself.
    fn file_flags(&self, flags: u32) -> u32 {
        if self.session.granted.flags & init::WRITEBACK_CACHE == 0 {
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
            open_flags |= if config.kernel_cache { fopen::KEEP_CACHE } else { 0 };
        }
        OpenOut {
            fh: fh.0,
            open_flags,
            backing_id: 0,
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
        let outcome = self
            .handle(Fh(arg.fh), Kind::File)
            .and_then(|open| self.upcall(|handler, call| handler.write(call, open.key, open.slot, arg)));
        let taken = outcome.and_then(|len| u32::try_from(len).ok().filter(|&len| len <= arg.size).ok_or(Errno::EIO));
        match taken {
            Ok(size) => self.reply.record(&WriteOut { size, padding: 0 }),
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

    /// The handle itself ends when its last pass is given back.
    pub(super) fn release(self, arg: &ReleaseIn, kind: Kind) -> Delivery {
        let open = self.handle(Fh(arg.fh), kind);
        self.plain(|handler, call| {
            let Open { key, slot } = open?;
            match kind {
                Kind::File => handler.release(call, key, slot),
                Kind::Directory => handler.releasedir(call, key, slot),
            }
        })
    }
}
