//! The words of a script: how an argument of an operation is written and read. Every type here comes back from its own
//! text unchanged. Knows no operation and does no I/O.

use std::fmt::Write;

/// Written without spaces, and read again.
pub trait Word: Sized {
    /// Appends the text.
    fn write(&self, out: &mut String);

    /// Reads the text; says what is wrong with it.
    fn read(text: &str) -> Result<Self, String>;

    /// The place of an open file that it is, if it is one.
    fn fd(&self) -> Option<Fd> {
        None
    }
}

macro_rules! decimal {
    ($($number:ty),*) => {$(
        impl Word for $number {
            fn write(&self, out: &mut String) {
                let _ = write!(out, "{self}"); // a String takes everything
            }

            fn read(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| format!("{text} is no number that fits"))
            }
        }
    )*};
}
decimal!(u8, u32, i64, usize);

/// One of a few places for what is open, so that operations meet on it.
macro_rules! place {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $count:literal, $fd:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub usize);

        impl $name {
            /// How many there are.
            pub const COUNT: usize = $count;
        }

        impl Word for $name {
            fn fd(&self) -> Option<Fd> {
                $fd(self.0)
            }

            fn write(&self, out: &mut String) {
                let _ = write!(out, concat!($prefix, "{}"), self.0);
            }

            fn read(text: &str) -> Result<Self, String> {
                let number = text.strip_prefix($prefix).and_then(|digits| digits.parse().ok());
                match number {
                    Some(number) if number < Self::COUNT => Ok(Self(number)),
                    _ => Err(format!(concat!("{} is none of ", $prefix, "0 to ", $prefix, "{}"), text, Self::COUNT - 1)),
                }
            }
        }
    };
}
place!(
    /// Where an open file description is kept.
    Fd,
    "fd",
    5,
    |place| Some(Fd(place))
);
place!(
    /// Where a mapping is kept.
    Map,
    "map",
    2,
    |_| None
);

/// Permission bits, octal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub u32);

impl Word for Mode {
    fn write(&self, out: &mut String) {
        let _ = write!(out, "{:04o}", self.0);
    }

    fn read(text: &str) -> Result<Self, String> {
        u32::from_str_radix(text, 8)
            .map(Self)
            .map_err(|_| format!("{text} is no octal number"))
    }
}

/// A path, a name or the target of a symbolic link: any bytes but NUL. Bytes that could be mistaken are written as %XX,
/// no bytes at all as %.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(pub Vec<u8>);

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl Word for Text {
    fn write(&self, out: &mut String) {
        if self.0.is_empty() {
            out.push('%');
        }
        for &byte in &self.0 {
            if byte.is_ascii_alphanumeric() || b"/._-".contains(&byte) {
                out.push(byte.into());
            } else {
                let _ = write!(out, "%{byte:02x}");
            }
        }
    }

    fn read(text: &str) -> Result<Self, String> {
        if text == "%" {
            return Ok(Self(Vec::new()));
        }
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((&first, after)) = rest.split_first() {
            rest = after;
            if first != b'%' {
                bytes.push(first);
                continue;
            }
            let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
            let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            bytes.push(byte.ok_or_else(|| format!("{text}: two hexadecimal digits belong behind %"))?);
            rest = &rest[2..];
        }
        if bytes.contains(&0) {
            return Err(format!("{text} contains NUL"));
        }
        Ok(Self(bytes))
    }
}

/// What utimensat(2) sets a time to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// `UTIME_NOW`
    Now,
    /// `UTIME_OMIT`
    Omit,
    /// Seconds since 1970, and nanoseconds.
    At(i64, i64),
}

impl Word for Time {
    fn write(&self, out: &mut String) {
        let _ = match self {
            Self::Now => write!(out, "now"),
            Self::Omit => write!(out, "omit"),
            Self::At(seconds, nanos) => write!(out, "{seconds}:{nanos}"),
        };
    }

    fn read(text: &str) -> Result<Self, String> {
        match text {
            "now" => Ok(Self::Now),
            "omit" => Ok(Self::Omit),
            _ => {
                let (seconds, nanos) = text
                    .split_once(':')
                    .ok_or_else(|| format!("{text} is none of now, omit, SECONDS:NANOSECONDS"))?;
                Ok(Self::At(i64::read(seconds)?, i64::read(nanos)?))
            }
        }
    }
}

/// Bits by the names that the man pages give them, "A|B"; none is 0. A name whose bits contain another's comes first.
macro_rules! flags {
    ($(#[$doc:meta])* $name:ident { $($flag:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub i32);

        impl Word for $name {
            fn write(&self, out: &mut String) {
                let table: &[(&str, i32)] = &[$((stringify!($flag), libc::$flag as i32)),*];
                $crate::words::write_flags(table, self.0, out);
            }

            fn read(text: &str) -> Result<Self, String> {
                let table: &[(&str, i32)] = &[$((stringify!($flag), libc::$flag as i32)),*];
                $crate::words::read_flags(table, text).map(Self)
            }
        }
    };
}

fn write_flags(table: &[(&str, i32)], bits: i32, out: &mut String) {
    let mut left = bits;
    let mut names = Vec::new();
    for &(name, flag) in table {
        if flag != 0 && left & flag == flag {
            names.push(name.to_string());
            left &= !flag;
        }
    }
    if left != 0 || names.is_empty() {
        names.push(left.to_string());
    }
    out.push_str(&names.join("|"));
}

fn read_flags(table: &[(&str, i32)], text: &str) -> Result<i32, String> {
    text.split('|').try_fold(0, |bits, word| {
        let named = table.iter().find(|(name, _)| *name == word).map(|&(_, flag)| flag);
        match named.or_else(|| word.parse().ok()) {
            Some(flag) => Ok(bits | flag),
            None => Err(format!("{word} is no flag that is known here")),
        }
    })
}

flags!(
    /// Of open(2). No access mode among the names is `O_RDONLY`.
    OpenFlags {
        O_TMPFILE, O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW, O_PATH,
        O_DIRECT, O_SYNC, O_DSYNC, O_NOATIME,
    }
);
flags!(
    /// Of fallocate(2).
    FallocateMode {
        FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE, FALLOC_FL_COLLAPSE_RANGE,
        FALLOC_FL_INSERT_RANGE,
    }
);
flags!(
    /// Of renameat2(2).
    RenameFlags { RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT }
);
flags!(
    /// Of setxattr(2).
    XattrFlags { XATTR_CREATE, XATTR_REPLACE }
);
flags!(
    /// Of access(2).
    AccessMode { R_OK, W_OK, X_OK }
);
flags!(
    /// The few `AT_` flags in use.
    AtFlags { AT_SYMLINK_NOFOLLOW, AT_SYMLINK_FOLLOW, AT_EACCESS, AT_STATX_FORCE_SYNC }
);
flags!(
    /// Of mmap(2).
    MapFlags { MAP_SHARED, MAP_PRIVATE }
);
flags!(
    /// Of flock(2).
    FlockOp { LOCK_SH, LOCK_EX, LOCK_UN, LOCK_NB }
);

/// Exactly one of some names.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$each])* $variant),* }

        impl Word for $name {
            fn write(&self, out: &mut String) {
                out.push_str(match self { $(Self::$variant => $text),* });
            }

            fn read(text: &str) -> Result<Self, String> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(format!("{text} is none of {}", [$($text),*].join(", "))),
                }
            }
        }
    };
}
choice!(
    /// From where lseek(2) counts.
    Whence {
        /// The beginning.
        Set = "SEEK_SET",
        /// The position.
        Cur = "SEEK_CUR",
        /// The end.
        End = "SEEK_END",
        /// The next data.
        Data = "SEEK_DATA",
        /// The next hole.
        Hole = "SEEK_HOLE",
    }
);
choice!(
    /// What mknod(2) makes.
    Kind {
        /// A regular file.
        File = "S_IFREG",
        /// A fifo.
        Fifo = "S_IFIFO",
        /// A socket's name.
        Socket = "S_IFSOCK",
        /// The device 1:3.
        Device = "S_IFCHR",
    }
);
choice!(
    /// Whose a record lock is.
    Owner {
        /// The process's.
        Posix = "posix",
        /// The open file description's.
        Ofd = "ofd",
    }
);
choice!(
    /// Of a record lock.
    LockType {
        /// Shared.
        Read = "F_RDLCK",
        /// Exclusive.
        Write = "F_WRLCK",
        /// None.
        Unlock = "F_UNLCK",
    }
);
choice!(
    /// Who makes the calls.
    User {
        /// 0:0
        Root = "root",
        /// 1000:1000
        Alice = "alice",
        /// 1001:1001, in group 1000, too
        Bob = "bob",
    }
);
choice!(
    /// posix_fadvise(2)
    Advice {
        /// Drops clean pages.
        DontNeed = "POSIX_FADV_DONTNEED",
        /// Reads ahead.
        WillNeed = "POSIX_FADV_WILLNEED",
    }
);
