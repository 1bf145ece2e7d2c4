//! What whoever mounts a file system decides about its session.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ferrofuse_protocol::Opcode;

use crate::backing::BackingFiles;
use crate::crew::Growth;
use crate::handles::Kind;
use crate::log::Sink;
use crate::meter::SlowSink;
use crate::transport::uring::{Rings, Transport};

/// When the kernel asks for a directory's entries together with their attributes, which saves a lookup for each that is
/// looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Readdirplus {
    /// At the beginning of a listing, and further on if somebody has looked at entries of what was listed.
    #[default]
    Auto,
    /// Every time.
    Always,
    /// Never.
    Never,
}

/// Settings of one session. Start from [`Config::default`].
#[derive(Clone)]
pub struct Config {
    /// The file system's key of the root directory.
    pub root_key: u64,
    /// Which operations reach the handler, bit `1 << opcode`; the others are answered by the engine. RELEASE and
    /// RELEASEDIR always do: they end what others began. RENAME stands for RENAME2, too.
    ///
    /// READ or WRITE without OPEN, CREATE and TMPFILE say that files are served without being opened, READDIR or
    /// READDIRPLUS without OPENDIR say so of directories: see [`Slot::UNOPENED`](crate::Slot::UNOPENED).
    pub operations: u64,
    /// Bytes of the largest read and write, at least 4096; rounded down to whole pages, and to 128 KiB where the
    /// kernel knows no more.
    pub max_write: u32,
    /// Requests that the kernel may have under way in the background (readahead, asynchronous direct I/O).
    pub max_background: u16,
    /// Of those, how many make the kernel hold back further ones.
    pub congestion_threshold: u16,
    /// How long the kernel may remember that a name doesn't exist; zero: not at all.
    pub negative_timeout: Duration,
    /// Collect writes in the page cache.
    pub writeback_cache: bool,
    /// Every file is opened with `FOPEN_DIRECT_IO`.
    pub direct_io: bool,
    /// Every file is opened with `FOPEN_KEEP_CACHE`.
    pub kernel_cache: bool,
    /// As `kernel_cache`, but what is kept goes when the file's size or mtime is seen to have changed.
    pub auto_cache: bool,
    /// The targets of symbolic links are cached, as long as the link is remembered.
    pub cache_symlinks: bool,
    /// When directories are listed with attributes.
    pub readdirplus: Readdirplus,
    /// Owner that every node shows, instead of its own.
    pub uid: Option<u32>,
    /// Group that every node shows, instead of its own.
    pub gid: Option<u32>,
    /// Permission bits that no node shows; all others it does, instead of its own.
    pub umask: Option<u32>,
    /// Each worker reads from a descriptor of its own, where the kernel lets it.
    pub clone_fd: bool,
    /// How requests arrive.
    pub transport: Transport,
    /// How many rings there are, where requests arrive over io_uring.
    pub rings: Rings,
    /// How the number of workers follows the load; `None`: each thread in `Session::serve` is a worker.
    pub growth: Option<Growth>,
    /// How long one idle worker looks for the next request before it sleeps.
    pub idle_spin: Duration,
    /// Nodes that the kernel may refer to at once. Memory is reserved for all, and used as they come.
    pub max_nodes: u32,
    /// Files and directories that may be open at once, as `max_nodes`.
    pub max_handles: u32,
    /// Locks that the engine keeps at once, and requests that may wait for one, where the kernel doesn't keep them itself;
    /// memory is taken as they come.
    pub max_locks: u32,
    /// How long the kernel may take to begin the conversation.
    pub init_deadline: Duration,
    /// Requests are counted and timed, for [`Session::metrics`](crate::Session::metrics). Takes two looks at the clock
    /// per request; without it and `slow_after` there is none.
    pub metrics: bool,
    /// Requests that take this long or longer are logged, and told to `slow`.
    pub slow_after: Option<Duration>,
    /// Is told of slow requests, each one.
    pub slow: SlowSink,
    /// Receives log lines.
    pub log: Sink,
    /// Where files are registered that are passed through ([`Wish::passes_through`](crate::Wish::passes_through));
    /// `None`: with the device, as everywhere but in a test that plays it.
    pub backing_files: Option<Arc<dyn BackingFiles>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            root_key: 1,
            operations: u64::MAX,
            max_write: 1 << 20,
            max_background: 64,
            congestion_threshold: 48,
            negative_timeout: Duration::ZERO,
            writeback_cache: false,
            direct_io: false,
            kernel_cache: false,
            auto_cache: false,
            cache_symlinks: false,
            readdirplus: Readdirplus::default(),
            uid: None,
            gid: None,
            umask: None,
            clone_fd: false,
            transport: Transport::default(),
            rings: Rings::default(),
            growth: None,
            idle_spin: Duration::ZERO,
            max_nodes: 1 << 24,
            max_handles: 1 << 20,
            max_locks: 1 << 20,
            init_deadline: Duration::from_secs(10),
            metrics: false,
            slow_after: None,
            slow: Arc::new(|_| {}),
            log: Arc::new(|_, _| {}),
            backing_files: None,
        }
    }
}

impl Config {
    /// Whether an operation reaches the handler. The kernel has two opcodes for a rename, with and without flags, and for
    /// a copy, by the width of its answer; the handler has one method.
    pub(crate) fn handles(&self, opcode: Opcode) -> bool {
        let opcode = match opcode {
            Opcode::Rename2 => Opcode::Rename,
            Opcode::CopyFileRange64 => Opcode::CopyFileRange,
            opcode => opcode,
        };
        opcode.raw() < u64::BITS && self.operations >> opcode.raw() & 1 == 1
    }

    /// Whether there is something that is used without having been opened, so that nobody is asked who may open it.
    pub fn leaves_opening_to_the_kernel(&self) -> bool {
        self.serves_unopened(Kind::File) || self.serves_unopened(Kind::Directory)
    }

    /// What is declared, but works on an open file alone, where none is ever opened: it would be refused each time.
    pub fn without_effect(&self) -> impl Iterator<Item = Opcode> + '_ {
        let on_open_files = [Opcode::CopyFileRange, Opcode::Poll];
        let opens_nothing = self.serves_unopened(Kind::File);
        on_open_files
            .into_iter()
            .filter(move |&opcode| opens_nothing && self.handles(opcode))
    }

    /// Whether what is of a kind is used without having been opened.
    pub(crate) fn serves_unopened(&self, kind: Kind) -> bool {
        let (uses, opens): (&[Opcode], &[Opcode]) = match kind {
            Kind::File => (
                &[Opcode::Read, Opcode::Write],
                &[Opcode::Open, Opcode::Create, Opcode::Tmpfile],
            ),
            Kind::Directory => (&[Opcode::Readdir, Opcode::Readdirplus], &[Opcode::Opendir]),
        };
        let any = |opcodes: &[Opcode]| opcodes.iter().any(|&opcode| self.handles(opcode));
        any(uses) && !any(opens)
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("root_key", &self.root_key)
            .field("operations", &format_args!("{:#x}", self.operations))
            .field("max_write", &self.max_write)
            .field("max_background", &self.max_background)
            .field("writeback_cache", &self.writeback_cache)
            .field("clone_fd", &self.clone_fd)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_reaches_the_handler_by_its_bit_and_renames_by_one() {
        let config = Config {
            operations: 1 << Opcode::Rename.raw() | 1 << Opcode::Read.raw(),
            ..Config::default()
        };
        for (opcode, reaches) in [
            (Opcode::Read, true),
            (Opcode::Rename, true),
            (Opcode::Rename2, true),
            (Opcode::Write, false),
            (Opcode::Link, false),
        ] {
            assert_eq!(config.handles(opcode), reaches, "{opcode}");
        }
    }

    #[test]
    fn what_is_used_but_never_opened_is_served_unopened() {
        let serves = |opcodes: &[Opcode]| {
            let config = Config {
                operations: opcodes.iter().map(|opcode| 1 << opcode.raw()).sum(),
                ..Config::default()
            };
            [Kind::File, Kind::Directory].map(|kind| config.serves_unopened(kind))
        };
        assert_eq!(serves(&[]), [false, false]);
        assert_eq!(serves(&[Opcode::Read, Opcode::Readdirplus]), [true, true]);
        assert_eq!(
            serves(&[Opcode::Write, Opcode::Readdir, Opcode::Opendir]),
            [true, false]
        );
        for opens in [Opcode::Open, Opcode::Create, Opcode::Tmpfile] {
            assert_eq!(
                serves(&[Opcode::Read, opens, Opcode::Readdir]),
                [false, true],
                "{opens}"
            );
        }
    }
}
