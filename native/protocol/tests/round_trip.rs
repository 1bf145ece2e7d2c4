//! Every operation, encoded as the kernel does, comes back as it was.

mod common;

use common::{encode, header, message, Aligned};
use ferrofuse_protocol::abi::{self, bytes_of, init, InHeader, Pod};
use ferrofuse_protocol::{Dialect, Extension, Message, Name, NodeId, Opcode, Operation};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// What an operation is made of: memory for its record, names, data.
#[derive(Clone, Debug)]
struct Material {
    record: Aligned,
    name: Vec<u8>,
    other: Vec<u8>,
    data: Vec<u8>,
    forgets: Vec<abi::ForgetOne>,
}

impl Material {
    fn record<T: Pod>(&self) -> &T {
        abi::read_from(self.record.bytes()).expect("the memory is aligned and larger than every record")
    }

    fn name(&self) -> &Name {
        Name::component(&self.name).expect("the strategy makes components")
    }

    /// Writes the length of the data where the operation's record has it.
    fn state_size(&mut self, opcode: Opcode) {
        let offset = match opcode {
            Opcode::Write | Opcode::NotifyReply => 16,
            Opcode::Ioctl => 24,
            _ => return,
        };
        let size = (self.data.len() as u32).to_ne_bytes();
        self.record.bytes_mut()[offset..offset + 4].copy_from_slice(&size);
    }

    fn operation(&self, opcode: Opcode, dialect: &Dialect) -> Operation<'_> {
        use Operation as Op;
        let name = self.name();
        let words: &[u32; 4] = self.record();
        match opcode {
            Opcode::Lookup => Op::Lookup { name },
            Opcode::Forget => Op::Forget(self.record()),
            Opcode::Getattr => Op::Getattr(self.record()),
            Opcode::Setattr => Op::Setattr(self.record()),
            Opcode::Readlink => Op::Readlink,
            Opcode::Symlink => Op::Symlink {
                name,
                target: &self.other,
            },
            Opcode::Mknod => Op::Mknod {
                arg: self.record(),
                name,
            },
            Opcode::Mkdir => Op::Mkdir {
                arg: self.record(),
                name,
            },
            Opcode::Unlink => Op::Unlink { name },
            Opcode::Rmdir => Op::Rmdir { name },
            Opcode::Rename | Opcode::Rename2 => Op::Rename {
                new_parent: NodeId(*self.record()),
                flags: if opcode == Opcode::Rename2 { words[2] } else { 0 },
                name,
                new_name: Name::component(&self.other).expect("the strategy makes components"),
            },
            Opcode::Link => Op::Link {
                node: NodeId(*self.record()),
                name,
            },
            Opcode::Open => Op::Open(self.record()),
            Opcode::Read => Op::Read(self.record()),
            Opcode::Write => Op::Write {
                arg: self.record(),
                data: &self.data,
            },
            Opcode::Statfs => Op::Statfs,
            Opcode::Release => Op::Release(self.record()),
            Opcode::Fsync => Op::Fsync(self.record()),
            Opcode::Setxattr => Op::Setxattr {
                size: self.data.len() as u32,
                flags: words[1],
                setxattr_flags: if dialect.setxattr_ext { words[2] } else { 0 },
                name,
                value: &self.data,
            },
            Opcode::Getxattr => Op::Getxattr { size: words[0], name },
            Opcode::Listxattr => Op::Listxattr { size: words[0] },
            Opcode::Removexattr => Op::Removexattr { name },
            Opcode::Flush => Op::Flush(self.record()),
            Opcode::Init => Op::Init { arg: *self.record() },
            Opcode::Opendir => Op::Opendir(self.record()),
            Opcode::Readdir => Op::Readdir(self.record()),
            Opcode::Releasedir => Op::Releasedir(self.record()),
            Opcode::Fsyncdir => Op::Fsyncdir(self.record()),
            Opcode::Getlk => Op::Getlk(self.record()),
            Opcode::Setlk => Op::Setlk(self.record()),
            Opcode::Setlkw => Op::Setlkw(self.record()),
            Opcode::Access => Op::Access(self.record()),
            Opcode::Create => Op::Create {
                arg: self.record(),
                name,
            },
            Opcode::Interrupt => Op::Interrupt(self.record()),
            Opcode::Bmap => Op::Bmap(self.record()),
            Opcode::Destroy => Op::Destroy,
            Opcode::Ioctl => Op::Ioctl {
                arg: self.record(),
                data: &self.data,
            },
            Opcode::Poll => Op::Poll(self.record()),
            Opcode::NotifyReply => Op::NotifyReply {
                arg: self.record(),
                data: &self.data,
            },
            Opcode::BatchForget => Op::BatchForget(&self.forgets),
            Opcode::Fallocate => Op::Fallocate(self.record()),
            Opcode::Readdirplus => Op::Readdirplus(self.record()),
            Opcode::Lseek => Op::Lseek(self.record()),
            Opcode::CopyFileRange => Op::CopyFileRange(self.record()),
            Opcode::CopyFileRange64 => Op::CopyFileRange64(self.record()),
            Opcode::Syncfs => Op::Syncfs,
            Opcode::Tmpfile => Op::Tmpfile {
                arg: self.record(),
                name,
            },
            Opcode::Statx => Op::Statx(self.record()),
        }
    }
}

fn component() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 1..40).prop_map(|mut name| {
        name.iter_mut()
            .filter(|byte| matches!(**byte, 0 | b'/'))
            .for_each(|byte| *byte = b'x');
        if Name::component(&name).is_ok_and(Name::is_dots) {
            name.push(0xff);
        }
        name
    })
}

fn material() -> impl Strategy<Value = Material> {
    let forget = (any::<u64>(), any::<u64>()).prop_map(|(nodeid, nlookup)| abi::ForgetOne { nodeid, nlookup });
    (
        vec(any::<u8>(), 88),
        component(),
        component(),
        vec(any::<u8>(), 0..100),
        vec(forget, 0..9),
    )
        .prop_map(|(record, name, other, data, forgets)| Material {
            record: Aligned::new(&record),
            name,
            other,
            data,
            forgets,
        })
}

fn dialect() -> impl Strategy<Value = Dialect> {
    (any::<bool>(), 38..=45u32).prop_map(|(setxattr_ext, minor)| Dialect { setxattr_ext, minor })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn every_operation_comes_back_as_it_was(
        opcode in select(Opcode::ALL),
        mut material in material(),
        dialect in dialect(),
        extensions in vec(any::<u64>(), 0..4),
    ) {
        material.state_size(opcode);
        let operation = material.operation(opcode, &dialect);
        let (fixed, payload) = encode(&operation, opcode, &dialect);
        // INIT's record is whatever the kernel sends, so nothing can follow it.
        let extensions: Vec<u8> = match opcode {
            Opcode::Init => vec![],
            _ => extensions.iter().flat_map(|word| word.to_ne_bytes()).collect(),
        };

        let together = message(opcode, &fixed, &payload, &extensions);
        let found = Message::contiguous(together.bytes(), &dialect).expect("a valid message");
        prop_assert_eq!(found.opcode(), opcode);
        prop_assert_eq!(found.decode(), Ok(operation));

        let mut area = Aligned::zeroed(if opcode == Opcode::Init { fixed.len() } else { 128 });
        area.bytes_mut()[..fixed.len()].copy_from_slice(&fixed);
        let behind = Aligned::new(&[&payload[..], &extensions].concat());
        let head: &InHeader = abi::read_from(together.bytes()).expect("a message starts with its header");
        let found = Message::from_parts(head, area.bytes(), behind.bytes(), 0, &dialect).expect("a valid message");
        prop_assert_eq!(found.decode(), Ok(operation));
        let extension_bytes: usize = found.extensions().map(|extension| match extension {
            Extension::Unknown(bytes) => bytes.len(),
            _ => 0,
        }).sum();
        prop_assert!(extension_bytes <= extensions.len());
    }

    #[test]
    fn a_message_cut_short_is_refused(
        opcode in select(Opcode::ALL),
        mut material in material(),
        dialect in dialect(),
        keep in 0.0..1.0f64,
    ) {
        material.state_size(opcode);
        let (fixed, payload) = encode(&material.operation(opcode, &dialect), opcode, &dialect);
        let whole = message(opcode, &fixed, &payload, &[]);
        let keep = (whole.bytes().len() as f64 * keep) as usize;
        prop_assert!(Message::contiguous(&whole.bytes()[..keep], &dialect).is_err());

        // The same with a header that states the shorter length: only what can't be seen to be missing passes.
        if keep >= size_of::<InHeader>() {
            let mut cut = Aligned::new(&whole.bytes()[..keep]);
            cut.bytes_mut()[..4].copy_from_slice(&(keep as u32).to_ne_bytes());
            let decoded = Message::contiguous(cut.bytes(), &dialect).and_then(|message| message.decode());
            prop_assert!(decoded.is_err() || opcode == Opcode::Init, "{:?}", decoded);
        }
    }

    #[test]
    fn a_message_with_bytes_left_over_is_refused(
        opcode in select(Opcode::ALL),
        mut material in material(),
        dialect in dialect(),
        surplus in vec(any::<u8>(), 1..20),
    ) {
        prop_assume!(opcode != Opcode::Init);
        material.state_size(opcode);
        let (fixed, mut payload) = encode(&material.operation(opcode, &dialect), opcode, &dialect);
        payload.extend(surplus);
        let whole = message(opcode, &fixed, &payload, &[]);
        prop_assert!(Message::contiguous(whole.bytes(), &dialect).expect("whole").decode().is_err());
    }

    #[test]
    fn data_may_lie_elsewhere(
        opcode in select(&[Opcode::Write, Opcode::NotifyReply, Opcode::Setxattr][..]),
        mut material in material(),
        dialect in dialect(),
        lie in 1..5usize,
    ) {
        material.state_size(opcode);
        let (fixed, payload) = encode(&material.operation(opcode, &dialect), opcode, &dialect);
        let elsewhere = material.data.len();
        let near = payload.len() - elsewhere;
        let whole = message(opcode, &fixed, &payload, &[]);
        let head = &whole.bytes()[..whole.bytes().len() - elsewhere];

        let found = Message::with_data_elsewhere(head, elsewhere, &dialect).expect("a valid message");
        match found.decode().expect("a valid operation") {
            Operation::Write { arg, data } => prop_assert_eq!((arg.size as usize, data.len()), (elsewhere, 0)),
            Operation::NotifyReply { arg, data } => prop_assert_eq!((arg.size as usize, data.len()), (elsewhere, 0)),
            Operation::Setxattr { size, name, value, .. } => {
                prop_assert_eq!((size as usize, value.len()), (elsewhere, 0));
                prop_assert_eq!(name, material.name());
            }
            other => prop_assert!(false, "{:?}", other),
        }
        let header = header(opcode, fixed.len() + payload.len());
        let fixed = Aligned::new(&fixed);
        let apart = Message::from_parts(&header, fixed.bytes(), &payload[..near], elsewhere, &dialect);
        prop_assert_eq!(apart.expect("a valid message").decode(), found.decode());

        prop_assert!(Message::with_data_elsewhere(head, elsewhere + lie, &dialect).is_err());
    }
}

#[test]
fn init_of_an_older_kernel_has_sixteen_bytes() {
    let arg = abi::InitIn {
        major: 7,
        minor: 31,
        max_readahead: 131_072,
        flags: 0x3ff_ffff,
        ..Default::default()
    };
    let whole = message(Opcode::Init, &bytes_of(&arg)[..16], &[], &[]);
    let operation = Message::contiguous(whole.bytes(), &Dialect::default())
        .expect("a valid message")
        .decode();
    assert_eq!(operation, Ok(Operation::Init { arg }));
    assert_eq!(arg.all_flags(), 0x3ff_ffff);
}

#[test]
fn init_of_a_kernel_to_come_may_be_longer() {
    let arg = abi::InitIn {
        major: 7,
        minor: 99,
        flags: init::INIT_EXT as u32,
        flags2: (init::PASSTHROUGH >> 32) as u32,
        ..Default::default()
    };
    let fixed = [bytes_of(&arg), &[0xaa; 24]].concat();
    let whole = message(Opcode::Init, &fixed, &[], &[]);
    let operation = Message::contiguous(whole.bytes(), &Dialect::default())
        .expect("a valid message")
        .decode();
    assert_eq!(operation, Ok(Operation::Init { arg }));
    assert_eq!(arg.all_flags(), init::INIT_EXT | init::PASSTHROUGH);
}

#[test]
fn init_flags_are_split_and_announced() {
    let mut reply = abi::InitOut::default();
    reply.set_all_flags(init::ASYNC_READ | init::MAX_PAGES);
    assert_eq!(
        (u64::from(reply.flags), reply.flags2),
        (init::ASYNC_READ | init::MAX_PAGES, 0)
    );
    reply.set_all_flags(init::ASYNC_READ | init::OVER_IO_URING);
    assert_eq!(
        (u64::from(reply.flags), reply.flags2),
        (init::ASYNC_READ | init::INIT_EXT, 1 << 9)
    );
    assert_eq!(
        [4, 5, 22, 23, 45].map(|minor| reply.wire_bytes(minor).len()),
        [8, 24, 24, 64, 64]
    );
    // Without INIT_EXT the upper half is noise.
    let arg = abi::InitIn {
        flags: 1,
        flags2: 1,
        ..Default::default()
    };
    assert_eq!(arg.all_flags(), 1);
}
