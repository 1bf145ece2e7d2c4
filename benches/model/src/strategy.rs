//! Which operations there are to choose from, and how often each is chosen. The pools are small, so that operations meet:
//! a few names, a few descriptors, and offsets near which something changes (pages, the chunks of a file system's store,
//! the largest request, 32 bits). Simpler choices come first: that is the way in which failures get simpler.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::Union;

use crate::differences;
use crate::observe::FAR;
use crate::op::Op;
use crate::words::*;

/// Operations that a file system may leave out: what either side lacks is not generated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lacking {
    /// Whole operations, by name.
    pub ops: Vec<String>,
    /// `O_TMPFILE`
    pub tmpfile: bool,
    /// Modes of fallocate(2).
    pub fallocate: Vec<FallocateMode>,
    /// Flags of renameat2(2).
    pub rename: Vec<RenameFlags>,
    /// `MAP_SHARED`
    pub shared_mappings: bool,
    /// Files of any size that an offset can have.
    pub huge_files: bool,
}

fn path() -> BoxedStrategy<Text> {
    let plain = select(
        &[
            "f", "d", "g", "e", "l", "d/f", "d/d", "d/g", "e/f", "d/l", "e/d", "d/d/f", "e/d/f",
        ][..],
    );
    let odd = select(
        &[
            ".",
            "l/f",
            "d/../f",
            "f/",
            "d/",
            "l/",
            "f/f",
            "d/.",
            "d/..",
            "",
            "./f",
            "d//f",
            "nowhere",
            "d/d/d/d",
            "\u{1f980}",
            "new line\n",
        ][..],
    );
    let long = select(vec![
        vec![b'n'; 255],
        vec![b'n'; 256],
        b"\xff\xfe".to_vec(),
        b"d/\xc3".to_vec(),
    ]);
    prop_oneof![
        20 => plain.prop_map(Text::from),
        3 => odd.prop_map(Text::from),
        1 => long.prop_map(Text),
    ]
    .boxed()
}

fn fd() -> BoxedStrategy<Fd> {
    (0..Fd::COUNT).prop_map(Fd).boxed()
}

fn map() -> BoxedStrategy<Map> {
    (0..Map::COUNT).prop_map(Map).boxed()
}

fn mode() -> BoxedStrategy<Mode> {
    let modes = [
        0o644, 0o755, 0o777, 0o600, 0o000, 0o555, 0o4755, 0o2775, 0o2767, 0o1777, 0o6777, 0o070, 0o444,
    ];
    select(modes.to_vec()).prop_map(Mode).boxed()
}

const EDGES: [i64; 9] = [0, 512, 4096, 8192, 16384, 32768, 65536, 131072, 1 << 20];

/// Offsets and sizes of everyday files.
fn near() -> BoxedStrategy<i64> {
    prop_oneof![
        3 => (select(EDGES.to_vec()), -2..3i64).prop_map(|(edge, by)| (edge + by).max(0)),
        1 => 0..20000i64,
    ]
    .boxed()
}

/// Any offset, also one that can't be.
fn offset(lacking: &Lacking) -> BoxedStrategy<i64> {
    let huge = if lacking.huge_files {
        vec![]
    } else {
        vec![i64::MAX, i64::MAX - 4095]
    };
    let far = (select(FAR.to_vec()), -2..3i64).prop_map(|(edge, by)| edge + by);
    prop_oneof![30 => near(), 2 => far, 1 => select([vec![-1, i64::MIN], huge].concat())].boxed()
}

fn len() -> BoxedStrategy<usize> {
    prop_oneof![
        4 => 0..20usize,
        6 => (select(vec![512usize, 4096, 8192, 16384, 65536]), 0..3usize).prop_map(|(edge, by)| edge + by - 1),
        1 => (select(vec![131072usize, 1 << 18]), 0..3usize).prop_map(|(edge, by)| edge + by - 1),
    ]
    .boxed()
}

fn fill() -> BoxedStrategy<u8> {
    (1..=255u8).boxed()
}

fn at_flags(flags: &'static [i32]) -> BoxedStrategy<AtFlags> {
    select(flags).prop_map(AtFlags).boxed()
}

fn open_flags(lacking: &Lacking) -> BoxedStrategy<OpenFlags> {
    let access = select(vec![libc::O_RDWR, libc::O_RDONLY, libc::O_WRONLY]);
    let create = select(vec![0, libc::O_CREAT, libc::O_CREAT, libc::O_CREAT | libc::O_EXCL]);
    let more = subsequence(
        vec![
            libc::O_TRUNC,
            libc::O_APPEND,
            libc::O_NOFOLLOW,
            libc::O_DIRECTORY,
            libc::O_SYNC,
            libc::O_DIRECT,
            libc::O_NOATIME,
        ],
        0..=2,
    );
    let usual =
        (access, create, more).prop_map(|(access, create, more)| more.iter().fold(access | create, |a, b| a | b));
    let directory = select(vec![
        libc::O_RDONLY,
        libc::O_DIRECTORY,
        libc::O_PATH,
        libc::O_PATH | libc::O_NOFOLLOW,
    ]);
    let mut choices = vec![(6, usual.boxed()), (2, directory.boxed())];
    if !lacking.tmpfile {
        let tmpfile = select(vec![
            libc::O_RDWR,
            libc::O_WRONLY,
            libc::O_RDWR | libc::O_EXCL,
            libc::O_RDONLY,
        ]);
        choices.push((1, tmpfile.prop_map(|access| access | libc::O_TMPFILE).boxed()));
    }
    Union::new_weighted(choices).prop_map(OpenFlags).boxed()
}

fn rename_flags(lacking: &Lacking) -> BoxedStrategy<RenameFlags> {
    let mut flags = vec![0, 0, 0];
    for flag in [libc::RENAME_NOREPLACE, libc::RENAME_EXCHANGE, libc::RENAME_WHITEOUT] {
        if !lacking.rename.contains(&RenameFlags(flag as i32)) {
            flags.push(flag as i32);
        }
    }
    if flags.len() == 6 {
        flags.push((libc::RENAME_EXCHANGE | libc::RENAME_NOREPLACE) as i32); // EINVAL
        flags.push((libc::RENAME_NOREPLACE | libc::RENAME_WHITEOUT) as i32);
    }
    select(flags).prop_map(RenameFlags).boxed()
}

/// The modes of fallocate(2) that mean something.
pub const FALLOCATE_MODES: [i32; 7] = [
    0,
    libc::FALLOC_FL_KEEP_SIZE,
    libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE,
    libc::FALLOC_FL_ZERO_RANGE,
    libc::FALLOC_FL_ZERO_RANGE | libc::FALLOC_FL_KEEP_SIZE,
    libc::FALLOC_FL_COLLAPSE_RANGE,
    libc::FALLOC_FL_INSERT_RANGE,
];

fn fallocate_mode(lacking: &Lacking) -> BoxedStrategy<FallocateMode> {
    // PUNCH_HOLE alone is refused by every kernel
    let modes = FALLOCATE_MODES
        .into_iter()
        .chain([libc::FALLOC_FL_PUNCH_HOLE])
        .map(FallocateMode);
    select(
        modes
            .filter(|mode| !lacking.fallocate.contains(mode))
            .collect::<Vec<_>>(),
    )
    .boxed()
}

fn map_flags(lacking: &Lacking) -> BoxedStrategy<MapFlags> {
    let mut flags = vec![libc::MAP_PRIVATE];
    if !lacking.shared_mappings {
        flags.extend([libc::MAP_SHARED; 3]);
    }
    select(flags).prop_map(MapFlags).boxed()
}

fn owner_id() -> BoxedStrategy<i64> {
    select(vec![-1, 0, 1000, 1001]).boxed()
}

fn time() -> BoxedStrategy<Time> {
    let at = select(vec![
        (1, 0),
        (0, 1),
        (1234567890, 123456789),
        (-1, 999999999),
        (1 << 33, 5),
        (1, 1_000_000_000),
    ]);
    prop_oneof![
        Just(Time::Now),
        Just(Time::Omit),
        at.prop_map(|(s, ns)| Time::At(s, ns))
    ]
    .boxed()
}

fn xattr_name() -> BoxedStrategy<Text> {
    let names = [
        "user.a",
        "user.b",
        "user.",
        "user",
        "trusted.a",
        "nothing.a",
        "security.a",
        "",
    ];
    let long = format!("user.{}", "n".repeat(250));
    let too_long = format!("user.{}", "n".repeat(251));
    prop_oneof![
        12 => select(vec!["user.a", "user.b"]).prop_map(Text::from),
        1 => select(names.to_vec()).prop_map(Text::from),
        1 => select(vec![long, too_long]).prop_map(|name| Text(name.into_bytes())),
    ]
    .boxed()
}

fn xattr_len() -> BoxedStrategy<usize> {
    prop_oneof![8 => 0..20usize, 2 => select(vec![255usize, 4096, 5000, 65535, 65536]), 1 => Just(65537usize)].boxed()
}

fn xattr_flags() -> BoxedStrategy<XattrFlags> {
    let both = libc::XATTR_CREATE | libc::XATTR_REPLACE;
    select(vec![0, 0, libc::XATTR_CREATE, libc::XATTR_REPLACE, both, 4])
        .prop_map(XattrFlags)
        .boxed()
}

fn lock() -> BoxedStrategy<(Fd, Owner, LockType, i64, i64)> {
    (
        fd(),
        select(vec![Owner::Ofd, Owner::Posix]),
        select(vec![LockType::Read, LockType::Write, LockType::Unlock]),
        select(vec![0, 1, 10, 4096, -1, i64::MAX]),
        select(vec![0, 1, 10, 100, -1, -5]),
    )
        .boxed()
}

/// Any operation but those that a side lacks.
pub fn operation(lacking: &Lacking) -> BoxedStrategy<Op> {
    let mut choices: Vec<(u32, BoxedStrategy<Op>)> = Vec::new();
    /// Each line: how often, which operation, from what.
    macro_rules! choose {
        ($($weight:literal $op:ident { $($field:ident: $from:expr),* $(,)? };)*) => {$(
            choices.push((
                $weight,
                (Just(()), $($from),*).prop_map(|(_, $($field),*)| Op::$op { $($field),* }).boxed(),
            ));
        )*};
    }
    choose! {
        40 Open { fd: fd(), path: path(), flags: open_flags(lacking), mode: mode() };
        4 Reopen { fd: fd(), of: fd(), flags: open_flags(lacking) };
        3 Dup { fd: fd(), of: fd() };
        8 Close { fd: fd() };
        10 Read { fd: fd(), len: len() };
        12 Pread { fd: fd(), off: offset(lacking), len: len() };
        14 Write { fd: fd(), len: len(), fill: fill() };
        16 Pwrite { fd: fd(), off: offset(lacking), len: len(), fill: fill() };
        4 Pwritev { fd: fd(), off: offset(lacking), len: len(), more: len(), fill: fill() };
        12 Lseek {
            fd: fd(),
            off: prop_oneof![4 => offset(lacking), 1 => Just(-4i64)].boxed(),
            whence: select(vec![Whence::Set, Whence::Cur, Whence::End, Whence::Data, Whence::Hole]),
        };
        10 Ftruncate { fd: fd(), size: offset(lacking) };
        6 Truncate { path: path(), size: offset(lacking) };
        // only near: what is allocated takes memory
        10 Fallocate { fd: fd(), mode: fallocate_mode(lacking), off: near(), len: near() };
        6 CopyFileRange { from: fd(), from_off: near(), to: fd(), to_off: near(), len: len() };
        3 Fsync { fd: fd() };
        2 Fdatasync { fd: fd() };
        4 Fadvise { fd: fd(), advice: select(vec![Advice::DontNeed, Advice::WillNeed]) };
        6 Mmap {
            map: map(),
            fd: fd(),
            flags: map_flags(lacking),
            off: select(vec![0i64, 4096, 16384, 1]),
            len: select(vec![4096usize, 16384, 5000, 100_000, 0]),
        };
        8 Load { map: map(), off: (0..20000usize), len: len() };
        8 Store { map: map(), off: (0..20000usize), len: len(), fill: fill() };
        3 Msync { map: map() };
        2 Munmap { map: map() };
        16 Mkdir { path: path(), mode: mode() };
        10 Rmdir { path: path() };
        6 Mknod {
            path: path(),
            kind: select(vec![Kind::File, Kind::Fifo, Kind::Socket, Kind::Device]),
            mode: mode(),
        };
        8 Symlink {
            target: prop_oneof![
                9 => select(vec!["f", "d", "d/f", "l", ".", "nowhere", "e/d"]).prop_map(Text::from),
                1 => select(vec![Text::from(""), Text(vec![b't'; 4095]), Text(vec![b't'; 4096]), Text(b"\xff".to_vec())]),
            ],
            path: path(),
        };
        6 Readlink { path: path() };
        14 Link {
            from: path(),
            to: path(),
            flags: at_flags(&[0, libc::AT_SYMLINK_FOLLOW]),
        };
        4 LinkFd { fd: fd(), path: path() };
        16 Unlink { path: path() };
        24 Rename { from: path(), to: path(), flags: rename_flags(lacking) };
        8 Chmod { path: path(), mode: mode() };
        5 Fchmod { fd: fd(), mode: mode() };
        7 Chown {
            path: path(),
            uid: owner_id(),
            gid: owner_id(),
            flags: at_flags(&[0, libc::AT_SYMLINK_NOFOLLOW]),
        };
        4 Fchown { fd: fd(), uid: owner_id(), gid: owner_id() };
        6 Utimens {
            path: path(),
            atime: time(),
            mtime: time(),
            flags: at_flags(&[0, libc::AT_SYMLINK_NOFOLLOW]),
        };
        4 Futimens { fd: fd(), atime: time(), mtime: time() };
        6 Setxattr { path: path(), name: xattr_name(), len: xattr_len(), fill: fill(), flags: xattr_flags() };
        4 Getxattr { path: path(), name: xattr_name(), size: xattr_len() };
        3 Listxattr { path: path(), size: xattr_len() };
        3 Removexattr { path: path(), name: xattr_name() };
        4 Fsetxattr { fd: fd(), name: xattr_name(), len: xattr_len(), fill: fill(), flags: xattr_flags() };
        3 Fgetxattr { fd: fd(), name: xattr_name(), size: xattr_len() };
        2 Flistxattr { fd: fd(), size: xattr_len() };
        2 Fremovexattr { fd: fd(), name: xattr_name() };
        16 Stat {
            path: path(),
            flags: at_flags(&[0, libc::AT_SYMLINK_NOFOLLOW, libc::AT_STATX_FORCE_SYNC]),
        };
        12 Fstat { fd: fd() };
        8 Access {
            path: path(),
            mode: subsequence(vec![libc::R_OK, libc::W_OK, libc::X_OK], 0..=3)
                .prop_map(|bits| AccessMode(bits.iter().sum())),
            flags: at_flags(&[0, libc::AT_EACCESS]),
        };
        6 List { path: path() };
        4 ListFd { fd: fd() };
        3 SeekDir { fd: fd(), bytes: select(vec![32768usize, 1024, 320]) };
        4 Flock { fd: fd(), op: select(vec![libc::LOCK_SH, libc::LOCK_EX, libc::LOCK_UN]).prop_map(FlockOp) };
        3 Umask { mode: select(vec![0o022, 0o000, 0o077, 0o777]).prop_map(Mode) };
        12 As { user: select(vec![User::Root, User::Alice, User::Bob]) };
        1 DropCaches {};
        3 Check {};
    }
    choices.push((
        5,
        lock()
            .prop_map(|(fd, owner, kind, start, len)| Op::Setlk {
                fd,
                owner,
                kind,
                start,
                len,
            })
            .boxed(),
    ));
    choices.push((
        3,
        lock()
            .prop_map(|(fd, owner, kind, start, len)| Op::Getlk {
                fd,
                owner,
                kind,
                start,
                len,
            })
            .boxed(),
    ));
    let mut named: Vec<_> = choices
        .into_iter()
        .map(|(weight, choice)| (name_of(&choice), weight, choice))
        .collect();
    named.retain(|(name, ..)| !lacking.ops.iter().any(|left_out| left_out == name));
    Union::new_weighted(named.into_iter().map(|(_, weight, choice)| (weight, choice)).collect())
        .prop_filter("known to differ", |op| differences::avoided(op).is_none())
        .boxed()
}

/// Each choice makes one kind of operation.
fn name_of(choice: &BoxedStrategy<Op>) -> &'static str {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    choice
        .new_tree(&mut runner)
        .expect("one in twenty is filtered out")
        .current()
        .name()
}

/// What a sequence may begin with, so that there is something to work on.
pub fn beginning() -> BoxedStrategy<Vec<Op>> {
    let open = |fd, path, flags| Op::Open {
        fd: Fd(fd),
        path: Text::from(path),
        flags: OpenFlags(flags),
        mode: Mode(0o666),
    };
    let mkdir = |path| Op::Mkdir {
        path: Text::from(path),
        mode: Mode(0o777),
    };
    subsequence(
        vec![
            mkdir("d"),
            mkdir("d/d"),
            mkdir("e"),
            open(0, "f", libc::O_RDWR | libc::O_CREAT),
            Op::Write {
                fd: Fd(0),
                len: 20000,
                fill: 1,
            },
            open(1, "d/f", libc::O_RDWR | libc::O_CREAT),
            open(2, "d", libc::O_RDONLY | libc::O_DIRECTORY),
            Op::Symlink {
                target: Text::from("f"),
                path: Text::from("l"),
            },
            Op::Link {
                from: Text::from("f"),
                to: Text::from("g"),
                flags: AtFlags(0),
            },
        ],
        3..=9,
    )
    .boxed()
}

/// Whole sequences of up to some length, for tests; the runner takes them apart to simplify them.
pub fn operations(lacking: &Lacking, length: usize) -> impl Strategy<Value = Vec<Op>> {
    vec(operation(lacking), 1..=length)
}
