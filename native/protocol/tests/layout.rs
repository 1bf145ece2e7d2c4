//! Layout and numbers against those of the kernel header: as literals, and, where the machine has the header and a C
//! compiler, against what the compiler says.

use std::env;
use std::fmt::Write;
use std::fs;
use std::mem::offset_of;
use std::path::Path;
use std::process::Command;

use ferrofuse_protocol::reply::NotifyCode;
use ferrofuse_protocol::{abi, Errno, Opcode};

/// Where a field lies, and since which minor version the header has it.
struct Field {
    name: &'static str,
    offset: usize,
    literal: usize,
    size: usize,
    since: u32,
}

struct Layout {
    name: &'static str,
    size: usize,
    since: u32,
    fields: Vec<Field>,
}

fn size_of_field<R, F>(_: fn(&R) -> &F) -> usize {
    size_of::<F>()
}

/// `since Record { field: offset, … }`. What came with 7.38 counts as 7.39 where headers of 7.38 exist without it.
macro_rules! layouts {
    (@since) => { 0 };
    (@since $since:literal) => { $since };
    ($($since:literal $record:ident { $($field:ident: $offset:literal $(since $field_since:literal)?),* })*) => {
        vec![$(Layout {
            name: stringify!($record),
            size: size_of::<abi::$record>(),
            since: $since,
            fields: vec![$(Field {
                name: stringify!($field).trim_start_matches("r#"),
                offset: offset_of!(abi::$record, $field),
                literal: $offset,
                size: size_of_field(|record: &abi::$record| &record.$field),
                since: layouts!(@since $($field_since)?),
            }),*],
        }),*]
    };
}

#[rustfmt::skip]
fn layouts() -> Vec<Layout> {
    layouts! {
        0 InHeader { len: 0, opcode: 4, unique: 8, nodeid: 16, uid: 24, gid: 28, pid: 32, total_extlen: 36, padding: 38 }
        0 OutHeader { len: 0, error: 4, unique: 8 }
        0 Attr { ino: 0, size: 8, blocks: 16, atime: 24, mtime: 32, ctime: 40, atimensec: 48, mtimensec: 52, ctimensec: 56, mode: 60, nlink: 64, uid: 68, gid: 72, rdev: 76, blksize: 80, flags: 84 }
        39 SxTime { tv_sec: 0, tv_nsec: 8, __reserved: 12 }
        39 Statx { mask: 0, blksize: 4, attributes: 8, nlink: 16, uid: 20, gid: 24, mode: 28, __spare0: 30, ino: 32, size: 40, blocks: 48, attributes_mask: 56, atime: 64, btime: 80, ctime: 96, mtime: 112, rdev_major: 128, rdev_minor: 132, dev_major: 136, dev_minor: 140, __spare2: 144 }
        0 Kstatfs { blocks: 0, bfree: 8, bavail: 16, files: 24, ffree: 32, bsize: 40, namelen: 44, frsize: 48, padding: 52, spare: 56 }
        0 FileLock { start: 0, end: 8, r#type: 16, pid: 20 }
        0 EntryOut { nodeid: 0, generation: 8, entry_valid: 16, attr_valid: 24, entry_valid_nsec: 32, attr_valid_nsec: 36, attr: 40 }
        0 Dirent { ino: 0, off: 8, namelen: 16, r#type: 20 }
        0 Direntplus { entry_out: 0, dirent: 128 }
        0 IoctlIovec { base: 0, len: 8 }
        40 BackingMap { fd: 0, flags: 4, padding: 8 }
        0 ForgetIn { nlookup: 0 }
        0 ForgetOne { nodeid: 0, nlookup: 8 }
        0 BatchForgetIn { count: 0, dummy: 4 }
        0 GetattrIn { getattr_flags: 0, dummy: 4, fh: 8 }
        39 StatxIn { getattr_flags: 0, reserved: 4, fh: 8, sx_flags: 16, sx_mask: 20 }
        0 MknodIn { mode: 0, rdev: 4, umask: 8, padding: 12 }
        0 MkdirIn { mode: 0, umask: 4 }
        0 RenameIn { newdir: 0 }
        0 Rename2In { newdir: 0, flags: 8, padding: 12 }
        0 LinkIn { oldnodeid: 0 }
        0 SetattrIn { valid: 0, padding: 4, fh: 8, size: 16, lock_owner: 24, atime: 32, mtime: 40, ctime: 48, atimensec: 56, mtimensec: 60, ctimensec: 64, mode: 68, unused4: 72, uid: 76, gid: 80, unused5: 84 }
        0 OpenIn { flags: 0, open_flags: 4 }
        0 CreateIn { flags: 0, mode: 4, umask: 8, open_flags: 12 }
        0 ReleaseIn { fh: 0, flags: 8, release_flags: 12, lock_owner: 16 }
        0 FlushIn { fh: 0, unused: 8, padding: 12, lock_owner: 16 }
        0 ReadIn { fh: 0, offset: 8, size: 16, read_flags: 20, lock_owner: 24, flags: 32, padding: 36 }
        0 WriteIn { fh: 0, offset: 8, size: 16, write_flags: 20, lock_owner: 24, flags: 32, padding: 36 }
        0 FsyncIn { fh: 0, fsync_flags: 8, padding: 12 }
        0 SetxattrIn { size: 0, flags: 4, setxattr_flags: 8, padding: 12 }
        0 GetxattrIn { size: 0, padding: 4 }
        0 LkIn { fh: 0, owner: 8, lk: 16, lk_flags: 40, padding: 44 }
        0 AccessIn { mask: 0, padding: 4 }
        0 InitIn { major: 0, minor: 4, max_readahead: 8, flags: 12, flags2: 16, unused: 20 }
        0 InterruptIn { unique: 0 }
        0 BmapIn { block: 0, blocksize: 8, padding: 12 }
        0 IoctlIn { fh: 0, flags: 8, cmd: 12, arg: 16, in_size: 24, out_size: 28 }
        0 PollIn { fh: 0, kh: 8, flags: 16, events: 20 }
        0 FallocateIn { fh: 0, offset: 8, length: 16, mode: 24, padding: 28 }
        0 LseekIn { fh: 0, offset: 8, whence: 16, padding: 20 }
        0 CopyFileRangeIn { fh_in: 0, off_in: 8, nodeid_out: 16, fh_out: 24, off_out: 32, len: 40, flags: 48 }
        0 SyncfsIn { padding: 0 }
        0 NotifyRetrieveIn { dummy1: 0, offset: 8, size: 16, dummy2: 20, dummy3: 24, dummy4: 32 }
        0 ExtHeader { size: 0, r#type: 4 }
        0 SecctxHeader { size: 0, nr_secctx: 4 }
        0 Secctx { size: 0, padding: 4 }
        39 SuppGroups { nr_groups: 0 }
        0 AttrOut { attr_valid: 0, attr_valid_nsec: 8, dummy: 12, attr: 16 }
        39 StatxOut { attr_valid: 0, attr_valid_nsec: 8, flags: 12, spare: 16, stat: 32 }
        0 OpenOut { fh: 0, open_flags: 8, backing_id: 12 since 40 }
        0 WriteOut { size: 0, padding: 4 }
        0 StatfsOut { st: 0 }
        0 GetxattrOut { size: 0, padding: 4 }
        0 LkOut { lk: 0 }
        0 InitOut { major: 0, minor: 4, max_readahead: 8, flags: 12, max_background: 16, congestion_threshold: 18, max_write: 20, time_gran: 24, max_pages: 28, map_alignment: 30, flags2: 32, max_stack_depth: 36 since 40, request_timeout: 40 since 43, unused: 42 since 43 }
        0 BmapOut { block: 0 }
        0 IoctlOut { result: 0, flags: 4, in_iovs: 8, out_iovs: 12 }
        0 PollOut { revents: 0, padding: 4 }
        0 LseekOut { offset: 0 }
        45 CopyFileRangeOut { bytes_copied: 0 }
        0 NotifyPollWakeupOut { kh: 0 }
        0 NotifyInvalInodeOut { ino: 0, off: 8, len: 16 }
        0 NotifyInvalEntryOut { parent: 0, namelen: 8, flags: 12 }
        0 NotifyDeleteOut { parent: 0, child: 8, namelen: 16, padding: 20 }
        0 NotifyStoreOut { nodeid: 0, offset: 8, size: 16, padding: 20 }
        0 NotifyRetrieveOut { notify_unique: 0, nodeid: 8, offset: 16, size: 24, padding: 28 }
        45 NotifyPruneOut { count: 0, padding: 4, spare: 8 }
        42 UringEntInOut { flags: 0, commit_id: 8, payload_sz: 16, padding: 20, reserved: 24 }
        42 UringReqHeader { in_out: 0, op_in: 128, ring_ent_in_out: 256 }
        42 UringCmdReq { flags: 0, commit_id: 8, qid: 16, padding: 18 }
    }
}

/// Constants that the header has as macros: ours, the header's name.
macro_rules! constants {
    ($($module:ident: $($constant:ident $name:literal),*;)*) => {
        [$($((u64::from(abi::$module::$constant as u64), $name)),*),*]
    };
}

#[rustfmt::skip]
fn constants() -> Vec<(u64, String)> {
    let flags = constants! {
        fattr: MODE "FATTR_MODE", UID "FATTR_UID", GID "FATTR_GID", SIZE "FATTR_SIZE", ATIME "FATTR_ATIME", MTIME "FATTR_MTIME", FH "FATTR_FH", ATIME_NOW "FATTR_ATIME_NOW", MTIME_NOW "FATTR_MTIME_NOW", LOCKOWNER "FATTR_LOCKOWNER", CTIME "FATTR_CTIME", KILL_SUIDGID "FATTR_KILL_SUIDGID";
        fopen: DIRECT_IO "FOPEN_DIRECT_IO", KEEP_CACHE "FOPEN_KEEP_CACHE", NONSEEKABLE "FOPEN_NONSEEKABLE", CACHE_DIR "FOPEN_CACHE_DIR", STREAM "FOPEN_STREAM", NOFLUSH "FOPEN_NOFLUSH", PARALLEL_DIRECT_WRITES "FOPEN_PARALLEL_DIRECT_WRITES", PASSTHROUGH "FOPEN_PASSTHROUGH";
        init: ASYNC_READ "FUSE_ASYNC_READ", POSIX_LOCKS "FUSE_POSIX_LOCKS", FILE_OPS "FUSE_FILE_OPS", ATOMIC_O_TRUNC "FUSE_ATOMIC_O_TRUNC", EXPORT_SUPPORT "FUSE_EXPORT_SUPPORT", BIG_WRITES "FUSE_BIG_WRITES", DONT_MASK "FUSE_DONT_MASK", SPLICE_WRITE "FUSE_SPLICE_WRITE", SPLICE_MOVE "FUSE_SPLICE_MOVE", SPLICE_READ "FUSE_SPLICE_READ", FLOCK_LOCKS "FUSE_FLOCK_LOCKS", HAS_IOCTL_DIR "FUSE_HAS_IOCTL_DIR", AUTO_INVAL_DATA "FUSE_AUTO_INVAL_DATA", DO_READDIRPLUS "FUSE_DO_READDIRPLUS", READDIRPLUS_AUTO "FUSE_READDIRPLUS_AUTO", ASYNC_DIO "FUSE_ASYNC_DIO", WRITEBACK_CACHE "FUSE_WRITEBACK_CACHE", NO_OPEN_SUPPORT "FUSE_NO_OPEN_SUPPORT", PARALLEL_DIROPS "FUSE_PARALLEL_DIROPS", HANDLE_KILLPRIV "FUSE_HANDLE_KILLPRIV", POSIX_ACL "FUSE_POSIX_ACL", ABORT_ERROR "FUSE_ABORT_ERROR", MAX_PAGES "FUSE_MAX_PAGES", CACHE_SYMLINKS "FUSE_CACHE_SYMLINKS", NO_OPENDIR_SUPPORT "FUSE_NO_OPENDIR_SUPPORT", EXPLICIT_INVAL_DATA "FUSE_EXPLICIT_INVAL_DATA", MAP_ALIGNMENT "FUSE_MAP_ALIGNMENT", SUBMOUNTS "FUSE_SUBMOUNTS", HANDLE_KILLPRIV_V2 "FUSE_HANDLE_KILLPRIV_V2", SETXATTR_EXT "FUSE_SETXATTR_EXT", INIT_EXT "FUSE_INIT_EXT", INIT_RESERVED "FUSE_INIT_RESERVED", SECURITY_CTX "FUSE_SECURITY_CTX", HAS_INODE_DAX "FUSE_HAS_INODE_DAX", CREATE_SUPP_GROUP "FUSE_CREATE_SUPP_GROUP", HAS_EXPIRE_ONLY "FUSE_HAS_EXPIRE_ONLY", DIRECT_IO_ALLOW_MMAP "FUSE_DIRECT_IO_ALLOW_MMAP", PASSTHROUGH "FUSE_PASSTHROUGH", NO_EXPORT_SUPPORT "FUSE_NO_EXPORT_SUPPORT", HAS_RESEND "FUSE_HAS_RESEND", ALLOW_IDMAP "FUSE_ALLOW_IDMAP", OVER_IO_URING "FUSE_OVER_IO_URING", REQUEST_TIMEOUT "FUSE_REQUEST_TIMEOUT";
        release: FLUSH "FUSE_RELEASE_FLUSH", FLOCK_UNLOCK "FUSE_RELEASE_FLOCK_UNLOCK";
        getattr: FH "FUSE_GETATTR_FH";
        lk: FLOCK "FUSE_LK_FLOCK";
        write: CACHE "FUSE_WRITE_CACHE", LOCKOWNER "FUSE_WRITE_LOCKOWNER", KILL_SUIDGID "FUSE_WRITE_KILL_SUIDGID";
        read: LOCKOWNER "FUSE_READ_LOCKOWNER";
        ioctl: COMPAT "FUSE_IOCTL_COMPAT", UNRESTRICTED "FUSE_IOCTL_UNRESTRICTED", RETRY "FUSE_IOCTL_RETRY", BIT32 "FUSE_IOCTL_32BIT", DIR "FUSE_IOCTL_DIR", COMPAT_X32 "FUSE_IOCTL_COMPAT_X32", MAX_IOV "FUSE_IOCTL_MAX_IOV";
        poll: SCHEDULE_NOTIFY "FUSE_POLL_SCHEDULE_NOTIFY";
        fsync: FDATASYNC "FUSE_FSYNC_FDATASYNC";
        attr: SUBMOUNT "FUSE_ATTR_SUBMOUNT", DAX "FUSE_ATTR_DAX";
        open: KILL_SUIDGID "FUSE_OPEN_KILL_SUIDGID";
        setxattr: ACL_KILL_SGID "FUSE_SETXATTR_ACL_KILL_SGID";
        notify_inval_entry: EXPIRE_ONLY "FUSE_EXPIRE_ONLY";
        dev: IOC_CLONE "FUSE_DEV_IOC_CLONE", IOC_BACKING_OPEN "FUSE_DEV_IOC_BACKING_OPEN", IOC_BACKING_CLOSE "FUSE_DEV_IOC_BACKING_CLOSE", IOC_SYNC_INIT "FUSE_DEV_IOC_SYNC_INIT";
        uring: IN_OUT_HEADER_SZ "FUSE_URING_IN_OUT_HEADER_SZ", OP_IN_OUT_SZ "FUSE_URING_OP_IN_OUT_SZ";
    };
    let singles = [
        (u64::from(abi::KERNEL_VERSION), "FUSE_KERNEL_VERSION"),
        (abi::ROOT_ID, "FUSE_ROOT_ID"),
        (abi::MIN_READ_BUFFER as u64, "FUSE_MIN_READ_BUFFER"),
        (abi::UNIQUE_RESEND, "FUSE_UNIQUE_RESEND"),
        (u64::from(abi::INVALID_UIDGID), "FUSE_INVALID_UIDGID"),
    ];
    let errnos = Errno::ALL.iter().filter_map(|errno| Some((errno.raw() as u64, errno.describe()?.0)));
    flags.into_iter().chain(singles).chain(errnos).map(|(value, name)| (value, name.to_owned())).collect()
}

/// Constants that the header has as enumerators: ours, the header's name, and since which minor version.
fn enumerators() -> Vec<(u64, String, u32)> {
    let opcodes = Opcode::ALL.iter().map(|&opcode| {
        let since = match opcode {
            Opcode::Statx => 39,
            Opcode::CopyFileRange64 => 45,
            _ => 0,
        };
        (u64::from(opcode.raw()), format!("FUSE_{opcode}"), since)
    });
    let codes = [
        (NotifyCode::Poll as u64, "FUSE_NOTIFY_POLL", 0),
        (NotifyCode::InvalInode as u64, "FUSE_NOTIFY_INVAL_INODE", 0),
        (NotifyCode::InvalEntry as u64, "FUSE_NOTIFY_INVAL_ENTRY", 0),
        (NotifyCode::Store as u64, "FUSE_NOTIFY_STORE", 0),
        (NotifyCode::Retrieve as u64, "FUSE_NOTIFY_RETRIEVE", 0),
        (NotifyCode::Delete as u64, "FUSE_NOTIFY_DELETE", 0),
        (NotifyCode::Resend as u64, "FUSE_NOTIFY_RESEND", 40),
        (NotifyCode::IncEpoch as u64, "FUSE_NOTIFY_INC_EPOCH", 44),
        (NotifyCode::Prune as u64, "FUSE_NOTIFY_PRUNE", 45),
        (u64::from(abi::ext::MAX_NR_SECCTX), "FUSE_MAX_NR_SECCTX", 38),
        (u64::from(abi::ext::GROUPS), "FUSE_EXT_GROUPS", 39),
        (u64::from(abi::uring::CMD_REGISTER), "FUSE_IO_URING_CMD_REGISTER", 42),
        (
            u64::from(abi::uring::CMD_COMMIT_AND_FETCH),
            "FUSE_IO_URING_CMD_COMMIT_AND_FETCH",
            42,
        ),
    ];
    opcodes
        .chain(codes.map(|(value, name, since)| (value, name.to_owned(), since)))
        .collect()
}

#[test]
fn every_field_lies_where_the_kernel_puts_it() {
    for layout in layouts() {
        for field in &layout.fields {
            assert_eq!(field.offset, field.literal, "{}.{}", layout.name, field.name);
        }
        let filled: usize = layout.fields.iter().map(|field| field.size).sum();
        assert_eq!(
            filled, layout.size,
            "{} has a field that this test does not list",
            layout.name
        );
    }
}

/// The oldest header that has what is listed without a `since`.
const OLDEST_HEADER: u32 = 38;

/// Compares with the C compiler's idea of `<linux/fuse.h>`, or of the header that `FUSE_HEADER` names.
#[test]
fn the_c_compiler_agrees() {
    let header = env::var("FUSE_HEADER").unwrap_or_else(|_| "/usr/include/linux/fuse.h".to_owned());
    let Some(minor) = header_minor(&header) else {
        println!("SKIPPED: {header} is not there or states no minor version");
        return;
    };
    if minor < OLDEST_HEADER {
        println!("SKIPPED: {header} is of 7.{minor}, 7.{OLDEST_HEADER} is needed");
        return;
    }
    let (program, expected) = comparison(&header, minor);
    let Some(printed) = compile_and_run(&program) else {
        println!("SKIPPED: no C compiler (cc)");
        return;
    };
    let expected: Vec<&str> = expected.lines().collect();
    let printed: Vec<&str> = printed.lines().filter(|line| !line.is_empty()).collect();
    println!("{} facts of {header} (7.{minor}) compared", printed.len());
    assert!(
        printed.len() > 400,
        "only {} facts: the program is broken",
        printed.len()
    );
    for line in printed {
        assert!(
            expected.contains(&line),
            "the C compiler says {line:?}, this crate says otherwise"
        );
    }
}

/// A C program that prints one fact a line, and the lines that this crate expects, some of which an older header
/// leaves out.
fn comparison(header: &str, minor: u32) -> (String, String) {
    let mut program = format!("#include <stdio.h>\n#include <stddef.h>\n#include <sys/ioctl.h>\n#include <errno.h>\n#include \"{header}\"\nint main(void) {{\n");
    let mut expected = String::new();
    let mut line = |c: String, ours: String| {
        program.push_str(&c);
        writeln!(expected, "{ours}").expect("a string takes every write");
    };
    for layout in layouts().iter().filter(|layout| layout.since <= minor) {
        let c_name = kernel_name(layout.name);
        line(
            format!("printf(\"{c_name} %zu\\n\", sizeof(struct {c_name}));\n"),
            format!("{c_name} {}", layout.size),
        );
        for Field { name, offset, size, .. } in layout.fields.iter().filter(|field| field.since <= minor) {
            line(
                format!("printf(\"{c_name}.{name} %zu %zu\\n\", offsetof(struct {c_name}, {name}), sizeof(((struct {c_name} *)0)->{name}));\n"),
                format!("{c_name}.{name} {offset} {size}"),
            );
        }
    }
    for (value, name) in constants() {
        line(
            format!("#ifdef {name}\nprintf(\"{name} %llu\\n\", (unsigned long long)({name}) & (sizeof({name}) == 4 ? 0xffffffffull : ~0ull));\n#endif\n"),
            format!("{name} {value}"),
        );
    }
    for (value, name, _) in enumerators().into_iter().filter(|(_, _, since)| *since <= minor) {
        line(
            format!("printf(\"{name} %llu\\n\", (unsigned long long){name});\n"),
            format!("{name} {value}"),
        );
    }
    program.push_str("return 0; }\n");
    (program, expected)
}

/// `EntryOut` -> `fuse_entry_out`.
fn kernel_name(record: &str) -> String {
    let mut name = String::from("fuse");
    for letter in record.chars() {
        if letter.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

fn header_minor(header: &str) -> Option<u32> {
    let text = fs::read_to_string(header).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("#define FUSE_KERNEL_MINOR_VERSION"))?;
    line.trim().parse().ok()
}

/// What the program prints; `None` without a compiler.
fn compile_and_run(program: &str) -> Option<String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (source, binary) = (folder.join("layout.c"), folder.join("layout"));
    fs::write(&source, program).expect("cargo's temporary folder is writable");
    let compiler = Command::new("cc")
        .arg("-w")
        .arg("-o")
        .arg(&binary)
        .arg(&source)
        .output()
        .ok()?;
    assert!(
        compiler.status.success(),
        "{}",
        String::from_utf8_lossy(&compiler.stderr)
    );
    let run = Command::new(&binary).output().expect("the program was just built");
    assert!(run.status.success());
    Some(String::from_utf8(run.stdout).expect("the program prints ASCII"))
}
