//! A mount that is served over io_uring, in a process and a mount namespace of its own.

use std::env;
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ferrofuse_session::mount::{mount, Mount, MountSpec, Unmounted};
use ferrofuse_session::{Config, Error, Growth, Level, Session, Transport};

use crate::support::flat::{Door, Flat, Pages};

const ENABLE: &str = "/sys/module/fuse/parameters/enable_uring";

/// Runs the body in a process and a mount namespace of its own.
pub(crate) fn isolated(body: impl FnOnce()) {
    crate::support::isolated::isolated(obstacle, body);
}

fn obstacle() -> Option<&'static str> {
    if OpenOptions::new().write(true).open(ENABLE).is_err() {
        return Some("it needs root, and a kernel with FUSE over io_uring");
    }
    let device = OpenOptions::new().read(true).write(true).open("/dev/fuse");
    device.err().map(|_| "it needs /dev/fuse")
}

/// The kernel's switch, as a test wants it until this is dropped. Others wait meanwhile.
pub(crate) struct Switch {
    before: Vec<u8>,
    file: File,
}

impl Switch {
    pub(crate) fn set(on: bool) -> Self {
        let file = OpenOptions::new().read(true).write(true).open(ENABLE).unwrap();
        set_lock(&file, libc::F_WRLCK);
        let before = fs::read(ENABLE).unwrap();
        fs::write(ENABLE, if on { "Y" } else { "N" }).unwrap();
        Self { before, file }
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        fs::write(ENABLE, &self.before).unwrap();
        set_lock(&self.file, libc::F_UNLCK);
    }
}

/// One that a JVM's locks exclude, too.
fn set_lock(file: &File, kind: libc::c_int) {
    // SAFETY: all zero is a lock on the whole file.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    // SAFETY: the kernel reads the lock.
    let outcome = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLKW, &raw const lock) };
    assert_eq!(outcome, 0, "{}", io::Error::last_os_error());
}

/// Lines of the log.
pub(crate) type Lines = Arc<Mutex<Vec<(Level, String)>>>;

pub(crate) struct Mounted {
    pub(crate) point: PathBuf,
    pub(crate) mount: Mount,
    pub(crate) session: Arc<Session<Pages>>,
    pub(crate) flat: Arc<Flat>,
    pub(crate) log: Lines,
    workers: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

/// Settings that have requests come over io_uring.
pub(crate) fn over_rings() -> Config {
    Config {
        transport: Transport::Uring,
        growth: Some(Growth::new(None, None)),
        direct_io: true,
        ..Config::default()
    }
}

impl Mounted {
    pub(crate) fn new(flat: Arc<Flat>, config: Config) -> Self {
        Self::attempt(flat, config, true).unwrap()
    }

    /// With the kernel's switch on or off.
    pub(crate) fn attempt(flat: Arc<Flat>, config: Config, on: bool) -> Result<Self, Error> {
        Self::attempt_with_threads(flat, config, on, usize::MAX)
    }

    /// With so many threads at most.
    pub(crate) fn attempt_with_threads(
        flat: Arc<Flat>,
        config: Config,
        on: bool,
        threads: usize,
    ) -> Result<Self, Error> {
        let point = env::temp_dir().join(format!("ferrofuse-rings-test-{}", std::process::id()));
        fs::create_dir_all(&point).unwrap();
        let log = Lines::default();
        let lines = Arc::clone(&log);
        let config = Config {
            log: Arc::new(move |level, line: &str| lines.lock().unwrap().push((level, line.to_owned()))),
            ..config
        };
        let switch = Switch::set(on);
        let (device, mount) = mount(&MountSpec::new(&point)).unwrap();
        let established = Session::establish(device, config, &mut Door(Arc::clone(&flat)));
        drop(switch);
        let session = match established {
            Ok(session) => session,
            Err(error) => {
                drop(mount);
                fs::remove_dir(&point).unwrap();
                return Err(error);
            }
        };
        let workers = Arc::<Mutex<Vec<JoinHandle<()>>>>::default();
        let (weak, book, all): (_, Weak<Flat>, _) = (
            Arc::downgrade(&session),
            Arc::downgrade(&flat),
            Arc::downgrade(&workers),
        );
        let spawn = move || {
            let (Some(session), Some(flat), Some(all)) = (weak.upgrade(), book.upgrade(), all.upgrade()) else {
                return false;
            };
            let mut all = all.lock().unwrap();
            if all.len() >= threads {
                return false;
            }
            all.push(thread::spawn(move || session.serve(&mut Door(flat)).unwrap()));
            true
        };
        end_if_it_hangs(&session, &point);
        *flat.spawn.lock().unwrap() = Some(Box::new(spawn));
        assert!(flat.spawn.lock().unwrap().as_ref().is_some_and(|spawn| spawn()));
        Ok(Self {
            point,
            mount,
            session,
            flat,
            log,
            workers,
        })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.point.join(name)
    }

    /// Unmounts, and sees the workers end by that alone.
    pub(crate) fn unmount(self) {
        assert_eq!(self.mount.unmount(Duration::from_secs(10)).unwrap(), Unmounted::Clean);
        self.finish();
    }

    /// Sees the workers end, and that nothing is left of them.
    pub(crate) fn finish(self) {
        assert!(
            self.session.wait_ended(Instant::now() + Duration::from_secs(20)),
            "threads are still there"
        );
        *self.flat.spawn.lock().unwrap() = None;
        let workers = std::mem::take(&mut *self.workers.lock().unwrap());
        for worker in workers {
            worker.join().unwrap();
        }
        assert_eq!(self.session.in_flight(), 0);
        assert_eq!(self.session.rings(), 0);
        assert!(self.session.finish(&mut Door(Arc::clone(&self.flat))));
        self.flat
            .get(|book| assert_eq!((book.open.len(), book.destroyed), (0, 1)));
        let leases = self.flat.leases.load(std::sync::atomic::Ordering::SeqCst);
        assert_eq!(leases, 0, "leases leak");
        drop(self.mount);
        fs::remove_dir(&self.point).unwrap();
    }

    /// Whether a line with this in it was logged.
    pub(crate) fn logged(&self, part: &str) -> bool {
        self.log.lock().unwrap().iter().any(|(_, line)| line.contains(part))
    }

    pub(crate) fn wait_for_rings(&self, count: usize) {
        let end = Instant::now() + Duration::from_secs(20);
        while self.session.rings() < count {
            assert!(Instant::now() < end, "{} rings, not {count}", self.session.rings());
            thread::yield_now();
        }
    }
}

/// Ends the process when a test hangs. It uses its own mount: the connection is cut first, or its threads could not be
/// ended while they wait for answers.
fn end_if_it_hangs(session: &Arc<Session<Pages>>, point: &Path) {
    let (session, point) = (
        Arc::downgrade(session),
        CString::new(point.as_os_str().as_bytes()).unwrap(),
    );
    thread::spawn(move || {
        thread::sleep(Duration::from_secs(40));
        if let Some(session) = session.upgrade() {
            eprintln!("it hangs, with {} rings and {:?}", session.rings(), session.running());
            session.abort();
            // SAFETY: a C string that outlives the call.
            unsafe { libc::umount2(point.as_ptr(), libc::MNT_FORCE) };
            std::process::abort();
        }
    });
}

/// Keeps the calling thread, and those that it starts, on a processor.
pub(crate) fn run_on(cpu: usize) {
    // SAFETY: all zero is the empty set, `cpu` is one of it, and the kernel reads it.
    let outcome = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
    };
    assert_eq!(outcome, 0, "{}", io::Error::last_os_error());
}

/// Processors that the calling thread may run on.
pub(crate) fn processors() -> usize {
    // SAFETY: the kernel writes the set.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        assert_eq!(
            libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set),
            0
        );
        libc::CPU_COUNT(&set) as usize
    }
}

pub(crate) fn open(path: &Path) -> File {
    File::options().read(true).write(true).open(path).unwrap()
}
