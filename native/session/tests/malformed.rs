//! Messages that no kernel sends: one reply each or none, never a panic, and the next request is served.

mod support;

use std::collections::HashMap;

use ferrofuse_protocol::abi::{bytes_of, GetattrIn, InHeader, WriteIn};
use ferrofuse_protocol::Opcode;
use ferrofuse_session::Config;

use support::flat::Flat;
use support::kernel::{name, Kernel, ROOT};
use support::running::Running;
use support::Watchdog;

fn header(opcode: u32, unique: u64, len: usize) -> InHeader {
    InHeader {
        len: len as u32,
        opcode,
        unique,
        nodeid: ROOT,
        ..InHeader::default()
    }
}

fn is_served(kernel: &mut Kernel) {
    assert_eq!(
        kernel
            .ask(Opcode::Getattr, ROOT, &[bytes_of(&GetattrIn::default())])
            .errno,
        0
    );
}

fn started() -> Running {
    Running::start(&Flat::with_files(&["a"]), 1, Config::default())
}

#[test]
fn less_than_a_header_has_no_reply() {
    let _watchdog = Watchdog::new();
    let mut running = started();
    for len in [1, 4, 16, 39] {
        running.kernel.send_raw(&vec![1; len]);
    }
    is_served(&mut running.kernel);
    running.stop();
}

#[test]
fn every_opcode_without_its_record_is_an_error_or_has_no_reply() {
    let _watchdog = Watchdog::new();
    let mut running = started();
    for opcode in 0..80_u32 {
        let known = Opcode::from_raw(opcode);
        if matches!(known, Some(Opcode::Destroy | Opcode::Statfs | Opcode::Readlink)) {
            continue; // They have none.
        }
        running.kernel.send_raw(bytes_of(&header(opcode, 7, 40)));
        if known.is_some_and(|opcode| !opcode.expects_reply()) {
            is_served(&mut running.kernel);
            continue;
        }
        let reply = running.kernel.receive();
        let expected = if known.is_some() { libc::EIO } else { libc::ENOSYS };
        assert_eq!((reply.unique, reply.errno), (7, expected), "opcode {opcode}");
    }
    running.stop();
}

#[test]
fn lengths_that_contradict_what_was_received_are_errors() {
    let _watchdog = Watchdog::new();
    let mut running = started();
    let getattr = bytes_of(&GetattrIn::default()).to_vec();
    for stated in [0, 40, 55, 57, 1 << 20, u32::MAX as usize] {
        let message = [bytes_of(&header(Opcode::Getattr.raw(), 9, stated)), &getattr].concat();
        running.kernel.send_raw(&message);
        assert_eq!(running.kernel.receive().errno, libc::EIO, "{stated}");
    }
    // A WRITE whose size is not that of its data, on either side of where the message is divided.
    for (size, data) in [(0, 1), (1, 0), (100, 99), (4096, 5000), (u32::MAX, 10)] {
        let arg = WriteIn {
            size,
            ..WriteIn::default()
        };
        let reply = running
            .kernel
            .ask(Opcode::Write, ROOT, &[bytes_of(&arg), &vec![0; data]]);
        assert_eq!(reply.errno, libc::EIO, "{size} announced, {data} sent");
    }
    // Longer than any message of this operation.
    let long = vec![b'x'; 100_000];
    assert_eq!(running.kernel.ask(Opcode::Lookup, ROOT, &[&long]).errno, libc::EIO);
    assert_eq!(
        running.kernel.ask(Opcode::Setxattr, ROOT, &[&[0; 16], &long]).errno,
        libc::EIO
    );
    is_served(&mut running.kernel);
    running.stop();
}

#[test]
fn names_that_are_none_are_errors() {
    let _watchdog = Watchdog::new();
    let mut running = started();
    for bad in [b"".as_slice(), b"\0", b"a", b"a/b\0", b"a\0b\0", b"/\0"] {
        assert_eq!(
            running.kernel.ask(Opcode::Lookup, ROOT, &[bad]).errno,
            libc::EIO,
            "{bad:?}"
        );
        assert_eq!(
            running.kernel.ask(Opcode::Unlink, ROOT, &[bad]).errno,
            libc::EIO,
            "{bad:?}"
        );
    }
    for dots in [".", ".."] {
        assert_eq!(running.kernel.ask(Opcode::Rmdir, ROOT, &[&name(dots)]).errno, libc::EIO);
    }
    running.stop();
}

#[test]
fn a_request_that_is_sent_twice_is_answered_twice() {
    let _watchdog = Watchdog::new();
    let mut running = started();
    let message = [
        bytes_of(&header(Opcode::Getattr.raw(), 11, 56)),
        bytes_of(&GetattrIn::default()),
    ]
    .concat();
    running.kernel.send_raw(&message);
    running.kernel.send_raw(&message);
    for _ in 0..2 {
        assert_eq!(running.kernel.receive().unique, 11);
    }
    is_served(&mut running.kernel);
    assert!(running.kernel.pending().is_none());
    running.stop();
}

/// xorshift64*, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

#[test]
fn noise_gets_at_most_one_reply_each_and_harms_nothing() {
    let _watchdog = Watchdog::new();
    let mut running = started();
    let node = running.lookup("a");
    let fh = running.open(node);
    let mut random = Random(0x1234_5678_9abc_def1);
    let mut replies: HashMap<u64, u32> = HashMap::new();
    for unique in 1_000..6_000_u64 {
        let opcode = random.below(60) as u32;
        let few = random.below(60);
        let many = random.below(20_000);
        let len = 40 + if random.below(4) == 0 { many } else { few } as usize;
        let mut message: Vec<u8> = (0..len).map(|_| random.below(256) as u8).collect();
        let stated = if random.below(8) == 0 {
            random.below(1 << 32) as usize
        } else {
            len
        };
        let nodeid = [ROOT, node, random.next()][random.below(3) as usize];
        let header = InHeader {
            nodeid,
            ..header(opcode, unique, stated)
        };
        message[..40].copy_from_slice(bytes_of(&header));
        // Small numbers and names are more likely to mean something.
        if random.below(2) == 0 {
            let plain = random.below(3) as u8;
            message[40..].iter_mut().for_each(|byte| *byte = plain * b'a' / 2);
            if let Some(last) = message[40..].last_mut() {
                *last = 0;
            }
        }
        if random.below(3) == 0 && len >= 48 {
            message[40..48].copy_from_slice(&fh.to_ne_bytes());
        }
        if opcode == Opcode::Destroy.raw() && len == 40 {
            continue;
        }
        running.kernel.send_raw(&message);
        if unique % 50 == 0 {
            let sentinel = running
                .kernel
                .send(Opcode::Getattr, ROOT, &[bytes_of(&GetattrIn::default())]);
            loop {
                let reply = running.kernel.receive();
                if reply.unique == sentinel {
                    assert_eq!(reply.errno, 0);
                    break;
                }
                *replies.entry(reply.unique).or_default() += 1;
            }
        }
    }
    assert!(replies.len() > 2_000, "{}", replies.len());
    assert!(replies
        .iter()
        .all(|(&unique, &count)| count == 1 && (1_000..6_000).contains(&unique)));
    running.stop();
}
