//! One sequence on the host and on the mount, step by step, until something differs.

use std::fmt;
use std::os::fd::RawFd;
use std::thread;
use std::time::Duration;

use crate::compare::{short, Comparison};
use crate::differences::Loose;
use crate::observe::Outcome;
use crate::op::Op;
use crate::sys;
use crate::words::{AtFlags, Fd, Map, MapFlags};
use crate::world::Side;

/// Where the sides went apart.
#[derive(Clone, Debug)]
pub struct Failure {
    /// How many operations went well before.
    pub after: usize,
    /// The operation that answered differently; the last look at everything is a `check`.
    pub op: Op,
    /// What differs.
    pub differences: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.op)?;
        self.differences
            .iter()
            .try_for_each(|difference| write!(f, "\n#   {difference}"))
    }
}

/// Does all operations on both sides, then looks at everything, closes everything, and looks again.
pub fn run(ops: &[Op], host: &mut dyn Side, mount: &mut dyn Side, comparison: &mut Comparison) -> Result<(), Failure> {
    let end = [vec![Op::Check {}], closing(), vec![Op::Check {}]].concat();
    for (after, op) in ops.iter().chain(&end).enumerate() {
        note_loose_times(op, host, comparison);
        comparison.is_nameless(op.fds().into_iter().any(|fd| links(host.fd(fd)) == Some(0)));
        let (on_host, on_mount) = (host.apply(op), mount.apply(op));
        let differences = comparison.compare(op, &on_host, &on_mount);
        if !differences.is_empty() {
            return Err(Failure {
                after: after.min(ops.len()),
                op: op.clone(),
                differences,
            });
        }
        agree_on_what_is_open(op, (&on_host, host), (&on_mount, mount));
        if matches!(on_host, Outcome::Stat(_) | Outcome::Tree(_)) {
            wait_for_tick(comparison.newest());
        }
    }
    Ok(())
}

/// Where a known difference let only one side open something, both go on without it.
fn agree_on_what_is_open(op: &Op, host: (&Outcome, &mut dyn Side), mount: (&Outcome, &mut dyn Side)) {
    if let Op::Open { fd, .. } | Op::Reopen { fd, .. } | Op::Dup { fd, .. } = op {
        if host.0 != mount.0 {
            let close = Op::Close { fd: *fd };
            host.1.apply(&close); // EBADF says that there was nothing
            mount.1.apply(&close);
        }
    }
}

/// Does all operations on one side; each line with its answer.
pub fn run_alone(ops: &[Op], side: &mut dyn Side, tell: &mut dyn FnMut(String)) {
    for op in ops {
        let answer = short(&side.apply(op));
        tell(format!("{op} # {answer}"));
    }
}

fn closing() -> Vec<Op> {
    let maps = (0..Map::COUNT).map(|map| Op::Munmap { map: Map(map) });
    let files = (0..Fd::COUNT).map(|fd| Op::Close { fd: Fd(fd) });
    maps.chain(files).collect()
}

fn links(fd: RawFd) -> Option<u32> {
    let told = sys::statx(fd, b"", libc::AT_EMPTY_PATH);
    told.ok().map(|told| told.stx_nlink)
}

fn note_loose_times(op: &Op, host: &mut dyn Side, comparison: &mut Comparison) {
    match op {
        Op::Mmap {
            fd,
            flags: MapFlags(libc::MAP_SHARED),
            ..
        } => {
            if let Ok(told) = sys::statx(host.fd(*fd), b"", libc::AT_EMPTY_PATH) {
                comparison.is_loose(told.stx_ino, Loose::Mapped);
            }
        }
        Op::Truncate { path, size } => {
            let look = Op::Stat {
                path: path.clone(),
                flags: AtFlags(0),
            };
            if let Outcome::Stat(stat) = host.apply(&look) {
                if u64::try_from(*size) == Ok(stat.size) {
                    comparison.is_loose(stat.ino, Loose::SameSize);
                }
            }
        }
        _ => {}
    }
}

/// Kernels stamp files by a clock that ticks every few milliseconds: a change within the tick in which a file was looked
/// at might leave its times as they are. There is nothing to wait on but the clock.
fn wait_for_tick(newest: i128) {
    while sys::coarse_clock() <= newest {
        thread::sleep(Duration::from_micros(300));
    }
}
