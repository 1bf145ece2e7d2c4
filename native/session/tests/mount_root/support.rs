//! What the mount tests share: isolation, a second look at mountinfo, other mounts, other users, and a server that
//! answers just enough to count as alive.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{env, mem, ptr};

use ferrofuse_session::mount::{mount, Mount, MountSpec};

/// Longer than anything here takes.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// The user and group of the tests that run without privileges.
pub(crate) const NOBODY: u32 = 65534;

const ISOLATED: &str = "FERROFUSE_TEST_ISOLATED";
const WATCHDOG: Duration = Duration::from_secs(60);

/// The name of the test that runs on this thread.
pub(crate) fn current_test() -> String {
    thread::current()
        .name()
        .expect("the test harness names its threads")
        .to_owned()
}

/// Runs the body in a process and a mount namespace of its own, with an empty tmpfs on `/mnt`, for a minute at most.
/// Root of a user namespace is enough.
pub(crate) fn isolated(body: impl FnOnce()) {
    isolated_unless(device_unavailable(), body);
}

/// The same for what only root of the whole machine may do: become another user, make devices, mount fusectl.
pub(crate) fn isolated_as_root(body: impl FnOnce()) {
    isolated_unless(device_unavailable().or_else(not_all_of_root), || {
        show_connections();
        body();
    });
}

fn isolated_unless(obstacle: Option<String>, body: impl FnOnce()) {
    let name = current_test();
    if env::var_os(ISOLATED).is_some() {
        cover(Path::new("/mnt"));
        return body();
    }
    if let Some(reason) = obstacle {
        // Past the harness, which hides what a passing test prints.
        writeln!(io::stderr(), "\n*** SKIPPED {name}: {reason} ***").expect("stderr can be written");
        return;
    }
    let mut process = Command::new("unshare");
    process
        .args(["--mount", "--propagation", "private"])
        .arg(env::current_exe().expect("/proc is mounted"));
    process
        .args([&name, "--exact", "--nocapture", "--test-threads=1"])
        .env(ISOLATED, "1");
    let child = process
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let child = child.expect("unshare is installed");
    let pid = child.id();
    let (ended, end) = mpsc::channel();
    thread::spawn(move || ended.send(child.wait_with_output()));
    let output = match end.recv_timeout(WATCHDOG) {
        Ok(output) => output.expect("its output can be read"),
        Err(_) => {
            // SAFETY: a signal to our own child, which nobody has reaped: its end was not seen.
            unsafe { libc::kill(pid.try_into().expect("a pid is positive"), libc::SIGKILL) };
            panic!("{name} did not end within {WATCHDOG:?}");
        }
    };
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success() && out.contains("1 passed"), "{out}\n{err}");
}

/// Mounts fusectl where the machine doesn't.
fn show_connections() {
    let point = Path::new("/sys/fs/fuse/connections");
    if mounts_at(point).is_empty() {
        system_mount(Some("fusectl"), Path::new("none"), point, 0);
    }
}

/// Shows `/dev/fuse` with this mode, whatever it is on the machine.
pub(crate) fn device_mode(mode: u32) {
    let (node, device) = (Path::new("/mnt/device"), Path::new("/dev/fuse"));
    let number = fs::metadata(device).expect("/dev/fuse exists").rdev();
    // SAFETY: a C string that outlives the call.
    let outcome = unsafe { libc::mknod(c_string(node).as_ptr(), libc::S_IFCHR, number) };
    assert_eq!(outcome, 0, "mknod: {}", io::Error::last_os_error());
    fs::set_permissions(node, fs::Permissions::from_mode(mode)).expect("it is ours");
    bind(node, device);
}

fn device_unavailable() -> Option<String> {
    // SAFETY: reads the process's credentials.
    if unsafe { libc::geteuid() } != 0 {
        return Some("it needs root".into());
    }
    match File::options().read(true).write(true).open("/dev/fuse") {
        Ok(_) => None,
        Err(error) => Some(format!("/dev/fuse can't be opened: {error}")),
    }
}

fn not_all_of_root() -> Option<String> {
    let map = fs::read_to_string("/proc/self/uid_map").expect("/proc is mounted");
    let whole = map.split_whitespace().eq(["0", "0", "4294967295"]);
    (!whole).then(|| "it needs root outside of user namespaces".into())
}

/// A new directory below `/mnt` that everybody may write in.
pub(crate) fn directory(name: &str) -> PathBuf {
    let path = Path::new("/mnt").join(name);
    fs::create_dir_all(&path).expect("tmpfs is writable");
    // SAFETY: changes an inode that is ours.
    let outcome = unsafe { libc::chown(c_string(&path).as_ptr(), NOBODY, NOBODY) };
    if outcome != 0 {
        // In a user namespace that doesn't map nobody, where no test becomes nobody either.
        assert_eq!(io::Error::last_os_error().raw_os_error(), Some(libc::EINVAL));
    }
    path
}

/// Mounts, which must succeed.
pub(crate) fn mounted(spec: &MountSpec) -> (OwnedFd, Mount) {
    mount(spec).unwrap_or_else(|error| panic!("{error}"))
}

/// Makes a dead mount that nobody takes away.
pub(crate) fn leave_dead(spec: &MountSpec) {
    let (device, mount) = mounted(spec);
    mem::forget(mount);
    drop(device);
}

/// Keeps the mount at `point` busy, without asking its file system anything.
pub(crate) fn occupy(point: &Path) -> File {
    let opened = File::options().read(true).custom_flags(libc::O_PATH).open(point);
    opened.expect("an O_PATH open asks nobody")
}

/// The device must be both.
pub(crate) fn assert_nonblocking_and_close_on_exec(device: &OwnedFd) {
    // SAFETY: reads flags of a descriptor that is open.
    let [status, own] = [libc::F_GETFL, libc::F_GETFD].map(|flags| unsafe { libc::fcntl(device.as_raw_fd(), flags) });
    assert_ne!(status & libc::O_NONBLOCK, 0);
    assert_ne!(own & libc::FD_CLOEXEC, 0);
}

/// One mount, in the kernel's spelling.
pub(crate) struct Shown {
    pub(crate) id: String,
    pub(crate) device: String,
    pub(crate) options: String,
    pub(crate) fs_type: String,
    pub(crate) source: String,
    pub(crate) super_options: String,
}

/// All mounts at `point`, from mountinfo.
pub(crate) fn mounts_at(point: &Path) -> Vec<Shown> {
    let point = point
        .to_str()
        .expect("test names are UTF-8")
        .replace('\\', r"\134")
        .replace(' ', r"\040");
    let table = fs::read_to_string("/proc/self/mountinfo").expect("/proc is mounted");
    let lines = table
        .lines()
        .map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
    lines
        .filter(|fields| fields[4] == point)
        .map(|fields| {
            let dash = fields
                .iter()
                .position(|field| field == "-")
                .expect("proc_pid_mountinfo(5)");
            Shown {
                id: fields[0].clone(),
                device: fields[2].clone(),
                options: fields[5].clone(),
                fs_type: fields[dash + 1].clone(),
                source: fields[dash + 2].clone(),
                super_options: fields[dash + 3].clone(),
            }
        })
        .collect()
}

/// Waits until nothing is mounted at `point`. `table` is mountinfo, opened before: the kernel marks it when the
/// namespace changes (proc_pid_mounts(5)).
pub(crate) fn wait_until_unmounted(table: File, point: &Path, patience: Duration) {
    let end = Instant::now() + patience;
    while !mounts_at(point).is_empty() {
        let left = end.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "{} is still mounted", point.display());
        let mut event = libc::pollfd {
            fd: table.as_raw_fd(),
            events: libc::POLLPRI,
            revents: 0,
        };
        let milliseconds = left.as_millis().try_into().unwrap_or(libc::c_int::MAX);
        // SAFETY: one pollfd that outlives the call.
        unsafe { libc::poll(&mut event, 1, milliseconds) };
    }
}

/// Mounts an empty tmpfs.
pub(crate) fn cover(point: &Path) {
    system_mount(Some("tmpfs"), Path::new("tmpfs"), point, 0);
}

/// Shows `source` in place of `target`.
pub(crate) fn bind(source: &Path, target: &Path) {
    system_mount(None, source, target, libc::MS_BIND);
}

fn system_mount(fs_type: Option<&str>, source: &Path, target: &Path, flags: libc::c_ulong) {
    let fs_type = fs_type.map(|name| CString::new(name).expect("no NUL"));
    let (source, target) = (c_string(source), c_string(target));
    let fs_type = fs_type.as_ref().map_or(ptr::null(), |name| name.as_ptr());
    // SAFETY: C strings that outlive the call; null where none is needed.
    let outcome = unsafe { libc::mount(source.as_ptr(), target.as_ptr(), fs_type, flags, ptr::null()) };
    assert_eq!(outcome, 0, "mount {target:?}: {}", io::Error::last_os_error());
}

/// Unmounts whatever is on top, behind the back of what is tested.
pub(crate) fn umount(point: &Path) {
    // SAFETY: a C string that outlives the call.
    let outcome = unsafe { libc::umount2(c_string(point).as_ptr(), libc::UMOUNT_NOFOLLOW) };
    assert_eq!(outcome, 0, "umount {point:?}: {}", io::Error::last_os_error());
}

/// Cuts the connection of a busy mount, as `umount -f` does; it stays in the tree.
pub(crate) fn force(point: &Path) {
    // SAFETY: a C string that outlives the call.
    let outcome = unsafe { libc::umount2(c_string(point).as_ptr(), libc::MNT_FORCE | libc::UMOUNT_NOFOLLOW) };
    assert_eq!(
        (outcome, io::Error::last_os_error().raw_os_error()),
        (-1, Some(libc::EBUSY))
    );
}

/// Whether the running kernel is of this version or later.
pub(crate) fn kernel_since(major: u32, minor: u32) -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("/proc is mounted");
    let mut numbers = release.split(['.', '-', '\n']).map_while(|number| number.parse().ok());
    (numbers.next(), numbers.next()) >= (Some(major), Some(minor))
}

fn c_string(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("no NUL")
}

/// Gives up root, for the whole process, on a machine that lets everybody open `/dev/fuse`.
pub(crate) fn become_nobody() {
    device_mode(0o666);
    become_user(NOBODY);
}

/// Gives up root, for the whole process.
pub(crate) fn become_user(id: u32) {
    // SAFETY: these change credentials and nothing else.
    let outcomes = unsafe {
        [
            libc::setgroups(0, ptr::null()),
            libc::setresgid(id, id, id),
            libc::setresuid(id, id, id),
        ]
    };
    assert_eq!(outcomes, [0; 3], "{}", io::Error::last_os_error());
}

/// Takes `CAP_SYS_ADMIN` from this thread; a setuid program that it starts has it still.
pub(crate) fn drop_sys_admin() {
    const VERSION_3: u32 = 0x2008_0522;
    const CAP_SYS_ADMIN: u32 = 21;
    let mut header = [VERSION_3, 0];
    // Effective, permitted, inheritable; low half, then high half.
    let mut sets = [[0_u32; 3]; 2];
    // SAFETY: both point to what version 3 of capget(2) and capset(2) reads and writes.
    let read = unsafe { libc::syscall(libc::SYS_capget, header.as_mut_ptr(), sets.as_mut_ptr()) };
    sets[0] = sets[0].map(|set| set & !(1 << CAP_SYS_ADMIN));
    // SAFETY: as above.
    let written = unsafe { libc::syscall(libc::SYS_capset, header.as_mut_ptr(), sets.as_ptr()) };
    assert_eq!((read, written), (0, 0), "{}", io::Error::last_os_error());
}

/// Answers INIT, GETATTR, and LOOKUP (every name is a directory), everything else with ENOSYS, until dropped.
pub(crate) struct Server {
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(device: OwnedFd) -> Server {
        let (stop, stopped) = UnixStream::pair().expect("a socket pair can be made");
        let thread = thread::spawn(move || serve(File::from(device), &stopped));
        Server {
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server did not panic");
        }
    }
}

fn serve(mut device: File, stopped: &UnixStream) {
    let mut request = vec![0; 1 << 20];
    loop {
        let mut events = [device.as_raw_fd(), stopped.as_raw_fd()].map(|fd| libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        });
        // SAFETY: two pollfds that outlive the call.
        unsafe { libc::poll(events.as_mut_ptr(), 2, -1) };
        if events[1].revents != 0 {
            return;
        }
        match device.read(&mut request) {
            Ok(length) => answer(&mut device, &request[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

/// Layouts and numbers: `<linux/fuse.h>`.
fn answer(device: &mut File, request: &[u8]) {
    const LOOKUP: u32 = 1;
    const FORGET: u32 = 2;
    const GETATTR: u32 = 3;
    const INIT: u32 = 26;
    let opcode = u32::from_ne_bytes(request[4..8].try_into().expect("four bytes"));
    let mut body = Vec::new();
    let mut error = 0;
    match opcode {
        FORGET => return,
        INIT => {
            // fuse_init_out: version 7.31, nothing asked for, max_write one page.
            let words: [u32; 16] = [7, 31, 0, 0, 0, 4096, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            body.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
        }
        GETATTR => {
            // fuse_attr_out: no lifetime.
            body.resize(16, 0);
            body.extend(directory_attributes(1));
        }
        LOOKUP => {
            // fuse_entry_out: node 2, no lifetimes.
            body.extend(2_u64.to_ne_bytes());
            body.resize(40, 0);
            body.extend(directory_attributes(2));
        }
        _ => error = -libc::ENOSYS,
    }
    let length = u32::try_from(16 + body.len()).expect("small");
    let mut reply = length.to_ne_bytes().to_vec();
    reply.extend(error.to_ne_bytes());
    reply.extend(&request[8..16]);
    reply.extend(body);
    // The kernel may have given up on the request.
    let _ = device.write(&reply);
}

/// fuse_attr of an empty directory.
fn directory_attributes(inode: u64) -> [u8; 88] {
    let mut attributes = [0; 88];
    attributes[..8].copy_from_slice(&inode.to_ne_bytes());
    attributes[60..64].copy_from_slice(&(libc::S_IFDIR | 0o755).to_ne_bytes());
    attributes[64..68].copy_from_slice(&2_u32.to_ne_bytes());
    attributes
}
