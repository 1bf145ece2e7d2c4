use super::*;

use ferrofuse_protocol::abi::{FileLock, LkIn};

const KEY: Key = Key(7);

fn claim(owner: u64, kind: Kind, start: u64, end: u64) -> Claim {
    Claim {
        key: KEY,
        fh: 1000 + owner,
        owner,
        pid: owner as u32,
        kind,
        flock: false,
        start,
        end,
    }
}

fn flock(owner: u64, kind: Kind) -> Claim {
    Claim {
        flock: true,
        ..claim(owner, kind, 0, LAST)
    }
}

fn on(key: u64, claim: Claim) -> Claim {
    Claim { key: Key(key), ..claim }
}

fn table() -> Locks<u64> {
    Locks::new(LockKeeper::Engine, 1 << 10, usize::MAX)
}

/// Sets what has to succeed.
fn hold(locks: &Locks<u64>, claim: Claim) {
    assert_eq!(locks.set(&claim).outcome, Ok(true), "{claim:?}");
}

/// Waits for what is in the way; the request's number stands for it.
fn park(locks: &Locks<u64>, claim: Claim, unique: u64) {
    assert_eq!(locks.set(&claim).outcome, Ok(false), "{claim:?}");
    assert_eq!(locks.wait(&claim, unique, unique).outcome, None, "{claim:?}");
}

fn ready(locks: &Locks<u64>) -> Vec<(u64, Fate)> {
    std::iter::from_fn(|| locks.take_ready()).collect()
}

/// Numbers that look random, the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn kind(&mut self) -> Kind {
        [Kind::Read, Kind::Write, Kind::Unlock][self.below(3) as usize]
    }
}

/// The table as an array of bytes, each with what every owner has on it.
struct Model([[Option<Kind>; OWNERS]; BYTES]);

const OWNERS: usize = 4;
const BYTES: usize = 24;

impl Model {
    fn is_free(&self, claim: &Claim) -> bool {
        self.0[claim.start as usize..=claim.end as usize].iter().all(|byte| {
            byte.iter().enumerate().all(|(owner, held)| {
                owner as u64 == claim.owner
                    || match claim.kind {
                        Kind::Unlock => true,
                        Kind::Read => *held != Some(Kind::Write),
                        Kind::Write => held.is_none(),
                    }
            })
        })
    }

    fn set(&mut self, claim: &Claim) {
        for byte in &mut self.0[claim.start as usize..=claim.end as usize] {
            byte[claim.owner as usize] = Some(claim.kind).filter(|&kind| kind != Kind::Unlock);
        }
    }

    /// Ranges of one owner and kind that are as long as they can be.
    fn count(&self) -> usize {
        let owners = 0..OWNERS;
        let starts = |owner: usize| {
            (0..BYTES).filter(move |&at| {
                let here = self.0[at][owner];
                here.is_some() && (at == 0 || self.0[at - 1][owner] != here)
            })
        };
        owners.map(|owner| starts(owner).count()).sum()
    }
}

#[test]
fn the_table_is_what_a_byte_by_byte_model_says() {
    for seed in 1..=200 {
        let mut dice = Dice(seed * 0x9e37_79b9);
        let mut model = Model([[None; OWNERS]; BYTES]);
        let mut table = Table::new(1 << 10);
        for step in 0..300 {
            let (one, other) = (dice.below(BYTES as u64), dice.below(BYTES as u64));
            let claim = claim(dice.below(OWNERS as u64), dice.kind(), one.min(other), one.max(other));
            let free = model.is_free(&claim);
            assert_eq!(table.is_free(&claim), free, "seed {seed}, step {step}: {claim:?}");
            if free {
                model.set(&claim);
                table.set(&claim).unwrap();
            } else {
                let first = (claim.start..=claim.end)
                    .find(|&at| {
                        !model.is_free(&Claim {
                            start: at,
                            end: at,
                            ..claim
                        })
                    })
                    .unwrap();
                let found = table.first_in_the_way(&claim).unwrap();
                assert!(found.start <= first && first <= found.end, "seed {seed}: {found:?}");
            }
            if dice.below(50) == 0 {
                let owner = dice.below(OWNERS as u64);
                table.drop_owner(KEY, owner);
                model.0.iter_mut().for_each(|byte| byte[owner as usize] = None);
            }
            assert_eq!(
                table.len().1,
                model.count(),
                "seed {seed}, step {step}: not merged, or lost"
            );
        }
        for owner in 0..OWNERS as u64 {
            table.drop_owner(KEY, owner);
        }
        assert_eq!(table.len(), (0, 0), "records leak");
    }
}

#[test]
fn ranges_reach_to_the_end_of_the_file_and_split_and_join_there() {
    let locks = table();
    hold(&locks, claim(1, Kind::Write, 100, LAST));
    assert_eq!(locks.set(&claim(2, Kind::Read, LAST, LAST)).outcome, Ok(false));
    hold(&locks, claim(1, Kind::Unlock, 200, 299));
    hold(&locks, claim(2, Kind::Write, 200, 299));
    assert_eq!(locks.set(&claim(2, Kind::Write, 199, 299)).outcome, Ok(false));
    hold(&locks, claim(2, Kind::Unlock, 0, LAST));
    hold(&locks, claim(1, Kind::Write, 200, 299));
    assert_eq!(locks.state.lock().table.len(), (1, 1));
    hold(&locks, claim(1, Kind::Unlock, 0, LAST));
    assert_eq!(locks.state.lock().table.len(), (0, 0));
}

#[test]
fn requests_that_are_none_are_refused() {
    let arg = |r#type: i32, start, end| LkIn {
        fh: 1,
        owner: 2,
        lk: FileLock {
            start,
            end,
            r#type: r#type as u32,
            pid: 3,
        },
        lk_flags: 0,
        padding: 0,
    };
    for (bad, start, end) in [
        (libc::F_RDLCK, 5, 4),
        (libc::F_WRLCK, 0, LAST + 1),
        (libc::F_UNLCK, u64::MAX, u64::MAX),
        (3, 0, 1),
        (-1, 0, 1),
    ] {
        assert_eq!(Claim::of(KEY, &arg(bad, start, end)), Err(Errno::EINVAL));
    }
    let whole = Claim::of(
        KEY,
        &LkIn {
            lk_flags: lk_flock(),
            ..arg(libc::F_WRLCK, 9, 3)
        },
    );
    assert_eq!(whole.map(|claim| (claim.start, claim.end)), Ok((0, LAST)));
}

fn lk_flock() -> u32 {
    ferrofuse_protocol::abi::lk::FLOCK
}

#[test]
fn posix_and_flock_locks_never_meet() {
    let locks = table();
    hold(&locks, claim(1, Kind::Write, 0, LAST));
    hold(&locks, flock(2, Kind::Write));
    assert_eq!(locks.set(&flock(1, Kind::Read)).outcome, Ok(false));
    assert_eq!(locks.set(&claim(2, Kind::Read, 0, 0)).outcome, Ok(false));
    assert_eq!(locks.flushed(KEY, 2), Woken { outcome: (), ready: 0 });
    assert_eq!(
        locks.set(&flock(1, Kind::Read)).outcome,
        Ok(false),
        "a flush ends no flock lock"
    );
}

#[test]
fn a_full_table_refuses_and_changes_nothing_but_gives_up_always() {
    let locks = Locks::<u64>::new(LockKeeper::Engine, 2, usize::MAX);
    hold(&locks, claim(1, Kind::Write, 0, 9));
    hold(&locks, claim(2, Kind::Write, 20, 29));
    assert_eq!(locks.set(&claim(3, Kind::Read, 50, 50)).outcome, Err(Errno::ENOLCK));
    assert_eq!(
        locks.set(&claim(1, Kind::Unlock, 5, 5)).outcome,
        Err(Errno::ENOLCK),
        "two for one"
    );
    assert_eq!(
        locks.set(&claim(2, Kind::Read, 5, 5)).outcome,
        Ok(false),
        "the whole of it still held"
    );
    hold(&locks, claim(1, Kind::Read, 0, 9));
    hold(&locks, claim(1, Kind::Unlock, 0, LAST));
    hold(&locks, claim(3, Kind::Read, 50, 50));
    assert_eq!(locks.state.lock().table.len().1, 2);
}

#[test]
fn who_waits_gets_the_lock_in_the_order_of_coming() {
    let locks = table();
    hold(&locks, claim(1, Kind::Write, 0, 9));
    for owner in 2..=4 {
        park(&locks, claim(owner, Kind::Write, 0, 9), owner);
    }
    for owner in 1..=3 {
        assert_eq!(locks.set(&claim(owner, Kind::Unlock, 0, 9)).ready, 1);
        assert_eq!(ready(&locks), [(owner + 1, Fate::Granted)]);
        assert_eq!(
            locks.set(&claim(99, Kind::Read, 0, 0)).outcome,
            Ok(false),
            "it is held already"
        );
    }
}

#[test]
fn all_whom_a_downgrade_lets_in_get_their_locks() {
    let locks = table();
    hold(&locks, claim(1, Kind::Write, 0, 9));
    park(&locks, claim(2, Kind::Read, 0, 9), 2);
    park(&locks, claim(3, Kind::Write, 0, 9), 3);
    park(&locks, claim(4, Kind::Read, 5, 5), 4);
    hold(&locks, claim(1, Kind::Read, 0, 9));
    assert_eq!(ready(&locks), [(2, Fate::Granted), (4, Fate::Granted)]);
    for owner in [1, 2] {
        assert_eq!(locks.flushed(KEY, owner).ready, 0);
    }
    assert_eq!(locks.flushed(KEY, 4).ready, 1);
    assert_eq!(ready(&locks), [(3, Fate::Granted)]);
}

#[test]
fn a_waiter_that_gets_less_than_it_has_lets_earlier_ones_in() {
    let locks = table();
    hold(&locks, claim(1, Kind::Write, 0, 9));
    hold(&locks, claim(2, Kind::Write, 20, 29));
    park(&locks, claim(3, Kind::Read, 0, 0), 3);
    park(&locks, claim(1, Kind::Read, 0, 29), 1);
    hold(&locks, claim(2, Kind::Unlock, 20, 29));
    assert_eq!(ready(&locks), [(1, Fate::Granted), (3, Fate::Granted)]);
}

#[test]
fn an_unlock_elsewhere_wakes_nobody() {
    let locks = table();
    hold(&locks, claim(1, Kind::Write, 0, 9));
    hold(&locks, claim(1, Kind::Write, 20, 29));
    hold(&locks, on(8, claim(1, Kind::Write, 0, 9)));
    park(&locks, claim(2, Kind::Write, 5, 5), 2);
    assert_eq!(locks.set(&claim(1, Kind::Unlock, 20, 29)).ready, 0);
    assert_eq!(locks.set(&on(8, claim(1, Kind::Unlock, 0, 9))).ready, 0);
    assert_eq!(locks.set(&claim(1, Kind::Unlock, 3, 7)).ready, 1);
}

#[test]
fn circles_of_any_length_are_deadlocks_and_lines_are_not() {
    let locks = table();
    for owner in 1..=4 {
        hold(&locks, on(owner, claim(owner, Kind::Write, 0, 0)));
    }
    for owner in 1..=3 {
        park(&locks, on(owner + 1, claim(owner, Kind::Write, 0, 0)), owner);
    }
    park(&locks, on(1, claim(9, Kind::Write, 0, 0)), 9);
    let closing = on(1, claim(4, Kind::Read, 0, 0));
    assert_eq!(
        locks.wait(&closing, 4, 4).outcome,
        Some((4, Fate::Failed(Errno::EDEADLK)))
    );
    assert_eq!(ready(&locks), [], "nobody else fails");
    assert_eq!(locks.flushed(Key(4), 4).ready, 1);
    assert_eq!(ready(&locks), [(3, Fate::Granted)]);
}

#[test]
fn two_who_share_and_both_want_it_alone_are_a_deadlock_for_fcntl_only() {
    let locks = table();
    hold(&locks, claim(1, Kind::Read, 0, 9));
    hold(&locks, claim(2, Kind::Read, 0, 9));
    park(&locks, claim(1, Kind::Write, 0, 9), 1);
    let second = claim(2, Kind::Write, 0, 9);
    assert_eq!(
        locks.wait(&second, 2, 2).outcome,
        Some((2, Fate::Failed(Errno::EDEADLK)))
    );

    let locks = table();
    hold(&locks, flock(1, Kind::Read));
    hold(&locks, flock(2, Kind::Read));
    park(&locks, flock(1, Kind::Write), 1);
    assert_eq!(
        locks.set(&flock(2, Kind::Write)),
        Woken {
            outcome: Ok(false),
            ready: 1
        }
    );
    assert_eq!(ready(&locks), [(1, Fate::Granted)], "the second gave its share up");
    assert_eq!(locks.wait(&flock(2, Kind::Write), 2, 2).outcome, None);
    hold(&locks, flock(1, Kind::Unlock));
    assert_eq!(ready(&locks), [(2, Fate::Granted)]);
}

#[test]
fn a_lock_that_was_given_up_between_refusal_and_wait_is_had_at_once() {
    let locks = table();
    hold(&locks, claim(1, Kind::Write, 0, 9));
    let wanted = claim(2, Kind::Write, 0, 9);
    assert_eq!(locks.set(&wanted).outcome, Ok(false));
    hold(&locks, claim(1, Kind::Unlock, 0, 9));
    assert_eq!(locks.wait(&wanted, 2, 2).outcome, Some((2, Fate::Granted)));
}

#[test]
fn an_interrupt_ends_the_wait_and_nobody_elses() {
    let locks = table();
    hold(&locks, claim(1, Kind::Write, 0, 9));
    park(&locks, claim(2, Kind::Write, 0, 9), 2);
    park(&locks, claim(3, Kind::Write, 0, 9), 3);
    assert_eq!(
        locks.interrupt(4),
        Woken {
            outcome: false,
            ready: 0
        }
    );
    assert_eq!(
        locks.interrupt(2),
        Woken {
            outcome: true,
            ready: 1
        }
    );
    assert_eq!(
        locks.interrupt(2),
        Woken {
            outcome: false,
            ready: 0
        }
    );
    assert_eq!(ready(&locks), [(2, Fate::Failed(Errno::EINTR))]);
    assert_eq!(locks.flushed(KEY, 1).ready, 1);
    assert_eq!(ready(&locks), [(3, Fate::Granted)]);
    assert_eq!(
        locks.interrupt(3),
        Woken {
            outcome: false,
            ready: 0
        },
        "it has its lock"
    );
}

#[test]
fn the_end_of_a_handle_ends_what_was_set_through_it_and_who_waits_by_it() {
    let locks = table();
    hold(&locks, claim(1, Kind::Write, 0, 9));
    hold(&locks, flock(5, Kind::Write));
    park(&locks, claim(2, Kind::Write, 0, 9), 2);
    park(&locks, flock(6, Kind::Write), 6);
    assert_eq!(locks.released(KEY, 1002, None).ready, 1);
    assert_eq!(ready(&locks), [(2, Fate::Failed(Errno::EBADF))]);
    assert_eq!(locks.released(KEY, 1001, Some(5)).ready, 1);
    assert_eq!(ready(&locks), [(6, Fate::Granted)]);
    assert_eq!(locks.released(KEY, 1006, None).ready, 0);
    let state = locks.state.lock();
    assert_eq!((state.table.len(), state.waiters, state.waiting.len()), ((0, 0), 0, 0));
}

fn by_file_system() -> Locks<u64> {
    Locks::new(LockKeeper::FileSystem, 2, usize::MAX)
}

#[test]
fn a_request_with_the_number_of_another_that_waits_is_refused() {
    let locks = by_file_system();
    let wanted = claim(1, Kind::Write, 0, 9);
    locks.begins(&wanted, 1).unwrap();
    assert_eq!(
        locks.begins(&wanted, 1),
        Err(Errno::EINVAL),
        "the first is being asked about"
    );
    assert_eq!(locks.wait(&wanted, 1, 1).outcome, None);
    assert_eq!(locks.begins(&wanted, 1), Err(Errno::EINVAL), "the first waits");
    assert_eq!(locks.changed(KEY).ready, 1);
    assert_eq!(ready(&locks), [(1, Fate::Try)]);
    assert_eq!(locks.begins(&wanted, 1), Ok(()));
}

#[test]
fn who_waits_for_a_file_system_tries_again_when_locks_change() {
    let locks = by_file_system();
    let wanted = claim(1, Kind::Write, 0, 9);
    locks.begins(&wanted, 1).unwrap();
    assert_eq!(locks.wait(&wanted, 1, 1).outcome, None);
    assert_eq!(locks.changed(Key(8)).ready, 0);
    assert_eq!(locks.changed(KEY).ready, 1);
    assert_eq!(locks.changed(KEY).ready, 0, "it is on its way");
    assert_eq!(ready(&locks), [(1, Fate::Try)]);
    locks.begins(&wanted, 1).unwrap();
    assert_eq!(locks.all_changed().ready, 0);
    assert_eq!(
        locks.wait(&wanted, 1, 1).outcome,
        Some((1, Fate::Try)),
        "changed since it asked"
    );
    locks.begins(&wanted, 1).unwrap();
    assert_eq!(locks.wait(&wanted, 1, 1).outcome, None);
    assert_eq!(locks.all_changed().ready, 1);
    locks.begins(&wanted, 1).unwrap();
    locks.ends(KEY, 1);
    assert_eq!(locks.state.lock().waiters, 0);
}

#[test]
fn an_interrupt_between_two_tries_is_not_lost() {
    let locks = by_file_system();
    let wanted = claim(1, Kind::Write, 0, 9);
    locks.begins(&wanted, 1).unwrap();
    assert!(!locks.interrupt(1).outcome, "the file system is told");
    assert_eq!(locks.wait(&wanted, 1, 1).outcome, Some((1, Fate::Failed(Errno::EINTR))));

    locks.begins(&wanted, 3).unwrap();
    assert_eq!(locks.wait(&wanted, 3, 3).outcome, None);
    assert_eq!(locks.changed(KEY).ready, 1);
    assert!(!locks.interrupt(3).outcome);
    assert_eq!(locks.begins(&wanted, 3), Err(Errno::EINTR));
    assert_eq!(locks.state.lock().waiters, 0);
}

#[test]
fn no_more_wait_than_there_is_room_for() {
    let locks = by_file_system();
    locks.begins(&claim(1, Kind::Write, 0, 9), 1).unwrap();
    locks.begins(&claim(2, Kind::Write, 0, 9), 2).unwrap();
    assert_eq!(locks.begins(&claim(3, Kind::Write, 0, 9), 3), Err(Errno::ENOLCK));
    let locks = Locks::new(LockKeeper::Engine, 1, usize::MAX);
    hold(&locks, claim(1, Kind::Write, 0, 9));
    park(&locks, claim(2, Kind::Write, 0, 9), 2);
    let third = claim(3, Kind::Write, 0, 9);
    assert_eq!(locks.wait(&third, 3, 3).outcome, Some((3, Fate::Failed(Errno::ENOLCK))));
}

#[test]
fn the_end_takes_everybody_who_waits() {
    let locks = table();
    hold(&locks, claim(1, Kind::Write, 0, 9));
    park(&locks, claim(2, Kind::Write, 0, 9), 2);
    park(&locks, claim(3, Kind::Write, 0, 9), 3);
    assert_eq!(locks.interrupt(3).ready, 1);
    let mut all = locks.take_all();
    all.sort_unstable();
    assert_eq!(all, [2, 3]);
    assert_eq!(ready(&locks), []);
}

#[test]
fn when_waits_end_who_waits_or_would_fails_and_who_has_a_lock_keeps_it() {
    let aborted = Fate::Failed(Errno::ECONNABORTED);
    let locks = table();
    hold(&locks, claim(1, Kind::Write, 0, 9));
    park(&locks, claim(2, Kind::Write, 0, 9), 2);
    park(&locks, claim(3, Kind::Write, 5, 9), 3);
    assert_eq!(locks.end_waits(Errno::ECONNABORTED).ready, 2);
    assert_eq!(
        locks.set(&claim(1, Kind::Unlock, 0, 4)).ready,
        0,
        "who was refused gets nothing"
    );
    assert_eq!(ready(&locks), [(2, aborted), (3, aborted)]);
    let late = claim(4, Kind::Write, 0, 9);
    assert_eq!(locks.wait(&late, 4, 4).outcome, Some((4, aborted)));
    let free = claim(4, Kind::Write, 0, 4);
    assert_eq!(locks.wait(&free, 6, 6).outcome, Some((6, Fate::Granted)));
    assert_eq!(locks.in_the_way(&late).map(|held| held.owner), Some(1));
}

#[test]
fn when_waits_end_a_file_system_that_is_being_asked_may_still_grant() {
    let aborted = Fate::Failed(Errno::ECONNABORTED);
    let locks = by_file_system();
    let (first, second) = (claim(1, Kind::Write, 0, 9), claim(2, Kind::Write, 0, 9));
    locks.begins(&first, 1).unwrap();
    locks.begins(&second, 2).unwrap();
    assert_eq!(locks.wait(&second, 2, 2).outcome, None);
    assert_eq!(locks.changed(KEY).ready, 1);
    assert_eq!(
        locks.end_waits(Errno::ECONNABORTED).ready,
        0,
        "one is asked about, one on its way"
    );
    assert_eq!(locks.wait(&first, 1, 1).outcome, Some((1, aborted)), "it was refused");
    assert_eq!(locks.begins(&second, 2), Err(Errno::ECONNABORTED), "nobody asks again");
    locks.begins(&first, 3).unwrap();
    locks.ends(KEY, 3);
    locks.begins(&first, 5).unwrap();
    assert_eq!(locks.wait(&first, 5, 5).outcome, Some((5, aborted)));
    assert_eq!(locks.state.lock().waiters, 0);
}
