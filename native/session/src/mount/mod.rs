//! Mounting and unmounting: from a [`MountSpec`] to the open device and a [`Mount`], and back.
//!
//! Called by the session when it starts and ends. Knows nothing of what is spoken over the device, and never touches
//! the mounted file system itself: nothing here waits for an answer from whoever serves it. Unmounting does where
//! the kernel still has dirty data to write, so it is never called on a thread that serves requests.
//!
//! Root mounts by system call, everybody else through `fusermount3`.

mod checks;
mod direct;
mod error;
mod fusermount;
mod place;
mod table;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use error::{MountError, MountErrorKind};
use fusermount::Watcher;
use place::{MountId, Place};

const DEVICE: &str = "/dev/fuse";
/// Where fusectl has a directory for each connection (Documentation/filesystems/fuse.rst).
const CONNECTIONS: &str = "/sys/fs/fuse/connections";
/// First and longest pause between two attempts to unmount a busy mount.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(100));

/// What to mount, where, and how. Names and meanings are those of mount(8) and mount.fuse3(8).
#[derive(Clone, Debug)]
pub struct MountSpec {
    /// Directory to mount on. Symbolic links are followed; it need not be empty.
    pub point: PathBuf,
    /// Shown as the source of the mount.
    pub fsname: OsString,
    /// The mount's type is `fuse.<subtype>`. Dead mounts of the same subtype and user are removed before mounting.
    pub subtype: String,
    /// Everybody may use the mount, not only who mounted it. Others than root need `user_allow_other` in
    /// `/etc/fuse.conf`.
    pub allow_other: bool,
    /// Root may use the mount, too. The kernel has no such option and is given `allow_other`: **whoever serves the
    /// mount answers EACCES to all others** than root and the mount's owner.
    pub allow_root: bool,
    /// The kernel checks permissions by mode, owner and group.
    pub default_permissions: bool,
    /// Nothing can be written.
    pub read_only: bool,
    /// Device nodes work. Root only.
    pub dev: bool,
    /// Set-user-id and set-group-id bits work. Root only.
    pub suid: bool,
    /// Programs can be executed. True by default.
    pub exec: bool,
    /// Access times are not asked to be updated.
    pub noatime: bool,
    /// Upper limit of one read request, in bytes. The same figure must be agreed on at INIT.
    pub max_read: Option<u32>,
    /// `fusermount3` stays and unmounts when this process ends, in whatever way.
    pub auto_unmount: bool,
}

impl MountSpec {
    /// The defaults: named `ferrofuse`, for the mounting user alone, without devices and set-user-id.
    pub fn new(point: impl Into<PathBuf>) -> Self {
        MountSpec {
            point: point.into(),
            fsname: "ferrofuse".into(),
            subtype: "ferrofuse".into(),
            allow_other: false,
            allow_root: false,
            default_permissions: false,
            read_only: false,
            dev: false,
            suid: false,
            exec: true,
            noatime: false,
            max_read: None,
            auto_unmount: false,
        }
    }

    fn fs_type(&self) -> String {
        format!("fuse.{}", self.subtype)
    }

    /// What the kernel's FUSE reads itself, spelled alike for mount(2) and `fusermount3`.
    fn kernel_options(&self) -> impl Iterator<Item = String> {
        let allow_other = (self.allow_other || self.allow_root).then(|| "allow_other".to_owned());
        let default_permissions = self.default_permissions.then(|| "default_permissions".to_owned());
        let max_read = self.max_read.map(|bytes| format!("max_read={bytes}"));
        allow_other.into_iter().chain(default_permissions).chain(max_read)
    }
}

/// Who mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// This process, by mount(2).
    Direct,
    /// The setuid program `fusermount3`.
    Fusermount,
}

/// How a mount ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmounted {
    /// Nobody used it any more, or somebody else had unmounted it already.
    Clean,
    /// It is out of the tree, but still in use; it ends with its last user.
    Detached,
    /// The connection was cut; whoever used it got errors.
    Aborted,
}

/// A FUSE mount made by [`mount`]. Unmounted lazily when dropped, if nothing else has ended it before.
#[derive(Debug)]
pub struct Mount {
    point: PathBuf,
    how: How,
    id: MountId,
    /// The device has said that the mount is gone.
    ended: AtomicBool,
    /// The connection was cut by [`Mount::abort`].
    aborted: AtomicBool,
    /// Held during an attempt to unmount, for what is looked at and what is unmounted by its path must be the same.
    /// Free while a caller waits for the next attempt.
    state: Mutex<State>,
    /// There is a verdict.
    over: Condvar,
}

#[derive(Debug)]
struct State {
    verdict: Option<Unmounted>,
    watcher: Option<Watcher>,
}

/// Where our mount stands in the tree.
enum Standing {
    /// On top, at this path (a directory above may have been renamed).
    Top(PathBuf),
    /// Still there, but its path leads to another mount, or nowhere.
    Covered,
    Gone,
}

/// Mounts. The device is non-blocking and close-on-exec, its first message (INIT) is waiting; until it is answered,
/// everybody who touches the mount waits. When all descriptors of the device are closed, the mount is dead.
///
/// # Errors
/// One line with the remedy. Nothing is left mounted, except where somebody else mounted on the same point in the same
/// moment; the line says so then.
pub fn mount(spec: &MountSpec) -> Result<(OwnedFd, Mount), MountError> {
    let place = checks::prepare(spec)?;
    let (device, how, watcher) = attach(spec, &place)?;
    // A mount is busy while something is open in it; the place may lie on another FUSE mount.
    let point = place.path.clone();
    drop(place);
    let id = identify(&point, spec)?;
    let state = Mutex::new(State { verdict: None, watcher });
    let mount = Mount {
        point,
        how,
        id,
        ended: AtomicBool::new(false),
        aborted: AtomicBool::new(false),
        state,
        over: Condvar::new(),
    };
    Ok((device, mount))
}

fn attach(spec: &MountSpec, place: &Place) -> Result<(OwnedFd, How, Option<Watcher>), MountError> {
    let through_fusermount = || match fusermount::mount(&place.path, spec) {
        Ok((device, watcher)) => Ok((device, How::Fusermount, watcher)),
        // It opens the device with the user's own rights; where that is what fails, we know the remedy.
        Err(refusal) if refusal.kind() == MountErrorKind::Refused => {
            Err(direct::open_device().err().unwrap_or(refusal))
        }
        Err(error) => Err(error),
    };
    if direct::effective_ids().0 != 0 || spec.auto_unmount {
        return through_fusermount();
    }
    let device = direct::open_device()?;
    let Err(error) = direct::mount(&device, place, spec) else {
        return Ok((device, How::Direct, None));
    };
    let point = place.path.display();
    match error.raw_os_error() {
        // Root without the capability. Where fusermount3 can't help either, both reasons count.
        Some(libc::EPERM) => through_fusermount().map_err(|second| {
            MountError::caused(
                second.kind(),
                format!("can't mount on {point} without CAP_SYS_ADMIN ({second}); mount(2) itself"),
                &error,
            )
        }),
        Some(libc::ENODEV) => Err(MountError::caused(
            MountErrorKind::Device,
            format!("can't mount on {point}: the kernel doesn't know FUSE, load the fuse module (modprobe fuse)"),
            &error,
        )),
        _ => Err(MountError::caused(
            MountErrorKind::Refused,
            format!("can't mount on {point}"),
            &error,
        )),
    }
}

/// What is on top at `point`, which must be what has just been mounted.
fn identify(point: &Path, spec: &MountSpec) -> Result<MountId, MountError> {
    let lost = |error: &io::Error| {
        let what = format!(
            "mounted on {0}, but it is out of sight: check {0}, umount -l removes it",
            point.display()
        );
        MountError::caused(MountErrorKind::Covered, what, error)
    };
    let id = Place::open(point).map_err(|error| lost(&error))?.mount;
    let entry = table::find(id.id).map_err(|error| MountError::no_table(&error))?;
    if entry.is_some_and(|entry| entry.fs_type == spec.fs_type().as_str() && entry.point == point) {
        Ok(id)
    } else {
        Err(lost(&io::Error::other("another mount has appeared there")))
    }
}

impl Mount {
    /// The directory it is mounted on, without symbolic links.
    pub fn point(&self) -> &Path {
        &self.point
    }

    /// Who mounted.
    pub fn how(&self) -> How {
        self.how
    }

    /// `st_dev` of the mounted file system, as major and minor number.
    pub fn device_number(&self) -> (u32, u32) {
        self.id.device
    }

    /// Number of the connection: its directory under `/sys/fs/fuse/connections`.
    pub fn connection(&self) -> u32 {
        self.id.device.1
    }

    /// To be called when the device answers ENODEV: the mount is gone, whoever unmounted it. From then on nothing is
    /// aborted or unmounted, whatever the kernel's reused numbers name by then. Where its number is never reused (Linux
    /// 6.8), the tree still has the last word: a forced unmount of a busy mount (`umount -f`) gives ENODEV, too, and
    /// leaves a dead mount behind.
    pub fn ended(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Unmounts: at once if nobody uses it, else as soon as that is so, and at the `deadline` at the latest takes it
    /// out of the tree, with what is mounted inside it, and leaves it to its users. Only what [`mount`] has made is ever
    /// unmounted. Callable from several threads: the earliest deadline counts, and all get the one verdict. Never from a
    /// thread that serves requests: with dirty data in the kernel's cache it waits for the writes to be answered, and only
    /// an abort of the session ends that.
    ///
    /// # Errors
    /// `Covered` when another mount is on top of it at the deadline; `Refused` when the kernel or `fusermount3`
    /// doesn't let us. It is still mounted then, and the call can be repeated.
    pub fn unmount(&self, deadline: Duration) -> Result<Unmounted, MountError> {
        self.take_down(Instant::now() + deadline)
    }

    /// Takes a mount whose connection was cut out of the tree: by closing every descriptor of the device, as
    /// `Session::abort` does. Where we may, the kernel is told to cut it, too (root by a forced unmount, others by fusectl),
    /// so that a descriptor that another process has inherited, or that a write waits on, keeps nobody waiting. An unmount in
    /// progress ends with `Aborted`. Does nothing once the mount has ended.
    ///
    /// # Errors
    /// As [`Mount::unmount`]; what is left in the tree then is dead.
    pub fn abort(&self) -> Result<(), MountError> {
        self.aborted.store(true, Ordering::Release);
        if self.take_down(Instant::now())? == Unmounted::Detached {
            self.lock().verdict = Some(Unmounted::Aborted);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is valid at every point where its holder could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Attempts until there is a verdict, this caller's or another's, or `until` is over.
    fn take_down(&self, until: Instant) -> Result<Unmounted, MountError> {
        let mut pause = BACK_OFF.0;
        let mut state = self.lock();
        loop {
            if let Some(verdict) = state.verdict {
                return Ok(verdict);
            }
            let last = self.aborted.load(Ordering::Acquire) || Instant::now() >= until;
            match self.attempt(last) {
                Ok(verdict) => {
                    state.end(verdict);
                    self.over.notify_all();
                    return Ok(verdict);
                }
                Err(obstacle) if last || obstacle.kind() == MountErrorKind::Refused => return Err(obstacle),
                Err(_) => {}
            }
            let rest = pause.min(until.saturating_duration_since(Instant::now()));
            // Whoever can't wait takes the lock now and makes the last attempt itself.
            let woken = self.over.wait_timeout(state, rest);
            (state, _) = woken.unwrap_or_else(PoisonError::into_inner);
            pause = (pause * 2).min(BACK_OFF.1);
        }
    }

    /// Unmounts if nobody uses it, lazily if this is the last attempt. An error tells what was in the way.
    fn attempt(&self, last: bool) -> Result<Unmounted, MountError> {
        let aborted = self.aborted.load(Ordering::Acquire);
        // A mount that is there though the device says it isn't was ended by force.
        let dead = aborted || self.ended.load(Ordering::Acquire);
        let done = |verdict| Ok(if dead { Unmounted::Aborted } else { verdict });
        let point = match self.standing()? {
            Standing::Gone if !aborted => return Ok(Unmounted::Clean),
            Standing::Gone => return done(Unmounted::Clean),
            Standing::Covered => return Err(self.covered()),
            Standing::Top(point) => point,
        };
        let Err(error) = (if dead {
            self.force(&point)
        } else {
            detach(&point, false)
        }) else {
            return done(Unmounted::Clean);
        };
        // The tree may have changed since it was looked at.
        match self.standing()? {
            Standing::Gone => done(Unmounted::Clean),
            Standing::Covered => Err(self.covered()),
            Standing::Top(point) if last && error.kind() == MountErrorKind::Busy => {
                detach(&point, true)?;
                done(Unmounted::Detached)
            }
            Standing::Top(_) => Err(error),
        }
    }

    /// As `detach`, for a mount that is to be dead: whoever still waits for an answer in it gets an error.
    fn force(&self, point: &Path) -> Result<(), MountError> {
        match direct::force(point) {
            // Only the machine's own root may.
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                self.cut(point);
                detach(point, false)
            }
            outcome => outcome.map_err(|error| not_unmounted(point, &error)),
        }
    }

    /// Has the kernel cut the connection, if fusectl is there: whoever mounted may. It matters where a descriptor of the
    /// device is still open, because a write to it waits or another process has inherited it.
    fn cut(&self, point: &Path) {
        // As long as the mount is pinned, its number is no other connection's.
        let pinned = Place::open(point).ok().filter(|place| place.mount == self.id);
        if let Some(_pinned) = pinned {
            let abort = format!("{CONNECTIONS}/{}/abort", self.connection());
            let told = File::options()
                .write(true)
                .open(abort)
                .and_then(|mut file| file.write_all(b"1"));
            // Without fusectl the mount is only taken out of the tree.
            let _ = told;
        }
    }

    fn covered(&self) -> MountError {
        let what = format!(
            "another mount covers {0}: unmount that first (umount {0})",
            self.point.display()
        );
        MountError::new(MountErrorKind::Covered, what)
    }

    fn standing(&self) -> Result<Standing, MountError> {
        if self.ended.load(Ordering::Acquire) && !self.id.is_unique() {
            return Ok(Standing::Gone);
        }
        let entry = table::find(self.id.id).map_err(|error| MountError::no_table(&error))?;
        let Some(entry) = entry.filter(|entry| entry.device == self.id.device) else {
            return Ok(Standing::Gone);
        };
        Ok(match Place::open(&entry.point) {
            Ok(place) if place.mount == self.id => Standing::Top(entry.point),
            // The numbers name a younger mount.
            Ok(place) if place.mount.id == self.id.id => Standing::Gone,
            _ => Standing::Covered,
        })
    }
}

impl State {
    fn end(&mut self, verdict: Unmounted) {
        self.verdict = Some(verdict);
        if let Some(watcher) = self.watcher.take() {
            watcher.dismiss();
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let mut state = self.lock();
        if state.verdict.is_some() {
            return;
        }
        if let Ok(Standing::Top(point)) = self.standing() {
            // What can't be unmounted stays as a dead mount; there is nobody left to tell.
            let _ = detach(&point, true);
        }
        state.end(Unmounted::Detached);
    }
}

/// Unmounts what is on top at `point`, as root by system call, else through `fusermount3`.
fn detach(point: &Path, lazy: bool) -> Result<(), MountError> {
    match direct::unmount(point, lazy) {
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => fusermount::unmount(point, lazy),
        outcome => outcome.map_err(|error| not_unmounted(point, &error)),
    }
}

fn not_unmounted(point: &Path, error: &io::Error) -> MountError {
    let kind = match error.raw_os_error() {
        Some(libc::EBUSY) => MountErrorKind::Busy,
        _ => MountErrorKind::Refused,
    };
    MountError::caused(kind, format!("can't unmount {}", point.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::ManuallyDrop;

    #[test]
    fn what_has_ended_is_gone_whatever_a_reused_number_names() {
        let id = Place::open(Path::new("/proc")).expect("/proc is mounted").mount;
        // Never dropped: it would unmount.
        let mount = ManuallyDrop::new(Mount {
            point: "/proc".into(),
            how: How::Direct,
            id: id.without_unique(),
            ended: AtomicBool::new(false),
            aborted: AtomicBool::new(false),
            state: Mutex::new(State {
                verdict: None,
                watcher: None,
            }),
            over: Condvar::new(),
        });
        let standing = || mount.standing().expect("the table can be read");
        assert!(matches!(standing(), Standing::Top(_)));
        mount.ended();
        assert!(matches!(standing(), Standing::Gone));
    }
}
