//! What is refused, what fails, and that nothing is left of it.

use super::*;

#[test]
fn operations_that_the_file_system_lacks_never_reach_it() {
    let _watchdog = Watchdog::new();
    let has = [Opcode::Lookup, Opcode::Getattr, Opcode::Open];
    let operations = has.iter().map(|opcode| 1 << opcode.raw()).sum();
    let mut running = Running::start(
        &Flat::with_files(&["a"]),
        1,
        Config {
            operations,
            ..Config::default()
        },
    );
    let node = running.lookup("a");
    let fh = running.open(node);
    let flush = FlushIn {
        fh,
        ..FlushIn::default()
    };
    assert_eq!(
        running.kernel.ask(Opcode::Flush, node, &[bytes_of(&flush)]).errno,
        libc::ENOSYS
    );
    running.send_read(node, fh, 0, 10);
    assert_eq!(running.kernel.receive().errno, libc::EOPNOTSUPP);
    let link = LinkIn { oldnodeid: node };
    assert_eq!(
        running
            .kernel
            .ask(Opcode::Link, ROOT, &[bytes_of(&link), &name("b")])
            .errno,
        libc::EPERM
    );
    assert_eq!(
        running
            .kernel
            .ask(Opcode::Statfs, ROOT, &[])
            .record::<StatfsOut>()
            .st
            .namelen,
        255
    );
    running.send_release(node, fh);
    assert_eq!(running.kernel.receive().errno, 0);
    running.flat.get(|book| assert_eq!(book.calls, ["release"]));
    running.stop();
}

#[test]
fn enosys_of_one_file_never_reaches_the_kernel_which_would_take_it_for_all() {
    let _watchdog = Watchdog::new();
    let mut running = Running::start(&Flat::with_files(&["a"]), 1, Config::default());
    let node = running.lookup("a");
    let refused = running
        .kernel
        .ask(Opcode::Open, node, &[bytes_of(&open_with(libc::O_DIRECT))]);
    assert_eq!(refused.errno, libc::EOPNOTSUPP);
    running.stop();
}

#[test]
fn what_the_engine_does_not_know_is_refused_and_the_next_request_is_served() {
    let _watchdog = Watchdog::new();
    let mut running = one_worker(&["a"]);
    let node = running.lookup("a");
    let kernel = &mut running.kernel;
    let getattr = |kernel: &mut support::kernel::Kernel, nodeid| {
        kernel
            .ask(Opcode::Getattr, nodeid, &[bytes_of(&GetattrIn::default())])
            .errno
    };
    for nodeid in [0, 99, node + (1 << 32), u64::MAX] {
        assert_eq!(getattr(kernel, nodeid), libc::ESTALE, "{nodeid:#x}");
    }
    let with_fh = GetattrIn {
        getattr_flags: abi::getattr::FH,
        dummy: 0,
        fh: 77,
    };
    assert_eq!(
        kernel.ask(Opcode::Getattr, node, &[bytes_of(&with_fh)]).errno,
        libc::EBADF
    );
    let lseek = abi::LseekIn::default();
    assert_eq!(kernel.ask(Opcode::Lseek, node, &[bytes_of(&lseek)]).errno, libc::EBADF);
    kernel.send_init(45);
    assert_eq!(kernel.receive().errno, libc::EIO, "INIT comes once");
    for fh in [0, 1, 5 << 32 | 1, u64::MAX] {
        running.send_read(node, fh, 0, 10);
        assert_eq!(running.kernel.receive().errno, libc::EBADF);
        running.send_release(node, fh);
        assert_eq!(running.kernel.receive().errno, libc::EBADF);
    }
    assert_eq!(getattr(&mut running.kernel, node), 0);
    running.stop();
}

#[test]
fn a_release_that_names_a_handle_of_the_other_kind_does_not_end_it() {
    let _watchdog = Watchdog::new();
    let mut running = one_worker(&["a"]);
    let node = running.lookup("a");
    let fh = running.open(node);
    let release = ReleaseIn {
        fh,
        ..ReleaseIn::default()
    };
    assert_eq!(
        running
            .kernel
            .ask(Opcode::Releasedir, node, &[bytes_of(&release)])
            .errno,
        libc::EBADF
    );
    let read = ReadIn {
        fh,
        size: 100,
        ..ReadIn::default()
    };
    assert_eq!(
        running.kernel.ask(Opcode::Readdir, node, &[bytes_of(&read)]).errno,
        libc::EBADF
    );
    running.send_read(node, fh, 0, 1);
    assert_eq!(running.kernel.receive().body, [0]);
    assert_eq!(
        running.kernel.ask(Opcode::Release, node, &[bytes_of(&release)]).errno,
        0
    );
    assert_eq!(
        running.kernel.ask(Opcode::Release, node, &[bytes_of(&release)]).errno,
        libc::EBADF
    );
    running.stop();
}

#[test]
fn a_panic_is_an_error_of_one_request_and_one_log_line() {
    let _watchdog = Watchdog::new();
    let mut running = one_worker(&["a"]);
    for _ in 0..3 {
        assert_eq!(
            running.kernel.ask(Opcode::Lookup, ROOT, &[&name("panic")]).errno,
            libc::EIO
        );
    }
    running.lookup("a");
    let lines = running.log.lock().unwrap().clone();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0].0, Level::Error);
    assert!(
        lines[0].1.contains("LOOKUP") && lines[0].1.contains("as asked for"),
        "{lines:?}"
    );
    running.stop();
}

#[test]
fn a_handler_that_answers_more_than_was_asked_for_is_not_believed() {
    let _watchdog = Watchdog::new();
    let mut running = one_worker(&["greedy"]);
    let node = running.lookup("greedy");
    let fh = running.open(node);
    running.send_read(node, fh, 0, 10);
    assert_eq!(running.kernel.receive().errno, libc::EIO);
    running.send_write(node, fh, 0, b"data");
    assert_eq!(running.kernel.receive().errno, libc::EIO);
    running.send_read(node, fh, 0, u32::MAX);
    assert_eq!(
        running.kernel.receive().errno,
        libc::EINVAL,
        "more than any buffer holds"
    );
    running.stop();
}

#[test]
fn full_tables_refuse_and_leave_no_trace() {
    let _watchdog = Watchdog::new();
    let config = Config {
        max_nodes: 2,
        max_handles: 1,
        ..Config::default()
    };
    let mut running = Running::start(&Flat::with_files(&["a", "b"]), 1, config);
    let a = running.lookup("a");
    assert_eq!(
        running.kernel.ask(Opcode::Lookup, ROOT, &[&name("b")]).errno,
        libc::ENOMEM
    );
    assert_eq!(
        running.flat.lookups(),
        HashMap::from([(10, 1)]),
        "what didn't go out was taken back"
    );
    let create = CreateIn::default();
    let reply = running
        .kernel
        .ask(Opcode::Create, ROOT, &[bytes_of(&create), &name("new")]);
    assert_eq!(reply.errno, libc::ENOMEM);
    running
        .flat
        .get(|book| assert!(book.open.is_empty(), "the created file was released"));

    let open: OpenOut = running
        .kernel
        .ask(Opcode::Opendir, ROOT, &[bytes_of(&OpenIn::default())])
        .record();
    assert_eq!(
        running
            .kernel
            .ask(Opcode::Open, a, &[bytes_of(&OpenIn::default())])
            .errno,
        libc::ENFILE
    );
    let read = ReadIn {
        fh: open.fh,
        size: 4096,
        ..ReadIn::default()
    };
    let listing = plus_records(&running.kernel.ask(Opcode::Readdirplus, ROOT, &[bytes_of(&read)]).body);
    assert_eq!(
        listing[1..],
        [("a".into(), a), ("b".into(), 0), ("new".into(), 0)],
        "names without attributes"
    );
    assert_eq!(running.flat.lookups(), HashMap::from([(10, 2)]));
    running.stop();
}

#[test]
fn a_failed_open_gives_its_slot_back() {
    let _watchdog = Watchdog::new();
    let config = Config {
        max_handles: 1,
        ..Config::default()
    };
    let mut running = Running::start(&Flat::with_files(&["busy"]), 1, config);
    let node = running.lookup("busy");
    let truncating = OpenIn {
        flags: libc::O_TRUNC as u32,
        open_flags: 0,
    };
    for _ in 0..3 {
        assert_eq!(
            running.kernel.ask(Opcode::Open, node, &[bytes_of(&truncating)]).errno,
            libc::ETXTBSY
        );
    }
    running.open(node);
    running.stop();
}

#[test]
fn replies_that_nobody_receives_are_taken_back() {
    let _watchdog = Watchdog::new();
    let mut running = one_worker(&["a", "b"]);
    let node = running.lookup("a");
    let open: OpenOut = running
        .kernel
        .ask(Opcode::Opendir, ROOT, &[bytes_of(&OpenIn::default())])
        .record();
    running.kernel.stop_listening();
    running.kernel.send(Opcode::Lookup, ROOT, &[&name("b")]);
    running.kernel.send(Opcode::Lookup, ROOT, &[&name("a")]);
    running.kernel.send(Opcode::Open, node, &[bytes_of(&OpenIn::default())]);
    running
        .kernel
        .send(Opcode::Opendir, ROOT, &[bytes_of(&OpenIn::default())]);
    running
        .kernel
        .send(Opcode::Create, ROOT, &[bytes_of(&CreateIn::default()), &name("new")]);
    let read = ReadIn {
        fh: open.fh,
        size: 4096,
        ..ReadIn::default()
    };
    running.kernel.send(Opcode::Readdirplus, ROOT, &[bytes_of(&read)]);
    running
        .kernel
        .send(Opcode::Forget, node, &[bytes_of(&ForgetIn { nlookup: 1 })]);
    running.kernel.send(Opcode::Destroy, 0, &[]);
    assert!(running
        .session
        .wait_ended(std::time::Instant::now() + std::time::Duration::from_secs(30)));
    running.flat.get(|book| {
        assert_eq!(book.open.len(), 1, "the directory that was open before");
        assert_eq!(book.calls, ["release", "releasedir", "release"]);
        assert_eq!(book.files.len(), 3, "the file was made");
    });
    assert_eq!(
        running.flat.lookups(),
        HashMap::new(),
        "the one lookup that did arrive was forgotten"
    );
    running.finish();
}
