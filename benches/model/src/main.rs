//! The command line: `model run`, `model replay`. Exit code 1: the sides differ; 2: it couldn't be found out.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ferrofuse_model::compare::Comparison;
use ferrofuse_model::differences::Kind;
use ferrofuse_model::pair;
use ferrofuse_model::runner::{self, Places, Plan};
use ferrofuse_model::world::World;
use ferrofuse_model::{differences, script, sys};

const USAGE: &str = "\
model run --mount DIR --host DIR [OPTION VALUE ...]
    does random operations in both and compares; DIR of the host: on a tmpfs
        --sequences N   how many (1000000)        --length N    operations in each (60)
        --seconds N     ends after that (none)    --seed N      the same sequences again (by the clock)
        --failures N    ends after that many (1)  --shrink N    seconds for simplifying one (30)
        --without A,B   leaves operations out     --kind KIND     own, path, mirror, passthrough
        --drop-caches yes   of the whole machine, now and then
model replay SCRIPT --mount DIR --host DIR [--kind KIND] [--drop-caches yes]
    does what a script says in both and compares
model replay SCRIPT DIR
    does what a script says, and prints each answer";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let answer = match words.first().map(String::as_str) {
        Some("run") => Arguments::parse(&words[1..]).and_then(run),
        Some("replay") => Arguments::parse(&words[1..]).and_then(replay),
        _ => Err(USAGE.into()),
    };
    answer.unwrap_or_else(|problem| {
        eprintln!("model: {problem}");
        ExitCode::from(2)
    })
}

/// Words without an option, and options with their values.
struct Arguments {
    plain: Vec<String>,
    options: Vec<(String, String)>,
}

impl Arguments {
    fn parse(words: &[String]) -> Result<Self, String> {
        let (mut plain, mut options) = (Vec::new(), Vec::new());
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.strip_prefix("--") {
                None => plain.push(word.clone()),
                Some(option) => {
                    let value = words
                        .next()
                        .ok_or_else(|| format!("--{option} needs a value\n{USAGE}"))?;
                    options.push((option.into(), value.clone()));
                }
            }
        }
        Ok(Self { plain, options })
    }

    fn take(&mut self, option: &str) -> Option<String> {
        let at = self.options.iter().position(|(name, _)| name == option)?;
        Some(self.options.remove(at).1)
    }

    fn number(&mut self, option: &str) -> Result<Option<u64>, String> {
        let text = self.take(option);
        let number = text.map(|text| text.parse().map_err(|_| format!("--{option} {text}: no number")));
        number.transpose()
    }

    fn yes(&mut self, option: &str) -> bool {
        self.take(option).is_some_and(|word| word == "yes")
    }

    fn directory(&mut self, option: &str) -> Result<PathBuf, String> {
        self.take(option)
            .map(PathBuf::from)
            .ok_or_else(|| format!("--{option} is missing\n{USAGE}"))
    }

    fn kind(&mut self) -> Result<Kind, String> {
        let name = self.take("kind").unwrap_or_else(|| "own".into());
        Kind::named(&name).ok_or_else(|| format!("--kind {name}: own, path, mirror or passthrough"))
    }

    fn end(self) -> Result<(), String> {
        match (self.options.first(), self.plain.first()) {
            (Some((option, _)), _) => Err(format!("unknown option --{option}\n{USAGE}")),
            (_, Some(word)) => Err(format!("what is {word} for?\n{USAGE}")),
            _ => Ok(()),
        }
    }
}

fn run(mut arguments: Arguments) -> Result<ExitCode, String> {
    let host = arguments.directory("host")?;
    let mount = arguments.directory("mount")?;
    let mut places = Places::new(&host, &mount);
    sys::own_umask().map_err(|errno| format!("unshare answers {errno:?}"))?;
    let mut lacking = places.lacking()?;
    if let Some(words) = arguments.take("without") {
        lacking.ops = words.split(',').map(String::from).collect();
    }
    let clock = u64::try_from(sys::coarse_clock() / 1_000_000).unwrap_or(1);
    let plan = Plan {
        sequences: arguments.number("sequences")?.unwrap_or(1_000_000),
        length: arguments.number("length")?.unwrap_or(60) as usize,
        seed: arguments.number("seed")?.unwrap_or(clock),
        limit: arguments.number("seconds")?.map(Duration::from_secs),
        shrinking: Duration::from_secs(arguments.number("shrink")?.unwrap_or(30)),
        failures: arguments.number("failures")?.unwrap_or(1),
        drop_caches: arguments.yes("drop-caches"),
        kind: arguments.kind()?,
        lacking,
    };
    arguments.end()?;
    let words = plan.lacking.words();
    println!(
        "seed {}; left out: {}",
        plan.seed,
        if words.is_empty() {
            "nothing".into()
        } else {
            words.join(" ")
        }
    );

    let began = Instant::now();
    let report = runner::run(&plan, &mut places, &mut |line| println!("{line}"))?;
    let (sequences, operations) = (report.sequences, report.operations);
    println!(
        "{sequences} sequences, {operations} operations, {:.1} s, {} failed",
        began.elapsed().as_secs_f64(),
        report.failures.len()
    );
    for difference in differences::KNOWN {
        if let Some(times) = report.known.get(difference.name) {
            println!(
                "known difference, {times} times: {} ({})",
                difference.name, difference.why
            );
        }
    }
    if sequences == 0 {
        return Err("no sequence ran".into());
    }
    for failure in &report.failures {
        println!("---- {failure}----");
    }
    Ok(if report.failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn replay(mut arguments: Arguments) -> Result<ExitCode, String> {
    if arguments.plain.is_empty() {
        return Err(format!("which script?\n{USAGE}"));
    }
    let path = arguments.plain.remove(0);
    let text = fs::read_to_string(&path).map_err(|e| format!("{path} can't be read: {e}"))?;
    let ops = script::parse(&text).map_err(|problem| format!("{path}, {problem}"))?;
    sys::own_umask().map_err(|errno| format!("unshare answers {errno:?}"))?;
    if let Some(directory) = arguments.plain.pop() {
        arguments.end()?;
        let opened = fs::File::open(&directory).map_err(|e| format!("{directory} can't be opened: {e}"))?;
        pair::run_alone(&ops, &mut World::new(opened.into()), &mut |line| println!("{line}"));
        return Ok(ExitCode::SUCCESS);
    }
    let host = arguments.directory("host")?;
    let mount = arguments.directory("mount")?;
    let drops = arguments.yes("drop-caches");
    let kind = arguments.kind()?;
    arguments.end()?;
    match Places::new(&host, &mount).run(&ops, drops, &mut Comparison::new(kind))? {
        None => {
            println!("{} operations, no difference", ops.len());
            Ok(ExitCode::SUCCESS)
        }
        Some(failure) => {
            println!("{}{failure}", script::print(&ops[..failure.after]));
            Ok(ExitCode::FAILURE)
        }
    }
}
