//! Requests about names in a directory, and the entries that they hand out.

use ferrofuse_protocol::abi::{EntryOut, MkdirIn, MknodIn};
use ferrofuse_protocol::{Errno, Name, NodeId};

use super::{dress, forget, forgotten, Serving};
use crate::handler::{Entry, Handler, Key, Outcome};
use crate::reply::Delivery;

impl<H: Handler> Serving<'_, H> {
    pub(super) fn lookup(mut self, name: &Name) -> Delivery {
        let outcome = self
            .node()
            .and_then(|parent| self.upcall(|handler, call| handler.lookup(call, parent, name)));
        match outcome {
            Ok(Some(entry)) => self.entry(Ok(entry)),
            Ok(None) => self.no_entry(),
            Err(errno) => self.reply.error(errno),
        }
    }

    /// nodeid 0 lets the kernel remember that there is no such name.
    fn no_entry(self) -> Delivery {
        let timeout = self.session.config.negative_timeout;
        if timeout.is_zero() {
            return self.reply.error(Errno::ENOENT);
        }
        let entry_valid = timeout.as_secs();
        self.reply.record(&EntryOut {
            entry_valid,
            entry_valid_nsec: timeout.subsec_nanos(),
            ..EntryOut::default()
        })
    }

    pub(super) fn mknod(mut self, name: &Name, arg: &MknodIn) -> Delivery {
        let outcome = self
            .node()
            .and_then(|dir| self.upcall(|handler, call| handler.mknod(call, dir, name, arg)));
        self.entry(outcome)
    }

    pub(super) fn mkdir(mut self, name: &Name, arg: &MkdirIn) -> Delivery {
        let outcome = self
            .node()
            .and_then(|dir| self.upcall(|handler, call| handler.mkdir(call, dir, name, arg)));
        self.entry(outcome)
    }

    pub(super) fn symlink(mut self, name: &Name, target: &[u8]) -> Delivery {
        let outcome = self
            .node()
            .and_then(|dir| self.upcall(|handler, call| handler.symlink(call, dir, name, target)));
        self.entry(outcome)
    }

    pub(super) fn link(mut self, node: NodeId, name: &Name) -> Delivery {
        let outcome = self.node().and_then(|dir| {
            let node = self.key(node)?;
            self.upcall(|handler, call| handler.link(call, node, dir, name))
        });
        self.entry(outcome)
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

    /// Answers with an entry, counted before the kernel can know of it; if it never arrives, it is taken back.
    fn entry(mut self, outcome: Outcome<Entry>) -> Delivery {
        match outcome.and_then(|entry| self.hand_out(entry)) {
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
    pub(super) fn hand_out(&mut self, mut entry: Entry) -> Outcome<EntryOut> {
        let key = Key(entry.nodeid);
        let Ok(nodeid) = self.session.nodes.acquire(key) else {
            forgotten(self.session, self.handler, key, 1);
            return Err(Errno::ENOMEM);
        };
        entry.nodeid = nodeid.0;
        dress(&self.session.config, &mut entry.attr, key);
        Ok(entry)
    }
}
