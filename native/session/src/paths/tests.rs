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

/// A file system by path that notices when a path that it was given stops being true during a call.
struct Model {
    /// Path -> number of the file there.
    files: Mutex<BTreeMap<String, u64>>,
    next: AtomicU64,
}

impl Model {
    fn rename(&self, from: &str, to: &str) -> bool {
        let mut files = self.files.lock();
        if from == to || to.starts_with(&format!("{from}/")) || !files.contains_key(from) || files.contains_key(to) {
            return false;
        }
        let below: Vec<String> = files
            .keys()
            .filter(|path| *path == from || path.starts_with(&format!("{from}/")))
            .cloned()
            .collect();
        for path in below {
            let number = files.remove(&path).unwrap();
            files.insert(format!("{to}{}", &path[from.len()..]), number);
        }
        true
    }

    fn number(&self, path: &str) -> Option<u64> {
        self.files.lock().get(path).copied()
    }
}

#[test]
fn no_upcall_ever_sees_a_path_that_a_rename_has_made_stale() {
    const FILES: usize = 6;
    let paths = Paths::new();
    let model = Model {
        files: Mutex::default(),
        next: AtomicU64::new(1),
    };
    // /0/1/2 … : directories that move about, each with a file "f" that keeps its number.
    let mut nodes = Vec::new();
    for dir in 0..FILES {
        let place = format!("/{dir}");
        let node = look_up(&paths, ROOT, &dir.to_string(), DIR);
        let file = look_up(&paths, node, "f", FILE);
        let number = model.next.fetch_add(2, Ordering::Relaxed);
        model.files.lock().insert(place.clone(), number);
        model.files.lock().insert(format!("{place}/f"), number + 1);
        nodes.push((node, file, number + 1));
    }
    let over = AtomicBool::new(false);
    let [upcalls, renames] = [AtomicU64::new(0), AtomicU64::new(0)];
    thread::scope(|scope| {
        for seed in 0..3_u64 {
            let (paths, model, nodes, over, upcalls) = (&paths, &model, &nodes, &over, &upcalls);
            scope.spawn(move || {
                let mut random = seed * 977 + 1;
                while !over.load(Ordering::Relaxed) {
                    let (_, file, number) = nodes[next(&mut random) as usize % FILES];
                    let mut out = [0; 4096];
                    let pin = paths.path(0, file, &mut out).unwrap();
                    let path = std::str::from_utf8(&out[..pin.len()]).unwrap();
                    for _ in 0..next(&mut random) % 4 {
                        assert_eq!(model.number(path), Some(number), "{path}");
                        thread::yield_now();
                    }
                    upcalls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for seed in 0..2_u64 {
            let (paths, model, nodes, over, renames) = (&paths, &model, &nodes, &over, &renames);
            scope.spawn(move || {
                let mut random = seed * 31 + 7;
                let end = Instant::now() + Duration::from_millis(1500);
                while Instant::now() < end {
                    let from = next(&mut random) as usize % FILES;
                    let from_name = from.to_string();
                    let into = next(&mut random) as usize % (FILES + 1);
                    // The kernel would hold its rename lock; one at a time knows where a node is now.
                    let _kernel = RENAMES.lock();
                    let at = path(paths, nodes[from].0).unwrap();
                    let (above, last) = at.rsplit_once('/').unwrap();
                    let parent = nodes
                        .iter()
                        .find(|node| path(paths, node.0).unwrap() == above)
                        .map_or(ROOT, |node| node.0);
                    let target = nodes.get(into).map_or(ROOT, |node| node.0);
                    let (mut out, mut new_out) = ([0; 4096], [0; 4096]);
                    let owned = paths.renaming(
                        0,
                        parent,
                        name(last),
                        target,
                        name(&from_name),
                        false,
                        &mut out,
                        &mut new_out,
                    );
                    let Ok(owned) = owned else { continue };
                    let from = std::str::from_utf8(&out[..owned.len()]).unwrap();
                    let to = std::str::from_utf8(&new_out[..owned.new_len()]).unwrap();
                    if model.rename(from, to) {
                        owned.done();
                        renames.fetch_add(1, Ordering::Relaxed);
                    }
                }
                over.store(true, Ordering::Relaxed);
            });
        }
    });
    let [upcalls, renames] = [&upcalls, &renames].map(|count| count.load(Ordering::Relaxed));
    assert!(upcalls > 100 && renames > 100, "{upcalls} upcalls, {renames} renames");
    for (node, file, _) in nodes {
        paths.forget(file, 1);
        paths.forget(node, 1);
    }
    assert_eq!(known(&paths), 1);
}

/// What one process has of the kernel's: the entries that it holds, and its open files.
struct Process<'a> {
    paths: &'a Paths,
    random: u64,
    held: Vec<Found>,
    open: Vec<(Key, Slot)>,
    slots: std::ops::Range<u32>,
}

impl Process<'_> {
    fn pick(&mut self, of: usize) -> usize {
        next(&mut self.random) as usize % of
    }

    /// A directory, which has an odd number, or another file.
    fn any(&mut self, directory: bool) -> Key {
        let at = self.pick(self.held.len() + 1);
        let rest = self.held.iter().skip(at);
        let mut found = rest.filter(|found| (found.ino % 2 == 1) == directory);
        let otherwise = if directory { ROOT } else { Key(0) };
        found.next().map_or(otherwise, |found| found.key)
    }

    fn any_name(&mut self) -> &'static Name {
        name(["a", "b", "c", "d"][self.pick(4)])
    }

    fn any_seen(&mut self) -> Seen {
        let ino = 2 + self.pick(8);
        Seen {
            ino: ino as u64,
            nlink: 1 + self.pick(2) as u32,
            mode: [libc::S_IFREG, libc::S_IFDIR][ino % 2],
        }
    }

    fn look_up(&mut self) {
        let (parent, name, seen) = (self.any(true), self.any_name(), self.any_seen());
        let Ok(pin) = self.paths.child(0, parent, name, &mut [0; 4096]) else {
            return;
        };
        match self.pick(4) {
            0 => pin.absent(),
            1 => {}
            _ => self.held.push(pin.found(&seen)),
        }
    }

    fn list(&mut self) {
        let (parent, name, seen) = (self.any(true), self.any_name(), self.any_seen());
        let losses = self.paths.losses(parent);
        let listed = self.paths.listed(parent, name, &seen, losses);
        self.held.extend(listed);
    }

    fn link(&mut self) {
        let (node, parent, name) = (self.any(false), self.any(true), self.any_name());
        let (mut out, mut new_out) = ([0; 4096], [0; 4096]);
        if let Ok((pin, _)) = self.paths.linking(0, node, parent, name, &mut out, &mut new_out) {
            self.held.extend(pin.linked(node));
        }
    }

    fn remove(&mut self) {
        let (parent, name, fails) = (self.any(true), self.any_name(), self.pick(4) == 0);
        if let Ok(owned) = self.paths.removal(0, parent, name, &mut [0; 4096]) {
            if !fails {
                owned.done();
            }
        }
    }

    fn rename(&mut self) {
        let (from, to) = ((self.any(true), self.any_name()), (self.any(true), self.any_name()));
        let (exchange, fails) = (self.pick(3) == 0, self.pick(4) == 0);
        let (mut out, mut new_out) = ([0; 4096], [0; 4096]);
        let _kernel = RENAMES.lock();
        let owned = self
            .paths
            .renaming(0, from.0, from.1, to.0, to.1, exchange, &mut out, &mut new_out);
        if let Ok(owned) = owned {
            if !fails {
                owned.done();
            }
        }
    }

    fn open(&mut self) {
        let node = self.any(false);
        let Some(slot) = self.slots.next().map(Slot) else {
            return;
        };
        self.paths.opened(node, slot);
        self.open.push((node, slot));
    }

    fn use_and_close(&mut self) {
        drop(self.paths.borrow(self.any(false)));
        if !self.open.is_empty() {
            let at = self.pick(self.open.len());
            let (node, slot) = self.open.swap_remove(at);
            self.paths.closing(node, slot);
        }
    }

    fn forget(&mut self) {
        if !self.held.is_empty() {
            let at = self.pick(self.held.len());
            self.paths.forget(self.held.swap_remove(at).key, 1);
        }
    }

    fn step(&mut self) {
        match self.pick(12) {
            0..=2 => self.look_up(),
            3 => self.list(),
            4 => self.link(),
            5 => self.remove(),
            6 => self.rename(),
            7 => self.open(),
            8 => self.use_and_close(),
            _ => self.forget(),
        }
    }

    fn ends(self) {
        for (node, slot) in self.open {
            self.paths.closing(node, slot);
        }
        for found in self.held {
            self.paths.forget(found.key, 1);
        }
    }
}

#[test]
fn nothing_is_left_of_any_workload_when_all_is_closed_and_forgotten() {
    let paths = Paths::new();
    thread::scope(|scope| {
        for process in 0..3_u32 {
            let paths = &paths;
            scope.spawn(move || {
                let mut process = Process {
                    paths,
                    random: u64::from(process) * 7919 + 3,
                    held: Vec::new(),
                    open: Vec::new(),
                    slots: process * 100_000..(process + 1) * 100_000,
                };
                for _ in 0..20_000 {
                    process.step();
                }
                process.ends();
            });
        }
    });
    let state = paths.state.lock();
    assert_eq!((state.tree.len(), state.tree.ways(), state.owned.len()), (1, 0, 0));
}

static RENAMES: Mutex<()> = Mutex::new(());

/// xorshift.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
