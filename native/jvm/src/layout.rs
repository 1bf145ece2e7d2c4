//! What lies where in the args page of a lease: the small structs that cross between native code and Java.
//!
//! Written by `handler` before an upcall and by Java's sinks during it. The other side is the Java class `Layout`, whose
//! constants [`describe`] spells; they are compared when the library is loaded. The C header `include/ferrofuse.h` is
//! generated from this file. File data never comes here.

use std::mem::{offset_of, size_of};

use crate::metrics;
use ferrofuse_protocol::abi::{Attr, AttrOut, Dirent, EntryOut, FileLock, Kstatfs, SetattrIn};

/// Bytes of an args page; what [`ArgsPage`] leaves of it is unused.
pub(crate) const PAGE_SIZE: usize = 16384;

/// Bit of [`RequestContext::flags`]: setuid and setgid are to be cleared; by an ACL that is set, setgid.
pub(crate) const FLAG_KILLS_PRIVILEGES: u32 = 1;

/// Bit of [`RequestContext::flags`], set by Java during the upcall: `Upcalls.disarm` is to be called after it.
pub(crate) const FLAG_ARMED: u32 = 2;

/// Bit of what `Door.init` answers: the file system clears setuid and setgid itself.
pub(crate) const WISH_CLEARS_PRIVILEGES: i32 = 1;

/// Bit of what `Door.init` answers: the file system knows when its files were made.
pub(crate) const WISH_BIRTH_TIMES: i32 = 2;

/// Bit of what `Door.init` answers: the file system keeps POSIX ACLs and applies the umask.
pub(crate) const WISH_KEEPS_ACLS: i32 = 4;

/// Bits of what `Door.init` answers: the engine keeps locks, or the file system does.
pub(crate) const WISH_LOCKS_BY_ENGINE: i32 = 8;
pub(crate) const WISH_LOCKS_BY_FILE_SYSTEM: i32 = 16;

/// Bit of what `Door.init` answers: the file system answers look-ups of "." and "..".
pub(crate) const WISH_RESOLVES_DOTS: i32 = 32;

/// Bit of what `Door.init` answers: the file system truncates in `open`.
pub(crate) const WISH_TRUNCATES_ON_OPEN: i32 = 64;

/// Bit of what `Door.init` answers: others change files, too.
pub(crate) const WISH_SHARES_FILES: i32 = 128;

/// Bit of what `Door.init` answers: opens may name a file that the kernel reads and writes in their place.
pub(crate) const WISH_PASSES_THROUGH: i32 = 256;

/// Who asks for what.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct RequestContext {
    /// `fuse_in_header.unique`.
    pub(crate) unique: u64,
    /// Effective user of the caller.
    pub(crate) uid: u32,
    /// Effective group of the caller.
    pub(crate) gid: u32,
    /// Thread id of the caller.
    pub(crate) pid: u32,
    /// Umask of the caller, in requests that make something.
    pub(crate) umask: u32,
    /// `fuse_in_header.opcode`.
    pub(crate) opcode: u32,
    /// `FLAG_` bits.
    pub(crate) flags: u32,
}

/// How an opened handle is to be treated.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Opened {
    /// `FOPEN_` flags.
    pub(crate) flags: u32,
    /// 0 serialized, 1 shared reads, 2 concurrent.
    pub(crate) concurrency: u32,
}

/// When a file was made.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Birth {
    /// Since 1970.
    pub(crate) seconds: i64,
    /// 0 to 999,999,999.
    pub(crate) nanos: u32,
    /// 0: it is not known.
    pub(crate) given: u32,
}

/// What an ioctl comes with, and how much it answers.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Ioctl {
    /// In: the third argument.
    pub(crate) argument: u64,
    /// In: the request code.
    pub(crate) command: u32,
    /// In: where in the bulk area the input is.
    pub(crate) in_start: u32,
    /// In.
    pub(crate) in_end: u32,
    /// In: where in the bulk area the output goes.
    pub(crate) out_start: u32,
    /// In.
    pub(crate) out_end: u32,
    /// Out: bytes that were put there.
    pub(crate) out_length: u32,
}

/// The args page.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct ArgsPage {
    /// In.
    pub(crate) request: RequestContext,
    /// Out: `open`, `create`, `opendir`.
    pub(crate) opened: Opened,
    /// Out: whatever hands out a node. `nodeid` is the file system's number.
    pub(crate) entry: EntryOut,
    /// Out: `getattr`, `setattr`.
    pub(crate) getattr: AttrOut,
    /// In: `setattr`.
    pub(crate) change: SetattrIn,
    /// Out: `statfs`.
    pub(crate) statfs: Kstatfs,
    /// Out: `getattr`, when STATX asks.
    pub(crate) birth: Birth,
    /// In and out: `ioctl`.
    pub(crate) ioctl: Ioctl,
    /// Out: `lseek`, `copy`, `bmap`.
    pub(crate) number: u64,
    /// In: the name or path, or the first of two.
    pub(crate) name: [u8; 4096],
    /// In: a symbolic link's target, the second name or path, or an extended attribute's name beside a path.
    pub(crate) target: [u8; 4096],
    /// Out: `getlk`, unless it answers 0.
    pub(crate) lock: FileLock,
    /// In: what a call without a slot is about that works on open handles otherwise: a node, or the length of its path.
    pub(crate) unopened: i64,
    /// Out: `open`, `create`: a descriptor of the file that is passed through to, or -1.
    pub(crate) backing: i32,
}

const _: () = assert!(size_of::<ArgsPage>() <= PAGE_SIZE);

macro_rules! layout {
    ($($name:ident = $value:expr,)*) => {
        /// Every constant of the Java class `Layout`, by name.
        pub(crate) const LAYOUT: &[(&str, usize)] = &[$((stringify!($name), $value)),*];
    };
}

layout! {
    PAGE_SIZE = PAGE_SIZE,
    REQUEST_UNIQUE = offset_of!(ArgsPage, request.unique),
    REQUEST_UID = offset_of!(ArgsPage, request.uid),
    REQUEST_GID = offset_of!(ArgsPage, request.gid),
    REQUEST_PID = offset_of!(ArgsPage, request.pid),
    REQUEST_UMASK = offset_of!(ArgsPage, request.umask),
    REQUEST_OPCODE = offset_of!(ArgsPage, request.opcode),
    REQUEST_FLAGS = offset_of!(ArgsPage, request.flags),
    FLAG_KILLS_PRIVILEGES = FLAG_KILLS_PRIVILEGES as usize,
    FLAG_ARMED = FLAG_ARMED as usize,
    WISH_CLEARS_PRIVILEGES = WISH_CLEARS_PRIVILEGES as usize,
    WISH_BIRTH_TIMES = WISH_BIRTH_TIMES as usize,
    WISH_KEEPS_ACLS = WISH_KEEPS_ACLS as usize,
    WISH_LOCKS_BY_ENGINE = WISH_LOCKS_BY_ENGINE as usize,
    WISH_LOCKS_BY_FILE_SYSTEM = WISH_LOCKS_BY_FILE_SYSTEM as usize,
    WISH_RESOLVES_DOTS = WISH_RESOLVES_DOTS as usize,
    WISH_TRUNCATES_ON_OPEN = WISH_TRUNCATES_ON_OPEN as usize,
    WISH_SHARES_FILES = WISH_SHARES_FILES as usize,
    WISH_PASSES_THROUGH = WISH_PASSES_THROUGH as usize,
    OPENED_FLAGS = offset_of!(ArgsPage, opened.flags),
    OPENED_CONCURRENCY = offset_of!(ArgsPage, opened.concurrency),
    ENTRY = offset_of!(ArgsPage, entry),
    ENTRY_SIZE = size_of::<EntryOut>(),
    ENTRY_NODE = offset_of!(EntryOut, nodeid),
    ENTRY_GENERATION = offset_of!(EntryOut, generation),
    ENTRY_VALID = offset_of!(EntryOut, entry_valid),
    ENTRY_ATTR_VALID = offset_of!(EntryOut, attr_valid),
    ENTRY_VALID_NSEC = offset_of!(EntryOut, entry_valid_nsec),
    ENTRY_ATTR_VALID_NSEC = offset_of!(EntryOut, attr_valid_nsec),
    ENTRY_ATTR = offset_of!(EntryOut, attr),
    GETATTR = offset_of!(ArgsPage, getattr),
    GETATTR_VALID = offset_of!(AttrOut, attr_valid),
    GETATTR_VALID_NSEC = offset_of!(AttrOut, attr_valid_nsec),
    GETATTR_ATTR = offset_of!(AttrOut, attr),
    ATTR_LENGTH = size_of::<Attr>(),
    ATTR_INO = offset_of!(Attr, ino),
    ATTR_SIZE = offset_of!(Attr, size),
    ATTR_BLOCKS = offset_of!(Attr, blocks),
    ATTR_ATIME = offset_of!(Attr, atime),
    ATTR_MTIME = offset_of!(Attr, mtime),
    ATTR_CTIME = offset_of!(Attr, ctime),
    ATTR_ATIMENSEC = offset_of!(Attr, atimensec),
    ATTR_MTIMENSEC = offset_of!(Attr, mtimensec),
    ATTR_CTIMENSEC = offset_of!(Attr, ctimensec),
    ATTR_MODE = offset_of!(Attr, mode),
    ATTR_NLINK = offset_of!(Attr, nlink),
    ATTR_UID = offset_of!(Attr, uid),
    ATTR_GID = offset_of!(Attr, gid),
    ATTR_RDEV = offset_of!(Attr, rdev),
    ATTR_BLKSIZE = offset_of!(Attr, blksize),
    CHANGE = offset_of!(ArgsPage, change),
    CHANGE_VALID = offset_of!(SetattrIn, valid),
    CHANGE_SIZE = offset_of!(SetattrIn, size),
    CHANGE_ATIME = offset_of!(SetattrIn, atime),
    CHANGE_MTIME = offset_of!(SetattrIn, mtime),
    CHANGE_CTIME = offset_of!(SetattrIn, ctime),
    CHANGE_ATIMENSEC = offset_of!(SetattrIn, atimensec),
    CHANGE_MTIMENSEC = offset_of!(SetattrIn, mtimensec),
    CHANGE_CTIMENSEC = offset_of!(SetattrIn, ctimensec),
    CHANGE_MODE = offset_of!(SetattrIn, mode),
    CHANGE_UID = offset_of!(SetattrIn, uid),
    CHANGE_GID = offset_of!(SetattrIn, gid),
    STATFS = offset_of!(ArgsPage, statfs),
    STATFS_LENGTH = size_of::<Kstatfs>(),
    STATFS_BLOCKS = offset_of!(Kstatfs, blocks),
    STATFS_BFREE = offset_of!(Kstatfs, bfree),
    STATFS_BAVAIL = offset_of!(Kstatfs, bavail),
    STATFS_FILES = offset_of!(Kstatfs, files),
    STATFS_FFREE = offset_of!(Kstatfs, ffree),
    STATFS_BSIZE = offset_of!(Kstatfs, bsize),
    STATFS_NAMELEN = offset_of!(Kstatfs, namelen),
    STATFS_FRSIZE = offset_of!(Kstatfs, frsize),
    BIRTH_SECONDS = offset_of!(ArgsPage, birth.seconds),
    BIRTH_NANOS = offset_of!(ArgsPage, birth.nanos),
    BIRTH_GIVEN = offset_of!(ArgsPage, birth.given),
    IOCTL_ARGUMENT = offset_of!(ArgsPage, ioctl.argument),
    IOCTL_COMMAND = offset_of!(ArgsPage, ioctl.command),
    IOCTL_IN_START = offset_of!(ArgsPage, ioctl.in_start),
    IOCTL_IN_END = offset_of!(ArgsPage, ioctl.in_end),
    IOCTL_OUT_START = offset_of!(ArgsPage, ioctl.out_start),
    IOCTL_OUT_END = offset_of!(ArgsPage, ioctl.out_end),
    IOCTL_OUT_LENGTH = offset_of!(ArgsPage, ioctl.out_length),
    NUMBER = offset_of!(ArgsPage, number),
    NAME = offset_of!(ArgsPage, name),
    NAME_CAPACITY = offset_of!(ArgsPage, target) - offset_of!(ArgsPage, name),
    TARGET = offset_of!(ArgsPage, target),
    LOCK = offset_of!(ArgsPage, lock),
    LOCK_START = offset_of!(FileLock, start),
    LOCK_END = offset_of!(FileLock, end),
    LOCK_TYPE = offset_of!(FileLock, r#type),
    LOCK_PID = offset_of!(FileLock, pid),
    UNOPENED = offset_of!(ArgsPage, unopened),
    BACKING = offset_of!(ArgsPage, backing),
    DIRENT_LENGTH = size_of::<Dirent>(),
    DIRENT_INO = offset_of!(Dirent, ino),
    DIRENT_OFF = offset_of!(Dirent, off),
    DIRENT_NAMELEN = offset_of!(Dirent, namelen),
    DIRENT_TYPE = offset_of!(Dirent, r#type),
    METRICS_HEAD = metrics::HEAD,
    METRICS_IN_FLIGHT = metrics::IN_FLIGHT,
    METRICS_WORKERS = metrics::WORKERS,
    METRICS_LONGEST_OPCODE = metrics::LONGEST_OPCODE,
    METRICS_LONGEST_NANOS = metrics::LONGEST_NANOS,
    METRIC_LENGTH = metrics::RECORD,
    METRIC_OPCODE = metrics::OPCODE,
    METRIC_ERRORS = metrics::ERRORS,
    METRIC_NANOS = metrics::NANOS,
    METRIC_MAX = metrics::MAX,
    METRIC_WAITS = metrics::WAITS,
    METRIC_WAITED = metrics::WAITED,
    METRIC_BUCKETS = metrics::BUCKETS_AT,
    METRIC_SUB_BITS = ferrofuse_session::SUB_BITS as usize,
}

/// [`LAYOUT`] as `NAME=value`, separated by blanks.
pub(crate) fn describe() -> String {
    let items: Vec<String> = LAYOUT.iter().map(|(name, value)| format!("{name}={value}")).collect();
    items.join(" ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};
    use std::{env, fs};

    use super::*;

    fn crate_file(path: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
    }

    #[test]
    fn java_has_the_same_constants() {
        let source = crate_file("../../java/core/src/main/java/io/github/ferrofuse/internal/Layout.java");
        let source = fs::read_to_string(source).expect("the Java sources lie beside");
        let java: BTreeMap<&str, usize> = source
            .lines()
            .filter_map(|line| {
                line.trim()
                    .strip_prefix("static final int ")?
                    .strip_suffix(';')?
                    .split_once(" = ")
            })
            .map(|(name, value)| (name, value.parse().expect("a plain number")))
            .collect();
        assert_eq!(java, LAYOUT.iter().copied().collect());
    }

    #[test]
    fn the_header_is_up_to_date() {
        let config = cbindgen::Config::from_file(crate_file("cbindgen.toml")).expect("the configuration is valid");
        let mut header = Vec::new();
        cbindgen::Builder::new()
            .with_src(crate_file("src/layout.rs"))
            .with_config(config)
            .generate()
            .expect("the layout is C")
            .write(&mut header);
        let path = crate_file("include/ferrofuse.h");
        if env::var_os("FERROFUSE_WRITE_HEADER").is_some() {
            fs::write(&path, &header).expect("the header can be written");
        }
        let checked_in = fs::read(&path).expect("the header is checked in");
        assert!(
            checked_in == header,
            "FERROFUSE_WRITE_HEADER=1 cargo test -p ferrofuse-jvm writes the header anew"
        );
    }
}
