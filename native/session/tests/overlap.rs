//! Several workers: who waits for whom, who doesn't, and how it all ends.

mod support;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ferrofuse_protocol::abi::{bytes_of, fattr, FlushIn, GetattrIn, SetattrIn};
use ferrofuse_protocol::Opcode;
use ferrofuse_session::{Config, ErrorKind};

use support::flat::{Door, Flat};
use support::kernel::ROOT;
use support::running::Running;
use support::Watchdog;

/// Offset of the calls that are held inside the handler.
const HELD: u64 = 1000;

fn started(files: &[&str], workers: usize) -> Running {
    let flat = Flat::with_files(files);
    flat.change(|book| book.held = Some(HELD));
    Running::start(&flat, workers, Config::default())
}

fn let_go(running: &Running) {
    running.flat.change(|book| book.held = None);
}

fn in_time() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

/// Asks something that needs no handle, to see that a worker is free.
fn is_served(running: &mut Running) {
    assert_eq!(
        running
            .kernel
            .ask(Opcode::Getattr, ROOT, &[bytes_of(&GetattrIn::default())])
            .errno,
        0
    );
}

/// Uniques of the next replies, in the order in which they come.
fn replies(running: &mut Running, count: usize) -> Vec<u64> {
    (0..count)
        .map(|_| running.kernel.receive())
        .inspect(|reply| assert_eq!(reply.errno, 0))
        .map(|reply| reply.unique)
        .collect()
}

#[test]
fn calls_on_a_busy_serialized_handle_wait_without_a_worker() {
    let _watchdog = Watchdog::new();
    let mut running = started(&["a"], 2);
    let node = running.lookup("a");
    let fh = running.open(node);
    let first = running.send_read(node, fh, HELD, 1);
    running.flat.wait(|book| book.inside == 1);
    let waiting = [
        running.send_read(node, fh, 1, 1),
        running.send_write(node, fh, 2, b"x"),
        running.send_read(node, fh, 3, 1),
    ];
    // The other worker has put all three aside when it answers this.
    is_served(&mut running);
    assert!(running.kernel.pending().is_none());
    // A reply may be here before its request is counted as finished.
    while running.session.in_flight() != 4 {
        std::thread::yield_now();
    }
    assert_eq!(
        running
            .session
            .running()
            .iter()
            .filter(|running| running.unique == first)
            .count(),
        1
    );
    assert_eq!(
        running.flat.leases.load(Ordering::SeqCst),
        5,
        "one for each of the four, one to go on with"
    );
    let_go(&running);
    let answered = replies(&mut running, 4);
    assert_eq!(
        answered,
        [[first].as_slice(), &waiting].concat(),
        "in the order in which they came"
    );
    assert!(running.session.wait_idle(in_time()));
    running
        .flat
        .get(|book| assert_eq!(book.calls, ["read", "read", "write", "read"]));
    running.send_release(node, fh);
    assert_eq!(running.kernel.receive().errno, 0);
    running.stop();
}

#[test]
fn another_handle_of_the_same_file_is_not_busy() {
    let _watchdog = Watchdog::new();
    let mut running = started(&["a"], 2);
    let node = running.lookup("a");
    let (held, free) = (running.open(node), running.open(node));
    let first = running.send_read(node, held, HELD, 1);
    running.flat.wait(|book| book.inside == 1);
    let second = running.send_read(node, free, 0, 1);
    assert_eq!(replies(&mut running, 1), [second]);
    let_go(&running);
    assert_eq!(replies(&mut running, 1), [first]);
    running.stop();
}

#[test]
fn shared_reads_overlap_and_what_a_write_held_up_runs_on_several_workers() {
    let _watchdog = Watchdog::new();
    let mut running = started(&["shared"], 3);
    let node = running.lookup("shared");
    let fh = running.open(node);
    running.send_read(node, fh, HELD, 1);
    running.send_read(node, fh, HELD, 1);
    running.flat.wait(|book| book.inside == 2);
    running.send_write(node, fh, 0, b"x");
    is_served(&mut running);
    running.send_read(node, fh, 0, 1);
    is_served(&mut running);
    running.flat.get(|book| {
        assert_eq!(
            book.calls,
            ["read", "read"],
            "the last read does not overtake the write"
        )
    });
    let_go(&running);
    replies(&mut running, 4);
    running
        .flat
        .get(|book| assert_eq!(book.calls, ["read", "read", "write", "read"]));

    running.flat.change(|book| book.held = Some(HELD));
    running.send_write(node, fh, HELD, b"x");
    running.flat.wait(|book| book.inside == 1);
    for _ in 0..3 {
        // Held in their turn: that they are all inside at once takes three workers.
        running.send_read(node, fh, HELD + 1, 1);
    }
    is_served(&mut running);
    running.flat.change(|book| book.held = Some(HELD + 1));
    running.flat.wait(|book| book.inside == 3);
    let_go(&running);
    replies(&mut running, 4);
    running.stop();
}

#[test]
fn calls_on_a_concurrent_handle_overlap_and_its_release_waits_for_them() {
    let _watchdog = Watchdog::new();
    let mut running = started(&["free"], 3);
    let node = running.lookup("free");
    let fh = running.open(node);
    running.send_read(node, fh, HELD, 1);
    running.send_write(node, fh, HELD, b"x");
    running.flat.wait(|book| book.inside == 2);
    let release = running.send_release(node, fh);
    is_served(&mut running);
    assert!(running.kernel.pending().is_none());
    running.send_read(node, fh, 0, 1);
    assert_eq!(
        running.kernel.receive().errno,
        libc::EBADF,
        "nothing enters behind a release"
    );
    let_go(&running);
    assert_eq!(replies(&mut running, 3).last(), Some(&release));
    running.flat.get(|book| assert_eq!(book.calls.last(), Some(&"release")));
    running.stop();
}

#[test]
fn requests_that_wait_behind_a_release_find_no_handle() {
    let _watchdog = Watchdog::new();
    let mut running = started(&["a"], 2);
    let node = running.lookup("a");
    let fh = running.open(node);
    let read = running.send_read(node, fh, HELD, 1);
    running.flat.wait(|book| book.inside == 1);
    let release = running.send_release(node, fh);
    let late = [running.send_read(node, fh, 0, 1), running.send_release(node, fh)];
    is_served(&mut running);
    let_go(&running);
    assert_eq!(replies(&mut running, 2), [read, release]);
    for unique in late {
        let reply = running.kernel.receive();
        assert_eq!((reply.unique, reply.errno), (unique, libc::EBADF));
    }
    assert_eq!(running.open(node) as u32, fh as u32, "the slot is free again");
    running.stop();
}

#[test]
fn a_truncation_through_a_busy_handle_waits_and_a_stat_does_not() {
    let _watchdog = Watchdog::new();
    let mut running = started(&["a"], 2);
    let node = running.lookup("a");
    let fh = running.open(node);
    let read = running.send_read(node, fh, HELD, 1);
    running.flat.wait(|book| book.inside == 1);
    let change = SetattrIn {
        valid: fattr::FH | fattr::SIZE,
        fh,
        size: 3,
        ..SetattrIn::default()
    };
    let truncation = running.kernel.send(Opcode::Setattr, node, &[bytes_of(&change)]);
    let stat = GetattrIn {
        getattr_flags: ferrofuse_protocol::abi::getattr::FH,
        dummy: 0,
        fh,
    };
    assert_eq!(running.kernel.ask(Opcode::Getattr, node, &[bytes_of(&stat)]).errno, 0);
    let_go(&running);
    assert_eq!(replies(&mut running, 2), [read, truncation]);
    running.stop();
}

#[test]
fn stopping_serves_what_was_received_and_answers_it() {
    let _watchdog = Watchdog::new();
    let mut running = started(&["a"], 2);
    let node = running.lookup("a");
    let fh = running.open(node);
    let read = running.send_read(node, fh, HELD, 1);
    running.flat.wait(|book| book.inside == 1);
    let flush = FlushIn {
        fh,
        ..FlushIn::default()
    };
    let flush = running.kernel.send(Opcode::Flush, node, &[bytes_of(&flush)]);
    is_served(&mut running);
    assert!(!running.session.wait_idle(Instant::now() + Duration::from_millis(10)));
    running.session.stop();
    assert!(
        !running.session.wait_ended(Instant::now() + Duration::from_millis(10)),
        "a call is still inside"
    );
    assert!(
        !running.session.finish(&mut Door(running.flat.clone())),
        "workers are still there"
    );
    let_go(&running);
    assert!(running.session.wait_ended(in_time()));
    assert_eq!(replies(&mut running, 2), [read, flush]);
    assert!(!running.session.disconnected());
    running.finish();
}

#[test]
fn a_connection_that_breaks_in_the_middle_ends_the_session_and_releases_everything() {
    let _watchdog = Watchdog::new();
    let mut running = started(&["a", "shared"], 2);
    let (a, shared) = (running.lookup("a"), running.lookup("shared"));
    let (fh, _left_open) = (running.open(a), running.open(shared));
    running.send_read(a, fh, HELD, 1);
    running.flat.wait(|book| book.inside == 1);
    running.send_write(a, fh, 0, b"late");
    is_served(&mut running);
    let kernel = running.kernel.replace();
    drop(kernel);
    let_go(&running);
    running.flat.wait(|book| book.inside == 0);
    let flat = running.flat.clone();
    let session = running.session.clone();
    running.finish();
    assert!(
        session.disconnected() && !session.unmounted(),
        "the peer is gone, a mount would not be"
    );
    flat.get(|book| {
        assert_eq!(
            book.files[&10].data[..4],
            *b"late",
            "a write that was received is not lost"
        );
        assert_eq!(book.calls.iter().filter(|&&call| call == "release").count(), 2);
    });
}

#[test]
fn without_memory_to_park_a_request_its_worker_waits_and_nothing_is_lost() {
    let _watchdog = Watchdog::new();
    let mut running = started(&["a"], 2);
    let node = running.lookup("a");
    let fh = running.open(node);
    let first = running.send_read(node, fh, HELD, 1);
    running.flat.wait(|book| book.inside == 1);
    is_served(&mut running);
    running.flat.max_leases.store(0, Ordering::SeqCst);
    let second = running.send_read(node, fh, 0, 1);
    let error = running.session.serve(&mut Door(running.flat.clone())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Resources);
    assert!(running.kernel.pending().is_none());
    let_go(&running);
    assert_eq!(replies(&mut running, 2), [first, second]);
    is_served(&mut running);
    running.stop();
}

#[test]
fn a_worker_may_come_late_and_after_the_end() {
    let _watchdog = Watchdog::new();
    let mut running = started(&["a"], 0);
    assert!(!running.session.ended());
    running.add_worker();
    is_served(&mut running);
    running.session.stop();
    assert!(running.session.wait_ended(in_time()));
    running.add_worker();
    running.finish();
}

#[test]
fn without_cloned_descriptors_workers_share_one_and_say_so() {
    let _watchdog = Watchdog::new();
    let flat = Flat::with_files(&["a"]);
    // A socket can't be cloned as /dev/fuse can.
    let mut running = Running::start(
        &flat,
        2,
        Config {
            clone_fd: true,
            ..Config::default()
        },
    );
    is_served(&mut running);
    let log = running.log.clone();
    running.stop();
    let lines = log.lock().unwrap();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].1.starts_with("clone_fd is not available"), "{lines:?}");
}

#[test]
fn many_requests_on_many_workers_are_each_answered_once() {
    let _watchdog = Watchdog::new();
    let flat = Flat::with_files(&["a", "shared", "free"]);
    let mut running = Running::start(&flat, 4, Config::default());
    let files = ["a", "shared", "free"].map(|file| {
        let node = running.lookup(file);
        (node, running.open(node))
    });
    for round in 0..300_u32 {
        let mut asked: Vec<u64> = Vec::new();
        for (index, (node, fh)) in (0..).zip(files) {
            asked.push(running.send_read(node, fh, u64::from(round % 200), 16));
            if (round + index) % 3 == 0 {
                asked.push(running.send_write(node, fh, 0, &[round as u8; 16]));
            }
        }
        let mut answered = replies(&mut running, asked.len());
        answered.sort_unstable();
        assert_eq!(answered, asked);
    }
    assert!(running.kernel.pending().is_none());
    running.stop();
}

#[test]
fn an_abort_ends_the_connection_though_a_handler_hangs() {
    let _watchdog = Watchdog::new();
    let mut running = started(&["a", "b"], 3);
    let node = running.lookup("a");
    let fh = running.open(node);
    running.send_read(node, fh, HELD, 1);
    running.flat.wait(|book| book.inside == 1);
    running.session.abort();
    running.session.abort();
    assert!(running.kernel.has_ended(), "every descriptor is closed");
    assert!(running.session.disconnected() && !running.session.unmounted());
    assert!(!running.session.wait_ended(Instant::now() + Duration::from_millis(20)));
    let_go(&running);
    let log = std::sync::Arc::clone(&running.log);
    running.finish();
    assert_eq!(*log.lock().unwrap(), [], "a lost answer is nobody's fault");
}
