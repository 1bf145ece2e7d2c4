//! Whether a mount is served over io_uring, and with how much.
//!
//! Asked once per mount, before INIT is answered: a kernel that was told of io_uring holds every request back until each
//! of its queues has an entry.

use std::fmt;
use std::fs;
use std::io;

use ferrofuse_protocol::abi::init;

use super::cpus::Machine;
use super::ring::Ring;

/// How requests reach the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// By reading the device.
    #[default]
    Dev,
    /// Over io_uring; without it there is no mount.
    Uring,
    /// The best one there is.
    Auto,
}

/// Whether `Auto` means io_uring where the kernel offers it.
const AUTO_PREFERS_RINGS: bool = false;

/// How many rings a mount may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rings {
    /// Up to here a processor gets another ring as soon as none of its rings is idle.
    pub instant: usize,
    /// Up to here it gets one when all are stuck: none idle, and no request finished for five milliseconds.
    pub most: usize,
    /// Bytes that the payloads of all rings together may take; one ring for each processor is there in any case.
    pub budget: usize,
    /// The processors; `None`: this machine's, as everywhere but in a test that plays them.
    pub machine: Option<Machine>,
}

impl Default for Rings {
    fn default() -> Self {
        Self {
            instant: 4,
            most: 64,
            budget: 256 << 20,
            machine: None,
        }
    }
}

impl Rings {
    /// Up to `threads` rings in all, but two for each processor at least, or one if there is to be one thread: a processor's
    /// requests are served by its own rings alone. Without a number as many as suit a file system that blocks.
    pub fn new(threads: Option<usize>) -> Self {
        let default = Self::default();
        let Some(threads) = threads else { return default };
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let each = threads.div_ceil(processors).max(threads.clamp(1, 2));
        Self {
            instant: each,
            most: each,
            ..default
        }
    }
}

/// Why requests can't come over io_uring, and what would help.
#[derive(Debug)]
pub(crate) struct Unavailable {
    pub(crate) reason: String,
    pub(crate) remedy: &'static str,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.reason, self.remedy)
    }
}

/// The smallest payload that is chosen to save memory.
const LEAST_WRITE: usize = 128 << 10;

/// Rings that each processor should get out of the budget.
const EACH: usize = 4;

/// The shape in which a mount is served over io_uring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) machine: Machine,
    pub(crate) instant: usize,
    pub(crate) most: usize,
    budget: usize,
}

impl Plan {
    /// What the settings and the kernel's offer come to; `None` if io_uring is not wanted.
    pub(crate) fn make(transport: Transport, rings: &Rings, offered: u64) -> Option<Result<Self, Unavailable>> {
        match transport {
            Transport::Dev => None,
            Transport::Auto if !AUTO_PREFERS_RINGS => None,
            Transport::Auto | Transport::Uring => Some(Self::possible(rings, offered)),
        }
    }

    fn possible(rings: &Rings, offered: u64) -> Result<Self, Unavailable> {
        if offered & init::OVER_IO_URING == 0 {
            return Err(not_offered(fs::read_to_string(ENABLE).ok().as_deref()));
        }
        Ring::new(1).map_err(|error| unusable(&error))?;
        let machine = match &rings.machine {
            Some(machine) => machine.clone(),
            None => Machine::look().map_err(|error| Unavailable {
                reason: format!("the processors can't be counted: {error}"),
                remedy: "mount /sys",
            })?,
        };
        Ok(Self {
            machine,
            instant: rings.instant.max(1),
            most: rings.most.max(rings.instant).max(1),
            budget: rings.budget,
        })
    }

    /// The largest write that leaves room in the budget for [`EACH`] rings a processor.
    pub(crate) fn largest_write(&self) -> u32 {
        let fair = self.budget / (self.machine.possible * EACH);
        u32::try_from(fair.max(LEAST_WRITE)).unwrap_or(u32::MAX)
    }

    /// Rings that the mount has at most, with payloads of `bytes`.
    pub(crate) fn most_of_all(&self, bytes: usize) -> usize {
        (self.budget / bytes.max(1)).max(self.machine.possible + 1)
    }
}

const ENABLE: &str = "/sys/module/fuse/parameters/enable_uring";

/// `enable` is what the module's parameter says.
fn not_offered(enable: Option<&str>) -> Unavailable {
    match enable.map(str::trim) {
        None => Unavailable {
            reason: "this kernel has no FUSE over io_uring".to_owned(),
            remedy: "use Linux 6.14 or later, built with CONFIG_FUSE_IO_URING, or transport=dev",
        },
        Some("N") => Unavailable {
            reason: "FUSE over io_uring is switched off".to_owned(),
            remedy: "as root: echo Y > /sys/module/fuse/parameters/enable_uring, or use transport=dev",
        },
        Some(_) => Unavailable {
            reason: "the kernel does not offer io_uring to this mount".to_owned(),
            remedy: "mount again, or use transport=dev",
        },
    }
}

fn unusable(error: &io::Error) -> Unavailable {
    let remedy = match error.raw_os_error() {
        Some(libc::EPERM) => "as root: sysctl kernel.io_uring_disabled=0, or use transport=dev",
        Some(libc::ENOMEM) => "raise the limit of locked memory (ulimit -l), or use transport=dev",
        Some(libc::EMFILE | libc::ENFILE) => "raise the limit of open files (ulimit -n), or use transport=dev",
        _ => "use Linux 6.14 or later, with CONFIG_IO_URING, or transport=dev",
    };
    Unavailable {
        reason: format!("no io_uring can be made: {error}"),
        remedy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(possible: usize, rings: Rings) -> Plan {
        Plan {
            machine: Machine::played(possible, "0", "0").unwrap(),
            instant: rings.instant,
            most: rings.most,
            budget: rings.budget,
        }
    }

    #[test]
    fn memory_is_bounded_however_many_processors_there_are() {
        for (possible, write, most) in [
            (2, 32 << 20, 256),
            (64, 1 << 20, 256),
            (128, 512 << 10, 512),
            (512, 128 << 10, 2048),
            (8192, 128 << 10, 8193),
        ] {
            let plan = plan(possible, Rings::default());
            assert_eq!(plan.largest_write(), write, "{possible}");
            let payload = (write as usize).min(1 << 20);
            assert_eq!(plan.most_of_all(payload), most, "{possible}");
        }
    }

    #[test]
    fn as_many_rings_as_threads_are_asked_for_but_enough_for_each_processor() {
        let processors = std::thread::available_parallelism().unwrap().get();
        let asked = Rings::new(Some(8 * processors));
        assert_eq!((asked.instant, asked.most), (8, 8));
        let one = Rings::new(Some(1));
        assert_eq!((one.instant, one.most), (1, 1));
        let two = Rings::new(Some(2));
        assert_eq!((two.instant, two.most), (2, 2));
        assert_eq!(Rings::new(None), Rings::default());
    }

    #[test]
    fn what_is_not_wanted_is_not_looked_for_and_what_is_missing_is_named() {
        let rings = Rings::default();
        assert_eq!(Plan::make(Transport::Dev, &rings, u64::MAX).map(drop_plan), None);
        let missing = Plan::make(Transport::Uring, &rings, !init::OVER_IO_URING);
        assert!(missing.unwrap().is_err());
        for (enable, part) in [
            (None, "CONFIG_FUSE_IO_URING"),
            (Some("N\n"), "echo Y > "),
            (Some("Y\n"), "mount again"),
        ] {
            let text = not_offered(enable).to_string();
            assert!(text.contains(part) && text.contains("transport=dev"), "{text}");
        }
        for (errno, part) in [
            (libc::EPERM, "io_uring_disabled"),
            (libc::ENOMEM, "ulimit -l"),
            (libc::EMFILE, "ulimit -n"),
            (libc::ENOSYS, "CONFIG_IO_URING"),
        ] {
            let text = unusable(&io::Error::from_raw_os_error(errno)).to_string();
            assert!(text.contains(part), "{text}");
        }
    }

    fn drop_plan(made: Result<Plan, Unavailable>) {
        drop(made);
    }
}
