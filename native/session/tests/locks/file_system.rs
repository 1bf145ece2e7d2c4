//! A file system that keeps its locks itself: when it is asked, and when again.

use super::*;

#[test]
fn a_file_system_decides_and_is_asked_again_when_its_locks_change() {
    let _watchdog = Watchdog::new();
    let (mut running, node, fh) = started(LockKeeper::FileSystem, 1, Config::default());
    assert_eq!(set(&mut running, node, &arg(fh, 1, WRITE)), 0);
    assert_eq!(set(&mut running, node, &arg(fh, 2, WRITE)), libc::EAGAIN);
    assert_eq!(holder(&mut running, node, fh), 1);
    let waiting = [2, 3].map(|owner| wait(&mut running, node, &arg(fh, owner, WRITE)));
    is_served(&mut running);
    // Elsewhere, of which the engine knows nothing.
    running.flat.change(|book| book.locked = None);
    is_served(&mut running);
    assert!(running.kernel.pending().is_none());
    running.session.locks_changed();
    assert_eq!(next(&mut running), (waiting[0], 0));
    let flushed = running.kernel.send(
        Opcode::Flush,
        node,
        &[bytes_of(&FlushIn {
            fh,
            lock_owner: 2,
            ..FlushIn::default()
        })],
    );
    assert_eq!(next_two(&mut running), [(waiting[1], 0), (flushed, 0)]);
    release(&mut running, node, fh, Some(3));
    running.kernel.receive();
    running.flat.get(|book| {
        assert_eq!(book.locked, None);
        let last = &book.calls[book.calls.len() - 4..];
        assert_eq!(last, ["unlock", "lock", "unlock", "release"], "{:?}", book.calls);
    });
    end(running);
}

#[test]
fn a_lock_dropped_while_the_file_system_refuses_it_is_not_missed() {
    let _watchdog = Watchdog::new();
    let (mut running, node, fh) = started(LockKeeper::FileSystem, 2, Config::default());
    assert_eq!(set(&mut running, node, &arg(fh, 1, WRITE)), 0);
    running.flat.change(|book| book.held = Some(2));
    let waiting = wait(&mut running, node, &arg(fh, 2, WRITE));
    running.flat.wait(|book| book.inside == 1);
    assert_eq!(set(&mut running, node, &arg(fh, 1, UNLOCK)), 0);
    running.flat.change(|book| book.held = None);
    assert_eq!(next(&mut running), (waiting, 0));
    end(running);
}

#[test]
fn a_file_system_is_not_asked_again_while_nothing_changes() {
    let _watchdog = Watchdog::new();
    let (mut running, node, fh) = started(LockKeeper::FileSystem, 1, Config::default());
    assert_eq!(set(&mut running, node, &flock(fh, 1, WRITE)), 0);
    let waiting = [
        wait(&mut running, node, &flock(fh, 2, WRITE)),
        wait(&mut running, node, &flock(fh, 3, READ)),
    ];
    is_served(&mut running);
    is_served(&mut running);
    running.flat.get(|book| assert_eq!(book.calls, ["lock"; 3]));
    for unique in waiting {
        interrupt(&mut running, unique);
        assert_eq!(next(&mut running), (unique, libc::EINTR));
    }
    end(running);
}

#[test]
fn an_interrupt_while_the_file_system_refuses_is_not_missed() {
    let _watchdog = Watchdog::new();
    let (mut running, node, fh) = started(LockKeeper::FileSystem, 2, Config::default());
    assert_eq!(set(&mut running, node, &arg(fh, 1, WRITE)), 0);
    running.flat.change(|book| book.held = Some(2));
    let waiting = wait(&mut running, node, &arg(fh, 2, WRITE));
    running.flat.wait(|book| book.inside == 1);
    interrupt(&mut running, waiting);
    running.flat.wait(|book| book.interrupted == [waiting]);
    running.flat.change(|book| book.held = None);
    assert_eq!(next(&mut running), (waiting, libc::EINTR));
    end(running);
}

#[test]
fn a_file_systems_lock_that_has_no_range_never_reaches_the_kernel() {
    let _watchdog = Watchdog::new();
    let (mut running, node, fh) = started(LockKeeper::FileSystem, 1, Config::default());
    assert_eq!(set(&mut running, node, &arg(fh, u64::MAX, WRITE)), 0);
    let asked = running.kernel.ask(Opcode::Getlk, node, &[bytes_of(&arg(fh, 1, WRITE))]);
    assert_eq!(asked.errno, libc::EIO);
    end(running);
}
