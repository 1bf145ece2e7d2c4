//! A directory in which operations are done, with what they have opened and who they are. The mount and the host have one
//! each; both do the same, and know nothing of each other.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::observe::{self, Outcome, Stat};
use crate::op::Op;
use crate::sys::{self, call, Errno, Mapping, Result};
use crate::words::{Advice, Fd, Kind, LockType, Owner, Text, Time, User, Whence};

/// Somebody who does operations: a [`World`], or one who does some of them wrong, in tests.
pub trait Side {
    /// Does one operation.
    fn apply(&mut self, op: &Op) -> Outcome;

    /// The descriptor at a place, -1 for none.
    fn fd(&self, fd: Fd) -> RawFd;
}

/// See the module.
pub struct World {
    root: OwnedFd,
    open: [Option<OwnedFd>; Fd::COUNT],
    mapped: [Option<Mapping>; crate::words::Map::COUNT],
    user: User,
    umask: u32,
    drops_caches: bool,
    zeroes_ranges: bool,
}

impl Side for World {
    fn apply(&mut self, op: &Op) -> Outcome {
        sys::umask(self.umask);
        // Without privileges everybody stays who they are.
        if sys::become_user(self.user).is_err() {
            self.user = User::Root;
        }
        let outcome = self.run(op).unwrap_or_else(Outcome::Failed);
        let _ = sys::become_user(User::Root);
        outcome
    }

    fn fd(&self, fd: Fd) -> RawFd {
        sys::raw(self.open[fd.0].as_ref())
    }
}

impl World {
    /// Operations in a directory.
    pub fn new(root: OwnedFd) -> Self {
        Self {
            root,
            open: Default::default(),
            mapped: Default::default(),
            user: User::Root,
            umask: 0o022,
            drops_caches: false,
            zeroes_ranges: false,
        }
    }

    /// `drop_caches` does what it says, to the whole machine; otherwise it does nothing.
    pub fn drop_caches(mut self) -> Self {
        self.drops_caches = true;
        self
    }

    /// Does `FALLOC_FL_ZERO_RANGE` by other calls where the file system lacks it, as tmpfs does.
    pub fn zero_ranges(mut self) -> Self {
        self.zeroes_ranges = true;
        self
    }

    fn run(&mut self, op: &Op) -> Result<Outcome> {
        match op {
            Op::Open { .. } | Op::Reopen { .. } | Op::Dup { .. } | Op::Close { .. } => self.descriptor(op),
            Op::Mmap { .. } | Op::Load { .. } | Op::Store { .. } | Op::Msync { .. } | Op::Munmap { .. } => {
                self.memory(op)
            }
            Op::Umask { mode } => {
                self.umask = mode.0;
                Ok(Outcome::Done)
            }
            Op::As { user } => {
                self.user = *user;
                Ok(Outcome::Done)
            }
            Op::DropCaches {} => {
                sys::become_user(User::Root)?;
                if self.drops_caches {
                    // 3: names, inodes and clean pages, see proc_sys_vm(5)
                    std::fs::write("/proc/sys/vm/drop_caches", "3").map_err(|_| sys::last_errno())?;
                }
                Ok(Outcome::Done)
            }
            Op::Check {} => {
                sys::become_user(User::Root)?;
                Ok(observe::tree(self.root.as_raw_fd()))
            }
            _ => self
                .on_descriptor(op)
                .or_else(|| self.on_xattr(op))
                .unwrap_or_else(|| self.on_path(op)),
        }
    }

    /// Keeps what was opened, and closes what was in its place.
    fn keep(&mut self, fd: Fd, opened: OwnedFd) -> Result<Outcome> {
        self.open[fd.0] = Some(opened);
        Ok(Outcome::Done)
    }

    fn descriptor(&mut self, op: &Op) -> Result<Outcome> {
        match op {
            Op::Open { fd, path, flags, mode } => {
                let opened = sys::openat(self.root.as_raw_fd(), &path.0, flags.0 | libc::O_NONBLOCK, mode.0)?;
                self.keep(*fd, opened)
            }
            Op::Reopen { fd, of, flags } => {
                let path = self.through_proc(*of)?;
                let opened = sys::openat(libc::AT_FDCWD, &path, flags.0 | libc::O_NONBLOCK, 0)?;
                self.keep(*fd, opened)
            }
            Op::Dup { fd, of } => {
                let copy = call!(fcntl(self.fd(*of), libc::F_DUPFD_CLOEXEC, 0)).map(sys::owned)?;
                self.keep(*fd, copy)
            }
            Op::Close { fd } => match self.open[fd.0].take() {
                Some(open) => done(call!(close(std::os::fd::IntoRawFd::into_raw_fd(open)))),
                None => Err(Errno(libc::EBADF)),
            },
            _ => unreachable!("{op} opens and closes nothing"),
        }
    }

    fn through_proc(&self, fd: Fd) -> Result<Vec<u8>> {
        match self.fd(fd) {
            -1 => Err(Errno(libc::EBADF)),
            fd => Ok(format!("/proc/self/fd/{fd}").into_bytes()),
        }
    }

    fn memory(&mut self, op: &Op) -> Result<Outcome> {
        let map = match op {
            Op::Mmap { map, .. } | Op::Load { map, .. } | Op::Store { map, .. } => map,
            Op::Msync { map } | Op::Munmap { map } => map,
            _ => unreachable!("{op} has no mapping"),
        };
        if let Op::Mmap {
            fd, flags, off, len, ..
        } = op
        {
            let fd = self.fd(*fd);
            let writable = call!(fcntl(fd, libc::F_GETFL)).is_ok_and(|f| f as i32 & libc::O_ACCMODE == libc::O_RDWR);
            let protection = libc::PROT_READ | if writable { libc::PROT_WRITE } else { 0 };
            self.mapped[map.0] = None;
            self.mapped[map.0] = Some(Mapping::new(fd, protection, flags.0, *off, *len)?);
            return Ok(Outcome::Done);
        }
        if let Op::Munmap { .. } = op {
            return self.mapped[map.0]
                .take()
                .map(|_| Outcome::Done)
                .ok_or(Errno(libc::EBADF));
        }
        let mapping = self.mapped[map.0].as_mut().ok_or(Errno(libc::EBADF))?;
        match op {
            Op::Load { off, len, .. } => mapping.load(*off, *len).map(Outcome::Bytes),
            Op::Store { off, len, fill, .. } => mapping
                .store(*off, &pattern(*len, *fill))
                .map(|count| Outcome::Number(count as i64)),
            _ => mapping.sync().map(|()| Outcome::Done),
        }
    }

    /// Operations on what is open; None if this is none of them.
    fn on_descriptor(&self, op: &Op) -> Option<Result<Outcome>> {
        Some(match op {
            Op::Read { fd, len } => {
                let mut bytes = vec![0u8; *len];
                call!(read(self.fd(*fd), bytes.as_mut_ptr().cast(), *len)).map(|count| taken(bytes, count))
            }
            Op::Pread { fd, off, len } => {
                let mut bytes = vec![0u8; *len];
                call!(pread(self.fd(*fd), bytes.as_mut_ptr().cast(), *len, *off)).map(|count| taken(bytes, count))
            }
            Op::Write { fd, len, fill } => {
                let bytes = pattern(*len, *fill);
                number(call!(write(self.fd(*fd), bytes.as_ptr().cast(), bytes.len())))
            }
            Op::Pwrite { fd, off, len, fill } => {
                let bytes = pattern(*len, *fill);
                number(call!(pwrite(self.fd(*fd), bytes.as_ptr().cast(), bytes.len(), *off)))
            }
            Op::Pwritev {
                fd,
                off,
                len,
                more,
                fill,
            } => {
                let bytes = pattern(len + more, *fill);
                let buffers = [&bytes[..*len], &bytes[*len..]].map(|part| libc::iovec {
                    iov_base: part.as_ptr().cast_mut().cast(),
                    iov_len: part.len(),
                });
                number(call!(pwritev(self.fd(*fd), buffers.as_ptr(), 2, *off)))
            }
            Op::Lseek { fd, off, whence } => lseek(self.fd(*fd), *off, *whence),
            Op::Ftruncate { fd, size } => done(call!(ftruncate(self.fd(*fd), *size))),
            Op::Fallocate { fd, mode, off, len } => {
                let answer = call!(fallocate(self.fd(*fd), mode.0, *off, *len));
                let zeroes = mode.0 & libc::FALLOC_FL_ZERO_RANGE != 0 && self.zeroes_ranges;
                if zeroes && answer == Err(Errno(libc::EOPNOTSUPP)) {
                    zero_range(self.fd(*fd), mode.0 & libc::FALLOC_FL_KEEP_SIZE != 0, *off, *len)
                } else {
                    done(answer)
                }
            }
            Op::CopyFileRange {
                from,
                from_off,
                to,
                to_off,
                len,
            } => {
                let (mut from_off, mut to_off) = (*from_off, *to_off);
                let (from, to) = (self.fd(*from), self.fd(*to));
                number(call!(copy_file_range(from, &mut from_off, to, &mut to_off, *len, 0)))
            }
            Op::Fsync { fd } => done(call!(fsync(self.fd(*fd)))),
            Op::Fdatasync { fd } => done(call!(fdatasync(self.fd(*fd)))),
            Op::Fadvise { fd, advice } => {
                let advice = match advice {
                    Advice::DontNeed => libc::POSIX_FADV_DONTNEED,
                    Advice::WillNeed => libc::POSIX_FADV_WILLNEED,
                };
                // the error is the answer, not in errno
                match call!(posix_fadvise(self.fd(*fd), 0, 0, advice)) {
                    Ok(0) => Ok(Outcome::Done),
                    Ok(errno) => Err(Errno(errno as i32)),
                    Err(errno) => Err(errno),
                }
            }
            Op::Fchmod { fd, mode } => done(call!(fchmod(self.fd(*fd), mode.0))),
            Op::Fchown { fd, uid, gid } => done(call!(fchown(self.fd(*fd), *uid as u32, *gid as u32))),
            Op::Futimens { fd, atime, mtime } => {
                let times = [timespec(*atime), timespec(*mtime)];
                done(call!(futimens(self.fd(*fd), times.as_ptr())))
            }
            Op::Fstat { fd } => match self.fd(*fd) {
                -1 => Err(Errno(libc::EBADF)),
                fd => sys::statx(fd, b"", libc::AT_EMPTY_PATH).map(|told| Outcome::Stat(Stat::of(&told))),
            },
            Op::ListFd { fd } => call!(lseek(self.fd(*fd), 0, libc::SEEK_SET)).and_then(|_| listing(self.fd(*fd))),
            Op::SeekDir { fd, bytes } => seek_everywhere(self.fd(*fd), *bytes),
            Op::Setlk {
                fd,
                owner,
                kind,
                start,
                len,
            } => {
                let lock = record_lock(*kind, *start, *len);
                let command = match owner {
                    Owner::Posix => libc::F_SETLK,
                    Owner::Ofd => libc::F_OFD_SETLK,
                };
                done(call!(fcntl(self.fd(*fd), command, &lock)))
            }
            Op::Getlk {
                fd,
                owner,
                kind,
                start,
                len,
            } => {
                let mut lock = record_lock(*kind, *start, *len);
                let command = match owner {
                    Owner::Posix => libc::F_GETLK,
                    Owner::Ofd => libc::F_OFD_GETLK,
                };
                call!(fcntl(self.fd(*fd), command, &mut lock)).map(|_| Outcome::Lock {
                    kind: lock.l_type.into(),
                    start: lock.l_start,
                    len: lock.l_len,
                    process: lock.l_pid > 0,
                })
            }
            Op::Flock { fd, op } => done(call!(flock(self.fd(*fd), op.0 | libc::LOCK_NB))),
            _ => return None,
        })
    }

    /// Operations on extended attributes; None if this is none of them.
    fn on_xattr(&self, op: &Op) -> Option<Result<Outcome>> {
        let at =
            |path: &Text| sys::c(&[format!("/proc/self/fd/{}/", self.root.as_raw_fd()).as_bytes(), &path.0].concat());
        Some(match op {
            Op::Setxattr {
                path,
                name,
                len,
                fill,
                flags,
            } => {
                let (value, name) = (pattern(*len, *fill), sys::c(&name.0));
                done(call!(lsetxattr(
                    at(path).as_ptr(),
                    name.as_ptr(),
                    value.as_ptr().cast(),
                    *len,
                    flags.0
                )))
            }
            Op::Fsetxattr {
                fd,
                name,
                len,
                fill,
                flags,
            } => {
                let (value, name) = (pattern(*len, *fill), sys::c(&name.0));
                done(call!(fsetxattr(
                    self.fd(*fd),
                    name.as_ptr(),
                    value.as_ptr().cast(),
                    *len,
                    flags.0
                )))
            }
            Op::Getxattr { path, name, size } => {
                let (mut value, name) = (vec![0u8; *size], sys::c(&name.0));
                call!(lgetxattr(
                    at(path).as_ptr(),
                    name.as_ptr(),
                    value.as_mut_ptr().cast(),
                    *size
                ))
                .map(|count| sized(value, count))
            }
            Op::Fgetxattr { fd, name, size } => {
                let (mut value, name) = (vec![0u8; *size], sys::c(&name.0));
                call!(fgetxattr(self.fd(*fd), name.as_ptr(), value.as_mut_ptr().cast(), *size))
                    .map(|count| sized(value, count))
            }
            Op::Listxattr { path, size } => {
                let mut list = vec![0u8; *size];
                call!(llistxattr(at(path).as_ptr(), list.as_mut_ptr().cast(), *size))
                    .map(|count| attribute_names(&list, count))
            }
            Op::Flistxattr { fd, size } => {
                let mut list = vec![0u8; *size];
                call!(flistxattr(self.fd(*fd), list.as_mut_ptr().cast(), *size))
                    .map(|count| attribute_names(&list, count))
            }
            Op::Removexattr { path, name } => done(call!(lremovexattr(at(path).as_ptr(), sys::c(&name.0).as_ptr()))),
            Op::Fremovexattr { fd, name } => done(call!(fremovexattr(self.fd(*fd), sys::c(&name.0).as_ptr()))),
            _ => return None,
        })
    }

    /// Operations on names.
    fn on_path(&self, op: &Op) -> Result<Outcome> {
        let at = self.root.as_raw_fd();
        match op {
            Op::Truncate { path, size } => {
                let path = sys::c(&[format!("/proc/self/fd/{at}/").as_bytes(), &path.0].concat());
                done(call!(truncate(path.as_ptr(), *size)))
            }
            Op::Mkdir { path, mode } => done(call!(mkdirat(at, sys::c(&path.0).as_ptr(), mode.0))),
            Op::Rmdir { path } => done(call!(unlinkat(at, sys::c(&path.0).as_ptr(), libc::AT_REMOVEDIR))),
            Op::Mknod { path, kind, mode } => {
                let (kind, device) = match kind {
                    Kind::File => (libc::S_IFREG, 0),
                    Kind::Fifo => (libc::S_IFIFO, 0),
                    Kind::Socket => (libc::S_IFSOCK, 0),
                    Kind::Device => (libc::S_IFCHR, libc::makedev(1, 3)),
                };
                done(call!(mknodat(at, sys::c(&path.0).as_ptr(), kind | mode.0, device)))
            }
            Op::Symlink { target, path } => done(call!(symlinkat(
                sys::c(&target.0).as_ptr(),
                at,
                sys::c(&path.0).as_ptr()
            ))),
            Op::Readlink { path } => observe::read_link(at, &path.0).map(Outcome::Bytes),
            Op::Link { from, to, flags } => done(call!(linkat(
                at,
                sys::c(&from.0).as_ptr(),
                at,
                sys::c(&to.0).as_ptr(),
                flags.0
            ))),
            Op::LinkFd { fd, path } => {
                let (from, to) = (sys::c(&self.through_proc(*fd)?), sys::c(&path.0));
                done(call!(linkat(
                    libc::AT_FDCWD,
                    from.as_ptr(),
                    at,
                    to.as_ptr(),
                    libc::AT_SYMLINK_FOLLOW
                )))
            }
            Op::Unlink { path } => done(call!(unlinkat(at, sys::c(&path.0).as_ptr(), 0))),
            Op::Rename { from, to, flags } => {
                let (from, to) = (sys::c(&from.0), sys::c(&to.0));
                done(call!(syscall(
                    libc::SYS_renameat2,
                    at,
                    from.as_ptr(),
                    at,
                    to.as_ptr(),
                    flags.0
                )))
            }
            Op::Chmod { path, mode } => done(call!(fchmodat(at, sys::c(&path.0).as_ptr(), mode.0, 0))),
            Op::Chown { path, uid, gid, flags } => done(call!(fchownat(
                at,
                sys::c(&path.0).as_ptr(),
                *uid as u32,
                *gid as u32,
                flags.0
            ))),
            Op::Utimens {
                path,
                atime,
                mtime,
                flags,
            } => {
                let times = [timespec(*atime), timespec(*mtime)];
                done(call!(utimensat(at, sys::c(&path.0).as_ptr(), times.as_ptr(), flags.0)))
            }
            Op::Stat { path, flags } => sys::statx(at, &path.0, flags.0).map(|told| Outcome::Stat(Stat::of(&told))),
            Op::Access { path, mode, flags } => {
                let path = sys::c(&path.0);
                done(call!(syscall(libc::SYS_faccessat2, at, path.as_ptr(), mode.0, flags.0)))
            }
            Op::List { path } => {
                let directory = sys::openat(at, &path.0, libc::O_RDONLY | libc::O_DIRECTORY, 0)?;
                listing(directory.as_raw_fd())
            }
            _ => unreachable!("{op} is done elsewhere"),
        }
    }
}

fn done(answer: Result<i64>) -> Result<Outcome> {
    answer.map(|_| Outcome::Done)
}

fn number(answer: Result<i64>) -> Result<Outcome> {
    answer.map(Outcome::Number)
}

fn taken(mut bytes: Vec<u8>, count: i64) -> Outcome {
    bytes.truncate(count as usize);
    Outcome::Bytes(bytes)
}

/// The value of an attribute, or its size if that was the question.
fn sized(value: Vec<u8>, count: i64) -> Outcome {
    if value.is_empty() {
        Outcome::Number(count)
    } else {
        taken(value, count)
    }
}

fn attribute_names(list: &[u8], count: i64) -> Outcome {
    if list.is_empty() {
        return Outcome::Number(count);
    }
    Outcome::Names(
        observe::names(&list[..count as usize])
            .into_iter()
            .map(|name| (name, 0))
            .collect(),
    )
}

/// `len` bytes that count up from `fill`, so that no two blocks near each other are alike.
fn pattern(len: usize, fill: u8) -> Vec<u8> {
    (0..len).map(|at| fill.wrapping_add((at % 251) as u8)).collect()
}

fn timespec(time: Time) -> libc::timespec {
    let (tv_sec, tv_nsec) = match time {
        Time::Now => (0, libc::UTIME_NOW),
        Time::Omit => (0, libc::UTIME_OMIT),
        Time::At(seconds, nanos) => (seconds, nanos),
    };
    libc::timespec { tv_sec, tv_nsec }
}

fn record_lock(kind: LockType, start: i64, len: i64) -> libc::flock {
    let kind = match kind {
        LockType::Read => libc::F_RDLCK,
        LockType::Write => libc::F_WRLCK,
        LockType::Unlock => libc::F_UNLCK,
    };
    libc::flock {
        l_type: kind as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: start,
        l_len: len,
        l_pid: 0,
    }
}

/// How far behind what SEEK_DATA and SEEK_HOLE answer it is looked whether there are zeros only.
const LOOKED_AT: i64 = 1 << 20;

fn lseek(fd: RawFd, off: i64, whence: Whence) -> Result<Outcome> {
    let (whence, searches) = match whence {
        Whence::Set => (libc::SEEK_SET, false),
        Whence::Cur => (libc::SEEK_CUR, false),
        Whence::End => (libc::SEEK_END, false),
        Whence::Data => (libc::SEEK_DATA, true),
        Whence::Hole => (libc::SEEK_HOLE, true),
    };
    let found = call!(lseek(fd, off, whence));
    // What it is the kernel knows; it needn't ask, and can't ask about a directory that was removed.
    let known = sys::statx(fd, b"", libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC);
    if known.is_ok_and(|told| Stat::of(&told).kind() == libc::S_IFDIR) {
        return Ok(Outcome::Cookie(found));
    }
    if !searches {
        return number(found);
    }
    let size = sys::statx(fd, b"", libc::AT_EMPTY_PATH)?.stx_size as i64;
    let at = match found {
        Ok(at) => at,
        // No more data: all that is left is a hole.
        Err(Errno(libc::ENXIO)) if whence == libc::SEEK_DATA && (0..size).contains(&off) => size,
        Err(errno) => return Err(errno),
    };
    // What follows has the same position on both sides, whatever was found.
    call!(lseek(fd, off, libc::SEEK_SET))?;
    let inside = at >= off && at <= size;
    let passed = (at - off).clamp(0, LOOKED_AT) as usize;
    let is_hole = || match sys::pread_all(fd, off, passed) {
        Ok(bytes) => bytes.iter().all(|&byte| byte == 0),
        Err(_) => true, // open for writing only: can't tell
    };
    let right = inside && (whence == libc::SEEK_HOLE || is_hole());
    Ok(Outcome::Found { at, right })
}

/// The kernel has checked the arguments before it found out that the file system doesn't know the mode.
fn zero_range(fd: RawFd, keeps_size: bool, off: i64, len: i64) -> Result<Outcome> {
    call!(fallocate(
        fd,
        libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE,
        off,
        len
    ))?;
    let size = sys::statx(fd, b"", libc::AT_EMPTY_PATH)?.stx_size as i64;
    if !keeps_size && off + len > size {
        call!(ftruncate(fd, off + len))?;
    }
    Ok(Outcome::Done)
}

fn listing(directory: RawFd) -> Result<Outcome> {
    let entries = sys::list(directory, 32768)?;
    let mut names: Vec<_> = entries.into_iter().map(|entry| (entry.name, entry.kind)).collect();
    names.sort();
    Ok(Outcome::Names(names))
}

fn seek_everywhere(fd: RawFd, bytes: usize) -> Result<Outcome> {
    call!(lseek(fd, 0, libc::SEEK_SET))?;
    let all = sys::list(fd, bytes)?;
    for (n, entry) in all.iter().enumerate() {
        call!(lseek(fd, entry.next, libc::SEEK_SET))?;
        let rest = sys::list(fd, bytes)?;
        if !rest.iter().map(|e| &e.name).eq(all[n + 1..].iter().map(|e| &e.name)) {
            return Ok(Outcome::Number(n as i64));
        }
    }
    Ok(Outcome::Done)
}
