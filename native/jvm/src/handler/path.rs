//! File systems that name their files by path: keys are those of [`Paths`], and Java never sees them.
//!
//! Each method asks for the path of what it works on, into the lease's args page, and keeps it pinned during the upcall.
//! A file that has lost its names is worked on through one of its open handles.

use std::io;
use std::ops::Range;
use std::ptr;

use ferrofuse_protocol::abi::{self, Attr, EntryOut};
use ferrofuse_protocol::dirent::{DirentError, DirentPlusWalker};
use ferrofuse_protocol::{Errno, Name};
use ferrofuse_session::paths::{Borrowed, Found, NoPath, Paths, Pin, Seen};
use ferrofuse_session::{Attributes, Entry, Handle, Handler, Ioctl, Key, Memory, Offer, Opened, Outcome, Slot, Wish};

use super::{handle_operations, int, long, needed, opened, size, slot_or_none, Extra, JavaHandler, LeaseCall};
use crate::ids::{ids, PathUpcalls};
use crate::jvm::{Args, IntMethod};
use crate::lease::Lease;

/// Calls `PathUpcalls`.
pub(crate) struct PathHandler<'a> {
    java: JavaHandler<'a>,
    paths: &'a Paths,
}

/// How an upcall names an existing file; whichever it is stays what it is until this is dropped.
struct Way<'a> {
    /// Length of the path, -1 without one.
    path: i32,
    /// A handle, -1 without one.
    slot: i32,
    _pin: Option<Pin<'a>>,
    _borrowed: Option<Borrowed<'a>>,
}

const NONE: i32 = -1;

impl<'a> PathHandler<'a> {
    pub(crate) fn new(java: JavaHandler<'a>, paths: &'a Paths) -> Self {
        Self { java, paths }
    }

    /// The path of a file that needs one.
    fn path(&self, call: &mut LeaseCall<'_>, node: Key) -> Outcome<Pin<'a>> {
        self.paths
            .path(call.unique, node, &mut call.memory.page().name)
            .map_err(stale)
    }

    /// The path of a file that nobody opened.
    fn unopened(&self, call: &mut LeaseCall<'_>, node: Key, slot: Slot) -> Outcome<Option<Pin<'a>>> {
        if slot != Slot::UNOPENED {
            return Ok(None);
        }
        let pin = self.path(call, node)?;
        call.memory.page().unopened = len(pin.len()).into();
        Ok(Some(pin))
    }

    /// The path of a name in a directory.
    fn child<'n>(&self, call: &mut LeaseCall<'_>, parent: Key, name: &'n Name) -> Outcome<Pin<'n>>
    where
        'a: 'n,
    {
        let out = &mut call.memory.page().name;
        self.paths.child(call.unique, parent, name, out).map_err(missing)
    }

    /// The path of a file, and the handle that the request came with; or any handle that answers for its file itself if
    /// there is no path, or one that is too long.
    fn way(&self, call: &mut LeaseCall<'_>, node: Key, handle: Option<Slot>) -> Outcome<Way<'a>> {
        let (pin, borrowed) = match self.paths.path(call.unique, node, &mut call.memory.page().name) {
            Ok(pin) => (Some(pin), None),
            Err(no_path @ (NoPath::Nameless | NoPath::TooLong)) => {
                (None, Some(self.paths.borrow(node).ok_or_else(|| stale(no_path))?))
            }
            Err(no_path) => return Err(stale(no_path)),
        };
        Ok(Way {
            path: pin.as_ref().map_or(NONE, |pin| len(pin.len())),
            slot: slot_or_none(borrowed.as_ref().map(Borrowed::slot).or(handle)),
            _pin: pin,
            _borrowed: borrowed,
        })
    }

    /// An upcall that makes what `pin` names.
    fn make<A: Args>(
        &self,
        call: &mut LeaseCall<'_>,
        pin: &Pin<'_>,
        umask: u32,
        method: &IntMethod<PathUpcalls, A>,
        args: A,
    ) -> Outcome<Entry> {
        let entry = self.java.entry(call, umask, method, args)?;
        Ok(handed_out(entry, pin.found(&seen(&entry.attr))))
    }

    /// An upcall that removes a name.
    fn remove(
        &self,
        call: &mut LeaseCall<'_>,
        parent: Key,
        name: &Name,
        method: &IntMethod<PathUpcalls, (i32,)>,
    ) -> Outcome<()> {
        let out = &mut call.memory.page().name;
        let owned = self.paths.removal(call.unique, parent, name, out).map_err(missing)?;
        self.java.upcall(call, method, (len(owned.len()),))?;
        owned.done();
        Ok(())
    }

    /// The attributes that Java answered, with an inode number.
    fn attributes(&self, call: &mut LeaseCall<'_>, node: Key) -> abi::AttrOut {
        let mut answer = call.memory.page().getattr;
        if answer.attr.ino == 0 {
            answer.attr.ino = self.paths.ino(node);
        }
        answer
    }

    /// Puts the keys of what was listed with attributes into the first `len` bytes of the bulk region, and counts each;
    /// `listed` gets them. `losses` are the directory's before it was listed.
    fn put_keys(
        &self,
        call: &mut LeaseCall<'_>,
        parent: Key,
        len: usize,
        losses: u64,
        listed: &mut Vec<Key>,
    ) -> Result<(), DirentError> {
        let listing = ptr::slice_from_raw_parts_mut(call.memory.bulk().cast::<u8>(), len);
        // SAFETY: `bytes` has checked that the region has `len` bytes, and `Memory` promises that it stays mapped and
        // writable.
        let mut walker = unsafe { DirentPlusWalker::from_raw(listing)? };
        while let Some(mut record) = walker.next_record()? {
            if record.entry.nodeid == 0 {
                continue;
            }
            let found = if record.name.is_dots() {
                None
            } else {
                self.paths
                    .listed(parent, record.name, &seen(&record.entry.attr), losses)
            };
            listed.extend(found.map(|found| found.key));
            let entry = found.map_or_else(EntryOut::default, |found| handed_out(record.entry, found));
            record.replace(&entry);
        }
        Ok(())
    }
}

/// The length of a path, which is at most `MAX_PATH`.
fn len(path: usize) -> i32 {
    path as i32
}

/// What a file without a path means for who works on it.
fn stale(no_path: NoPath) -> Errno {
    match no_path {
        NoPath::Unknown | NoPath::Nameless => Errno::ESTALE,
        NoPath::TooLong => Errno::ENAMETOOLONG,
        NoPath::Below => Errno::EINVAL,
        NoPath::Interrupted => Errno::EINTR,
    }
}

/// What a directory without a path means for who works on a name in it: it was removed, so nothing is there.
fn missing(no_path: NoPath) -> Errno {
    match no_path {
        NoPath::Nameless => Errno::ENOENT,
        other => stale(other),
    }
}

fn seen(attr: &Attr) -> Seen {
    Seen {
        ino: attr.ino,
        nlink: attr.nlink,
        mode: attr.mode,
    }
}

fn handed_out(entry: Entry, Found { key, ino }: Found) -> Entry {
    Entry {
        nodeid: key.0,
        attr: Attr { ino, ..entry.attr },
        ..entry
    }
}

impl Handler for PathHandler<'_> {
    handle_operations!();

    fn interrupt(&mut self, unique: u64) {
        self.paths.interrupt(unique);
        self.java.interrupt(unique);
    }

    fn lookup(&mut self, call: &mut LeaseCall<'_>, parent: Key, name: &Name) -> Outcome<Option<Entry>> {
        let pin = self.child(call, parent, name)?;
        match self.make(call, &pin, 0, &ids().path.lookup, (len(pin.len()),)) {
            Err(Errno::ENOENT) => {
                pin.absent();
                Ok(None)
            }
            outcome => outcome.map(Some),
        }
    }

    fn forget(&mut self, node: Key, lookups: u64) {
        self.paths.forget(node, lookups);
    }

    fn getattr(&mut self, call: &mut LeaseCall<'_>, node: Key, handle: Option<Slot>) -> Outcome<abi::AttrOut> {
        let way = self.way(call, node, handle)?;
        self.java.upcall(call, &ids().path.getattr, (way.path, way.slot))?;
        Ok(self.attributes(call, node))
    }

    fn setattr(
        &mut self,
        call: &mut LeaseCall<'_>,
        node: Key,
        handle: Option<Slot>,
        change: &abi::SetattrIn,
    ) -> Outcome<abi::AttrOut> {
        let way = self.way(call, node, handle)?;
        call.memory.page().change = *change;
        let extra = Extra::killing(change.valid & abi::fattr::KILL_SUIDGID != 0);
        self.java
            .upcall_with(call, extra, &ids().path.setattr, (way.path, way.slot))?;
        Ok(self.attributes(call, node))
    }

    fn readlink(&mut self, call: &mut LeaseCall<'_>, node: Key) -> Outcome<usize> {
        let pin = self.path(call, node)?;
        self.java
            .bytes(call, usize::MAX, &ids().path.readlink, (len(pin.len()),))
    }

    fn symlink(&mut self, call: &mut LeaseCall<'_>, parent: Key, name: &Name, target: &[u8]) -> Outcome<Entry> {
        let pin = self.child(call, parent, name)?;
        let target = call.memory.put_target(target)?;
        self.make(call, &pin, 0, &ids().path.symlink, (len(pin.len()), target))
    }

    fn mknod(&mut self, call: &mut LeaseCall<'_>, parent: Key, name: &Name, arg: &abi::MknodIn) -> Outcome<Entry> {
        let pin = self.child(call, parent, name)?;
        let args = (len(pin.len()), int(arg.mode), int(arg.rdev));
        self.make(call, &pin, arg.umask, &ids().path.mknod, args)
    }

    fn mkdir(&mut self, call: &mut LeaseCall<'_>, parent: Key, name: &Name, arg: &abi::MkdirIn) -> Outcome<Entry> {
        let pin = self.child(call, parent, name)?;
        let args = (len(pin.len()), int(arg.mode));
        self.make(call, &pin, arg.umask, &ids().path.mkdir, args)
    }

    fn unlink(&mut self, call: &mut LeaseCall<'_>, parent: Key, name: &Name) -> Outcome<()> {
        self.remove(call, parent, name, &ids().path.unlink)
    }

    fn rmdir(&mut self, call: &mut LeaseCall<'_>, parent: Key, name: &Name) -> Outcome<()> {
        self.remove(call, parent, name, &ids().path.rmdir)
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
        let exchange = flags & libc::RENAME_EXCHANGE != 0;
        let page = call.memory.page();
        let (out, new_out) = (&mut page.name, &mut page.target);
        let owned = self
            .paths
            .renaming(call.unique, parent, name, new_parent, new_name, exchange, out, new_out)
            .map_err(missing)?;
        let args = (len(owned.len()), len(owned.new_len()), int(flags));
        self.java.upcall(call, &ids().path.rename, args)?;
        owned.done();
        Ok(())
    }

    fn link(&mut self, call: &mut LeaseCall<'_>, node: Key, new_parent: Key, new_name: &Name) -> Outcome<Entry> {
        let page = call.memory.page();
        let (name, new_name_out) = (&mut page.name, &mut page.target);
        let linking = self
            .paths
            .linking(call.unique, node, new_parent, new_name, name, new_name_out);
        let (made, path, file) = match linking {
            Ok((made, path)) => (made, len(path), None),
            // Either of them has no path. If it is the file, one of its handles can give it one.
            Err(NoPath::Nameless) => {
                let made = self.paths.child(call.unique, new_parent, new_name, new_name_out);
                let file = self.paths.borrow(node).ok_or(Errno::ENOENT)?;
                (made.map_err(missing)?, NONE, Some(file))
            }
            Err(no_path) => return Err(missing(no_path)),
        };
        let slot = slot_or_none(file.as_ref().map(Borrowed::slot));
        let args = (path, slot, len(made.len()));
        let entry = self.java.entry(call, 0, &ids().path.link, args)?;
        let found = made.linked(node).ok_or(Errno::ESTALE)?;
        Ok(handed_out(entry, found))
    }

    fn open(&mut self, call: &mut LeaseCall<'_>, node: Key, arg: &abi::OpenIn, slot: Slot) -> Outcome<Opened> {
        let way = self.way(call, node, None)?;
        let extra = Extra::killing(arg.open_flags & abi::open::KILL_SUIDGID != 0);
        let args = (way.path, way.slot, int(arg.flags), int(slot.0));
        let answers_itself = self.java.upcall_with(call, extra, &ids().path.open, args)? != 0;
        let opened = opened(call)?;
        if answers_itself {
            self.paths.opened(node, slot);
        }
        Ok(opened)
    }

    fn create(
        &mut self,
        call: &mut LeaseCall<'_>,
        parent: Key,
        name: &Name,
        arg: &abi::CreateIn,
        slot: Slot,
    ) -> Outcome<(Entry, Opened)> {
        let pin = self.child(call, parent, name)?;
        let extra = Extra {
            umask: arg.umask,
            kills_privileges: arg.open_flags & abi::open::KILL_SUIDGID != 0,
        };
        let args = (len(pin.len()), int(arg.mode), int(arg.flags), int(slot.0));
        let answers_itself = self.java.upcall_with(call, extra, &ids().path.create, args)? != 0;
        let opened = opened(call)?;
        let entry = call.memory.page().entry;
        let found = pin.found(&seen(&entry.attr));
        if answers_itself {
            self.paths.opened(found.key, slot);
        }
        Ok((handed_out(entry, found), opened))
    }

    fn tmpfile(
        &mut self,
        call: &mut LeaseCall<'_>,
        parent: Key,
        arg: &abi::CreateIn,
        slot: Slot,
    ) -> Outcome<(Entry, Opened)> {
        let out = &mut call.memory.page().name;
        let directory = self.paths.path(call.unique, parent, out).map_err(missing)?;
        let args = (len(directory.len()), int(arg.mode), int(arg.flags), int(slot.0));
        let entry = self.java.entry(call, arg.umask, &ids().path.tmpfile, args)?;
        let opened = opened(call)?;
        let found = self.paths.nameless(&seen(&entry.attr));
        self.paths.opened(found.key, slot);
        Ok((handed_out(entry, found), opened))
    }

    fn release(&mut self, call: &mut LeaseCall<'_>, node: Key, slot: Slot) -> Outcome<()> {
        self.paths.closing(node, slot);
        self.java.release(call, slot)
    }

    fn opendir(&mut self, call: &mut LeaseCall<'_>, node: Key, _arg: &abi::OpenIn, slot: Slot) -> Outcome<Opened> {
        let pin = self.path(call, node)?;
        self.java
            .upcall(call, &ids().path.opendir, (len(pin.len()), int(slot.0)))?;
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
        let pin = match self.paths.path(call.unique, node, &mut call.memory.page().name) {
            Ok(pin) => Some(pin),
            Err(NoPath::Nameless) => None,
            Err(no_path) => return Err(stale(no_path)),
        };
        let losses = self.paths.losses(node);
        let path = pin.as_ref().map_or(NONE, |pin| len(pin.len()));
        // Where nothing is opened, the directory is asked for by it.
        call.memory.page().unopened = path.into();
        let args = (path, int(slot.0), long(cookie), size(size_limit), i32::from(plus));
        let len = self.java.bytes(call, size_limit, &ids().path.readdir, args)?;
        if plus {
            let mut listed = Vec::new();
            self.put_keys(call, node, len, losses, &mut listed).map_err(|error| {
                for key in listed {
                    self.paths.forget(key, 1);
                }
                error.errno()
            })?;
        }
        Ok(len)
    }

    fn statfs(&mut self, call: &mut LeaseCall<'_>, node: Key) -> Outcome<abi::Kstatfs> {
        let pin = match self.paths.path(call.unique, node, &mut call.memory.page().name) {
            Ok(pin) => Some(pin),
            // Any file of the file system will do.
            Err(NoPath::Nameless | NoPath::TooLong) => None,
            Err(no_path) => return Err(stale(no_path)),
        };
        let path = match &pin {
            Some(pin) => len(pin.len()),
            None => call.memory.put_name(b"/")?,
        };
        self.java.upcall(call, &ids().path.statfs, (path,))?;
        Ok(call.memory.page().statfs)
    }

    fn syncfs(&mut self, call: &mut LeaseCall<'_>, _node: Key) -> Outcome<()> {
        self.java.upcall(call, &ids().path.syncfs, ()).map(drop)
    }

    fn bmap(&mut self, call: &mut LeaseCall<'_>, node: Key, arg: &abi::BmapIn) -> Outcome<u64> {
        let pin = self.path(call, node)?;
        let args = (len(pin.len()), int(arg.blocksize), long(arg.block));
        self.java.number(call, &ids().path.bmap, args)
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
        let way = self.way(call, node, None)?;
        let name = call.memory.put_target(name.as_bytes())?;
        let (start, end) = (size(value.start), size(value.end));
        let args = (way.path, way.slot, name, start, end, int(flags));
        self.java
            .upcall_with(call, Extra::killing(kills_sgid), &ids().path.setxattr, args)
            .map(drop)
    }

    fn getxattr(&mut self, call: &mut LeaseCall<'_>, node: Key, name: &Name, room: usize) -> Outcome<usize> {
        let way = self.way(call, node, None)?;
        let name = call.memory.put_target(name.as_bytes())?;
        let args = (way.path, way.slot, name, size(room));
        let answer = self.java.upcall(call, &ids().path.getxattr, args)?;
        needed(answer, room)
    }

    fn listxattr(&mut self, call: &mut LeaseCall<'_>, node: Key, room: usize) -> Outcome<usize> {
        let way = self.way(call, node, None)?;
        let args = (way.path, way.slot, size(room));
        let answer = self.java.upcall(call, &ids().path.listxattr, args)?;
        needed(answer, room)
    }

    fn removexattr(&mut self, call: &mut LeaseCall<'_>, node: Key, name: &Name) -> Outcome<()> {
        let way = self.way(call, node, None)?;
        let name = call.memory.put_target(name.as_bytes())?;
        let args = (way.path, way.slot, name);
        self.java.upcall(call, &ids().path.removexattr, args).map(drop)
    }

    fn access(&mut self, call: &mut LeaseCall<'_>, node: Key, mask: u32) -> Outcome<()> {
        let pin = self.path(call, node)?;
        let args = (len(pin.len()), int(mask));
        self.java.upcall(call, &ids().path.access, args).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_a_removed_directory_is_missing_and_the_directory_itself_stale() {
        assert_eq!(missing(NoPath::Nameless), Errno::ENOENT);
        assert_eq!(stale(NoPath::Nameless), Errno::ESTALE);
        for no_path in [NoPath::Unknown, NoPath::TooLong, NoPath::Below] {
            assert_eq!(missing(no_path), stale(no_path));
        }
    }

    #[test]
    fn an_entry_is_handed_out_with_the_key_and_number_of_its_node() {
        let entry = Entry {
            generation: 3,
            attr: Attr {
                size: 5,
                ..Attr::default()
            },
            ..Entry::default()
        };
        let found = Found { key: Key(7), ino: 9 };
        let out = handed_out(entry, found);
        assert_eq!((out.nodeid, out.attr.ino), (7, 9));
        assert_eq!((out.generation, out.attr.size), (3, 5));
    }
}
