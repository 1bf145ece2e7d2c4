//! A flat in-memory file system that keeps book of everything the engine tells it.
//!
//! Keys: the root is 1, files are 10 and up. A file's name makes it special: "panic" panics in every call that names
//! it, "greedy" answers more than was asked for, "shared" and "free" open with that concurrency, "busy" is not truncated by
//! an open.

use std::alloc::{alloc_zeroed, dealloc, Layout};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use ferrofuse_protocol::dirent::DirentWriter;
use ferrofuse_protocol::{abi, Errno, Name, Opcode};
use ferrofuse_session::{
    Attributes, Call, Caller, Concurrency, Entry, Handle, Handler, Ioctl, Key, LockKeeper, Memory, Offer, Opened,
    Outcome, Slot, Wish,
};

pub(crate) const ROOT_KEY: u64 = 1;
const FIRST_KEY: u64 = 10;
const MAX_SIZE: u64 = 1 << 20;

/// Page-aligned memory, counted.
pub(crate) struct Pages {
    start: *mut u8,
    layout: Layout,
    alive: Arc<AtomicUsize>,
}

// SAFETY: the memory belongs to the value.
unsafe impl Send for Pages {}

// SAFETY: allocated for the value's life, page-aligned, shared with nobody.
unsafe impl Memory for Pages {
    fn bulk(&self) -> *mut [u8] {
        std::ptr::slice_from_raw_parts_mut(self.start, self.layout.size())
    }
}

impl Pages {
    fn new(size: usize, alive: Arc<AtomicUsize>) -> Self {
        let layout = Layout::from_size_align(size, 4096).unwrap();
        alive.fetch_add(1, Ordering::SeqCst);
        // SAFETY: the size is not 0.
        let start = unsafe { alloc_zeroed(layout) };
        Self { start, layout, alive }
    }

    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: nobody else has the memory, and the value is borrowed.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.layout.size()) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
        // SAFETY: allocated with this layout.
        unsafe { dealloc(self.start, self.layout) };
    }
}

pub(crate) struct File {
    pub(crate) name: String,
    /// `S_IFMT` bits.
    pub(crate) kind: u32,
    /// The others of the mode.
    pub(crate) permissions: u32,
    pub(crate) data: Vec<u8>,
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// What the file system knows of itself and of the engine's calls.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) files: BTreeMap<u64, File>,
    /// Entries handed out and not forgotten, by key.
    pub(crate) lookups: HashMap<u64, u64>,
    /// Open handles: slot -> key.
    pub(crate) open: HashMap<u32, u64>,
    /// Names of the calls on handles, in the order in which they ran.
    pub(crate) calls: Vec<&'static str>,
    /// Of the last open.
    pub(crate) open_flags: u32,
    /// Of the last setxattr.
    pub(crate) kills_sgid: bool,
    /// No mode is changed.
    pub(crate) fixed: bool,
    /// Of the last lookup.
    pub(crate) caller: Caller,
    /// How many calls are inside `read` or `write`.
    pub(crate) inside: usize,
    /// While set, reads and writes at this offset stay inside.
    pub(crate) held: Option<u64>,
    /// Requests of which the engine said that they are interrupted. Reads come back then, held or not.
    pub(crate) interrupted: Vec<u64>,
    /// With [`LockKeeper::FileSystem`]: the only lock there is, by its owner.
    pub(crate) locked: Option<u64>,
    /// Who keeps locks.
    pub(crate) lock_keeper: LockKeeper,
    /// The kernel breaks the rules: what the gate doesn't order may come after the release of its handle.
    pub(crate) disordered: bool,
    /// Files are opened with `FOPEN_NOFLUSH`.
    pub(crate) no_flush: bool,
    /// What came back of the page cache, by ticket.
    pub(crate) retrieved: Vec<(u64, Outcome<Vec<u8>>)>,
    /// The wake-ups that polls asked for.
    pub(crate) polls: Vec<Option<u64>>,
    /// `POLL*` bits of the file "pending".
    pub(crate) ready: u32,
    pub(crate) initialised: usize,
    pub(crate) destroyed: usize,
    pub(crate) next_key: u64,
}

pub(crate) struct Flat {
    pub(crate) book: Mutex<Book>,
    pub(crate) changed: Condvar,
    /// Leases alive.
    pub(crate) leases: Arc<AtomicUsize>,
    /// Leases that there is memory for.
    pub(crate) max_leases: AtomicUsize,
    pub(crate) refuse_init: bool,
    /// What is asked for at INIT.
    pub(crate) wish: Mutex<Wish>,
    /// Makes one more thread that serves.
    pub(crate) spawn: Mutex<Option<Box<dyn Fn() -> bool + Send>>>,
}

impl Flat {
    pub(crate) fn with_files(names: &[&str]) -> Arc<Self> {
        // Room for the calls of any test: the engine's allocations are counted with the file system's.
        let mut book = Book {
            next_key: FIRST_KEY,
            calls: Vec::with_capacity(1 << 16),
            ..Book::default()
        };
        for name in names {
            let file = File {
                name: (*name).to_owned(),
                kind: libc::S_IFREG,
                permissions: 0o640,
                data: (0..=255).collect(),
                xattrs: BTreeMap::new(),
            };
            book.files.insert(book.next_key, file);
            book.next_key += 1;
        }
        Arc::new(Self {
            book: Mutex::new(book),
            changed: Condvar::new(),
            leases: Arc::default(),
            max_leases: AtomicUsize::new(usize::MAX),
            refuse_init: false,
            wish: Mutex::new(Wish {
                birth_times: true,
                ..Wish::default()
            }),
            spawn: Mutex::default(),
        })
    }

    /// The book; a panic while somebody had it is part of the game.
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the book is as `when` says.
    pub(crate) fn wait(&self, when: impl Fn(&Book) -> bool) {
        let _book = self
            .changed
            .wait_while(self.lock(), |book| !when(book))
            .unwrap_or_else(PoisonError::into_inner);
    }

    /// Changes the book and tells whoever waits.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Book)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    pub(crate) fn get<T>(&self, get: impl FnOnce(&Book) -> T) -> T {
        get(&self.lock())
    }

    /// Lookups that are out, keys without any left out.
    pub(crate) fn lookups(&self) -> HashMap<u64, u64> {
        self.get(|book| {
            book.lookups
                .iter()
                .filter(|(_, &count)| count > 0)
                .map(|(&key, &count)| (key, count))
                .collect()
        })
    }
}

/// One worker's door to the file system.
pub(crate) struct Door(pub Arc<Flat>);

impl Door {
    fn attr(book: &Book, key: u64) -> Outcome<abi::Attr> {
        let (mode, size) = match book.files.get(&key) {
            _ if key == ROOT_KEY => (libc::S_IFDIR | 0o755, 0),
            Some(file) => (file.kind | file.permissions, file.data.len() as u64),
            None => return Err(Errno::ENOENT),
        };
        Ok(abi::Attr {
            mode,
            size,
            nlink: 1,
            uid: 5,
            gid: 6,
            ..abi::Attr::default()
        })
    }

    fn entry(book: &mut Book, key: u64) -> Outcome<Entry> {
        let attr = Self::attr(book, key)?;
        *book.lookups.entry(key).or_default() += 1;
        Ok(Entry {
            nodeid: key,
            attr,
            ..Entry::default()
        })
    }

    /// Makes a file of a kind; one that is called "twisted" is answered as a socket, "upward" as the root.
    fn make(&self, name: &Name, kind: u32, data: &[u8]) -> Outcome<Entry> {
        let mut book = self.0.lock();
        let name = text(name)?;
        if name == "upward" {
            return Self::entry(&mut book, ROOT_KEY);
        }
        let key = book.next_key;
        book.next_key += 1;
        let file = File {
            name: name.to_owned(),
            kind: if name == "twisted" { libc::S_IFSOCK } else { kind },
            permissions: 0o640,
            data: data.to_vec(),
            xattrs: BTreeMap::new(),
        };
        book.files.insert(key, file);
        Self::entry(&mut book, key)
    }

    fn find(book: &Book, name: &str) -> Option<u64> {
        book.files
            .iter()
            .find(|(_, file)| file.name == name)
            .map(|(&key, _)| key)
    }

    fn opened(&self, key: u64, slot: Slot) -> Opened {
        let mut opened = Opened::default();
        self.0.change(|book| {
            let before = book.open.insert(slot.0, key);
            assert!(before.is_none(), "slot {} is open", slot.0);
            opened.concurrency = match book.files.get(&key).map(|file| file.name.as_str()) {
                Some("shared") => Concurrency::SharedReads,
                Some("free") => Concurrency::Concurrent,
                _ => Concurrency::Serialized,
            };
            if book.no_flush {
                opened.flags |= abi::fopen::NOFLUSH;
            }
        });
        opened
    }

    /// Sees to it that the handle of a call is open, which the gate doesn't have wait for others.
    fn still_open(&self, call: &'static str, node: Key, slot: Slot) -> Outcome<()> {
        self.0.get(|book| {
            let is_open = book.open.get(&slot.0) == Some(&node.0);
            assert!(is_open || book.disordered, "{call} of a handle that isn't open");
            is_open.then_some(()).ok_or(Errno::EBADF)
        })
    }

    /// Begins a call on a handle, and stays in it as long as it is held.
    fn enter(&self, call: &'static str, unique: u64, key: Key, slot: Slot, offset: u64) -> Outcome<()> {
        self.0.change(|book| {
            if slot != Slot::UNOPENED {
                assert_eq!(
                    book.open.get(&slot.0),
                    Some(&key.0),
                    "{call} of a handle that isn't open"
                );
            }
            book.calls.push(call);
            book.inside += 1;
        });
        self.0
            .wait(|book| book.held != Some(offset) || book.interrupted.contains(&unique));
        if self.0.get(|book| book.interrupted.contains(&unique)) {
            self.leave();
            return Err(Errno::EINTR);
        }
        Ok(())
    }

    fn leave(&self) {
        self.0.change(|book| book.inside -= 1);
    }

    fn released(&self, call: &'static str, slot: Slot) {
        self.0.change(|book| {
            assert!(book.open.remove(&slot.0).is_some(), "slot {} released twice", slot.0);
            book.calls.push(call);
        });
    }
}

fn text(name: &Name) -> Outcome<&str> {
    std::str::from_utf8(name.as_bytes()).map_err(|_| Errno::EILSEQ)
}

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
