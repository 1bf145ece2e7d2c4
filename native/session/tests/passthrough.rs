//! Files that the kernel reads and writes by itself: what is asked at INIT, what opens answer, and which registrations
//! the device has meanwhile.

mod support;

use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ferrofuse_protocol::abi::{bytes_of, fopen, init, CreateIn, EntryOut, OpenIn, OpenOut};
use ferrofuse_protocol::Opcode;
use ferrofuse_session::{BackingFiles, Config, Level, LockKeeper, Wish};

use support::flat::Flat;
use support::kernel::{name, ROOT};
use support::running::Running;
use support::Watchdog;

const FD: RawFd = 77;

/// A device that keeps book of what is registered.
#[derive(Default)]
struct Register {
    last: i32,
    /// Ids that are registered now.
    now: Vec<i32>,
}

#[derive(Default)]
struct Played(Mutex<Register>);

impl BackingFiles for Played {
    fn open(&self, fd: RawFd) -> io::Result<i32> {
        assert_eq!(fd, FD);
        let mut register = self.0.lock().unwrap();
        register.last += 1;
        let id = register.last;
        register.now.push(id);
        Ok(id)
    }

    fn close(&self, id: i32) -> io::Result<()> {
        let mut register = self.0.lock().unwrap();
        let at = register.now.iter().position(|&known| known == id);
        register.now.remove(at.expect("it is closed once"));
        Ok(())
    }
}

impl Played {
    fn now(&self) -> Vec<i32> {
        self.0.lock().unwrap().now.clone()
    }
}

fn passing() -> Wish {
    Wish {
        passes_through: true,
        ..Wish::default()
    }
}

fn flat(wish: Wish) -> Arc<Flat> {
    let flat = Flat::with_files(&["a", "b"]);
    *flat.wish.lock().unwrap() = wish;
    flat.change(|book| book.backing = Some(FD));
    flat
}

fn started(wish: Wish, workers: usize) -> (Running, Arc<Played>) {
    let device: Arc<Played> = Arc::default();
    let config = Config {
        backing_files: Some(device.clone()),
        ..Config::default()
    };
    (Running::start(&flat(wish), workers, config), device)
}

fn opened(running: &mut Running, nodeid: u64) -> OpenOut {
    let open = running
        .kernel
        .ask(Opcode::Open, nodeid, &[bytes_of(&OpenIn::default())]);
    open.record()
}

fn release(running: &mut Running, nodeid: u64, fh: u64) {
    running.send_release(nodeid, fh);
    assert_eq!(running.kernel.receive().errno, 0);
}

/// What ends a handle comes after the answer to its release: another answer of the same worker says that it is over.
fn settle(running: &mut Running) {
    running.lookup("b");
}

#[test]
fn it_is_asked_for_where_it_is_wished_and_possible() {
    let _watchdog = Watchdog::new();
    let asked = |wish: Wish, config: Config, offered: u64| {
        let running = Running::start_with(&flat(wish), 1, config, 45, offered);
        let asked = running.init.flags2 & (init::PASSTHROUGH >> 32) as u32 != 0;
        let depth = running.init.max_stack_depth;
        running.stop();
        assert_eq!(depth, u32::from(asked), "one goes with the other");
        asked
    };
    let plain = Config::default;
    assert!(asked(passing(), plain(), u64::MAX));
    assert!(!asked(Wish::default(), plain(), u64::MAX), "not wished");
    assert!(!asked(passing(), plain(), !init::PASSTHROUGH), "not offered");
    let writeback = Config {
        writeback_cache: true,
        ..plain()
    };
    assert!(!asked(passing(), writeback, u64::MAX), "the kernel has no such thing");
    let direct = Config {
        direct_io: true,
        ..plain()
    };
    assert!(!asked(passing(), direct, u64::MAX), "everything is to come");
    let opens = [Opcode::Open, Opcode::Create, Opcode::Tmpfile];
    let unopened = Config {
        operations: opens.iter().fold(u64::MAX, |all, opcode| all & !(1 << opcode.raw())),
        ..plain()
    };
    assert!(!asked(passing(), unopened, u64::MAX), "nothing is opened");
}

#[test]
fn opens_of_a_file_share_one_registration_that_ends_with_the_last_release() {
    let _watchdog = Watchdog::new();
    let (mut running, device) = started(passing(), 1);
    let (a, b) = (running.lookup("a"), running.lookup("b"));
    let [first, second, other] = [a, a, b].map(|nodeid| opened(&mut running, nodeid));
    for (open, id) in [(first, 1), (second, 1), (other, 2)] {
        assert_eq!((open.open_flags, open.backing_id), (fopen::PASSTHROUGH, id));
    }
    release(&mut running, a, first.fh);
    settle(&mut running);
    assert_eq!(device.now(), [1, 2]);
    release(&mut running, a, second.fh);
    settle(&mut running);
    assert_eq!(device.now(), [2]);
    assert_eq!(opened(&mut running, a).backing_id, 3, "anew");
    running.stop();
    assert_eq!(device.now(), [], "the end of the session ends what is left");
}

#[test]
fn who_is_not_passed_through_gets_requests_beside_who_is() {
    let _watchdog = Watchdog::new();
    let (mut running, device) = started(passing(), 1);
    let a = running.lookup("a");
    let passed = opened(&mut running, a);
    running.flat.change(|book| book.backing = None);
    let plain = opened(&mut running, a);
    assert_eq!(
        (plain.open_flags, plain.backing_id),
        (fopen::PASSTHROUGH | fopen::DIRECT_IO, 1),
        "the kernel takes no other for the same file"
    );
    running.send_read(a, plain.fh, 0, 4);
    assert_eq!(running.kernel.receive().body, [0, 1, 2, 3]);
    for open in [passed, plain] {
        release(&mut running, a, open.fh);
    }
    settle(&mut running);
    assert_eq!(device.now(), []);
    let plain = opened(&mut running, a);
    assert_eq!((plain.open_flags, plain.backing_id), (0, 0));
    running.flat.change(|book| book.backing = Some(FD));
    let late = opened(&mut running, a);
    assert_eq!((late.open_flags, late.backing_id), (0, 0), "while it is open otherwise");
    running.stop();
    assert_eq!(device.0.lock().unwrap().last, 1, "and nothing is registered for it");
}

#[test]
fn directories_are_not_passed_through_and_nothing_is_that_was_not_declared() {
    let _watchdog = Watchdog::new();
    let (mut running, device) = started(passing(), 1);
    let list = running
        .kernel
        .ask(Opcode::Opendir, ROOT, &[bytes_of(&OpenIn::default())]);
    let list: OpenOut = list.record();
    assert_eq!((list.open_flags, list.backing_id), (0, 0));
    running.stop();
    assert_eq!(device.0.lock().unwrap().last, 0);

    let (mut running, device) = started(Wish::default(), 1);
    let a = running.lookup("a");
    let open = opened(&mut running, a);
    assert_eq!((open.open_flags, open.backing_id), (0, 0));
    running.stop();
    assert_eq!(device.0.lock().unwrap().last, 0);
}

#[test]
fn what_mount_options_and_locks_ask_of_opens_goes_with_it_as_far_as_the_kernel_lets_it() {
    let _watchdog = Watchdog::new();
    let config = |keeps: bool| Config {
        kernel_cache: keeps,
        backing_files: Some(Arc::<Played>::default()),
        ..Config::default()
    };
    for (keeper, flags) in [
        (LockKeeper::Kernel, fopen::PASSTHROUGH | fopen::NOFLUSH),
        (LockKeeper::Engine, fopen::PASSTHROUGH),
    ] {
        let flat = flat(passing());
        flat.change(|book| {
            book.no_flush = true;
            book.lock_keeper = keeper;
        });
        let mut running = Running::start(&flat, 1, config(true));
        let a = running.lookup("a");
        assert_eq!(opened(&mut running, a).open_flags, flags, "{keeper:?}");
        running.stop();
    }
}

#[test]
fn a_created_file_is_passed_through_and_one_that_is_refused_leaves_nothing() {
    let _watchdog = Watchdog::new();
    let (mut running, device) = started(passing(), 1);
    let create = CreateIn::default();
    let mut make = |opcode, file: &str| {
        let parts: [&[u8]; 2] = [bytes_of(&create), &name(file)];
        running.kernel.ask(opcode, ROOT, &parts)
    };
    for (opcode, id) in [(Opcode::Create, 1), (Opcode::Tmpfile, 2)] {
        let open: OpenOut = make(opcode, "new").record_at(size_of::<EntryOut>());
        assert_eq!((open.open_flags, open.backing_id), (fopen::PASSTHROUGH, id), "{opcode}");
    }
    assert_eq!(make(Opcode::Create, "twisted").errno, libc::EIO, "a directory");
    assert_eq!(device.now(), [1, 2]);
    running.stop();
    assert_eq!(device.now(), []);
}

#[test]
fn opens_whose_answers_nobody_receives_give_their_registrations_back() {
    let _watchdog = Watchdog::new();
    let (mut running, device) = started(passing(), 1);
    let a = running.lookup("a");
    opened(&mut running, a);
    let b = running.lookup("b");
    running.kernel.stop_listening();
    for nodeid in [a, b] {
        running
            .kernel
            .send(Opcode::Open, nodeid, &[bytes_of(&OpenIn::default())]);
    }
    let create = CreateIn::default();
    running
        .kernel
        .send(Opcode::Create, ROOT, &[bytes_of(&create), &name("new")]);
    running.kernel.send(Opcode::Destroy, 0, &[]);
    assert!(running.session.wait_ended(Instant::now() + Duration::from_secs(30)));
    assert_eq!(device.now(), [1], "of the open that was heard of");
    assert_eq!(device.0.lock().unwrap().last, 3);
    running.finish();
    assert_eq!(device.now(), []);
}

#[test]
fn a_device_that_registers_nothing_is_told_of_once_and_files_are_served() {
    let _watchdog = Watchdog::new();
    // The kernel's end of this connection is a socket, which knows no registrations.
    let mut running = Running::start(&flat(passing()), 1, Config::default());
    let (a, b) = (running.lookup("a"), running.lookup("b"));
    for nodeid in [a, b, a] {
        let open = opened(&mut running, nodeid);
        assert_eq!((open.open_flags, open.backing_id), (0, 0));
        running.send_read(nodeid, open.fh, 0, 2);
        assert_eq!(running.kernel.receive().body, [0, 1]);
        release(&mut running, nodeid, open.fh);
        settle(&mut running);
    }
    let lines = running.log.lock().unwrap().clone();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].0 == Level::Warn && lines[0].1.starts_with("files are not passed through"),
        "{lines:?}"
    );
    running.stop();
}

#[test]
fn opens_and_releases_from_all_sides_leave_one_registration_or_none() {
    let _watchdog = Watchdog::new();
    let (mut running, device) = started(passing(), 4);
    let a = running.lookup("a");
    let mut handles = Vec::new();
    for round in 0..200 {
        let asked = 1 + round % 5;
        for _ in 0..asked {
            running.kernel.send(Opcode::Open, a, &[bytes_of(&OpenIn::default())]);
        }
        for fh in handles.drain(..) {
            running.send_release(a, fh);
        }
        let mut ids = Vec::new();
        let mut answers = Vec::new();
        while handles.len() < asked {
            let reply = running.kernel.receive();
            if reply.body.is_empty() {
                answers.push(reply.errno);
                continue;
            }
            let open: OpenOut = reply.record();
            assert_eq!(open.open_flags, fopen::PASSTHROUGH);
            ids.push(open.backing_id);
            handles.push(open.fh);
        }
        let now = device.now();
        assert!(
            now.len() <= 1 && ids.iter().all(|id| now.contains(id)),
            "{now:?} {ids:?}"
        );
    }
    running.stop();
    assert_eq!(device.now(), []);
}
