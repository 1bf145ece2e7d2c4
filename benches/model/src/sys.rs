//! System calls that answer a value or an [`Errno`]. The only place with `unsafe` in it. Who calls it decides what an
//! error means.

use std::cell::Cell;
use std::ffi::{c_int, CString};
use std::fmt;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use crate::words::User;

/// Why a call failed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

/// What a call answers.
pub type Result<T> = std::result::Result<T, Errno>;

macro_rules! names {
    ($($name:ident),*) => {
        impl fmt::Debug for Errno {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.0 {
                    $(libc::$name => f.write_str(stringify!($name)),)*
                    other => write!(f, "errno {other}"),
                }
            }
        }
    };
}
names!(
    E2BIG,
    EACCES,
    EAGAIN,
    EBADF,
    EBUSY,
    ECONNABORTED,
    EEXIST,
    EFAULT,
    EFBIG,
    EINTR,
    EINVAL,
    EIO,
    EISDIR,
    ELOOP,
    EMLINK,
    ENAMETOOLONG,
    ENODATA,
    ENODEV,
    ENOENT,
    ENOLCK,
    ENOMEM,
    ENOSPC,
    ENOSYS,
    ENOTCONN,
    ENOTDIR,
    ENOTEMPTY,
    ENOTTY,
    ENXIO,
    EOPNOTSUPP,
    EOVERFLOW,
    EPERM,
    EPIPE,
    ERANGE,
    EROFS,
    ESPIPE,
    ESTALE,
    ETXTBSY,
    EXDEV
);

/// The errno of the call that just failed.
pub fn last_errno() -> Errno {
    Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

/// -1 is an error, everything else a value.
pub fn checked<T: TryInto<i64>>(answer: T) -> Result<i64> {
    match answer.try_into() {
        Ok(-1) => Err(last_errno()),
        Ok(value) => Ok(value),
        Err(_) => Err(Errno(libc::EOVERFLOW)),
    }
}

/// A call whose answer is a value or -1. Its arguments are integers and pointers to what lives as long as the call.
macro_rules! call {
    ($function:ident($($argument:expr),* $(,)?)) => {
        // SAFETY: the caller's pointers come from references and slices in scope, with their own lengths.
        $crate::sys::checked(unsafe { libc::$function($($argument),*) })
    };
}
pub(crate) use call;

/// A path for the kernel.
pub fn c(path: &[u8]) -> CString {
    CString::new(path).expect("texts of scripts have no NUL")
}

/// A descriptor that a call just made.
pub fn owned(fd: i64) -> OwnedFd {
    // SAFETY: whoever calls got the number from the kernel this moment and gives it to nobody else.
    unsafe { OwnedFd::from_raw_fd(fd as RawFd) }
}

/// openat(2), close-on-exec.
pub fn openat(directory: RawFd, path: &[u8], flags: c_int, mode: u32) -> Result<OwnedFd> {
    let path = c(path);
    call!(openat(directory, path.as_ptr(), flags | libc::O_CLOEXEC, mode)).map(owned)
}

/// pread(2) until the end or `len` bytes.
pub fn pread_all(fd: RawFd, offset: i64, len: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    let mut done = 0;
    while done < len {
        let rest = &mut bytes[done..];
        match call!(pread(fd, rest.as_mut_ptr().cast(), rest.len(), offset + done as i64))? {
            0 => break,
            count => done += count as usize,
        }
    }
    bytes.truncate(done);
    Ok(bytes)
}

/// statx(2) with everything that stat(2) tells, and the time of birth.
pub fn statx(directory: RawFd, path: &[u8], flags: c_int) -> Result<libc::statx> {
    let path = c(path);
    let mut out = MaybeUninit::<libc::statx>::zeroed();
    let mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME;
    call!(statx(directory, path.as_ptr(), flags, mask, out.as_mut_ptr()))?;
    // SAFETY: zeroed is a valid value, and the kernel filled it in.
    Ok(unsafe { out.assume_init() })
}

/// An entry of a directory.
pub struct Entry {
    /// Its name.
    pub name: Vec<u8>,
    /// `d_type`
    pub kind: u8,
    /// `d_ino`
    pub ino: u64,
    /// Where a listing goes on behind it.
    pub next: i64,
}

/// Entries from the position on, read in pieces of `bytes`; "." and ".." are among them.
pub fn list(fd: RawFd, bytes: usize) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut buffer = vec![0u8; bytes];
    loop {
        let got = call!(syscall(libc::SYS_getdents64, fd, buffer.as_mut_ptr(), bytes))? as usize;
        if got == 0 {
            return Ok(entries);
        }
        // struct linux_dirent64: ino, off, reclen (u16), type (u8), name
        let mut rest = &buffer[..got];
        while rest.len() > 19 {
            let word = |at: usize| u64::from_ne_bytes(rest[at..at + 8].try_into().expect("eight bytes"));
            let length = usize::from(u16::from_ne_bytes([rest[16], rest[17]]));
            let name = rest[19..length].split(|&byte| byte == 0).next().unwrap_or_default();
            let (ino, next, kind) = (word(0), word(8) as i64, rest[18]);
            entries.push(Entry {
                name: name.to_vec(),
                kind,
                ino,
                next,
            });
            rest = &rest[length..];
        }
    }
}

/// A pipe through which mapped memory is touched by the kernel, for whom a bus error is EFAULT.
pub struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
}

impl Pipe {
    /// As much as goes through at once.
    pub const CAPACITY: usize = 65536;

    /// A pipe.
    pub fn new() -> Result<Self> {
        let mut ends = [0; 2];
        call!(pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK))?;
        Ok(Self {
            read: owned(ends[0].into()),
            write: owned(ends[1].into()),
        })
    }
}

/// Memory that mmap(2) made.
pub struct Mapping {
    file: OwnedFd,
    offset: i64,
    start: *mut libc::c_void,
    len: usize,
    pipe: Pipe,
}

impl Mapping {
    /// mmap(2)
    pub fn new(fd: RawFd, protection: c_int, flags: c_int, offset: i64, len: usize) -> Result<Self> {
        let pipe = Pipe::new()?;
        let file = call!(fcntl(fd, libc::F_DUPFD_CLOEXEC, 0)).map(owned)?;
        // SAFETY: a new mapping, at an address that the kernel chooses.
        let start = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, fd, offset) };
        if start == libc::MAP_FAILED {
            return Err(last_errno());
        }
        Ok(Self {
            file,
            offset,
            start,
            len,
            pipe,
        })
    }

    /// The address of a range, cut to what is mapped.
    fn range(&self, offset: usize, len: usize) -> (*mut u8, usize) {
        let offset = offset.min(self.len);
        let len = len.min(self.len - offset).min(Pipe::CAPACITY);
        (self.start.cast::<u8>().wrapping_add(offset), len)
    }

    /// Reads; stops before memory that isn't there.
    pub fn load(&self, offset: usize, len: usize) -> Result<Vec<u8>> {
        let (address, len) = self.range(offset, len);
        let count = call!(write(self.pipe.write.as_raw_fd(), address.cast(), len))? as usize;
        let mut bytes = vec![0; count];
        if count > 0 {
            call!(read(self.pipe.read.as_raw_fd(), bytes.as_mut_ptr().cast(), count))?;
        }
        Ok(bytes)
    }

    /// Writes; stops before memory that isn't there or is not to be written, and at the end of the file: see
    /// [`differences::avoided`](crate::differences::avoided).
    pub fn store(&mut self, offset: usize, bytes: &[u8]) -> Result<usize> {
        let size = statx(self.file.as_raw_fd(), b"", libc::AT_EMPTY_PATH)?.stx_size;
        let left = (size as i64 - self.offset).saturating_sub(offset as i64).max(0) as usize;
        let (address, len) = self.range(offset, bytes.len().min(left));
        if len == 0 {
            return Ok(0);
        }
        call!(write(self.pipe.write.as_raw_fd(), bytes.as_ptr().cast(), len))?;
        let stored = call!(read(self.pipe.read.as_raw_fd(), address.cast(), len));
        if stored != Ok(len as i64) {
            self.pipe = Pipe::new()?; // the rest is still in it
        }
        stored.map(|count| count as usize)
    }

    /// msync(2), `MS_SYNC`
    pub fn sync(&self) -> Result<()> {
        call!(msync(self.start, self.len, libc::MS_SYNC)).map(drop)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: made by mmap with this length; nothing refers to it but system calls, and those are over.
        unsafe { libc::munmap(self.start, self.len) };
    }
}

thread_local! {
    static IDENTITY: Cell<User> = const { Cell::new(User::Root) };
}

/// Whether this thread may become other users.
pub fn is_root() -> bool {
    // SAFETY: takes nothing and can't fail.
    unsafe { libc::geteuid() == 0 }
}

/// Lets this thread, and no other, have a umask of its own.
pub fn own_umask() -> Result<()> {
    call!(unshare(libc::CLONE_FS)).map(drop)
}

/// Sets the umask of this thread: [`own_umask`] comes first.
pub fn umask(mode: u32) {
    // SAFETY: can't fail.
    unsafe { libc::umask(mode) };
}

/// Makes this thread, and no other, a user. Root stays its saved user, to come back to.
pub fn become_user(user: User) -> Result<()> {
    if IDENTITY.get() == user {
        return Ok(());
    }
    // First root again, who alone may change the rest.
    if IDENTITY.get() != User::Root {
        call!(syscall(libc::SYS_setresuid, 0, 0, 0))?;
        IDENTITY.set(User::Root);
    }
    let (id, groups): (u32, &[u32]) = match user {
        User::Root => (0, &[]),
        User::Alice => (1000, &[]),
        User::Bob => (1001, &[1000]),
    };
    call!(syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()))?;
    call!(syscall(libc::SYS_setresgid, id, id, 0))?;
    call!(syscall(libc::SYS_setresuid, id, id, 0))?;
    IDENTITY.set(user);
    Ok(())
}

/// The clock by which file systems of the kernel stamp files, in nanoseconds.
pub fn coarse_clock() -> i128 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is written; the clock exists since Linux 2.6.32.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME_COARSE, &mut now) };
    i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec)
}

/// Raw descriptor, or -1 for none: which the kernel answers by EBADF.
pub fn raw(fd: Option<&OwnedFd>) -> RawFd {
    fd.map_or(-1, AsRawFd::as_raw_fd)
}
