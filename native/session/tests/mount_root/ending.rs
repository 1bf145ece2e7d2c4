//! Unmounting, aborting, and whose mounts are left alone.

use std::fs::{self, File};
use std::io::Read;
use std::sync::{mpsc, Arc};
use std::thread;
use std::time::{Duration, Instant};

use ferrofuse_session::mount::{MountErrorKind, MountSpec, Unmounted};

use super::support::{
    cover, directory, force, isolated, isolated_as_root, kernel_since, mounted, mounts_at, occupy, umount, SOON,
};

#[test]
fn an_idle_mount_is_unmounted_cleanly_and_once() {
    isolated(|| {
        let point = directory("x");
        let (device, mount) = mounted(&MountSpec::new(&point));
        assert_eq!(mount.unmount(Duration::ZERO).expect("nobody uses it"), Unmounted::Clean);
        assert!(mounts_at(&point).is_empty());
        let error = File::from(device)
            .read(&mut [0; 8192])
            .expect_err("the connection has ended");
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
        cover(&point);
        assert_eq!(
            mount.unmount(Duration::ZERO).expect("the first verdict stands"),
            Unmounted::Clean
        );
        drop(mount);
        assert_eq!(mounts_at(&point).len(), 1);
    });
}

#[test]
fn a_busy_mount_is_detached_at_the_deadline() {
    isolated(|| {
        let point = directory("x");
        let (device, mount) = mounted(&MountSpec::new(&point));
        let user = occupy(&point);
        let deadline = Duration::from_millis(300);
        let start = Instant::now();
        assert_eq!(
            mount.unmount(deadline).expect("it can be detached"),
            Unmounted::Detached
        );
        assert!(start.elapsed() >= deadline);
        assert!(mounts_at(&point).is_empty());
        let mut device = File::from(device);
        device
            .read_exact(&mut [0; 40])
            .expect_err("a short buffer, or INIT cut short: the connection lives");
        drop(user);
        let error = device.read(&mut [0; 8192]).expect_err("its last user is gone");
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
    });
}

#[test]
fn a_mount_that_is_free_before_the_deadline_is_unmounted_then() {
    isolated(|| {
        let point = directory("x");
        let (_device, mount) = mounted(&MountSpec::new(&point));
        let user = occupy(&point);
        let start = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| {
                // Time for some attempts that fail; the verdict is the same without them.
                thread::sleep(Duration::from_millis(150));
                drop(user);
            });
            assert_eq!(
                mount.unmount(Duration::from_secs(20)).expect("it gets free"),
                Unmounted::Clean
            );
        });
        assert!(start.elapsed() < SOON);
    });
}

#[test]
fn callers_at_the_same_time_get_the_same_verdict() {
    isolated(|| {
        let point = directory("x");
        let (_device, mount) = mounted(&MountSpec::new(&point));
        let _user = occupy(&point);
        let verdicts: Vec<_> = thread::scope(|scope| {
            let callers: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| mount.unmount(Duration::from_millis(200))))
                .collect();
            callers
                .into_iter()
                .map(|caller| caller.join().expect("no panic").expect("a verdict"))
                .collect()
        });
        assert_eq!(verdicts, [Unmounted::Detached; 4]);
    });
}

#[test]
fn who_cannot_wait_is_not_held_up_by_who_can() {
    isolated(|| {
        let point = directory("x");
        let (_device, mount) = mounted(&MountSpec::new(&point));
        let _user = occupy(&point);
        let start = Instant::now();
        thread::scope(|scope| {
            let (enter, entered) = mpsc::channel();
            let mount = &mount;
            let patient = scope.spawn(move || {
                enter.send(()).expect("it is waited for");
                mount.unmount(Duration::from_secs(10))
            });
            entered.recv().expect("the thread has started");
            // Time to fall asleep in; without it the test proves less, and passes.
            thread::sleep(Duration::from_millis(100));
            let hasty = mount.unmount(Duration::ZERO);
            assert_eq!(hasty.expect("it can be detached"), Unmounted::Detached);
            let patient = patient.join().expect("no panic");
            assert_eq!(patient.expect("the one verdict"), Unmounted::Detached);
        });
        assert!(start.elapsed() < Duration::from_secs(2));
        assert!(mounts_at(&point).is_empty());
    });
}

#[test]
fn a_failed_caller_neither_ends_nor_hastens_the_wait_of_another() {
    isolated(|| {
        let point = directory("x");
        let (_device, mount) = mounted(&MountSpec::new(&point));
        cover(&point);
        thread::scope(|scope| {
            let patient = scope.spawn(|| mount.unmount(Duration::from_secs(30)));
            let error = mount.unmount(Duration::ZERO).expect_err("it is covered");
            assert_eq!(error.kind(), MountErrorKind::Covered);
            umount(&point);
            let patient = patient.join().expect("no panic");
            assert_eq!(patient.expect("nothing covers it any more"), Unmounted::Clean);
        });
        assert!(mounts_at(&point).is_empty());
    });
}

#[test]
fn a_mount_can_be_ended_from_any_thread() {
    isolated(|| {
        let point = directory("x");
        let (_device, mount) = mounted(&MountSpec::new(&point));
        let mount = Arc::new(mount);
        let other = Arc::clone(&mount);
        let verdict = thread::spawn(move || other.unmount(SOON)).join().expect("no panic");
        assert_eq!(verdict.expect("nobody uses it"), Unmounted::Clean);
    });
}

#[test]
fn a_mount_that_was_ended_from_outside_is_clean_and_its_successor_is_left_alone() {
    isolated(|| {
        let point = directory("x");
        // The kernel gives the second one the numbers that have just become free, unless another process is faster.
        let (first, _device, second) = (0..100)
            .find_map(|_| {
                let numbers = || mounts_at(&point).pop().map(|entry| (entry.id, entry.device));
                let (device, first) = mounted(&MountSpec::new(&point));
                let before = numbers();
                umount(&point);
                drop(device);
                let (device, second) = mounted(&MountSpec::new(&point));
                (numbers() == before).then_some((first, device, second))
            })
            .expect("numbers are reused");
        assert_eq!(first.unmount(SOON).expect("it has ended"), Unmounted::Clean);
        drop(first);
        assert_eq!(mounts_at(&point).len(), 1);
        assert_eq!(second.unmount(SOON).expect("nobody uses it"), Unmounted::Clean);
    });
}

#[test]
fn a_busy_mount_that_was_forced_to_end_is_taken_out_of_the_tree() {
    isolated(|| {
        let point = directory("x");
        let (device, mount) = mounted(&MountSpec::new(&point));
        let _user = occupy(&point);
        force(&point);
        let error = File::from(device).read(&mut [0; 8192]).expect_err("it was cut");
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
        assert_eq!(mounts_at(&point).len(), 1, "dead, but there");
        mount.ended();
        let verdict = mount.unmount(Duration::ZERO).expect("it can be detached");
        // Before Linux 6.8 nothing tells it from a younger mount with its number, which must be left alone.
        let expected = match verdict {
            Unmounted::Clean => 1,
            _ => 0,
        };
        assert_eq!(mounts_at(&point).len(), expected);
        assert_eq!(verdict == Unmounted::Aborted, kernel_since(6, 8));
    });
}

#[test]
fn a_mount_on_top_of_ours_is_never_unmounted() {
    isolated(|| {
        let point = directory("x");
        let (_device, mount) = mounted(&MountSpec::new(&point));
        cover(&point);
        let error = mount.unmount(Duration::from_millis(50)).expect_err("it is covered");
        assert_eq!(error.kind(), MountErrorKind::Covered);
        assert_eq!(
            error.to_string(),
            format!(
                "another mount covers {0}: unmount that first (umount {0})",
                point.display()
            )
        );
        assert_eq!(mounts_at(&point).len(), 2);
        umount(&point);
        assert_eq!(mount.unmount(SOON).expect("nothing covers it"), Unmounted::Clean);
        assert!(mounts_at(&point).is_empty());
    });
}

#[test]
fn a_mount_is_found_again_when_a_directory_above_it_was_renamed() {
    isolated(|| {
        let point = directory("above/x");
        let (_device, mount) = mounted(&MountSpec::new(&point));
        let above = point.parent().expect("it has one");
        let renamed = above.with_file_name("renamed");
        fs::rename(above, &renamed).expect("a directory above a mount can be renamed");
        assert_eq!(mounts_at(&renamed.join("x")).len(), 1);
        assert_eq!(mount.unmount(SOON).expect("nobody uses it"), Unmounted::Clean);
        assert!(mounts_at(&renamed.join("x")).is_empty());
    });
}

#[test]
fn a_dropped_mount_is_unmounted_though_busy() {
    isolated(|| {
        let point = directory("x");
        let (_device, mount) = mounted(&MountSpec::new(&point));
        let _user = occupy(&point);
        drop(mount);
        assert!(mounts_at(&point).is_empty());
    });
}

#[test]
fn an_abort_ends_whoever_waits_for_an_answer() {
    isolated_as_root(|| {
        let point = directory("x");
        let (_device, mount) = mounted(&MountSpec::new(&point));
        thread::scope(|scope| {
            // INIT is never answered: it waits.
            let waiting = scope.spawn(|| fs::metadata(&point));
            mount.abort().expect("root may");
            assert!(
                waiting.join().expect("no panic").map_or(true, |found| found.is_dir()),
                "it came back"
            );
        });
        assert_eq!(mount.unmount(SOON).expect("a verdict"), Unmounted::Aborted);
        assert!(mounts_at(&point).is_empty());
    });
}

#[test]
fn an_abort_ends_an_unmount_that_waits() {
    isolated_as_root(|| {
        let point = directory("x");
        let (_device, mount) = mounted(&MountSpec::new(&point));
        let _user = occupy(&point);
        let start = Instant::now();
        thread::scope(|scope| {
            let unmounting = scope.spawn(|| mount.unmount(Duration::from_secs(60)));
            mount.abort().expect("root may");
            assert_eq!(
                unmounting.join().expect("no panic").expect("a verdict"),
                Unmounted::Aborted
            );
        });
        assert!(start.elapsed() < SOON);
        assert!(mounts_at(&point).is_empty());
    });
}

#[test]
fn a_detached_mount_can_still_be_aborted() {
    isolated_as_root(|| {
        let point = directory("x");
        let (device, mount) = mounted(&MountSpec::new(&point));
        let _user = occupy(&point);
        assert_eq!(
            mount.unmount(Duration::ZERO).expect("it can be detached"),
            Unmounted::Detached
        );
        // This is what cuts it: there is no mount any more that could be told to.
        drop(device);
        mount.abort().expect("nothing is in the tree");
        assert_eq!(mount.unmount(SOON).expect("a verdict"), Unmounted::Aborted);
    });
}
