use std::collections::VecDeque;
use std::sync::atomic::AtomicU32;
use std::thread;

use proptest::prelude::*;

use super::*;

const FH: Fh = Fh(3 << 32 | 5);

fn gate(concurrency: Concurrency) -> Gate<u32> {
    let gate = Gate::new(16);
    gate.open(FH, concurrency);
    gate
}

fn admitted(entry: Entry) -> Pass {
    match entry {
        Entry::Admitted(pass) => pass,
        other => panic!("{other:?}"),
    }
}

fn leave(gate: &Gate<u32>, pass: Pass) -> Vec<(Pass, u32)> {
    let mut runnable = Vec::new();
    gate.leave(pass, |pass, request| runnable.push((pass, request)));
    runnable
}

#[test]
fn a_serialized_handle_lets_one_call_in() {
    let gate = gate(Concurrency::Serialized);
    let first = admitted(gate.try_enter(FH, Access::Shared));
    assert_eq!(gate.try_enter(FH, Access::Shared), Entry::Busy);
    assert_eq!(gate.park(FH, Access::Shared, 1), Parked::Waits);
    assert_eq!(gate.park(FH, Access::Exclusive, 2), Parked::Waits);
    let mut runnable = leave(&gate, first);
    assert_eq!(runnable.len(), 1);
    let (second, request) = runnable.pop().unwrap();
    assert_eq!(request, 1);
    assert_eq!(leave(&gate, second)[0].1, 2);
}

#[test]
fn shared_reads_overlap_and_a_waiting_write_keeps_later_reads_out() {
    let gate = gate(Concurrency::SharedReads);
    let first = admitted(gate.try_enter(FH, Access::Shared));
    let second = admitted(gate.try_enter(FH, Access::Shared));
    assert_eq!(gate.park(FH, Access::Exclusive, 1), Parked::Waits);
    assert_eq!(gate.try_enter(FH, Access::Shared), Entry::Busy);
    assert_eq!(gate.park(FH, Access::Shared, 2), Parked::Waits);
    assert_eq!(gate.park(FH, Access::Shared, 3), Parked::Waits);
    assert_eq!(leave(&gate, first), []);
    let mut write = leave(&gate, second);
    assert_eq!(write.len(), 1);
    let reads: Vec<u32> = leave(&gate, write.pop().unwrap().0)
        .into_iter()
        .map(|(_, request)| request)
        .collect();
    assert_eq!(reads, [2, 3], "both reads at once");
}

#[test]
fn a_concurrent_release_waits_for_the_calls_that_are_in_and_nothing_enters_after_it() {
    let gate = gate(Concurrency::Concurrent);
    let calls =
        [Access::Shared, Access::Exclusive, Access::Exclusive].map(|access| admitted(gate.try_enter(FH, access)));
    assert_eq!(gate.try_enter(FH, Access::Last), Entry::Busy);
    assert_eq!(gate.park(FH, Access::Last, 9), Parked::Waits);
    assert_eq!(gate.try_enter(FH, Access::Shared), Entry::Closed);
    let [first, second, third] = calls;
    assert_eq!(leave(&gate, first), []);
    assert_eq!(leave(&gate, second), []);
    let runnable = leave(&gate, third);
    assert_eq!(runnable.len(), 1);
    assert!(runnable[0].0.is_last());
    assert_eq!(runnable[0].1, 9);
    assert_eq!(gate.close(Slot(4)).count(), 0);
}

#[test]
fn a_request_whose_rivals_left_before_it_was_parked_runs_at_once() {
    for concurrency in [
        Concurrency::Serialized,
        Concurrency::SharedReads,
        Concurrency::Concurrent,
    ] {
        let gate = gate(concurrency);
        let first = admitted(gate.try_enter(FH, Access::Exclusive));
        assert_eq!(gate.try_enter(FH, Access::Last), Entry::Busy);
        assert_eq!(leave(&gate, first), []);
        assert!(matches!(gate.park(FH, Access::Last, 1), Parked::Admitted(pass, 1) if pass.is_last()));
    }
}

#[test]
fn a_closed_handle_admits_nobody_and_gives_back_who_waited() {
    for concurrency in [Concurrency::Serialized, Concurrency::SharedReads] {
        let gate = gate(concurrency);
        let last = admitted(gate.try_enter(FH, Access::Last));
        assert_eq!(gate.park(FH, Access::Shared, 7), Parked::Waits);
        assert_eq!(gate.close(last.slot).collect::<Vec<_>>(), [7]);
        assert_eq!(gate.try_enter(FH, Access::Shared), Entry::Closed);
        assert_eq!(gate.park(FH, Access::Shared, 8), Parked::Closed(8));
    }
}

#[test]
fn the_next_handle_in_a_slot_is_not_entered_by_the_old_name() {
    let gate = gate(Concurrency::Concurrent);
    let last = admitted(gate.try_enter(FH, Access::Last));
    assert_eq!(gate.close(last.slot).count(), 0);
    let next = Fh(FH.0 + (1 << 32));
    gate.open(next, Concurrency::Concurrent);
    assert_eq!(gate.try_enter(FH, Access::Shared), Entry::Closed);
    let pass = admitted(gate.try_enter(next, Access::Shared));
    assert_eq!(leave(&gate, pass), []);
    for fh in [0, 1, 17, 5000, u64::MAX] {
        assert_eq!(gate.try_enter(Fh(fh), Access::Shared), Entry::Closed, "{fh:#x}");
    }
}

/// Two counters that only agree if exclusive calls are alone, hammered from several threads; every request runs once.
#[test]
fn exclusive_calls_are_alone_whatever_the_threads_do() {
    for concurrency in [Concurrency::Serialized, Concurrency::SharedReads] {
        let (gate, inside, done) = (gate(concurrency), AtomicU32::new(0), AtomicU32::new(0));
        const WRITER: u32 = 1 << 16;
        let run = |access: Access| {
            let weight = if access == Access::Shared { 1 } else { WRITER };
            let before = inside.fetch_add(weight, Ordering::AcqRel);
            let alone = access == Access::Exclusive || concurrency == Concurrency::Serialized;
            assert!(if alone { before == 0 } else { before < WRITER }, "{before:#x}");
            thread::yield_now();
            inside.fetch_sub(weight, Ordering::AcqRel);
            done.fetch_add(1, Ordering::AcqRel);
        };
        thread::scope(|scope| {
            for worker in 0..4_u32 {
                let (gate, run) = (&gate, &run);
                scope.spawn(move || {
                    for round in 0..3_000 {
                        let shared = (round + worker) % 4 != 0;
                        let access = if shared { Access::Shared } else { Access::Exclusive };
                        let entry = match gate.try_enter(FH, access) {
                            Entry::Admitted(pass) => Some((pass, u32::from(shared))),
                            Entry::Busy => match gate.park(FH, access, u32::from(shared)) {
                                Parked::Waits => None,
                                Parked::Admitted(pass, request) => Some((pass, request)),
                                Parked::Closed(_) => panic!("nobody closes it"),
                            },
                            Entry::Closed => panic!("nobody closes it"),
                        };
                        let mut runnable: VecDeque<_> = entry.into_iter().collect();
                        while let Some((pass, shared)) = runnable.pop_front() {
                            run(if shared == 1 { Access::Shared } else { Access::Exclusive });
                            gate.leave(pass, |pass, request| runnable.push_back((pass, request)));
                        }
                    }
                });
            }
        });
        assert_eq!(done.load(Ordering::Acquire), 12_000);
    }
}

/// Releases race with calls on a concurrent handle: the release runs exactly once, and after every call.
#[test]
fn a_release_of_a_concurrent_handle_runs_once_and_after_all_calls() {
    for _ in 0..500 {
        let (gate, inside, released) = (gate(Concurrency::Concurrent), AtomicU32::new(0), AtomicU32::new(0));
        let finish = |pass: Pass| {
            gate.leave(pass, |pass, _| {
                assert!(pass.is_last());
                assert_eq!(inside.load(Ordering::Acquire), 0);
                released.fetch_add(1, Ordering::AcqRel);
            });
        };
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while let Entry::Admitted(pass) = gate.try_enter(FH, Access::Exclusive) {
                        inside.fetch_add(1, Ordering::AcqRel);
                        inside.fetch_sub(1, Ordering::AcqRel);
                        finish(pass);
                    }
                });
            }
            scope.spawn(|| match gate.try_enter(FH, Access::Last) {
                Entry::Admitted(_) => {
                    released.fetch_add(1, Ordering::AcqRel);
                }
                Entry::Busy => match gate.park(FH, Access::Last, 1) {
                    Parked::Admitted(..) => {
                        released.fetch_add(1, Ordering::AcqRel);
                    }
                    Parked::Waits => {}
                    Parked::Closed(_) => panic!("only one release"),
                },
                Entry::Closed => panic!("only one release"),
            });
        });
        assert_eq!(released.load(Ordering::Acquire), 1);
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Arrive(Access),
    /// The n-th of those that are in leaves.
    Leave(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Arrive(Access::Shared)),
        2 => Just(Step::Arrive(Access::Exclusive)),
        4 => (0..8_usize).prop_map(Step::Leave),
    ]
}

/// The rules, written down plainly: a queue of arrivals, and a set of who is in.
struct Model {
    concurrency: Concurrency,
    inside: Vec<(Access, u32)>,
    waiting: VecDeque<(Access, u32)>,
}

impl Model {
    fn overlap(&self, a: Access, b: Access) -> bool {
        match self.concurrency {
            Concurrency::Serialized => false,
            Concurrency::SharedReads => a == Access::Shared && b == Access::Shared,
            Concurrency::Concurrent => true,
        }
    }

    /// Lets in from the front of the queue whoever overlaps with all who are in; answers who that was.
    fn advance(&mut self) -> Vec<u32> {
        let mut entered = Vec::new();
        while let Some(&(access, request)) = self.waiting.front() {
            if !self.inside.iter().all(|&(other, _)| self.overlap(access, other)) {
                break;
            }
            self.waiting.pop_front();
            self.inside.push((access, request));
            entered.push(request);
        }
        entered
    }
}

proptest! {
    #[test]
    fn any_sequence_admits_as_the_rules_say(
        policy in 0..3_u8,
        steps in prop::collection::vec(step(), 1..100),
    ) {
        let concurrency =
            [Concurrency::Serialized, Concurrency::SharedReads, Concurrency::Concurrent][usize::from(policy)];
        let gate = gate(concurrency);
        let mut model = Model { concurrency, inside: Vec::new(), waiting: VecDeque::new() };
        let mut passes: Vec<(u32, Pass)> = Vec::new();
        for (request, step) in (0_u32..).zip(steps) {
            match step {
                Step::Arrive(access) => {
                    model.waiting.push_back((access, request));
                    let expected = model.advance();
                    match gate.try_enter(FH, access) {
                        Entry::Admitted(pass) => {
                            prop_assert_eq!(expected, [request]);
                            passes.push((request, pass));
                        }
                        Entry::Busy => {
                            prop_assert!(expected.is_empty());
                            prop_assert_eq!(gate.park(FH, access, request), Parked::Waits);
                        }
                        Entry::Closed => prop_assert!(false, "closed"),
                    }
                }
                Step::Leave(nth) => {
                    if passes.is_empty() {
                        continue;
                    }
                    let (leaver, pass) = passes.swap_remove(nth % passes.len());
                    model.inside.retain(|&(_, request)| request != leaver);
                    let runnable: Vec<u32> = {
                        let mut runnable = Vec::new();
                        gate.leave(pass, |pass, request| {
                            passes.push((request, pass));
                            runnable.push(request);
                        });
                        runnable
                    };
                    prop_assert_eq!(runnable, model.advance());
                }
            }
        }
    }
}

#[test]
fn a_request_that_is_withdrawn_lets_those_behind_it_in() {
    let gate = gate(Concurrency::SharedReads);
    let reading = admitted(gate.try_enter(FH, Access::Shared));
    assert_eq!(gate.park(FH, Access::Exclusive, 1), Parked::Waits);
    assert_eq!(gate.park(FH, Access::Shared, 2), Parked::Waits);
    assert_eq!(gate.park(FH, Access::Last, 3), Parked::Waits);
    let withdraw = |wanted: u32| {
        let mut runnable = Vec::new();
        let withdrawn = gate.withdraw(
            |&request| request == wanted,
            |pass, request| runnable.push((pass, request)),
        );
        (withdrawn, runnable)
    };
    assert_eq!(withdraw(3), (None, vec![]), "the release stays");
    assert_eq!(withdraw(4), (None, vec![]));
    let (withdrawn, mut runnable) = withdraw(1);
    assert_eq!(withdrawn, Some(1));
    assert_eq!(withdraw(1), (None, vec![]));
    let (second, request) = runnable.pop().expect("the read ran");
    assert_eq!((request, runnable.len()), (2, 0));
    assert_eq!(leave(&gate, reading), []);
    assert_eq!(leave(&gate, second)[0].1, 3);
    assert_eq!(withdraw(3), (None, vec![]));
}
