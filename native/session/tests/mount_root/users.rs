//! Without the right to mount: `fusermount3`, its refusals, and its watch over a mount.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, io, mem, thread};

use ferrofuse_session::mount::{mount, How, MountErrorKind, MountSpec, Unmounted};

use super::support::{
    assert_nonblocking_and_close_on_exec, become_nobody, become_user, bind, current_test, device_mode, directory,
    drop_sys_admin, isolated, isolated_as_root, leave_dead, mounted, mounts_at, occupy, wait_until_unmounted, NOBODY,
    SOON,
};

#[test]
fn root_without_the_capability_mounts_through_fusermount() {
    isolated(|| {
        let point = directory("x");
        drop_sys_admin();
        let (_device, mount) = mounted(&MountSpec::new(&point));
        assert_eq!(mount.how(), How::Fusermount);
        assert_eq!(mounts_at(&point).len(), 1);
        assert_eq!(mount.unmount(SOON).expect("nobody uses it"), Unmounted::Clean);
        assert!(mounts_at(&point).is_empty());
    });
}

#[test]
fn a_user_mounts_and_unmounts_through_fusermount() {
    isolated_as_root(|| {
        let point = directory("x y");
        become_nobody();
        let fsname = OsString::from(r"a,b\c d");
        let (device, mount) = mounted(&MountSpec {
            fsname,
            ..MountSpec::new(&point)
        });
        assert_eq!(mount.how(), How::Fusermount);
        let [entry] = &mounts_at(&point)[..] else {
            panic!("one mount")
        };
        assert_eq!(entry.source, r"a,b\134c\040d");
        assert_eq!(entry.options, "rw,nosuid,nodev,relatime");
        assert_eq!(entry.super_options, format!("rw,user_id={NOBODY},group_id={NOBODY}"));
        assert_nonblocking_and_close_on_exec(&device);
        let user = occupy(&point);
        assert_eq!(
            mount.unmount(Duration::from_millis(200)).expect("it can be detached"),
            Unmounted::Detached
        );
        assert!(mounts_at(&point).is_empty());
        drop((user, device));

        let (_device, mount) = mounted(&MountSpec::new(&point));
        assert_eq!(mount.unmount(SOON).expect("nobody uses it"), Unmounted::Clean);
        assert!(mounts_at(&point).is_empty());

        let (_device, mount) = mounted(&MountSpec::new(&point));
        mount.abort().expect("the owner may");
        assert_eq!(mount.unmount(SOON).expect("a verdict"), Unmounted::Aborted);

        leave_dead(&MountSpec::new(&point));
        let (_device, _mount) = mounted(&MountSpec::new(&point));
        assert_eq!(mounts_at(&point).len(), 1);
    });
}

#[test]
fn a_users_abort_ends_whoever_waits_though_the_device_is_open() {
    isolated_as_root(|| {
        let point = directory("x");
        become_nobody();
        let (_device, mount) = mounted(&MountSpec::new(&point));
        let user = occupy(&point);
        let inside = format!("/proc/self/fd/{}", user.as_raw_fd());
        thread::scope(|scope| {
            // INIT is never answered: it waits, also when the mount is out of the tree.
            let waiting = scope.spawn(|| fs::metadata(inside));
            mount.abort().expect("the owner may");
            waiting.join().expect("no panic").expect_err("it was cut");
        });
        assert_eq!(mount.unmount(SOON).expect("a verdict"), Unmounted::Aborted);
        assert!(mounts_at(&point).is_empty());
    });
}

#[test]
fn what_fusermount_says_is_passed_on() {
    isolated_as_root(|| {
        let point = PathBuf::from("/mnt/roots-own");
        fs::create_dir(&point).expect("tmpfs is writable");
        become_nobody();
        let error = mount(&MountSpec::new(&point)).expect_err("nobody may not write there");
        assert_eq!(error.kind(), MountErrorKind::Refused);
        let prefix = format!("can't mount on {}: ", point.display());
        let text = error
            .to_string()
            .strip_prefix(&prefix)
            .map(str::to_owned)
            .unwrap_or_else(|| panic!("{error}"));
        assert!(
            text.contains("fusermount3") && text.contains(&point.display().to_string()),
            "{error}"
        );
        assert!(mounts_at(&point).is_empty());
    });
}

#[test]
fn what_a_user_may_not_is_said_with_the_remedy() {
    isolated_as_root(|| {
        let point = directory("x");
        let conf = point.with_file_name("fuse.conf");
        fs::write(&conf, "# user_allow_other\nmount_max = 10\n").expect("a file can be made");
        bind(&conf, Path::new("/etc/fuse.conf"));
        let closed = directory("closed/x");
        let above = closed.parent().expect("it has one");
        fs::set_permissions(above, fs::Permissions::from_mode(0o700)).expect("it is ours");
        become_nobody();
        let plain = MountSpec::new(&point);
        let cases = [
            (
                MountSpec {
                    allow_other: true,
                    ..plain.clone()
                },
                "allow_other needs a line that says user_allow_other in /etc/fuse.conf",
            ),
            (
                MountSpec {
                    allow_root: true,
                    ..plain.clone()
                },
                "allow_root needs a line that says user_allow_other in /etc/fuse.conf",
            ),
            (
                MountSpec {
                    dev: true,
                    ..plain.clone()
                },
                "root only",
            ),
            (
                MountSpec {
                    suid: true,
                    ..plain.clone()
                },
                "root only",
            ),
        ];
        for (spec, remedy) in cases {
            let error = mount(&spec).expect_err("a user may not");
            assert_eq!(error.kind(), MountErrorKind::Option);
            assert!(error.to_string().contains(remedy), "{error}");
        }
        let error = mount(&MountSpec::new(&closed)).expect_err("it is out of reach");
        assert_eq!(
            (error.kind(), error.raw_os_error()),
            (MountErrorKind::Point, Some(libc::EACCES))
        );
        assert!(
            error
                .to_string()
                .contains("a directory above it denies search permission"),
            "{error}"
        );
    });
}

#[test]
fn a_user_may_allow_others_where_the_configuration_says_so() {
    isolated_as_root(|| {
        let point = directory("x");
        let conf = point.with_file_name("fuse.conf");
        fs::write(&conf, "user_allow_other\n").expect("a file can be made");
        bind(&conf, Path::new("/etc/fuse.conf"));
        become_nobody();
        let (_device, _mount) = mounted(&MountSpec {
            allow_other: true,
            ..MountSpec::new(&point)
        });
        assert!(mounts_at(&point)[0].super_options.ends_with(",allow_other"));
    });
}

#[test]
fn a_missing_fusermount_is_an_error_with_the_remedy() {
    isolated(|| {
        let point = directory("x");
        for directory in env::split_paths(&env::var_os("PATH").unwrap_or_default()).chain(["/usr/bin".into()]) {
            let program = directory.join("fusermount3");
            if program.is_file() {
                bind(Path::new("/dev/null"), &program);
            }
        }
        let error = mount(&MountSpec {
            auto_unmount: true,
            ..MountSpec::new(&point)
        })
        .expect_err("it is missing");
        assert_eq!(error.kind(), MountErrorKind::NoFusermount);
        assert_eq!(
            error.to_string(),
            "fusermount3 was not found: install the package fuse3, or run as root"
        );
    });
}

#[test]
fn a_device_that_a_user_may_not_open_is_an_error_with_the_remedy() {
    isolated_as_root(|| {
        let point = directory("x");
        device_mode(0o600);
        become_user(NOBODY);
        let error = mount(&MountSpec::new(&point)).expect_err("the device is root's");
        assert_eq!(
            (error.kind(), error.raw_os_error()),
            (MountErrorKind::Device, Some(libc::EACCES))
        );
        assert!(error.to_string().contains("allow read and write on it"), "{error}");
    });
}

#[test]
fn with_auto_unmount_the_mount_ends_with_its_process() {
    const POINT: &str = "FERROFUSE_TEST_DIES_WITH_MOUNT_ON";
    if let Some(point) = env::var_os(POINT) {
        let (device, mount) = mounted(&MountSpec {
            auto_unmount: true,
            ..MountSpec::new(point)
        });
        mem::forget((device, mount));
        // SAFETY: ends this process at once, without destructors, which is what this test is about.
        unsafe { libc::_exit(42) };
    }
    isolated(|| {
        let point = directory("x");
        let mut process = Command::new(env::current_exe().expect("/proc is mounted"));
        process
            .args([&current_test(), "--exact", "--nocapture"])
            .env(POINT, &point);
        // Seen from the event, whichever comes first: a mount that never was would be missed otherwise.
        let table = File::open("/proc/self/mountinfo").expect("/proc is mounted");
        let status = process.status().expect("this program can be run");
        assert_eq!(status.code(), Some(42), "it had mounted");
        wait_until_unmounted(table, &point, SOON);
    });
}

#[test]
fn with_auto_unmount_nothing_stays_behind_after_an_unmount() {
    isolated(|| {
        let point = directory("x");
        let (_device, mount) = mounted(&MountSpec {
            auto_unmount: true,
            ..MountSpec::new(&point)
        });
        assert_eq!(mount.unmount(SOON).expect("nobody uses it"), Unmounted::Clean);
        // The watcher is reaped by a thread of its own; ECHILD once it has.
        let start = Instant::now();
        // SAFETY: waits without reaping; a null pointer is allowed for a result that nobody wants.
        while unsafe { libc::waitid(libc::P_ALL, 0, std::ptr::null_mut(), libc::WEXITED | libc::WNOWAIT) } == 0 {
            assert!(start.elapsed() < SOON, "the watcher is not reaped");
            thread::yield_now();
        }
        assert_eq!(io::Error::last_os_error().raw_os_error(), Some(libc::ECHILD));
        assert!(mounts_at(&point).is_empty());
    });
}
