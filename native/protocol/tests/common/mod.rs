//! What the tests need to play the kernel: an encoder of requests, and aligned memory.

// Each test program uses its own part of this module.
#![allow(dead_code, unreachable_pub)]

use ferrofuse_protocol::abi::{self, bytes_of, InHeader};
use ferrofuse_protocol::{Dialect, Name, Opcode, Operation};

/// Bytes that start at a multiple of 8, in an allocation that ends with them as closely as that allows.
#[derive(Clone, Debug)]
pub struct Aligned {
    words: Box<[u64]>,
    len: usize,
}

impl Aligned {
    pub fn zeroed(len: usize) -> Self {
        Self {
            words: vec![0; len.div_ceil(8)].into(),
            len,
        }
    }

    pub fn new(bytes: &[u8]) -> Self {
        let mut memory = Self::zeroed(bytes.len());
        memory.bytes_mut().copy_from_slice(bytes);
        memory
    }

    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the words are initialised and hold at least `len` bytes; the borrow keeps them.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast(), self.len) }
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and any bytes make valid words.
        unsafe { std::slice::from_raw_parts_mut(self.words.as_mut_ptr().cast(), self.len) }
    }
}

/// Record and payload of a request, as the kernel lays them out. `opcode` tells RENAME from RENAME2.
pub fn encode(operation: &Operation<'_>, opcode: Opcode, dialect: &Dialect) -> (Vec<u8>, Vec<u8>) {
    use Operation as Op;
    let two_words = |first: u32, second: u32| [first.to_ne_bytes(), second.to_ne_bytes()].concat();
    match *operation {
        Op::Readlink | Op::Statfs | Op::Destroy => (vec![], vec![]),
        Op::Lookup { name } | Op::Unlink { name } | Op::Rmdir { name } | Op::Removexattr { name } => {
            (vec![], terminated(name))
        }
        Op::Symlink { name, target } => (vec![], [terminated(name), target.to_vec(), vec![0]].concat()),
        Op::Forget(arg) => (bytes_of(arg).to_vec(), vec![]),
        Op::Getattr(arg) => (bytes_of(arg).to_vec(), vec![]),
        Op::Setattr(arg) => (bytes_of(arg).to_vec(), vec![]),
        Op::Mknod { arg, name } => (bytes_of(arg).to_vec(), terminated(name)),
        Op::Mkdir { arg, name } => (bytes_of(arg).to_vec(), terminated(name)),
        Op::Rename {
            new_parent,
            flags,
            name,
            new_name,
        } => {
            let mut fixed = new_parent.0.to_ne_bytes().to_vec();
            if opcode == Opcode::Rename2 {
                fixed.extend(two_words(flags, 0));
            }
            (fixed, [terminated(name), terminated(new_name)].concat())
        }
        Op::Link { node, name } => (node.0.to_ne_bytes().to_vec(), terminated(name)),
        Op::Open(arg) | Op::Opendir(arg) => (bytes_of(arg).to_vec(), vec![]),
        Op::Read(arg) | Op::Readdir(arg) | Op::Readdirplus(arg) => (bytes_of(arg).to_vec(), vec![]),
        Op::Write { arg, data } => (bytes_of(arg).to_vec(), data.to_vec()),
        Op::Release(arg) | Op::Releasedir(arg) => (bytes_of(arg).to_vec(), vec![]),
        Op::Fsync(arg) | Op::Fsyncdir(arg) => (bytes_of(arg).to_vec(), vec![]),
        Op::Setxattr {
            size,
            flags,
            setxattr_flags,
            name,
            value,
        } => {
            let mut fixed = two_words(size, flags);
            if dialect.setxattr_ext {
                fixed.extend(two_words(setxattr_flags, 0));
            }
            (fixed, [terminated(name), value.to_vec()].concat())
        }
        Op::Getxattr { size, name } => (two_words(size, 0), terminated(name)),
        Op::Listxattr { size } => (two_words(size, 0), vec![]),
        Op::Flush(arg) => (bytes_of(arg).to_vec(), vec![]),
        Op::Init { arg } => (bytes_of(&arg).to_vec(), vec![]),
        Op::Getlk(arg) | Op::Setlk(arg) | Op::Setlkw(arg) => (bytes_of(arg).to_vec(), vec![]),
        Op::Access(arg) => (bytes_of(arg).to_vec(), vec![]),
        Op::Create { arg, name } | Op::Tmpfile { arg, name } => (bytes_of(arg).to_vec(), terminated(name)),
        Op::Interrupt(arg) => (bytes_of(arg).to_vec(), vec![]),
        Op::Bmap(arg) => (bytes_of(arg).to_vec(), vec![]),
        Op::Ioctl { arg, data } => (bytes_of(arg).to_vec(), data.to_vec()),
        Op::Poll(arg) => (bytes_of(arg).to_vec(), vec![]),
        Op::NotifyReply { arg, data } => (bytes_of(arg).to_vec(), data.to_vec()),
        Op::BatchForget(list) => (
            two_words(list.len() as u32, 0),
            list.iter().flat_map(bytes_of).copied().collect(),
        ),
        Op::Fallocate(arg) => (bytes_of(arg).to_vec(), vec![]),
        Op::Lseek(arg) => (bytes_of(arg).to_vec(), vec![]),
        Op::CopyFileRange(arg) | Op::CopyFileRange64(arg) => (bytes_of(arg).to_vec(), vec![]),
        Op::Syncfs => (vec![0; 8], vec![]),
        Op::Statx(arg) => (bytes_of(arg).to_vec(), vec![]),
    }
}

/// The header of a message with that much behind it.
pub fn header(opcode: Opcode, body: usize) -> InHeader {
    InHeader {
        len: (size_of::<InHeader>() + body) as u32,
        opcode: opcode.raw(),
        unique: 0x1122_3344,
        nodeid: abi::ROOT_ID,
        uid: 1000,
        gid: 100,
        pid: 4711,
        ..InHeader::default()
    }
}

/// Header, record, payload and extensions in one buffer, as read(2) from `/dev/fuse` gives them. The extensions are a
/// multiple of 8 bytes.
pub fn message(opcode: Opcode, fixed: &[u8], payload: &[u8], extensions: &[u8]) -> Aligned {
    let mut header = header(opcode, fixed.len() + payload.len() + extensions.len());
    header.total_extlen = (extensions.len() / 8) as u16;
    Aligned::new(&[bytes_of(&header), fixed, payload, extensions].concat())
}

pub fn terminated(name: &Name) -> Vec<u8> {
    [name.as_bytes(), &[0]].concat()
}
