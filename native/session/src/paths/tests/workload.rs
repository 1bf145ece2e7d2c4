//! Everything that a kernel does with names, at random, by several at once.

use super::*;

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
