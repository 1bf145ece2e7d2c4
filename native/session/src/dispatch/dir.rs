//! Directory listings.

use std::ptr;

use ferrofuse_protocol::abi::{EntryOut, ReadIn};
use ferrofuse_protocol::dirent::{DirentError, DirentPlusWalker};
use ferrofuse_protocol::{Errno, NodeId, Opcode};

use super::{dress, forget, forgotten, Serving};
use crate::handler::{Handler, Key, Memory, Outcome};
use crate::handles::{Fh, Kind};
use crate::lease::bulk_bytes;
use crate::log::Level;
use crate::reply::Delivery;
use crate::session::Session;

impl<H: Handler> Serving<'_, H> {
    pub(super) fn readdir(mut self, arg: &ReadIn) -> Delivery {
        let listing = self
            .list(arg, false)
            .and_then(|len| bulk_bytes(&*self.call.memory, len).ok_or(Errno::EIO));
        match listing {
            Ok(listing) => self.reply.bytes(listing),
            Err(errno) => self.reply.error(errno),
        }
    }

    pub(super) fn readdirplus(mut self, arg: &ReadIn) -> Delivery {
        let mut handed_out = Vec::new();
        let outcome = self.list(arg, true).and_then(|len| {
            self.hand_out_listing(len, &mut handed_out).map_err(|error| {
                let log = &self.session.log;
                log.line(
                    Level::Error,
                    "malformed listing",
                    Opcode::Readdirplus.raw(),
                    format_args!("{error}"),
                );
                error.errno()
            })?;
            Ok(len)
        });
        let listing = outcome.and_then(|len| bulk_bytes(&*self.call.memory, len).ok_or(Errno::EIO));
        match listing {
            Ok(listing) => {
                let delivery = self.reply.bytes(listing);
                if delivery != Delivery::Delivered {
                    take_back(self.session, self.handler, &handed_out);
                }
                delivery
            }
            Err(errno) => {
                take_back(self.session, self.handler, &handed_out);
                self.reply.error(errno)
            }
        }
    }

    /// Lets the handler write the listing into the bulk region; answers how many bytes of it that is.
    fn list(&mut self, arg: &ReadIn, plus: bool) -> Outcome<usize> {
        let open = self.handle(Fh(arg.fh), Kind::Directory)?;
        let size = (arg.size as usize).min(self.call.memory.bulk().len());
        let len = self.upcall(|handler, call| handler.readdir(call, open.key, open.slot, arg.offset, size, plus))?;
        if len > size {
            return Err(Errno::EIO);
        }
        Ok(len)
    }

    /// Exchanges the keys in the first `len` bytes of the bulk region for nodeids and counts each entry; `handed_out`
    /// gets them. An entry for which the node table has no room, or which is the root, is left without attributes.
    fn hand_out_listing(&mut self, len: usize, handed_out: &mut Vec<NodeId>) -> Result<(), DirentError> {
        let listing = ptr::slice_from_raw_parts_mut(self.call.memory.bulk().cast::<u8>(), len);
        // SAFETY: `list` has checked that the region has `len` bytes, and `Memory` promises that it stays mapped and
        // writable.
        let mut walker = unsafe { DirentPlusWalker::from_raw(listing)? };
        while let Some(mut record) = walker.next_record()? {
            let key = Key(record.entry.nodeid);
            if key.0 == 0 {
                continue;
            }
            if record.name.is_dots() {
                // The kernel counts no reference for these.
                record.replace(&EntryOut {
                    nodeid: 0,
                    ..record.entry
                });
                continue;
            }
            if self.is_root(key) {
                record.replace(&EntryOut::default());
                continue;
            }
            let Ok(nodeid) = self.session.nodes.acquire(key) else {
                record.replace(&EntryOut::default());
                forgotten(self.session, self.handler, key, 1);
                continue;
            };
            handed_out.push(nodeid);
            self.session
                .nodes
                .note_kind(nodeid, record.entry.attr.mode & libc::S_IFMT);
            let mut entry = EntryOut {
                nodeid: nodeid.0,
                ..record.entry
            };
            let valid = (&mut entry.attr_valid, &mut entry.attr_valid_nsec);
            dress(&self.session.config, key, &mut entry.attr, valid);
            record.replace(&entry);
        }
        Ok(())
    }
}

/// Undoes the entries of a listing that the kernel doesn't get.
fn take_back<H: Handler>(session: &Session<H::Memory>, handler: &mut H, handed_out: &[NodeId]) {
    for &nodeid in handed_out {
        forget(session, handler, nodeid, 1);
    }
}
