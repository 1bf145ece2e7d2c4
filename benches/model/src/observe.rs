//! What was seen: the answer of one operation, or everything below a directory. Only looks; what it means that two
//! answers differ is decided by [`compare`](crate::compare).

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};
use std::os::fd::{AsRawFd, RawFd};

use crate::sys::{self, call, Errno};

/// What an operation answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It failed.
    Failed(Errno),
    /// It succeeded, and there is no more to say.
    Done,
    /// A count or a position.
    Number(i64),
    /// A position that lseek(2) found, of data or of a hole.
    Found {
        /// Where; the end of the file if there was none.
        at: i64,
        /// Whether that can be: it lies between where the search began and the end, and what was taken for a hole is 0.
        right: bool,
    },
    /// What lseek(2) answered for a directory.
    Cookie(sys::Result<i64>),
    /// Data, or the value of an attribute.
    Bytes(Vec<u8>),
    /// Attributes.
    Stat(Stat),
    /// Names, sorted: of a directory with their `d_type`, of extended attributes with 0.
    Names(Vec<(Vec<u8>, u8)>),
    /// What stands in the way of a lock.
    Lock {
        /// `l_type`
        kind: i32,
        /// `l_start`
        start: i64,
        /// `l_len`
        len: i64,
        /// Whether it has an owner that is a process.
        process: bool,
    },
    /// Everything.
    Tree(BTreeMap<String, Node>),
}

/// Seconds and nanoseconds since 1970.
pub type Timestamp = (i64, u32);

/// What statx(2) says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // names of struct stat
pub struct Stat {
    pub ino: u64,
    pub mode: u32,
    pub nlink: u32,
    pub uid: u32,
    pub gid: u32,
    pub rdev: (u32, u32),
    pub size: u64,
    pub atime: Timestamp,
    pub mtime: Timestamp,
    pub ctime: Timestamp,
}

impl Stat {
    /// What the kernel told.
    pub fn of(told: &libc::statx) -> Self {
        let time = |t: libc::statx_timestamp| (t.tv_sec, t.tv_nsec);
        Self {
            ino: told.stx_ino,
            mode: told.stx_mode.into(),
            nlink: told.stx_nlink,
            uid: told.stx_uid,
            gid: told.stx_gid,
            rdev: (told.stx_rdev_major, told.stx_rdev_minor),
            size: told.stx_size,
            atime: time(told.stx_atime),
            mtime: time(told.stx_mtime),
            ctime: time(told.stx_ctime),
        }
    }

    /// `S_IFMT` bits.
    pub fn kind(&self) -> u32 {
        self.mode & libc::S_IFMT
    }
}

/// A file of a tree.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// Its attributes.
    pub stat: Stat,
    /// Of a regular file: what it contains. Of a symbolic link: where it points. Otherwise nothing.
    pub content: Vec<Piece>,
    /// Extended attributes that users may see.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What a directory says about it that isn't so, or why it couldn't be looked at.
    pub problems: Vec<String>,
}

/// A part of a content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it begins.
    pub at: i64,
    /// How many bytes there were.
    pub len: usize,
    /// A hash of them.
    pub hash: u64,
}

/// Contents are read as a whole up to here; of larger files, which have holes, what is around these offsets.
const WHOLE: u64 = 2 << 20;
const AROUND: u64 = 128 << 10;
/// Offsets at which sizes and positions overflow something, and near which operations therefore write.
pub const FAR: [i64; 3] = [1 << 31, 1 << 32, 1 << 40];

/// Everything below a directory, by its path. Whoever calls is root.
pub fn tree(root: RawFd) -> Outcome {
    let mut nodes = BTreeMap::new();
    match sys::openat(root, b".", libc::O_RDONLY | libc::O_DIRECTORY, 0) {
        Ok(fd) => match sys::statx(fd.as_raw_fd(), b"", libc::AT_EMPTY_PATH) {
            Ok(told) => {
                let node = look(fd.as_raw_fd(), b".", Stat::of(&told));
                nodes.insert(".".into(), node);
                walk(fd.as_raw_fd(), "", &mut nodes);
                Outcome::Tree(nodes)
            }
            Err(errno) => Outcome::Failed(errno),
        },
        Err(errno) => Outcome::Failed(errno),
    }
}

fn walk(directory: RawFd, prefix: &str, nodes: &mut BTreeMap<String, Node>) {
    let entries = match sys::list(directory, 32768) {
        Ok(entries) => entries,
        Err(errno) => {
            let path = if prefix.is_empty() {
                "."
            } else {
                prefix.trim_end_matches('/')
            };
            if let Some(node) = nodes.get_mut(path) {
                node.problems.push(format!("can't be listed: {errno:?}"));
            }
            return;
        }
    };
    for entry in entries {
        if entry.name == b"." || entry.name == b".." {
            continue;
        }
        let path = format!("{prefix}{}", entry.name.escape_ascii());
        let told = match sys::statx(directory, &entry.name, libc::AT_SYMLINK_NOFOLLOW) {
            Ok(told) => told,
            Err(errno) => {
                let problems = vec![format!("is listed, but stat answers {errno:?}")];
                nodes.insert(
                    path,
                    Node {
                        problems,
                        ..Node::default()
                    },
                );
                continue;
            }
        };
        let stat = Stat::of(&told);
        let mut node = look(directory, &entry.name, stat);
        if u32::from(entry.kind) << 12 != stat.kind() {
            node.problems.push(format!("is listed with d_type {}", entry.kind));
        }
        if entry.ino != stat.ino {
            node.problems.push("is listed with another inode number".into());
        }
        let twice = nodes.insert(path.clone(), node);
        if twice.is_some() {
            nodes
                .get_mut(&path)
                .expect("was inserted")
                .problems
                .push("is listed twice".into());
        }
        if stat.kind() == libc::S_IFDIR {
            let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
            match sys::openat(directory, &entry.name, flags, 0) {
                Ok(fd) => walk(fd.as_raw_fd(), &format!("{path}/"), nodes),
                Err(errno) => {
                    let node = nodes.get_mut(&path).expect("was inserted");
                    node.problems.push(format!("can't be opened: {errno:?}"));
                }
            }
        }
    }
}

/// What there is behind a name: content, target, extended attributes.
fn look(directory: RawFd, name: &[u8], stat: Stat) -> Node {
    let mut node = Node {
        stat,
        ..Node::default()
    };
    match stat.kind() {
        libc::S_IFREG => match sys::openat(directory, name, libc::O_RDONLY | libc::O_NOFOLLOW, 0) {
            Ok(fd) => match content(fd.as_raw_fd(), stat.size) {
                Ok(content) => node.content = content,
                Err(errno) => node.problems.push(format!("can't be read: {errno:?}")),
            },
            Err(errno) => node.problems.push(format!("can't be opened: {errno:?}")),
        },
        libc::S_IFLNK => match read_link(directory, name) {
            Ok(target) => node.content = vec![piece(0, &target)],
            Err(errno) => node.problems.push(format!("can't be read: {errno:?}")),
        },
        _ => {}
    }
    // Symbolic links and special files have no user.* attributes: xattr(7).
    if matches!(stat.kind(), libc::S_IFREG | libc::S_IFDIR) {
        let path = [format!("/proc/self/fd/{directory}/").as_bytes(), name].concat();
        match xattrs(&path) {
            Ok(xattrs) => node.xattrs = xattrs,
            Err(errno) => node
                .problems
                .push(format!("doesn't tell its extended attributes: {errno:?}")),
        }
    }
    node
}

fn content(fd: RawFd, size: u64) -> sys::Result<Vec<Piece>> {
    let mut ranges = vec![(0, WHOLE)];
    if size > WHOLE {
        let tail = size.saturating_sub(AROUND);
        ranges.extend(FAR.iter().map(|&far| (far as u64 - AROUND, 2 * AROUND)));
        ranges.push((tail, AROUND));
    }
    let mut pieces = Vec::new();
    for (start, len) in ranges.into_iter().filter(|&(start, _)| start < size.max(1)) {
        // one byte more than there should be
        let len = len.min(size - start + 1);
        let Ok(at) = i64::try_from(start) else { continue };
        let bytes = sys::pread_all(fd, at, len as usize)?;
        pieces.extend(bytes.chunks(512).zip(0..).map(|(part, n)| piece(at + 512 * n, part)));
    }
    Ok(pieces)
}

fn piece(at: i64, bytes: &[u8]) -> Piece {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    Piece {
        at,
        len: bytes.len(),
        hash: hasher.finish(),
    }
}

fn xattrs(path: &[u8]) -> sys::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let path = sys::c(path);
    let mut list = vec![0u8; 65536];
    let len = call!(llistxattr(path.as_ptr(), list.as_mut_ptr().cast(), list.len()))? as usize;
    let mut found = BTreeMap::new();
    for name in names(&list[..len]) {
        let mut value = vec![0u8; 65536];
        let c_name = sys::c(&name);
        let len = call!(lgetxattr(
            path.as_ptr(),
            c_name.as_ptr(),
            value.as_mut_ptr().cast(),
            value.len()
        ))?;
        value.truncate(len as usize);
        found.insert(name, value);
    }
    Ok(found)
}

/// The names that listxattr(2) put one behind the other, sorted.
pub fn names(list: &[u8]) -> Vec<Vec<u8>> {
    let mut names: Vec<_> = list.split(|&byte| byte == 0).map(<[u8]>::to_vec).collect();
    names.retain(|name| !name.is_empty());
    names.sort();
    names
}

/// readlinkat(2)
pub fn read_link(directory: RawFd, path: &[u8]) -> sys::Result<Vec<u8>> {
    let path = sys::c(path);
    let mut target = vec![0u8; 4097];
    let len = call!(readlinkat(
        directory,
        path.as_ptr(),
        target.as_mut_ptr().cast(),
        target.len()
    ))?;
    target.truncate(len as usize);
    Ok(target)
}
