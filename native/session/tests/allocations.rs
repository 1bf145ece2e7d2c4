//! The steady path of the frequent operations allocates nothing.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::thread;

use ferrofuse_protocol::abi::{bytes_of, EntryOut, ForgetIn, GetattrIn};
use ferrofuse_protocol::Opcode;
use ferrofuse_session::{Config, Session};

use support::flat::{Door, Flat};
use support::kernel::{name, Kernel, ROOT};
use support::Watchdog;

thread_local! {
    /// Whether this thread's allocations are counted.
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

struct Counting;

impl Counting {
    fn count() {
        if COUNTED.try_with(Cell::get) == Ok(true) {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        }
    }
}

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::count();
        // SAFETY: as above.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn reads_writes_attributes_and_known_names_allocate_nothing() {
    let _watchdog = Watchdog::new();
    for (concurrency, metrics) in [("a", false), ("shared", false), ("free", false), ("a", true)] {
        let flat = Flat::with_files(&[concurrency]);
        let (device, mut kernel) = Kernel::pair();
        kernel.send_init(45);
        let config = Config {
            max_nodes: 64,
            metrics,
            ..Config::default()
        };
        let session = Session::establish(device, config, &mut Door(Arc::clone(&flat))).unwrap();
        kernel.receive_init();
        let (worker, mut door) = (Arc::clone(&session), Door(Arc::clone(&flat)));
        let worker = thread::spawn(move || {
            COUNTED.set(true);
            let served = worker.serve(&mut door);
            COUNTED.set(false);
            served.unwrap();
        });

        let node = kernel
            .ask(Opcode::Lookup, ROOT, &[&name(concurrency)])
            .record::<EntryOut>()
            .nodeid;
        let fh = kernel.ask(Opcode::Open, node, &[&[0; 8]]).record_at::<u64>(0);
        let round = |kernel: &mut Kernel| {
            let read = ferrofuse_protocol::abi::ReadIn {
                fh,
                size: 100,
                ..Default::default()
            };
            assert_eq!(kernel.ask(Opcode::Read, node, &[bytes_of(&read)]).body.len(), 100);
            let write = ferrofuse_protocol::abi::WriteIn {
                fh,
                size: 100,
                ..Default::default()
            };
            assert_eq!(kernel.ask(Opcode::Write, node, &[bytes_of(&write), &[1; 100]]).errno, 0);
            assert_eq!(
                kernel
                    .ask(Opcode::Getattr, node, &[bytes_of(&GetattrIn::default())])
                    .errno,
                0
            );
            assert_eq!(kernel.ask(Opcode::Lookup, ROOT, &[&name(concurrency)]).errno, 0);
            kernel.send(Opcode::Forget, node, &[bytes_of(&ForgetIn { nlookup: 1 })]);
        };
        round(&mut kernel);
        // The FORGET has no reply: it was served before what comes next.
        round(&mut kernel);
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        assert!(before > 0, "the worker's allocations are not counted");
        for _ in 0..500 {
            round(&mut kernel);
        }
        assert_eq!(
            ALLOCATIONS.load(Ordering::Relaxed) - before,
            0,
            "on a handle like {concurrency:?}, metrics {metrics}"
        );
        session.stop();
        worker.join().unwrap();
        session.finish(&mut Door(flat));
    }
}
