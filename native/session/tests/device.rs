//! The same file system on a real mount, used through system calls. Needs root.

mod support;

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{env, ptr};

use ferrofuse_session::mount::{mount, Mount, MountSpec, Unmounted};
use ferrofuse_session::{Config, Session};

use support::flat::{Door, Flat, Pages};

/// Runs the body in a process and a mount namespace of its own.
fn isolated(body: impl FnOnce()) {
    support::isolated::isolated(support::isolated::no_root_or_device, body);
}

struct Mounted {
    point: PathBuf,
    mount: Mount,
    session: Arc<Session<Pages>>,
    flat: Arc<Flat>,
    workers: Vec<JoinHandle<()>>,
}

impl Mounted {
    fn new(flat: Arc<Flat>, workers: usize, config: Config) -> Self {
        let point = env::temp_dir().join(format!("ferrofuse-device-test-{}", std::process::id()));
        fs::create_dir_all(&point).unwrap();
        let (device, mount) = mount(&MountSpec::new(&point)).unwrap();
        let session = Session::establish(device, config, &mut Door(Arc::clone(&flat))).unwrap();
        let workers = (0..workers)
            .map(|_| {
                let (session, mut door) = (Arc::clone(&session), Door(Arc::clone(&flat)));
                thread::spawn(move || session.serve(&mut door).unwrap())
            })
            .collect();
        Self {
            point,
            mount,
            session,
            flat,
            workers,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.point.join(name)
    }

    /// Unmounts, and sees the workers end by that alone.
    fn unmount(self) {
        assert_eq!(self.mount.unmount(Duration::from_secs(10)).unwrap(), Unmounted::Clean);
        assert!(self.session.wait_ended(Instant::now() + Duration::from_secs(10)));
        for worker in self.workers {
            worker.join().unwrap();
        }
        assert!(self.session.disconnected() && self.session.unmounted());
        assert!(self.session.finish(&mut Door(Arc::clone(&self.flat))));
        self.flat
            .get(|book| assert_eq!((book.open.len(), book.destroyed), (0, 1)));
        fs::remove_dir(&self.point).unwrap();
    }
}

fn set_attribute(path: &Path, name: &str, value: &[u8]) -> io::Result<()> {
    let (path, name) = (CString::new(path.as_os_str().as_bytes())?, CString::new(name)?);
    // SAFETY: two C strings and a slice that outlive the call.
    let set = unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    if set == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn attribute(path: &Path, name: &str) -> io::Result<Vec<u8>> {
    let (path, name) = (CString::new(path.as_os_str().as_bytes())?, CString::new(name)?);
    // SAFETY: two C strings; no room is given.
    let len = unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), ptr::null_mut(), 0) };
    let mut value = vec![0; usize::try_from(len).map_err(|_| io::Error::last_os_error())?];
    // SAFETY: two C strings and room for `value.len()` bytes.
    let len = unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    value.truncate(usize::try_from(len).map_err(|_| io::Error::last_os_error())?);
    Ok(value)
}

#[test]
fn programs_use_the_file_system() {
    isolated(|| {
        let mounted = Mounted::new(Flat::with_files(&["a", "bare", "free"]), 3, Config::default());
        let mut names: Vec<String> = fs::read_dir(&mounted.point)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["a", "bare", "free"]);

        assert_eq!(fs::read(mounted.path("a")).unwrap(), (0..=255).collect::<Vec<u8>>());
        let metadata = fs::metadata(mounted.path("a")).unwrap();
        assert_eq!((metadata.len(), metadata.ino(), metadata.uid()), (256, 10, 5));

        let large: Vec<u8> = (0..900_000_u32).map(|n| (n % 253) as u8).collect();
        fs::write(mounted.path("new"), &large).unwrap();
        assert!(fs::read(mounted.path("new")).unwrap() == large);
        let file = File::options().write(true).open(mounted.path("new")).unwrap();
        file.set_len(1000).unwrap();
        file.sync_all().unwrap();
        assert_eq!(fs::read(mounted.path("new")).unwrap(), large[..1000]);
        drop(file);

        fs::rename(mounted.path("new"), mounted.path("renamed")).unwrap();
        assert!(!mounted.path("new").exists());
        fs::remove_file(mounted.path("renamed")).unwrap();
        assert_eq!(
            fs::create_dir(mounted.path("d")).unwrap_err().raw_os_error(),
            Some(libc::EROFS)
        );
        assert_eq!(
            File::open(mounted.path("panic")).unwrap_err().raw_os_error(),
            Some(libc::EIO)
        );

        let value = vec![7; 60_000];
        set_attribute(&mounted.path("a"), "user.long", &value).unwrap();
        assert!(attribute(&mounted.path("a"), "user.long").unwrap() == value);
        assert_eq!(
            attribute(&mounted.path("a"), "user.none").unwrap_err().raw_os_error(),
            Some(libc::ENODATA)
        );
        mounted.unmount();
    });
}

#[test]
fn many_threads_read_and_write_through_shared_and_cloned_descriptors() {
    isolated(|| {
        for clone_fd in [false, true] {
            let config = Config {
                clone_fd,
                direct_io: true,
                ..Config::default()
            };
            let mounted = Mounted::new(Flat::with_files(&["a", "shared", "free"]), 4, config);
            thread::scope(|scope| {
                for thread in 0..6_u64 {
                    let path = mounted.path(["a", "shared", "free"][thread as usize % 3]);
                    scope.spawn(move || {
                        let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
                        let mut buffer = [0; 512];
                        for round in 0..500_u64 {
                            let written = [(thread * 7 + round) as u8; 512];
                            file.write_all_at(&written, 4096 * thread).unwrap();
                            file.read_exact_at(&mut buffer, 4096 * thread).unwrap();
                            assert_eq!(buffer, written);
                        }
                    });
                }
            });
            mounted.unmount();
        }
    });
}

#[test]
fn an_aborted_session_does_not_claim_to_be_unmounted() {
    isolated(|| {
        // Fails where it is mounted already.
        let fusectl = ["-t", "fusectl", "none", "/sys/fs/fuse/connections"];
        Command::new("mount")
            .args(fusectl)
            .stderr(Stdio::null())
            .status()
            .unwrap();
        let mounted = Mounted::new(Flat::with_files(&["a"]), 2, Config::default());
        let switch = format!("/sys/fs/fuse/connections/{}/abort", mounted.mount.connection());
        fs::write(switch, "1").unwrap();
        assert!(mounted.session.wait_ended(Instant::now() + Duration::from_secs(10)));
        assert!(mounted.session.disconnected() && !mounted.session.unmounted());
        assert!(mounted.session.finish(&mut Door(Arc::clone(&mounted.flat))));
        let dead = fs::metadata(&mounted.point).unwrap_err();
        assert_eq!(dead.raw_os_error(), Some(libc::ENOTCONN));
        drop(mounted.mount);
        fs::remove_dir(&mounted.point).unwrap();
    });
}

#[test]
fn a_stopped_session_answers_with_errors_instead_of_hanging() {
    isolated(|| {
        let mounted = Mounted::new(Flat::with_files(&["a"]), 2, Config::default());
        let open = File::open(mounted.path("a")).unwrap();
        mounted.session.stop();
        assert!(mounted.session.wait_ended(Instant::now() + Duration::from_secs(10)));
        assert!(mounted.session.finish(&mut Door(Arc::clone(&mounted.flat))));
        mounted
            .flat
            .get(|book| assert!(book.open.is_empty(), "released, though the program has it open"));
        // The attributes of an uncached file have to be asked for.
        let error = fs::metadata(mounted.path("a")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOTCONN));
        drop(open);
        mounted.mount.unmount(Duration::from_secs(10)).unwrap();
        fs::remove_dir(&mounted.point).unwrap();
    });
}

#[test]
fn an_abort_needs_nothing_but_the_descriptors() {
    isolated(|| {
        let flat = Flat::with_files(&["a"]);
        flat.change(|book| book.held = Some(0));
        let config = Config {
            clone_fd: true,
            ..Config::default()
        };
        let mounted = Mounted::new(flat, 3, config);
        let open = File::open(mounted.path("a")).unwrap();
        thread::scope(|scope| {
            let reader = scope.spawn(|| open.read_at(&mut [0; 1], 0));
            mounted.flat.wait(|book| book.inside == 1);
            mounted.session.abort();
            reader.join().unwrap().expect_err("nobody answers any more");
        });
        let dead = fs::metadata(&mounted.point).unwrap_err();
        assert_eq!(dead.raw_os_error(), Some(libc::ENOTCONN));
        mounted.mount.abort().unwrap();
        assert_eq!(mounted.mount.unmount(Duration::ZERO).unwrap(), Unmounted::Aborted);
        fs::remove_dir(&mounted.point).unwrap();
        assert!(!mounted.session.ended(), "the handler is still inside");
        mounted.flat.change(|book| book.held = None);
        assert!(mounted.session.wait_ended(Instant::now() + Duration::from_secs(10)));
        assert!(mounted.session.finish(&mut Door(Arc::clone(&mounted.flat))));
    });
}
