//! Uses a mount as programs do, and says what it has seen: a line for each system call, with its result or its errno.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{symlink, FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::ptr;

/// Times after this one, in 2020, are those of the kernel's clock, which it gives files under the writeback cache.
const THEN: i64 = 1_600_000_000;

/// What was seen at `point`, in order.
pub(crate) fn testify(point: &Path) -> Vec<String> {
    let mut witness = Witness {
        point,
        seen: Vec::new(),
    };
    witness.names();
    witness.attributes();
    witness.content();
    witness.made();
    witness.removed();
    witness.extended();
    witness.regions();
    witness.seen
}

struct Witness<'a> {
    point: &'a Path,
    seen: Vec<String>,
}

impl Witness<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.point.join(name)
    }

    fn saw<T: std::fmt::Debug>(&mut self, what: &str, result: io::Result<T>) {
        let result = match result {
            Ok(value) => format!("{value:?}"),
            Err(error) => match error.raw_os_error() {
                Some(errno) => format!("errno {errno}"),
                None => format!("{:?}", error.kind()),
            },
        };
        self.seen.push(format!("{what}: {result}"));
    }

    fn stat(&mut self, name: &str) {
        let shown = fs::symlink_metadata(self.path(name)).map(|found| {
            let kind = found.file_type();
            (
                (found.ino(), format!("{:o}", found.mode()), found.nlink(), found.rdev()),
                (found.uid(), found.gid(), found.size(), found.blocks(), found.blksize()),
                [
                    (found.mtime(), found.mtime_nsec()),
                    (found.atime(), found.atime_nsec()),
                    (found.ctime(), found.ctime_nsec()),
                ]
                .map(|time| (time.0 < THEN).then_some(time)),
                (kind.is_file(), kind.is_symlink(), kind.is_fifo(), kind.is_socket()),
            )
        });
        self.saw(&format!("stat {name:?}"), shown);
    }

    fn list(&mut self) {
        let listed = fs::read_dir(self.point).and_then(|entries| {
            let mut entries: Vec<_> = entries
                .map(|entry| {
                    let entry = entry?;
                    Ok((entry.file_name(), entry.metadata()?.len()))
                })
                .collect::<io::Result<_>>()?;
            entries.sort();
            Ok(entries)
        });
        self.saw("list", listed);
    }

    fn read(&mut self, name: &str) {
        let content = fs::read(self.path(name)).map(|bytes| {
            let sum = bytes
                .iter()
                .fold(7_u64, |sum, &byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
            (bytes.len(), sum)
        });
        self.saw(&format!("read {name:?}"), content);
    }

    fn names(&mut self) {
        self.list();
        for name in [
            "",
            "a",
            "b",
            "bare",
            "none",
            "none",
            "absent-for-1.5-s",
            "absent-for-1.5-s",
            "panic",
        ] {
            self.stat(name);
        }
        self.stat("a/below");
        let long = "x".repeat(256);
        self.stat(&long);
        self.saw(
            "not UTF-8",
            fs::metadata(self.point.join(std::ffi::OsStr::from_bytes(b"\xff"))).map(drop),
        );
    }

    fn attributes(&mut self) {
        let changed = fs::set_permissions(self.path("a"), fs::Permissions::from_mode(0o604));
        self.saw("chmod", changed);
        self.stat("a");
        let times = fs::FileTimes::new()
            .set_modified(std::time::UNIX_EPOCH + std::time::Duration::new(9, 8))
            .set_accessed(std::time::UNIX_EPOCH);
        let set = File::open(self.path("a")).and_then(|file| file.set_times(times));
        self.saw("utimensat", set);
        self.saw("chown", std::os::unix::fs::chown(self.path("a"), Some(3), Some(4)));
        self.stat("a");
        let file = OpenOptions::new().write(true).open(self.path("b"));
        self.saw("ftruncate", file.and_then(|file| file.set_len(100)));
        self.stat("b");
        let too_long = OpenOptions::new().write(true).open(self.path("b"));
        self.saw("ftruncate too far", too_long.and_then(|file| file.set_len(1 << 30)));
        self.read("b");
        for mask in [libc::R_OK, libc::W_OK, libc::X_OK] {
            let path = c_string(&self.path("a"));
            // SAFETY: a C string that outlives the call.
            let allowed = checked(unsafe { libc::access(path.as_ptr(), mask) }.into());
            self.saw(&format!("access {mask}"), allowed);
        }
        let path = c_string(self.point);
        // SAFETY: a record of zeros is valid, and has room.
        let mut figures: libc::statfs = unsafe { std::mem::zeroed() };
        // SAFETY: a C string and the record outlive the call.
        let found = checked(unsafe { libc::statfs(path.as_ptr(), &raw mut figures) }.into());
        let figures = (
            figures.f_blocks,
            figures.f_bfree,
            figures.f_bsize,
            figures.f_namelen,
            figures.f_frsize,
        );
        self.saw("statfs", found.map(|_| figures));
    }

    fn content(&mut self) {
        for name in ["a", "shared", "free", "greedy", "none"] {
            self.read(name);
        }
        let large: Vec<u8> = (0..900_000_u32).map(|n| (n % 253) as u8).collect();
        self.saw("write much", fs::write(self.path("new"), &large));
        self.read("new");
        self.stat("new");
        let file = OpenOptions::new().read(true).write(true).open(self.path("new"));
        let Ok(file) = file else {
            return self.saw("open", file.map(drop));
        };
        let mut buffer = vec![0; 5000];
        self.saw("pwrite", file.write_at(b"in the middle", 77_777));
        let read = file
            .read_at(&mut buffer, 77_770)
            .map(|len| buffer[..len.min(30)].to_vec());
        self.saw("pread", read);
        self.saw("pread at the end", file.read_at(&mut buffer, 899_990));
        self.saw("pread beyond", file.read_at(&mut buffer, 2_000_000));
        self.saw("fsync", file.sync_all());
        self.saw("fdatasync", file.sync_data());
        self.saw("shorten", file.set_len(1000));
        drop(file);
        self.read("new");
        let appended = OpenOptions::new().append(true).open(self.path("new"));
        self.saw(
            "append",
            appended.and_then(|file| io::Write::write(&mut &file, b"more")),
        );
        self.read("new");
        let busy = OpenOptions::new().write(true).truncate(true).open(self.path("busy"));
        self.saw("truncate by opening", busy.map(drop));
        self.read("busy");
        let direct = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_DIRECT)
            .open(self.path("a"));
        self.saw("open O_DIRECT", direct.map(drop));
    }

    fn made(&mut self) {
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.path("made"));
        self.saw("create", made.map(drop));
        let again = OpenOptions::new().write(true).create_new(true).open(self.path("made"));
        self.saw("create again", again.map(drop));
        self.stat("made");
        self.saw("symlink", symlink("somewhere", self.path("sym")));
        self.saw("readlink", fs::read_link(self.path("sym")));
        self.stat("sym");
        for (name, kind) in [
            ("fifo", libc::S_IFIFO),
            ("socket", libc::S_IFSOCK),
            ("node", libc::S_IFREG),
        ] {
            let path = c_string(&self.path(name));
            // SAFETY: a C string that outlives the call.
            let made = checked(unsafe { libc::mknod(path.as_ptr(), kind | 0o640, 0) }.into());
            self.saw(&format!("mknod {name}"), made);
            self.stat(name);
        }
        self.saw("mkdir", fs::create_dir(self.path("dir")));
        for name in ["twisted", "upward"] {
            self.saw(&format!("create {name}"), File::create_new(self.path(name)).map(drop));
            self.saw(&format!("mkdir {name}"), fs::create_dir(self.path(name)));
            self.saw(&format!("symlink {name}"), symlink("x", self.path(name)));
        }
        self.saw("link", fs::hard_link(self.path("made"), self.path("second")));
        self.stat("");
        self.list();
    }

    fn removed(&mut self) {
        self.saw("rename", fs::rename(self.path("made"), self.path("renamed")));
        self.stat("made");
        self.stat("renamed");
        for (what, flags) in [
            ("exchange", libc::RENAME_EXCHANGE),
            ("noreplace", libc::RENAME_NOREPLACE),
        ] {
            let (from, to) = (c_string(&self.path("a")), c_string(&self.path("b")));
            // SAFETY: two C strings that outlive the call.
            let renamed = checked(
                unsafe { libc::renameat2(libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), flags) }.into(),
            );
            self.saw(what, renamed);
        }
        self.saw("unlink", fs::remove_file(self.path("renamed")));
        self.saw("unlink what is gone", fs::remove_file(self.path("renamed")));
        self.saw("rmdir", fs::remove_dir(self.path("a")));
        self.list();
    }

    fn extended(&mut self) {
        let path = c_string(&self.path("shared"));
        let (name, value) = (c"user.long", vec![7_u8; 60_000]);
        // SAFETY: C strings and `value` outlive the call.
        let set = unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
        self.saw("setxattr", checked(set.into()));
        let mut room = vec![0_u8; 70_000];
        for (name, size) in [
            (name, 0),
            (name, 10),
            (name, room.len()),
            (c"user.none", 10),
            (c"trusted.none", 0),
        ] {
            let target = if size == 0 {
                ptr::null_mut()
            } else {
                room.as_mut_ptr().cast()
            };
            // SAFETY: C strings, and room for `size` bytes.
            let len = unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), target, size) };
            let sum: u64 = room.iter().map(|&byte| u64::from(byte)).sum();
            self.saw(
                &format!("getxattr {name:?} {size}"),
                checked(len as i64).map(|len| (len, sum)),
            );
        }
        for size in [0, 3, 100] {
            // SAFETY: a C string, and room for `size` bytes.
            let len = unsafe { libc::listxattr(path.as_ptr(), room.as_mut_ptr().cast(), size) };
            self.saw(&format!("listxattr {size}"), checked(len as i64));
        }
        for _ in 0..2 {
            // SAFETY: C strings that outlive the call.
            let removed = unsafe { libc::removexattr(path.as_ptr(), name.as_ptr()) };
            self.saw("removexattr", checked(removed.into()));
        }
    }

    fn regions(&mut self) {
        let file = |name| OpenOptions::new().read(true).write(true).open(self.path(name));
        let (Ok(holes), Ok(free), Ok(whole)) = (file("holes"), file("free"), file("shared")) else {
            return self.saw("regions", Err::<(), _>(io::Error::last_os_error()));
        };
        for (what, file) in [("holes", &holes), ("whole", &whole)] {
            for (whence, offset) in [
                (libc::SEEK_HOLE, 0),
                (libc::SEEK_DATA, 5),
                (libc::SEEK_DATA, 200),
                (libc::SEEK_DATA, 1 << 20),
                (libc::SEEK_HOLE, 300),
            ] {
                // SAFETY: no memory is involved.
                let found = unsafe { libc::lseek(file.as_raw_fd(), offset, whence) };
                self.saw(&format!("lseek {what} {whence} {offset}"), checked(found));
            }
        }
        // SAFETY: no memory is involved.
        let allocated = unsafe { libc::fallocate(free.as_raw_fd(), 0, 0, 4096) };
        self.saw("fallocate", checked(allocated.into()));
        let (mut from, mut to) = (10_i64, 500_i64);
        // SAFETY: two offsets that outlive the call.
        let copied =
            unsafe { libc::copy_file_range(whole.as_raw_fd(), &raw mut from, free.as_raw_fd(), &raw mut to, 100, 0) };
        self.saw(
            "copy_file_range",
            checked(copied as i64).map(|copied| (copied, from, to)),
        );
        // What 'a program's number, read from and written to 8 bytes' is to ioctl(2).
        let command = 0xc008_4600_u64 | 5;
        let mut bytes = *b"eight...";
        // SAFETY: the command says that it has 8 bytes.
        let result = unsafe { libc::ioctl(whole.as_raw_fd(), command, bytes.as_mut_ptr()) };
        self.saw("ioctl", checked(result.into()).map(|result| (result, bytes)));
        let mut polled = libc::pollfd {
            fd: whole.as_raw_fd(),
            events: libc::POLLIN | libc::POLLOUT,
            revents: 0,
        };
        // SAFETY: one record that outlives the call.
        let ready = unsafe { libc::poll(&raw mut polled, 1, 0) };
        self.saw("poll", checked(ready.into()).map(|ready| (ready, polled.revents)));
        drop((holes, free, whole));
        self.read("free");
    }
}

fn c_string(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

/// What a system call answers: -1 is an error.
fn checked(result: i64) -> io::Result<i64> {
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}
