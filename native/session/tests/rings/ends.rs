//! However the mount ends, nothing hangs and nothing is left.

use std::os::unix::fs::FileExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::mounted::{isolated, open, over_rings, Mounted};
use crate::support::flat::{Door, Flat};

/// Reads until an error, on all processors.
struct Load {
    readers: Vec<thread::JoinHandle<i32>>,
    reads: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Load {
    fn on(mounted: &Mounted) -> Self {
        let (reads, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let readers = (0..6)
            .map(|_| {
                let file = open(&mounted.path("free"));
                let (reads, stop) = (Arc::clone(&reads), Arc::clone(&stop));
                thread::spawn(move || loop {
                    if let Err(error) = file.read_at(&mut [0; 16], 0) {
                        return error.raw_os_error().unwrap();
                    }
                    reads.fetch_add(1, Ordering::Relaxed);
                    if stop.load(Ordering::Relaxed) {
                        return 0;
                    }
                })
            })
            .collect();
        Self { readers, reads, stop }
    }

    fn wait_for_reads(&self, count: usize) {
        let target = self.reads.load(Ordering::Relaxed) + count;
        while self.reads.load(Ordering::Relaxed) < target {
            thread::yield_now();
        }
    }

    fn errors(self) -> Vec<i32> {
        self.readers.into_iter().map(|reader| reader.join().unwrap()).collect()
    }
}

#[test]
fn an_abort_under_load_ends_all_and_hangs_nobody() {
    isolated(|| {
        let mounted = Mounted::new(Flat::with_files(&["free"]), over_rings());
        let load = Load::on(&mounted);
        load.wait_for_reads(2000);
        mounted.session.abort();
        let errors = load.errors();
        // ECANCELED: the ring was closed before the request was taken from it.
        let expected = [libc::ENOTCONN, libc::ECONNABORTED, libc::ECANCELED];
        assert!(errors.iter().all(|errno| expected.contains(errno)), "{errors:?}");
        assert!(mounted.session.wait_ended(Instant::now() + Duration::from_secs(10)));
        mounted.mount.abort().unwrap();
        mounted.finish();
    });
}

#[test]
fn a_forced_unmount_under_load_ends_all_and_hangs_nobody() {
    isolated(|| {
        let mounted = Mounted::new(Flat::with_files(&["free"]), over_rings());
        let load = Load::on(&mounted);
        load.wait_for_reads(2000);
        // Busy, so it stays in the tree, with its connection cut.
        let _ = Command::new("umount").arg("-f").arg(&mounted.point).output().unwrap();
        let errors = load.errors();
        assert!(
            errors
                .iter()
                .all(|errno| [libc::ENOTCONN, libc::ECONNABORTED].contains(errno)),
            "{errors:?}"
        );
        assert!(mounted.session.wait_ended(Instant::now() + Duration::from_secs(10)));
        assert!(mounted.session.disconnected());
        mounted.mount.abort().unwrap();
        mounted.finish();
    });
}

#[test]
fn a_detached_mount_serves_its_last_users_and_then_ends() {
    isolated(|| {
        let mounted = Mounted::new(Flat::with_files(&["free"]), over_rings());
        let load = Load::on(&mounted);
        load.wait_for_reads(500);
        mounted.mount.unmount(Duration::ZERO).unwrap();
        load.wait_for_reads(500);
        load.stop.store(true, Ordering::Relaxed);
        assert!(load.errors().iter().all(|&errno| errno == 0));
        mounted.finish();
    });
}

#[test]
fn a_call_that_hangs_when_the_connection_is_cut_keeps_its_own_thread_alone() {
    isolated(|| {
        let mounted = Mounted::new(Flat::with_files(&["free"]), over_rings());
        let file = open(&mounted.path("free"));
        mounted.flat.change(|book| book.held = Some(7));
        let reader = thread::spawn(move || file.read_at(&mut [0; 1], 7).unwrap_err().raw_os_error());
        mounted.flat.wait(|book| book.inside == 1);
        mounted.session.abort();
        mounted.mount.abort().unwrap();
        assert!([Some(libc::ECONNABORTED), Some(libc::ENOTCONN)].contains(&reader.join().unwrap()));
        assert!(!mounted.session.wait_ended(Instant::now() + Duration::from_millis(50)));
        assert!(
            !mounted.session.finish(&mut Door(Arc::clone(&mounted.flat))),
            "one is still there"
        );
        mounted.flat.change(|book| book.held = None);
        mounted.finish();
    });
}

#[test]
fn what_was_answered_when_nothing_is_in_flight_has_reached_the_kernel() {
    isolated(|| {
        let mounted = Mounted::new(Flat::with_files(&["free"]), over_rings());
        let file = open(&mounted.path("free"));
        for round in 0..300 {
            let held = mounted.flat.get(|book| book.calls.len());
            let reader = {
                let file = file.try_clone().unwrap();
                thread::spawn(move || file.read_at(&mut [0; 1], 0).map_err(|error| error.to_string()))
            };
            mounted.flat.wait(|book| book.calls.len() > held);
            assert!(mounted.session.wait_idle(Instant::now() + Duration::from_secs(5)));
            if round == 299 {
                mounted.session.abort();
            }
            assert_eq!(reader.join().unwrap(), Ok(1));
        }
        drop(file);
        mounted.mount.abort().unwrap();
        mounted.finish();
    });
}

#[test]
fn mounts_come_and_go_and_leave_no_descriptors_behind() {
    isolated(|| {
        let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let cycle = || {
            let mounted = Mounted::new(Flat::with_files(&["a"]), over_rings());
            assert_eq!(std::fs::read(mounted.path("a")).unwrap().len(), 256);
            mounted.unmount();
        };
        cycle();
        let before = descriptors();
        for _ in 0..20 {
            cycle();
        }
        assert_eq!(descriptors(), before);
    });
}
