//! What is done to both directories: one operation, about one system call. Printed as a line of a script and read again.
//! Paths are relative to the directory; nothing here does anything.

use std::fmt;

use crate::words::*;

macro_rules! operations {
    ($($(#[$doc:meta])* $op:ident $name:literal { $($field:ident: $type:ty),* }),* $(,)?) => {
        /// One operation.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(missing_docs)] // arguments are those of the system call
        pub enum Op { $($(#[$doc])* $op { $($field: $type),* }),* }

        impl Op {
            /// First word of its line.
            pub fn name(&self) -> &'static str {
                match self { $(Op::$op { .. } => $name),* }
            }

            /// The open files that it works on.
            pub fn fds(&self) -> Vec<Fd> {
                match self {
                    $(Op::$op { $($field),* } => [None, $($field.fd()),*].into_iter().flatten().collect()),*
                }
            }

            /// Reads a line; says what is wrong with it.
            pub fn parse(line: &str) -> Result<Op, String> {
                let mut words = line.split_ascii_whitespace();
                let op = match words.next().unwrap_or_default() {
                    $($name => Op::$op { $($field: next(&mut words, stringify!($field))?),* },)*
                    other => return Err(format!("there is no operation {other:?}")),
                };
                match words.next() {
                    None => Ok(op),
                    Some(word) => Err(format!("{} has no argument for {word}", op.name())),
                }
            }
        }

        impl fmt::Display for Op {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut line = self.name().to_string();
                match self {
                    $(Op::$op { $($field),* } => { $(line.push(' '); $field.write(&mut line);)* })*
                }
                f.write_str(&line)
            }
        }
    };
}

fn next<'a, W: Word>(words: &mut impl Iterator<Item = &'a str>, field: &str) -> Result<W, String> {
    let word = words.next().ok_or_else(|| format!("{field} is missing"))?;
    W::read(word).map_err(|problem| format!("{field}: {problem}"))
}

operations! {
    /// openat(2), always with `O_NONBLOCK`, so that a fifo holds nobody up
    Open "open" { fd: Fd, path: Text, flags: OpenFlags, mode: Mode },
    /// Opens once more what is open, through /proc
    Reopen "reopen" { fd: Fd, of: Fd, flags: OpenFlags },
    Dup "dup" { fd: Fd, of: Fd },
    Close "close" { fd: Fd },
    Read "read" { fd: Fd, len: usize },
    Pread "pread" { fd: Fd, off: i64, len: usize },
    /// Writes `len` bytes, which count up from `fill`
    Write "write" { fd: Fd, len: usize, fill: u8 },
    Pwrite "pwrite" { fd: Fd, off: i64, len: usize, fill: u8 },
    /// pwritev(2) of two buffers
    Pwritev "pwritev" { fd: Fd, off: i64, len: usize, more: usize, fill: u8 },
    Lseek "lseek" { fd: Fd, off: i64, whence: Whence },
    Ftruncate "ftruncate" { fd: Fd, size: i64 },
    Truncate "truncate" { path: Text, size: i64 },
    Fallocate "fallocate" { fd: Fd, mode: FallocateMode, off: i64, len: i64 },
    CopyFileRange "copy_file_range" { from: Fd, from_off: i64, to: Fd, to_off: i64, len: usize },
    Fsync "fsync" { fd: Fd },
    Fdatasync "fdatasync" { fd: Fd },
    Fadvise "fadvise" { fd: Fd, advice: Advice },
    /// mmap(2) for reading, and for writing if the descriptor allows that
    Mmap "mmap" { map: Map, fd: Fd, flags: MapFlags, off: i64, len: usize },
    /// Reads mapped memory; what would be SIGBUS is EFAULT
    Load "load" { map: Map, off: usize, len: usize },
    /// Writes mapped memory
    Store "store" { map: Map, off: usize, len: usize, fill: u8 },
    Msync "msync" { map: Map },
    Munmap "munmap" { map: Map },
    Mkdir "mkdir" { path: Text, mode: Mode },
    Rmdir "rmdir" { path: Text },
    Mknod "mknod" { path: Text, kind: Kind, mode: Mode },
    Symlink "symlink" { target: Text, path: Text },
    Readlink "readlink" { path: Text },
    Link "link" { from: Text, to: Text, flags: AtFlags },
    /// Gives a name to what is open, through /proc
    LinkFd "linkfd" { fd: Fd, path: Text },
    Unlink "unlink" { path: Text },
    Rename "rename" { from: Text, to: Text, flags: RenameFlags },
    Chmod "chmod" { path: Text, mode: Mode },
    Fchmod "fchmod" { fd: Fd, mode: Mode },
    /// An owner or group of -1 stays as it is
    Chown "chown" { path: Text, uid: i64, gid: i64, flags: AtFlags },
    Fchown "fchown" { fd: Fd, uid: i64, gid: i64 },
    Utimens "utimens" { path: Text, atime: Time, mtime: Time, flags: AtFlags },
    Futimens "futimens" { fd: Fd, atime: Time, mtime: Time },
    Setxattr "setxattr" { path: Text, name: Text, len: usize, fill: u8, flags: XattrFlags },
    Getxattr "getxattr" { path: Text, name: Text, size: usize },
    Listxattr "listxattr" { path: Text, size: usize },
    Removexattr "removexattr" { path: Text, name: Text },
    Fsetxattr "fsetxattr" { fd: Fd, name: Text, len: usize, fill: u8, flags: XattrFlags },
    Fgetxattr "fgetxattr" { fd: Fd, name: Text, size: usize },
    Flistxattr "flistxattr" { fd: Fd, size: usize },
    Fremovexattr "fremovexattr" { fd: Fd, name: Text },
    /// statx(2)
    Stat "stat" { path: Text, flags: AtFlags },
    Fstat "fstat" { fd: Fd },
    Access "access" { path: Text, mode: AccessMode, flags: AtFlags },
    /// Opens a directory and lists it
    List "list" { path: Text },
    /// Lists an open directory from its beginning
    ListFd "listfd" { fd: Fd },
    /// Lists an open directory in pieces of `bytes`, and from each position once more: the rest has to be the same
    SeekDir "seekdir" { fd: Fd, bytes: usize },
    /// fcntl(2), never waiting
    Setlk "setlk" { fd: Fd, owner: Owner, kind: LockType, start: i64, len: i64 },
    Getlk "getlk" { fd: Fd, owner: Owner, kind: LockType, start: i64, len: i64 },
    /// flock(2), never waiting
    Flock "flock" { fd: Fd, op: FlockOp },
    Umask "umask" { mode: Mode },
    /// All that follows is done by this user
    As "as" { user: User },
    /// Makes the kernel forget names and clean pages, of every file system
    DropCaches "drop_caches" {},
    /// Compares everything there is, as root
    Check "check" {},
}
