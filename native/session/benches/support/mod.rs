//! What is measured with: a file system that does nothing, and the requests that it is asked.
#![allow(dead_code, reason = "each bench uses a part of it")]

#[path = "../../tests/support/kernel.rs"]
pub(crate) mod kernel;
pub(crate) mod noop;

use std::sync::Arc;

use ferrofuse_protocol::abi::{bytes_of, EntryOut, GetattrIn, ReadIn, WriteIn};
use ferrofuse_protocol::Opcode;
use ferrofuse_session::{Config, Session};

use kernel::{name, Kernel, ROOT};
use noop::{Noop, Page};

/// Bytes of a read and of a write.
pub(crate) const SIZE: u32 = 4096;

/// The frequent operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Read,
    Write,
    Getattr,
    Lookup,
}

impl Request {
    pub(crate) const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Getattr, Self::Lookup];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Getattr => "getattr",
            Self::Lookup => "lookup",
        }
    }

    /// Sends it about an open file.
    pub(crate) fn send(self, kernel: &mut Kernel, file: File) -> u64 {
        match self {
            Self::Read => {
                let arg = ReadIn {
                    fh: file.fh,
                    size: SIZE,
                    ..ReadIn::default()
                };
                kernel.send(Opcode::Read, file.node, &[bytes_of(&arg)])
            }
            Self::Write => {
                let arg = WriteIn {
                    fh: file.fh,
                    size: SIZE,
                    ..WriteIn::default()
                };
                kernel.send(Opcode::Write, file.node, &[bytes_of(&arg), &[7; SIZE as usize]])
            }
            Self::Getattr => kernel.send(Opcode::Getattr, file.node, &[bytes_of(&GetattrIn::default())]),
            Self::Lookup => kernel.send(Opcode::Lookup, ROOT, &[&name(NAME)]),
        }
    }
}

/// Of the one file there is.
pub(crate) const NAME: &str = "some-file.txt";

/// The one file, known and open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct File {
    pub(crate) node: u64,
    pub(crate) fh: u64,
}

impl File {
    /// Needs somebody who serves.
    pub(crate) fn open(kernel: &mut Kernel) -> Self {
        let found = kernel.ask(Opcode::Lookup, ROOT, &[&name(NAME)]);
        let node = found.record::<EntryOut>().nodeid;
        let fh = kernel.ask(Opcode::Open, node, &[&[0; 8]]).record_at::<u64>(0);
        Self { node, fh }
    }
}

/// A session after its handshake that nobody serves yet, and the kernel's side.
pub(crate) fn session(noop: &mut Noop) -> (Arc<Session<Page>>, Kernel) {
    let (device, mut kernel) = Kernel::pair();
    kernel.send_init(45);
    let config = Config {
        max_nodes: 64,
        max_handles: 64,
        ..Config::default()
    };
    let session = Session::establish(device, config, noop).expect("a session");
    kernel.receive_init();
    (session, kernel)
}
