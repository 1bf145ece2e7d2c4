//! What becomes of those who wait, and of what is held, when the session, the connection or a handle ends.

use super::*;

#[test]
fn the_end_of_the_session_answers_everybody_who_waits() {
    let _watchdog = Watchdog::new();
    for keeper in [LockKeeper::Engine, LockKeeper::FileSystem] {
        let (mut running, node, fh) = started(keeper, 3, Config::default());
        assert_eq!(set(&mut running, node, &arg(fh, 1, WRITE)), 0);
        let waiting: Vec<u64> = (2..50)
            .map(|owner| wait(&mut running, node, &arg(fh, owner, WRITE)))
            .collect();
        while running.session.in_flight() != waiting.len() as u64 {
            std::thread::yield_now();
        }
        assert!(!running.session.wait_idle(Instant::now() + Duration::from_millis(20)));
        let mut kernel = running.kernel.replace();
        running.session.stop();
        let mut answered: Vec<u64> = waiting
            .iter()
            .map_while(|_| kernel.within(10_000))
            .inspect(|reply| assert_eq!(reply.errno, libc::ECONNABORTED))
            .map(|reply| reply.unique)
            .collect();
        answered.sort_unstable();
        assert_eq!(answered, waiting);
        running.finish();
    }
}

#[test]
fn a_drain_ends_all_waits_and_goes_on_serving() {
    let _watchdog = Watchdog::new();
    for keeper in [LockKeeper::Engine, LockKeeper::FileSystem] {
        let (mut running, node, fh) = started(keeper, 2, Config::default());
        assert_eq!(set(&mut running, node, &arg(fh, 1, WRITE)), 0);
        let waiting = [2, 3].map(|owner| wait(&mut running, node, &arg(fh, owner, WRITE)));
        while running.session.in_flight() != 2 {
            std::thread::yield_now();
        }
        assert!(running.session.drain(Instant::now() + Duration::from_secs(30)));
        assert_eq!(
            next_two(&mut running),
            waiting.map(|unique| (unique, libc::ECONNABORTED))
        );
        let late = wait(&mut running, node, &arg(fh, 4, WRITE));
        assert_eq!(next(&mut running), (late, libc::ECONNABORTED));
        assert_eq!(holder(&mut running, node, fh), 1);
        assert_eq!(set(&mut running, node, &arg(fh, 1, UNLOCK)), 0);
        let free = wait(&mut running, node, &arg(fh, 4, WRITE));
        assert_eq!(next(&mut running), (free, 0));
        end(running);
    }
}

#[test]
fn a_connection_that_is_cut_leaves_nobody_behind() {
    let _watchdog = Watchdog::new();
    let (mut running, node, fh) = engine(2);
    assert_eq!(set(&mut running, node, &arg(fh, 1, WRITE)), 0);
    for owner in 2..20 {
        wait(&mut running, node, &arg(fh, owner, WRITE));
    }
    drop(running.kernel.replace());
    running.finish();
}

#[test]
fn a_handle_that_ends_though_somebody_waits_by_it_ends_the_wait() {
    let _watchdog = Watchdog::new();
    for keeper in [LockKeeper::Engine, LockKeeper::FileSystem] {
        let (mut running, node, fh) = started(keeper, 1, Config::default());
        let other = running.open(node);
        assert_eq!(set(&mut running, node, &arg(fh, 1, WRITE)), 0);
        let waiting = wait(&mut running, node, &arg(other, 2, WRITE));
        is_served(&mut running);
        let released = release(&mut running, node, other, None);
        assert_eq!(next_two(&mut running), [(waiting, libc::EBADF), (released, 0)]);
        end(running);
    }
}

/// As no kernel does, which keeps a file open while somebody locks it.
#[test]
fn a_lock_request_that_meets_the_release_of_its_handle_leaves_nothing_behind() {
    let _watchdog = Watchdog::new();
    for keeper in [LockKeeper::Engine, LockKeeper::FileSystem] {
        let (mut running, node, fh) = started(keeper, 3, Config::default());
        running.flat.change(|book| book.disordered = true);
        for round in 0..2_000 {
            let other = running.open(node);
            let contended = round % 2 == 0;
            if contended {
                assert_eq!(set(&mut running, node, &arg(fh, 1, WRITE)), 0);
            }
            let mut expected = std::collections::HashSet::from([
                release(&mut running, node, other, None),
                wait(&mut running, node, &arg(other, 2, WRITE)),
                running
                    .kernel
                    .send(Opcode::Setlk, node, &[bytes_of(&flock(other, 3, READ))]),
            ]);
            while !expected.is_empty() {
                let (unique, _) = next(&mut running);
                assert!(expected.remove(&unique), "{unique} is answered once");
            }
            if contended {
                assert_eq!(set(&mut running, node, &arg(fh, 1, UNLOCK)), 0);
            }
            if keeper == LockKeeper::Engine {
                assert_eq!(holder(&mut running, node, fh), 0, "round {round}");
                assert_eq!(set(&mut running, node, &flock(fh, 1, WRITE)), 0, "round {round}");
                assert_eq!(set(&mut running, node, &flock(fh, 1, UNLOCK)), 0);
            }
            running.flat.change(|book| book.locked = None);
        }
        end(running);
    }
}
