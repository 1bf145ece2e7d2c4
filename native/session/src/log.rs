//! Where the engine's few log lines go: one line per distinct failure, then silence for a while.
//!
//! Called on failure paths only; success is quiet.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Weight of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A bug: of the engine, of the file system, or of the kernel.
    Error,
    /// Something that an operator may want to change.
    Warn,
    /// A fallback that was taken and why.
    Info,
}

/// Receives log lines; called from any worker, must not block.
pub type Sink = Arc<dyn Fn(Level, &str) + Send + Sync>;

/// How long a failure stays silent after it was logged.
const QUIET: Duration = Duration::from_secs(10);

/// Distinct failures that are remembered; what else happens then shares one slot.
const MAX_DISTINCT: usize = 256;

struct Last {
    at: Instant,
    suppressed: u64,
}

/// Rate-limited front of a [`Sink`].
pub(crate) struct Log {
    sink: Sink,
    seen: Mutex<HashMap<(&'static str, u32), Last>>,
}

impl Log {
    pub(crate) fn new(sink: Sink) -> Self {
        Self {
            sink,
            seen: Mutex::default(),
        }
    }

    /// Logs `what`, unless the same failure was logged a moment ago. A failure is told apart by `failure` and `detail`
    /// (an opcode, say), never by the text.
    pub(crate) fn line(&self, level: Level, failure: &'static str, detail: u32, what: fmt::Arguments<'_>) {
        if let Some(suppressed) = self.due(failure, detail, Instant::now()) {
            let text = match suppressed {
                0 => format!("{failure}: {what}"),
                _ => format!("{failure}: {what} ({suppressed} more since the last such line)"),
            };
            (self.sink)(level, &text);
        }
    }

    /// Logs `what` when the failure, told apart as in [`Log::line`], happens for the first time, and never again: for
    /// something that stays as it is for the life of the mount.
    pub(crate) fn once(&self, level: Level, failure: &'static str, detail: u32, what: fmt::Arguments<'_>) {
        if self.is_first(failure, detail, Instant::now()) {
            (self.sink)(level, &format!("{failure}: {what}"));
        }
    }

    fn is_first(&self, failure: &'static str, detail: u32, now: Instant) -> bool {
        let mut seen = self.seen.lock();
        if seen.len() >= MAX_DISTINCT || seen.contains_key(&(failure, detail)) {
            return false;
        }
        seen.insert((failure, detail), Last { at: now, suppressed: 0 });
        true
    }

    /// `Some(lines swallowed since the last one)` when a line may be written.
    fn due(&self, failure: &'static str, detail: u32, now: Instant) -> Option<u64> {
        let mut seen = self.seen.lock();
        let full = seen.len() >= MAX_DISTINCT && !seen.contains_key(&(failure, detail));
        let id = if full { ("other", 0) } else { (failure, detail) };
        match seen.get_mut(&id) {
            Some(last) if now.saturating_duration_since(last.at) < QUIET => {
                last.suppressed += 1;
                None
            }
            Some(last) => {
                last.at = now;
                Some(std::mem::take(&mut last.suppressed))
            }
            None => {
                seen.insert(id, Last { at: now, suppressed: 0 });
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> Log {
        Log::new(Arc::new(|_, _| {}))
    }

    #[test]
    fn a_failure_is_logged_once_and_counted_until_the_quiet_time_is_over() {
        let (log, start) = (log(), Instant::now());
        assert_eq!(log.due("a", 1, start), Some(0));
        assert_eq!(log.due("a", 1, start), None);
        assert_eq!(log.due("a", 1, start + QUIET / 2), None);
        assert_eq!(log.due("a", 2, start), Some(0), "another detail is another failure");
        assert_eq!(log.due("a", 1, start + QUIET), Some(2));
        assert_eq!(log.due("a", 1, start + QUIET * 2), Some(0));
    }

    #[test]
    fn what_stays_as_it_is_is_told_of_once_for_ever() {
        let (log, start) = (log(), Instant::now());
        assert!(log.is_first("a", 1, start));
        assert!(!log.is_first("a", 1, start + QUIET * 2));
        assert!(
            log.is_first("a", 2, start + QUIET * 2),
            "another detail is another failure"
        );
        for detail in 0..10_000 {
            log.is_first("flood", detail, start);
        }
        assert!(log.seen.lock().len() <= MAX_DISTINCT);
    }

    #[test]
    fn the_memory_of_failures_is_bounded() {
        let (log, start) = (log(), Instant::now());
        for detail in 0..10_000 {
            log.due("flood", detail, start);
        }
        assert!(log.seen.lock().len() <= MAX_DISTINCT + 1);
    }
}
