mod model;
mod workload;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::*;

const DIR: Seen = Seen {
    ino: 0,
    nlink: 2,
    mode: libc::S_IFDIR | 0o755,
};
const FILE: Seen = Seen {
    ino: 0,
    nlink: 1,
    mode: libc::S_IFREG | 0o644,
};

fn name(text: &str) -> &Name {
    Name::new(text.as_bytes()).unwrap()
}

fn look_up(paths: &Paths, parent: Key, text: &str, seen: Seen) -> Key {
    let pin = paths.child(0, parent, name(text), &mut [0; 4096]).unwrap();
    pin.found(&seen).key
}

fn path(paths: &Paths, node: Key) -> Result<String, NoPath> {
    let mut out = [0; 4096];
    let pin = paths.path(0, node, &mut out)?;
    Ok(String::from_utf8(out[..pin.len()].to_vec()).unwrap())
}

fn rename(paths: &Paths, from: (Key, &str), to: (Key, &str), exchange: bool) -> Result<(), NoPath> {
    let (mut out, mut new_out) = ([0; 4096], [0; 4096]);
    paths
        .renaming(
            0,
            from.0,
            name(from.1),
            to.0,
            name(to.1),
            exchange,
            &mut out,
            &mut new_out,
        )
        .map(Owned::done)
}

fn unlink(paths: &Paths, parent: Key, text: &str) {
    paths.removal(0, parent, name(text), &mut [0; 4096]).unwrap().done();
}

fn known(paths: &Paths) -> usize {
    paths.state.lock().tree.len()
}

#[test]
fn a_path_is_made_of_the_names_that_lead_to_a_node() {
    let paths = Paths::new();
    assert_eq!(path(&paths, ROOT).as_deref(), Ok("/"));
    let a = look_up(&paths, ROOT, "a", DIR);
    let b = look_up(&paths, a, "b", DIR);
    let c = look_up(&paths, b, "c", FILE);
    assert_eq!(path(&paths, c).as_deref(), Ok("/a/b/c"));
    assert_eq!(look_up(&paths, b, "c", FILE), c, "known by its name");
    assert_eq!(path(&paths, Key(99)), Err(NoPath::Unknown));
}

#[test]
fn a_renamed_directory_takes_everything_below_with_it() {
    let paths = Paths::new();
    let a = look_up(&paths, ROOT, "a", DIR);
    let b = look_up(&paths, a, "b", FILE);
    let x = look_up(&paths, ROOT, "x", DIR);
    rename(&paths, (ROOT, "a"), (x, "y"), false).unwrap();
    assert_eq!(path(&paths, b).as_deref(), Ok("/x/y/b"));
    assert_eq!(
        rename(&paths, (ROOT, "x"), (a, "z"), false),
        Err(NoPath::Below),
        "no directory below itself"
    );
    assert_ne!(look_up(&paths, ROOT, "a", DIR), a, "the old name is free");
}

#[test]
fn a_replaced_file_loses_its_name_and_an_exchange_swaps_two() {
    let paths = Paths::new();
    let [a, b] = ["a", "b"].map(|text| look_up(&paths, ROOT, text, FILE));
    rename(&paths, (ROOT, "a"), (ROOT, "b"), true).unwrap();
    assert_eq!([a, b].map(|node| path(&paths, node).unwrap()), ["/b", "/a"]);
    rename(&paths, (ROOT, "a"), (ROOT, "b"), false).unwrap();
    assert_eq!(path(&paths, b).as_deref(), Ok("/b"));
    assert_eq!(path(&paths, a), Err(NoPath::Nameless));
    rename(&paths, (ROOT, "b"), (ROOT, "b"), false).unwrap();
    assert_eq!(path(&paths, b).as_deref(), Ok("/b"), "onto itself");
}

#[test]
fn a_removed_file_is_nameless_until_forgotten_and_its_name_is_another_file() {
    let paths = Paths::new();
    let a = look_up(&paths, ROOT, "a", FILE);
    unlink(&paths, ROOT, "a");
    assert_eq!(path(&paths, a), Err(NoPath::Nameless));
    assert_ne!(look_up(&paths, ROOT, "a", FILE), a);
    paths.forget(a, 1);
    assert_eq!(path(&paths, a), Err(NoPath::Unknown));
    assert_eq!(known(&paths), 2);
}

#[test]
fn what_is_forgotten_is_freed_with_the_directories_that_only_led_there() {
    let paths = Paths::new();
    let a = look_up(&paths, ROOT, "a", DIR);
    let b = look_up(&paths, a, "b", FILE);
    assert_eq!(look_up(&paths, a, "b", FILE), b);
    paths.forget(a, 1);
    assert_eq!(path(&paths, b).as_deref(), Ok("/a/b"), "still the way to b");
    paths.forget(b, 1);
    assert_eq!(known(&paths), 3, "looked up twice, forgotten once");
    paths.forget(b, 1);
    assert_eq!(known(&paths), 1);
    assert_ne!(look_up(&paths, ROOT, "a", DIR), a, "keys are not used again");
}

#[test]
fn names_of_one_inode_number_and_several_links_are_one_node() {
    let paths = Paths::new();
    let seen = |ino, nlink| Seen { ino, nlink, ..FILE };
    let a = look_up(&paths, ROOT, "a", seen(7, 1));
    let b = look_up(&paths, ROOT, "b", seen(7, 2));
    assert_eq!(a, b);
    assert_ne!(
        look_up(&paths, ROOT, "c", seen(7, 1)),
        a,
        "a single link is another file"
    );
    let pipe = Seen {
        mode: libc::S_IFIFO,
        ..seen(7, 2)
    };
    assert_ne!(look_up(&paths, ROOT, "d", pipe), a, "another type is another file");
    unlink(&paths, ROOT, "a");
    assert_eq!(path(&paths, a).as_deref(), Ok("/b"));
    let directory = Seen { ino: 8, ..DIR };
    assert_ne!(
        look_up(&paths, ROOT, "e", directory),
        look_up(&paths, ROOT, "f", directory),
        "directories have one name"
    );
}

#[test]
fn a_link_made_here_is_one_node_without_inode_numbers() {
    let paths = Paths::new();
    let a = look_up(&paths, ROOT, "a", FILE);
    let made = {
        let pin = paths.child(0, ROOT, name("b"), &mut [0; 4096]).unwrap();
        pin.linked(a).unwrap()
    };
    assert_eq!(
        made,
        Found {
            key: a,
            ino: paths.ino(a)
        }
    );
    assert_eq!(look_up(&paths, ROOT, "b", FILE), a);
    unlink(&paths, ROOT, "a");
    assert_eq!(path(&paths, a).as_deref(), Ok("/b"));
}

#[test]
fn a_name_that_leads_to_another_file_now_is_another_node() {
    let paths = Paths::new();
    let seen = |ino| Seen { ino, ..FILE };
    let a = look_up(&paths, ROOT, "a", seen(1));
    assert_ne!(look_up(&paths, ROOT, "a", seen(2)), a);
    assert_eq!(path(&paths, a), Err(NoPath::Nameless));
    let b = look_up(&paths, ROOT, "b", FILE);
    assert_ne!(look_up(&paths, ROOT, "b", DIR), b);
    let c = look_up(&paths, ROOT, "c", FILE);
    assert_eq!(look_up(&paths, ROOT, "c", seen(5)), c, "a number that comes later");
    assert_eq!(paths.ino(c), 5);
}

#[test]
fn a_name_in_use_is_not_taken_away_by_a_look_up() {
    let paths = Paths::new();
    let a = look_up(&paths, ROOT, "a", FILE);
    let user = paths.path(0, a, &mut [0; 4096]).unwrap();
    let pin = paths.child(0, ROOT, name("a"), &mut [0; 4096]).unwrap();
    pin.absent();
    assert_eq!(pin.found(&DIR).key, a);
    drop(user);
    pin.absent();
    drop(pin);
    assert_eq!(path(&paths, a), Err(NoPath::Nameless));
}

#[test]
fn an_absent_name_that_nothing_was_known_by_takes_nothing_away() {
    let paths = Paths::new();
    let pin = paths.child(0, ROOT, name("a"), &mut [0; 4096]).unwrap();
    let a = look_up(&paths, ROOT, "a", FILE);
    pin.absent();
    assert_eq!(path(&paths, a).as_deref(), Ok("/a"));
}

#[test]
fn a_name_that_others_removed_is_lost_by_its_file_and_not_by_the_next_one() {
    let paths = Paths::new();
    let file = |ino| Seen { ino, ..FILE };
    let old = look_up(&paths, ROOT, "a", file(1));
    paths.vanished(ROOT, name("a"), old);
    assert_eq!(path(&paths, old), Err(NoPath::Nameless));
    let new = look_up(&paths, ROOT, "a", file(2));
    paths.vanished(ROOT, name("a"), old);
    assert_eq!(path(&paths, new).as_deref(), Ok("/a"));
}

#[test]
fn a_path_may_have_4095_bytes() {
    let paths = Paths::new();
    let mut out = [0; 4096];
    let long = "d".repeat(255);
    let mut dir = ROOT;
    for _ in 0..15 {
        dir = look_up(&paths, dir, &long, DIR);
    }
    let most = "f".repeat(254);
    assert_eq!(paths.child(0, dir, name(&most), &mut out).unwrap().len(), MAX_PATH);
    assert_eq!(paths.child(0, dir, name(&long), &mut out).err(), Some(NoPath::TooLong));
    assert_eq!(paths.path(0, dir, &mut [0; 100]).err(), Some(NoPath::TooLong));
}

/// Runs something that is to wait until `release` is called.
fn waits_until(waiting: impl FnOnce() + Send, release: impl FnOnce(), paths: &Paths) {
    let (done, heard) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            waiting();
            done.send(()).unwrap();
        });
        while paths.state.lock().waiting == 0 {
            assert!(heard.try_recv().is_err(), "did not wait");
            thread::yield_now();
        }
        release();
        heard.recv_timeout(Duration::from_secs(10)).expect("released");
    });
}

#[test]
fn a_rename_waits_for_upcalls_below_and_holds_new_ones_back() {
    let paths = Paths::new();
    let a = look_up(&paths, ROOT, "a", DIR);
    let b = look_up(&paths, a, "b", FILE);
    let running = paths.path(0, b, &mut [0; 4096]).unwrap();
    waits_until(
        || rename(&paths, (ROOT, "a"), (ROOT, "z"), false).unwrap(),
        || drop(running),
        &paths,
    );
    let (mut out, mut new_out) = ([0; 4096], [0; 4096]);
    let renaming = paths
        .renaming(0, ROOT, name("z"), ROOT, name("y"), false, &mut out, &mut new_out)
        .unwrap();
    waits_until(
        || assert_eq!(path(&paths, b).as_deref(), Ok("/y/b")),
        || renaming.done(),
        &paths,
    );
    let removing = paths.removal(0, a, name("b"), &mut out).unwrap();
    waits_until(
        || drop(paths.child(0, a, name("b"), &mut [0; 4096])),
        || drop(removing),
        &paths,
    );
    assert_eq!(path(&paths, b).as_deref(), Ok("/y/b"), "not removed after all");
}

#[test]
fn a_link_below_a_directory_that_is_renamed_waits_without_holding_the_rename_up() {
    let paths = Paths::new();
    let a = look_up(&paths, ROOT, "a", DIR);
    let b = look_up(&paths, a, "b", FILE);
    let (mut out, mut new_out) = ([0; 4096], [0; 4096]);
    let running = paths.path(0, b, &mut [0; 4096]).unwrap();
    thread::scope(|scope| {
        let renaming = scope.spawn(|| rename(&paths, (ROOT, "a"), (ROOT, "z"), false));
        while paths.state.lock().waiting == 0 {
            thread::yield_now();
        }
        let linking = scope.spawn(|| {
            let (pin, len) = paths.linking(0, b, a, name("c"), &mut out, &mut new_out).unwrap();
            assert_eq!(pin.linked(b).unwrap().key, b);
            (out[..len].to_vec(), new_out[..pin.len()].to_vec())
        });
        while paths.state.lock().waiting < 2 {
            thread::yield_now();
        }
        drop(running);
        renaming.join().unwrap().unwrap();
        assert_eq!(linking.join().unwrap(), (b"/z/b".to_vec(), b"/z/c".to_vec()));
    });
}

#[test]
fn a_name_is_not_listed_when_its_directory_has_lost_one_since() {
    let paths = Paths::new();
    let (a, losses) = (look_up(&paths, ROOT, "a", FILE), paths.losses(ROOT));
    assert_eq!(
        paths.listed(ROOT, name("a"), &FILE, losses).map(|found| found.key),
        Some(a)
    );
    unlink(&paths, ROOT, "a");
    assert_eq!(paths.listed(ROOT, name("a"), &FILE, losses), None);
    assert!(paths.listed(ROOT, name("a"), &FILE, losses + 1).is_some());
}

#[test]
fn an_interrupted_request_waits_no_longer_and_leaves_nothing_owned() {
    let paths = Paths::new();
    let a = look_up(&paths, ROOT, "a", DIR);
    let b = look_up(&paths, a, "b", FILE);
    let hangs = paths.path(0, b, &mut [0; 4096]).unwrap();
    thread::scope(|scope| {
        let renaming = scope.spawn(|| {
            let (mut out, mut new_out) = ([0; 4096], [0; 4096]);
            let owned = paths.renaming(7, ROOT, name("a"), ROOT, name("z"), false, &mut out, &mut new_out);
            owned.err()
        });
        while paths.state.lock().waiting == 0 {
            thread::yield_now();
        }
        let behind = scope.spawn(|| paths.path(8, b, &mut [0; 4096]).err());
        while paths.state.lock().waiting < 2 {
            thread::yield_now();
        }
        paths.interrupt(8);
        assert_eq!(behind.join().unwrap(), Some(NoPath::Interrupted));
        paths.interrupt(7);
        assert_eq!(renaming.join().unwrap(), Some(NoPath::Interrupted));
    });
    assert_eq!(path(&paths, b).as_deref(), Ok("/a/b"), "nobody owns it");
    drop(hangs);
    rename(&paths, (ROOT, "a"), (ROOT, "z"), false).unwrap();
}

#[test]
fn a_release_waits_for_requests_that_borrow_its_handle() {
    let paths = Paths::new();
    let a = look_up(&paths, ROOT, "a", FILE);
    paths.opened(a, Slot(3));
    unlink(&paths, ROOT, "a");
    paths.forget(a, 1);
    let borrowed = paths.borrow(a).unwrap();
    assert_eq!(borrowed.slot(), Slot(3));
    waits_until(|| paths.closing(a, Slot(3)), || drop(borrowed), &paths);
    assert!(paths.borrow(a).is_none());
    assert_eq!(known(&paths), 1, "its last use");
}

static RENAMES: Mutex<()> = Mutex::new(());

/// xorshift.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
