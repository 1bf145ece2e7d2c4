use super::*;

/// A device whose answers a test chooses.
#[derive(Default)]
struct Played {
    refusal: Mutex<Option<i32>>,
    registered: Mutex<Vec<(RawFd, i32)>>,
    calls: Mutex<Vec<String>>,
}

impl BackingFiles for Played {
    fn open(&self, fd: RawFd) -> io::Result<i32> {
        if let Some(errno) = *self.refusal.lock() {
            return Err(io::Error::from_raw_os_error(errno));
        }
        let mut calls = self.calls.lock();
        let id = calls.len() as i32 + 1;
        calls.push(format!("open {fd}: {id}"));
        self.registered.lock().push((fd, id));
        Ok(id)
    }

    fn close(&self, id: i32) -> io::Result<()> {
        self.calls.lock().push(format!("close {id}"));
        let mut registered = self.registered.lock();
        let at = registered.iter().position(|&(_, known)| known == id);
        registered.remove(at.expect("closed once"));
        Ok(())
    }
}

struct Fixture {
    device: Arc<Played>,
    lines: Arc<Mutex<Vec<(Level, String)>>>,
    backings: Backings,
}

fn fixture() -> Fixture {
    let device: Arc<Played> = Arc::default();
    let lines: Arc<Mutex<Vec<(Level, String)>>> = Arc::default();
    let sink = Arc::clone(&lines);
    let log = Log::new(Arc::new(move |level, line: &str| {
        sink.lock().push((level, line.to_owned()))
    }));
    let files: Arc<dyn BackingFiles> = device.clone();
    Fixture {
        backings: Backings::new(files, Arc::new(log)),
        device,
        lines,
    }
}

const FILE: Key = Key(7);

#[test]
fn all_opens_of_a_node_share_one_registration_that_ends_with_the_last() {
    let Fixture { device, backings, .. } = fixture();
    let passed = (fopen::PASSTHROUGH, 1);
    assert_eq!(backings.opened(FILE, 0, Some(40)), passed);
    assert_eq!(backings.opened(FILE, 0, Some(41)), passed);
    backings.closed(FILE);
    assert_eq!(backings.opened(FILE, 0, Some(42)), passed);
    backings.closed(FILE);
    assert_eq!(*device.calls.lock(), ["open 40: 1"]);
    backings.closed(FILE);
    assert_eq!(*device.calls.lock(), ["open 40: 1", "close 1"]);
    assert_eq!(backings.opened(FILE, 0, Some(43)), (fopen::PASSTHROUGH, 3), "anew");
}

#[test]
fn an_open_that_does_not_wish_it_gets_its_requests_beside_those_that_do() {
    let Fixture { device, backings, .. } = fixture();
    backings.opened(FILE, 0, Some(40));
    assert_eq!(
        backings.opened(FILE, fopen::KEEP_CACHE | fopen::NOFLUSH, None),
        (fopen::PASSTHROUGH | fopen::DIRECT_IO | fopen::NOFLUSH, 1)
    );
    backings.closed(FILE);
    assert_eq!(device.registered.lock().len(), 1, "one has it open still");
    backings.closed(FILE);
    assert!(device.registered.lock().is_empty());
}

#[test]
fn while_a_node_is_open_otherwise_nothing_is_passed_through() {
    let Fixture {
        device,
        backings,
        lines,
    } = fixture();
    assert_eq!(backings.opened(FILE, fopen::KEEP_CACHE, None), (fopen::KEEP_CACHE, 0));
    for _ in 0..3 {
        assert_eq!(
            backings.opened(FILE, fopen::KEEP_CACHE, Some(40)),
            (fopen::KEEP_CACHE, 0)
        );
    }
    backings.closed(FILE);
    assert_eq!(backings.opened(FILE, 0, Some(40)), (0, 0), "some have it open still");
    assert!(device.calls.lock().is_empty());
    for _ in 0..4 {
        backings.closed(FILE);
    }
    assert_eq!(backings.opened(FILE, 0, Some(40)), (fopen::PASSTHROUGH, 1));
    let lines = lines.lock();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].0 == Level::Info && lines[0].1.contains("node 7 is open in another way"),
        "{lines:?}"
    );
}

#[test]
fn nodes_do_not_mind_each_other() {
    let Fixture { device, backings, .. } = fixture();
    assert_eq!(backings.opened(Key(1), 0, Some(40)), (fopen::PASSTHROUGH, 1));
    assert_eq!(backings.opened(Key(2), 0, None), (0, 0));
    assert_eq!(backings.opened(Key(3), 0, Some(40)), (fopen::PASSTHROUGH, 2));
    backings.closed(Key(1));
    backings.closed(Key(2));
    assert_eq!(*device.registered.lock(), [(40, 2)]);
}

#[test]
fn flags_that_the_kernel_takes_with_none_are_left_out_and_streams_are_not_passed_through() {
    let Fixture { device, backings, .. } = fixture();
    for stream in [fopen::STREAM, fopen::NONSEEKABLE] {
        assert_eq!(backings.opened(FILE, stream, Some(40)), (stream, 0));
        backings.closed(FILE);
    }
    assert!(device.calls.lock().is_empty());
    let all = !(fopen::STREAM | fopen::NONSEEKABLE);
    assert_eq!(
        backings.opened(FILE, all, Some(40)),
        (COMPATIBLE | fopen::PASSTHROUGH, 1)
    );
}

#[test]
fn each_reason_for_a_refusal_is_told_once() {
    let Fixture {
        device,
        backings,
        lines,
    } = fixture();
    for (errno, level, part) in [
        (libc::EPERM, Level::Warn, "CAP_SYS_ADMIN"),
        (libc::ELOOP, Level::Warn, "stacked"),
        (libc::EOPNOTSUPP, Level::Warn, "can't be read and written by another"),
        (libc::EBADF, Level::Error, "stay open until release"),
        (libc::EINVAL, Level::Error, "no regular file"),
        (libc::ENFILE, Level::Warn, "refused"),
    ] {
        lines.lock().clear();
        *device.refusal.lock() = Some(errno);
        for _ in 0..3 {
            assert_eq!(
                backings.opened(FILE, fopen::KEEP_CACHE, Some(40)),
                (fopen::KEEP_CACHE, 0)
            );
            backings.closed(FILE);
        }
        let lines = lines.lock();
        assert_eq!(lines.len(), 1, "{errno}: {lines:?}");
        assert!(lines[0].0 == level && lines[0].1.contains(part), "{lines:?}");
    }
    *device.refusal.lock() = None;
    assert_eq!(
        backings.opened(FILE, 0, Some(40)),
        (fopen::PASSTHROUGH, 1),
        "each is tried again"
    );
}
