//! How long operations take: counters and histograms, a set per worker, added up by whoever reads them.
//!
//! Workers come here with each request if somebody measures ([`Config::metrics`](crate::Config::metrics),
//! [`Config::slow_after`](crate::Config::slow_after)), and never otherwise. A set is written by one worker at a time,
//! without locks; it outlives the worker and passes to the next.

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ferrofuse_protocol::abi::InHeader;
use ferrofuse_protocol::Opcode;
use parking_lot::Mutex;

use crate::config::Config;
use crate::log::{Level, Log};

/// A power of two is divided into `1 << SUB_BITS` buckets of the same width: a bucket's upper end is less than an
/// eighth above any time in it.
pub const SUB_BITS: u32 = 3;

/// Buckets of a histogram. Times below 8 ns have one each; the last takes everything from 2^42 ns (73 minutes) on, too.
pub const BUCKETS: usize = 320;

/// Numbers from here on are no opcode today, and share slot 0, which no opcode has.
const OPCODES: usize = 64;

/// How one operation fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measures {
    /// Requests answered with an errno.
    pub errors: u64,
    /// Nanoseconds from receipt to answer, of all requests together.
    pub nanos: u64,
    /// Nanoseconds that the longest took.
    pub max: u64,
    /// Requests that had to wait for others on their handle.
    pub waits: u64,
    /// Nanoseconds of that waiting.
    pub waited: u64,
    /// How many requests took how long, by [`bucket_of`].
    pub buckets: Box<[u64; BUCKETS]>,
}

impl Default for Measures {
    fn default() -> Self {
        Self {
            errors: 0,
            nanos: 0,
            max: 0,
            waits: 0,
            waited: 0,
            buckets: Box::new([0; BUCKETS]),
        }
    }
}

impl Measures {
    /// Requests answered.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

/// What all workers have measured until now.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Requests received and not yet finished.
    pub in_flight: u64,
    /// Threads that serve.
    pub workers: usize,
    /// Opcode of the request that has been in the hands of a worker longest, and for how long.
    pub longest: Option<(u32, Duration)>,
    /// What was asked for at least once, by opcode; 0 stands for numbers above all opcodes. RENAME2 counts as RENAME,
    /// BATCH_FORGET as one FORGET.
    pub operations: Vec<(u32, Measures)>,
}

/// A request that took longer than [`Config::slow_after`](crate::Config::slow_after).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slow {
    /// The operation's number, that of RENAME for RENAME2.
    pub opcode: u32,
    /// Kernel's id of the request.
    pub unique: u64,
    /// The kernel's number of the node.
    pub nodeid: u64,
    /// Thread id of the caller.
    pub pid: u32,
    /// From receipt to answer.
    pub took: Duration,
    /// The part of it that went by until the others on its handle let it through.
    pub waited: Duration,
}

/// Is told of slow requests, each one, by the worker that served it.
pub type SlowSink = Arc<dyn Fn(&Slow) + Send + Sync>;

/// The bucket that a time belongs to.
pub const fn bucket_of(nanos: u64) -> usize {
    let exact = 1 << SUB_BITS;
    if nanos < exact {
        return nanos as usize;
    }
    let shift = nanos.ilog2() - SUB_BITS;
    let bucket = (shift as usize + 1) * exact as usize + (nanos >> shift) as usize % exact as usize;
    if bucket < BUCKETS {
        bucket
    } else {
        BUCKETS - 1
    }
}

/// What is remembered of the request in a lease. The times are empty while nobody measures.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Record {
    received: Option<Instant>,
    waited: Option<Duration>,
    /// What the reply said; 0 is success.
    pub(crate) errno: i32,
}

/// The meters of a session.
pub(crate) struct Meters {
    /// What instants count from.
    start: Instant,
    slow_after: Option<Duration>,
    slow: SlowSink,
    log: Arc<Log>,
    all: Mutex<All>,
}

#[derive(Default)]
struct All {
    meters: Vec<Arc<Meter>>,
    /// Those whose worker has left.
    free: Vec<Arc<Meter>>,
}

impl Meters {
    /// `None`: nobody measures.
    pub(crate) fn new(config: &Config, log: &Arc<Log>) -> Option<Self> {
        (config.metrics || config.slow_after.is_some()).then(|| Self {
            start: Instant::now(),
            slow_after: config.slow_after,
            slow: Arc::clone(&config.slow),
            log: Arc::clone(log),
            all: Mutex::default(),
        })
    }

    /// A meter for one more worker.
    pub(crate) fn watch(&self) -> Watch<'_> {
        let mut all = self.all.lock();
        let meter = all.free.pop().unwrap_or_else(|| {
            let fresh = Arc::<Meter>::default();
            all.meters.push(Arc::clone(&fresh));
            fresh
        });
        Watch {
            meters: self,
            meter,
            slow: None,
        }
    }

    /// The sum of all meters. A request in progress may be in some of the numbers already.
    pub(crate) fn operations(&self) -> Vec<(u32, Measures)> {
        let meters = self.all.lock().meters.clone();
        (0..OPCODES)
            .filter_map(|slot| {
                let mut sum = Measures::default();
                let counted = meters.iter().filter_map(|meter| meter.operations[slot].get());
                counted.for_each(|counters| counters.add_to(&mut sum));
                (sum.count() > 0).then_some((slot as u32, sum))
            })
            .collect()
    }

    /// The request that some worker has been serving longest.
    pub(crate) fn longest(&self) -> Option<(u32, Duration)> {
        let now = self.nanos(Instant::now());
        let meters = self.all.lock().meters.clone();
        let serving = meters.iter().filter_map(|meter| meter.serving());
        let (since, opcode) = serving.min()?;
        Some((opcode, Duration::from_nanos(now.saturating_sub(since))))
    }

    /// Time since the start; never 0, which stands for "serves nothing".
    fn nanos(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.start)).max(1)
    }
}

impl fmt::Display for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Opcode::from_raw(self.opcode) {
            Some(opcode) => write!(f, "{opcode}")?,
            None => write!(f, "opcode {}", self.opcode)?,
        }
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        write!(f, " of node {:#x} took {:.1} ms", self.nodeid, millis(self.took))?;
        if !self.waited.is_zero() {
            write!(f, ", {:.1} ms of them waiting for its handle", millis(self.waited))?;
        }
        write!(f, " (request {} of process {})", self.unique, self.pid)
    }
}

/// One worker's meter, for as long as the worker lives.
pub(crate) struct Watch<'m> {
    meters: &'m Meters,
    meter: Arc<Meter>,
    /// To be reported.
    slow: Option<Slow>,
}

impl Watch<'_> {
    /// A worker takes a request in hand: for the first time, or once it no longer has to wait.
    #[inline(never)]
    pub(crate) fn begins(&mut self, opcode: u32, record: &mut Record) {
        let now = Instant::now();
        match record.received {
            None => record.received = Some(now),
            Some(received) => record.waited = Some(now.saturating_duration_since(received)),
        }
        self.meter.serves(shown(opcode), self.meters.nanos(now));
    }

    /// The request has to wait; the worker goes on with others.
    pub(crate) fn idle(&mut self) {
        self.meter.serves(0, 0);
    }

    /// The request was answered.
    #[inline(never)]
    pub(crate) fn ended(&mut self, header: &InHeader, record: &Record) {
        let &Record {
            received,
            waited,
            errno,
        } = record;
        let Some(received) = received else { return };
        let took = received.elapsed();
        self.meter.count(slot(header.opcode), took, waited, errno);
        self.idle();
        let is_slow = self.meters.slow_after.is_some_and(|limit| took >= limit);
        self.slow = is_slow.then(|| Slow {
            opcode: shown(header.opcode),
            unique: header.unique,
            nodeid: header.nodeid,
            pid: header.pid,
            took,
            waited: waited.unwrap_or_default(),
        });
    }

    /// Tells of the request that has ended, if it was slow: when nobody waits for its worker any more.
    pub(crate) fn report(&mut self) {
        if let Some(slow) = self.slow.take() {
            let Meters { log, slow: sink, .. } = self.meters;
            log.line(Level::Warn, "slow operation", slow.opcode, format_args!("{slow}"));
            sink(&slow);
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.idle();
        // The lock orders what this worker wrote before what the next one does.
        self.meters.all.lock().free.push(Arc::clone(&self.meter));
    }
}

/// The number that an operation is known by to handlers.
fn shown(opcode: u32) -> u32 {
    const RENAME2: u32 = Opcode::Rename2.raw();
    const BATCH_FORGET: u32 = Opcode::BatchForget.raw();
    match opcode {
        RENAME2 => Opcode::Rename.raw(),
        BATCH_FORGET => Opcode::Forget.raw(),
        other => other,
    }
}

fn slot(opcode: u32) -> usize {
    Some(shown(opcode) as usize).filter(|&slot| slot < OPCODES).unwrap_or(0)
}

/// What one worker has measured. Only that worker writes.
#[repr(align(128))]
struct Meter {
    /// When it took in hand what it serves; 0: serves nothing.
    since: AtomicU64,
    opcode: AtomicU32,
    /// By slot, made when a request of that kind comes for the first time.
    operations: [OnceLock<Box<Counters>>; OPCODES],
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            since: AtomicU64::new(0),
            opcode: AtomicU32::new(0),
            operations: [const { OnceLock::new() }; OPCODES],
        }
    }
}

impl Meter {
    fn serves(&self, opcode: u32, since: u64) {
        self.opcode.store(opcode, Ordering::Relaxed);
        self.since.store(since, Ordering::Relaxed);
    }

    fn serving(&self) -> Option<(u64, u32)> {
        let since = self.since.load(Ordering::Relaxed);
        (since != 0).then(|| (since, self.opcode.load(Ordering::Relaxed)))
    }

    fn count(&self, slot: usize, took: Duration, waited: Option<Duration>, errno: i32) {
        let counters = self.operations[slot].get_or_init(Box::default);
        let took = nanos(took);
        add(&counters.buckets[bucket_of(took)], 1);
        add(&counters.nanos, took);
        if took > counters.max.load(Ordering::Relaxed) {
            counters.max.store(took, Ordering::Relaxed);
        }
        if errno != 0 {
            add(&counters.errors, 1);
        }
        if let Some(waited) = waited {
            add(&counters.waits, 1);
            add(&counters.waited, nanos(waited));
        }
    }
}

/// As [`Measures`], while it is written.
struct Counters {
    errors: AtomicU64,
    nanos: AtomicU64,
    max: AtomicU64,
    waits: AtomicU64,
    waited: AtomicU64,
    buckets: [AtomicU64; BUCKETS],
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            errors: AtomicU64::new(0),
            nanos: AtomicU64::new(0),
            max: AtomicU64::new(0),
            waits: AtomicU64::new(0),
            waited: AtomicU64::new(0),
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
        }
    }
}

impl Counters {
    fn add_to(&self, sum: &mut Measures) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        sum.errors += read(&self.errors);
        sum.nanos += read(&self.nanos);
        sum.max = sum.max.max(read(&self.max));
        sum.waits += read(&self.waits);
        sum.waited += read(&self.waited);
        for (sum, bucket) in sum.buckets.iter_mut().zip(&self.buckets) {
            *sum += read(bucket);
        }
    }
}

/// Adds to a counter that nobody else writes: no locked instruction is needed.
fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn meters(slow_after: Option<Duration>, slow: SlowSink) -> Meters {
        let config = Config {
            metrics: true,
            slow_after,
            slow,
            ..Config::default()
        };
        Meters::new(&config, &Arc::new(Log::new(Arc::clone(&config.log)))).expect("somebody measures")
    }

    fn header(opcode: u32) -> InHeader {
        InHeader {
            opcode,
            unique: 6,
            nodeid: 0x11,
            pid: 42,
            ..InHeader::default()
        }
    }

    fn measures(meters: &Meters, opcode: Opcode) -> Measures {
        let found = meters
            .operations()
            .into_iter()
            .find(|&(number, _)| number == opcode.raw());
        found.map(|(_, measures)| measures).unwrap_or_default()
    }

    /// The largest time of a bucket, found by halving.
    fn upper_end(bucket: usize) -> u64 {
        let (mut low, mut high) = (0_u64, 1 << 43);
        while low < high {
            let middle = (low + high).div_ceil(2);
            if bucket_of(middle) <= bucket {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        low
    }

    #[test]
    fn buckets_follow_one_another_and_their_upper_end_is_less_than_an_eighth_too_much() {
        for bucket in 0..BUCKETS - 1 {
            let first = if bucket == 0 { 0 } else { upper_end(bucket - 1) + 1 };
            let last = upper_end(bucket);
            assert_eq!(bucket_of(first), bucket);
            assert_eq!(bucket_of(last), bucket);
            assert_eq!(bucket_of(last + 1), bucket + 1);
            assert!((last - first) * 8 < first.max(1), "{first} and {last} share a bucket");
        }
        assert_eq!(upper_end(BUCKETS - 2) + 1, (1 << 42) - (1 << 38));
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn workers_are_added_up_also_those_that_have_left() {
        let meters = meters(None, Arc::new(|_| {}));
        let watches = [1, 2, 3, 4].map(|worker| (worker, meters.watch()));
        thread::scope(|scope| {
            for (worker, watch) in watches {
                scope.spawn(move || {
                    for _ in 0..worker * 100 {
                        watch
                            .meter
                            .count(slot(15), Duration::from_nanos(worker * 1000), None, 0);
                    }
                    let waited = Some(Duration::from_nanos(7));
                    watch.meter.count(slot(15), Duration::from_secs(9), waited, libc::EIO);
                });
            }
        });
        let read = measures(&meters, Opcode::Read);
        assert_eq!(read.count(), 1004);
        assert_eq!(read.errors, 4);
        assert_eq!(read.nanos, 100 * (1 + 4 + 9 + 16) * 1000 + 4 * 9_000_000_000);
        assert_eq!((read.max, read.waits, read.waited), (9_000_000_000, 4, 28));
        assert_eq!(read.buckets[bucket_of(3000)], 300);
        assert_eq!(meters.all.lock().meters.len(), 4);
        drop(meters.watch());
        assert_eq!(meters.all.lock().meters.len(), 4, "the next worker takes one over");
    }

    #[test]
    fn both_renames_and_both_forgets_are_one_and_unknown_numbers_are_kept_apart() {
        let meters = meters(None, Arc::new(|_| {}));
        let mut watch = meters.watch();
        for opcode in [12, 45, 2, 42, 36, 64, u32::MAX] {
            let mut record = Record::default();
            watch.begins(opcode, &mut record);
            watch.ended(&header(opcode), &record);
        }
        let counts: Vec<(u32, u64)> = meters
            .operations()
            .iter()
            .map(|(opcode, measures)| (*opcode, measures.count()))
            .collect();
        assert_eq!(counts, [(0, 2), (2, 2), (12, 2), (36, 1)]);
    }

    #[test]
    fn what_is_in_hand_longest_is_known_until_it_ends_or_waits() {
        let meters = meters(None, Arc::new(|_| {}));
        let (mut first, mut second) = (meters.watch(), meters.watch());
        assert_eq!(meters.longest(), None);
        let (mut record, mut other) = (Record::default(), Record::default());
        first.begins(15, &mut record);
        second.begins(16, &mut other);
        assert_eq!(meters.longest().map(|(opcode, _)| opcode), Some(15));
        first.idle();
        assert_eq!(meters.longest().map(|(opcode, _)| opcode), Some(16));
        second.ended(&header(16), &other);
        assert_eq!(meters.longest(), None);
    }

    #[test]
    fn a_slow_request_is_told_with_the_time_that_it_waited() {
        let told: Arc<Mutex<Vec<Slow>>> = Arc::default();
        let sink = Arc::clone(&told);
        let limit = Duration::from_secs(1);
        let meters = meters(Some(limit), Arc::new(move |slow| sink.lock().push(*slow)));
        let mut watch = meters.watch();
        let now = Instant::now();
        for (age, waited) in [(Duration::ZERO, None), (limit * 3, Some(limit * 2))] {
            let Some(received) = now.checked_sub(age) else { return };
            let record = Record {
                received: Some(received),
                waited,
                errno: 0,
            };
            watch.ended(&header(15), &record);
            watch.report();
            watch.report();
        }
        let told = told.lock();
        assert_eq!(told.len(), 1);
        assert!(told[0].took >= limit * 3 && told[0].waited == limit * 2, "{told:?}");
        let line = told[0].to_string();
        assert!(
            line.starts_with("READ of node 0x11 took 3") && line.contains(", 2000.0 ms of them waiting"),
            "{line}"
        );
        assert!(line.ends_with("(request 6 of process 42)"), "{line}");
        assert_eq!(measures(&meters, Opcode::Read).waits, 1);
    }
}
