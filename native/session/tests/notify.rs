//! What the engine tells the kernel unasked, as bytes on the wire, and what becomes of the answers.

mod support;

use ferrofuse_protocol::abi::{
    bytes_of, init, InHeader, NotifyDeleteOut, NotifyInvalEntryOut, NotifyInvalInodeOut, NotifyPollWakeupOut,
    NotifyPruneOut, NotifyRetrieveIn, NotifyRetrieveOut, NotifyStoreOut, PollIn, PollOut,
};
use ferrofuse_protocol::{Errno, Opcode};
use ferrofuse_session::{Config, Gone, Key, Level, NotifyError, Stale, Told};

use support::flat::Flat;
use support::kernel::ROOT;
use support::running::Running;
use support::Watchdog;

const ROOT_KEY: Key = Key(1);
const FILE: Key = Key(10);
/// A key that the kernel does not refer to.
const UNKNOWN: Key = Key(77);

fn running(files: &[&str]) -> Running {
    Running::start(&Flat::with_files(files), 1, Config::default())
}

/// With a kernel that speaks 7.`minor` and offers these flags.
fn old(minor: u32, flags: u64) -> Running {
    Running::start_with(&Flat::with_files(&["a"]), 1, Config::default(), minor, flags)
}

fn told(outcome: Result<Told, NotifyError>) -> Told {
    outcome.unwrap_or_else(|error| panic!("{error}"))
}

fn errno(outcome: Result<Told, NotifyError>) -> Errno {
    outcome.expect_err("refused").errno()
}

fn stored(running: &Running, node: Key, offset: u64, data: &[u8]) -> Result<Told, NotifyError> {
    // SAFETY: a slice.
    unsafe { running.session.store(node, offset, data) }
}

/// Sends what the kernel answers to a RETRIEVE.
fn answer(running: &Running, unique: u64, nodeid: u64, offset: u64, stated: u32, data: &[u8]) {
    let arg = NotifyRetrieveIn {
        offset,
        size: stated,
        ..NotifyRetrieveIn::default()
    };
    let header = InHeader {
        len: (size_of::<InHeader>() + size_of::<NotifyRetrieveIn>() + data.len()) as u32,
        opcode: Opcode::NotifyReply.raw(),
        unique,
        nodeid,
        ..InHeader::default()
    };
    let message = [bytes_of(&header), bytes_of(&arg), data].concat();
    running.kernel.send_raw(&message);
}

/// Waits until the worker has served what was sent before: the tests have one, which serves in order.
fn caught_up(running: &mut Running) {
    let _ = running.kernel.ask(Opcode::Statfs, ROOT, &[]);
}

#[test]
fn stale_attributes_and_data_are_told_by_nodeid() {
    let _watchdog = Watchdog::new();
    let mut running = running(&["a"]);
    let node = running.lookup("a");
    assert_ne!(node, FILE.0, "the kernel's number differs from the file system's");
    for (stale, off, len) in [
        (Stale::Attributes, -1, 0),
        (Stale::Data { offset: 0, len: 0 }, 0, 0),
        (Stale::Data { offset: 4096, len: 10 }, 4096, 10),
    ] {
        assert_eq!(told(running.session.inval_inode(FILE, stale)), Told::Done);
        let (code, body) = running.kernel.receive_notification();
        assert_eq!(code, 2);
        let expected = NotifyInvalInodeOut { ino: node, off, len };
        assert_eq!(body, bytes_of(&expected), "{stale:?}");
    }
    running.stop();
}

#[test]
fn names_are_told_with_their_length_and_a_nul() {
    let _watchdog = Watchdog::new();
    let mut running = running(&["a"]);
    let child = running.lookup("a");
    for (gone, flags) in [(Gone::Invalid, 0), (Gone::Expired, 1)] {
        assert_eq!(told(running.session.inval_entry(ROOT_KEY, b"name", gone)), Told::Done);
        let record = NotifyInvalEntryOut {
            parent: ROOT,
            namelen: 4,
            flags,
        };
        let expected = [bytes_of(&record), b"name\0"].concat();
        assert_eq!(running.kernel.receive_notification(), (3, expected));
    }
    assert_eq!(
        told(running.session.inval_entry(ROOT_KEY, b"a", Gone::Deleted(FILE))),
        Told::Done
    );
    let record = NotifyDeleteOut {
        parent: ROOT,
        child,
        namelen: 1,
        padding: 0,
    };
    let expected = [bytes_of(&record), b"a\0"].concat();
    assert_eq!(running.kernel.receive_notification(), (6, expected));
    running.stop();
}

#[test]
fn names_that_can_be_none_are_refused_and_never_sent() {
    let _watchdog = Watchdog::new();
    let mut running = running(&["a"]);
    for name in [&b""[..], b".", b"..", b"a/b", b"a\0b"] {
        for gone in [Gone::Invalid, Gone::Expired, Gone::Deleted(FILE)] {
            assert_eq!(errno(running.session.inval_entry(ROOT_KEY, name, gone)), Errno::EINVAL);
        }
    }
    assert!(running.kernel.pending().is_none());
    running.stop();
}

#[test]
fn what_the_kernel_does_not_refer_to_is_not_told() {
    let _watchdog = Watchdog::new();
    let mut running = running(&["a"]);
    let session = &running.session;
    for outcome in [
        session.inval_inode(UNKNOWN, Stale::Attributes),
        session.inval_inode(FILE, Stale::Attributes),
        session.inval_entry(UNKNOWN, b"a", Gone::Invalid),
        session.inval_entry(UNKNOWN, b"a", Gone::Deleted(FILE)),
        session.inval_entry(ROOT_KEY, b"a", Gone::Deleted(FILE)),
        session.prune(&[UNKNOWN, FILE]),
        session.prune(&[]),
        session.retrieve(5, UNKNOWN, 0, 10),
        stored(&running, UNKNOWN, 0, b"data"),
    ] {
        assert_eq!(told(outcome), Told::NotCached);
    }
    assert!(running.kernel.pending().is_none());
    running.stop();
}

#[test]
fn all_names_expire_by_a_message_without_a_body_and_nodes_are_pruned_in_lots() {
    let _watchdog = Watchdog::new();
    let mut running = running(&["a"]);
    assert_eq!(told(running.session.inc_epoch()), Told::Done);
    assert_eq!(running.kernel.receive_notification(), (8, Vec::new()));
    let node = running.lookup("a");
    assert_eq!(told(running.session.prune(&[UNKNOWN, FILE])), Told::Done);
    let record = NotifyPruneOut {
        count: 1,
        ..NotifyPruneOut::default()
    };
    let expected = [bytes_of(&record), &node.to_ne_bytes()].concat();
    assert_eq!(running.kernel.receive_notification(), (9, expected));
    assert_eq!(told(running.session.prune(&[FILE; 600])), Told::Done);
    let lots = [(); 2].map(|()| running.kernel.receive_notification().1.len());
    assert_eq!(lots, [16 + 512 * 8, 16 + 88 * 8]);
    running.stop();
}

#[test]
fn a_kernel_that_is_too_old_for_a_notification_never_gets_it() {
    let _watchdog = Watchdog::new();
    let mut running = old(43, u64::MAX);
    let message = running.session.inc_epoch().expect_err("unknown to it").to_string();
    assert!(message.contains("Linux 6.16"), "{message}");
    assert_eq!(errno(running.session.prune(&[ROOT_KEY])), Errno::EOPNOTSUPP);
    assert!(running.session.can_expire());
    assert!(running.kernel.pending().is_none());
    running.stop();

    let mut running = old(44, !init::HAS_EXPIRE_ONLY);
    assert!(!running.session.can_expire());
    let expired = running.session.inval_entry(ROOT_KEY, b"a", Gone::Expired);
    assert_eq!(errno(expired), Errno::EOPNOTSUPP);
    assert_eq!(errno(running.session.prune(&[ROOT_KEY])), Errno::EOPNOTSUPP);
    assert!(running.kernel.pending().is_none());
    assert_eq!(told(running.session.inc_epoch()), Told::Done);
    assert_eq!(running.kernel.receive_notification().0, 8);
    assert_eq!(
        told(running.session.inval_entry(ROOT_KEY, b"a", Gone::Invalid)),
        Told::Done
    );
    assert_eq!(running.kernel.receive_notification().0, 3);
    running.stop();
}

#[test]
fn data_is_stored_with_its_place_and_size() {
    let _watchdog = Watchdog::new();
    let mut running = running(&["a"]);
    let nodeid = running.lookup("a");
    assert_eq!(told(stored(&running, FILE, 8192, b"data")), Told::Done);
    let record = NotifyStoreOut {
        nodeid,
        offset: 8192,
        size: 4,
        padding: 0,
    };
    let expected = [bytes_of(&record), b"data"].concat();
    assert_eq!(running.kernel.receive_notification(), (4, expected));
    for offset in [i64::MAX as u64 - 3, i64::MAX as u64 + 1, u64::MAX] {
        assert_eq!(
            errno(stored(&running, FILE, offset, b"data")),
            Errno::EINVAL,
            "{offset:#x}"
        );
    }
    let huge = std::ptr::slice_from_raw_parts(std::ptr::dangling(), 1 << 31);
    // SAFETY: refused before it is looked at.
    let outcome = unsafe { running.session.store(FILE, 0, huge) };
    assert_eq!(errno(outcome), Errno::EINVAL);
    let range = Stale::Data {
        offset: 1 << 62,
        len: 1 << 62,
    };
    assert_eq!(errno(running.session.inval_inode(FILE, range)), Errno::EINVAL);
    assert!(running.kernel.pending().is_none());
    running.stop();
}

#[test]
fn what_the_page_cache_has_comes_back_under_its_ticket_once() {
    let _watchdog = Watchdog::new();
    let mut running = running(&["a"]);
    let nodeid = running.lookup("a");
    assert_eq!(told(running.session.retrieve(5, FILE, 4096, u32::MAX)), Told::Done);
    let (code, body) = running.kernel.receive_notification();
    let asked = NotifyRetrieveOut {
        notify_unique: 5,
        nodeid,
        offset: 4096,
        size: 1 << 20,
        padding: 0,
    };
    assert_eq!((code, body.as_slice()), (5, bytes_of(&asked)));
    assert_eq!(errno(running.session.retrieve(5, FILE, 0, 1)), Errno::EINVAL, "taken");

    let data: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
    answer(&running, 5, nodeid, 4096, data.len() as u32, &data);
    running.flat.wait(|book| !book.retrieved.is_empty());
    running
        .flat
        .change(|book| assert!(book.retrieved.pop() == Some((5, Ok(data)))));

    // Once more, and for the ticket of nobody.
    answer(&running, 5, nodeid, 4096, 4, b"data");
    answer(&running, 6, nodeid, 0, 4, b"data");
    caught_up(&mut running);
    running.flat.get(|book| assert_eq!(book.retrieved, []));
    let odd = |running: &Running| {
        let log = running.log.lock().unwrap();
        log.iter()
            .filter(|(level, line)| *level == Level::Error && line.contains("retrieval"))
            .count()
    };
    assert_ne!(odd(&running), 0);

    // The ticket is free again; nothing cached is an answer, too.
    assert_eq!(told(running.session.retrieve(5, FILE, 0, 10)), Told::Done);
    answer(&running, 5, nodeid, 0, 0, b"");
    running.flat.wait(|book| book.retrieved == [(5, Ok(Vec::new()))]);
    assert_eq!(running.kernel.receive_notification().0, 5);
    assert!(running.kernel.pending().is_none(), "an answer has no reply");
    running.stop();
}

#[test]
fn answers_that_are_too_long_or_about_something_else_fail_the_retrieval() {
    let _watchdog = Watchdog::new();
    let mut running = running(&["a"]);
    let nodeid = running.lookup("a");
    let wrong: [(u64, u64, u32, &[u8]); 5] = [
        (nodeid, 0, 11, b"eleven byte"),
        (nodeid, 1, 4, b"data"),
        (ROOT, 0, 4, b"data"),
        (nodeid, 0, 5, b"data"),
        (nodeid, 0, u32::MAX, b"data"),
    ];
    for (ticket, (nodeid, offset, stated, data)) in (100..).zip(wrong) {
        assert_eq!(told(running.session.retrieve(ticket, FILE, 0, 10)), Told::Done);
        assert_eq!(running.kernel.receive_notification().0, 5);
        answer(&running, ticket, nodeid, offset, stated, data);
        running
            .flat
            .wait(|book| book.retrieved.last() == Some(&(ticket, Err(Errno::EIO))));
    }
    running.lookup("a");
    running.stop();
}

#[test]
fn retrievals_that_wait_when_the_session_ends_are_dropped() {
    let _watchdog = Watchdog::new();
    let mut running = running(&["a"]);
    running.lookup("a");
    assert_eq!(told(running.session.retrieve(5, FILE, 0, 10)), Told::Done);
    let session = std::sync::Arc::clone(&running.session);
    let flat = std::sync::Arc::clone(&running.flat);
    running.stop();
    flat.get(|book| assert_eq!(book.retrieved, []));
    assert_eq!(told(session.inval_inode(FILE, Stale::Attributes)), Told::Ended);
    assert_eq!(
        told(session.retrieve(5, FILE, 0, 10)),
        Told::Ended,
        "the ticket is free"
    );
    for outcome in [session.inc_epoch(), session.wake(1), session.prune(&[FILE])] {
        assert_eq!(told(outcome), Told::Ended);
    }
}

#[test]
fn after_an_abort_nothing_is_told() {
    let _watchdog = Watchdog::new();
    let mut running = running(&["a"]);
    running.lookup("a");
    running.session.abort();
    let session = &running.session;
    for outcome in [
        session.inval_inode(FILE, Stale::Attributes),
        session.inval_inode(UNKNOWN, Stale::Attributes),
        session.inval_entry(ROOT_KEY, b"a", Gone::Invalid),
        session.retrieve(5, FILE, 0, 10),
        session.wake(1),
    ] {
        assert_eq!(told(outcome), Told::Ended);
    }
    running.finish();
}

#[test]
fn a_poll_is_answered_past_calls_on_the_handle_and_woken_by_its_number() {
    let _watchdog = Watchdog::new();
    let mut running = Running::start(&Flat::with_files(&["pending"]), 2, Config::default());
    let nodeid = running.lookup("pending");
    let fh = running.open(nodeid);
    // A serialized handle with a read in it.
    running.flat.change(|book| book.held = Some(0));
    let read = running.send_read(nodeid, fh, 0, 10);
    running.flat.wait(|book| book.inside == 1);
    let poll = |flags, events| PollIn {
        fh,
        kh: 33,
        flags,
        events,
    };
    let mut revents = |flags, events| -> u32 {
        let reply = running
            .kernel
            .ask(Opcode::Poll, nodeid, &[bytes_of(&poll(flags, events))]);
        reply.record::<PollOut>().revents
    };
    assert_eq!(revents(1, 0x45), 0);
    running.flat.change(|book| book.ready = 0x41);
    assert_eq!(revents(0, 0x45), 0x41);
    running.flat.get(|book| assert_eq!(book.polls, [Some(33), None]));

    assert_eq!(told(running.session.wake(33)), Told::Done);
    let expected = bytes_of(&NotifyPollWakeupOut { kh: 33 }).to_vec();
    assert_eq!(running.kernel.receive_notification(), (1, expected));

    running.flat.change(|book| book.held = None);
    assert_eq!(running.kernel.receive().unique, read);
    let gone = PollIn { fh: 999, ..poll(1, 1) };
    let reply = running.kernel.ask(Opcode::Poll, nodeid, &[bytes_of(&gone)]);
    assert_eq!(reply.errno, libc::EBADF);
    running.stop();
}

#[test]
fn a_file_system_without_poll_says_so_once_for_all() {
    let _watchdog = Watchdog::new();
    let config = Config {
        operations: !(1 << Opcode::Poll.raw()),
        ..Config::default()
    };
    let mut running = Running::start(&Flat::with_files(&["a"]), 1, config);
    let nodeid = running.lookup("a");
    let fh = running.open(nodeid);
    let poll = PollIn {
        fh,
        ..PollIn::default()
    };
    let reply = running.kernel.ask(Opcode::Poll, nodeid, &[bytes_of(&poll)]);
    assert_eq!(reply.errno, libc::ENOSYS);
    running.flat.get(|book| assert_eq!(book.polls, []));
    running.stop();
}
