//! Requests about names in a directory, and the entries that they hand out.

use std::fmt;

use ferrofuse_protocol::abi::{init, EntryOut, MkdirIn, MknodIn};
use ferrofuse_protocol::{Errno, Name, NodeId};

use super::{dress, forget, forgotten, Serving};
use crate::handler::{Entry, Handler, Key, Outcome};
use crate::log::Level;
use crate::nodes::ROOT;
use crate::reply::Delivery;

impl<H: Handler> Serving<'_, H> {
    pub(super) fn lookup(mut self, name: &Name) -> Delivery {
        let outcome = self
            .looked_up(name)
            .and_then(|parent| self.upcall(|handler, call| handler.lookup(call, parent, name)));
        match outcome {
            Ok(Some(absent)) if absent.nodeid == 0 => self.no_entry(absent.entry_valid, absent.entry_valid_nsec),
            Ok(Some(entry)) if name.is_dots() => {
                let outcome = self.count(entry);
                self.counted(outcome)
            }
            Ok(Some(entry)) => self.entry(Ok(entry)),
            Ok(None) => {
                let timeout = self.session.config.negative_timeout;
                self.no_entry(timeout.as_secs(), timeout.subsec_nanos())
            }
            Err(errno) => self.reply.error(errno),
        }
    }

    /// The node that a look-up begins at. "." and ".." come from those who have a file handle, which the kernel may have
    /// forgotten; it doesn't ask for them unless we said that they are answered.
    fn looked_up(&self, name: &Name) -> Outcome<Key> {
        if !name.is_dots() {
            return self.node();
        }
        let nodes = &self.session.nodes;
        let exported = self.session.granted.flags & init::EXPORT_SUPPORT != 0;
        let key = exported.then(|| nodes.key_of_handle(NodeId(self.header.nodeid)));
        key.flatten().ok_or(Errno::ESTALE)
    }

    /// nodeid 0 lets the kernel remember that there is no such name.
    fn no_entry(self, entry_valid: u64, entry_valid_nsec: u32) -> Delivery {
        if (entry_valid, entry_valid_nsec) == (0, 0) {
            return self.reply.error(Errno::ENOENT);
        }
        self.reply.record(&EntryOut {
            entry_valid,
            entry_valid_nsec,
            ..EntryOut::default()
        })
    }

    pub(super) fn mknod(mut self, name: &Name, arg: &MknodIn) -> Delivery {
        let outcome = self
            .node()
            .and_then(|dir| self.upcall(|handler, call| handler.mknod(call, dir, name, arg)));
        let kind = match arg.mode & libc::S_IFMT {
            0 => libc::S_IFREG,
            kind => kind,
        };
        self.made(outcome, Some(kind))
    }

    pub(super) fn mkdir(mut self, name: &Name, arg: &MkdirIn) -> Delivery {
        let outcome = self
            .node()
            .and_then(|dir| self.upcall(|handler, call| handler.mkdir(call, dir, name, arg)));
        self.made(outcome, Some(libc::S_IFDIR))
    }

    pub(super) fn symlink(mut self, name: &Name, target: &[u8]) -> Delivery {
        let outcome = self
            .node()
            .and_then(|dir| self.upcall(|handler, call| handler.symlink(call, dir, name, target)));
        self.made(outcome, Some(libc::S_IFLNK))
    }

    pub(super) fn link(mut self, node: NodeId, name: &Name) -> Delivery {
        let outcome = self.node().and_then(|dir| {
            let node = self.key(node)?;
            self.upcall(|handler, call| handler.link(call, node, dir, name))
        });
        let kind = self.session.nodes.kind(node);
        self.made(outcome, kind)
    }

    pub(super) fn unlink(self, name: &Name) -> Delivery {
        let dir = self.node();
        self.plain(|handler, call| handler.unlink(call, dir?, name))
    }

    pub(super) fn rmdir(self, name: &Name) -> Delivery {
        let dir = self.node();
        self.plain(|handler, call| handler.rmdir(call, dir?, name))
    }

    pub(super) fn rename(self, name: &Name, new_parent: NodeId, new_name: &Name, flags: u32) -> Delivery {
        let (dir, new_dir) = (self.node(), self.key(new_parent));
        self.plain(|handler, call| handler.rename(call, dir?, name, new_dir?, new_name, flags))
    }

    /// Answers with an entry that was made.
    fn made(mut self, outcome: Outcome<Entry>, kind: Option<u32>) -> Delivery {
        let outcome = outcome.and_then(|entry| self.acceptable(entry, kind));
        self.entry(outcome)
    }

    /// Refuses an entry of something made that has another type than was asked for: the kernel answers `EIO` to it and
    /// never gives back the lookup and the handle (`create_new_entry`, `fuse_create_open` in fs/fuse/dir.c).
    pub(super) fn acceptable(&mut self, entry: Entry, kind: Option<u32>) -> Outcome<Entry> {
        let answered = entry.attr.mode & libc::S_IFMT;
        match kind {
            Some(kind) if kind != answered => {
                self.refuse(
                    Key(entry.nodeid),
                    format_args!("with type {answered:#o} instead of {kind:#o}"),
                );
                Err(Errno::EIO)
            }
            _ => Ok(entry),
        }
    }

    /// Gives an entry back that the kernel must not get.
    fn refuse(&mut self, key: Key, why: fmt::Arguments<'_>) {
        let opcode = self.call.opcode;
        self.session.log.line(
            Level::Error,
            "impossible entry",
            opcode.raw(),
            format_args!("{opcode} answered node {} {why}; answered EIO", key.0),
        );
        forgotten(self.session, self.handler, key, 1);
    }

    /// Whether a key is the root's, which is nobody's child: the kernel answers `EIO`, and if the type is not that of a
    /// directory takes its own root for stale, which ends the whole mount.
    pub(super) fn is_root(&mut self, key: Key) -> bool {
        let is_root = self.session.nodes.key(NodeId(ROOT)) == Some(key);
        if is_root {
            self.refuse(key, format_args!("which is the root"));
        }
        is_root
    }

    /// Answers with an entry, counted before the kernel can know of it; if it never arrives, it is taken back.
    fn entry(mut self, outcome: Outcome<Entry>) -> Delivery {
        let outcome = outcome.and_then(|entry| self.hand_out(entry));
        self.counted(outcome)
    }

    fn counted(self, outcome: Outcome<EntryOut>) -> Delivery {
        match outcome {
            Ok(entry) => {
                let delivery = self.reply.record(&entry);
                if delivery != Delivery::Delivered {
                    forget(self.session, self.handler, NodeId(entry.nodeid), 1);
                }
                delivery
            }
            Err(errno) => self.reply.error(errno),
        }
    }

    /// Exchanges the key for a nodeid and counts the entry.
    pub(super) fn hand_out(&mut self, entry: Entry) -> Outcome<EntryOut> {
        if self.is_root(Key(entry.nodeid)) {
            return Err(Errno::EIO);
        }
        self.count(entry)
    }

    fn count(&mut self, mut entry: Entry) -> Outcome<EntryOut> {
        let key = Key(entry.nodeid);
        let Ok(nodeid) = self.session.nodes.acquire(key) else {
            forgotten(self.session, self.handler, key, 1);
            return Err(Errno::ENOMEM);
        };
        self.session.nodes.note_kind(nodeid, entry.attr.mode & libc::S_IFMT);
        entry.nodeid = nodeid.0;
        let valid = (&mut entry.attr_valid, &mut entry.attr_valid_nsec);
        dress(&self.session.config, key, &mut entry.attr, valid);
        Ok(entry)
    }
}
