//! Operations that few programs use: what goes in and out of each, over a socket that plays `/dev/fuse`.

mod support;

use ferrofuse_protocol::abi::{
    bytes_of, getattr, ioctl, BmapIn, BmapOut, CopyFileRangeIn, CopyFileRangeOut, CreateIn, EntryOut, IoctlIn,
    IoctlOut, LseekIn, LseekOut, OpenIn, OpenOut, StatxIn, StatxOut, SyncfsIn, WriteOut,
};
use ferrofuse_protocol::Opcode;
use ferrofuse_session::Config;

use support::flat::Flat;
use support::kernel::{name, Reply, ROOT};
use support::running::Running;
use support::Watchdog;

fn one_worker(files: &[&str]) -> Running {
    Running::start(&Flat::with_files(files), 1, Config::default())
}

/// Where data or a hole begins.
fn seek(running: &mut Running, (node, fh): (u64, u64), whence: i32, offset: u64) -> Result<u64, i32> {
    let arg = LseekIn {
        fh,
        offset,
        whence: whence as u32,
        padding: 0,
    };
    let reply = running.kernel.ask(Opcode::Lseek, node, &[bytes_of(&arg)]);
    match reply.errno {
        0 => Ok(reply.record::<LseekOut>().offset),
        errno => Err(errno),
    }
}

fn opened(running: &mut Running, file: &str) -> (u64, u64) {
    let node = running.lookup(file);
    (node, running.open(node))
}

#[test]
fn a_file_without_a_name_is_made_and_opened() {
    let _watchdog = Watchdog::new();
    let mut running = one_worker(&["a"]);
    let mode = |mode| CreateIn {
        mode,
        ..CreateIn::default()
    };
    let reply = running
        .kernel
        .ask(Opcode::Tmpfile, ROOT, &[bytes_of(&mode(0o600)), &name("/")]);
    let (entry, open): (EntryOut, OpenOut) = (reply.record_at(0), reply.record_at(size_of::<EntryOut>()));
    assert_eq!(entry.attr.mode & libc::S_IFMT, libc::S_IFREG);
    assert_eq!(running.flat.lookups()[&entry.attr.ino], 1);
    running.send_write(entry.nodeid, open.fh, 0, b"data");
    assert_eq!(running.kernel.receive().record::<WriteOut>().size, 4);
    running.send_release(entry.nodeid, open.fh);
    assert_eq!(running.kernel.receive().errno, 0);

    // One that is no regular file would be leaked by the kernel.
    let reply = running
        .kernel
        .ask(Opcode::Tmpfile, ROOT, &[bytes_of(&mode(0o700)), &name("/")]);
    assert_eq!(reply.errno, libc::EIO);
    running.stop();
}

#[test]
fn a_file_system_that_knows_holes_is_asked_for_them() {
    let _watchdog = Watchdog::new();
    let mut running = one_worker(&["holes"]);
    let file = opened(&mut running, "holes");
    assert_eq!(seek(&mut running, file, libc::SEEK_DATA, 5), Ok(5));
    assert_eq!(seek(&mut running, file, libc::SEEK_HOLE, 5), Ok(128));
    assert_eq!(seek(&mut running, file, libc::SEEK_DATA, 128), Err(libc::ENXIO));
    let negative = (-4i64) as u64;
    assert_eq!(seek(&mut running, file, libc::SEEK_HOLE, negative), Err(libc::ENXIO));
    assert_eq!(
        seek(&mut running, (file.0, file.1 + 1), libc::SEEK_DATA, 0),
        Err(libc::EBADF)
    );
    running.stop();
}

#[test]
fn holes_are_left_to_the_kernel_under_the_writeback_cache() {
    let _watchdog = Watchdog::new();
    let config = Config {
        writeback_cache: true,
        ..Config::default()
    };
    let mut running = Running::start(&Flat::with_files(&["holes"]), 1, config);
    let file = opened(&mut running, "holes");
    assert_eq!(seek(&mut running, file, libc::SEEK_DATA, 5), Err(libc::ENOSYS));
    running.stop();
}

#[test]
fn a_file_is_all_data_where_nothing_is_known_of_holes() {
    let _watchdog = Watchdog::new();
    let mut running = one_worker(&["a"]);
    let file = opened(&mut running, "a");
    assert_eq!(seek(&mut running, file, libc::SEEK_DATA, 7), Ok(7));
    assert_eq!(seek(&mut running, file, libc::SEEK_HOLE, 7), Ok(256));
    for whence in [libc::SEEK_DATA, libc::SEEK_HOLE] {
        assert_eq!(seek(&mut running, file, whence, 256), Err(libc::ENXIO));
    }
    assert_eq!(seek(&mut running, file, libc::SEEK_END, 7), Err(libc::EINVAL));
    running.stop();
}

fn copy(running: &mut Running, opcode: Opcode, from: (u64, u64), to: (u64, u64), len: u64) -> Reply {
    let arg = CopyFileRangeIn {
        fh_in: from.1,
        off_in: 250,
        nodeid_out: to.0,
        fh_out: to.1,
        off_out: 300,
        len,
        flags: 0,
    };
    running.kernel.ask(opcode, from.0, &[bytes_of(&arg)])
}

#[test]
fn a_range_is_copied_and_both_widths_of_the_answer_are_spoken() {
    let _watchdog = Watchdog::new();
    let mut running = one_worker(&["a", "b"]);
    let (from, to) = (opened(&mut running, "a"), opened(&mut running, "b"));
    let narrow = copy(&mut running, Opcode::CopyFileRange, from, to, u64::MAX);
    assert_eq!(narrow.record::<WriteOut>().size, 6);
    let wide = copy(&mut running, Opcode::CopyFileRange64, from, to, 4);
    assert_eq!(wide.record::<CopyFileRangeOut>().bytes_copied, 4);
    running.send_read(to.0, to.1, 298, 20);
    assert_eq!(
        running.kernel.receive().body,
        [0, 0, 250, 251, 252, 253, 254, 255],
        "of the second file"
    );
    for (from, to) in [(from, (to.0, 99)), ((from.0, 99), to)] {
        assert_eq!(
            copy(&mut running, Opcode::CopyFileRange, from, to, 4).errno,
            libc::EBADF
        );
    }
    running.stop();
}

#[test]
fn a_copy_of_more_than_was_asked_for_is_an_error() {
    let _watchdog = Watchdog::new();
    let mut running = one_worker(&["greedy", "b"]);
    let (from, to) = (opened(&mut running, "greedy"), opened(&mut running, "b"));
    for opcode in [Opcode::CopyFileRange, Opcode::CopyFileRange64] {
        assert_eq!(copy(&mut running, opcode, from, to, 4).errno, libc::EIO);
    }
    running.stop();
}

fn control(running: &mut Running, (node, fh): (u64, u64), cmd: u32, flags: u32, input: &[u8], out_size: u32) -> Reply {
    let arg = IoctlIn {
        fh,
        flags,
        cmd,
        arg: 0x1234,
        in_size: input.len() as u32,
        out_size,
    };
    running.kernel.ask(Opcode::Ioctl, node, &[bytes_of(&arg), input])
}

#[test]
fn an_ioctl_of_any_size_gets_its_input_and_gives_its_output() {
    let _watchdog = Watchdog::new();
    let mut running = one_worker(&["a"]);
    let file = opened(&mut running, "a");
    for size in [0_usize, 1, 7, 8, 9, 4096, 8150, 16_383] {
        let input: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        let reply = control(&mut running, file, 77, 0, &input, size as u32);
        let out: IoctlOut = reply.record_at(0);
        assert_eq!((out.result, out.flags), (77, 0));
        let backwards: Vec<u8> = input.iter().rev().copied().collect();
        assert!(reply.body[size_of::<IoctlOut>()..] == backwards, "{size} bytes");
    }
    let reply = control(&mut running, file, 1, 0, b"abcd", 2);
    assert_eq!(
        &reply.body[size_of::<IoctlOut>()..],
        b"dc",
        "as much as there is room for"
    );

    let open = running
        .kernel
        .ask(Opcode::Opendir, ROOT, &[bytes_of(&OpenIn::default())])
        .record::<OpenOut>();
    let reply = control(&mut running, (ROOT, open.fh), 5, ioctl::DIR, b"", 0);
    assert_eq!(reply.record::<IoctlOut>().result, 5);
    assert!(running.flat.get(|book| book.calls.contains(&"ioctl of a directory")));
    running.stop();
}

#[test]
fn an_ioctl_that_makes_no_sense_is_an_error() {
    let _watchdog = Watchdog::new();
    let mut running = one_worker(&["a"]);
    let file = opened(&mut running, "a");
    let too_much = vec![0; 1 << 14];
    assert_eq!(control(&mut running, file, 1, 0, &too_much, 0).errno, libc::EINVAL);
    assert_eq!(control(&mut running, file, 1, 0, b"", u32::MAX).errno, libc::EINVAL);
    let pointers = control(&mut running, file, 1, ioctl::UNRESTRICTED, b"", 0);
    assert_eq!(pointers.errno, libc::EINVAL);
    assert_eq!(
        control(&mut running, file, 0, 0, b"ab", 2).errno,
        libc::EIO,
        "the answer is too long"
    );
    assert_eq!(
        control(&mut running, file, u32::MAX, 0, b"", 0).errno,
        libc::EIO,
        "a result below 0"
    );
    assert_eq!(
        control(&mut running, file, 1, ioctl::DIR, b"", 0).errno,
        libc::EBADF,
        "a file is no directory"
    );
    running.stop();
}

#[test]
fn statx_tells_the_time_of_birth_and_all_that_getattr_tells() {
    let _watchdog = Watchdog::new();
    let config = Config {
        uid: Some(9),
        ..Config::default()
    };
    let mut running = Running::start(&Flat::with_files(&["a"]), 1, config);
    let (node, fh) = opened(&mut running, "a");
    for arg in [
        StatxIn::default(),
        StatxIn {
            getattr_flags: getattr::FH,
            fh,
            ..StatxIn::default()
        },
    ] {
        let out: StatxOut = running.kernel.ask(Opcode::Statx, node, &[bytes_of(&arg)]).record();
        assert_eq!(out.stat.mask, libc::STATX_BASIC_STATS | libc::STATX_BTIME);
        assert_eq!((out.stat.btime.tv_sec, out.stat.btime.tv_nsec), (-7, 5));
        assert_eq!((out.stat.size, out.stat.ino, out.stat.uid), (256, 10, 9));
        assert_eq!(u32::from(out.stat.mode), libc::S_IFREG | 0o640);
    }
    running.stop();
}

#[test]
fn a_file_system_on_a_block_device_is_synced_and_maps_blocks() {
    let _watchdog = Watchdog::new();
    let mut running = one_worker(&["a"]);
    let sync = SyncfsIn::default();
    assert_eq!(running.kernel.ask(Opcode::Syncfs, ROOT, &[bytes_of(&sync)]).errno, 0);
    assert!(running.flat.get(|book| book.calls.contains(&"syncfs")));
    let node = running.lookup("a");
    let arg = BmapIn {
        block: 3,
        blocksize: 512,
        padding: 0,
    };
    let out: BmapOut = running.kernel.ask(Opcode::Bmap, node, &[bytes_of(&arg)]).record();
    assert_eq!(out.block, 1536);
    running.stop();
}

#[test]
fn what_a_file_system_lacks_is_left_to_the_kernel() {
    let _watchdog = Watchdog::new();
    let mut running = Running::start(
        &Flat::with_files(&["a", "b"]),
        1,
        Config {
            operations: 1 << Opcode::Lookup.raw() | 1 << Opcode::Open.raw(),
            ..Config::default()
        },
    );
    let (a, b) = (opened(&mut running, "a"), opened(&mut running, "b"));
    assert_eq!(seek(&mut running, a, libc::SEEK_DATA, 0), Err(libc::ENOSYS));
    for opcode in [Opcode::CopyFileRange, Opcode::CopyFileRange64] {
        assert_eq!(copy(&mut running, opcode, a, b, 1).errno, libc::ENOSYS);
    }
    assert_eq!(control(&mut running, a, 1, 0, b"", 0).errno, libc::ENOTTY);
    let statx = StatxIn::default();
    assert_eq!(
        running.kernel.ask(Opcode::Statx, a.0, &[bytes_of(&statx)]).errno,
        libc::ENOSYS
    );
    let create = CreateIn::default();
    let tmpfile = running
        .kernel
        .ask(Opcode::Tmpfile, ROOT, &[bytes_of(&create), &name("/")]);
    assert_eq!(tmpfile.errno, libc::ENOSYS);
    running.stop();
}
