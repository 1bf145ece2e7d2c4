//! What is mounted, how it shows, and what forbids it.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use ferrofuse_session::mount::{mount, How, MountErrorKind, MountSpec, Unmounted};

use super::support::{
    assert_nonblocking_and_close_on_exec, become_nobody, cover, directory, isolated, isolated_as_root, leave_dead,
    mounted, mounts_at, Server, SOON,
};

fn every_option(point: &Path) -> MountSpec {
    MountSpec {
        fsname: OsString::from(r"a,b\c d"),
        allow_other: true,
        default_permissions: true,
        read_only: true,
        dev: true,
        suid: true,
        exec: false,
        noatime: true,
        max_read: Some(131_072),
        ..MountSpec::new(point)
    }
}

#[test]
fn the_defaults_are_shown_in_mountinfo() {
    isolated(|| {
        let point = directory("x");
        let (device, mount) = mounted(&MountSpec::new(&point));
        let [entry] = &mounts_at(&point)[..] else {
            panic!("one mount")
        };
        assert_eq!(entry.fs_type, "fuse.ferrofuse");
        assert_eq!(entry.source, "ferrofuse");
        assert_eq!(entry.options, "rw,nosuid,nodev,relatime");
        assert_eq!(entry.super_options, "rw,user_id=0,group_id=0");
        assert_eq!(
            entry.device,
            format!("{}:{}", mount.device_number().0, mount.device_number().1)
        );
        assert_eq!(mount.connection(), mount.device_number().1);
        assert_eq!(mount.point(), point);
        assert_eq!(mount.how(), How::Direct);
        assert_nonblocking_and_close_on_exec(&device);
    });
}

#[test]
fn every_option_reaches_the_kernel_by_both_ways() {
    isolated(|| {
        for auto_unmount in [false, true] {
            let point = directory("x y,z");
            let (_device, mount) = mounted(&MountSpec {
                auto_unmount,
                ..every_option(&point)
            });
            assert_eq!(mount.how(), if auto_unmount { How::Fusermount } else { How::Direct });
            let [entry] = &mounts_at(&point)[..] else {
                panic!("one mount")
            };
            assert_eq!(entry.source, r"a,b\134c\040d");
            assert_eq!(entry.options, "ro,noexec,noatime");
            let options = "ro,user_id=0,group_id=0,default_permissions,allow_other,max_read=131072";
            assert_eq!(entry.super_options, options);
            assert_eq!(mount.unmount(SOON).expect("nobody uses it"), Unmounted::Clean);
        }
    });
}

#[test]
fn allow_root_is_allow_other_to_the_kernel() {
    isolated(|| {
        let point = directory("x");
        let (_device, _mount) = mounted(&MountSpec {
            allow_root: true,
            ..MountSpec::new(&point)
        });
        assert_eq!(
            mounts_at(&point)[0].super_options,
            "rw,user_id=0,group_id=0,allow_other"
        );
    });
}

#[test]
fn symbolic_links_to_the_point_are_resolved() {
    isolated(|| {
        let point = directory("x");
        let link = point.with_file_name("link");
        symlink("x", &link).expect("a link can be made");
        let (_device, mount) = mounted(&MountSpec::new(&link));
        assert_eq!(mount.point(), point);
    });
}

#[test]
fn dead_mounts_of_our_own_are_replaced() {
    isolated(|| {
        let point = directory("x");
        leave_dead(&MountSpec::new(&point));
        let error = fs::metadata(&point).expect_err("it is dead");
        assert_eq!(error.raw_os_error(), Some(libc::ENOTCONN));
        let (_device, mount) = mounted(&MountSpec::new(&point));
        let [entry] = &mounts_at(&point)[..] else {
            panic!("the dead one is gone")
        };
        assert_eq!(entry.device, format!("0:{}", mount.connection()));
    });
}

#[test]
fn a_dead_mount_of_somebody_else_is_left_there() {
    isolated(|| {
        let point = directory("x");
        leave_dead(&MountSpec {
            subtype: "other".into(),
            ..MountSpec::new(&point)
        });
        let error = mount(&MountSpec::new(&point)).expect_err("it is in the way");
        assert_eq!(error.kind(), MountErrorKind::Stale);
        assert!(
            error
                .to_string()
                .ends_with(&format!("unmount it first (umount -l {})", point.display())),
            "{error}"
        );
        assert_eq!(mounts_at(&point)[0].fs_type, "fuse.other");
    });
}

#[test]
fn a_dead_mount_of_another_user_is_left_there() {
    isolated_as_root(|| {
        let point = directory("x");
        leave_dead(&MountSpec {
            allow_other: true,
            ..MountSpec::new(&point)
        });
        become_nobody();
        let error = mount(&MountSpec::new(&point)).expect_err("it is in the way");
        assert_eq!(error.kind(), MountErrorKind::Stale);
        assert_eq!(mounts_at(&point).len(), 1);
    });
}

#[test]
fn a_point_within_a_dead_mount_is_refused() {
    isolated(|| {
        let point = directory("x");
        leave_dead(&MountSpec::new(&point));
        let error = mount(&MountSpec::new(point.join("y"))).expect_err("it can't be reached");
        assert_eq!(error.kind(), MountErrorKind::Point);
        assert!(error.to_string().contains("lies within a dead FUSE mount"), "{error}");
    });
}

#[test]
fn a_live_mount_of_our_own_is_not_mounted_over() {
    isolated(|| {
        let point = directory("x");
        let (device, first) = mounted(&MountSpec::new(&point));
        let _server = Server::start(device);
        let error = mount(&MountSpec::new(&point)).expect_err("it is alive");
        assert_eq!(error.kind(), MountErrorKind::AlreadyMounted);
        let message = format!(
            "{0} is mounted already by ferrofuse: unmount it first (umount {0})",
            point.display()
        );
        assert_eq!(error.to_string(), message);
        // Somebody else's may be, like any directory that isn't empty.
        let spec = MountSpec {
            subtype: "other".into(),
            ..MountSpec::new(&point)
        };
        let (_device, second) = mounted(&spec);
        assert_eq!(mounts_at(&point).len(), 2);
        assert_eq!(second.unmount(SOON).expect("nobody uses it"), Unmounted::Clean);
        assert_eq!(first.unmount(SOON).expect("nobody uses it"), Unmounted::Clean);
    });
}

#[test]
fn a_directory_within_a_live_mount_of_our_own_is_mounted_on() {
    isolated(|| {
        let point = directory("x");
        let (device, outer) = mounted(&MountSpec::new(&point));
        let _server = Server::start(device);
        let within = point.join("y");
        let (_device, inner) = mounted(&MountSpec::new(&within));
        assert_eq!(mounts_at(&within).len(), 1);
        assert_eq!(inner.unmount(SOON).expect("nobody uses it"), Unmounted::Clean);
        assert_eq!(outer.unmount(SOON).expect("nobody uses it"), Unmounted::Clean);
    });
}

#[test]
fn a_mount_that_does_not_answer_blocks_nobody() {
    isolated(|| {
        let point = directory("x");
        let (_device, _mount) = mounted(&MountSpec::new(&point));
        let error = mount(&MountSpec::new(&point)).expect_err("it is in the way");
        assert_eq!(error.kind(), MountErrorKind::AlreadyMounted);
        assert!(error.to_string().contains("doesn't answer"), "{error}");
    });
}

#[test]
fn a_point_that_is_missing_or_no_directory_is_named() {
    isolated(|| {
        let missing = directory("x").join("missing");
        let error = mount(&MountSpec::new(&missing)).expect_err("it is missing");
        assert_eq!(
            (error.kind(), error.raw_os_error()),
            (MountErrorKind::Point, Some(libc::ENOENT))
        );
        let message = format!(
            "mount point {0} doesn't exist: create it (mkdir -p {0})",
            missing.display()
        );
        assert!(error.to_string().starts_with(&message), "{error}");

        let file = missing.with_file_name("file");
        fs::write(&file, "").expect("a file can be made");
        let error = mount(&MountSpec::new(&file)).expect_err("it is a file");
        assert_eq!(error.kind(), MountErrorKind::Point);
        assert!(error.to_string().contains("is not a directory"), "{error}");
    });
}

#[test]
fn options_that_can_not_work_are_refused_before_anything_is_mounted() {
    isolated(|| {
        let point = directory("x");
        let plain = MountSpec::new(&point);
        let wrong = [
            MountSpec {
                allow_other: true,
                allow_root: true,
                ..plain.clone()
            },
            MountSpec {
                fsname: "".into(),
                ..plain.clone()
            },
            MountSpec {
                fsname: "a\0b".into(),
                ..plain.clone()
            },
            MountSpec {
                subtype: "".into(),
                ..plain.clone()
            },
            MountSpec {
                subtype: "a,b".into(),
                ..plain.clone()
            },
        ];
        for spec in wrong {
            assert_eq!(
                mount(&spec).expect_err("it can't work").kind(),
                MountErrorKind::Option,
                "{spec:?}"
            );
        }
        assert!(mounts_at(&point).is_empty());
    });
}

#[test]
fn a_directory_with_content_is_mounted_over() {
    isolated(|| {
        let point = directory("x");
        fs::write(point.join("file"), "").expect("a file can be made");
        let (_device, mount) = mounted(&MountSpec::new(&point));
        assert_eq!(mount.unmount(SOON).expect("nobody uses it"), Unmounted::Clean);
        assert!(point.join("file").exists());
    });
}

#[test]
fn a_missing_device_is_an_error_with_the_remedy() {
    isolated(|| {
        let point = directory("x");
        cover(Path::new("/dev"));
        let error = mount(&MountSpec::new(&point)).expect_err("/dev/fuse is missing");
        assert_eq!(
            (error.kind(), error.raw_os_error()),
            (MountErrorKind::Device, Some(libc::ENOENT))
        );
        assert!(error.to_string().contains("modprobe fuse"), "{error}");
    });
}
