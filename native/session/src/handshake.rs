//! The opening conversation: INIT, what is asked for, what was granted.
//!
//! Called once per connection, by [`Session::establish`](crate::Session::establish).

use std::io;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use ferrofuse_protocol::abi::{self, init, InitIn, InitOut};
use ferrofuse_protocol::{Dialect, Errno, Message, Opcode, Operation};

use crate::config::{Config, Readdirplus};
use crate::error::{Error, ErrorKind};
use crate::handler::{Handler, LockKeeper, Offer, Wish};
use crate::handles::Kind;
use crate::lease::SPLIT;
use crate::log::{Level, Log};
use crate::reply::{Delivery, Reply};
use crate::transport::uring::{Plan, Transport};
use crate::transport::{Channel, Received, Sleeper};

/// Oldest minor version that is spoken (Linux 5.4).
const MIN_MINOR: u32 = 31;

/// Pages of a request where `MAX_PAGES` is unknown (the kernel's `FUSE_DEFAULT_MAX_PAGES_PER_REQ`).
const DEFAULT_MAX_PAGES: u32 = 32;

/// Largest value of an extended attribute (`XATTR_SIZE_MAX` of `<linux/limits.h>`).
const XATTR_SIZE_MAX: usize = 64 << 10;

/// Bytes of the longest SETXATTR, without its header: record, name, NUL, value.
const XATTR_REQUEST: u32 = XATTR_SIZE_MAX as u32 + 16 + 256;

/// What kernel and engine agreed on at INIT. Plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Granted {
    /// Minor version in use; the major is 7.
    pub minor: u32,
    /// `FUSE_*` INIT flags in effect, `flags2` in the upper half.
    pub flags: u64,
    /// Bytes of the largest WRITE.
    pub max_write: u32,
    /// Pages of the largest request.
    pub max_pages: u32,
    /// Bytes of the largest readahead.
    pub max_readahead: u32,
    /// Background requests under way at once.
    pub max_background: u16,
    /// Background requests that make the kernel hold back.
    pub congestion_threshold: u16,
    /// Bytes of a page on this machine.
    pub page_size: u32,
    /// STATX is asked of the file system.
    pub birth_times: bool,
}

impl Granted {
    /// How later messages are to be decoded.
    pub(crate) fn dialect(&self) -> Dialect {
        Dialect {
            setxattr_ext: self.flags & init::SETXATTR_EXT != 0,
            minor: self.minor,
        }
    }

    /// Bytes of a lease's bulk region: the largest read, write or xattr value. More than the `FUSE_MIN_READ_BUFFER` that
    /// the kernel insists on.
    pub(crate) fn bulk(&self) -> usize {
        let pages = self.max_pages as usize * self.page_size as usize;
        pages.max(self.max_write as usize).max(XATTR_SIZE_MAX)
    }
}

/// Waits for INIT, lets the file system say what it wishes, and answers. Tells what was settled, who keeps locks, and
/// whether requests come over io_uring.
pub(crate) fn hold<H: Handler>(
    channel: &Channel,
    config: &Config,
    log: &Log,
    handler: &mut H,
) -> Result<(Granted, LockKeeper, Option<Plan>), Error> {
    let deadline = Instant::now() + config.init_deadline;
    loop {
        let (unique, arg) = receive(channel, deadline)?;
        let reply = Reply::new(channel, unique);
        if arg.major > abi::KERNEL_VERSION {
            // The kernel is told our major and sends another INIT that speaks it.
            let ours = InitOut {
                major: abi::KERNEL_VERSION,
                minor: abi::KERNEL_MINOR_VERSION,
                ..InitOut::default()
            };
            sent(reply.record(&ours))?;
            continue;
        }
        if arg.major < abi::KERNEL_VERSION || arg.minor < MIN_MINOR {
            let _ = reply.error(Errno::EPROTO);
            return Err(Error::new(
                ErrorKind::Unsupported,
                "negotiating with",
                format!("a kernel that speaks FUSE {}.{}", arg.major, arg.minor),
                "use Linux 5.4 or later",
            ));
        }
        let offer = Offer {
            minor: arg.minor.min(abi::KERNEL_MINOR_VERSION),
            flags: arg.all_flags(),
        };
        let wish = match crate::dispatch::guarded(log, Opcode::Init, || handler.init(&offer)) {
            Ok(wish) => wish,
            Err(errno) => {
                let _ = reply.error(errno);
                return Err(Error::new(
                    ErrorKind::Refused,
                    "starting",
                    "the file system",
                    "its init failed; see the file system's own messages",
                )
                .caused_by(io::Error::from_raw_os_error(errno.raw())));
            }
        };
        let plan = match over_rings(&offer, config, log) {
            Ok(plan) => plan,
            Err(error) => {
                let _ = reply.error(Errno::EPROTO);
                return Err(error);
            }
        };
        let granted = negotiate(&offer, arg.max_readahead, config, wish, plan.as_ref());
        sent(reply.record(&answer(&granted)))?;
        return Ok((granted, keeper(&granted, wish), plan));
    }
}

/// Whether requests are to come over io_uring, and in what shape.
fn over_rings(offer: &Offer, config: &Config, log: &Log) -> Result<Option<Plan>, Error> {
    match Plan::make(config.transport, &config.rings, offer.flags) {
        None => Ok(None),
        Some(Ok(plan)) => Ok(Some(plan)),
        Some(Err(why)) if config.transport == Transport::Uring => Err(Error::new(
            ErrorKind::Unsupported,
            "serving over",
            format!("io_uring ({})", why.reason),
            why.remedy,
        )),
        Some(Err(why)) => {
            log.once(Level::Info, "transport dev", 0, format_args!("no io_uring: {why}"));
            Ok(None)
        }
    }
}

/// Who keeps locks: the kernel, unless it lets us.
fn keeper(granted: &Granted, wish: Wish) -> LockKeeper {
    if granted.flags & (init::POSIX_LOCKS | init::FLOCK_LOCKS) == 0 {
        LockKeeper::Kernel
    } else {
        wish.locks
    }
}

fn sent(delivery: Delivery) -> Result<(), Error> {
    match delivery {
        Delivery::Delivered => Ok(()),
        Delivery::Lost | Delivery::Refused(_) => Err(disconnected()),
    }
}

/// The next message, which has to be INIT.
fn receive(channel: &Channel, deadline: Instant) -> Result<(u64, InitIn), Error> {
    #[repr(align(8))]
    struct Buffer([u8; abi::MIN_READ_BUFFER]);
    let mut buffer = Buffer([0; abi::MIN_READ_BUFFER]);
    let len = loop {
        wait_readable(channel, deadline)?;
        let (head, rest) = buffer.0.split_at_mut(SPLIT);
        // SAFETY: `rest` is a borrowed slice.
        match unsafe { channel.receive(head, rest, &Sleeper::undisturbed()) } {
            Received::Message(len) => break len,
            Received::Roused => {}
            Received::Ended(_) => return Err(disconnected()),
            Received::Failed(error) => return Err(disconnected().caused_by(error)),
        }
    };
    let message = Message::contiguous(&buffer.0[..len], &Dialect::default());
    match message.and_then(|message| Ok((message.header.unique, message.decode()?))) {
        Ok((unique, Operation::Init { arg })) => Ok((unique, arg)),
        other => {
            let found = match other {
                Ok(_) => "another operation".to_owned(),
                Err(error) => error.to_string(),
            };
            Err(Error::new(
                ErrorKind::Protocol,
                "reading",
                format!("the kernel's first message (INIT expected, found: {found})"),
                "give a descriptor of /dev/fuse that nobody has read from",
            ))
        }
    }
}

fn wait_readable(channel: &Channel, deadline: Instant) -> Result<(), Error> {
    let mut polled = libc::pollfd {
        fd: channel.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::new(
                ErrorKind::TimedOut,
                "waiting for",
                "the kernel's INIT",
                "check that the descriptor given is the one that was mounted",
            ));
        }
        // Rounded up, so that the last wait isn't a spin.
        let millis = (left + Duration::from_micros(999))
            .as_millis()
            .try_into()
            .unwrap_or(libc::c_int::MAX);
        // SAFETY: one pollfd that outlives the call.
        if unsafe { libc::poll(&raw mut polled, 1, millis) } > 0 {
            return Ok(());
        }
    }
}

fn disconnected() -> Error {
    Error::new(
        ErrorKind::Disconnected,
        "negotiating with",
        "the kernel",
        "the mount was undone before it was complete; mount again",
    )
}

/// Chooses of what the kernel offers.
pub(crate) fn negotiate(
    offer: &Offer,
    max_readahead: u32,
    config: &Config,
    wish: Wish,
    rings: Option<&Plan>,
) -> Granted {
    let mut asked = init::ASYNC_READ
        | init::BIG_WRITES
        | init::ASYNC_DIO
        | init::PARALLEL_DIROPS
        | init::MAX_PAGES
        | init::ABORT_ERROR
        | init::INIT_EXT
        | init::SETXATTR_EXT
        | init::DIRECT_IO_ALLOW_MMAP
        | init::HAS_IOCTL_DIR
        | init::HAS_EXPIRE_ONLY;
    let when = |condition: bool, flags: u64| if condition { flags } else { 0 };
    if config.handles(Opcode::Readdirplus) {
        asked |= match config.readdirplus {
            Readdirplus::Auto => init::DO_READDIRPLUS | init::READDIRPLUS_AUTO,
            Readdirplus::Always => init::DO_READDIRPLUS,
            Readdirplus::Never => 0,
        };
    }
    let unopened = config.serves_unopened(Kind::File);
    asked |= when(unopened, init::NO_OPEN_SUPPORT);
    asked |= when(config.serves_unopened(Kind::Directory), init::NO_OPENDIR_SUPPORT);
    // The kernel sends OPEN before it finds that the file is a program that runs (ETXTBSY, where the file is opened for
    // reading): an open that truncates would empty it all the same. So the kernel truncates by SETATTR where there is one
    // and nothing else is wished, and where there is no OPEN that could.
    let by_open = wish.truncates_on_open || !config.handles(Opcode::Setattr);
    asked |= when(by_open && !unopened, init::ATOMIC_O_TRUNC);
    let looks = config.auto_cache || wish.shares_files && !config.kernel_cache;
    asked |= when(looks, init::AUTO_INVAL_DATA);
    asked |= when(config.writeback_cache, init::WRITEBACK_CACHE);
    asked |= when(config.cache_symlinks, init::CACHE_SYMLINKS);
    asked |= when(wish.clears_privileges, init::HANDLE_KILLPRIV_V2);
    // Of no use without each other: the umask applies only where there is no default ACL.
    let acls = init::POSIX_ACL | init::DONT_MASK;
    asked |= when(wish.keeps_acls && offer.flags & acls == acls, acls);
    // Nothing is released that was never opened, and it is releases that end locks.
    asked |= when(
        wish.locks != LockKeeper::Kernel && !unopened,
        init::POSIX_LOCKS | init::FLOCK_LOCKS,
    );
    asked |= when(wish.resolves_dots, init::EXPORT_SUPPORT);
    // The kernel has no pass-through beside a cache that it writes back.
    let passes = wish.passes_through && !config.writeback_cache && !config.direct_io;
    asked |= when(passes && !unopened, init::PASSTHROUGH);
    asked |= when(rings.is_some(), init::OVER_IO_URING);
    let flags = asked & offer.flags;

    let page_size = page_size();
    let most = if flags & init::MAX_PAGES != 0 {
        u32::from(u16::MAX)
    } else {
        DEFAULT_MAX_PAGES
    };
    let largest = rings.map_or(u32::MAX, Plan::largest_write).min(config.max_write);
    let max_pages = (largest / page_size).clamp(1, most);
    let max_write = max_pages * page_size;
    // A ring takes no request that is longer than its largest write or read; reading the device does.
    let least = if rings.is_some() {
        XATTR_REQUEST / page_size + 1
    } else {
        1
    };
    let max_pages = max_pages.max(least.min(most));
    Granted {
        minor: offer.minor,
        flags,
        max_write,
        // Reads are not bound by `max_write`: the kernel falls back to its default where it is told nothing.
        max_pages: if flags & init::MAX_PAGES != 0 {
            max_pages
        } else {
            DEFAULT_MAX_PAGES
        },
        max_readahead,
        max_background: config.max_background,
        congestion_threshold: config.congestion_threshold.min(config.max_background),
        page_size,
        birth_times: wish.birth_times,
    }
}

fn answer(granted: &Granted) -> InitOut {
    let mut out = InitOut {
        major: abi::KERNEL_VERSION,
        minor: granted.minor,
        max_readahead: granted.max_readahead,
        max_background: granted.max_background,
        congestion_threshold: granted.congestion_threshold,
        max_write: granted.max_write,
        time_gran: 1,
        // `negotiate` keeps it below 2^16.
        max_pages: granted.max_pages as u16,
        // Files are passed through to file systems that are not stacked themselves. 0 would ask for none.
        max_stack_depth: u32::from(granted.flags & init::PASSTHROUGH != 0),
        ..InitOut::default()
    };
    out.set_all_flags(granted.flags);
    out
}

fn page_size() -> u32 {
    // SAFETY: no memory is involved.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u32::try_from(size).unwrap_or(4096).max(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: u64 = u64::MAX;

    fn negotiated(flags: u64, config: &Config, wish: Wish) -> Granted {
        negotiate(&Offer { minor: 45, flags }, 131_072, config, wish, None)
    }

    #[test]
    fn nothing_is_asked_that_was_not_offered() {
        let config = Config {
            writeback_cache: true,
            ..Config::default()
        };
        for offered in [
            0,
            init::ASYNC_READ,
            init::MAX_PAGES | init::WRITEBACK_CACHE,
            !init::MAX_PAGES,
        ] {
            let granted = negotiated(
                offered,
                &config,
                Wish {
                    clears_privileges: true,
                    locks: LockKeeper::Engine,
                    keeps_acls: true,
                    resolves_dots: true,
                    ..Wish::default()
                },
            );
            assert_eq!(granted.flags & !offered, 0, "{offered:#x}");
        }
    }

    #[test]
    fn features_follow_settings_and_wishes() {
        let has = |granted: Granted, flag: u64| granted.flags & flag != 0;
        let plain = negotiated(ALL, &Config::default(), Wish::default());
        assert!(has(plain, init::DO_READDIRPLUS) && has(plain, init::ABORT_ERROR));
        let never = init::WRITEBACK_CACHE
            | init::HANDLE_KILLPRIV_V2
            | init::HANDLE_KILLPRIV
            | init::DONT_MASK
            | init::POSIX_ACL
            | init::POSIX_LOCKS
            | init::FLOCK_LOCKS
            | init::PASSTHROUGH
            | init::OVER_IO_URING
            | init::EXPORT_SUPPORT
            | init::SECURITY_CTX
            | init::NO_OPEN_SUPPORT
            | init::NO_OPENDIR_SUPPORT
            | init::CACHE_SYMLINKS
            | init::AUTO_INVAL_DATA;
        assert_eq!(plain.flags & never, 0);

        let cached = Config {
            kernel_cache: true,
            writeback_cache: true,
            ..Config::default()
        };
        let cached = negotiated(
            ALL,
            &cached,
            Wish {
                clears_privileges: true,
                resolves_dots: true,
                shares_files: true,
                ..Wish::default()
            },
        );
        assert!(has(cached, init::WRITEBACK_CACHE) && has(cached, init::HANDLE_KILLPRIV_V2));
        assert!(has(cached, init::EXPORT_SUPPORT));
        assert!(!has(cached, init::AUTO_INVAL_DATA));
        let changing = Config {
            auto_cache: true,
            cache_symlinks: true,
            ..Config::default()
        };
        let changing = negotiated(ALL, &changing, Wish::default());
        assert!(has(changing, init::AUTO_INVAL_DATA) && has(changing, init::CACHE_SYMLINKS));

        for (keeper, asked) in [
            (LockKeeper::Kernel, 0),
            (LockKeeper::Engine, init::POSIX_LOCKS | init::FLOCK_LOCKS),
            (LockKeeper::FileSystem, init::POSIX_LOCKS | init::FLOCK_LOCKS),
        ] {
            let wish = Wish {
                locks: keeper,
                ..Wish::default()
            };
            let granted = negotiated(ALL, &Config::default(), wish);
            assert_eq!(granted.flags & (init::POSIX_LOCKS | init::FLOCK_LOCKS), asked);
            assert_eq!(super::keeper(&granted, wish), keeper);
            let without = negotiated(0, &Config::default(), wish);
            assert_eq!(super::keeper(&without, wish), LockKeeper::Kernel);
        }

        let flat = Config {
            operations: !(1 << Opcode::Readdirplus.raw()),
            ..Config::default()
        };
        assert!(!has(negotiated(ALL, &flat, Wish::default()), init::DO_READDIRPLUS));

        assert!(!has(plain, init::ATOMIC_O_TRUNC), "SETATTR truncates");
        let wish = Wish {
            truncates_on_open: true,
            shares_files: true,
            ..Wish::default()
        };
        let wished = negotiated(ALL, &Config::default(), wish);
        assert!(has(wished, init::ATOMIC_O_TRUNC) && has(wished, init::AUTO_INVAL_DATA));
        let fixed = Config {
            operations: !(1 << Opcode::Setattr.raw()),
            ..Config::default()
        };
        assert!(has(negotiated(ALL, &fixed, Wish::default()), init::ATOMIC_O_TRUNC));
    }

    #[test]
    fn listings_have_attributes_always_never_or_where_they_are_looked_at() {
        let both = init::DO_READDIRPLUS | init::READDIRPLUS_AUTO;
        for (readdirplus, flags) in [
            (Readdirplus::Auto, both),
            (Readdirplus::Always, init::DO_READDIRPLUS),
            (Readdirplus::Never, 0),
        ] {
            let config = Config {
                readdirplus,
                ..Config::default()
            };
            assert_eq!(negotiated(ALL, &config, Wish::default()).flags & both, flags);
        }
    }

    #[test]
    fn acls_come_with_the_umask_or_not_at_all() {
        let wish = Wish {
            keeps_acls: true,
            ..Wish::default()
        };
        let acls = init::POSIX_ACL | init::DONT_MASK;
        let granted = |offered| negotiated(offered, &Config::default(), wish).flags & acls;
        assert_eq!(granted(ALL), acls);
        assert_eq!(granted(!init::DONT_MASK), 0);
        assert_eq!(granted(!init::POSIX_ACL), 0);
    }

    #[test]
    fn where_nothing_is_opened_nothing_is_truncated_by_opening() {
        let unopened = Config {
            operations: 1 << Opcode::Read.raw() | 1 << Opcode::Readdir.raw(),
            ..Config::default()
        };
        let zero_message = init::NO_OPEN_SUPPORT | init::NO_OPENDIR_SUPPORT;
        let flags = negotiated(ALL, &unopened, Wish::default()).flags;
        assert_eq!(flags & (zero_message | init::ATOMIC_O_TRUNC), zero_message);
        let opened = Config {
            operations: unopened.operations | 1 << Opcode::Open.raw() | 1 << Opcode::Opendir.raw(),
            ..Config::default()
        };
        let flags = negotiated(ALL, &opened, Wish::default()).flags;
        assert_eq!(flags & (zero_message | init::ATOMIC_O_TRUNC), init::ATOMIC_O_TRUNC);
    }

    #[test]
    fn where_no_file_is_opened_the_kernel_keeps_locks() {
        let unopened = Config {
            operations: 1 << Opcode::Read.raw(),
            ..Config::default()
        };
        let wish = Wish {
            locks: LockKeeper::FileSystem,
            ..Wish::default()
        };
        let granted = negotiated(ALL, &unopened, wish);
        assert_eq!(granted.flags & (init::POSIX_LOCKS | init::FLOCK_LOCKS), 0);
        assert_eq!(super::keeper(&granted, wish), LockKeeper::Kernel);
    }

    #[test]
    fn sizes_are_whole_pages_within_what_the_kernel_knows() {
        let granted = negotiated(ALL, &Config::default(), Wish::default());
        assert_eq!(
            (granted.max_write, granted.max_pages * granted.page_size),
            (1 << 20, 1 << 20)
        );
        assert!(granted.bulk() >= 1 << 20);

        let old = negotiated(!init::MAX_PAGES, &Config::default(), Wish::default());
        assert_eq!(old.max_write, DEFAULT_MAX_PAGES * old.page_size);

        let small = negotiated(
            !init::MAX_PAGES,
            &Config {
                max_write: 5000,
                ..Config::default()
            },
            Wish::default(),
        );
        assert_eq!(small.max_write, small.page_size);
        assert!(
            small.bulk() >= DEFAULT_MAX_PAGES as usize * small.page_size as usize,
            "reads may still be larger"
        );

        let none = negotiated(
            ALL,
            &Config {
                max_write: 0,
                ..Config::default()
            },
            Wish::default(),
        );
        assert_eq!(none.max_write, none.page_size);
        assert!(none.bulk() + SPLIT >= abi::MIN_READ_BUFFER);
    }

    #[test]
    fn flags_of_the_upper_half_travel_in_flags2() {
        let granted = Granted {
            flags: init::HAS_RESEND,
            ..negotiated(ALL, &Config::default(), Wish::default())
        };
        let out = answer(&granted);
        assert_eq!(out.flags2, (init::HAS_RESEND >> 32) as u32);
        assert_ne!(u64::from(out.flags) & init::INIT_EXT, 0);
    }
}
