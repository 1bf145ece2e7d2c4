//! The file system of examples/flat on fuser, for compare.py: `ferrofuse-peer-fuser DIRECTORY THREADS SECONDS`.
//! THREADS is how many serve requests, SECONDS how long the kernel may remember names and attributes.
//!
//! What the class FlatFileSystem does, and nothing else: a change there belongs here too.

use fuser::{
    Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    KernelConfig, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyWrite, Request, WriteFlags,
};
use std::cell::UnsafeCell;
use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::sync::RwLock;
use std::time::{Duration, UNIX_EPOCH};

const FILES: u64 = 16;
const EMPTY_FILES: u64 = 10_000;
const FILE_SIZE: u64 = 1 << 30;
/// The bytes of a file repeat after it.
const PERIOD: usize = 1 << 20;

const ROOT: u64 = 1;
const FIRST_FILE: u64 = 2;
const FIRST_EMPTY: u64 = FIRST_FILE + FILES;
const FIRST_CREATED: u64 = FIRST_EMPTY + EMPTY_FILES;

/// Bytes that are read and written at once without a lock, as the other peers do: what a read sees of a write that
/// runs meanwhile is anyone's guess.
struct Shared(UnsafeCell<Box<[u8; PERIOD]>>);

// SAFETY: only plain bytes are copied in and out, through raw pointers, and none of them means anything to the program.
unsafe impl Sync for Shared {}

impl Shared {
    fn new(number: usize) -> Self {
        let mut bytes = Box::new([0; PERIOD]);
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = b'a' + ((i + number) % 26) as u8;
        }
        Self(UnsafeCell::new(bytes))
    }

    /// Where the bytes are.
    fn start(&self) -> *mut u8 {
        // SAFETY: the box itself is never replaced, so it may be looked through at any time.
        unsafe { (*self.0.get()).as_mut_ptr() }
    }

    /// Calls `copy` with each contiguous part of a transfer: where it is in the transfer, where in memory, how long.
    fn parts(&self, count: usize, offset: u64, mut copy: impl FnMut(usize, *mut u8, usize)) {
        let mut done = 0;
        while done < count {
            let at = (offset as usize + done) & (PERIOD - 1);
            let part = (count - done).min(PERIOD - at);
            // SAFETY: `at` is below PERIOD, the length of the allocation.
            copy(done, unsafe { self.start().add(at) }, part);
            done += part;
        }
    }
}

#[derive(Default)]
struct Names {
    nodes: HashMap<OsString, u64>,
    names: BTreeMap<u64, OsString>,
    next: u64,
}

impl Names {
    fn new() -> Self {
        let mut made = Self {
            next: FIRST_FILE,
            ..Self::default()
        };
        for i in 0..FILES {
            made.add(format!("f{i}").into());
        }
        for i in 0..EMPTY_FILES {
            made.add(format!("n{i}").into());
        }
        made
    }

    fn add(&mut self, name: OsString) -> u64 {
        let node = self.next;
        self.next += 1;
        self.names.insert(node, name.clone());
        self.nodes.insert(name, node);
        node
    }
}

struct Flat {
    data: Vec<Shared>,
    names: RwLock<Names>,
    remembered: Duration,
}

impl Flat {
    fn new(remembered: Duration) -> Self {
        Self {
            data: (0..FILES as usize).map(Shared::new).collect(),
            names: RwLock::new(Names::new()),
            remembered,
        }
    }

    fn data_of(&self, node: INodeNo) -> Option<&Shared> {
        node.0
            .checked_sub(FIRST_FILE)
            .and_then(|number| self.data.get(number as usize))
    }

    fn attributes(&self, node: u64) -> FileAttr {
        let size = if self.data_of(INodeNo(node)).is_some() {
            FILE_SIZE
        } else {
            0
        };
        FileAttr {
            ino: INodeNo(node),
            size,
            blocks: size / 512,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: if node == ROOT {
                FileType::Directory
            } else {
                FileType::RegularFile
            },
            perm: if node == ROOT { 0o755 } else { 0o666 },
            nlink: if node == ROOT { 2 } else { 1 },
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}

const OPENED: FopenFlags = FopenFlags::FOPEN_DIRECT_IO.union(FopenFlags::FOPEN_PARALLEL_DIRECT_WRITES);

thread_local! {
    /// What a read is copied to: the reply takes a slice.
    static REPLY: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
}

impl Filesystem for Flat {
    /// Asks for what the other libraries ask for by themselves.
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        // an older kernel has one of them only, or none
        let _ = config.add_capabilities(InitFlags::FUSE_ASYNC_DIO);
        let _ = config.add_capabilities(InitFlags::FUSE_PARALLEL_DIROPS);
        Ok(())
    }

    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let node = self
            .names
            .read()
            .expect("nothing panics with it")
            .nodes
            .get(name)
            .copied();
        match node {
            Some(node) => reply.entry(&self.remembered, &self.attributes(node), Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, node: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&self.remembered, &self.attributes(node.0));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), OPENED);
    }

    fn create(&self, _: &Request, _: INodeNo, name: &OsStr, _: u32, _: u32, _: i32, reply: ReplyCreate) {
        let mut names = self.names.write().expect("nothing panics with it");
        if names.nodes.contains_key(name) {
            return reply.error(Errno::EEXIST);
        }
        let node = names.add(name.to_owned());
        drop(names);
        reply.created(
            &self.remembered,
            &self.attributes(node),
            Generation(0),
            FileHandle(0),
            OPENED,
        );
    }

    fn unlink(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let mut names = self.names.write().expect("nothing panics with it");
        match names.nodes.get(name).copied() {
            None => reply.error(Errno::ENOENT),
            Some(node) if node < FIRST_CREATED => reply.error(Errno::EPERM),
            Some(node) => {
                names.nodes.remove(name);
                names.names.remove(&node);
                drop(names);
                reply.ok();
            }
        }
    }

    fn read(
        &self,
        _: &Request,
        node: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let Some(data) = self.data_of(node) else {
            return reply.data(&[]);
        };
        let count = u64::from(size).min(FILE_SIZE.saturating_sub(offset)) as usize;
        REPLY.with_borrow_mut(|out| {
            if out.len() < count {
                out.resize(count, 0);
            }
            data.parts(count, offset, |done, from, part| {
                // SAFETY: parts() names `part` bytes of the file, and `out` has `count` bytes, which `done + part`
                // does not pass.
                unsafe { from.copy_to_nonoverlapping(out.as_mut_ptr().add(done), part) }
            });
            reply.data(&out[..count]);
        });
    }

    fn write(
        &self,
        _: &Request,
        node: INodeNo,
        _: FileHandle,
        offset: u64,
        bytes: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let room = FILE_SIZE.saturating_sub(offset) as usize;
        match self.data_of(node) {
            Some(data) if room > 0 => {
                let count = bytes.len().min(room);
                data.parts(count, offset, |done, to, part| {
                    // SAFETY: parts() names `part` bytes of the file, and `done + part` does not pass the length of
                    // `bytes`.
                    unsafe { bytes.as_ptr().add(done).copy_to_nonoverlapping(to, part) }
                });
                reply.written(count as u32);
            }
            _ => reply.error(Errno::EFBIG),
        }
    }

    fn readdir(&self, _: &Request, _: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let names = self.names.read().expect("nothing panics with it");
        for (&node, name) in names.names.range(offset + 1..) {
            if reply.add(INodeNo(node), node, FileType::RegularFile, name) {
                break;
            }
        }
        drop(names);
        reply.ok();
    }
}

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, threads, seconds] = arguments.as_slice() else {
        return Err(std::io::Error::other(
            "usage: ferrofuse-peer-fuser DIRECTORY THREADS SECONDS",
        ));
    };
    let number = |text: &String| text.parse::<u64>().map_err(std::io::Error::other);
    let mut config = Config::default();
    config.mount_options = vec![MountOption::FSName("flat".to_owned())];
    config.n_threads = Some(number(threads)? as usize);
    fuser::mount(Flat::new(Duration::from_secs(number(seconds)?)), directory, &config)
}
