//! What an INTERRUPT does to a request that waits, runs, has ended or is not here yet; none of them is answered twice.

mod support;

use std::time::{Duration, Instant};

use ferrofuse_protocol::abi::{bytes_of, FlushIn, GetattrIn, InterruptIn};
use ferrofuse_protocol::Opcode;
use ferrofuse_session::Config;

use support::flat::Flat;
use support::kernel::ROOT;
use support::running::Running;
use support::Watchdog;

/// Offset of the calls that are held inside the handler.
const HELD: u64 = 1000;

fn started(file: &str, workers: usize) -> (Running, u64, u64) {
    let flat = Flat::with_files(&[file]);
    flat.change(|book| book.held = Some(HELD));
    let mut running = Running::start(&flat, workers, Config::default());
    let node = running.lookup(file);
    let fh = running.open(node);
    (running, node, fh)
}

fn interrupt(running: &mut Running, unique: u64) {
    running
        .kernel
        .send(Opcode::Interrupt, 0, &[bytes_of(&InterruptIn { unique })]);
}

fn flush(running: &mut Running, node: u64, fh: u64) -> u64 {
    let flush = FlushIn {
        fh,
        ..FlushIn::default()
    };
    running.kernel.send(Opcode::Flush, node, &[bytes_of(&flush)])
}

/// Asks something that needs no handle: what was sent before has been looked at then, if one worker is free.
fn is_served(running: &mut Running) {
    let getattr = GetattrIn::default();
    assert_eq!(
        running.kernel.ask(Opcode::Getattr, ROOT, &[bytes_of(&getattr)]).errno,
        0
    );
}

/// The next reply: whose, and which errno.
fn next(running: &mut Running) -> (u64, i32) {
    let reply = running.kernel.receive();
    (reply.unique, reply.errno)
}

/// Lets the calls go whose answers are `due`, waits until nothing is in flight, and checks that nobody was answered
/// twice.
fn end(mut running: Running, due: &[u64]) {
    running.flat.change(|book| book.held = None);
    for &unique in due {
        assert_eq!(next(&mut running), (unique, 0));
    }
    assert!(running.session.wait_idle(Instant::now() + Duration::from_secs(30)));
    assert!(running.kernel.pending().is_none());
    running.stop();
}

#[test]
fn a_waiting_request_is_answered_though_its_handle_stays_busy() {
    let _watchdog = Watchdog::new();
    let (mut running, node, fh) = started("a", 2);
    let first = running.send_read(node, fh, HELD, 1);
    running.flat.wait(|book| book.inside == 1);
    let waiting = [1, 2, 3].map(|offset| running.send_read(node, fh, offset, 1));
    interrupt(&mut running, waiting[1]);
    assert_eq!(next(&mut running), (waiting[1], libc::EINTR));
    running.flat.change(|book| book.held = None);
    for unique in [first, waiting[0], waiting[2]] {
        assert_eq!(next(&mut running), (unique, 0));
    }
    running.flat.get(|book| {
        assert_eq!(book.calls.len(), 3);
        assert!(book.interrupted.is_empty(), "the handler never had it");
    });
    end(running, &[]);
}

#[test]
fn whoever_waited_behind_an_interrupted_request_runs() {
    let _watchdog = Watchdog::new();
    let (mut running, node, fh) = started("shared", 2);
    let first = running.send_read(node, fh, HELD, 1);
    running.flat.wait(|book| book.inside == 1);
    let write = running.send_write(node, fh, 0, b"x");
    is_served(&mut running);
    let behind = running.send_read(node, fh, 1, 1);
    is_served(&mut running);
    assert!(running.kernel.pending().is_none());
    interrupt(&mut running, write);
    let mut both = [next(&mut running), next(&mut running)];
    both.sort_unstable();
    assert_eq!(both, [(write, libc::EINTR), (behind, 0)]);
    running.flat.change(|book| book.held = None);
    assert_eq!(next(&mut running), (first, 0));
    end(running, &[]);
}

#[test]
fn of_a_running_request_the_handler_is_told() {
    let _watchdog = Watchdog::new();
    let (mut running, node, fh) = started("a", 2);
    let first = running.send_read(node, fh, HELD, 1);
    running.flat.wait(|book| book.inside == 1);
    let second = running.send_read(node, fh, 0, 1);
    interrupt(&mut running, first);
    assert_eq!(next(&mut running), (first, libc::EINTR));
    assert_eq!(next(&mut running), (second, 0));
    running.flat.get(|book| assert_eq!(book.interrupted, [first]));
    end(running, &[]);
}

#[test]
fn what_ends_a_handle_is_never_left_out() {
    let _watchdog = Watchdog::new();
    let (mut running, node, fh) = started("a", 2);
    let first = running.send_read(node, fh, HELD, 1);
    running.flat.wait(|book| book.inside == 1);
    let flush = flush(&mut running, node, fh);
    is_served(&mut running);
    let release = running.send_release(node, fh);
    is_served(&mut running);
    interrupt(&mut running, release);
    running.flat.wait(|book| book.interrupted == [release]);
    assert!(running.kernel.pending().is_none());
    running.flat.change(|book| book.held = None);
    for unique in [first, flush, release] {
        assert_eq!(next(&mut running), (unique, 0));
    }
    running
        .flat
        .get(|book| assert_eq!(book.calls, ["read", "flush", "release"]));
    end(running, &[]);
}

#[test]
fn a_waiting_flush_is_made_though_it_is_interrupted() {
    let _watchdog = Watchdog::new();
    let (mut running, node, fh) = started("a", 2);
    running.send_read(node, fh, HELD, 1);
    running.flat.wait(|book| book.inside == 1);
    let flush = flush(&mut running, node, fh);
    is_served(&mut running);
    interrupt(&mut running, flush);
    running.flat.wait(|book| book.interrupted == [flush]);
    assert!(running.kernel.pending().is_none());
    running.flat.change(|book| book.held = None);
    running.kernel.receive();
    // The handler decides, and this one gives up.
    assert_eq!(next(&mut running), (flush, libc::EINTR));
    running.flat.get(|book| assert_eq!(book.calls, ["read", "flush"]));
    end(running, &[]);
}

#[test]
fn unknown_and_finished_requests_and_repetitions_do_no_harm() {
    let _watchdog = Watchdog::new();
    let (mut running, node, fh) = started("a", 2);
    let done = running.send_read(node, fh, 0, 1);
    assert_eq!(next(&mut running), (done, 0));
    let first = running.send_read(node, fh, HELD, 1);
    running.flat.wait(|book| book.inside == 1);
    let waiting = running.send_read(node, fh, 1, 1);
    for unique in [done, 0, u64::MAX, waiting, waiting, first, first] {
        interrupt(&mut running, unique);
    }
    let mut both = [next(&mut running), next(&mut running)];
    both.sort_unstable();
    assert_eq!(both, [(first, libc::EINTR), (waiting, libc::EINTR)]);
    is_served(&mut running);
    end(running, &[]);
}

#[test]
fn an_interrupt_that_is_faster_than_its_request_finds_it() {
    let _watchdog = Watchdog::new();
    let (mut running, node, fh) = started("a", 2);
    let first = running.send_read(node, fh, HELD, 1);
    running.flat.wait(|book| book.inside == 1);
    // The uniques that the kernel's side gives go up by two.
    let coming = last_unique(&mut running) + 4;
    interrupt(&mut running, coming);
    running.flat.wait(|book| book.interrupted == [coming]);
    let waiting = running.send_read(node, fh, 1, 1);
    assert_eq!(waiting, coming);
    assert_eq!(next(&mut running), (waiting, libc::EINTR));
    running.flat.get(|book| assert_eq!(book.calls, ["read"]));
    end(running, &[first]);
}

/// Unique of a request that was just answered.
fn last_unique(running: &mut Running) -> u64 {
    let getattr = GetattrIn::default();
    running.kernel.ask(Opcode::Getattr, ROOT, &[bytes_of(&getattr)]).unique
}

#[test]
fn a_request_that_waits_with_its_worker_for_want_of_memory_can_be_interrupted() {
    let _watchdog = Watchdog::new();
    let (mut running, node, fh) = started("a", 3);
    let first = running.send_read(node, fh, HELD, 1);
    running.flat.wait(|book| book.inside == 1);
    let leases = || running.flat.leases.load(std::sync::atomic::Ordering::SeqCst);
    while leases() < 3 {
        std::thread::yield_now();
    }
    running
        .flat
        .max_leases
        .store(leases(), std::sync::atomic::Ordering::SeqCst);
    // Each of the three workers has a lease; whoever gets this one has no other to go on with.
    let waiting = running.send_read(node, fh, 1, 1);
    while !running
        .session
        .running()
        .iter()
        .any(|running| running.unique == waiting)
    {
        std::thread::yield_now();
    }
    interrupt(&mut running, waiting);
    assert_eq!(next(&mut running), (waiting, libc::EINTR));
    end(running, &[first]);
}
