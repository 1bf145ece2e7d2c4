//! The kernel's table of mounts, as the calling thread's mount namespace shows it.
//!
//! Read by the checks before a mount and by every attempt to unmount. Never asks a file system anything: the table is
//! answered by the kernel alone, so a dead or silent mount can't block it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// A thread may have a mount namespace of its own, hence not `/proc/self`.
const MOUNTINFO: &str = "/proc/thread-self/mountinfo";

/// One line of mountinfo (proc_pid_mountinfo(5)), as far as it is used here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Mount id; the kernel gives it to another mount once this one is gone.
    pub(super) id: u32,
    /// `st_dev` of the file system. Its minor number names a FUSE connection under `/sys/fs/fuse/connections`.
    pub(super) device: (u32, u32),
    pub(super) point: PathBuf,
    /// `fuse.<subtype>` for a FUSE mount that has a subtype.
    pub(super) fs_type: OsString,
    /// Options of the file system itself, separated by commas.
    super_options: OsString,
}

impl Entry {
    pub(super) fn is_fuse(&self) -> bool {
        let fs_type = self.fs_type.as_bytes();
        ["fuse", "fuseblk"].iter().any(|base| {
            fs_type
                .strip_prefix(base.as_bytes())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"."))
        })
    }

    /// `user_id=` of a FUSE mount: who may use it, and who is taken for its owner.
    pub(super) fn user_id(&self) -> Option<u32> {
        let options = self.super_options.as_bytes().split(|&byte| byte == b',');
        let value = options.filter_map(|option| option.strip_prefix(b"user_id=")).next()?;
        OsStr::from_bytes(value).to_str()?.parse().ok()
    }
}

/// Reads the table. Lines that don't parse are left out.
pub(super) fn read() -> io::Result<Vec<Entry>> {
    Ok(fs::read(MOUNTINFO)?
        .split(|&byte| byte == b'\n')
        .filter_map(entry)
        .collect())
}

/// The mount with this id, if it is in the table.
pub(super) fn find(id: u32) -> io::Result<Option<Entry>> {
    Ok(read()?.into_iter().find(|entry| entry.id == id))
}

fn entry(line: &[u8]) -> Option<Entry> {
    let mut fields = line.split(|&byte| byte == b' ');
    let id = number(fields.next()?)?;
    let _parent = fields.next()?;
    let device = fields.next()?;
    let colon = device.iter().position(|&byte| byte == b':')?;
    let device = (number(&device[..colon])?, number(&device[colon + 1..])?);
    let _root = fields.next()?;
    let point = PathBuf::from(unescape(fields.next()?));
    // A variable number of optional fields ends with a lone "-".
    fields.find(|&field| field == b"-")?;
    let fs_type = unescape(fields.next()?);
    let _source = fields.next()?;
    let super_options = unescape(fields.next()?);
    Some(Entry {
        id,
        device,
        point,
        fs_type,
        super_options,
    })
}

fn number(digits: &[u8]) -> Option<u32> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Undoes the kernel's escapes: `\` and three octal digits stand for one byte.
fn unescape(field: &[u8]) -> OsString {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        match tail {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] if first == b'\\' => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn parsed(line: &str) -> Entry {
        entry(line.as_bytes()).expect("the line is well formed")
    }

    #[test]
    fn a_line_with_escapes_and_optional_fields_is_taken_apart() {
        let line = r"63 43 0:39 / /mnt/a\040b\134c\011 ro,nosuid shared:7 master:2 - fuse.ferrofuse x,y\040z rw,user_id=1000,group_id=5";
        let found = parsed(line);
        assert_eq!(found.id, 63);
        assert_eq!(found.device, (0, 39));
        assert_eq!(found.point, PathBuf::from("/mnt/a b\\c\t"));
        assert_eq!(found.fs_type, "fuse.ferrofuse");
        assert_eq!(found.user_id(), Some(1000));
        assert!(found.is_fuse());
    }

    #[test]
    fn other_file_systems_are_not_taken_for_fuse() {
        assert!(!parsed("31 23 0:28 / /sys/fs/fuse/connections rw - fusectl none rw").is_fuse());
        assert!(!parsed("31 23 0:28 / /x rw - tmpfs fuse rw").is_fuse());
        assert!(parsed("31 23 0:28 / /x rw - fuseblk /dev/sdb1 rw").is_fuse());
        assert!(parsed("31 23 0:28 / /x rw - fuse /dev/fuse rw").is_fuse());
    }

    #[test]
    fn what_is_no_escape_stays_as_it_is() {
        assert_eq!(unescape(br"a\b\04\400\043"), r"a\b\04\400#");
    }

    #[test]
    fn lines_that_do_not_parse_are_left_out() {
        for line in [
            "",
            "63",
            "63 43 0-39 / /x rw - fuse a rw",
            "63 43 0:39 / /x rw shared:1",
            "x 43 0:39 / /x rw - fuse a rw",
        ] {
            assert_eq!(entry(line.as_bytes()), None, "{line:?}");
        }
    }

    #[test]
    fn the_table_of_this_process_holds_its_root() {
        let table = read().expect("/proc is mounted");
        assert!(table.iter().any(|entry| entry.point == Path::new("/")));
    }
}
