//! What is asked is answered, whoever else has to wait.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;
use std::thread;

use ferrofuse_session::{Config, LockKeeper, Machine, Rings, Transport};

use crate::mounted::{isolated, open, over_rings, processors, run_on, Mounted};
use crate::support::flat::Flat;

#[test]
fn programs_use_the_file_system_over_rings() {
    isolated(|| {
        let mounted = Mounted::new(Flat::with_files(&["a", "bare", "free"]), over_rings());
        let mut names: Vec<String> = fs::read_dir(&mounted.point)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["a", "bare", "free"]);
        assert!(mounted.session.is_over_rings());
        assert!(
            mounted.logged("transport io_uring"),
            "{:?}",
            mounted.log.lock().unwrap()
        );
        assert_eq!(fs::read(mounted.path("a")).unwrap(), (0..=255).collect::<Vec<u8>>());
        let metadata = fs::metadata(mounted.path("a")).unwrap();
        assert_eq!((metadata.len(), metadata.ino(), metadata.uid()), (256, 10, 5));
        let large: Vec<u8> = (0..900_000_u32).map(|n| (n % 253) as u8).collect();
        fs::write(mounted.path("new"), &large).unwrap();
        assert!(fs::read(mounted.path("new")).unwrap() == large);
        let file = open(&mounted.path("new"));
        file.set_len(1000).unwrap();
        file.sync_all().unwrap();
        assert_eq!(fs::read(mounted.path("new")).unwrap(), large[..1000]);
        assert_eq!(
            fs::metadata(mounted.path("absent")).unwrap_err().raw_os_error(),
            Some(libc::ENOENT)
        );
        drop(file);
        mounted.unmount();
    });
}

#[test]
fn one_slow_call_keeps_nobody_waiting_and_gets_its_processor_another_ring() {
    isolated(|| {
        let mounted = Mounted::new(Flat::with_files(&["free", "a"]), over_rings());
        run_on(0);
        let (slow, other) = (open(&mounted.path("free")), open(&mounted.path("a")));
        let before = mounted.session.rings();
        mounted.flat.change(|book| book.held = Some(7));
        // All on the processor where the reads are held.
        let slow = Arc::new(slow);
        let held: Vec<_> = (0..12)
            .map(|_| {
                let slow = Arc::clone(&slow);
                thread::spawn(move || slow.read_at(&mut [0; 1], 7).unwrap())
            })
            .collect();
        mounted.flat.wait(|book| book.inside == 12);
        assert!(mounted.session.rings() >= 12.max(before), "{}", mounted.session.rings());
        for offset in 100..150 {
            let mut byte = [0; 1];
            assert_eq!(other.read_at(&mut byte, offset).unwrap(), 1);
            assert_eq!(u64::from(byte[0]), offset);
        }
        mounted.flat.change(|book| book.held = None);
        assert!(held.into_iter().all(|read| read.join().unwrap() == 1));
        drop((slow, other));
        mounted.unmount();
    });
}

#[test]
fn who_waits_for_a_busy_handle_does_not_use_up_the_threads_that_were_asked_for() {
    isolated(|| {
        let rings = Rings {
            instant: 2,
            most: 2,
            ..Rings::default()
        };
        let mounted = Mounted::new(Flat::with_files(&["a", "free"]), Config { rings, ..over_rings() });
        run_on(0);
        let (busy, other) = (Arc::new(open(&mounted.path("a"))), open(&mounted.path("free")));
        mounted.flat.change(|book| book.held = Some(7));
        let read = |offset: u64| {
            let busy = Arc::clone(&busy);
            thread::spawn(move || busy.read_at(&mut [0; 1], offset).unwrap())
        };
        let first = read(7);
        mounted.flat.wait(|book| book.inside == 1);
        let others: Vec<_> = (0..6).map(read).collect();
        // One in its call, six that wait for the handle, and one that is free.
        mounted.wait_for_rings(processors() - 1 + 8);
        assert_eq!(other.read_at(&mut [0; 1], 0).unwrap(), 1);
        mounted.flat.change(|book| book.held = None);
        assert_eq!(first.join().unwrap(), 1);
        assert!(others.into_iter().all(|read| read.join().unwrap() == 1));
        drop((busy, other));
        mounted.unmount();
    });
}

#[test]
fn an_unlock_gets_through_however_many_wait_for_the_lock() {
    isolated(|| {
        let flat = Flat::with_files(&["free"]);
        flat.change(|book| book.lock_keeper = LockKeeper::Engine);
        let mounted = Mounted::new(flat, over_rings());
        run_on(0);
        let path = mounted.path("free");
        let lock = |file: &fs::File, operation| {
            use std::os::fd::AsRawFd;
            // SAFETY: no memory is involved.
            unsafe { libc::flock(file.as_raw_fd(), operation) }
        };
        let holder = open(&path);
        assert_eq!(lock(&holder, libc::LOCK_EX), 0);
        let before = mounted.session.rings();
        let waiters: Vec<_> = (0..20)
            .map(|_| {
                let path = path.clone();
                thread::spawn(move || {
                    let file = open(&path);
                    (lock(&file, libc::LOCK_EX), lock(&file, libc::LOCK_UN))
                })
            })
            .collect();
        mounted.wait_for_rings(before + 18);
        assert_eq!(lock(&holder, libc::LOCK_UN), 0);
        assert!(waiters.into_iter().all(|waiter| waiter.join().unwrap() == (0, 0)));
        drop(holder);
        mounted.unmount();
    });
}

#[test]
fn names_attributes_and_long_values_arrive_whole() {
    isolated(|| {
        let config = Config {
            max_write: 4096,
            ..over_rings()
        };
        let mounted = Mounted::new(Flat::with_files(&["a"]), config);
        let name = "n".repeat(255);
        fs::write(mounted.path(&name), b"x").unwrap();
        assert_eq!(fs::read(mounted.path(&name)).unwrap(), b"x");
        for len in [0, 1, 100, 9000, 60_000] {
            let value: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
            let script = "import os, sys; p, v = sys.argv[1], sys.stdin.buffer.read(); os.setxattr(p, 'user.v', v); \
                          sys.exit(os.getxattr(p, 'user.v') != v)";
            let mut python = std::process::Command::new("python3")
                .args(["-c", script])
                .arg(mounted.path("a"))
                .stdin(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            std::io::Write::write_all(&mut python.stdin.take().unwrap(), &value).unwrap();
            assert!(python.wait().unwrap().success(), "{len}");
        }
        mounted.unmount();
    });
}

#[test]
fn processors_that_are_not_there_share_a_ring_that_serves_them_all_the_same() {
    isolated(|| {
        if processors() < 2 {
            eprintln!("*** SKIPPED: one processor ***");
            return;
        }
        let machine = Machine::played(processors(), "0", "0");
        let config = Config {
            rings: Rings {
                machine,
                ..Rings::default()
            },
            ..over_rings()
        };
        let mounted = Mounted::new(Flat::with_files(&["a"]), config);
        run_on(1);
        let large: Vec<u8> = (0..300_000_u32).map(|n| (n % 253) as u8).collect();
        fs::write(mounted.path("new"), &large).unwrap();
        assert!(fs::read(mounted.path("new")).unwrap() == large);
        assert_eq!(fs::read_dir(&mounted.point).unwrap().count(), 2);
        mounted.unmount();
    });
}

#[test]
fn a_kernel_that_offers_no_rings_is_a_refusal_with_a_remedy_or_served_by_the_device() {
    isolated(|| {
        let refused = Mounted::attempt(Flat::with_files(&["a"]), over_rings(), false);
        let text = refused.err().expect("refused").to_string();
        assert!(
            text.contains("enable_uring") && text.contains("transport=dev"),
            "{text}"
        );
        let config = Config {
            transport: Transport::Auto,
            ..over_rings()
        };
        let mounted = Mounted::attempt(Flat::with_files(&["a"]), config, false).unwrap();
        assert_eq!(fs::read(mounted.path("a")).unwrap().len(), 256);
        assert!(!mounted.session.is_over_rings());
        mounted.unmount();
    });
}

#[test]
fn without_threads_for_all_rings_the_device_is_read() {
    isolated(|| {
        let mounted = Mounted::attempt_with_threads(Flat::with_files(&["a"]), over_rings(), true, 2).unwrap();
        assert_eq!(fs::read(mounted.path("a")).unwrap().len(), 256);
        assert!(!mounted.session.is_over_rings());
        assert!(
            mounted.logged("transport dev instead of io_uring"),
            "{:?}",
            mounted.log.lock().unwrap()
        );
        mounted.unmount();
    });
}
