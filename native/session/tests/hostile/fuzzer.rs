//! Conversations by chance: valid messages, spoiled ones, in any order, from several threads.

use super::*;

const FILES: [&str; 6] = ["a", "b", "shared", "free", "greedy", "bare"];
const SENDERS: u64 = 3;
const MESSAGES: usize = 400;
/// Bytes of the page cache that are asked for.
const RETRIEVED: u32 = 3000;

/// Operations that mean something to the file system of the tests; DESTROY has a test of its own.
const OPCODES: [Opcode; 43] = [
    Opcode::Lookup,
    Opcode::Forget,
    Opcode::BatchForget,
    Opcode::Getattr,
    Opcode::Setattr,
    Opcode::Readlink,
    Opcode::Symlink,
    Opcode::Mknod,
    Opcode::Mkdir,
    Opcode::Unlink,
    Opcode::Rmdir,
    Opcode::Rename,
    Opcode::Link,
    Opcode::Open,
    Opcode::Create,
    Opcode::Read,
    Opcode::Write,
    Opcode::Statfs,
    Opcode::Release,
    Opcode::Fsync,
    Opcode::Setxattr,
    Opcode::Getxattr,
    Opcode::Listxattr,
    Opcode::Removexattr,
    Opcode::Flush,
    Opcode::Init,
    Opcode::Opendir,
    Opcode::Readdir,
    Opcode::Readdirplus,
    Opcode::Releasedir,
    Opcode::Access,
    Opcode::NotifyReply,
    Opcode::Getlk,
    Opcode::Setlk,
    Opcode::Setlkw,
    Opcode::Interrupt,
    Opcode::Poll,
    Opcode::Lseek,
    Opcode::CopyFileRange,
    Opcode::CopyFileRange64,
    Opcode::Ioctl,
    Opcode::Tmpfile,
    Opcode::Statx,
];

/// xorshift64*, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// What was said on both sides.
#[derive(Default)]
struct Said {
    /// By `unique`: the raw opcode that was sent, and how many replies are still due.
    due: HashMap<u64, (u32, i32)>,
    nodes: Vec<u64>,
    files: Vec<u64>,
    directories: Vec<u64>,
}

struct Conversation(Mutex<Said>);

impl Conversation {
    fn said<T>(&self, part: impl FnOnce(&mut Said) -> T) -> T {
        part(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Requests for locks that have no answer yet.
    fn waiting(&self) -> Vec<u64> {
        let waits = |opcode: u32, due: i32| opcode == Opcode::Setlkw.raw() && due > 0;
        let due = |said: &mut Said| {
            let waiting = said.due.iter().filter(|(_, &(opcode, due))| waits(opcode, due));
            waiting.map(|(&unique, _)| unique).collect()
        };
        self.said(due)
    }

    fn outstanding(&self) -> usize {
        self.said(|said| said.due.values().filter(|(_, due)| *due > 0).count())
    }

    /// Books a message that is about to be sent. One without a whole header is nobody's.
    fn book(&self, message: &[u8]) {
        if message.len() < size_of::<InHeader>() {
            return;
        }
        let opcode = word(message, 4);
        let unique = u64::from_ne_bytes(message[8..16].try_into().unwrap());
        let due = i32::from(Opcode::from_raw(opcode).is_none_or(Opcode::expects_reply));
        self.said(|said| said.due.entry(unique).or_insert((opcode, 0)).1 += due);
    }

    /// Takes a reply, and learns from it as a kernel does.
    fn hear(&self, reply: &Reply) {
        self.said(|said| {
            let (opcode, due) = said.due.get_mut(&reply.unique).expect("a reply to something sent");
            let opcode = Opcode::from_raw(*opcode);
            // An engine may tell the kernel by an error that it does not want these.
            if opcode != Some(Opcode::Interrupt) {
                *due -= 1;
                assert!(*due >= 0, "{opcode:?} {:#x} was answered twice", reply.unique);
            }
            if reply.errno != 0 {
                return;
            }
            match opcode {
                Some(Opcode::Lookup | Opcode::Mknod | Opcode::Mkdir | Opcode::Symlink | Opcode::Link) => {
                    said.nodes.push(reply.record::<EntryOut>().nodeid);
                }
                Some(Opcode::Create | Opcode::Tmpfile) => {
                    said.nodes.push(reply.record_at::<EntryOut>(0).nodeid);
                    said.files.push(reply.record_at::<OpenOut>(size_of::<EntryOut>()).fh);
                }
                Some(Opcode::Open) => said.files.push(reply.record::<OpenOut>().fh),
                Some(Opcode::Opendir) => said.directories.push(reply.record::<OpenOut>().fh),
                Some(Opcode::Readdirplus) => {
                    let records = plus_records(&reply.body).into_iter();
                    said.nodes
                        .extend(records.map(|(_, nodeid)| nodeid).filter(|&nodeid| nodeid != 0));
                }
                _ => {}
            }
        });
    }
}

fn word(message: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(message[at..at + 4].try_into().unwrap())
}

fn put(message: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = message.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// One thread of the kernel: valid messages about what is known, most of them then spoilt.
struct Sender<'a> {
    random: Random,
    conversation: &'a Conversation,
    last_unique: u64,
    withheld: Vec<Vec<u8>>,
}

impl Sender<'_> {
    fn run(mut self, kernel: &Kernel) {
        for _ in 0..MESSAGES {
            let mut message = self.valid();
            self.spoil(&mut message);
            if self.random.one_in(8) {
                self.withheld.push(message); // Comes later, after what follows.
                continue;
            }
            self.send(kernel, &message);
            if self.random.one_in(16) {
                self.send(kernel, &message);
            }
            if self.random.one_in(16) {
                while let Some(message) = self.withheld.pop() {
                    self.send(kernel, &message);
                }
            }
        }
    }

    fn send(&self, kernel: &Kernel, message: &[u8]) {
        self.conversation.book(message);
        kernel.send_raw(message);
    }

    fn name(&mut self) -> Vec<u8> {
        let extra = ["made", "twisted", "upward", "panic", "absent", "."];
        if self.random.one_in(3) {
            name(self.random.one_of(&extra))
        } else {
            name(self.random.one_of(&FILES))
        }
    }

    fn valid(&mut self) -> Vec<u8> {
        let opcode = self.random.one_of(&OPCODES);
        let (nodes, files, directories) = self
            .conversation
            .said(|said| (said.nodes.clone(), said.files.clone(), said.directories.clone()));
        let mut pick = |from: &[u64], or: u64| {
            if from.is_empty() {
                or
            } else {
                self.random.one_of(from)
            }
        };
        let node = pick(&nodes, ROOT);
        let other = pick(&nodes, ROOT);
        let file = pick(&files, 1);
        let other_file = pick(&files, 1);
        let directory = pick(&directories, 1);
        let size = self.random.below(5000) as u32;
        let mut fixed = vec![0_u8; opcode.fixed_size(&Dialect::default())];
        let mut payload = Vec::new();
        let mut nodeid = node;
        match opcode {
            Opcode::Lookup | Opcode::Unlink | Opcode::Rmdir | Opcode::Mknod | Opcode::Mkdir | Opcode::Create => {
                nodeid = ROOT;
                payload = self.name();
            }
            Opcode::Tmpfile => {
                nodeid = ROOT;
                payload = name("made");
            }
            Opcode::Getlk | Opcode::Setlk | Opcode::Setlkw => fixed = bytes_of(&self.lock(file)).to_vec(),
            Opcode::Interrupt => {
                let unique = self.last_unique - self.random.below(8) as u64;
                fixed = bytes_of(&InterruptIn { unique }).to_vec();
            }
            Opcode::Poll => {
                let poll = PollIn {
                    fh: file,
                    kh: size.into(),
                    flags: size & 1,
                    events: 5,
                };
                fixed = bytes_of(&poll).to_vec();
            }
            Opcode::Lseek => {
                let lseek = LseekIn {
                    fh: file,
                    offset: u64::from(size),
                    whence: self.random.one_of(&[libc::SEEK_DATA, libc::SEEK_HOLE]) as u32,
                    ..zeroed()
                };
                fixed = bytes_of(&lseek).to_vec();
            }
            Opcode::CopyFileRange | Opcode::CopyFileRange64 => {
                let copy = CopyFileRangeIn {
                    fh_in: file,
                    off_in: u64::from(size) / 20,
                    nodeid_out: other,
                    fh_out: if self.random.one_in(2) { file } else { other_file },
                    off_out: u64::from(size),
                    len: 100,
                    flags: 0,
                };
                fixed = bytes_of(&copy).to_vec();
            }
            Opcode::Ioctl => {
                let ioctl = IoctlIn {
                    fh: file,
                    cmd: size & 3,
                    in_size: size,
                    out_size: self.random.below(5000) as u32,
                    ..zeroed()
                };
                fixed = bytes_of(&ioctl).to_vec();
                payload = vec![b'i'; size as usize];
            }
            Opcode::NotifyReply => {
                let data = NotifyRetrieveIn {
                    size: size.min(RETRIEVED),
                    ..zeroed()
                };
                fixed = bytes_of(&data).to_vec();
                payload = vec![b'n'; data.size as usize];
            }
            Opcode::Symlink => payload = [self.name(), self.name()].concat(),
            Opcode::Rename => {
                nodeid = ROOT;
                put(&mut fixed, 0, &ROOT.to_ne_bytes());
                payload = [self.name(), self.name()].concat();
            }
            Opcode::Link => {
                nodeid = ROOT;
                put(&mut fixed, 0, &other.to_ne_bytes());
                payload = self.name();
            }
            Opcode::Forget => put(&mut fixed, 0, &(1 + self.random.below(3) as u64).to_ne_bytes()),
            Opcode::BatchForget => {
                put(&mut fixed, 0, &2_u32.to_ne_bytes());
                payload = [node, 1, other, 1].map(u64::to_ne_bytes).concat();
            }
            Opcode::Read => {
                put(&mut fixed, 0, &file.to_ne_bytes());
                put(&mut fixed, 16, &size.to_ne_bytes());
            }
            Opcode::Write => {
                put(&mut fixed, 0, &file.to_ne_bytes());
                put(&mut fixed, 16, &size.to_ne_bytes());
                payload = vec![b'w'; size as usize];
            }
            Opcode::Release | Opcode::Flush | Opcode::Fsync => put(&mut fixed, 0, &file.to_ne_bytes()),
            Opcode::Opendir => nodeid = ROOT,
            Opcode::Readdir | Opcode::Readdirplus => {
                nodeid = ROOT;
                put(&mut fixed, 0, &directory.to_ne_bytes());
                put(&mut fixed, 16, &4096_u32.to_ne_bytes());
            }
            Opcode::Releasedir => put(&mut fixed, 0, &directory.to_ne_bytes()),
            Opcode::Setxattr => {
                put(&mut fixed, 0, &size.to_ne_bytes());
                payload = [b"user.x\0".to_vec(), vec![b'v'; size as usize]].concat();
            }
            Opcode::Getxattr | Opcode::Removexattr => {
                put(&mut fixed, 0, &size.to_ne_bytes());
                payload = b"user.x\0".to_vec();
            }
            _ => {}
        }
        self.last_unique += 1;
        let header = InHeader {
            len: (size_of::<InHeader>() + fixed.len() + payload.len()) as u32,
            opcode: opcode.raw(),
            unique: self.last_unique,
            nodeid,
            ..InHeader::default()
        };
        [bytes_of(&header), &fixed, &payload].concat()
    }

    /// A lock in a small range, so that many want the same; rarely in one that is none.
    fn lock(&mut self, fh: u64) -> LkIn {
        let start = self.random.below(20) as u64;
        let end = if self.random.one_in(20) {
            self.random.next()
        } else {
            start + self.random.below(5) as u64
        };
        LkIn {
            fh,
            owner: self.random.below(4) as u64,
            lk: FileLock {
                start,
                end,
                r#type: self.random.one_of(&[libc::F_RDLCK, libc::F_WRLCK, libc::F_UNLCK]) as u32,
                pid: 1,
            },
            lk_flags: if self.random.one_in(3) { lk::FLOCK } else { 0 },
            padding: 0,
        }
    }

    /// Every third message stays whole; `unique` is never touched, and DESTROY never made.
    fn spoil(&mut self, message: &mut Vec<u8>) {
        const UNIQUE: std::ops::Range<usize> = 8..16;
        match self.random.below(9) {
            // An empty message would be the end of the connection.
            0 => message.truncate(1 + self.random.below(message.len())),
            1 => message.extend((0..self.random.below(9000)).map(|at| at as u8)),
            2 => {
                for _ in 0..=self.random.below(8) {
                    let at = self.random.below(message.len());
                    if !UNIQUE.contains(&at) {
                        message[at] ^= 1 << self.random.below(8);
                    }
                }
            }
            3 => {
                let noise = self.random.next().to_ne_bytes();
                let at = self.random.below(message.len().div_ceil(8)) * 8;
                if !UNIQUE.contains(&at) {
                    put(message, at, &noise);
                }
            }
            4 => put(message, 4, &(self.random.below(4200) as u32).to_ne_bytes()),
            5 => message[size_of::<InHeader>()..].fill(self.random.next() as u8),
            _ => {}
        }
        if message.len() >= 8 && word(message, 4) == Opcode::Destroy.raw() {
            put(message, 4, &0_u32.to_ne_bytes());
        }
    }
}

/// Hears replies until all that were due have come. Who still waits for a lock when nobody sends any more gets a signal.
fn listen(kernel: &mut Kernel, conversation: &Conversation, finished: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(40);
    loop {
        let over = finished();
        while let Some(reply) = kernel.within(20) {
            conversation.hear(&reply);
        }
        if over && conversation.outstanding() == 0 {
            return;
        }
        for unique in conversation.waiting().into_iter().filter(|_| over) {
            kernel.send(Opcode::Interrupt, 0, &[bytes_of(&InterruptIn { unique })]);
        }
        assert!(
            Instant::now() < limit,
            "{} requests were not answered",
            conversation.outstanding()
        );
    }
}

/// Gives back everything that the kernel learned of.
fn give_back(kernel: &mut Kernel, conversation: &Conversation) {
    let (mut nodes, files, directories) =
        conversation.said(|said| (said.nodes.clone(), said.files.clone(), said.directories.clone()));
    for (opcode, fhs) in [(Opcode::Release, files), (Opcode::Releasedir, directories)] {
        for fh in fhs {
            let mut fixed = vec![0; opcode.fixed_size(&Dialect::default())];
            put(&mut fixed, 0, &fh.to_ne_bytes());
            let reply = kernel.ask(opcode, ROOT, &[&fixed]);
            assert!(reply.errno == 0 || reply.errno == libc::EBADF, "{}", reply.errno);
        }
    }
    nodes.sort_unstable();
    nodes.dedup();
    for node in nodes {
        kernel.send(Opcode::Forget, node, &[bytes_of(&ForgetIn { nlookup: u64::MAX })]);
    }
}

/// Asks for the data of a file under every number that a message of the senders will have, so that each NOTIFY_REPLY
/// is waited for.
fn retrieve(running: &mut Running, conversation: &Conversation) {
    let a = running.lookup("a");
    let key = running.flat.get(|book| *book.lookups.keys().next().expect("looked up"));
    conversation.said(|said| said.nodes.push(a));
    for ticket in (1..=SENDERS).flat_map(|number| (1..=MESSAGES as u64).map(move |at| (number << 48) + at)) {
        let told = running.session.retrieve(ticket, Key(key), 0, RETRIEVED);
        assert_eq!(told.unwrap(), Told::Done);
        running.kernel.receive_notification();
    }
}

fn fuzz(seed: u64) {
    let flat = Flat::with_files(&FILES);
    let keepers = [LockKeeper::Engine, LockKeeper::FileSystem, LockKeeper::Kernel];
    flat.change(|book| {
        book.lock_keeper = keepers[(seed % 3) as usize];
        book.disordered = true;
    });
    let config = Config {
        max_locks: 40,
        ..Config::default()
    };
    let mut running = Running::start(&flat, 4, config);
    let conversation = Conversation(Mutex::default());
    retrieve(&mut running, &conversation);
    let mut kernel = running.kernel.replace();
    thread::scope(|scope| {
        let senders: Vec<_> = (1..=SENDERS)
            .map(|number| {
                let sender = Sender {
                    random: Random(seed.wrapping_mul(2 * number + 1) | 1),
                    conversation: &conversation,
                    last_unique: number << 48,
                    withheld: Vec::new(),
                };
                let kernel = kernel.second();
                scope.spawn(move || sender.run(&kernel))
            })
            .collect();
        listen(&mut kernel, &conversation, || {
            senders.iter().all(thread::ScopedJoinHandle::is_finished)
        });
    });
    give_back(&mut kernel, &conversation);
    let limit = Instant::now() + Duration::from_secs(20);
    let left = || (flat.lookups(), flat.get(|book| book.open.clone()));
    while left() != (HashMap::new(), HashMap::new()) {
        assert!(Instant::now() < limit, "not given back: {:?}", left());
        is_served(&mut kernel);
    }
    let lines = running.log.lock().unwrap().clone();
    let tickets = flat.get(|book| book.retrieved.iter().map(|(ticket, _)| *ticket).collect::<Vec<_>>());
    let once: HashSet<u64> = tickets.iter().copied().collect();
    assert!(!once.is_empty() && once.len() == tickets.len(), "{tickets:?}");
    let bugs = |line: &str| line.starts_with("panic") && !line.contains("as asked for");
    assert!(!lines.iter().any(|(_, line)| bugs(line)), "{lines:?}");
    running.kernel = kernel;
    running.stop();
}

#[test]
fn a_mutated_conversation_from_several_threads_gets_one_reply_each_and_leaks_nothing() {
    let variable = |name, or| std::env::var(name).map_or(or, |text| text.parse().expect("a number"));
    let long = Duration::from_secs(variable("FERROFUSE_FUZZ_SECONDS", 3));
    let _watchdog = Watchdog::lasting(long + Duration::from_secs(60));
    let end = Instant::now() + long;
    for seed in variable("FERROFUSE_FUZZ_SEED", 0x0fe1_1f05).. {
        eprintln!("FERROFUSE_FUZZ_SEED={seed}");
        fuzz(seed);
        if Instant::now() >= end {
            break;
        }
    }
}
