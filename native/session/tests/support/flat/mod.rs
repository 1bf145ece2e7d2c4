//! A flat in-memory file system that keeps book of everything the engine tells it.
//!
//! Keys: the root is 1, files are 10 and up. A file's name makes it special: "panic" panics in every call that names
//! it, "greedy" answers more than was asked for, "shared" and "free" open with that concurrency, "busy" is not truncated by
//! an open.

mod door;
mod handler;
mod pages;

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

pub(crate) use door::Door;
pub(crate) use pages::Pages;

pub(crate) const ROOT_KEY: u64 = 1;
const FIRST_KEY: u64 = 10;
const MAX_SIZE: u64 = 1 << 20;
/// Time of every file that is new: 3.5 s before 1970.
const MADE: (u64, u32) = ((-4_i64) as u64, 500_000_000);

pub(crate) struct File {
    pub(crate) name: String,
    /// `S_IFMT` bits.
    pub(crate) kind: u32,
    /// The others of the mode.
    pub(crate) permissions: u32,
    pub(crate) data: Vec<u8>,
    /// Seconds and nanoseconds; only utimensat(2) changes it.
    pub(crate) mtime: (u64, u32),
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
    /// Files are opened with this descriptor of another one.
    pub(crate) backing: Option<i32>,
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
                mtime: MADE,
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
