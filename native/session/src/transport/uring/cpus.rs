//! Processors: which there are, which of them this process may use, and on which of them a thread runs.

use std::fs;
use std::io;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A set of processors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cpus(Vec<usize>);

impl Cpus {
    /// Those in a list as the kernel writes it, "0-3,8": null if it can't be read.
    pub(crate) fn parse(list: &str) -> Option<Self> {
        let mut cpus = Vec::new();
        for part in list.trim().split(',').filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
            // Linux knows no more than 8192.
            if last >= 1 << 16 {
                return None;
            }
            cpus.extend(first..=last);
        }
        Some(Self(cpus))
    }

    pub(crate) fn contains(&self, cpu: usize) -> bool {
        self.0.contains(&cpu)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    fn of_mask(mask: &libc::cpu_set_t) -> Self {
        let within = 0..libc::CPU_SETSIZE as usize;
        // SAFETY: `cpu` is below CPU_SETSIZE.
        Self(within.filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, mask) }).collect())
    }

    fn to_mask(&self) -> libc::cpu_set_t {
        // SAFETY: all zero is the empty set.
        let mut mask: libc::cpu_set_t = unsafe { mem::zeroed() };
        for &cpu in self.0.iter().filter(|&&cpu| cpu < libc::CPU_SETSIZE as usize) {
            // SAFETY: below CPU_SETSIZE.
            unsafe { libc::CPU_SET(cpu, &mut mask) };
        }
        mask
    }

    /// Where a thread may run; 0 is the calling one.
    fn of_thread(id: libc::pid_t) -> io::Result<Self> {
        // SAFETY: as in `to_mask`; the kernel writes one mask.
        let mut mask = unsafe { mem::zeroed() };
        // SAFETY: as above.
        if unsafe { libc::sched_getaffinity(id, size_of::<libc::cpu_set_t>(), &raw mut mask) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self::of_mask(&mask))
    }

    fn confine_this_thread(&self) -> io::Result<()> {
        let mask = self.to_mask();
        // SAFETY: the kernel reads one mask; 0 is the calling thread.
        if unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const mask) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

/// The processors of a machine, and those of them that are for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// That could ever be there, numbered without a gap: so many queues the kernel has.
    pub(crate) possible: usize,
    /// That are there now.
    pub(crate) online: Cpus,
    /// That this process may use.
    pub(crate) allowed: Cpus,
}

impl Machine {
    /// A machine that a test plays: `possible` processors, of which those in the two lists are there and for us.
    #[doc(hidden)]
    pub fn played(possible: usize, online: &str, allowed: &str) -> Option<Self> {
        Some(Self {
            possible,
            online: Cpus::parse(online)?,
            allowed: Cpus::parse(allowed)?,
        })
    }

    /// This one.
    pub(crate) fn look() -> io::Result<Self> {
        let list = |name: &str| {
            let text = fs::read_to_string(format!("/sys/devices/system/cpu/{name}"))?;
            Cpus::parse(&text).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
        };
        Ok(Self {
            possible: list("possible")?.0.iter().max().map_or(1, |last| last + 1),
            online: list("online")?,
            allowed: allowed()?,
        })
    }
}

/// Where this process may run. Asked of the main thread, since the calling one may be pinned.
fn allowed() -> io::Result<Cpus> {
    // SAFETY: has no preconditions and always succeeds.
    Cpus::of_thread(unsafe { libc::getpid() })
}

/// Threads that are pinned now.
static PINNED: AtomicUsize = AtomicUsize::new(0);

/// Keeps the calling thread on one processor until it is dropped, on the same thread.
#[derive(Debug)]
pub(crate) struct Pin {
    before: Cpus,
}

impl Pin {
    pub(crate) fn to(cpu: usize) -> io::Result<Self> {
        let before = allowed()?;
        PINNED.fetch_add(1, Ordering::SeqCst);
        let pin = Self { before };
        Cpus(vec![cpu]).confine_this_thread()?;
        Ok(pin)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        // What it was allowed before it is allowed again, or the kernel chooses what is left of that.
        let _ = self.before.confine_this_thread();
        PINNED.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Lets the calling thread run where its process may, if it was started by a thread that serves a ring: it has inherited
/// that thread's one processor. To be called at a thread's start; costs one atomic load while no thread serves a ring.
/// A thread that somebody else has confined to one processor on purpose can't be told from one that has inherited it.
pub fn shed_inherited_pin() {
    if PINNED.load(Ordering::SeqCst) == 0 {
        return;
    }
    if Cpus::of_thread(0).is_ok_and(|cpus| cpus.count() == 1) {
        let _ = allowed().and_then(|cpus| cpus.confine_this_thread());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn lists_of_the_kernel_are_read() {
        assert_eq!(Cpus::parse("0-2,5\n"), Some(Cpus(vec![0, 1, 2, 5])));
        assert_eq!(Cpus::parse("\n"), Some(Cpus::default()));
        for wrong in ["a", "1-", "0-70000"] {
            assert_eq!(Cpus::parse(wrong), None, "{wrong}");
        }
        let machine = Machine::look().unwrap();
        assert!(machine.possible >= machine.online.count());
        assert!(machine.online.0.iter().any(|&cpu| machine.allowed.contains(cpu)));
    }

    #[test]
    fn a_thread_that_a_pinned_one_starts_sheds_the_pin_and_the_pinned_one_is_free_again_later() {
        let everywhere = allowed().unwrap();
        if everywhere.count() < 2 {
            eprintln!("*** SKIPPED: one processor ***");
            return;
        }
        let one = everywhere.0[1];
        let here = || Cpus::of_thread(0).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let pin = Pin::to(one).unwrap();
                assert_eq!(here(), Cpus(vec![one]));
                let child = thread::spawn(move || {
                    let inherited = here();
                    shed_inherited_pin();
                    (inherited, here())
                });
                assert_eq!(child.join().unwrap(), (Cpus(vec![one]), everywhere.clone()));
                drop(pin);
                assert_eq!(here(), everywhere);
            });
        });
    }
}
