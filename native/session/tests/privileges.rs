//! Setuid, setgid and capabilities of files that change: what the kernel leaves to the engine, and what the engine leaves
//! to a file system that clears them itself.

mod support;

use ferrofuse_protocol::abi::{
    bytes_of, setxattr, write, CreateIn, EntryOut, OpenIn, OpenOut, SetxattrIn, WriteIn, WriteOut,
};
use ferrofuse_protocol::Opcode;
use ferrofuse_session::{Config, Wish};

use support::flat::Flat;
use support::kernel::{name, Reply, ROOT};
use support::running::Running;
use support::Watchdog;

const TRUNCATES: u32 = libc::O_TRUNC as u32;
const CAPABILITY: &[u8] = b"security.capability";
/// The only file's key.
const KEY: u64 = 10;
/// Modes before, and after what costs privileges.
const COSTS: [(u32, u32); 4] = [(0o6755, 0o755), (0o6745, 0o2745), (0o4640, 0o640), (0o640, 0o640)];

/// A file "a" with a mode and a capability, in a file system that clears privileges itself or not.
fn with_file(permissions: u32, clears_privileges: bool, config: Config) -> Running {
    let flat = Flat::with_files(&["a"]);
    *flat.wish.lock().unwrap() = Wish {
        clears_privileges,
        keeps_acls: true,
        truncates_on_open: true,
        ..Wish::default()
    };
    flat.change(|book| {
        let file = book.files.get_mut(&KEY).unwrap();
        file.permissions = permissions;
        file.xattrs.insert(CAPABILITY.to_vec(), b"x".to_vec());
    });
    Running::start(&flat, 1, config)
}

fn undeclared(permissions: u32) -> Running {
    with_file(permissions, false, Config::default())
}

fn permissions(running: &Running) -> u32 {
    running.flat.get(|book| book.files[&KEY].permissions)
}

fn has_capability(running: &Running) -> bool {
    running
        .flat
        .get(|book| book.files[&KEY].xattrs.contains_key(CAPABILITY))
}

fn open(running: &mut Running, flags: u32) -> u64 {
    let node = running.lookup("a");
    let arg = OpenIn { flags, open_flags: 0 };
    running
        .kernel
        .ask(Opcode::Open, node, &[bytes_of(&arg)])
        .record::<OpenOut>()
        .fh
}

fn create(running: &mut Running, flags: u32, mode: u32) -> Reply {
    let arg = CreateIn {
        flags,
        mode: libc::S_IFREG | mode,
        ..CreateIn::default()
    };
    running.kernel.ask(Opcode::Create, ROOT, &[bytes_of(&arg), &name("a")])
}

#[test]
fn an_open_that_truncates_costs_privileges_but_not_by_root() {
    let _watchdog = Watchdog::new();
    for (before, after) in COSTS {
        for (uid, flags, left) in [(1000, TRUNCATES, after), (0, TRUNCATES, before), (1000, 0, before)] {
            let mut running = undeclared(before);
            running.kernel.uid = uid;
            open(&mut running, flags);
            assert_eq!(permissions(&running), left, "{before:o} {uid} {flags:o}");
            running.stop();
        }
    }
}

#[test]
fn a_write_that_says_so_costs_privileges() {
    let _watchdog = Watchdog::new();
    for (before, after) in COSTS {
        for (write_flags, left) in [(write::KILL_SUIDGID, after), (0, before), (write::CACHE, before)] {
            let mut running = undeclared(before);
            let node = running.lookup("a");
            let arg = WriteIn {
                fh: open(&mut running, 0),
                size: 1,
                write_flags,
                ..WriteIn::default()
            };
            let written = running.kernel.ask(Opcode::Write, node, &[bytes_of(&arg), b"x"]);
            assert_eq!(written.record::<WriteOut>().size, 1);
            assert_eq!(permissions(&running), left, "{before:o} {write_flags}");
            running.stop();
        }
    }
}

#[test]
fn a_create_that_truncates_a_file_which_is_there_costs_privileges_and_tells_so() {
    let _watchdog = Watchdog::new();
    for (before, after) in COSTS {
        for (uid, left) in [(1000, after), (0, before)] {
            let mut running = undeclared(before);
            running.kernel.uid = uid;
            let entry: EntryOut = create(&mut running, TRUNCATES, 0o600).record_at(0);
            assert_eq!(permissions(&running), left, "{before:o} by {uid}");
            assert_eq!(entry.attr.mode, libc::S_IFREG | left);
            assert!(!has_capability(&running), "whoever truncates");
            running.stop();
        }
    }
    let mut running = undeclared(0o6755);
    create(&mut running, 0, 0o600).record_at::<EntryOut>(0);
    assert_eq!(permissions(&running), 0o6755, "nothing was changed");
    assert!(has_capability(&running));
    running.stop();
}

#[test]
fn a_create_that_truncates_leaves_what_it_asked_for() {
    let _watchdog = Watchdog::new();
    for (asked, left) in [(0o6755, 0o6755), (0o4755, 0o4755), (0o2755, 0o2755)] {
        let mut running = undeclared(0o6755);
        create(&mut running, TRUNCATES, asked).record_at::<EntryOut>(0);
        assert_eq!(permissions(&running), left);
        running.stop();
    }
}

#[test]
fn a_create_whose_file_keeps_its_privileges_against_all_attempts_fails_and_leaves_nothing() {
    let _watchdog = Watchdog::new();
    let mut running = undeclared(0o6755);
    running.flat.change(|book| book.fixed = true);
    assert_eq!(create(&mut running, TRUNCATES, 0o600).errno, libc::EPERM);
    assert!(running.flat.lookups().is_empty());
    running.flat.get(|book| {
        assert!(book.open.is_empty());
        assert_eq!(book.calls, ["release"]);
    });
    running.stop();
}

#[test]
fn a_file_system_that_clears_privileges_itself_is_left_alone_and_one_that_cannot_too() {
    let _watchdog = Watchdog::new();
    let cannot = [Opcode::Setattr, Opcode::Removexattr].map(|opcode| 1 << opcode.raw());
    let cannot = Config {
        operations: Config::default().operations & !(cannot[0] | cannot[1]),
        ..Config::default()
    };
    for (declared, config) in [(true, Config::default()), (false, cannot)] {
        let mut running = with_file(0o6755, declared, config);
        let node = running.lookup("a");
        let arg = WriteIn {
            fh: open(&mut running, TRUNCATES),
            size: 1,
            write_flags: write::KILL_SUIDGID,
            ..WriteIn::default()
        };
        let written = running.kernel.ask(Opcode::Write, node, &[bytes_of(&arg), b"x"]);
        assert_eq!(written.record::<WriteOut>().size, 1);
        create(&mut running, TRUNCATES, 0o600).record_at::<EntryOut>(0);
        assert_eq!(permissions(&running), 0o6755);
        assert!(has_capability(&running));
        running.stop();
    }
}

#[test]
fn an_acl_set_from_outside_the_group_says_that_setgid_goes() {
    let _watchdog = Watchdog::new();
    let mut running = undeclared(0o640);
    let node = running.lookup("a");
    for (setxattr_flags, kills) in [
        (setxattr::ACL_KILL_SGID, true),
        (0, false),
        (!setxattr::ACL_KILL_SGID, false),
    ] {
        let arg = SetxattrIn {
            size: 1,
            setxattr_flags,
            ..SetxattrIn::default()
        };
        let attribute = name("system.posix_acl_access");
        let set = running
            .kernel
            .ask(Opcode::Setxattr, node, &[bytes_of(&arg), &attribute, b"x"]);
        assert_eq!(set.errno, 0);
        assert_eq!(running.flat.get(|book| book.kills_sgid), kills);
    }
    running.stop();
}
