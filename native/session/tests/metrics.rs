//! What a session measures of the requests that it serves.

mod support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ferrofuse_protocol::abi::{bytes_of, GetattrIn};
use ferrofuse_protocol::Opcode;
use ferrofuse_session::{bucket_of, Config, Measures, Metrics, Slow};

use support::flat::Flat;
use support::kernel::{name, ROOT};
use support::running::Running;
use support::Watchdog;

/// Offset of the calls that are held inside the handler.
const HELD: u64 = 1000;

fn measured() -> Config {
    Config {
        metrics: true,
        ..Config::default()
    }
}

/// All that was answered is counted when nothing is in flight.
fn metrics(running: &Running) -> Metrics {
    let deadline = Instant::now() + Duration::from_secs(30);
    assert!(running.session.wait_idle(deadline));
    running.session.metrics().expect("they were asked for")
}

fn of(metrics: &Metrics, opcode: Opcode) -> Measures {
    let found = metrics.operations.iter().find(|(number, _)| *number == opcode.raw());
    found.map(|(_, measures)| measures.clone()).unwrap_or_default()
}

#[test]
fn requests_and_errors_are_counted_and_those_of_workers_that_left_too() {
    let _watchdog = Watchdog::new();
    let mut running = Running::start(&Flat::with_files(&["a"]), 1, measured());
    running.lookup("a");
    for _ in 0..5 {
        let getattr = GetattrIn::default();
        let reply = running.kernel.ask(Opcode::Getattr, ROOT, &[bytes_of(&getattr)]);
        assert_eq!(reply.errno, 0);
    }
    let absent = running.kernel.ask(Opcode::Unlink, ROOT, &[&name("absent")]);
    assert_ne!(absent.errno, 0);
    running.kernel.send_raw(&[0; 40]);
    while metrics(&running).operations[0].0 != 0 {
        std::thread::yield_now();
    }
    let session = Arc::clone(&running.session);
    assert_eq!(metrics(&running).workers, 1);
    running.stop();

    let metrics = session.metrics().unwrap();
    let count = |opcode| of(&metrics, opcode).count();
    assert_eq!(metrics.workers, 0);
    assert_eq!((count(Opcode::Lookup), count(Opcode::Getattr)), (1, 5));
    assert_eq!((count(Opcode::Unlink), of(&metrics, Opcode::Unlink).errors), (1, 1));
    assert_eq!(of(&metrics, Opcode::Getattr).errors, 0);
    assert_eq!(metrics.operations[0].1.count(), 1, "an opcode that doesn't exist");
    assert_eq!(metrics.in_flight, 0);
}

#[test]
fn the_time_of_a_request_that_waits_for_its_handle_begins_when_it_comes() {
    let _watchdog = Watchdog::new();
    const HOLD: Duration = Duration::from_millis(50);
    let told: Arc<Mutex<Vec<Slow>>> = Arc::default();
    let sink = Arc::clone(&told);
    let flat = Flat::with_files(&["a"]);
    flat.change(|book| book.held = Some(HELD));
    let config = Config {
        slow_after: Some(HOLD),
        slow: Arc::new(move |slow| sink.lock().unwrap().push(*slow)),
        ..measured()
    };
    let mut running = Running::start(&flat, 2, config);
    let node = running.lookup("a");
    let fh = running.open(node);
    let held = running.send_read(node, fh, HELD, 1);
    flat.wait(|book| book.inside == 1);
    let parked = running.send_write(node, fh, 0, b"x");
    let root = bytes_of(&GetattrIn::default()).to_vec();
    running.kernel.ask(Opcode::Getattr, ROOT, &[&root]);
    let now = running.session.metrics().unwrap();
    assert_eq!(now.longest.map(|(opcode, _)| opcode), Some(Opcode::Read.raw()));
    assert!(now.in_flight >= 2, "{now:?}");
    // The handler is slow: that is what is measured.
    std::thread::sleep(HOLD);
    flat.change(|book| book.held = None);
    assert_eq!(
        (running.kernel.receive().unique, running.kernel.receive().unique),
        (held, parked)
    );

    let metrics = metrics(&running);
    assert_eq!(metrics.longest, None);
    let (read, write) = (of(&metrics, Opcode::Read), of(&metrics, Opcode::Write));
    for measures in [&read, &write] {
        assert_eq!(measures.count(), 1);
        assert_eq!(measures.buckets[bucket_of(measures.nanos)], 1);
        assert_eq!(measures.max, measures.nanos);
        assert!(measures.nanos >= HOLD.as_nanos() as u64, "{measures:?}");
    }
    assert_eq!((read.waits, read.waited), (0, 0));
    assert_eq!(write.waits, 1);
    assert!(
        write.waited >= HOLD.as_nanos() as u64 && write.waited <= write.nanos,
        "{write:?}"
    );

    running.send_release(node, fh);
    running.kernel.receive();
    let log = Arc::clone(&running.log);
    running.stop();
    let log = log.lock().unwrap().clone();
    let line = |start: &str| log.iter().filter(|(_, line)| line.starts_with(start)).count();
    assert_eq!(line("slow operation: READ of node "), 1, "{log:?}");
    assert_eq!(line("slow operation: WRITE of node "), 1, "{log:?}");
    let told = told.lock().unwrap();
    let told: Vec<_> = told
        .iter()
        .map(|slow| (slow.unique, slow.pid, slow.waited >= HOLD))
        .collect();
    assert_eq!(told, [(held, 4242, false), (parked, 4242, true)]);
}

#[test]
fn nothing_is_told_of_a_session_that_is_not_measured() {
    let _watchdog = Watchdog::new();
    let mut running = Running::start(&Flat::with_files(&["a"]), 1, Config::default());
    running.lookup("a");
    assert!(running.session.metrics().is_none());
    running.stop();
}
