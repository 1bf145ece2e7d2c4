//! File systems that name their files by number: the node's key is the file system's own.

use std::io;
use std::ops::Range;

use ferrofuse_protocol::{abi, Name};
use ferrofuse_session::paths::Pin;
use ferrofuse_session::{Attributes, Entry, Handle, Handler, Ioctl, Key, Offer, Opened, Outcome, Slot, Wish};

use super::{handle_operations, int, long, needed, opened, size, slot_or_none, Extra, JavaHandler, LeaseCall};
use crate::ids::ids;
use crate::lease::Lease;

/// Calls `NodeUpcalls`.
pub(crate) struct NodeHandler<'a> {
    java: JavaHandler<'a>,
}

impl<'a> NodeHandler<'a> {
    pub(crate) fn new(java: JavaHandler<'a>) -> Self {
        Self { java }
    }

    #[allow(clippy::unnecessary_wraps)] // by path it can fail
    fn unopened(&self, call: &mut LeaseCall<'_>, node: Key, slot: Slot) -> Outcome<Option<Pin<'_>>> {
        if slot == Slot::UNOPENED {
            call.memory.page().unopened = long(node.0);
        }
        Ok(None)
    }
}

impl Handler for NodeHandler<'_> {
    handle_operations!();

    fn interrupt(&mut self, unique: u64) {
        self.java.interrupt(unique);
    }

    fn lookup(&mut self, call: &mut LeaseCall<'_>, parent: Key, name: &Name) -> Outcome<Option<Entry>> {
        let name = call.memory.put_name(name.as_bytes())?;
        let found = self.java.upcall(call, &ids().node.lookup, (long(parent.0), name))?;
        Ok((found != 0).then(|| call.memory.page().entry))
    }

    fn forget(&mut self, node: Key, lookups: u64) {
        // Whatever it throws is logged in Java.
        let _ = ids()
            .door
            .forget
            .call(self.java.thread, self.java.door, (long(node.0), long(lookups)));
    }

    fn getattr(&mut self, call: &mut LeaseCall<'_>, node: Key, handle: Option<Slot>) -> Outcome<abi::AttrOut> {
        self.java
            .upcall(call, &ids().node.getattr, (long(node.0), slot_or_none(handle)))?;
        Ok(call.memory.page().getattr)
    }

    fn setattr(
        &mut self,
        call: &mut LeaseCall<'_>,
        node: Key,
        handle: Option<Slot>,
        change: &abi::SetattrIn,
    ) -> Outcome<abi::AttrOut> {
        call.memory.page().change = *change;
        let extra = Extra::killing(change.valid & abi::fattr::KILL_SUIDGID != 0);
        self.java
            .upcall_with(call, extra, &ids().node.setattr, (long(node.0), slot_or_none(handle)))?;
        Ok(call.memory.page().getattr)
    }

    fn readlink(&mut self, call: &mut LeaseCall<'_>, node: Key) -> Outcome<usize> {
        self.java.bytes(call, usize::MAX, &ids().node.readlink, (long(node.0),))
    }

    fn symlink(&mut self, call: &mut LeaseCall<'_>, parent: Key, name: &Name, target: &[u8]) -> Outcome<Entry> {
        let name = call.memory.put_name(name.as_bytes())?;
        let target = call.memory.put_target(target)?;
        self.java
            .entry(call, 0, &ids().node.symlink, (long(parent.0), name, target))
    }

    fn mknod(&mut self, call: &mut LeaseCall<'_>, parent: Key, name: &Name, arg: &abi::MknodIn) -> Outcome<Entry> {
        let name = call.memory.put_name(name.as_bytes())?;
        let args = (long(parent.0), name, int(arg.mode), int(arg.rdev));
        self.java.entry(call, arg.umask, &ids().node.mknod, args)
    }

    fn mkdir(&mut self, call: &mut LeaseCall<'_>, parent: Key, name: &Name, arg: &abi::MkdirIn) -> Outcome<Entry> {
        let name = call.memory.put_name(name.as_bytes())?;
        self.java.entry(
            call,
            arg.umask,
            &ids().node.mkdir,
            (long(parent.0), name, int(arg.mode)),
        )
    }

    fn unlink(&mut self, call: &mut LeaseCall<'_>, parent: Key, name: &Name) -> Outcome<()> {
        let name = call.memory.put_name(name.as_bytes())?;
        self.java
            .upcall(call, &ids().node.unlink, (long(parent.0), name))
            .map(drop)
    }

    fn rmdir(&mut self, call: &mut LeaseCall<'_>, parent: Key, name: &Name) -> Outcome<()> {
        let name = call.memory.put_name(name.as_bytes())?;
        self.java
            .upcall(call, &ids().node.rmdir, (long(parent.0), name))
            .map(drop)
    }

    fn rename(
        &mut self,
        call: &mut LeaseCall<'_>,
        parent: Key,
        name: &Name,
        new_parent: Key,
        new_name: &Name,
        flags: u32,
    ) -> Outcome<()> {
        let name = call.memory.put_name(name.as_bytes())?;
        let new_name = call.memory.put_target(new_name.as_bytes())?;
        let args = (long(parent.0), name, long(new_parent.0), new_name, int(flags));
        self.java.upcall(call, &ids().node.rename, args).map(drop)
    }

    fn link(&mut self, call: &mut LeaseCall<'_>, node: Key, new_parent: Key, new_name: &Name) -> Outcome<Entry> {
        let name = call.memory.put_name(new_name.as_bytes())?;
        self.java
            .entry(call, 0, &ids().node.link, (long(node.0), long(new_parent.0), name))
    }

    fn open(&mut self, call: &mut LeaseCall<'_>, node: Key, arg: &abi::OpenIn, slot: Slot) -> Outcome<Opened> {
        let extra = Extra::killing(arg.open_flags & abi::open::KILL_SUIDGID != 0);
        self.java.upcall_with(
            call,
            extra,
            &ids().node.open,
            (long(node.0), int(arg.flags), int(slot.0)),
        )?;
        opened(call)
    }

    fn create(
        &mut self,
        call: &mut LeaseCall<'_>,
        parent: Key,
        name: &Name,
        arg: &abi::CreateIn,
        slot: Slot,
    ) -> Outcome<(Entry, Opened)> {
        let name = call.memory.put_name(name.as_bytes())?;
        let kills_privileges = arg.open_flags & abi::open::KILL_SUIDGID != 0;
        let args = (long(parent.0), name, int(arg.mode), int(arg.flags), int(slot.0));
        self.java.upcall_with(
            call,
            Extra {
                umask: arg.umask,
                kills_privileges,
            },
            &ids().node.create,
            args,
        )?;
        Ok((call.memory.page().entry, opened(call)?))
    }

    fn tmpfile(
        &mut self,
        call: &mut LeaseCall<'_>,
        parent: Key,
        arg: &abi::CreateIn,
        slot: Slot,
    ) -> Outcome<(Entry, Opened)> {
        let args = (long(parent.0), int(arg.mode), int(arg.flags), int(slot.0));
        let entry = self.java.entry(call, arg.umask, &ids().node.tmpfile, args)?;
        Ok((entry, opened(call)?))
    }

    fn release(&mut self, call: &mut LeaseCall<'_>, _node: Key, slot: Slot) -> Outcome<()> {
        self.java.release(call, slot)
    }

    fn opendir(&mut self, call: &mut LeaseCall<'_>, node: Key, _arg: &abi::OpenIn, slot: Slot) -> Outcome<Opened> {
        self.java
            .upcall(call, &ids().node.opendir, (long(node.0), int(slot.0)))?;
        opened(call)
    }

    fn readdir(
        &mut self,
        call: &mut LeaseCall<'_>,
        node: Key,
        slot: Slot,
        cookie: u64,
        size_limit: usize,
        plus: bool,
    ) -> Outcome<usize> {
        let _unopened = self.unopened(call, node, slot)?;
        let args = (int(slot.0), long(cookie), size(size_limit), i32::from(plus));
        self.java.bytes(call, size_limit, &ids().node.readdir, args)
    }

    fn statfs(&mut self, call: &mut LeaseCall<'_>, node: Key) -> Outcome<abi::Kstatfs> {
        self.java.upcall(call, &ids().node.statfs, (long(node.0),))?;
        Ok(call.memory.page().statfs)
    }

    fn syncfs(&mut self, call: &mut LeaseCall<'_>, node: Key) -> Outcome<()> {
        self.java.upcall(call, &ids().node.syncfs, (long(node.0),)).map(drop)
    }

    fn bmap(&mut self, call: &mut LeaseCall<'_>, node: Key, arg: &abi::BmapIn) -> Outcome<u64> {
        let args = (long(node.0), int(arg.blocksize), long(arg.block));
        self.java.number(call, &ids().node.bmap, args)
    }

    fn setxattr(
        &mut self,
        call: &mut LeaseCall<'_>,
        node: Key,
        name: &Name,
        value: Range<usize>,
        flags: u32,
        kills_sgid: bool,
    ) -> Outcome<()> {
        let name = call.memory.put_name(name.as_bytes())?;
        let args = (long(node.0), name, size(value.start), size(value.end), int(flags));
        self.java
            .upcall_with(call, Extra::killing(kills_sgid), &ids().node.setxattr, args)
            .map(drop)
    }

    fn getxattr(&mut self, call: &mut LeaseCall<'_>, node: Key, name: &Name, room: usize) -> Outcome<usize> {
        let name = call.memory.put_name(name.as_bytes())?;
        let answer = self
            .java
            .upcall(call, &ids().node.getxattr, (long(node.0), name, size(room)))?;
        needed(answer, room)
    }

    fn listxattr(&mut self, call: &mut LeaseCall<'_>, node: Key, room: usize) -> Outcome<usize> {
        let answer = self
            .java
            .upcall(call, &ids().node.listxattr, (long(node.0), size(room)))?;
        needed(answer, room)
    }

    fn removexattr(&mut self, call: &mut LeaseCall<'_>, node: Key, name: &Name) -> Outcome<()> {
        let name = call.memory.put_name(name.as_bytes())?;
        self.java
            .upcall(call, &ids().node.removexattr, (long(node.0), name))
            .map(drop)
    }

    fn access(&mut self, call: &mut LeaseCall<'_>, node: Key, mask: u32) -> Outcome<()> {
        self.java
            .upcall(call, &ids().node.access, (long(node.0), int(mask)))
            .map(drop)
    }
}
