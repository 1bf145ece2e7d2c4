//! What is looked at before anything is mounted: the options, the mount point, and what is mounted there already.
//!
//! The aim is one line that names the object and the remedy, in place of an errno. The kernel and `fusermount3` still
//! have the last word. A dead mount of our own at the point is removed here.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;

use super::detach;
use super::direct::effective_ids;
use super::place::{Liveness, Place};
use super::table::{self, Entry};
use super::{MountError, MountErrorKind, MountSpec};

const FUSE_CONF: &str = "/etc/fuse.conf";
/// More dead mounts than this on top of each other are somebody's mistake to look into.
const MAX_STALE: usize = 16;

/// Checks the options, then the point; answers the directory that can be mounted on.
pub(super) fn prepare(spec: &MountSpec) -> Result<Place, MountError> {
    options(spec)?;
    for _ in 0..MAX_STALE {
        let place = Place::open(&spec.point).map_err(|error| unreachable_point(spec, &error))?;
        if !place.is_directory() {
            let what = format!(
                "mount point {} is not a directory: choose a directory",
                place.path.display()
            );
            return Err(MountError::new(MountErrorKind::Point, what));
        }
        match stale(spec, &place)? {
            None => return Ok(place),
            Some(dead) => detach(&dead.point, true)?,
        }
    }
    let what = format!(
        "mount point {0} holds more than {MAX_STALE} dead mounts: remove them with umount -l {0}",
        spec.point.display()
    );
    Err(MountError::new(MountErrorKind::Stale, what))
}

fn options(spec: &MountSpec) -> Result<(), MountError> {
    let refuse = |what: &str| Err(MountError::new(MountErrorKind::Option, what));
    if spec.allow_other && spec.allow_root {
        return refuse("allow_other and allow_root exclude each other: choose one");
    }
    if spec.fsname.is_empty() || spec.fsname.as_bytes().contains(&0) {
        return refuse("fsname is empty or contains a NUL byte: choose another name");
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if spec.subtype.is_empty() || !spec.subtype.bytes().all(plain) {
        return refuse("subtype may hold letters, digits, '-', '_' and '.' only, and at least one of them");
    }
    if effective_ids().0 == 0 {
        return Ok(());
    }
    if spec.suid || spec.dev {
        return refuse("the options suid and dev are for root only: leave them out");
    }
    if (spec.allow_other || spec.allow_root) && !users_may_allow_others() {
        let option = if spec.allow_other { "allow_other" } else { "allow_root" };
        return refuse(&format!(
            "{option} needs a line that says user_allow_other in {FUSE_CONF}: ask root to add it"
        ));
    }
    Ok(())
}

/// An unreadable file is left to `fusermount3`, which reads it as root.
fn users_may_allow_others() -> bool {
    match fs::read_to_string(FUSE_CONF) {
        Ok(text) => text.lines().any(|line| line.trim() == "user_allow_other"),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

fn unreachable_point(spec: &MountSpec, error: &io::Error) -> MountError {
    let point = spec.point.display();
    let what = match error.raw_os_error() {
        Some(libc::ENOENT) => format!("mount point {point} doesn't exist: create it (mkdir -p {point})"),
        Some(libc::ENOTDIR) => format!("mount point {point} leads through something that is not a directory"),
        Some(libc::EACCES) => {
            format!("mount point {point} can't be reached: a directory above it denies search permission")
        }
        Some(libc::ENOTCONN | libc::ECONNABORTED) => {
            format!("mount point {point} lies within a dead FUSE mount: unmount that first (umount -l)")
        }
        _ => format!("mount point {point} can't be used"),
    };
    MountError::caused(MountErrorKind::Point, what, error)
}

/// The dead mount of our own at `place`, if there is one; an error if something is there that forbids mounting.
fn stale(spec: &MountSpec, place: &Place) -> Result<Option<Entry>, MountError> {
    let table = table::find(place.mount.id).map_err(|error| MountError::no_table(&error))?;
    let Some(entry) = table.filter(|entry| entry.is_fuse() && entry.point == place.path) else {
        return Ok(None);
    };
    let uid = effective_ids().0;
    let same_subtype = entry.fs_type == spec.fs_type().as_str();
    let ours = same_subtype && entry.user_id() == Some(uid);
    let liveness = place.liveness().map_err(|error| {
        MountError::caused(
            MountErrorKind::Point,
            format!("{} can't be examined", place.path.display()),
            &error,
        )
    })?;
    let point = place.path.display();
    let (kind, what) = match liveness {
        Liveness::Dead if ours => return Ok(Some(entry)),
        Liveness::Dead => (
            MountErrorKind::Stale,
            format!(
                "mount point {point} holds a dead mount of somebody else ({}): unmount it first (umount -l {point})",
                entry.fs_type.to_string_lossy()
            ),
        ),
        Liveness::Alive if same_subtype => (
            MountErrorKind::AlreadyMounted,
            format!(
                "{point} is mounted already by {}: unmount it first (umount {point})",
                spec.subtype
            ),
        ),
        Liveness::Alive => return Ok(None),
        Liveness::Silent => (
            MountErrorKind::AlreadyMounted,
            format!("mount point {point} holds a FUSE mount that doesn't answer: end its server, or umount -l {point}"),
        ),
        Liveness::Hidden => (
            MountErrorKind::AlreadyMounted,
            format!("mount point {point} holds a FUSE mount of another user: choose another directory"),
        ),
    };
    Err(MountError::new(kind, what))
}
