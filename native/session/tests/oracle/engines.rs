//! A mount of the flat file system, served by one engine or the other.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{atomic::Ordering, Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ferrofuse_session::mount::{mount, Mount, MountSpec, Unmounted};
use ferrofuse_session::oracle::Oracle;
use ferrofuse_session::{Config, Session};

use crate::support::flat::{Door, Flat, Pages};

const WORKERS: usize = 3;

/// Runs the body in a process and a mount namespace of its own.
pub(crate) fn isolated(body: impl FnOnce()) {
    crate::support::isolated::isolated(crate::support::isolated::no_root_or_device, body);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Ours,
    Fuser,
}

enum Serving {
    Ours(Arc<Session<Pages>>),
    Fuser(Arc<Oracle<Pages>>),
}

pub(crate) struct Mounted {
    point: PathBuf,
    mount: Mount,
    flat: Arc<Flat>,
    serving: Serving,
    workers: Vec<JoinHandle<()>>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Mounted {
    pub(crate) fn new(engine: Engine, flat: Arc<Flat>, config: Config) -> Self {
        let point = env::temp_dir().join(format!("ferrofuse-oracle-test-{}", std::process::id()));
        fs::create_dir_all(&point).unwrap();
        let log: Arc<Mutex<Vec<String>>> = Arc::default();
        let lines = Arc::clone(&log);
        let config = Config {
            log: Arc::new(move |_, line: &str| lines.lock().unwrap().push(line.to_owned())),
            ..config
        };
        let (device, mount) = mount(&MountSpec::new(&point)).unwrap();
        let mut door = Door(Arc::clone(&flat));
        let serving = match engine {
            Engine::Ours => Serving::Ours(Session::establish(device, config, &mut door).unwrap()),
            Engine::Fuser => Serving::Fuser(Arc::new(Oracle::establish(device, config, &mut door).unwrap())),
        };
        let workers = (0..WORKERS)
            .map(|_| {
                let mut door = Door(Arc::clone(&flat));
                match &serving {
                    Serving::Ours(session) => {
                        let session = Arc::clone(session);
                        thread::spawn(move || session.serve(&mut door).unwrap())
                    }
                    Serving::Fuser(oracle) => {
                        let oracle = Arc::clone(oracle);
                        thread::spawn(move || oracle.serve(&mut door).unwrap())
                    }
                }
            })
            .collect();
        Self {
            point,
            mount,
            flat,
            serving,
            workers,
            log,
        }
    }

    pub(crate) fn point(&self) -> &Path {
        &self.point
    }

    /// Unmounts, and sees that the file system was told the same end: nothing is open, and it was destroyed once.
    pub(crate) fn unmount(self) {
        assert_eq!(self.mount.unmount(Duration::from_secs(10)).unwrap(), Unmounted::Clean);
        let (deadline, mut door) = (Instant::now() + Duration::from_secs(10), Door(Arc::clone(&self.flat)));
        let ended = match &self.serving {
            Serving::Ours(session) => session.wait_ended(deadline) && session.finish(&mut door),
            Serving::Fuser(oracle) => oracle.wait_ended(deadline) && oracle.finish(&mut door).unwrap(),
        };
        assert!(ended, "{:?}", self.log.lock().unwrap());
        for worker in self.workers {
            worker.join().unwrap();
        }
        self.flat.get(|book| {
            assert_eq!(
                (book.open.len(), book.initialised, book.destroyed, book.inside),
                (0, 1, 1, 0)
            );
        });
        let log = self.log.lock().unwrap();
        let surplus = log.iter().find(|line| line.contains("FORGET"));
        assert_eq!(
            surplus, None,
            "the file system was told to forget what it hadn't handed out"
        );
        assert_eq!(self.flat.leases.load(Ordering::SeqCst), 0, "leases leak");
        fs::remove_dir(&self.point).unwrap();
    }
}
