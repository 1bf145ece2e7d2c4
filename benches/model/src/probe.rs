//! Finds out which operations a directory's file system has at all. What one side lacks can't be compared: the other side
//! would do it. It is left out, and whoever runs the comparison is told.

use std::os::fd::{AsRawFd, OwnedFd};

use crate::strategy::{Lacking, FALLOCATE_MODES};
use crate::sys::{self, call, Errno, Mapping};
use crate::words::{FallocateMode, RenameFlags, Word};

impl Lacking {
    /// What a file system lacks, tried out in an empty directory.
    pub fn of(directory: &OwnedFd) -> Result<Self, Errno> {
        let at = directory.as_raw_fd();
        let mut lacking = Self::default();
        let tmpfile = sys::openat(at, b".", libc::O_TMPFILE | libc::O_RDWR, 0o600);
        lacking.tmpfile = tmpfile.is_err();
        let file = sys::openat(at, b"probe", libc::O_RDWR | libc::O_CREAT, 0o600)?;
        let fd = file.as_raw_fd();
        for mode in FALLOCATE_MODES {
            // whole blocks of a file that is larger, as COLLAPSE_RANGE and INSERT_RANGE want it
            call!(ftruncate(fd, 1 << 20))?;
            if call!(fallocate(fd, mode, 0, 65536)).is_err() {
                lacking.fallocate.push(FallocateMode(mode));
            }
        }
        lacking.huge_files = call!(ftruncate(fd, i64::MAX)).is_err();
        call!(ftruncate(fd, 1 << 20))?;
        let mapping = Mapping::new(fd, libc::PROT_READ, libc::MAP_SHARED, 0, 4096);
        lacking.shared_mappings = mapping.is_err();
        for flag in [libc::RENAME_NOREPLACE, libc::RENAME_EXCHANGE, libc::RENAME_WHITEOUT] {
            let target = if flag == libc::RENAME_EXCHANGE {
                c"probe"
            } else {
                c"other"
            };
            let renamed = call!(syscall(
                libc::SYS_renameat2,
                at,
                c"probe".as_ptr(),
                at,
                target.as_ptr(),
                flag
            ));
            if renamed.is_err() {
                lacking.rename.push(RenameFlags(flag as i32));
            }
            for name in [c"probe", c"other"] {
                let _ = call!(unlinkat(at, name.as_ptr(), 0)); // one of them is there
            }
            drop(sys::openat(at, b"probe", libc::O_RDWR | libc::O_CREAT, 0o600)?);
        }
        call!(unlinkat(at, c"probe".as_ptr(), 0))?;
        Ok(lacking)
    }

    /// What either lacks.
    pub fn or(mut self, other: Self) -> Self {
        self.ops.extend(other.ops);
        self.tmpfile |= other.tmpfile;
        self.fallocate.extend(other.fallocate);
        self.fallocate.sort_by_key(|mode| mode.0);
        self.fallocate.dedup();
        self.rename.extend(other.rename);
        self.rename.sort_by_key(|flags| flags.0);
        self.rename.dedup();
        self.shared_mappings |= other.shared_mappings;
        self.huge_files |= other.huge_files;
        self
    }

    /// For people, one word each.
    pub fn words(&self) -> Vec<String> {
        fn text(word: &impl Word) -> String {
            let mut text = String::new();
            word.write(&mut text);
            text
        }
        let mut words = self.ops.clone();
        words.extend(self.tmpfile.then(|| "O_TMPFILE".to_string()));
        words.extend(self.shared_mappings.then(|| "MAP_SHARED".to_string()));
        words.extend(self.huge_files.then(|| "files of 8 EiB".to_string()));
        words.extend(self.fallocate.iter().map(|mode| format!("fallocate:{}", text(mode))));
        words.extend(self.rename.iter().map(text));
        words
    }
}
