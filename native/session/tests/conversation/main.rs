//! Whole conversations over a socket that plays `/dev/fuse`, from INIT to DESTROY, with a file system in memory.

mod failures;
mod listings;
#[path = "../support/mod.rs"]
mod support;

use std::collections::HashMap;

use ferrofuse_protocol::abi::{
    self, bytes_of, fattr, fopen, init, AccessIn, AttrOut, BatchForgetIn, CreateIn, EntryOut, FallocateIn, FlushIn,
    ForgetIn, ForgetOne, FsyncIn, GetattrIn, GetxattrIn, GetxattrOut, LinkIn, MkdirIn, MknodIn, OpenIn, OpenOut,
    ReadIn, ReleaseIn, Rename2In, RenameIn, SetattrIn, SetxattrIn, StatfsOut, WriteOut,
};
use ferrofuse_protocol::Opcode;
use ferrofuse_session::{Caller, Config, Level};

use support::flat::Flat;
use support::kernel::{name, plus_records, ROOT};
use support::running::Running;
use support::Watchdog;

fn one_worker(files: &[&str]) -> Running {
    Running::start(&Flat::with_files(files), 1, Config::default())
}

#[test]
fn a_file_is_looked_up_opened_read_written_and_forgotten() {
    let _watchdog = Watchdog::new();
    let mut running = one_worker(&["a"]);
    assert_eq!(running.init.minor, 45);
    assert_eq!(running.init.max_write, 1 << 20);
    assert_eq!(running.init.time_gran, 1);
    assert_ne!(u64::from(running.init.flags) & init::MAX_PAGES, 0);

    let entry: EntryOut = running.kernel.ask(Opcode::Lookup, ROOT, &[&name("a")]).record();
    assert_eq!((entry.attr.ino, entry.attr.size), (10, 256));
    let node = entry.nodeid;
    let caller = running.flat.get(|book| book.caller);
    assert_eq!(
        caller,
        Caller {
            uid: 1000,
            gid: 100,
            pid: 4242
        }
    );

    let attr: AttrOut = running
        .kernel
        .ask(Opcode::Getattr, node, &[bytes_of(&GetattrIn::default())])
        .record();
    assert_eq!((attr.attr.mode & 0o777, attr.attr.ino), (0o640, 10));

    let fh = running.open(node);
    assert_ne!(fh, 0);
    running.send_read(node, fh, 10, 20);
    assert_eq!(running.kernel.receive().body, (10..30).collect::<Vec<u8>>());
    running.send_read(node, fh, 250, 20);
    assert_eq!(running.kernel.receive().body, (250..=255).collect::<Vec<u8>>());

    let data: Vec<u8> = (0..50_000_u32).map(|n| (n % 251) as u8).collect();
    running.send_write(node, fh, 100, &data);
    assert_eq!(running.kernel.receive().record::<WriteOut>().size, 50_000);
    running.send_read(node, fh, 100, 60_000);
    assert_eq!(running.kernel.receive().body, data);

    let flush = FlushIn {
        fh,
        ..FlushIn::default()
    };
    assert_eq!(running.kernel.ask(Opcode::Flush, node, &[bytes_of(&flush)]).errno, 0);
    let fsync = FsyncIn {
        fh,
        fsync_flags: 1,
        ..FsyncIn::default()
    };
    assert_eq!(running.kernel.ask(Opcode::Fsync, node, &[bytes_of(&fsync)]).errno, 0);
    let fallocate = FallocateIn {
        fh,
        ..FallocateIn::default()
    };
    assert_eq!(
        running
            .kernel
            .ask(Opcode::Fallocate, node, &[bytes_of(&fallocate)])
            .errno,
        libc::ENOSPC
    );
    running.send_release(node, fh);
    assert_eq!(running.kernel.receive().errno, 0);
    running.flat.get(|book| {
        assert_eq!(
            book.calls,
            ["read", "read", "write", "read", "flush", "fdatasync", "release"]
        );
    });

    let st: StatfsOut = running.kernel.ask(Opcode::Statfs, ROOT, &[]).record();
    assert_eq!(st.st.blocks, 77);

    assert_eq!(running.flat.lookups(), HashMap::from([(10, 1)]));
    running
        .kernel
        .send(Opcode::Forget, node, &[bytes_of(&ForgetIn { nlookup: 1 })]);
    assert_eq!(running.kernel.ask(Opcode::Destroy, 0, &[]).errno, 0);
    assert_eq!(running.flat.lookups(), HashMap::new());
    running.finish();
}

#[test]
fn names_are_made_renamed_linked_and_removed() {
    let _watchdog = Watchdog::new();
    let mut running = one_worker(&["a"]);
    let kernel = &mut running.kernel;
    let made: EntryOut = kernel
        .ask(Opcode::Mknod, ROOT, &[bytes_of(&MknodIn::default()), &name("made")])
        .record();
    let linked: EntryOut = kernel
        .ask(
            Opcode::Link,
            ROOT,
            &[bytes_of(&LinkIn { oldnodeid: made.nodeid }), &name("link")],
        )
        .record();
    assert_eq!(linked.nodeid, made.nodeid, "one node, two names");
    let target = "t".repeat(4095);
    let link: EntryOut = kernel
        .ask(Opcode::Symlink, ROOT, &[&name("link"), &name(&target)])
        .record();
    assert_eq!(link.attr.size, 4095, "the longest target there is");
    assert_eq!(kernel.ask(Opcode::Readlink, link.nodeid, &[]).body, b"target");

    let rename = RenameIn { newdir: ROOT };
    assert_eq!(
        kernel
            .ask(Opcode::Rename, ROOT, &[bytes_of(&rename), &name("made"), &name("new")])
            .errno,
        0
    );
    let rename = Rename2In {
        newdir: ROOT,
        flags: 1,
        padding: 0,
    };
    assert_eq!(
        kernel
            .ask(Opcode::Rename2, ROOT, &[bytes_of(&rename), &name("x"), &name("y")])
            .errno,
        libc::ENOENT
    );
    assert_eq!(
        kernel
            .ask(Opcode::Mkdir, ROOT, &[bytes_of(&MkdirIn::default()), &name("d")])
            .errno,
        libc::EROFS
    );
    assert_eq!(kernel.ask(Opcode::Unlink, ROOT, &[&name("new")]).errno, 0);
    assert_eq!(kernel.ask(Opcode::Rmdir, ROOT, &[&name("d")]).errno, libc::ENOTEMPTY);

    let change = SetattrIn {
        valid: fattr::SIZE,
        size: 7,
        ..SetattrIn::default()
    };
    let a: EntryOut = kernel.ask(Opcode::Lookup, ROOT, &[&name("a")]).record();
    assert_eq!(
        kernel
            .ask(Opcode::Setattr, a.nodeid, &[bytes_of(&change)])
            .record::<AttrOut>()
            .attr
            .size,
        7
    );
    let access = |mask| AccessIn { mask, padding: 0 };
    assert_eq!(kernel.ask(Opcode::Access, a.nodeid, &[bytes_of(&access(4))]).errno, 0);
    assert_eq!(
        kernel.ask(Opcode::Access, a.nodeid, &[bytes_of(&access(2))]).errno,
        libc::EACCES
    );
    running.stop();
}

#[test]
fn a_created_file_is_open_and_counted() {
    let _watchdog = Watchdog::new();
    let mut running = one_worker(&[]);
    let reply = running
        .kernel
        .ask(Opcode::Create, ROOT, &[bytes_of(&CreateIn::default()), &name("new")]);
    let (entry, open): (EntryOut, OpenOut) = (reply.record_at(0), reply.record_at(size_of::<EntryOut>()));
    assert_eq!(running.flat.lookups(), HashMap::from([(10, 1)]));
    running.send_write(entry.nodeid, open.fh, 0, b"hello");
    assert_eq!(running.kernel.receive().record::<WriteOut>().size, 5);
    running.send_release(entry.nodeid, open.fh);
    assert_eq!(running.kernel.receive().errno, 0);
    assert_eq!(running.flat.get(|book| book.files[&10].data.clone()), b"hello");
    running.stop();
}

#[test]
fn attribute_values_arrive_whole_wherever_the_message_is_divided() {
    let _watchdog = Watchdog::new();
    let mut running = one_worker(&["a"]);
    let node = running.lookup("a");
    // Names and sizes that put the value before, across and behind the division at 80 bytes, and beyond the head.
    for (length, size) in [
        (1, 0),
        (1, 5),
        (1, 22),
        (1, 23),
        (10, 40),
        (22, 100),
        (23, 100),
        (24, 100),
        (200, 60_000),
        (5, 65_536),
    ] {
        let attribute = "n".repeat(length);
        let value: Vec<u8> = (0..size).map(|n: u32| (n % 249) as u8).collect();
        let set = SetxattrIn {
            size,
            ..SetxattrIn::default()
        };
        let reply = running
            .kernel
            .ask(Opcode::Setxattr, node, &[bytes_of(&set), &name(&attribute), &value]);
        assert_eq!(reply.errno, 0, "{length} {size}");
        let stored = running
            .flat
            .get(|book| book.files[&10].xattrs[attribute.as_bytes()].clone());
        assert!(
            stored == value,
            "name of {length}, value of {size} bytes: {} stored",
            stored.len()
        );

        let get = |size| GetxattrIn { size, padding: 0 };
        let ask = |running: &mut Running, room| {
            running
                .kernel
                .ask(Opcode::Getxattr, node, &[bytes_of(&get(room)), &name(&attribute)])
        };
        assert_eq!(ask(&mut running, 0).record::<GetxattrOut>().size, size);
        assert!(ask(&mut running, size + 1).body == value);
        if size > 1 {
            assert_eq!(ask(&mut running, size - 1).errno, libc::ERANGE);
        }
    }
    let list = |size| GetxattrIn { size, padding: 0 };
    let len = running
        .kernel
        .ask(Opcode::Listxattr, node, &[bytes_of(&list(0))])
        .record::<GetxattrOut>()
        .size;
    assert_eq!(
        running
            .kernel
            .ask(Opcode::Listxattr, node, &[bytes_of(&list(len))])
            .body
            .len(),
        len as usize
    );
    assert_eq!(
        running
            .kernel
            .ask(Opcode::Listxattr, node, &[bytes_of(&list(len - 1))])
            .errno,
        libc::ERANGE
    );
    assert_eq!(running.kernel.ask(Opcode::Removexattr, node, &[&name("n")]).errno, 0);
    assert_eq!(
        running.kernel.ask(Opcode::Removexattr, node, &[&name("n")]).errno,
        libc::ENODATA
    );
    running.stop();
}

#[test]
fn a_name_that_does_not_exist_is_an_error_or_a_negative_entry() {
    let _watchdog = Watchdog::new();
    let mut running = one_worker(&[]);
    assert_eq!(
        running.kernel.ask(Opcode::Lookup, ROOT, &[&name("none")]).errno,
        libc::ENOENT
    );
    running.stop();

    let config = Config {
        negative_timeout: std::time::Duration::from_millis(2500),
        ..Config::default()
    };
    let mut running = Running::start(&Flat::with_files(&[]), 1, config);
    let entry: EntryOut = running.kernel.ask(Opcode::Lookup, ROOT, &[&name("none")]).record();
    assert_eq!(
        (entry.nodeid, entry.entry_valid, entry.entry_valid_nsec),
        (0, 2, 500_000_000)
    );
    let absent = name("absent-for-1.5-s");
    let entry: EntryOut = running.kernel.ask(Opcode::Lookup, ROOT, &[&absent]).record();
    assert_eq!(
        (entry.nodeid, entry.entry_valid, entry.entry_valid_nsec),
        (0, 1, 500_000_000)
    );
    assert_eq!(running.flat.lookups(), HashMap::new());
    running.stop();
}

#[test]
fn mount_options_replace_owners_permissions_and_open_flags() {
    let _watchdog = Watchdog::new();
    let plain = {
        let mut running = one_worker(&["a"]);
        let entry: EntryOut = running.kernel.ask(Opcode::Lookup, ROOT, &[&name("a")]).record();
        running.stop();
        entry.attr
    };
    assert_eq!((plain.uid, plain.gid, plain.mode & 0o7777), (5, 6, 0o640));

    let config = Config {
        uid: Some(501),
        gid: Some(502),
        umask: Some(0o027),
        direct_io: true,
        kernel_cache: true,
        ..Config::default()
    };
    let mut running = Running::start(&Flat::with_files(&["a"]), 1, config);
    let entry: EntryOut = running.kernel.ask(Opcode::Lookup, ROOT, &[&name("a")]).record();
    assert_eq!(
        (entry.attr.uid, entry.attr.gid, entry.attr.mode),
        (501, 502, libc::S_IFREG | 0o750)
    );
    let attr: AttrOut = running
        .kernel
        .ask(Opcode::Getattr, ROOT, &[bytes_of(&GetattrIn::default())])
        .record();
    assert_eq!((attr.attr.uid, attr.attr.mode), (501, libc::S_IFDIR | 0o750));
    let open: OpenOut = running
        .kernel
        .ask(Opcode::Open, entry.nodeid, &[bytes_of(&OpenIn::default())])
        .record();
    assert_eq!(open.open_flags, fopen::DIRECT_IO | fopen::KEEP_CACHE);
    let open: OpenOut = running
        .kernel
        .ask(Opcode::Opendir, ROOT, &[bytes_of(&OpenIn::default())])
        .record();
    assert_eq!(open.open_flags, 0, "directories have no data");
    running.stop();
}

fn open_with(flags: i32) -> OpenIn {
    OpenIn {
        flags: flags as u32,
        ..OpenIn::default()
    }
}

#[test]
fn under_the_writeback_cache_files_are_opened_for_reading_too_and_without_append() {
    let _watchdog = Watchdog::new();
    let flags = libc::O_WRONLY | libc::O_APPEND | libc::O_NOFOLLOW;
    for (writeback_cache, seen) in [(false, flags), (true, libc::O_RDWR | libc::O_NOFOLLOW)] {
        let config = Config {
            writeback_cache,
            ..Config::default()
        };
        let mut running = Running::start(&Flat::with_files(&["a"]), 1, config);
        let node = running.lookup("a");
        let reply = running.kernel.ask(Opcode::Open, node, &[bytes_of(&open_with(flags))]);
        assert_eq!(reply.errno, 0);
        assert_eq!(running.flat.get(|book| book.open_flags), seen as u32);
        running.stop();
    }
}
