//! Requests about one node: attributes, links' targets, permissions, figures of the file system, forgetting.

use ferrofuse_protocol::abi::{
    self, fattr, AttrOut, BmapIn, BmapOut, GetattrIn, SetattrIn, StatfsOut, Statx, StatxIn, StatxOut, SxTime,
};
use ferrofuse_protocol::{Errno, NodeId};

use super::{dress, forget, refusal, Serving};
use crate::handler::{Handler, Key, Outcome, Slot};
use crate::handles::{Fh, Kind};
use crate::lease::bulk_bytes;
use crate::log::Level;
use crate::reply::Delivery;

/// Longest target of a symbolic link: a page less the NUL that the kernel adds.
const MAX_TARGET: usize = 4095;

impl<H: Handler> Serving<'_, H> {
    pub(super) fn getattr(mut self, arg: &GetattrIn) -> Delivery {
        let handle = (arg.getattr_flags & abi::getattr::FH != 0).then_some(Fh(arg.fh));
        let outcome = self.about(handle).and_then(|(node, slot)| {
            let out = self.upcall(|handler, call| handler.getattr(call, node, slot))?;
            Ok((node, out))
        });
        self.attributes(outcome)
    }

    pub(super) fn setattr(mut self, change: &SetattrIn) -> Delivery {
        let handle = (change.valid & fattr::FH != 0).then_some(Fh(change.fh));
        let outcome = self.about(handle).and_then(|(node, slot)| {
            let out = self.upcall(|handler, call| handler.setattr(call, node, slot, change))?;
            Ok((node, out))
        });
        self.attributes(outcome)
    }

    /// Without times of birth the kernel is told to ask GETATTR from now on, whose answers it caches.
    pub(super) fn statx(mut self, arg: &StatxIn) -> Delivery {
        if !self.session.granted.birth_times {
            return refusal::answer(self.call.opcode, self.reply);
        }
        let handle = (arg.getattr_flags & abi::getattr::FH != 0).then_some(Fh(arg.fh));
        let outcome = self.about(handle).and_then(|(node, slot)| {
            let attributes = self.upcall(|handler, call| handler.statx(call, node, slot))?;
            Ok((node, attributes.out, attributes.birth))
        });
        match outcome {
            Ok((node, out, birth)) => match self.shown(node, out) {
                Ok(out) => self.reply.record(&statx_out(&out, birth)),
                Err(errno) => self.reply.error(errno),
            },
            Err(errno) => self.reply.error(errno),
        }
    }

    /// Node and slot of a request that may name a handle. A directory's handle is none that the handler asked for, and
    /// neither is that of a file which nobody opened.
    fn about(&self, handle: Option<Fh>) -> Outcome<(Key, Option<Slot>)> {
        let node = self.node()?;
        let handle = handle.filter(|&fh| !self.session.is_unopened(fh, Kind::File));
        let open = handle.and_then(|fh| self.session.handles.find(fh, Kind::File));
        match (handle, open) {
            (Some(fh), None) if self.session.handles.find(fh, Kind::Directory).is_none() => Err(Errno::EBADF),
            (_, open) => Ok((node, open.map(|open| open.slot))),
        }
    }

    fn attributes(self, outcome: Outcome<(Key, AttrOut)>) -> Delivery {
        match outcome.and_then(|(node, out)| self.shown(node, out)) {
            Ok(out) => self.reply.record(&out),
            Err(errno) => self.reply.error(errno),
        }
    }

    /// A node's attributes as applications see them.
    fn shown(&self, node: Key, mut out: AttrOut) -> Outcome<AttrOut> {
        let nodeid = NodeId(self.header.nodeid);
        // The kernel would take its inode, be it the root's, for a stale one and answer EIO from then on.
        if !self.session.nodes.may_be(nodeid, out.attr.mode & libc::S_IFMT) {
            let opcode = self.call.opcode;
            self.session.log.line(
                Level::Error,
                "a node has changed its type",
                opcode.raw(),
                format_args!(
                    "{opcode} answered node {} with mode {:#o}; answered EIO",
                    node.0, out.attr.mode
                ),
            );
            return Err(Errno::EIO);
        }
        let valid = (&mut out.attr_valid, &mut out.attr_valid_nsec);
        dress(&self.session.config, node, &mut out.attr, valid);
        Ok(out)
    }

    pub(super) fn readlink(mut self) -> Delivery {
        let outcome = self
            .node()
            .and_then(|node| self.upcall(|handler, call| handler.readlink(call, node)));
        let target = outcome.and_then(|len| {
            let len = Some(len).filter(|&len| len <= MAX_TARGET).ok_or(Errno::ENAMETOOLONG)?;
            bulk_bytes(&*self.call.memory, len).ok_or(Errno::EIO)
        });
        match target {
            Ok(target) => self.reply.bytes(target),
            Err(errno) => self.reply.error(errno),
        }
    }

    pub(super) fn statfs(mut self) -> Delivery {
        match self
            .node()
            .and_then(|node| self.upcall(|handler, call| handler.statfs(call, node)))
        {
            Ok(st) => self.reply.record(&StatfsOut { st }),
            Err(errno) => self.reply.error(errno),
        }
    }

    pub(super) fn bmap(mut self, arg: &BmapIn) -> Delivery {
        match self
            .node()
            .and_then(|node| self.upcall(|handler, call| handler.bmap(call, node, arg)))
        {
            Ok(block) => self.reply.record(&BmapOut { block }),
            Err(errno) => self.reply.error(errno),
        }
    }

    pub(super) fn access(self, mask: u32) -> Delivery {
        let node = self.node();
        self.plain(|handler, call| handler.access(call, node?, mask))
    }

    pub(super) fn forget(self, count: u64) -> Delivery {
        forget(self.session, self.handler, NodeId(self.header.nodeid), count);
        self.reply.none();
        Delivery::Delivered
    }
}

/// GETATTR's answer in the form of statx(2).
fn statx_out(out: &AttrOut, birth: Option<SxTime>) -> StatxOut {
    let attr = &out.attr;
    let time = |seconds: u64, nanos: u32| SxTime {
        tv_sec: seconds as i64, // has been signed all the way
        tv_nsec: nanos,
        ..SxTime::default()
    };
    StatxOut {
        attr_valid: out.attr_valid,
        attr_valid_nsec: out.attr_valid_nsec,
        stat: Statx {
            mask: libc::STATX_BASIC_STATS | birth.map_or(0, |_| libc::STATX_BTIME),
            blksize: attr.blksize,
            nlink: attr.nlink,
            uid: attr.uid,
            gid: attr.gid,
            mode: attr.mode as u16, // type and permissions have 16 bits
            ino: attr.ino,
            size: attr.size,
            blocks: attr.blocks,
            atime: time(attr.atime, attr.atimensec),
            btime: birth.unwrap_or_default(),
            ctime: time(attr.ctime, attr.ctimensec),
            mtime: time(attr.mtime, attr.mtimensec),
            rdev_major: libc::major(attr.rdev.into()),
            rdev_minor: libc::minor(attr.rdev.into()),
            ..Statx::default()
        },
        ..StatxOut::default()
    }
}
