use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::thread;

use proptest::prelude::*;

use super::*;

const ROOT_KEY: Key = Key(77);

fn nodes(max: u32) -> Nodes {
    with_log(max, Arc::new(|_, _| {}))
}

fn with_log(max: u32, sink: crate::log::Sink) -> Nodes {
    Nodes::new(
        Region::anonymous(Nodes::bytes(max)).unwrap(),
        ROOT_KEY,
        Naming::Slots,
        Arc::new(Log::new(sink)),
    )
}

#[test]
fn the_root_is_node_one_and_can_not_be_forgotten() {
    let nodes = nodes(4);
    assert_eq!(nodes.key(NodeId(1)), Some(ROOT_KEY));
    assert_eq!(nodes.acquire(ROOT_KEY), Ok(NodeId(1)));
    assert_eq!(nodes.forget(NodeId(1), u64::MAX), None);
    assert_eq!(nodes.key(NodeId(1)), Some(ROOT_KEY));
}

#[test]
fn a_node_is_gone_when_the_last_reference_is_and_reports_all_entries_handed_out() {
    let nodes = nodes(4);
    let id = nodes.acquire(Key(5)).unwrap();
    assert_eq!(nodes.acquire(Key(5)), Ok(id));
    assert_eq!(nodes.forget(id, 1), None);
    assert_eq!(nodes.acquire(Key(5)), Ok(id));
    assert_eq!(nodes.key(id), Some(Key(5)));
    assert_eq!(nodes.forget(id, 2), Some((Key(5), 3)));
    assert_eq!(nodes.key(id), None);
}

#[test]
fn the_type_of_a_node_is_known_as_long_as_the_node() {
    let nodes = nodes(4);
    assert!(nodes.may_be(NodeId(1), libc::S_IFDIR));
    assert!(!nodes.may_be(NodeId(1), libc::S_IFREG), "the root is a directory");
    let id = nodes.acquire(Key(5)).unwrap();
    assert_eq!(nodes.kind(id), None);
    assert!(nodes.may_be(id, libc::S_IFIFO), "nobody was told another one");
    nodes.note_kind(id, libc::S_IFREG);
    assert_eq!(nodes.kind(id), Some(libc::S_IFREG));
    assert!(!nodes.may_be(id, libc::S_IFIFO));
    nodes.forget(id, 1);
    assert_eq!(nodes.kind(id), None);
    let next = nodes.acquire(Key(6)).unwrap();
    assert_eq!(nodes.kind(next), None, "the slot's last node is forgotten");
}

#[test]
fn a_node_that_comes_back_has_another_nodeid() {
    let nodes = nodes(4);
    let first = nodes.acquire(Key(5)).unwrap();
    nodes.forget(first, 1);
    let second = nodes.acquire(Key(5)).unwrap();
    assert_ne!(first, second);
    assert_eq!(nodes.forget(first, 1), None, "the old name drops nothing");
    assert_eq!(nodes.key(second), Some(Key(5)));
}

#[test]
fn counts_and_nodeids_that_the_kernel_can_not_have_are_survived_and_logged() {
    let lines = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&lines);
    let nodes = with_log(
        4,
        Arc::new(move |_, _| {
            count.fetch_add(1, Ordering::Relaxed);
        }),
    );
    let id = nodes.acquire(Key(5)).unwrap();
    assert_eq!(nodes.forget(id, 1000), Some((Key(5), 1)));
    for id in [0, 2, id.0, u64::MAX] {
        assert_eq!(nodes.forget(NodeId(id), 1), None);
        assert_eq!(nodes.key(NodeId(id)), None);
    }
    assert_eq!(lines.load(Ordering::Relaxed), 2, "one line for each kind of failure");
}

#[test]
fn a_full_table_refuses_new_nodes_only() {
    let nodes = nodes(2);
    let id = nodes.acquire(Key(5)).unwrap();
    assert_eq!(nodes.acquire(Key(6)), Err(Full));
    assert_eq!(nodes.acquire(Key(5)), Ok(id));
    assert_eq!(nodes.forget(id, 2), Some((Key(5), 2)));
    assert!(nodes.acquire(Key(6)).is_ok());
}

#[test]
fn the_index_is_rebuilt_from_the_region() {
    let nodes = nodes(16);
    let ids: Vec<NodeId> = (100..110).map(|key| nodes.acquire(Key(key)).unwrap()).collect();
    nodes.forget(ids[3], 1);
    let adopted = Nodes::new(nodes.arena.into_region(), ROOT_KEY, Naming::Slots, nodes.log);
    assert_eq!(adopted.key(NodeId(1)), Some(ROOT_KEY));
    assert_eq!(adopted.acquire(Key(104)), Ok(ids[4]));
    assert_eq!(adopted.key(ids[3]), None);
    assert_eq!(adopted.forget(ids[4], 2), Some((Key(104), 2)));
}

/// The file system's own count of a key goes up with each lookup and down with each forget; whatever the order of
/// lookups and forgets on several workers, it ends at zero when the kernel holds nothing.
#[test]
fn racing_lookups_and_forgets_report_each_entry_exactly_once() {
    const KEYS: usize = 3;
    let nodes = nodes(64);
    let handed_out: [AtomicU64; KEYS] = Default::default();
    let forgotten: [AtomicU64; KEYS] = Default::default();
    thread::scope(|scope| {
        for worker in 0..4_usize {
            let (nodes, handed_out, forgotten) = (&nodes, &handed_out, &forgotten);
            scope.spawn(move || {
                for round in 0..20_000 {
                    let key = (round + worker) % KEYS;
                    handed_out[key].fetch_add(1, Ordering::Relaxed);
                    let id = nodes.acquire(Key(key as u64)).unwrap();
                    assert_eq!(nodes.key(id), Some(Key(key as u64)), "held, so known");
                    if let Some((gone, count)) = nodes.forget(id, 1) {
                        forgotten[gone.0 as usize].fetch_add(count, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    for key in 0..KEYS {
        assert_eq!(
            handed_out[key].load(Ordering::Relaxed),
            forgotten[key].load(Ordering::Relaxed),
            "key {key}"
        );
    }
    assert_eq!(nodes.arena.in_use().count(), 1, "the root alone is left");
}

/// One slot that changes hands all the time: whoever asks for a nodeid gets its own key or none.
#[test]
fn a_nodeid_never_shows_the_key_of_its_slots_next_user() {
    let nodes = nodes(2);
    let latest = Mutex::new((NodeId(0), 0));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let (id, key) = *latest.lock();
                    for _ in 0..50 {
                        let found = nodes.key(id);
                        assert!(found.is_none() || found == Some(Key(key)), "{id}: {found:?} for {key}");
                    }
                }
            });
        }
        for key in 100..200_100 {
            let id = nodes.acquire(Key(key)).unwrap();
            *latest.lock() = (id, key);
            assert_eq!(nodes.forget(id, 1), Some((Key(key), 1)));
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[derive(Clone, Debug)]
enum Step {
    Lookup {
        key: u64,
    },
    /// Of the n-th nodeid ever handed out, whether or not the kernel still holds it.
    Forget {
        nth: usize,
        count: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..12_u64).prop_map(|key| Step::Lookup { key }),
        (0..64_usize, 0..4_u64).prop_map(|(nth, count)| Step::Forget { nth, count }),
    ]
}

proptest! {
    #[test]
    fn any_sequence_counts_like_a_plain_map(steps in prop::collection::vec(step(), 1..200)) {
        let nodes = nodes(8);
        // nodeid -> (key, held, handed out) of the nodes the kernel holds.
        let mut model: HashMap<u64, (u64, u64, u64)> = HashMap::new();
        let mut ever: Vec<NodeId> = Vec::new();
        for step in steps {
            match step {
                Step::Lookup { key } => {
                    let known = model.iter().find(|(_, node)| node.0 == key).map(|(&id, _)| id);
                    match nodes.acquire(Key(key)) {
                        Ok(id) => {
                            match known {
                                Some(before) => prop_assert_eq!(before, id.0),
                                None => prop_assert!(!ever.contains(&id), "{:?} was given out before", id),
                            }
                            let node = model.entry(id.0).or_insert((key, 0, 0));
                            node.1 += 1;
                            node.2 += 1;
                            ever.push(id);
                        }
                        Err(Full) => prop_assert!(known.is_none() && model.len() == 7),
                    }
                }
                Step::Forget { nth, count } => {
                    let Some(&id) = ever.get(nth) else { continue };
                    let expected = model.get_mut(&id.0).and_then(|node| {
                        node.1 = node.1.saturating_sub(count);
                        (node.1 == 0).then_some((Key(node.0), node.2))
                    });
                    if expected.is_some() {
                        model.remove(&id.0);
                    }
                    prop_assert_eq!(nodes.forget(id, count), expected);
                }
            }
            for &id in &ever {
                prop_assert_eq!(nodes.key(id), model.get(&id.0).map(|node| Key(node.0)));
            }
        }
    }
}

#[test]
fn where_handles_outlive_nodes_a_key_is_its_own_nodeid() {
    let region = Region::anonymous(Nodes::bytes(4)).unwrap();
    let nodes = Nodes::new(region, ROOT_KEY, Naming::Keys, Arc::new(Log::new(Arc::new(|_, _| {}))));
    assert_eq!(nodes.key(NodeId(1)), Some(ROOT_KEY));
    assert_eq!(nodes.acquire(ROOT_KEY), Ok(NodeId(1)));
    assert_eq!(nodes.acquire(Key(1)), Ok(NodeId(ROOT_KEY.0)), "they change places");
    assert_eq!(nodes.key(NodeId(ROOT_KEY.0)), Some(Key(1)));
    for stay in 1..3 {
        assert_eq!(nodes.acquire(Key(5)), Ok(NodeId(5)));
        assert_eq!(nodes.acquire(Key(5)), Ok(NodeId(5)));
        nodes.note_kind(NodeId(5), libc::S_IFREG);
        assert!(!nodes.may_be(NodeId(5), libc::S_IFDIR), "stay {stay}");
        assert_eq!(nodes.forget(NodeId(5), 1), None);
        assert_eq!(nodes.key(NodeId(5)), Some(Key(5)));
        assert_eq!(nodes.forget(NodeId(5), 1), Some((Key(5), 2)), "stay {stay}");
        assert_eq!(nodes.key(NodeId(5)), None);
        assert_eq!(nodes.key_of_handle(NodeId(5)), Some(Key(5)));
        assert_eq!(nodes.forget(NodeId(5), 1), None, "again");
    }
}

#[test]
fn what_is_told_of_a_node_names_it_as_its_entry_did() {
    for naming in [Naming::Slots, Naming::Keys] {
        let nodes = Nodes::new(
            Region::anonymous(Nodes::bytes(4)).unwrap(),
            ROOT_KEY,
            naming,
            Arc::new(Log::new(Arc::new(|_, _| {}))),
        );
        for key in [ROOT_KEY, Key(500), Key(ROOT)] {
            let entry = nodes.acquire(key).unwrap();
            assert_eq!(nodes.nodeid(key), Some(entry), "{naming:?} {key:?}");
        }
        assert_eq!(nodes.nodeid(Key(9)), None);
    }
}

#[test]
fn a_nodeid_of_a_slot_says_nothing_once_its_node_is_forgotten() {
    let nodes = nodes(4);
    let id = nodes.acquire(Key(5)).unwrap();
    assert_eq!(nodes.key_of_handle(id), Some(Key(5)));
    nodes.forget(id, 1);
    assert_eq!(nodes.key_of_handle(id), None);
}
