//! Mounting and unmounting by system call. Needs `CAP_SYS_ADMIN` in the mount namespace's user namespace.

use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::place::Place;
use super::{MountError, MountErrorKind, MountSpec, DEVICE};

/// Opens `/dev/fuse`: a connection without a mount.
pub(super) fn open_device() -> Result<OwnedFd, MountError> {
    let opened = File::options()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(DEVICE);
    opened.map(OwnedFd::from).map_err(|error| {
        let what = match error.raw_os_error() {
            Some(libc::ENOENT) => {
                format!("{DEVICE} doesn't exist: load the fuse module (modprobe fuse), or hand the device to the container (--device {DEVICE})")
            }
            Some(libc::ENODEV | libc::ENXIO) => {
                format!("{DEVICE} has no driver: load the fuse module (modprobe fuse)")
            }
            Some(libc::EACCES | libc::EPERM) => {
                format!("{DEVICE} may not be opened: allow read and write on it, in a container also by its device rules")
            }
            _ => format!("{DEVICE} can't be opened"),
        };
        MountError::caused(MountErrorKind::Device, what, &error)
    })
}

/// mount(2) of `device` on `place`.
pub(super) fn mount(device: &OwnedFd, place: &Place, spec: &MountSpec) -> io::Result<()> {
    let source = c_string(&spec.fsname)?;
    let target = c_string(place.link().as_os_str())?;
    let fs_type = c_string(OsStr::new(&spec.fs_type()))?;
    let data = c_string(OsStr::new(&data(device, place, spec)))?;
    // SAFETY: five C strings that outlive the call; the kernel copies them.
    let outcome = unsafe {
        libc::mount(
            source.as_ptr(),
            target.as_ptr(),
            fs_type.as_ptr(),
            flags(spec),
            data.as_ptr().cast(),
        )
    };
    result(outcome)
}

/// umount2(2) of the topmost mount at `point`.
pub(super) fn unmount(point: &Path, lazy: bool) -> io::Result<()> {
    let point = c_string(point.as_os_str())?;
    let flags = libc::UMOUNT_NOFOLLOW | if lazy { libc::MNT_DETACH } else { 0 };
    result(umount2(&point, flags))
}

/// As `unmount`, and the kernel cuts the connection of the mount first, even of one that is busy and stays.
pub(super) fn force(point: &Path) -> io::Result<()> {
    let point = c_string(point.as_os_str())?;
    result(umount2(&point, libc::UMOUNT_NOFOLLOW | libc::MNT_FORCE))
}

fn umount2(point: &CStr, flags: libc::c_int) -> libc::c_int {
    // SAFETY: a C string that outlives the call.
    unsafe { libc::umount2(point.as_ptr(), flags) }
}

fn flags(spec: &MountSpec) -> libc::c_ulong {
    let flags = [
        (!spec.suid, libc::MS_NOSUID),
        (!spec.dev, libc::MS_NODEV),
        (!spec.exec, libc::MS_NOEXEC),
        (spec.read_only, libc::MS_RDONLY),
        (spec.noatime, libc::MS_NOATIME),
    ];
    flags
        .iter()
        .filter(|(set, _)| *set)
        .fold(0, |all, (_, flag)| all | flag)
}

/// The options that the kernel's FUSE reads itself (Documentation/filesystems/fuse.rst).
fn data(device: &OwnedFd, place: &Place, spec: &MountSpec) -> String {
    let (uid, gid) = effective_ids();
    let mut data = format!(
        "fd={},rootmode={:o},user_id={uid},group_id={gid}",
        device.as_raw_fd(),
        place.mode & libc::S_IFMT,
    );
    for option in spec.kernel_options() {
        data.push(',');
        data.push_str(&option);
    }
    data
}

/// Effective user and group.
pub(super) fn effective_ids() -> (u32, u32) {
    // SAFETY: both calls only read the process's credentials and always succeed.
    unsafe { (libc::geteuid(), libc::getegid()) }
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    CString::new(text.as_bytes()).map_err(io::Error::from)
}

fn result(outcome: libc::c_int) -> io::Result<()> {
    if outcome == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
