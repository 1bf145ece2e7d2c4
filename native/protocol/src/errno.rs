//! Error numbers as the kernel takes them.

use std::fmt;
use std::io;

/// An error that a file system answers: 1 to 511, the numbers of Linux's `asm-generic/errno.h` (x86, ARM, RISC-V,
/// s390). The kernel refuses a reply with any other number, and the request would stay unanswered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Errno(i32);

macro_rules! errnos {
    ($($name:ident = $number:literal, $meaning:literal;)*) => {
        impl Errno {
            $(
                #[doc = concat!($number, ": ", $meaning)]
                pub const $name: Self = Self($number);
            )*

            /// Every named error, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name in `<errno.h>` and what it means; `None` for a number without a name.
            pub const fn describe(self) -> Option<(&'static str, &'static str)> {
                match self.0 {
                    $($number => Some((stringify!($name), $meaning)),)*
                    _ => None,
                }
            }
        }
    };
}

errnos! {
    EPERM = 1, "operation not permitted";
    ENOENT = 2, "no such file or directory";
    ESRCH = 3, "no such process";
    EINTR = 4, "interrupted by a signal";
    EIO = 5, "input/output error";
    ENXIO = 6, "no such device or address";
    E2BIG = 7, "argument list too long";
    ENOEXEC = 8, "not an executable format";
    EBADF = 9, "bad file descriptor";
    ECHILD = 10, "no child process";
    EAGAIN = 11, "try again later";
    ENOMEM = 12, "out of memory";
    EACCES = 13, "permission denied";
    EFAULT = 14, "bad address";
    ENOTBLK = 15, "not a block device";
    EBUSY = 16, "in use";
    EEXIST = 17, "exists already";
    EXDEV = 18, "on another file system";
    ENODEV = 19, "no such device";
    ENOTDIR = 20, "not a directory";
    EISDIR = 21, "is a directory";
    EINVAL = 22, "invalid argument";
    ENFILE = 23, "too many open files in the system";
    EMFILE = 24, "too many open files";
    ENOTTY = 25, "no such ioctl for this file";
    ETXTBSY = 26, "program file in use";
    EFBIG = 27, "file too large";
    ENOSPC = 28, "no space left";
    ESPIPE = 29, "file has no position";
    EROFS = 30, "read-only file system";
    EMLINK = 31, "too many links";
    EPIPE = 32, "nobody reads the pipe";
    EDOM = 33, "argument outside the function's domain";
    ERANGE = 34, "result out of range";
    EDEADLK = 35, "would deadlock";
    ENAMETOOLONG = 36, "name too long";
    ENOLCK = 37, "no locks available";
    ENOSYS = 38, "not implemented";
    ENOTEMPTY = 39, "directory not empty";
    ELOOP = 40, "too many symbolic links";
    ENOMSG = 42, "no message of that type";
    EIDRM = 43, "identifier removed";
    ECHRNG = 44, "channel out of range";
    EL2NSYNC = 45, "level 2 not synchronised";
    EL3HLT = 46, "level 3 halted";
    EL3RST = 47, "level 3 reset";
    ELNRNG = 48, "link number out of range";
    EUNATCH = 49, "protocol driver not attached";
    ENOCSI = 50, "no CSI structure";
    EL2HLT = 51, "level 2 halted";
    EBADE = 52, "invalid exchange";
    EBADR = 53, "invalid request descriptor";
    EXFULL = 54, "exchange full";
    ENOANO = 55, "no anode";
    EBADRQC = 56, "invalid request code";
    EBADSLT = 57, "invalid slot";
    EBFONT = 59, "bad font file";
    ENOSTR = 60, "not a stream";
    ENODATA = 61, "no such data or attribute";
    ETIME = 62, "timer expired";
    ENOSR = 63, "out of stream resources";
    ENONET = 64, "not on a network";
    ENOPKG = 65, "package not installed";
    EREMOTE = 66, "object is remote";
    ENOLINK = 67, "link severed";
    EADV = 68, "advertise error";
    ESRMNT = 69, "srmount error";
    ECOMM = 70, "send failed";
    EPROTO = 71, "protocol error";
    EMULTIHOP = 72, "multihop attempted";
    EDOTDOT = 73, "RFS error";
    EBADMSG = 74, "corrupt data";
    EOVERFLOW = 75, "value too large for its type";
    ENOTUNIQ = 76, "name not unique on network";
    EBADFD = 77, "file descriptor in a bad state";
    EREMCHG = 78, "remote address changed";
    ELIBACC = 79, "shared library not accessible";
    ELIBBAD = 80, "shared library corrupt";
    ELIBSCN = 81, ".lib section corrupt";
    ELIBMAX = 82, "too many shared libraries";
    ELIBEXEC = 83, "shared library can't be run";
    EILSEQ = 84, "illegal byte sequence";
    ERESTART = 85, "call to be restarted";
    ESTRPIPE = 86, "stream pipe error";
    EUSERS = 87, "too many users";
    ENOTSOCK = 88, "not a socket";
    EDESTADDRREQ = 89, "destination address needed";
    EMSGSIZE = 90, "message too long";
    EPROTOTYPE = 91, "wrong protocol type for the socket";
    ENOPROTOOPT = 92, "no such protocol option";
    EPROTONOSUPPORT = 93, "protocol not supported";
    ESOCKTNOSUPPORT = 94, "socket type not supported";
    EOPNOTSUPP = 95, "not supported";
    EPFNOSUPPORT = 96, "protocol family not supported";
    EAFNOSUPPORT = 97, "address family not supported";
    EADDRINUSE = 98, "address in use";
    EADDRNOTAVAIL = 99, "address not available";
    ENETDOWN = 100, "network down";
    ENETUNREACH = 101, "network unreachable";
    ENETRESET = 102, "network dropped the connection";
    ECONNABORTED = 103, "connection aborted";
    ECONNRESET = 104, "connection reset by peer";
    ENOBUFS = 105, "no buffer space";
    EISCONN = 106, "connected already";
    ENOTCONN = 107, "not connected";
    ESHUTDOWN = 108, "shut down";
    ETOOMANYREFS = 109, "too many references";
    ETIMEDOUT = 110, "timed out";
    ECONNREFUSED = 111, "connection refused";
    EHOSTDOWN = 112, "host down";
    EHOSTUNREACH = 113, "host unreachable";
    EALREADY = 114, "in progress already";
    EINPROGRESS = 115, "in progress now";
    ESTALE = 116, "stale file handle";
    EUCLEAN = 117, "structure needs cleaning";
    ENOTNAM = 118, "not a XENIX named file";
    ENAVAIL = 119, "no XENIX semaphores";
    EISNAM = 120, "is a named file";
    EREMOTEIO = 121, "remote input/output error";
    EDQUOT = 122, "quota exceeded";
    ENOMEDIUM = 123, "no medium";
    EMEDIUMTYPE = 124, "wrong medium type";
    ECANCELED = 125, "cancelled";
    ENOKEY = 126, "key not available";
    EKEYEXPIRED = 127, "key expired";
    EKEYREVOKED = 128, "key revoked";
    EKEYREJECTED = 129, "key rejected";
    EOWNERDEAD = 130, "owner died";
    ENOTRECOVERABLE = 131, "state not recoverable";
    ERFKILL = 132, "radio switched off";
    EHWPOISON = 133, "memory page is damaged";
}

impl Errno {
    /// Highest number that the kernel takes in a reply (it refuses its own, from 512 on).
    pub const MAX: i32 = 511;

    /// The positive number.
    pub const fn raw(self) -> i32 {
        self.0
    }

    /// The error with this positive number; `None` outside of 1 to [`MAX`](Self::MAX).
    pub const fn from_raw(raw: i32) -> Option<Self> {
        match raw {
            1..=Self::MAX => Some(Self(raw)),
            _ => None,
        }
    }
}

impl fmt::Display for Errno {
    /// `ENOENT (no such file or directory)`; `errno 300` for a number without a name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.describe() {
            Some((name, meaning)) => write!(f, "{name} ({meaning})"),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.describe() {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "Errno({})", self.0),
        }
    }
}

impl std::error::Error for Errno {}

impl From<&io::Error> for Errno {
    /// The error's own number where it has one; else what its kind says; else `EIO`.
    fn from(error: &io::Error) -> Self {
        error
            .raw_os_error()
            .and_then(Self::from_raw)
            .unwrap_or_else(|| of_kind(error.kind()))
    }
}

fn of_kind(kind: io::ErrorKind) -> Errno {
    use io::ErrorKind as Kind;
    match kind {
        Kind::NotFound => Errno::ENOENT,
        Kind::PermissionDenied => Errno::EACCES,
        Kind::AlreadyExists => Errno::EEXIST,
        Kind::WouldBlock => Errno::EAGAIN,
        Kind::Interrupted => Errno::EINTR,
        Kind::InvalidInput => Errno::EINVAL,
        Kind::NotADirectory => Errno::ENOTDIR,
        Kind::IsADirectory => Errno::EISDIR,
        Kind::DirectoryNotEmpty => Errno::ENOTEMPTY,
        Kind::ReadOnlyFilesystem => Errno::EROFS,
        Kind::StaleNetworkFileHandle => Errno::ESTALE,
        Kind::StorageFull => Errno::ENOSPC,
        Kind::QuotaExceeded => Errno::EDQUOT,
        Kind::FileTooLarge => Errno::EFBIG,
        Kind::NotSeekable => Errno::ESPIPE,
        Kind::ResourceBusy => Errno::EBUSY,
        Kind::ExecutableFileBusy => Errno::ETXTBSY,
        Kind::Deadlock => Errno::EDEADLK,
        Kind::CrossesDevices => Errno::EXDEV,
        Kind::TooManyLinks => Errno::EMLINK,
        Kind::ArgumentListTooLong => Errno::E2BIG,
        Kind::Unsupported => Errno::EOPNOTSUPP,
        Kind::OutOfMemory => Errno::ENOMEM,
        Kind::TimedOut => Errno::ETIMEDOUT,
        Kind::BrokenPipe => Errno::EPIPE,
        Kind::ConnectionRefused => Errno::ECONNREFUSED,
        Kind::ConnectionReset => Errno::ECONNRESET,
        Kind::ConnectionAborted => Errno::ECONNABORTED,
        Kind::NotConnected => Errno::ENOTCONN,
        Kind::HostUnreachable => Errno::EHOSTUNREACH,
        Kind::NetworkUnreachable => Errno::ENETUNREACH,
        Kind::NetworkDown => Errno::ENETDOWN,
        _ => Errno::EIO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_that_the_kernel_takes_are_errors() {
        assert_eq!(Errno::from_raw(2), Some(Errno::ENOENT));
        assert_eq!(Errno::from_raw(511).map(Errno::raw), Some(511));
        for refused in [0, -2, 512, 4095, i32::MIN, i32::MAX] {
            assert_eq!(Errno::from_raw(refused), None);
        }
    }

    /// The C library of the machine that runs the test is an independent list of numbers and meanings.
    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn names_stand_for_the_numbers_of_this_machine() {
        for (errno, kind) in [
            (Errno::EAGAIN, io::ErrorKind::WouldBlock),
            (Errno::EDEADLK, io::ErrorKind::Deadlock),
            (Errno::ENOTEMPTY, io::ErrorKind::DirectoryNotEmpty),
            (Errno::EDQUOT, io::ErrorKind::QuotaExceeded),
            (Errno::ESTALE, io::ErrorKind::StaleNetworkFileHandle),
            (Errno::EOPNOTSUPP, io::ErrorKind::Unsupported),
            (Errno::ETIMEDOUT, io::ErrorKind::TimedOut),
            (Errno::EHOSTUNREACH, io::ErrorKind::HostUnreachable),
        ] {
            assert_eq!(io::Error::from_raw_os_error(errno.raw()).kind(), kind, "{errno}");
        }
    }

    #[test]
    fn names_are_listed_once_and_in_order() {
        assert!(Errno::ALL.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(Errno::ALL.len(), 131);
    }

    #[test]
    fn a_message_names_the_error() {
        assert_eq!(Errno::ENOENT.to_string(), "ENOENT (no such file or directory)");
        assert_eq!(format!("{:?}", Errno::EDQUOT), "EDQUOT");
        assert_eq!(Errno(300).to_string(), "errno 300");
    }

    #[test]
    fn an_io_error_keeps_its_number_or_gets_that_of_its_kind() {
        assert_eq!(Errno::from(&io::Error::from_raw_os_error(122)), Errno::EDQUOT);
        assert_eq!(Errno::from(&io::Error::from(io::ErrorKind::NotFound)), Errno::ENOENT);
        assert_eq!(Errno::from(&io::Error::other("whatever")), Errno::EIO);
        assert_eq!(Errno::from(&io::Error::from_raw_os_error(600)), Errno::EIO);
    }
}
