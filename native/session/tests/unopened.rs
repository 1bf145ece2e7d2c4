//! File systems that open nothing: what the kernel is told, and what requests with fh 0 reach.

mod support;

use ferrofuse_protocol::abi::{
    bytes_of, fattr, fopen, getattr, init, ioctl, FallocateIn, FlushIn, FsyncIn, GetattrIn, IoctlIn, OpenIn, OpenOut,
    ReadIn, ReleaseIn, SetattrIn, WriteOut,
};
use ferrofuse_protocol::Opcode;
use ferrofuse_session::Config;

use support::flat::Flat;
use support::kernel::ROOT;
use support::running::Running;
use support::Watchdog;

const OPENING: [Opcode; 4] = [Opcode::Open, Opcode::Create, Opcode::Tmpfile, Opcode::Opendir];

/// Every operation but some.
fn without(opcodes: &[Opcode]) -> u64 {
    opcodes.iter().fold(u64::MAX, |all, opcode| all & !(1 << opcode.raw()))
}

fn started(workers: usize, config: Config) -> Running {
    Running::start(&Flat::with_files(&["a", "b"]), workers, config)
}

fn opening_nothing() -> Config {
    Config {
        operations: without(&OPENING),
        ..Config::default()
    }
}

/// What is asked with fh 0, each with a name.
fn uses_of_a_file() -> [(&'static str, Opcode, Vec<u8>); 6] {
    let read = ReadIn {
        size: 16,
        ..ReadIn::default()
    };
    let truncate = SetattrIn {
        valid: fattr::SIZE | fattr::FH,
        size: 8,
        ..SetattrIn::default()
    };
    let attributes = GetattrIn {
        getattr_flags: getattr::FH,
        ..GetattrIn::default()
    };
    [
        ("read", Opcode::Read, bytes_of(&read).to_vec()),
        ("fsync", Opcode::Fsync, bytes_of(&FsyncIn::default()).to_vec()),
        ("flush", Opcode::Flush, bytes_of(&FlushIn::default()).to_vec()),
        ("ftruncate", Opcode::Setattr, bytes_of(&truncate).to_vec()),
        ("fstat", Opcode::Getattr, bytes_of(&attributes).to_vec()),
        ("release", Opcode::Release, bytes_of(&ReleaseIn::default()).to_vec()),
    ]
}

#[test]
fn the_kernel_is_told_never_to_open_and_everything_else_needs_no_handle() {
    let _watchdog = Watchdog::new();
    let mut running = started(1, opening_nothing());
    let flags = u64::from(running.init.flags);
    assert_ne!(flags & init::NO_OPEN_SUPPORT, 0);
    assert_ne!(flags & init::NO_OPENDIR_SUPPORT, 0);
    assert_eq!(flags & init::ATOMIC_O_TRUNC, 0, "no open could truncate");

    let node = running.lookup("a");
    for (opcode, nodeid) in [(Opcode::Open, node), (Opcode::Opendir, ROOT)] {
        let opened = running.kernel.ask(opcode, nodeid, &[bytes_of(&OpenIn::default())]);
        assert_eq!(opened.errno, libc::ENOSYS, "{opcode}");
    }
    let write = running.send_write(node, 0, 4, b"written");
    let written = running.kernel.receive();
    assert_eq!((written.unique, written.record::<WriteOut>().size), (write, 7));
    for (name, opcode, arg) in uses_of_a_file() {
        assert_eq!(running.kernel.ask(opcode, node, &[&arg]).errno, 0, "{name}");
    }
    let fallocate = running
        .kernel
        .ask(Opcode::Fallocate, node, &[bytes_of(&FallocateIn::default())]);
    assert_eq!(fallocate.errno, libc::ENOSPC, "as the file system says");
    let list = ReadIn {
        size: 4096,
        ..ReadIn::default()
    };
    assert!(!running
        .kernel
        .ask(Opcode::Readdir, ROOT, &[bytes_of(&list)])
        .body
        .is_empty());
    let fsyncdir = running
        .kernel
        .ask(Opcode::Fsyncdir, ROOT, &[bytes_of(&FsyncIn::default())]);
    assert_eq!(fsyncdir.errno, 0);

    running.flat.get(|book| {
        assert_eq!(
            book.calls,
            ["write", "read", "fsync", "flush", "fsyncdir"],
            "and no release"
        );
        let data = &book.files.values().find(|file| file.name == "a").unwrap().data;
        assert_eq!(data, b"\0\x01\x02\x03writ", "written, then truncated");
    });
    running.stop();
}

#[test]
fn a_file_system_that_opens_has_no_handle_zero() {
    let _watchdog = Watchdog::new();
    let mut running = started(1, Config::default());
    let node = running.lookup("a");
    for (name, opcode, arg) in uses_of_a_file() {
        assert_eq!(running.kernel.ask(opcode, node, &[&arg]).errno, libc::EBADF, "{name}");
    }
    running
        .flat
        .get(|book| assert!(book.calls.is_empty(), "{:?}", book.calls));
    running.stop();
}

#[test]
fn each_kind_is_opened_or_not_by_itself() {
    let _watchdog = Watchdog::new();
    let config = Config {
        operations: without(&[Opcode::Opendir]),
        ..Config::default()
    };
    let mut running = started(1, config);
    let node = running.lookup("a");
    assert_ne!(running.open(node), 0);
    let opened = running
        .kernel
        .ask(Opcode::Opendir, ROOT, &[bytes_of(&OpenIn::default())]);
    assert_eq!(opened.errno, libc::ENOSYS);
    let read = running.kernel.ask(Opcode::Read, node, &[bytes_of(&ReadIn::default())]);
    assert_eq!(read.errno, libc::EBADF);
    running.stop();
}

#[test]
fn only_handle_zero_is_the_one_that_nobody_opened() {
    let _watchdog = Watchdog::new();
    let mut running = started(1, opening_nothing());
    let node = running.lookup("a");
    for fh in [1, 1 << 32, u64::MAX] {
        running.send_read(node, fh, 0, 1);
        assert_eq!(running.kernel.receive().errno, libc::EBADF, "{fh:#x}");
        running.send_release(node, fh);
        assert_eq!(running.kernel.receive().errno, libc::EBADF, "{fh:#x}");
    }
    running.send_read(0xdead, 0, 0, 1);
    assert_eq!(
        running.kernel.receive().errno,
        libc::ESTALE,
        "a node that was never handed out"
    );
    running.stop();
}

#[test]
fn what_nobody_opened_is_never_waited_for() {
    const HELD: u64 = 100;
    let _watchdog = Watchdog::new();
    let mut running = started(2, opening_nothing());
    running.flat.change(|book| book.held = Some(HELD));
    let node = running.lookup("a");
    let slow = running.send_write(node, 0, HELD, b"slow");
    running.flat.wait(|book| book.inside == 1);
    running.send_write(node, 0, 0, b"quick");
    assert_ne!(running.kernel.receive().unique, slow, "writes of one file overlap");
    running.flat.change(|book| book.held = None);
    assert_eq!(running.kernel.receive().unique, slow);
    running.stop();
}

#[test]
fn what_nobody_opened_knows_no_ioctl() {
    let _watchdog = Watchdog::new();
    let mut running = started(1, opening_nothing());
    let file = running.lookup("a");
    for (node, flags) in [(file, 0), (ROOT, ioctl::DIR)] {
        let arg = IoctlIn {
            flags,
            cmd: 77,
            ..IoctlIn::default()
        };
        let reply = running.kernel.ask(Opcode::Ioctl, node, &[bytes_of(&arg)]);
        assert_eq!(reply.errno, libc::ENOTTY, "node {node}");
    }
    running.stop();
}

#[test]
fn with_direct_io_the_engine_answers_each_open_itself() {
    let _watchdog = Watchdog::new();
    let config = Config {
        direct_io: true,
        ..opening_nothing()
    };
    let mut running = started(1, config);
    let node = running.lookup("a");
    for _ in 0..2 {
        let opened = running.kernel.ask(Opcode::Open, node, &[bytes_of(&OpenIn::default())]);
        let opened: OpenOut = opened.record();
        assert_eq!(opened.fh, 0);
        assert_ne!(opened.open_flags & fopen::DIRECT_IO, 0);
        running.send_release(node, 0);
        assert_eq!(running.kernel.receive().errno, 0);
    }
    let opened = running
        .kernel
        .ask(Opcode::Opendir, ROOT, &[bytes_of(&OpenIn::default())]);
    assert_eq!(opened.errno, libc::ENOSYS, "directories have no direct I/O");
    running
        .flat
        .get(|book| assert!(book.calls.is_empty(), "{:?}", book.calls));
    running.stop();
}
