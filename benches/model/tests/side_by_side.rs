//! The comparison itself, without a mount: on two directories of one file system nothing may differ, and what one side does
//! wrong must be found and made simple.

use std::fs;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ferrofuse_model::compare::Comparison;
use ferrofuse_model::differences::Kind;
use ferrofuse_model::observe::Outcome;
use ferrofuse_model::op::Op;
use ferrofuse_model::runner::{run, Places, Plan, Report};
use ferrofuse_model::script;
use ferrofuse_model::strategy::Lacking;
use ferrofuse_model::sys::own_umask;
use ferrofuse_model::words::{Fd, Time};
use ferrofuse_model::world::{Side, World};

/// Two directories on a tmpfs that every Linux has; they go away with it.
struct Directories(PathBuf);

impl Directories {
    fn new(name: &str) -> Self {
        let below = Path::new("/dev/shm").join(format!("ferrofuse-model-{name}-{}", std::process::id()));
        for side in ["host", "mount"] {
            fs::create_dir_all(below.join(side)).expect("/dev/shm is there for everybody");
        }
        Self(below)
    }

    fn places(&self) -> Places {
        Places::new(&self.0.join("host"), &self.0.join("mount"))
    }
}

impl Drop for Directories {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // a failed test has said more already
    }
}

fn run_sequences(places: &mut Places, sequences: u64, lacking: Lacking) -> Report {
    own_umask().expect("everybody may");
    let plan = Plan {
        sequences,
        length: 40,
        seed: 7,
        limit: None,
        shrinking: Duration::from_secs(60),
        failures: 1,
        drop_caches: false,
        kind: Kind::Own,
        lacking,
    };
    run(&plan, places, &mut |_| {}).expect("both directories can be used")
}

/// Works in a directory, but for what it gets wrong.
struct Wrong {
    world: World,
    wrong: fn(&Op, &mut World) -> Option<Outcome>,
}

impl Side for Wrong {
    fn apply(&mut self, op: &Op) -> Outcome {
        (self.wrong)(op, &mut self.world).unwrap_or_else(|| self.world.apply(op))
    }

    fn fd(&self, fd: Fd) -> RawFd {
        self.world.fd(fd)
    }
}

/// The first words of the lines that fail, and the whole text; `without` some operations.
fn script_of(name: &str, side: fn(World) -> Box<dyn Side>, without: &[&str]) -> (Vec<String>, String) {
    let directories = Directories::new(name);
    let mut places = directories.places().with_mount_side(side);
    let mut lacking = places.lacking().expect("both directories can be used");
    lacking.ops = without.iter().map(ToString::to_string).collect();
    let report = run_sequences(&mut places, 2000, lacking);
    let text = report.failures.first().expect("what is wrong is found").clone();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    (
        lines
            .map(|line| line.split_whitespace().next().unwrap_or_default().to_string())
            .collect(),
        text,
    )
}

#[test]
fn two_directories_of_one_file_system_never_differ() {
    let directories = Directories::new("same");
    let mut places = directories.places();
    let lacking = places.lacking().expect("both directories can be used");
    let report = run_sequences(&mut places, 150, lacking);
    assert_eq!(report.failures, Vec::<String>::new());
    assert_eq!(report.sequences, 150);
    let left = fs::read_dir(directories.0.join("mount")).expect("it is there").count();
    assert_eq!(left, 0, "sequences leave nothing behind");
}

#[test]
fn a_wrong_errno_is_found_and_told_by_the_fewest_operations() {
    let side = |world| {
        let wrong = |op: &Op, world: &mut World| match (op, world.apply(op)) {
            (Op::Rmdir { .. }, Outcome::Failed(errno)) if errno.0 == libc::ENOTEMPTY => {
                Some(Outcome::Failed(ferrofuse_model::sys::Errno(libc::EEXIST)))
            }
            (_, outcome) => Some(outcome),
        };
        Box::new(Wrong { world, wrong }) as Box<dyn Side>
    };
    let (ops, text) = script_of("errno", side, &[]);
    assert_eq!(ops.len(), 3, "a directory, something in it, rmdir: {text}");
    assert_eq!(ops.last().expect("there are three"), "rmdir");
    assert!(text.contains("host: ENOTEMPTY; mount: EEXIST"), "{text}");
}

#[test]
fn data_that_is_lost_is_found_though_every_answer_is_right() {
    let side = |world| {
        let wrong = |op: &Op, world: &mut World| match op {
            // a write that ends past the first page loses its last byte
            Op::Pwrite { fd, off, len, fill } if *off >= 0 && *len > 1 && *off + *len as i64 > 4096 => {
                let short = Op::Pwrite {
                    fd: *fd,
                    off: *off,
                    len: len - 1,
                    fill: *fill,
                };
                match world.apply(&short) {
                    Outcome::Number(count) => Some(Outcome::Number(count + 1)),
                    failed => Some(failed),
                }
            }
            _ => None,
        };
        Box::new(Wrong { world, wrong }) as Box<dyn Side>
    };
    let (ops, text) = script_of("lost", side, &[]);
    assert!(ops.len() <= 4, "{text}");
    assert!(ops.contains(&"pwrite".to_string()), "{text}");
}

#[test]
fn a_time_that_stays_is_found() {
    let side = |world| {
        let wrong = |op: &Op, world: &mut World| match *op {
            Op::Futimens {
                fd,
                atime,
                mtime: Time::Now,
            } => {
                let atime = if atime == Time::Omit { Time::Now } else { atime };
                Some(world.apply(&Op::Futimens {
                    fd,
                    atime,
                    mtime: Time::Omit,
                }))
            }
            _ => None,
        };
        Box::new(Wrong { world, wrong }) as Box<dyn Side>
    };
    // others may do less with the one than with the other
    let (ops, text) = script_of("time", side, &["as"]);
    assert!(ops.contains(&"futimens".to_string()), "{text}");
    assert!(text.contains("mtime: host: changed; mount: not changed"), "{text}");
}

#[test]
fn what_a_known_difference_keeps_from_being_opened_is_open_on_neither_side() {
    // a path-based file system can't open a directory that has no name
    let side = |world| {
        let wrong = |op: &Op, _: &mut World| {
            matches!(op, Op::Reopen { .. }).then_some(Outcome::Failed(ferrofuse_model::sys::Errno(libc::ESTALE)))
        };
        Box::new(Wrong { world, wrong }) as Box<dyn Side>
    };
    let lines = "mkdir d 0777\nopen fd0 d 0 0\nopen fd1 . 0 0\nrmdir d\nreopen fd1 fd0 0\nfstat fd1\nclose fd1\n";
    let ops = script::parse(lines).expect("these are operations");
    let directories = Directories::new("known");
    let mut places = directories.places().with_mount_side(side);
    let mut comparison = Comparison::new(Kind::Path);
    let failure = places
        .run(&ops, false, &mut comparison)
        .expect("both directories can be used");
    assert!(failure.is_none(), "{}", failure.expect("it is there"));
    assert_eq!(comparison.known.get("by path: no name and no OpenFile"), Some(&1));
}

#[test]
fn a_failing_script_fails_again_when_it_is_read() {
    let side = |world| {
        let wrong =
            |op: &Op, _: &mut World| matches!(op, Op::Readlink { .. }).then_some(Outcome::Bytes(b"no".to_vec()));
        Box::new(Wrong { world, wrong }) as Box<dyn Side>
    };
    let (_, text) = script_of("printed", side, &[]);
    let ops = script::parse(&text).expect("it was printed");
    let directories = Directories::new("read");
    let mut places = directories.places().with_mount_side(side);
    let failure = places
        .run(&ops, false, &mut Comparison::new(Kind::Own))
        .expect("both directories can be used");
    assert_eq!(failure.expect("it fails").op.name(), "readlink");
}
