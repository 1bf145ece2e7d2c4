//! Locks that the kernel doesn't keep itself: who gets them, who waits, and that nobody waits with a worker or for ever.

mod ends;
mod file_system;
#[path = "../support/mod.rs"]
mod support;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ferrofuse_protocol::abi::{
    bytes_of, fopen, init, lk, release, FileLock, FlushIn, GetattrIn, InterruptIn, LkIn, LkOut, OpenIn, OpenOut,
    ReleaseIn,
};
use ferrofuse_protocol::Opcode;
use ferrofuse_session::{Config, LockKeeper};

use support::flat::Flat;
use support::kernel::{Reply, ROOT};
use support::running::Running;
use support::Watchdog;

const READ: u32 = libc::F_RDLCK as u32;
const WRITE: u32 = libc::F_WRLCK as u32;
const UNLOCK: u32 = libc::F_UNLCK as u32;

fn started(keeper: LockKeeper, workers: usize, config: Config) -> (Running, u64, u64) {
    let flat = Flat::with_files(&["a"]);
    flat.change(|book| book.lock_keeper = keeper);
    let mut running = Running::start(&flat, workers, config);
    let node = running.lookup("a");
    let fh = running.open(node);
    (running, node, fh)
}

fn engine(workers: usize) -> (Running, u64, u64) {
    started(LockKeeper::Engine, workers, Config::default())
}

/// The first ten bytes for a process.
fn arg(fh: u64, owner: u64, r#type: u32) -> LkIn {
    LkIn {
        fh,
        owner,
        lk: FileLock {
            start: 0,
            end: 9,
            r#type,
            pid: owner as u32,
        },
        lk_flags: 0,
        padding: 0,
    }
}

fn flock(fh: u64, owner: u64, r#type: u32) -> LkIn {
    LkIn {
        lk_flags: lk::FLOCK,
        ..arg(fh, owner, r#type)
    }
}

/// The errno of an attempt.
fn set(running: &mut Running, node: u64, arg: &LkIn) -> i32 {
    running.kernel.ask(Opcode::Setlk, node, &[bytes_of(arg)]).errno
}

/// Who has the first ten bytes, 0 for nobody.
fn holder(running: &mut Running, node: u64, fh: u64) -> u32 {
    let found: LkOut = running
        .kernel
        .ask(Opcode::Getlk, node, &[bytes_of(&arg(fh, 999, WRITE))])
        .record();
    if found.lk.r#type == UNLOCK {
        0
    } else {
        found.lk.pid
    }
}

fn wait(running: &mut Running, node: u64, arg: &LkIn) -> u64 {
    running.kernel.send(Opcode::Setlkw, node, &[bytes_of(arg)])
}

fn interrupt(running: &mut Running, unique: u64) {
    running
        .kernel
        .send(Opcode::Interrupt, 0, &[bytes_of(&InterruptIn { unique })]);
}

fn flush(running: &mut Running, node: u64, fh: u64, owner: u64) -> Reply {
    let flush = FlushIn {
        fh,
        lock_owner: owner,
        ..FlushIn::default()
    };
    running.kernel.ask(Opcode::Flush, node, &[bytes_of(&flush)])
}

fn release(running: &mut Running, node: u64, fh: u64, flock_owner: Option<u64>) -> u64 {
    let arg = ReleaseIn {
        fh,
        release_flags: if flock_owner.is_some() {
            release::FLOCK_UNLOCK
        } else {
            0
        },
        lock_owner: flock_owner.unwrap_or(0),
        ..ReleaseIn::default()
    };
    running.kernel.send(Opcode::Release, node, &[bytes_of(&arg)])
}

/// Asks something else: with one worker, what was sent before has been looked at then.
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

fn next_two(running: &mut Running) -> [(u64, i32); 2] {
    let mut both = [next(running), next(running)];
    both.sort_unstable();
    both
}

/// Nothing is in flight, nobody is answered twice, and nothing is left.
fn end(mut running: Running) {
    assert!(running.session.wait_idle(Instant::now() + Duration::from_secs(30)));
    assert!(running.kernel.pending().is_none());
    running.stop();
}

#[test]
fn locks_are_asked_for_and_closes_come_only_where_the_file_system_wants_it() {
    let _watchdog = Watchdog::new();
    for (keeper, flags) in [
        (LockKeeper::Kernel, 0),
        (LockKeeper::Engine, init::POSIX_LOCKS | init::FLOCK_LOCKS),
        (LockKeeper::FileSystem, init::POSIX_LOCKS | init::FLOCK_LOCKS),
    ] {
        let (mut running, node, fh) = started(keeper, 1, Config::default());
        assert_eq!(
            u64::from(running.init.flags) & (init::POSIX_LOCKS | init::FLOCK_LOCKS),
            flags
        );
        running.flat.change(|book| book.no_flush = true);
        let opened: OpenOut = running
            .kernel
            .ask(Opcode::Open, node, &[bytes_of(&OpenIn::default())])
            .record();
        let flushes = opened.open_flags & fopen::NOFLUSH == 0;
        assert_eq!(flushes, keeper != LockKeeper::Kernel, "{keeper:?}");
        release(&mut running, node, opened.fh, None);
        release(&mut running, node, fh, None);
        running.kernel.receive();
        running.kernel.receive();
        end(running);
    }
}

#[test]
fn the_kernels_own_locks_are_nobody_elses_business() {
    let _watchdog = Watchdog::new();
    let (mut running, node, fh) = started(LockKeeper::Kernel, 1, Config::default());
    assert_eq!(set(&mut running, node, &arg(fh, 1, WRITE)), libc::ENOSYS);
    let waiting = wait(&mut running, node, &arg(fh, 1, WRITE));
    assert_eq!(next(&mut running), (waiting, libc::ENOSYS));
    end(running);
}

#[test]
fn a_flush_without_a_file_system_that_has_it_ends_locks_and_is_no_enosys() {
    let _watchdog = Watchdog::new();
    let config = Config {
        operations: !(1 << Opcode::Flush.raw()),
        ..Config::default()
    };
    let (mut running, node, fh) = started(LockKeeper::Engine, 1, config);
    assert_eq!(set(&mut running, node, &arg(fh, 1, WRITE)), 0);
    assert_eq!(set(&mut running, node, &arg(fh, 2, WRITE)), libc::EAGAIN);
    assert_eq!(flush(&mut running, node, fh, 3).errno, 0);
    assert_eq!(holder(&mut running, node, fh), 1);
    assert_eq!(flush(&mut running, node, fh, 1).errno, 0);
    assert_eq!(holder(&mut running, node, fh), 0);
    running.flat.get(|book| assert!(book.calls.is_empty()));
    end(running);
}

#[test]
fn many_wait_with_one_worker_and_get_the_lock_in_order() {
    let _watchdog = Watchdog::new();
    let (mut running, node, fh) = engine(1);
    assert_eq!(set(&mut running, node, &arg(fh, 1, WRITE)), 0);
    let waiting: Vec<(u64, u64)> = (2..500)
        .map(|owner| (owner, wait(&mut running, node, &arg(fh, owner, WRITE))))
        .collect();
    is_served(&mut running);
    assert!(running.kernel.pending().is_none());
    // A reply may be here before its request is counted as finished.
    while running.session.in_flight() != waiting.len() as u64 {
        std::thread::yield_now();
    }
    assert!(
        running.flat.leases.load(Ordering::SeqCst) <= 2,
        "who waits keeps no buffers"
    );
    let mut before = 1;
    for (owner, unique) in waiting {
        let unlock = running
            .kernel
            .send(Opcode::Setlk, node, &[bytes_of(&arg(fh, before, UNLOCK))]);
        assert_eq!(next_two(&mut running), [(unique, 0), (unlock, 0)]);
        assert_eq!(holder(&mut running, node, fh), owner as u32);
        before = owner;
    }
    end(running);
}

#[test]
fn a_wait_ends_with_the_holders_flush_or_release() {
    let _watchdog = Watchdog::new();
    let (mut running, node, fh) = engine(2);
    assert_eq!(set(&mut running, node, &arg(fh, 1, WRITE)), 0);
    let waiting = wait(&mut running, node, &arg(fh, 2, READ));
    is_served(&mut running);
    let flush = FlushIn {
        fh,
        lock_owner: 1,
        ..FlushIn::default()
    };
    let flushed = running.kernel.send(Opcode::Flush, node, &[bytes_of(&flush)]);
    assert_eq!(next_two(&mut running), [(waiting, 0), (flushed, 0)]);

    let other = running.open(node);
    assert_eq!(set(&mut running, node, &flock(other, 77, WRITE)), 0);
    let waiting = wait(&mut running, node, &flock(fh, 78, WRITE));
    is_served(&mut running);
    let released = release(&mut running, node, other, Some(77));
    assert_eq!(next_two(&mut running), [(waiting, 0), (released, 0)]);
    end(running);
}

#[test]
fn the_release_of_an_open_file_ends_what_only_it_held() {
    let _watchdog = Watchdog::new();
    let (mut running, node, fh) = engine(1);
    let other = running.open(node);
    // As F_OFD_SETLK does: the kernel tells of no owner in the release.
    assert_eq!(set(&mut running, node, &arg(other, 88, WRITE)), 0);
    assert_eq!(set(&mut running, node, &arg(fh, 1, WRITE)), libc::EAGAIN);
    release(&mut running, node, other, None);
    running.kernel.receive();
    assert_eq!(set(&mut running, node, &arg(fh, 1, WRITE)), 0);
    end(running);
}

#[test]
fn an_interrupt_ends_a_wait_and_the_lock_is_not_had() {
    let _watchdog = Watchdog::new();
    let (mut running, node, fh) = engine(1);
    assert_eq!(set(&mut running, node, &arg(fh, 1, WRITE)), 0);
    let waiting = [2, 3].map(|owner| wait(&mut running, node, &arg(fh, owner, WRITE)));
    interrupt(&mut running, waiting[0]);
    assert_eq!(next(&mut running), (waiting[0], libc::EINTR));
    assert_eq!(flush(&mut running, node, fh, 9).errno, 0);
    let unlock = running
        .kernel
        .send(Opcode::Setlk, node, &[bytes_of(&arg(fh, 1, UNLOCK))]);
    assert_eq!(next_two(&mut running), [(waiting[1], 0), (unlock, 0)]);
    interrupt(&mut running, waiting[1]);
    is_served(&mut running);
    assert_eq!(holder(&mut running, node, fh), 3);
    end(running);
}

#[test]
fn an_interrupt_that_is_faster_than_its_request_finds_it() {
    let _watchdog = Watchdog::new();
    for keeper in [LockKeeper::Engine, LockKeeper::FileSystem] {
        let (mut running, node, fh) = started(keeper, 1, Config::default());
        assert_eq!(set(&mut running, node, &arg(fh, 1, WRITE)), 0);
        // The uniques that the kernel's side gives go up by two.
        let getattr = GetattrIn::default();
        let last = running.kernel.ask(Opcode::Getattr, ROOT, &[bytes_of(&getattr)]).unique;
        interrupt(&mut running, last + 4);
        running.flat.wait(|book| book.interrupted == [last + 4]);
        let waiting = wait(&mut running, node, &arg(fh, 2, WRITE));
        assert_eq!(waiting, last + 4);
        assert_eq!(next(&mut running), (waiting, libc::EINTR));
        end(running);
    }
}

#[test]
fn who_would_wait_for_ever_is_told() {
    let _watchdog = Watchdog::new();
    let (mut running, node, fh) = engine(1);
    let low = |owner| arg(fh, owner, WRITE);
    let high = |owner| LkIn {
        lk: FileLock {
            start: 10,
            end: 19,
            ..arg(fh, owner, WRITE).lk
        },
        ..arg(fh, owner, WRITE)
    };
    assert_eq!(set(&mut running, node, &low(1)), 0);
    assert_eq!(set(&mut running, node, &high(2)), 0);
    let first = wait(&mut running, node, &high(1));
    let second = wait(&mut running, node, &low(2));
    assert_eq!(next(&mut running), (second, libc::EDEADLK));
    assert_eq!(flush(&mut running, node, fh, 9).errno, 0);
    let unlock = running.kernel.send(
        Opcode::Setlk,
        node,
        &[bytes_of(&LkIn {
            lk: FileLock {
                r#type: UNLOCK,
                ..high(2).lk
            },
            ..high(2)
        })],
    );
    assert_eq!(next_two(&mut running), [(first, 0), (unlock, 0)]);
    end(running);
}

#[test]
fn a_waiting_lock_holds_up_no_call_on_its_handle_nor_is_held_up_by_one() {
    let _watchdog = Watchdog::new();
    const HELD: u64 = 1000;
    let (mut running, node, fh) = engine(2);
    assert_eq!(set(&mut running, node, &arg(fh, 1, WRITE)), 0);
    let waiting = wait(&mut running, node, &arg(fh, 2, WRITE));
    let read = running.send_read(node, fh, 0, 1);
    assert_eq!(next(&mut running), (read, 0));
    running.flat.change(|book| book.held = Some(HELD));
    let slow = running.send_read(node, fh, HELD, 1);
    running.flat.wait(|book| book.inside == 1);
    let unlock = running
        .kernel
        .send(Opcode::Setlk, node, &[bytes_of(&arg(fh, 1, UNLOCK))]);
    assert_eq!(next_two(&mut running), [(waiting, 0), (unlock, 0)]);
    running.flat.change(|book| book.held = None);
    assert_eq!(next(&mut running), (slow, 0));
    end(running);
}

#[test]
fn what_is_no_lock_request_is_refused() {
    let _watchdog = Watchdog::new();
    let (mut running, node, fh) = engine(1);
    assert_eq!(set(&mut running, node, &arg(fh + 5, 1, WRITE)), libc::EBADF);
    assert_eq!(set(&mut running, node, &arg(fh, 1, 77)), libc::EINVAL);
    let none = LkIn {
        lk: FileLock {
            start: 9,
            end: 3,
            ..arg(fh, 1, WRITE).lk
        },
        ..arg(fh, 1, WRITE)
    };
    let waiting = wait(&mut running, node, &none);
    assert_eq!(next(&mut running), (waiting, libc::EINVAL));
    let asked = running
        .kernel
        .ask(Opcode::Getlk, node, &[bytes_of(&arg(fh, 1, UNLOCK))]);
    assert_eq!(asked.errno, libc::EINVAL);
    end(running);
}

#[test]
fn a_full_table_says_so_and_gives_up_what_it_has() {
    let _watchdog = Watchdog::new();
    let config = Config {
        max_locks: 1,
        ..Config::default()
    };
    let (mut running, node, fh) = started(LockKeeper::Engine, 1, config);
    assert_eq!(set(&mut running, node, &arg(fh, 1, READ)), 0);
    assert_eq!(set(&mut running, node, &arg(fh, 2, READ)), libc::ENOLCK);
    let first = wait(&mut running, node, &arg(fh, 2, WRITE));
    let second = wait(&mut running, node, &arg(fh, 3, WRITE));
    assert_eq!(next(&mut running), (second, libc::ENOLCK));
    let unlock = running
        .kernel
        .send(Opcode::Setlk, node, &[bytes_of(&arg(fh, 1, UNLOCK))]);
    assert_eq!(next_two(&mut running), [(first, 0), (unlock, 0)]);
    end(running);
}

/// Clients that lock, wait, give up and go, in an order that nobody knows.
#[test]
fn under_load_everybody_is_answered_once_and_no_two_have_the_lock() {
    let _watchdog = Watchdog::new();
    for keeper in [LockKeeper::Engine, LockKeeper::FileSystem] {
        let (mut running, node, fh) = started(keeper, 3, Config::default());
        let mut held: Option<u64> = None;
        let mut asked: std::collections::HashMap<u64, u64> = std::collections::HashMap::new();
        let mut dice: u64 = 88_172_645_463_325_252;
        let mut unlocks = std::collections::HashSet::new();
        let mut owner = 0;
        for _ in 0..3_000 {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            match dice % 4 {
                0 | 1 if asked.len() < 40 => {
                    owner += 1;
                    asked.insert(wait(&mut running, node, &arg(fh, owner, WRITE)), owner);
                }
                2 => {
                    if let Some(&unique) = asked.keys().next() {
                        interrupt(&mut running, unique);
                    }
                }
                _ => {
                    if let Some(owner) = held.take() {
                        let unlock = arg(fh, owner, UNLOCK);
                        unlocks.insert(running.kernel.send(Opcode::Setlk, node, &[bytes_of(&unlock)]));
                    }
                }
            }
            while let Some(reply) = running.kernel.pending() {
                if unlocks.remove(&reply.unique) {
                    assert_eq!(reply.errno, 0);
                    continue;
                }
                let owner = asked.remove(&reply.unique).expect("one answer to each");
                match reply.errno {
                    0 => assert_eq!(held.replace(owner), None, "two have it"),
                    errno => assert_eq!(errno, libc::EINTR),
                }
            }
        }
        while !(asked.is_empty() && unlocks.is_empty()) {
            if let Some(owner) = held.take() {
                let unlock = arg(fh, owner, UNLOCK);
                unlocks.insert(running.kernel.send(Opcode::Setlk, node, &[bytes_of(&unlock)]));
            }
            let reply = running.kernel.receive();
            if !unlocks.remove(&reply.unique) {
                let owner = asked.remove(&reply.unique).expect("one answer to each");
                if reply.errno == 0 {
                    assert_eq!(held.replace(owner), None, "two have it");
                }
            }
        }
        end(running);
    }
}
