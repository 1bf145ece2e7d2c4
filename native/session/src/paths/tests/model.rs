//! Renames at random, while others use the paths that they change.

use super::*;

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
