//! The only door to a file system.
//!
//! [`Handler`] is called by `dispatch`, once per request, on the worker's own thread. It knows keys, slots and
//! buffers; it never sees a nodeid, a file descriptor of the transport, or a reply. Whatever it returns, dispatch
//! sends exactly one reply; a panic becomes `EIO`.

use std::io;
use std::ops::Range;
use std::os::fd::RawFd;

use ferrofuse_protocol::{abi, Errno, Name, Opcode};

/// What a handler answers: a value, or the errno that the caller of the system call gets.
pub type Outcome<T> = Result<T, Errno>;

/// The file system's own identifier of a node. The engine exchanges it for a nodeid before anything reaches the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(pub u64);

/// Index of an open file or directory: small, dense, and reused after release. Chosen by the engine before `open`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot(pub u32);

impl Slot {
    /// No slot: the call is about a file or directory that nobody opened, because the handler opens none
    /// (`Config::operations`). Such calls are never ordered, and no release ends them.
    pub const UNOPENED: Self = Self(u32::MAX);
}

/// A directory entry as the file system gives it: `nodeid` holds the [`Key`], dispatch replaces it.
pub type Entry = abi::EntryOut;

/// Which calls on one open handle may overlap. Dispatch enforces it; a request that must wait is parked, and no
/// worker waits for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Concurrency {
    /// One call at a time.
    #[default]
    Serialized = 0,
    /// Reads overlap each other; every other call is alone.
    SharedReads = 1,
    /// No ordering at all.
    Concurrent = 2,
}

/// What `open`, `create` and `opendir` answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Opened {
    /// `FOPEN_*` of `<linux/fuse.h>`.
    pub flags: u32,
    /// Which calls on the handle may overlap.
    pub concurrency: Concurrency,
    /// A descriptor of the file that the kernel may read and write in this one's place, with
    /// [`Wish::passes_through`]. Not used any more when the next call on the handle comes.
    pub backing: Option<RawFd>,
}

/// What STATX asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attributes {
    /// As GETATTR answers them.
    pub out: abi::AttrOut,
    /// When the file was made; `None` where the file system doesn't say.
    pub birth: Option<abi::SxTime>,
}

/// The handle of an ioctl(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handle {
    /// An open file.
    File(Slot),
    /// An open directory.
    Directory(Slot),
}

/// What an ioctl(2) comes with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ioctl {
    /// The request code.
    pub command: u32,
    /// The third argument as a number. If it was a pointer, it means nothing here.
    pub argument: u64,
    /// Where in the bulk region lies what the pointer points to.
    pub input: Range<usize>,
    /// Where in the bulk region the answer goes: as much as the caller has room for. It does not overlap `input`.
    pub output: Range<usize>,
}

/// Who made the system call. All zero for calls that the engine makes itself (handles left at the end of a session).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// Effective user, as the kernel maps it into the mount's user namespace.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
    /// Thread id; 0 when the caller is in another pid namespace.
    pub pid: u32,
}

/// The bulk memory of one lease: file data, directory entries and xattr values of one request in flight.
///
/// # Safety
/// The region stays mapped, writable, page-aligned and at the same address until the value is dropped, and no other
/// `Memory` overlaps it. Others may read or write it at any time (a Java program may keep a buffer), so it is never
/// turned into a reference.
pub unsafe trait Memory: Send + 'static {
    /// The whole region.
    fn bulk(&self) -> *mut [u8];
}

/// What a handler may know of the request it serves, and the memory it answers in.
pub struct Call<'a, M> {
    /// Kernel's id of the request (`fuse_in_header.unique`).
    pub unique: u64,
    /// The operation, for logs and metrics.
    pub opcode: Opcode,
    /// Who asked.
    pub caller: Caller,
    /// The lease's memory. Replies that carry bytes (`read`, `readdir`, `readlink`, `getxattr`, `listxattr`) put them
    /// at the start of its bulk region; `write` and `setxattr` find theirs there.
    pub memory: &'a mut M,
}

/// What the kernel offers, told to [`Handler::init`] before INIT is answered.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// Protocol minor version in use (major is 7).
    pub minor: u32,
    /// Every `FUSE_*` INIT flag the kernel offered, `flags2` in the upper half.
    pub flags: u64,
}

/// Who keeps the locks of fcntl(2) and flock(2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LockKeeper {
    /// The kernel, which then asks nobody: right where all who lock a file go through this mount.
    #[default]
    Kernel,
    /// The engine, in a table of its own, with the same rules.
    Engine,
    /// The file system, by [`Handler::getlk`] and [`Handler::setlk`].
    FileSystem,
}

/// What the file system asks for at INIT.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish {
    /// Who keeps locks.
    pub locks: LockKeeper,
    /// The file system clears setuid, setgid and capabilities itself when a call says so (`HANDLE_KILLPRIV_V2`).
    pub clears_privileges: bool,
    /// The file system truncates in `open` where `O_TRUNC` says so (`ATOMIC_O_TRUNC`).
    pub truncates_on_open: bool,
    /// Others change what files contain, and who has one open is to see it (`AUTO_INVAL_DATA`).
    pub shares_files: bool,
    /// The file system knows when its files were made: STATX is asked.
    pub birth_times: bool,
    /// The file system keeps POSIX ACLs for the kernel to check (`POSIX_ACL`), and applies the umask where a directory has no
    /// default ACL (`DONT_MASK`).
    pub keeps_acls: bool,
    /// `lookup` answers "." and "..", also of a node that was forgotten (`EXPORT_SUPPORT`). Nodeids are then the keys
    /// themselves: one that is given to another file must come with another `generation`.
    pub resolves_dots: bool,
    /// Files that are opened may name another that the kernel reads and writes in their place (`PASSTHROUGH`). Not to be
    /// had with [`Config::writeback_cache`](crate::Config::writeback_cache), and of no use where every read and write is
    /// wanted ([`Config::direct_io`](crate::Config::direct_io)) or no file is opened: not asked for then.
    pub passes_through: bool,
}

/// A file system as the engine sees it: one value per worker thread, all of them doors to the same file system.
///
/// Every method runs on the worker's thread. Default methods do not exist on purpose: which operations reach the
/// handler is decided by `Config::operations`, the others are answered by dispatch.
pub trait Handler {
    /// Memory of a lease, made by the worker that first needs it; a parked request may be finished by another worker.
    type Memory: Memory;

    /// Makes the memory of one more lease with a bulk region of at least `bulk` bytes.
    ///
    /// # Errors
    /// Whatever kept it from being allocated.
    fn lease(&mut self, bulk: usize) -> io::Result<Self::Memory>;

    /// Has one more thread call `Session::serve`. `false`: there can be none now; the session asks again later. Only
    /// called with `Config::growth`.
    fn spawn(&mut self) -> bool;

    /// Called once, before the kernel gets its INIT reply.
    fn init(&mut self, offer: &Offer) -> Outcome<Wish>;
    /// Called once, after the last request and the last `release`.
    fn destroy(&mut self);

    /// Whoever waits for the answer of the request `unique` got a signal: the answer is due soon, `EINTR` if there is none
    /// yet. Called by another worker than the one that serves the request, maybe before it begins or after it has
    /// ended, maybe for one that never comes here.
    fn interrupt(&mut self, unique: u64);

    /// The kernel's answer to [`Session::retrieve`](crate::Session::retrieve) under this ticket: so many bytes of the
    /// page cache, at the start of the bulk region; or an error, if the answer made no sense. Once per ticket.
    fn retrieved(&mut self, ticket: u64, size: Outcome<usize>, memory: &mut Self::Memory);

    /// Finds `name`; "." and ".." only if [`Wish::resolves_dots`] was granted, of which the latter may answer the root.
    /// `None` is a negative entry, valid for `Config::negative_timeout`; an entry whose `nodeid` is 0 is
    /// one that is valid for as long as it says. Each other entry handed out raises the node's lookup count by one.
    fn lookup(&mut self, call: &mut Call<'_, Self::Memory>, parent: Key, name: &Name) -> Outcome<Option<Entry>>;
    /// The kernel no longer refers to the node; `lookups` entries had been handed out since it last did not.
    fn forget(&mut self, node: Key, lookups: u64);
    /// Attributes; `handle` when the caller holds an open file.
    fn getattr(&mut self, call: &mut Call<'_, Self::Memory>, node: Key, handle: Option<Slot>) -> Outcome<abi::AttrOut>;
    /// Changes what `change.valid` (`FATTR_*`) names; `change.fh` is meaningless, `handle` stands for it.
    fn setattr(
        &mut self,
        call: &mut Call<'_, Self::Memory>,
        node: Key,
        handle: Option<Slot>,
        change: &abi::SetattrIn,
    ) -> Outcome<abi::AttrOut>;
    /// Attributes with the time of birth, for statx(2); `handle` as for `getattr`. Only with [`Wish::birth_times`].
    fn statx(&mut self, call: &mut Call<'_, Self::Memory>, node: Key, handle: Option<Slot>) -> Outcome<Attributes>;
    /// Target of a symbolic link, into the bulk region; answers its length.
    fn readlink(&mut self, call: &mut Call<'_, Self::Memory>, node: Key) -> Outcome<usize>;
    /// Makes a symbolic link.
    fn symlink(&mut self, call: &mut Call<'_, Self::Memory>, parent: Key, name: &Name, target: &[u8])
        -> Outcome<Entry>;
    /// Makes a file, device, fifo or socket.
    fn mknod(
        &mut self,
        call: &mut Call<'_, Self::Memory>,
        parent: Key,
        name: &Name,
        arg: &abi::MknodIn,
    ) -> Outcome<Entry>;
    /// Makes a directory.
    fn mkdir(
        &mut self,
        call: &mut Call<'_, Self::Memory>,
        parent: Key,
        name: &Name,
        arg: &abi::MkdirIn,
    ) -> Outcome<Entry>;
    /// Removes a name that is not a directory.
    fn unlink(&mut self, call: &mut Call<'_, Self::Memory>, parent: Key, name: &Name) -> Outcome<()>;
    /// Removes an empty directory.
    fn rmdir(&mut self, call: &mut Call<'_, Self::Memory>, parent: Key, name: &Name) -> Outcome<()>;
    /// Renames; `flags` are those of renameat2(2).
    fn rename(
        &mut self,
        call: &mut Call<'_, Self::Memory>,
        parent: Key,
        name: &Name,
        new_parent: Key,
        new_name: &Name,
        flags: u32,
    ) -> Outcome<()>;
    /// Makes a hard link to `node`.
    fn link(
        &mut self,
        call: &mut Call<'_, Self::Memory>,
        node: Key,
        new_parent: Key,
        new_name: &Name,
    ) -> Outcome<Entry>;
    /// Opens a file as `slot`.
    fn open(&mut self, call: &mut Call<'_, Self::Memory>, node: Key, arg: &abi::OpenIn, slot: Slot) -> Outcome<Opened>;
    /// Makes a file and opens it as `slot`, in one step.
    fn create(
        &mut self,
        call: &mut Call<'_, Self::Memory>,
        parent: Key,
        name: &Name,
        arg: &abi::CreateIn,
        slot: Slot,
    ) -> Outcome<(Entry, Opened)>;
    /// Makes a file without a name in a directory and opens it as `slot`: open(2) with `O_TMPFILE`. A link may name it.
    fn tmpfile(
        &mut self,
        call: &mut Call<'_, Self::Memory>,
        parent: Key,
        arg: &abi::CreateIn,
        slot: Slot,
    ) -> Outcome<(Entry, Opened)>;
    /// Reads up to `arg.size` bytes into the bulk region; fewer is end of file.
    fn read(&mut self, call: &mut Call<'_, Self::Memory>, node: Key, slot: Slot, arg: &abi::ReadIn) -> Outcome<usize>;
    /// Writes the first `arg.size` bytes of the bulk region; answers how many were taken.
    fn write(&mut self, call: &mut Call<'_, Self::Memory>, node: Key, slot: Slot, arg: &abi::WriteIn)
        -> Outcome<usize>;
    /// One descriptor of the handle was closed; close(2) returns the answer.
    fn flush(&mut self, call: &mut Call<'_, Self::Memory>, node: Key, slot: Slot) -> Outcome<()>;
    /// fsync(2), or fdatasync(2) when `data_only`.
    fn fsync(&mut self, call: &mut Call<'_, Self::Memory>, node: Key, slot: Slot, data_only: bool) -> Outcome<()>;
    /// fallocate(2).
    fn fallocate(
        &mut self,
        call: &mut Call<'_, Self::Memory>,
        node: Key,
        slot: Slot,
        arg: &abi::FallocateIn,
    ) -> Outcome<()>;
    /// Where the next data or hole begins: lseek(2) with `SEEK_DATA` or `SEEK_HOLE`. `EOPNOTSUPP`: the file is taken for
    /// all data.
    fn lseek(&mut self, call: &mut Call<'_, Self::Memory>, node: Key, slot: Slot, arg: &abi::LseekIn) -> Outcome<u64>;
    /// copy_file_range(2) from `source` to `slot`; answers how many bytes were copied. `EOPNOTSUPP`: the kernel reads and
    /// writes. Calls on the source are not held back meanwhile, but its release.
    fn copy_file_range(
        &mut self,
        call: &mut Call<'_, Self::Memory>,
        source: Slot,
        slot: Slot,
        arg: &abi::CopyFileRangeIn,
    ) -> Outcome<u64>;
    /// ioctl(2) on an open file or directory; answers its return value, and how many bytes it put into `arg.output`.
    fn ioctl(&mut self, call: &mut Call<'_, Self::Memory>, handle: Handle, arg: &Ioctl) -> Outcome<(u32, usize)>;
    /// The handle's last use; `slot` may be given to another open afterwards. Also for handles that the kernel never
    /// learned of (an interrupted open) and those left when the session ends.
    fn release(&mut self, call: &mut Call<'_, Self::Memory>, node: Key, slot: Slot) -> Outcome<()>;
    /// Opens a directory as `slot`.
    fn opendir(
        &mut self,
        call: &mut Call<'_, Self::Memory>,
        node: Key,
        arg: &abi::OpenIn,
        slot: Slot,
    ) -> Outcome<Opened>;
    /// Puts `fuse_dirent` records (`fuse_direntplus` when `plus`, with keys as nodeids, 0 for "no attributes") that
    /// follow `cookie` into the first `size` bytes of the bulk region; answers how many bytes. 0 is the end.
    fn readdir(
        &mut self,
        call: &mut Call<'_, Self::Memory>,
        node: Key,
        slot: Slot,
        cookie: u64,
        size: usize,
        plus: bool,
    ) -> Outcome<usize>;
    /// fsync(2) on a directory.
    fn fsyncdir(&mut self, call: &mut Call<'_, Self::Memory>, node: Key, slot: Slot, data_only: bool) -> Outcome<()>;
    /// The directory's last use, as `release`.
    fn releasedir(&mut self, call: &mut Call<'_, Self::Memory>, node: Key, slot: Slot) -> Outcome<()>;
    /// statfs(2).
    fn statfs(&mut self, call: &mut Call<'_, Self::Memory>, node: Key) -> Outcome<abi::Kstatfs>;
    /// syncfs(2): makes everything durable. The kernel asks this of file systems on block devices only.
    fn syncfs(&mut self, call: &mut Call<'_, Self::Memory>, node: Key) -> Outcome<()>;
    /// Block of the device that has the file's block `arg.block`, in units of `arg.blocksize`. As `syncfs`.
    fn bmap(&mut self, call: &mut Call<'_, Self::Memory>, node: Key, arg: &abi::BmapIn) -> Outcome<u64>;
    /// Sets an attribute to the bytes at `value` of the bulk region; `flags` are those of setxattr(2). `kills_sgid`: an
    /// access ACL is set by somebody outside the file's group, so setgid has to go.
    #[allow(clippy::too_many_arguments)]
    fn setxattr(
        &mut self,
        call: &mut Call<'_, Self::Memory>,
        node: Key,
        name: &Name,
        value: Range<usize>,
        flags: u32,
        kills_sgid: bool,
    ) -> Outcome<()>;
    /// Value of an attribute, into the bulk region if it fits in `size` (`ERANGE` if not); answers its length.
    /// `size` 0 asks for the length alone.
    fn getxattr(&mut self, call: &mut Call<'_, Self::Memory>, node: Key, name: &Name, size: usize) -> Outcome<usize>;
    /// NUL-terminated names one after the other, as `getxattr`.
    fn listxattr(&mut self, call: &mut Call<'_, Self::Memory>, node: Key, size: usize) -> Outcome<usize>;
    /// Removes an attribute.
    fn removexattr(&mut self, call: &mut Call<'_, Self::Memory>, node: Key, name: &Name) -> Outcome<()>;
    /// The first lock that is in the way of the one in `arg`. Only with [`LockKeeper::FileSystem`], as `setlk`; neither
    /// waits at the handle for other calls on it.
    fn getlk(
        &mut self,
        call: &mut Call<'_, Self::Memory>,
        node: Key,
        slot: Slot,
        arg: &abi::LkIn,
    ) -> Outcome<Option<abi::FileLock>>;
    /// Sets or clears a lock, without waiting. `false`: others are in the way. Also called to clear, in a FLUSH what the
    /// closing process holds in the file, in a RELEASE the flock lock of the open file.
    fn setlk(&mut self, call: &mut Call<'_, Self::Memory>, node: Key, slot: Slot, arg: &abi::LkIn) -> Outcome<bool>;
    /// poll(2): which of `events` (and of `POLLERR`, `POLLHUP`) hold now. With `wake` somebody waits for the others, to be
    /// told by [`Session::wake`](crate::Session::wake) of that number. Not ordered with other calls on the handle.
    fn poll(
        &mut self,
        call: &mut Call<'_, Self::Memory>,
        node: Key,
        slot: Slot,
        events: u32,
        wake: Option<u64>,
    ) -> Outcome<u32>;
    /// access(2); `mask` of `R_OK`, `W_OK`, `X_OK`.
    fn access(&mut self, call: &mut Call<'_, Self::Memory>, node: Key, mask: u32) -> Outcome<()>;
}
