//! A kernel that breaks the rules of the conversation, and a seeded fuzzer that does so from several threads at once.
//!
//! Whatever is sent: no worker dies, each message that expects a reply gets exactly one, and nodes, handles and leases
//! are back at their start when all was given back. `FERROFUSE_FUZZ_SECONDS` says how long the fuzzer runs (3),
//! `FERROFUSE_FUZZ_SEED` with which seed it begins.

mod fuzzer;
#[path = "../support/mod.rs"]
mod support;

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ferrofuse_protocol::abi::{
    bytes_of, lk, CopyFileRangeIn, CreateIn, EntryOut, FileLock, ForgetIn, GetattrIn, InHeader, InterruptIn, IoctlIn,
    LinkIn, LkIn, LseekIn, MkdirIn, MknodIn, NotifyRetrieveIn, OpenIn, OpenOut, PollIn,
};
use ferrofuse_protocol::{Dialect, Opcode};
use ferrofuse_session::{Config, Key, Level, LockKeeper, Told};

use support::flat::Flat;
use support::kernel::{name, plus_records, zeroed, Kernel, Reply, ROOT};
use support::running::Running;
use support::Watchdog;

fn is_served(kernel: &mut Kernel) {
    let getattr = GetattrIn::default();
    assert_eq!(kernel.ask(Opcode::Getattr, ROOT, &[bytes_of(&getattr)]).errno, 0);
}

#[test]
fn what_is_made_as_another_type_or_as_the_root_is_refused_and_given_back() {
    let _watchdog = Watchdog::new();
    let mut running = Running::start(&Flat::with_files(&["a"]), 1, Config::default());
    let a = running.lookup("a");
    let before = running.flat.lookups();
    for wrong in ["twisted", "upward"] {
        let name = name(wrong);
        let mkdir: MkdirIn = zeroed();
        let mknod = MknodIn {
            mode: libc::S_IFIFO | 0o600,
            ..zeroed()
        };
        let create: CreateIn = zeroed();
        let link = LinkIn { oldnodeid: a };
        let asked: [(Opcode, Vec<&[u8]>); 5] = [
            (Opcode::Mkdir, vec![bytes_of(&mkdir), &name]),
            (Opcode::Mknod, vec![bytes_of(&mknod), &name]),
            (Opcode::Symlink, vec![&name, b"target\0"]),
            (Opcode::Link, vec![bytes_of(&link), &name]),
            (Opcode::Create, vec![bytes_of(&create), &name]),
        ];
        for (opcode, parts) in asked {
            assert_eq!(
                running.kernel.ask(opcode, ROOT, &parts).errno,
                libc::EIO,
                "{opcode} {wrong}"
            );
            assert_eq!(running.flat.lookups(), before, "{opcode} {wrong}");
            assert!(running.flat.get(|book| book.open.is_empty()), "{opcode} {wrong}");
        }
    }
    let lines = running.log.lock().unwrap().clone();
    let told = lines
        .iter()
        .filter(|(level, line)| *level == Level::Error && line.starts_with("impossible entry"));
    assert_eq!(told.count(), 5, "one line per operation: {lines:?}");
    running.stop();
}

#[test]
fn what_comes_in_the_wrong_order_is_an_error_of_that_request() {
    let _watchdog = Watchdog::new();
    let mut running = Running::start(&Flat::with_files(&["a"]), 2, Config::default());
    // Forgotten before it was looked up, and more often than it was.
    let forget = |nlookup| ForgetIn { nlookup };
    running
        .kernel
        .send(Opcode::Forget, (1 << 32) | 2, &[bytes_of(&forget(1))]);
    let a = running.lookup("a");
    running.kernel.send(Opcode::Forget, a, &[bytes_of(&forget(7))]);
    while !running.flat.lookups().is_empty() {
        is_served(&mut running.kernel);
    }
    let open = running.kernel.ask(Opcode::Open, a, &[bytes_of(&OpenIn::default())]);
    assert_eq!(open.errno, libc::ESTALE);
    // Released twice, and used afterwards.
    let a = running.lookup("a");
    let fh = running.open(a);
    for expected in [0, libc::EBADF] {
        running.send_release(a, fh);
        assert_eq!(running.kernel.receive().errno, expected);
    }
    running.send_read(a, fh, 0, 10);
    assert_eq!(running.kernel.receive().errno, libc::EBADF);
    running.send_write(a, fh, 0, b"data");
    assert_eq!(running.kernel.receive().errno, libc::EBADF);
    running.stop();
}

#[test]
fn an_init_and_an_answer_that_nobody_asked_for_change_nothing() {
    let _watchdog = Watchdog::new();
    let mut running = Running::start(&Flat::with_files(&["a"]), 1, Config::default());
    let init = running.kernel.send_init(12);
    let reply = running.kernel.receive();
    assert_eq!((reply.unique, reply.errno), (init, libc::EIO));
    let unasked: NotifyRetrieveIn = zeroed();
    running
        .kernel
        .send(Opcode::NotifyReply, ROOT, &[bytes_of(&unasked), &[7; 100]]);
    is_served(&mut running.kernel);
    assert_eq!(running.flat.get(|book| book.initialised), 1);
    assert!(running.kernel.pending().is_none());
    running.stop();
}

#[test]
fn a_destroy_amid_other_requests_ends_the_session_and_answers_what_had_arrived_before() {
    let _watchdog = Watchdog::new();
    let mut running = Running::start(&Flat::with_files(&["a"]), 4, Config::default());
    let a = running.lookup("a");
    let fh = running.open(a);
    let reads: HashSet<u64> = (0..50).map(|_| running.send_read(a, fh, 0, 100)).collect();
    let destroy = running.kernel.send(Opcode::Destroy, 0, &[]);
    // Some of these are still served, the others find nobody.
    let late: HashSet<u64> = (0..50).map(|_| running.send_read(a, fh, 0, 100)).collect();
    let mut answered = HashSet::new();
    while !reads.is_subset(&answered) || !answered.contains(&destroy) {
        let reply = running.kernel.receive();
        assert!(answered.insert(reply.unique), "{} was answered twice", reply.unique);
    }
    let mut kernel = running.kernel.replace();
    running.finish();
    while let Some(reply) = kernel.pending() {
        assert!(answered.insert(reply.unique), "{} was answered twice", reply.unique);
    }
    assert!(answered
        .iter()
        .all(|unique| reads.contains(unique) || late.contains(unique) || *unique == destroy));
}

// ---- the fuzzer
