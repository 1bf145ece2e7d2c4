//! What applications see must not depend on who speaks FUSE: the same file system, on a real mount, is served by the engine
//! and by the crate fuser, and what the same system calls answer is compared. Needs root.

mod engines;
#[path = "../support/mod.rs"]
mod support;
mod witness;

use std::collections::BTreeSet;
use std::io::{self, Write};

use ferrofuse_session::{oracle, Config};

use engines::{isolated, Engine, Mounted};
use support::flat::Flat;

/// What the witness leaves out since fuser can't do it: a part of [`oracle::CANNOT`], or nobody would know why.
const LEFT_OUT: &[&str] = &[
    "INTERRUPT",
    "flock",
    "SETLKW",
    "resend",
    "notifications",
    "POLL wake-ups",
    "STATX",
    "TMPFILE",
    "PASSTHROUGH",
    "EXPORT_SUPPORT",
    "HANDLE_KILLPRIV_V2",
    "privileges under direct I/O",
    "times before 1970",
];

fn files() -> std::sync::Arc<Flat> {
    Flat::with_files(&["a", "b", "bare", "shared", "free", "busy", "holes", "greedy"])
}

/// Compares what both engines answer, settings by settings.
fn compare(settings: impl Fn() -> Config) {
    let [ours, theirs] = [Engine::Ours, Engine::Fuser].map(|engine| {
        let mounted = Mounted::new(engine, files(), settings());
        let seen = witness::testify(mounted.point());
        mounted.unmount();
        seen
    });
    assert!(ours.len() > 60, "{}", ours.len());
    let differences: Vec<String> = ours
        .iter()
        .zip(&theirs)
        .filter(|(ours, theirs)| ours != theirs)
        .map(|(ours, theirs)| format!("ours:  {ours}\nfuser: {theirs}"))
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(ours.len(), theirs.len());
}

#[test]
fn programs_see_the_same_files_whoever_serves_them() {
    isolated(|| compare(Config::default));
}

#[test]
fn programs_see_the_same_files_where_the_cache_is_passed_by() {
    isolated(|| {
        compare(|| Config {
            direct_io: true,
            ..Config::default()
        });
    });
}

#[test]
fn programs_see_the_same_files_where_writes_are_collected() {
    isolated(|| {
        compare(|| Config {
            writeback_cache: true,
            ..Config::default()
        });
    });
}

#[test]
fn programs_see_the_same_files_in_other_owners_names() {
    isolated(|| {
        compare(|| Config {
            root_key: 1,
            uid: Some(12),
            gid: Some(13),
            umask: Some(0o027),
            negative_timeout: std::time::Duration::from_secs(1),
            kernel_cache: true,
            ..Config::default()
        });
    });
}

#[test]
fn what_a_file_system_lacks_is_refused_alike() {
    use ferrofuse_protocol::Opcode;
    let lacks = [
        Opcode::Setxattr,
        Opcode::Getxattr,
        Opcode::Link,
        Opcode::Create,
        Opcode::Statfs,
        Opcode::Lseek,
        Opcode::Fallocate,
        Opcode::CopyFileRange,
        Opcode::Flush,
        Opcode::Access,
    ];
    isolated(|| {
        compare(|| Config {
            operations: lacks.iter().fold(u64::MAX, |have, lack| have & !(1 << lack.raw())),
            ..Config::default()
        });
    });
}

#[test]
fn files_that_are_never_opened_read_alike() {
    use ferrofuse_protocol::Opcode;
    let opens = [Opcode::Open, Opcode::Create, Opcode::Tmpfile, Opcode::Opendir];
    isolated(|| {
        compare(|| Config {
            operations: opens.iter().fold(u64::MAX, |have, open| have & !(1 << open.raw())),
            ..Config::default()
        });
    });
}

#[test]
fn what_is_left_out_is_said_with_the_reason() {
    let reasons: BTreeSet<&str> = oracle::CANNOT.iter().map(|(what, _)| *what).collect();
    let unexplained: Vec<_> = LEFT_OUT.iter().filter(|what| !reasons.contains(*what)).collect();
    assert!(unexplained.is_empty(), "{unexplained:?}");
    // Past the harness, which hides what a passing test prints.
    let mut terminal = io::stderr();
    for (what, why) in oracle::CANNOT.iter().filter(|(what, _)| LEFT_OUT.contains(what)) {
        writeln!(terminal, "*** SKIPPED with fuser: {what}: {why} ***").unwrap();
    }
}
