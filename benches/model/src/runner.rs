//! Sequence after sequence, each in new directories; one that fails is made simpler and told as a script.

use std::fmt::Write;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::compare::Comparison;
use crate::differences::Kind;
use crate::op::Op;
use crate::pair::{self, Failure};
use crate::shrink::{ops, shrink, Step};
use crate::strategy::{beginning, operation, Lacking};
use crate::world::{Side, World};

/// Which sequences.
pub struct Plan {
    /// How many.
    pub sequences: u64,
    /// Operations in each, after its beginning.
    pub length: usize,
    /// Decides all of them; the same seed gives the same sequences.
    pub seed: u64,
    /// Ends earlier if this has passed.
    pub limit: Option<Duration>,
    /// How long a failure is simplified at most.
    pub shrinking: Duration,
    /// Ends after this many failures.
    pub failures: u64,
    /// Drops the kernel's caches, of the whole machine.
    pub drop_caches: bool,
    /// What is mounted.
    pub kind: Kind,
    /// What isn't done.
    pub lacking: Lacking,
}

/// What came of it.
#[derive(Default)]
pub struct Report {
    /// Sequences that ran.
    pub sequences: u64,
    /// Operations that were done on both sides, those of simplifying not among them.
    pub operations: u64,
    /// Each failure, as a script with comments.
    pub failures: Vec<String>,
    /// How often each known difference was met.
    pub known: std::collections::BTreeMap<&'static str, u64>,
}

/// Two places for directories of sequences.
pub struct Places {
    host: PathBuf,
    mount: PathBuf,
    made: u64,
    /// Between the directory and who works in it.
    mount_side: fn(World) -> Box<dyn Side>,
}

/// A directory of one sequence; removed with all that is in it.
struct Place(PathBuf);

impl Place {
    /// A directory "in" in a new directory: a path that leads out of it, by "d/..", stays in that one.
    fn new(below: &Path, number: u64) -> Result<(Self, OwnedFd), String> {
        let place = Self(below.join(format!("sequence-{}-{number}", std::process::id())));
        let inner = place.0.join("in");
        fs::create_dir_all(&inner).map_err(|e| format!("{} can't be made: {e}", inner.display()))?;
        let everybody = fs::Permissions::from_mode(0o777);
        fs::set_permissions(&inner, everybody).map_err(|e| format!("chmod {}: {e}", inner.display()))?;
        let opened = fs::File::open(&inner).map_err(|e| format!("{} can't be opened: {e}", inner.display()))?;
        Ok((place, opened.into()))
    }

    fn remove(self) -> Result<(), String> {
        let removed = fs::remove_dir_all(&self.0).or_else(|_| {
            // who isn't root needs permissions that operations have taken away
            open_up(&self.0);
            fs::remove_dir_all(&self.0)
        });
        removed.map_err(|e| format!("{} can't be removed: {e}", self.0.display()))
    }
}

fn open_up(directory: &Path) {
    let _ = fs::set_permissions(directory, fs::Permissions::from_mode(0o700)); // removing says what is wrong
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}

impl Places {
    /// Directories below two directories.
    pub fn new(host: &Path, mount: &Path) -> Self {
        let mount_side = |world| Box::new(world) as Box<dyn Side>;
        Self {
            host: host.into(),
            mount: mount.into(),
            made: 0,
            mount_side,
        }
    }

    /// Has somebody else work on the mount's side, who does things wrong for example.
    pub fn with_mount_side(mut self, mount_side: fn(World) -> Box<dyn Side>) -> Self {
        self.mount_side = mount_side;
        self
    }

    /// What can't be compared here.
    pub fn lacking(&mut self) -> Result<Lacking, String> {
        let mut lack = |path: &Path| {
            self.made += 1;
            let (place, directory) = Place::new(path, self.made)?;
            let lacking =
                Lacking::of(&directory).map_err(|e| format!("{} can't be tried out: {e:?}", path.display()))?;
            place.remove()?;
            Ok::<_, String>(lacking)
        };
        let mut on_host = lack(&self.host.clone())?;
        // its World does that by other calls
        on_host
            .fallocate
            .retain(|mode| mode.0 & libc::FALLOC_FL_ZERO_RANGE == 0);
        Ok(on_host.or(lack(&self.mount.clone())?))
    }

    /// One sequence in new directories. `Err` is no difference: the directories can't be used.
    pub fn run(
        &mut self,
        ops: &[Op],
        drop_caches: bool,
        comparison: &mut Comparison,
    ) -> Result<Option<Failure>, String> {
        self.made += 1;
        let (host_place, host) = Place::new(&self.host, self.made)?;
        let (mount_place, mount) = Place::new(&self.mount, self.made)?;
        let mut host = World::new(host).zero_ranges();
        let mut mount = World::new(mount);
        if drop_caches {
            mount = mount.drop_caches();
        }
        let failure = pair::run(ops, &mut host, &mut *(self.mount_side)(mount), comparison).err();
        drop(host);
        crate::sys::umask(0o022);
        host_place.remove()?;
        mount_place.remove()?;
        Ok(failure)
    }
}

/// Runs what is planned. `tell` gets a line now and then.
pub fn run(plan: &Plan, places: &mut Places, tell: &mut dyn FnMut(String)) -> Result<Report, String> {
    let strategy = operation(&plan.lacking);
    let beginning = beginning();
    let began = Instant::now();
    let mut report = Report::default();
    for number in 0..plan.sequences {
        if plan.limit.is_some_and(|limit| began.elapsed() >= limit) || report.failures.len() as u64 >= plan.failures {
            break;
        }
        let mut runner = runner(plan.seed, number);
        let generated = "few are filtered out";
        let first = beginning.new_tree(&mut runner).expect(generated).current();
        let mut steps: Vec<Step> = first.into_iter().map(Step::Fixed).collect();
        steps.extend((0..plan.length).map(|_| Step::Tree(Box::new(strategy.new_tree(&mut runner).expect(generated)))));
        let all = ops(&steps);
        let mut comparison = Comparison::new(plan.kind);
        let failure = places.run(&all, plan.drop_caches, &mut comparison)?;
        report.sequences += 1;
        report.operations += failure.as_ref().map_or(all.len(), |failure| failure.after + 1) as u64;
        for (name, count) in comparison.known {
            *report.known.entry(name).or_default() += count;
        }
        if let Some(failure) = failure {
            tell(format!(
                "sequence {number} of seed {} failed: {}",
                plan.seed,
                failure.to_string().replace("\n#", "")
            ));
            report.failures.push(simplified(plan, places, number, steps, failure)?);
        }
    }
    Ok(report)
}

fn runner(seed: u64, number: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

fn simplified(
    plan: &Plan,
    places: &mut Places,
    number: u64,
    mut steps: Vec<Step>,
    first: Failure,
) -> Result<String, String> {
    let mut broken = None;
    let mut again = |ops: &[Op]| {
        places
            .run(ops, plan.drop_caches, &mut Comparison::new(plan.kind))
            .unwrap_or_else(|problem| {
                broken = Some(problem);
                None
            })
    };
    let repeats = again(&ops(&steps)).is_some_and(|failure| failure.op.name() == first.op.name());
    let total = steps.len();
    let mut text = format!("# sequence {number} of seed {}", plan.seed);
    let failure = if repeats {
        let deadline = Instant::now() + plan.shrinking;
        let failure = shrink(&mut steps, first, deadline, &mut again);
        let _ = writeln!(text, ", {} of {total} operations", steps.len()); // a String takes everything
        failure
    } else {
        text.push_str(", which did not fail a second time\n");
        first
    };
    broken.map_or(Ok(()), Err)?;
    let mut ops = ops(&steps);
    ops.truncate(failure.after);
    text.push_str(&crate::script::print(&ops));
    let _ = writeln!(text, "{failure}");
    Ok(text)
}
