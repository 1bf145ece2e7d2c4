//! A session with its workers on threads, and the kernel's side of its connection.

use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ferrofuse_protocol::abi::{bytes_of, EntryOut, InitOut, OpenIn, OpenOut, ReadIn, ReleaseIn, WriteIn};
use ferrofuse_protocol::Opcode;
use ferrofuse_session::{Config, Level, Session};

use super::flat::{Door, Flat, Pages};
use super::kernel::{name, Kernel, ROOT};

pub(crate) struct Running {
    pub(crate) kernel: Kernel,
    pub(crate) session: Arc<Session<Pages>>,
    pub(crate) flat: Arc<Flat>,
    pub(crate) init: InitOut,
    pub(crate) log: Arc<Mutex<Vec<(Level, String)>>>,
    workers: Vec<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn start(flat: &Arc<Flat>, workers: usize, config: Config) -> Self {
        Self::start_with(flat, workers, config, 45, u64::MAX)
    }

    /// With a kernel of 7.`minor` that offers `flags`.
    pub(crate) fn start_with(flat: &Arc<Flat>, workers: usize, config: Config, minor: u32, flags: u64) -> Self {
        let (device, mut kernel) = Kernel::pair();
        kernel.send_offer(minor, flags);
        let log: Arc<Mutex<Vec<(Level, String)>>> = Arc::default();
        let lines = Arc::clone(&log);
        let config = Config {
            log: Arc::new(move |level, line: &str| lines.lock().unwrap().push((level, line.to_owned()))),
            max_nodes: config.max_nodes.min(1 << 16),
            ..config
        };
        let session = Session::establish(device, config, &mut Door(Arc::clone(flat))).unwrap();
        let init = kernel.receive_init();
        let mut running = Self {
            kernel,
            session,
            flat: Arc::clone(flat),
            init,
            log,
            workers: Vec::new(),
        };
        for _ in 0..workers {
            running.add_worker();
        }
        running
    }

    pub(crate) fn add_worker(&mut self) {
        let (session, mut door) = (Arc::clone(&self.session), Door(Arc::clone(&self.flat)));
        self.workers
            .push(thread::spawn(move || session.serve(&mut door).unwrap()));
    }

    /// Stops the session and checks that nothing is left of it.
    pub(crate) fn stop(self) {
        self.session.stop();
        self.finish();
    }

    /// Waits for the workers to end by themselves, and checks that nothing is left.
    pub(crate) fn finish(mut self) {
        assert!(
            self.session.wait_ended(Instant::now() + Duration::from_secs(30)),
            "workers are still there"
        );
        for worker in std::mem::take(&mut self.workers) {
            worker.join().unwrap();
        }
        assert!(self.session.ended());
        assert_eq!(self.session.in_flight(), 0);
        assert!(self.session.finish(&mut Door(Arc::clone(&self.flat))));
        assert!(!self.session.finish(&mut Door(Arc::clone(&self.flat))), "once");
        self.flat.get(|book| {
            assert_eq!(book.destroyed, 1);
            assert!(book.open.is_empty(), "{:?}", book.open);
        });
        assert_eq!(
            self.flat.leases.load(std::sync::atomic::Ordering::SeqCst),
            0,
            "leases leak"
        );
    }

    /// nodeid of a file.
    pub(crate) fn lookup(&mut self, file: &str) -> u64 {
        self.kernel
            .ask(Opcode::Lookup, ROOT, &[&name(file)])
            .record::<EntryOut>()
            .nodeid
    }

    /// fh of a file that is opened now.
    pub(crate) fn open(&mut self, nodeid: u64) -> u64 {
        self.kernel
            .ask(Opcode::Open, nodeid, &[bytes_of(&OpenIn::default())])
            .record::<OpenOut>()
            .fh
    }

    pub(crate) fn send_read(&mut self, nodeid: u64, fh: u64, offset: u64, size: u32) -> u64 {
        let read = ReadIn {
            fh,
            offset,
            size,
            ..ReadIn::default()
        };
        self.kernel.send(Opcode::Read, nodeid, &[bytes_of(&read)])
    }

    pub(crate) fn send_write(&mut self, nodeid: u64, fh: u64, offset: u64, data: &[u8]) -> u64 {
        let write = WriteIn {
            fh,
            offset,
            size: data.len() as u32,
            ..WriteIn::default()
        };
        self.kernel.send(Opcode::Write, nodeid, &[bytes_of(&write), data])
    }

    pub(crate) fn send_release(&mut self, nodeid: u64, fh: u64) -> u64 {
        self.kernel.send(
            Opcode::Release,
            nodeid,
            &[bytes_of(&ReleaseIn {
                fh,
                ..ReleaseIn::default()
            })],
        )
    }
}
