//! The kernel's side: writes requests, reads replies, one message each.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use ferrofuse_protocol::abi::{self, bytes_of, InHeader, InitIn, InitOut, OutHeader, Pod};
use ferrofuse_protocol::Opcode;

pub(crate) const ROOT: u64 = 1;

pub(crate) struct Kernel {
    socket: OwnedFd,
    last_unique: u64,
    /// Who asks.
    pub(crate) uid: u32,
}

/// Whoever it is, not root.
const SOMEBODY: u32 = 1000;

/// A reply as the kernel sees it.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) unique: u64,
    /// 0 or an errno.
    pub(crate) errno: i32,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The record at `offset` of the body of a success.
    pub(crate) fn record_at<T: Pod>(&self, offset: usize) -> T {
        assert_eq!(self.errno, 0, "reply to {}", self.unique);
        assert!(self.body.len() >= offset + size_of::<T>(), "{} bytes", self.body.len());
        // SAFETY: checked to be inside the body; any bytes are a `T`.
        unsafe { self.body.as_ptr().add(offset).cast::<T>().read_unaligned() }
    }

    /// The record that is the body of a success.
    pub(crate) fn record<T: Pod>(&self) -> T {
        assert_eq!(self.body.len(), size_of::<T>());
        self.record_at(0)
    }
}

impl Kernel {
    fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            last_unique: 0,
            uid: SOMEBODY,
        }
    }

    /// Both ends of a connection; the engine's end first.
    pub(crate) fn pair() -> (OwnedFd, Self) {
        let mut ends = [0; 2];
        let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
        // SAFETY: room for two descriptors.
        let made = unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) };
        assert_eq!(made, 0, "{}", io::Error::last_os_error());
        // SAFETY: both were just opened and nobody else knows them.
        let [engine, socket] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
        (engine, Self::new(socket))
    }

    /// Sends INIT as a kernel of 7.`minor` that offers everything.
    pub(crate) fn send_init(&mut self, minor: u32) -> u64 {
        self.send_offer(minor, u64::MAX)
    }

    /// Sends INIT as a kernel of 7.`minor` that offers some flags.
    pub(crate) fn send_offer(&mut self, minor: u32, flags: u64) -> u64 {
        let init = InitIn {
            major: 7,
            minor,
            max_readahead: 131_072,
            flags: flags as u32,
            flags2: (flags >> 32) as u32,
            unused: [0; 11],
        };
        self.send(Opcode::Init, 0, &[bytes_of(&init)])
    }

    pub(crate) fn receive_init(&mut self) -> InitOut {
        self.receive().record()
    }

    /// Sends a request that consists of a header and `parts`; answers its `unique`.
    pub(crate) fn send(&mut self, opcode: Opcode, nodeid: u64, parts: &[&[u8]]) -> u64 {
        self.last_unique += 2;
        let unique = self.last_unique;
        let len = parts.iter().map(|part| part.len()).sum::<usize>() + size_of::<InHeader>();
        let header = InHeader {
            len: len as u32,
            opcode: opcode.raw(),
            unique,
            nodeid,
            uid: self.uid,
            gid: 100,
            pid: 4242,
            ..InHeader::default()
        };
        let mut message = bytes_of(&header).to_vec();
        for part in parts {
            message.extend_from_slice(part);
        }
        self.send_raw(&message);
        unique
    }

    pub(crate) fn send_raw(&self, message: &[u8]) {
        // SAFETY: reads `message`.
        let sent = unsafe {
            libc::send(
                self.socket.as_raw_fd(),
                message.as_ptr().cast(),
                message.len(),
                libc::MSG_NOSIGNAL,
            )
        };
        assert_eq!(
            usize::try_from(sent),
            Ok(message.len()),
            "{}",
            io::Error::last_os_error()
        );
    }

    /// Sends a request and waits for its reply.
    pub(crate) fn ask(&mut self, opcode: Opcode, nodeid: u64, parts: &[&[u8]]) -> Reply {
        let unique = self.send(opcode, nodeid, parts);
        let reply = self.receive();
        assert_eq!(reply.unique, unique, "{reply:?}");
        reply
    }

    /// The next reply.
    pub(crate) fn receive(&mut self) -> Reply {
        self.try_receive(30_000).expect("no reply")
    }

    /// The next reply, if one is there now.
    pub(crate) fn pending(&mut self) -> Option<Reply> {
        self.try_receive(0)
    }

    /// The next reply, if one comes within some milliseconds.
    pub(crate) fn within(&mut self, millis: i32) -> Option<Reply> {
        self.try_receive(millis)
    }

    /// The same end for another thread; its `unique`s are the caller's business.
    pub(crate) fn second(&self) -> Self {
        let socket = self.socket.try_clone().expect("a descriptor");
        Self::new(socket)
    }

    /// The next message, which has to be one that nobody has asked for: its code and what follows its head.
    pub(crate) fn receive_notification(&mut self) -> (i32, Vec<u8>) {
        let (header, body) = self.message(30_000).expect("no notification");
        assert_eq!(header.unique, 0, "a reply");
        (header.error, body)
    }

    fn try_receive(&mut self, millis: i32) -> Option<Reply> {
        let (header, body) = self.message(millis)?;
        assert!(header.error <= 0 && header.error > -512, "error {}", header.error);
        assert!(header.error == 0 || body.is_empty(), "an error with a body");
        Some(Reply {
            unique: header.unique,
            errno: -header.error,
            body,
        })
    }

    fn message(&self, millis: i32) -> Option<(OutHeader, Vec<u8>)> {
        let mut polled = libc::pollfd {
            fd: self.socket.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one pollfd.
        if unsafe { libc::poll(&raw mut polled, 1, millis) } != 1 {
            return None;
        }
        let mut message = vec![0; 2 << 20];
        let got = match self.recv(&mut message) {
            // Said once when the engine leaves with requests unread; its replies are still there.
            Err(error) if error.raw_os_error() == Some(libc::ECONNRESET) => self.recv(&mut message),
            got => got,
        };
        let got = got.unwrap_or_else(|error| panic!("{error}"));
        if got == 0 {
            return None;
        }
        assert!(got >= size_of::<OutHeader>(), "a reply of {got} bytes");
        message.truncate(got);
        // SAFETY: long enough, and any bytes are a header.
        let header = unsafe { message.as_ptr().cast::<OutHeader>().read_unaligned() };
        assert_eq!(header.len as usize, got);
        let body = message.split_off(size_of::<OutHeader>());
        Some((header, body))
    }

    fn recv(&self, into: &mut [u8]) -> io::Result<usize> {
        // SAFETY: room for that many bytes.
        let got = unsafe { libc::recv(self.socket.as_raw_fd(), into.as_mut_ptr().cast(), into.len(), 0) };
        usize::try_from(got).map_err(|_| io::Error::last_os_error())
    }

    /// Waits for the end of the engine's side; `false` if there is a reply first.
    pub(crate) fn has_ended(&mut self) -> bool {
        let mut byte = 0_u8;
        // SAFETY: room for one byte.
        unsafe { libc::recv(self.socket.as_raw_fd(), (&raw mut byte).cast(), 1, 0) == 0 }
    }

    /// Takes the kernel's side out; what is left in its place is connected to nobody.
    pub(crate) fn replace(&mut self) -> Self {
        let (_, unconnected) = Self::pair();
        std::mem::replace(self, unconnected)
    }

    /// No request comes any more: the connection ends when those that were sent are received. Replies still arrive.
    pub(crate) fn stop_sending(&self) {
        // SAFETY: no memory is involved.
        assert_eq!(unsafe { libc::shutdown(self.socket.as_raw_fd(), libc::SHUT_WR) }, 0);
    }

    /// Replies are lost from now on, requests still arrive.
    pub(crate) fn stop_listening(&self) {
        // SAFETY: no memory is involved.
        assert_eq!(unsafe { libc::shutdown(self.socket.as_raw_fd(), libc::SHUT_RD) }, 0);
    }
}

/// A name as messages carry it.
pub(crate) fn name(name: &str) -> Vec<u8> {
    [name.as_bytes(), b"\0"].concat()
}

/// The (name, nodeid) of each record of a READDIRPLUS reply.
pub(crate) fn plus_records(body: &[u8]) -> Vec<(String, u64)> {
    let mut aligned = vec![0_u64; body.len().div_ceil(8)];
    // SAFETY: room for the bytes, aligned.
    let copy = unsafe { std::slice::from_raw_parts_mut(aligned.as_mut_ptr().cast::<u8>(), body.len()) };
    copy.copy_from_slice(body);
    let mut walker = ferrofuse_protocol::dirent::DirentPlusWalker::new(copy).unwrap();
    let mut records = Vec::new();
    while let Some(record) = walker.next_record().unwrap() {
        records.push((
            String::from_utf8(record.name.as_bytes().to_vec()).unwrap(),
            record.entry.nodeid,
        ));
    }
    records
}

pub(crate) fn zeroed<T: Pod>() -> T {
    abi::zeroed()
}
