//! The engine's calls, and what the file system answers.

use super::door::text;
use super::*;

impl Handler for Door {
    type Memory = Pages;

    fn lease(&mut self, bulk: usize) -> io::Result<Pages> {
        if self.0.leases.load(Ordering::SeqCst) >= self.0.max_leases.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        Ok(Pages::new(bulk, Arc::clone(&self.0.leases)))
    }

    fn spawn(&mut self) -> bool {
        self.0.spawn.lock().unwrap().as_ref().is_some_and(|spawn| spawn())
    }

    fn init(&mut self, _: &Offer) -> Outcome<Wish> {
        self.0.change(|book| book.initialised += 1);
        if self.0.refuse_init {
            return Err(Errno::EACCES);
        }
        Ok(Wish {
            locks: self.0.get(|book| book.lock_keeper),
            ..*self.0.wish.lock().unwrap()
        })
    }

    fn destroy(&mut self) {
        self.0.change(|book| book.destroyed += 1);
    }

    fn lookup(&mut self, call: &mut Call<'_, Pages>, parent: Key, name: &Name) -> Outcome<Option<Entry>> {
        if name.is_dots() {
            let mut book = self.0.lock();
            Self::attr(&book, parent.0).map_err(|_| Errno::ESTALE)?;
            let key = if name.as_bytes() == b"." { parent.0 } else { ROOT_KEY };
            return Self::entry(&mut book, key).map(Some);
        }
        if parent.0 != ROOT_KEY {
            return Err(Errno::ENOTDIR);
        }
        let name = text(name)?;
        assert!(name != "panic", "as asked for");
        if name == "absent-for-1.5-s" {
            return Ok(Some(Entry {
                entry_valid: 1,
                entry_valid_nsec: 500_000_000,
                ..Entry::default()
            }));
        }
        let mut book = self.0.lock();
        book.caller = call.caller;
        Self::find(&book, name)
            .map(|key| Self::entry(&mut book, key))
            .transpose()
    }

    fn interrupt(&mut self, unique: u64) {
        self.0.change(|book| book.interrupted.push(unique));
    }

    fn forget(&mut self, node: Key, lookups: u64) {
        self.0.change(|book| {
            let count = book
                .lookups
                .get_mut(&node.0)
                .expect("forget of a node that was handed out");
            *count = count.checked_sub(lookups).expect("no more than were handed out");
        });
    }

    fn getattr(&mut self, _: &mut Call<'_, Pages>, node: Key, _: Option<Slot>) -> Outcome<abi::AttrOut> {
        let attr = Self::attr(&self.0.lock(), node.0)?;
        Ok(abi::AttrOut {
            attr,
            ..abi::AttrOut::default()
        })
    }

    fn statx(&mut self, call: &mut Call<'_, Pages>, node: Key, handle: Option<Slot>) -> Outcome<Attributes> {
        Ok(Attributes {
            out: self.getattr(call, node, handle)?,
            birth: Some(abi::SxTime {
                tv_sec: -7,
                tv_nsec: 5,
                ..abi::SxTime::default()
            }),
        })
    }

    fn setattr(
        &mut self,
        call: &mut Call<'_, Pages>,
        node: Key,
        handle: Option<Slot>,
        change: &abi::SetattrIn,
    ) -> Outcome<abi::AttrOut> {
        if change.size > MAX_SIZE {
            return Err(Errno::EFBIG);
        }
        if change.valid & abi::fattr::MODE != 0 && self.0.get(|book| book.fixed) {
            return Err(Errno::EPERM);
        }
        self.0.change(|book| {
            if let Some(file) = book.files.get_mut(&node.0) {
                if change.valid & abi::fattr::SIZE != 0 {
                    file.data.resize(change.size as usize, 0);
                }
                if change.valid & abi::fattr::MODE != 0 {
                    file.permissions = change.mode & !libc::S_IFMT;
                }
                if change.valid & abi::fattr::MTIME != 0 && change.valid & abi::fattr::MTIME_NOW == 0 {
                    file.mtime = (change.mtime, change.mtimensec);
                }
            }
        });
        self.getattr(call, node, handle)
    }

    fn readlink(&mut self, call: &mut Call<'_, Pages>, _: Key) -> Outcome<usize> {
        call.memory.bytes()[..6].copy_from_slice(b"target");
        Ok(6)
    }

    fn symlink(&mut self, _: &mut Call<'_, Pages>, _: Key, name: &Name, target: &[u8]) -> Outcome<Entry> {
        self.make(name, libc::S_IFLNK, target)
    }

    fn mknod(&mut self, _: &mut Call<'_, Pages>, _: Key, name: &Name, arg: &abi::MknodIn) -> Outcome<Entry> {
        let kind = match arg.mode & libc::S_IFMT {
            0 => libc::S_IFREG,
            kind => kind,
        };
        self.make(name, kind, &[])
    }

    fn mkdir(&mut self, _: &mut Call<'_, Pages>, _: Key, name: &Name, _: &abi::MkdirIn) -> Outcome<Entry> {
        if !matches!(text(name)?, "twisted" | "upward") {
            return Err(Errno::EROFS);
        }
        self.make(name, libc::S_IFDIR, &[])
    }

    fn unlink(&mut self, _: &mut Call<'_, Pages>, _: Key, name: &Name) -> Outcome<()> {
        let mut book = self.0.lock();
        let key = Self::find(&book, text(name)?).ok_or(Errno::ENOENT)?;
        book.files.remove(&key);
        Ok(())
    }

    fn rmdir(&mut self, _: &mut Call<'_, Pages>, _: Key, _: &Name) -> Outcome<()> {
        Err(Errno::ENOTEMPTY)
    }

    fn rename(&mut self, _: &mut Call<'_, Pages>, _: Key, name: &Name, _: Key, new_name: &Name, _: u32) -> Outcome<()> {
        let mut book = self.0.lock();
        let key = Self::find(&book, text(name)?).ok_or(Errno::ENOENT)?;
        book.files.get_mut(&key).unwrap().name = text(new_name)?.to_owned();
        Ok(())
    }

    fn link(&mut self, _: &mut Call<'_, Pages>, node: Key, _: Key, name: &Name) -> Outcome<Entry> {
        match text(name)? {
            "twisted" | "upward" => self.make(name, libc::S_IFREG, &[]),
            _ => Self::entry(&mut self.0.lock(), node.0),
        }
    }

    fn open(&mut self, _: &mut Call<'_, Pages>, node: Key, arg: &abi::OpenIn, slot: Slot) -> Outcome<Opened> {
        let truncates = arg.flags & libc::O_TRUNC as u32 != 0;
        if truncates
            && self
                .0
                .get(|book| book.files.get(&node.0).is_some_and(|file| file.name == "busy"))
        {
            return Err(Errno::ETXTBSY);
        }
        if arg.flags & libc::O_DIRECT as u32 != 0 {
            return Err(Errno::ENOSYS);
        }
        self.0.change(|book| {
            book.open_flags = arg.flags;
            if let Some(file) = book.files.get_mut(&node.0).filter(|_| truncates) {
                file.data.clear();
            }
        });
        Ok(self.opened(node.0, slot))
    }

    fn create(
        &mut self,
        _: &mut Call<'_, Pages>,
        _: Key,
        name: &Name,
        arg: &abi::CreateIn,
        slot: Slot,
    ) -> Outcome<(Entry, Opened)> {
        let found = Self::find(&self.0.lock(), text(name)?);
        let entry = match found {
            Some(key) => Self::entry(&mut self.0.lock(), key)?,
            None => self.make(name, libc::S_IFREG, &[])?,
        };
        self.0.change(|book| {
            if let Some(file) = book.files.get_mut(&entry.nodeid) {
                if arg.flags & libc::O_TRUNC as u32 != 0 {
                    file.data.clear();
                }
            }
        });
        Ok((entry, self.opened(entry.nodeid, slot)))
    }

    /// Named after the file's mode, so that each test has what it needs.
    fn tmpfile(
        &mut self,
        _: &mut Call<'_, Pages>,
        _: Key,
        arg: &abi::CreateIn,
        slot: Slot,
    ) -> Outcome<(Entry, Opened)> {
        let name = if arg.mode & 0o111 == 0 {
            b"tmpfile".as_slice()
        } else {
            b"twisted"
        };
        let entry = self.make(Name::component(name).unwrap(), libc::S_IFREG, &[])?;
        Ok((entry, self.opened(entry.nodeid, slot)))
    }

    fn read(&mut self, call: &mut Call<'_, Pages>, node: Key, slot: Slot, arg: &abi::ReadIn) -> Outcome<usize> {
        self.enter("read", call.unique, node, slot, arg.offset)?;
        let len = {
            let book = self.0.lock();
            let file = book.files.get(&node.0);
            if file.is_some_and(|file| file.name == "greedy") {
                arg.size as usize + 1
            } else {
                let data = file
                    .and_then(|file| file.data.get(arg.offset as usize..))
                    .unwrap_or_default();
                let len = data.len().min(arg.size as usize);
                call.memory.bytes()[..len].copy_from_slice(&data[..len]);
                len
            }
        };
        self.leave();
        Ok(len)
    }

    fn write(&mut self, call: &mut Call<'_, Pages>, node: Key, slot: Slot, arg: &abi::WriteIn) -> Outcome<usize> {
        if arg.offset > MAX_SIZE {
            return Err(Errno::EFBIG);
        }
        self.enter("write", call.unique, node, slot, arg.offset)?;
        let mut len = arg.size as usize;
        self.0.change(|book| {
            let Some(file) = book.files.get_mut(&node.0) else {
                return;
            };
            let end = arg.offset as usize + len;
            if file.data.len() < end {
                file.data.resize(end, 0);
            }
            file.data[arg.offset as usize..end].copy_from_slice(&call.memory.bytes()[..len]);
            len += usize::from(file.name == "greedy");
        });
        self.leave();
        Ok(len)
    }

    fn flush(&mut self, call: &mut Call<'_, Pages>, node: Key, slot: Slot) -> Outcome<()> {
        self.enter("flush", call.unique, node, slot, u64::MAX)?;
        self.leave();
        Ok(())
    }

    fn fsync(&mut self, call: &mut Call<'_, Pages>, node: Key, slot: Slot, data_only: bool) -> Outcome<()> {
        let name = if data_only { "fdatasync" } else { "fsync" };
        self.enter(name, call.unique, node, slot, u64::MAX)?;
        self.leave();
        Ok(())
    }

    fn fallocate(&mut self, _: &mut Call<'_, Pages>, _: Key, _: Slot, _: &abi::FallocateIn) -> Outcome<()> {
        Err(Errno::ENOSPC)
    }

    /// A hole follows the first half of a file that is called "holes"; of others nothing is known.
    fn lseek(&mut self, _: &mut Call<'_, Pages>, node: Key, _: Slot, arg: &abi::LseekIn) -> Outcome<u64> {
        let book = self.0.lock();
        let file = book.files.get(&node.0).ok_or(Errno::ENOENT)?;
        if file.name != "holes" {
            return Err(Errno::EOPNOTSUPP);
        }
        let hole = file.data.len() as u64 / 2;
        match arg.whence as i32 {
            libc::SEEK_HOLE => Ok(hole.max(arg.offset)),
            _ if arg.offset < hole => Ok(arg.offset),
            _ => Err(Errno::ENXIO),
        }
    }

    fn copy_file_range(
        &mut self,
        _: &mut Call<'_, Pages>,
        source: Slot,
        slot: Slot,
        arg: &abi::CopyFileRangeIn,
    ) -> Outcome<u64> {
        let mut copied = 0;
        if arg.off_out > MAX_SIZE {
            return Err(Errno::EFBIG);
        }
        if self.0.get(|book| book.disordered) {
            // Any of the two may have been unlinked, and the source released.
            self.0.get(|book| {
                let file = |slot: Slot| book.files.get(book.open.get(&slot.0)?);
                file(source).and(file(slot)).map(drop).ok_or(Errno::EBADF)
            })?;
            return Ok(arg.len);
        }
        self.0.change(|book| {
            let (from, to) = (book.open[&source.0], book.open[&slot.0]);
            let data = book.files[&from].data.get(arg.off_in as usize..).unwrap_or_default();
            let data = data[..data.len().min(arg.len as usize)].to_vec();
            copied = data.len() as u64 + u64::from(book.files[&from].name == "greedy") * arg.len;
            let target = &mut book.files.get_mut(&to).unwrap().data;
            let at = arg.off_out as usize;
            target.resize(target.len().max(at + data.len()), 0);
            target[at..at + data.len()].copy_from_slice(&data);
            book.calls.push("copy_file_range");
        });
        Ok(copied)
    }

    /// Answers the command, and as its output the input backwards; a command of 0 answers more than there is room for.
    fn ioctl(&mut self, call: &mut Call<'_, Pages>, handle: Handle, arg: &Ioctl) -> Outcome<(u32, usize)> {
        let (Handle::File(slot) | Handle::Directory(slot)) = handle;
        self.0.change(|book| {
            assert!(book.open.contains_key(&slot.0));
            book.calls.push(if handle == Handle::File(slot) {
                "ioctl"
            } else {
                "ioctl of a directory"
            });
        });
        let input: Vec<u8> = call.memory.bytes()[arg.input.clone()].iter().rev().copied().collect();
        let len = input.len().min(arg.output.len());
        call.memory.bytes()[arg.output.clone()][..len].copy_from_slice(&input[..len]);
        Ok((arg.command, if arg.command == 0 { arg.output.len() + 1 } else { len }))
    }

    fn release(&mut self, _: &mut Call<'_, Pages>, _: Key, slot: Slot) -> Outcome<()> {
        self.released("release", slot);
        Ok(())
    }

    fn opendir(&mut self, _: &mut Call<'_, Pages>, node: Key, _: &abi::OpenIn, slot: Slot) -> Outcome<Opened> {
        Ok(self.opened(node.0, slot))
    }

    fn readdir(
        &mut self,
        call: &mut Call<'_, Pages>,
        _: Key,
        _: Slot,
        cookie: u64,
        size: usize,
        plus: bool,
    ) -> Outcome<usize> {
        let mut book = self.0.lock();
        let mut writer = DirentWriter::new(&mut call.memory.bytes()[..size]);
        let dot = Name::component(b".").unwrap();
        if cookie == 0 {
            // A key for "." must not be counted: the kernel doesn't either.
            let entry = Entry {
                nodeid: ROOT_KEY,
                ..Entry::default()
            };
            let _ = if plus {
                writer.add_plus(&entry, 1, 4, dot)
            } else {
                writer.add(1, 1, 4, dot)
            };
        }
        let keys: Vec<u64> = book.files.keys().copied().filter(|&key| key > cookie).collect();
        for key in keys {
            let name = book.files[&key].name.clone();
            let component = Name::component(name.as_bytes()).unwrap();
            let added = if plus {
                let bare = name == "bare";
                // readdir(3) hides what has inode number 0.
                let attr = abi::Attr {
                    ino: key,
                    ..Self::attr(&book, key)?
                };
                let entry = Entry {
                    nodeid: if bare { 0 } else { key },
                    attr,
                    ..Entry::default()
                };
                writer.add_plus(&entry, key, 8, component)
            } else {
                writer.add(key, key, 8, component)
            };
            if !added {
                break;
            }
            if plus && name != "bare" {
                *book.lookups.entry(key).or_default() += 1;
            }
        }
        let len = writer.len();
        // A listing whose last record is cut off.
        Ok(if book.files.values().any(|file| file.name == "cut") {
            len - 8
        } else {
            len
        })
    }

    fn fsyncdir(&mut self, call: &mut Call<'_, Pages>, node: Key, slot: Slot, _: bool) -> Outcome<()> {
        self.enter("fsyncdir", call.unique, node, slot, u64::MAX)?;
        self.leave();
        Ok(())
    }

    fn releasedir(&mut self, _: &mut Call<'_, Pages>, _: Key, slot: Slot) -> Outcome<()> {
        self.released("releasedir", slot);
        Ok(())
    }

    fn statfs(&mut self, _: &mut Call<'_, Pages>, _: Key) -> Outcome<abi::Kstatfs> {
        Ok(abi::Kstatfs {
            blocks: 77,
            ..abi::Kstatfs::default()
        })
    }

    fn syncfs(&mut self, _: &mut Call<'_, Pages>, _: Key) -> Outcome<()> {
        self.0.change(|book| book.calls.push("syncfs"));
        Ok(())
    }

    fn bmap(&mut self, _: &mut Call<'_, Pages>, _: Key, arg: &abi::BmapIn) -> Outcome<u64> {
        Ok(arg.block * u64::from(arg.blocksize))
    }

    fn setxattr(
        &mut self,
        call: &mut Call<'_, Pages>,
        node: Key,
        name: &Name,
        value: Range<usize>,
        _: u32,
        kills_sgid: bool,
    ) -> Outcome<()> {
        let value = call.memory.bytes()[value].to_vec();
        let mut book = self.0.lock();
        book.kills_sgid = kills_sgid;
        let file = book.files.get_mut(&node.0).ok_or(Errno::ENOENT)?;
        file.xattrs.insert(name.as_bytes().to_vec(), value);
        Ok(())
    }

    fn getxattr(&mut self, call: &mut Call<'_, Pages>, node: Key, name: &Name, size: usize) -> Outcome<usize> {
        let book = self.0.lock();
        let file = book.files.get(&node.0).ok_or(Errno::ENOENT)?;
        let value = file.xattrs.get(name.as_bytes()).ok_or(Errno::ENODATA)?;
        if value.len() <= size {
            call.memory.bytes()[..value.len()].copy_from_slice(value);
        }
        Ok(value.len())
    }

    fn listxattr(&mut self, call: &mut Call<'_, Pages>, node: Key, size: usize) -> Outcome<usize> {
        let book = self.0.lock();
        let file = book.files.get(&node.0).ok_or(Errno::ENOENT)?;
        let names: Vec<u8> = file
            .xattrs
            .keys()
            .flat_map(|name| [name.as_slice(), b"\0"].concat())
            .collect();
        if names.len() <= size {
            call.memory.bytes()[..names.len()].copy_from_slice(&names);
        }
        Ok(names.len())
    }

    fn removexattr(&mut self, _: &mut Call<'_, Pages>, node: Key, name: &Name) -> Outcome<()> {
        let mut book = self.0.lock();
        book.files
            .get_mut(&node.0)
            .ok_or(Errno::ENOENT)?
            .xattrs
            .remove(name.as_bytes())
            .map(drop)
            .ok_or(Errno::ENODATA)
    }

    fn getlk(&mut self, _: &mut Call<'_, Pages>, _: Key, _: Slot, arg: &abi::LkIn) -> Outcome<Option<abi::FileLock>> {
        Ok(self
            .0
            .get(|book| book.locked)
            .filter(|&owner| owner != arg.owner)
            .map(|owner| abi::FileLock {
                start: 0,
                // A range that is none.
                end: if owner == u64::MAX { u64::MAX } else { 9 },
                r#type: libc::F_WRLCK as u32,
                pid: owner as u32,
            }))
    }

    fn setlk(&mut self, call: &mut Call<'_, Pages>, node: Key, slot: Slot, arg: &abi::LkIn) -> Outcome<bool> {
        let unlocks = arg.lk.r#type == libc::F_UNLCK as u32;
        let mut free = true;
        self.still_open("setlk", node, slot)?;
        self.0.change(|book| {
            book.calls.push(if unlocks { "unlock" } else { "lock" });
            free = book.locked.is_none_or(|owner| owner == arg.owner);
            if free {
                book.locked = (!unlocks).then_some(arg.owner);
            }
        });
        if call.opcode == Opcode::Setlkw {
            // Where a test wants something to happen between a refusal and the wait.
            self.0.change(|book| book.inside += 1);
            self.0.wait(|book| book.held != Some(arg.owner));
            self.leave();
        }
        Ok(free && !unlocks)
    }

    fn retrieved(&mut self, ticket: u64, size: Outcome<usize>, memory: &mut Pages) {
        let data = size.map(|size| memory.bytes()[..size].to_vec());
        self.0.change(|book| book.retrieved.push((ticket, data)));
    }

    /// A file called "pending" is not ready until the book says so.
    fn poll(&mut self, _: &mut Call<'_, Pages>, node: Key, slot: Slot, events: u32, wake: Option<u64>) -> Outcome<u32> {
        let mut revents = events;
        self.still_open("poll", node, slot)?;
        self.0.change(|book| {
            book.polls.push(wake);
            if book.files.get(&node.0).is_some_and(|file| file.name == "pending") {
                revents &= book.ready;
            }
        });
        Ok(revents)
    }

    fn access(&mut self, _: &mut Call<'_, Pages>, _: Key, mask: u32) -> Outcome<()> {
        if mask & libc::W_OK as u32 != 0 {
            return Err(Errno::EACCES);
        }
        Ok(())
    }
}
