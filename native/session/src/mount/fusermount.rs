//! Mounting and unmounting through `fusermount3`, the setuid program that mounts on behalf of users who may not.
//!
//! It sends the descriptor of `/dev/fuse` over the socket that `_FUSE_COMMFD` names. With `auto_unmount` it stays and
//! unmounts once the socket closes. It is started by its full path, never through a shell.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use super::{MountError, MountErrorKind, MountSpec};

const PROGRAM: &str = "fusermount3";
/// Searched after `PATH`, which a service may not have.
const FALLBACK: &[&str] = &["/usr/bin", "/bin"];

/// The `fusermount3` that waits to unmount. It acts when the socket closes: on [`Watcher::dismiss`], or when this
/// process ends in whatever way.
#[derive(Debug)]
pub(super) struct Watcher {
    socket: UnixStream,
    child: Child,
}

impl Watcher {
    /// Lets it go; a mount that is still there is unmounted by it.
    pub(super) fn dismiss(self) {
        drop(self.socket);
        reap(self.child);
    }
}

/// Mounts on `point` and answers the device, non-blocking and close-on-exec.
pub(super) fn mount(point: &Path, spec: &MountSpec) -> Result<(OwnedFd, Option<Watcher>), MountError> {
    let program = find()?;
    let failed = |error: io::Error| {
        MountError::caused(
            MountErrorKind::Refused,
            format!("{} can't be run", program.display()),
            &error,
        )
    };
    let (ours, low) = UnixStream::pair().map_err(failed)?;
    // A duplicate is numbered 3 or higher; 0 to 2 are replaced in the child.
    let theirs = low.try_clone().map_err(failed)?;
    drop(low);
    let mut command = Command::new(&program);
    command.arg("-o").arg(options(spec)).arg("--").arg(point);
    command.env("_FUSE_COMMFD", theirs.as_raw_fd().to_string());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let kept = theirs.as_raw_fd();
    // SAFETY: runs between fork and exec and makes one async-signal-safe call; `theirs` lives until after the spawn.
    unsafe { command.pre_exec(move || keep_across_exec(kept)) };
    let mut child = command.spawn().map_err(failed)?;
    // Without a copy of its end here, the socket ends when the child does.
    drop(theirs);

    match receive(ours.as_fd()) {
        Ok(Some(device)) if spec.auto_unmount => {
            set_nonblocking(&device).map_err(failed)?;
            Ok((device, Some(Watcher { socket: ours, child })))
        }
        Ok(Some(device)) => {
            child.wait().map_err(failed)?;
            set_nonblocking(&device).map_err(failed)?;
            Ok((device, None))
        }
        Ok(None) => Err(refusal(&program, format!("can't mount on {}", point.display()), child)),
        Err(error) => {
            drop(ours);
            reap(child);
            Err(failed(error))
        }
    }
}

/// Unmounts the topmost mount at `point`.
pub(super) fn unmount(point: &Path, lazy: bool) -> Result<(), MountError> {
    let program = find()?;
    let mut command = Command::new(&program);
    command.arg("-u").args(lazy.then_some("-z")).arg("--").arg(point);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let output = command.output().map_err(|error| {
        MountError::caused(
            MountErrorKind::Refused,
            format!("{} can't be run", program.display()),
            &error,
        )
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(said(
        &program,
        format!("can't unmount {}", point.display()),
        &output.stderr,
    ))
}

fn find() -> Result<PathBuf, MountError> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path).chain(FALLBACK.iter().map(PathBuf::from));
    find_in(directories).ok_or_else(|| {
        MountError::new(
            MountErrorKind::NoFusermount,
            format!("{PROGRAM} was not found: install the package fuse3, or run as root"),
        )
    })
}

/// A relative directory would mean something else in every working directory: it is passed over.
fn find_in(directories: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    let mut programs = directories
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(PROGRAM));
    programs.find(|program| {
        program
            .metadata()
            .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    })
}

/// The value of `-o`. nosuid and nodev are what it mounts with unless told otherwise.
fn options(spec: &MountSpec) -> OsString {
    let mut options = b"fsname=".to_vec();
    options.extend(escape(&spec.fsname));
    let flags = [
        (spec.suid, "suid"),
        (spec.dev, "dev"),
        (!spec.exec, "noexec"),
        (spec.read_only, "ro"),
        (spec.noatime, "noatime"),
        (spec.auto_unmount, "auto_unmount"),
    ];
    let flags = flags.iter().filter(|(set, _)| *set).map(|(_, name)| (*name).to_owned());
    for option in [format!("subtype={}", spec.subtype)]
        .into_iter()
        .chain(flags)
        .chain(spec.kernel_options())
    {
        options.push(b',');
        options.extend(option.as_bytes());
    }
    OsString::from_vec(options)
}

/// `,` ends an option and `\` takes the next byte literally.
fn escape(value: &OsStr) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(value.len());
    for &byte in value.as_bytes() {
        if matches!(byte, b',' | b'\\') {
            escaped.push(b'\\');
        }
        escaped.push(byte);
    }
    escaped
}

fn keep_across_exec(fd: RawFd) -> io::Result<()> {
    // SAFETY: changes a flag of a descriptor; an invalid one is an error, nothing worse.
    match unsafe { libc::fcntl(fd, libc::F_SETFD, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn set_nonblocking(device: &OwnedFd) -> io::Result<()> {
    // SAFETY: reads the flags of a descriptor that is open.
    let flags = unsafe { libc::fcntl(device.as_raw_fd(), libc::F_GETFL) };
    // SAFETY: sets the flags of a descriptor that is open.
    if flags == -1 || unsafe { libc::fcntl(device.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Waits for one message with one descriptor; `None` when the other end closed without sending any.
fn receive(socket: BorrowedFd<'_>) -> io::Result<Option<OwnedFd>> {
    // Aligned as `cmsghdr` must be, and large enough for one with a descriptor.
    let mut control = [0_u64; 8];
    let mut byte = [0_u8; 1];
    let mut vector = libc::iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: byte.len(),
    };
    // SAFETY: a plain C struct, for which zero is a valid value of every field.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &mut vector;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = mem::size_of_val(&control) as _;
    let received = loop {
        // SAFETY: `message` points to buffers of the stated lengths that outlive the call.
        let received = unsafe { libc::recvmsg(socket.as_raw_fd(), &mut message, libc::MSG_CMSG_CLOEXEC) };
        if received >= 0 {
            break received;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    };
    if received == 0 {
        return Ok(None);
    }
    // SAFETY: `message` was filled by the successful recvmsg above.
    let header = unsafe { libc::CMSG_FIRSTHDR(&message) };
    // SAFETY: not null, then it points into `control`, to a header that the kernel wrote.
    let carries_fd = !header.is_null()
        && unsafe { (*header).cmsg_level == libc::SOL_SOCKET && (*header).cmsg_type == libc::SCM_RIGHTS };
    if !carries_fd {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it sent a message without a descriptor",
        ));
    }
    // SAFETY: SCM_RIGHTS carries at least one descriptor, which the kernel has just made ours alone.
    let device = unsafe { OwnedFd::from_raw_fd(libc::CMSG_DATA(header).cast::<RawFd>().read_unaligned()) };
    Ok(Some(device))
}

/// What a child that gave up had to say.
fn refusal(program: &Path, what: String, mut child: Child) -> MountError {
    let mut text = Vec::new();
    if let Some(mut stderr) = child.stderr.take() {
        // A text that can't be read to its end is shown as far as it came.
        let _ = stderr.read_to_end(&mut text);
    }
    reap(child);
    said(program, what, &text)
}

fn said(program: &Path, what: String, stderr: &[u8]) -> MountError {
    let text = String::from_utf8_lossy(stderr);
    let text = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("; ");
    let text = if text.is_empty() {
        format!("{} failed without a word", program.display())
    } else {
        text
    };
    // strerror(EBUSY) in glibc and in musl; the program sets no locale.
    let busy = text.contains("resource busy") || text.contains("Resource busy");
    let kind = if busy {
        MountErrorKind::Busy
    } else {
        MountErrorKind::Refused
    };
    MountError::new(kind, format!("{what}: {text}"))
}

/// Leaves no zombie, and waits for nobody.
fn reap(mut child: Child) {
    // Without a thread it stays a zombie until this process ends.
    let _ = thread::Builder::new()
        .name("fusermount-reaper".into())
        .spawn(move || child.wait());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};

    #[test]
    fn commas_and_backslashes_in_the_name_are_escaped() {
        let mut spec = MountSpec::new("/mnt");
        spec.fsname = OsString::from(r"a,b\c d");
        spec.read_only = true;
        spec.max_read = Some(4096);
        assert_eq!(options(&spec), r"fsname=a\,b\\c d,subtype=ferrofuse,ro,max_read=4096");
    }

    #[test]
    fn the_program_is_found_only_where_it_can_be_executed() {
        let root = env::temp_dir().join(format!("ferrofuse-find-{}", std::process::id()));
        let [empty, plain, runnable] = ["empty", "plain", "runnable"].map(|name| root.join(name));
        for directory in [&empty, &plain, &runnable] {
            fs::create_dir_all(directory).expect("a temporary directory can be made");
        }
        for (directory, mode) in [(&plain, 0o644), (&runnable, 0o755)] {
            let file = File::create(directory.join(PROGRAM)).expect("a file can be made");
            file.set_permissions(fs::Permissions::from_mode(mode))
                .expect("its mode can be set");
        }
        let relative = PathBuf::from(".");
        assert_eq!(
            find_in([relative.clone(), empty.clone(), plain.clone()].into_iter()),
            None
        );
        let found = find_in([relative, empty, plain, runnable.clone()].into_iter());
        assert_eq!(found, Some(runnable.join(PROGRAM)));
        fs::remove_dir_all(root).expect("what was made can be removed");
    }

    #[test]
    fn a_socket_that_closes_without_a_descriptor_is_no_device() {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair can be made");
        drop(theirs);
        assert!(receive(ours.as_fd())
            .expect("the end of a socket is no error")
            .is_none());
    }

    #[test]
    fn a_message_without_a_descriptor_is_an_error() {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair can be made");
        io::Write::write_all(&mut &theirs, b"x").expect("a byte can be sent");
        assert_eq!(
            receive(ours.as_fd()).expect_err("no descriptor").kind(),
            io::ErrorKind::InvalidData
        );
    }
}
