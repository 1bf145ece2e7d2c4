//! How the number of workers follows the load.

mod support;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use ferrofuse_protocol::abi::{bytes_of, GetattrIn};
use ferrofuse_protocol::Opcode;
use ferrofuse_session::{Config, Growth};

use support::flat::{Door, Flat};
use support::kernel::ROOT;
use support::running::Running;
use support::Watchdog;

/// Offset of the calls that are held inside the handler.
const HELD: u64 = 1000;

fn growth(instant: usize, most: usize, max_idle: usize) -> Growth {
    Growth {
        least: 2,
        instant,
        most,
        max_idle,
        patience: Duration::from_millis(5),
        window: Duration::from_millis(50),
    }
}

/// A session with one thread, which gets more as it asks for them.
fn started(growth: Growth) -> Running {
    let flat = Flat::with_files(&["free"]);
    flat.change(|book| book.held = Some(HELD));
    let config = Config {
        growth: Some(growth),
        ..Config::default()
    };
    let mut running = Running::start(&flat, 0, config);
    let (session, book): (_, Weak<Flat>) = (Arc::downgrade(&running.session), Arc::downgrade(&flat));
    *flat.spawn.lock().unwrap() = Some(Box::new(move || {
        let (Some(session), Some(flat)) = (session.upgrade(), book.upgrade()) else {
            return false;
        };
        thread::spawn(move || session.serve(&mut Door(flat)).unwrap());
        true
    }));
    running.add_worker();
    running
}

/// Waits until the session has this many workers.
fn has_workers(running: &Running, count: usize) {
    let end = Instant::now() + Duration::from_secs(30);
    while running.session.threads().workers != count {
        assert!(
            Instant::now() < end,
            "{:?} instead of {count}",
            running.session.threads()
        );
        thread::sleep(Duration::from_millis(1));
    }
}

/// Has so many calls inside the handler at once, and lets them go.
fn burst(running: &mut Running, count: usize) {
    running.flat.change(|book| book.held = Some(HELD));
    let node = running.lookup("free");
    let fh = running.open(node);
    for _ in 0..count {
        running.send_read(node, fh, HELD, 1);
    }
    running.flat.wait(|book| book.inside == count);
    running.flat.change(|book| book.held = None);
    for _ in 0..count {
        assert_eq!(running.kernel.receive().errno, 0);
    }
    running.send_release(node, fh);
    assert_eq!(running.kernel.receive().errno, 0);
}

#[test]
fn a_request_is_served_while_all_workers_are_stuck_even_beyond_the_instant_limit() {
    let _watchdog = Watchdog::new();
    let mut running = started(growth(4, 12, 12));
    let node = running.lookup("free");
    let fh = running.open(node);
    for held in 1..=11 {
        running.send_read(node, fh, HELD, 1);
        running.flat.wait(|book| book.inside == held);
        let attributes = running
            .kernel
            .ask(Opcode::Getattr, ROOT, &[bytes_of(&GetattrIn::default())]);
        assert_eq!(attributes.errno, 0, "with {held} workers inside");
    }
    running.flat.change(|book| book.held = None);
    for _ in 0..11 {
        assert_eq!(running.kernel.receive().errno, 0);
    }
    running.send_release(node, fh);
    assert_eq!(running.kernel.receive().errno, 0);
    running.stop();
}

#[test]
fn growth_stops_at_the_most_and_no_more_threads_are_made_than_may_be() {
    let _watchdog = Watchdog::new();
    let mut running = started(growth(6, 6, 6));
    let node = running.lookup("free");
    let fh = running.open(node);
    for _ in 0..9 {
        running.send_read(node, fh, HELD, 1);
    }
    running.flat.wait(|book| book.inside == 6);
    assert_eq!(running.session.threads().workers, 6);
    running.flat.change(|book| book.held = None);
    for _ in 0..9 {
        assert_eq!(running.kernel.receive().errno, 0);
    }
    running.send_release(node, fh);
    assert_eq!(running.kernel.receive().errno, 0);
    assert_eq!(running.session.threads().started, 6);
    running.stop();
}

#[test]
fn idle_workers_above_the_limit_end_when_the_mount_is_quiet_and_come_back() {
    let _watchdog = Watchdog::new();
    let mut running = started(growth(8, 8, 3));
    burst(&mut running, 8);
    has_workers(&running, 3);
    burst(&mut running, 8);
    has_workers(&running, 3);
    running.stop();
}

#[test]
fn a_crew_that_has_just_lost_a_worker_grows_again() {
    let _watchdog = Watchdog::new();
    let mut running = started(growth(6, 6, 1));
    for _ in 0..3 {
        burst(&mut running, 6);
        // Requests come all the time, so that those who are too many leave one by one, while the reserve sleeps.
        while running.session.threads().workers == 6 {
            let attributes = running
                .kernel
                .ask(Opcode::Getattr, ROOT, &[bytes_of(&GetattrIn::default())]);
            assert_eq!(attributes.errno, 0);
        }
    }
    burst(&mut running, 6);
    running.stop();
}

#[test]
fn two_workers_stay_however_few_may_be_idle() {
    let _watchdog = Watchdog::new();
    let mut running = started(growth(5, 5, 1));
    burst(&mut running, 5);
    has_workers(&running, 2);
    burst(&mut running, 1);
    running.stop();
}

#[test]
fn a_load_that_comes_and_goes_makes_no_threads() {
    let _watchdog = Watchdog::new();
    let mut running = started(Growth {
        window: Duration::from_secs(60),
        ..growth(8, 8, 1)
    });
    burst(&mut running, 8);
    let started = running.session.threads().started;
    for _ in 0..100 {
        burst(&mut running, 8);
        burst(&mut running, 1);
    }
    assert_eq!(running.session.threads().started, started);
    running.stop();
}

#[test]
fn a_file_system_that_answers_gets_no_threads_beyond_the_instant_limit() {
    let _watchdog = Watchdog::new();
    let mut running = started(growth(2, 16, 16));
    let end = Instant::now() + Duration::from_millis(200);
    while Instant::now() < end {
        for _ in 0..32 {
            running
                .kernel
                .send(Opcode::Getattr, ROOT, &[bytes_of(&GetattrIn::default())]);
        }
        for _ in 0..32 {
            assert_eq!(running.kernel.receive().errno, 0);
        }
    }
    assert!(
        running.session.threads().workers <= 4,
        "{:?}",
        running.session.threads()
    );
    running.stop();
}

#[test]
fn a_session_without_more_threads_goes_on_with_those_it_has_and_asks_again() {
    let _watchdog = Watchdog::new();
    let mut running = started(growth(4, 4, 4));
    // Two workers and the reserve.
    while running.session.threads().started < 3 {
        thread::yield_now();
    }
    let spawn = running.flat.spawn.lock().unwrap().replace(Box::new(|| false));
    // The reserve that is there works; who comes after it is refused.
    burst(&mut running, 3);
    assert_eq!(running.session.threads().workers, 3);
    *running.flat.spawn.lock().unwrap() = spawn;
    while running.session.threads().started < 4 {
        burst(&mut running, 1);
    }
    burst(&mut running, 4);
    running.stop();
}

#[test]
fn a_worker_without_memory_tries_again_and_no_others_are_made_for_it() {
    let _watchdog = Watchdog::new();
    let mut running = started(growth(4, 4, 4));
    while running.session.threads().started < 3 || running.flat.leases.load(Ordering::SeqCst) < 2 {
        thread::yield_now();
    }
    let most = running.flat.max_leases.swap(2, Ordering::SeqCst);
    let node = running.lookup("free");
    let fh = running.open(node);
    for _ in 0..2 {
        running.send_read(node, fh, HELD, 1);
    }
    running.flat.wait(|book| book.inside == 2);
    let free = running
        .kernel
        .send(Opcode::Getattr, ROOT, &[bytes_of(&GetattrIn::default())]);
    while !running
        .log
        .lock()
        .unwrap()
        .iter()
        .any(|(_, line)| line.starts_with("one worker less"))
    {
        thread::yield_now();
    }
    running.flat.max_leases.store(most, Ordering::SeqCst);
    assert_eq!(
        running.kernel.receive().unique,
        free,
        "served though both others are stuck"
    );
    assert!(
        running.session.threads().started <= 4,
        "{:?}",
        running.session.threads()
    );
    running.flat.change(|book| book.held = None);
    for _ in 0..2 {
        assert_eq!(running.kernel.receive().errno, 0);
    }
    running.send_release(node, fh);
    assert_eq!(running.kernel.receive().errno, 0);
    running.stop();
}
