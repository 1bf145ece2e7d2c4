//! Bytes that no kernel and no file system should send: refused or taken, never a panic, never a byte beyond the end.

mod common;

use common::{message, Aligned};
use ferrofuse_protocol::abi::{bytes_of, EntryOut, InHeader};
use ferrofuse_protocol::dirent::{DirentPlusWalker, DirentWalker, DirentWriter};
use ferrofuse_protocol::{Dialect, Extension, Message, Name, Opcode, Operation};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// Decodes and looks at everything, as a program does that uses the result. Answers whether it was a request.
fn use_up(message: &Message<'_>) -> bool {
    for extension in message.extensions() {
        match extension {
            Extension::Groups(groups) => assert_eq!(groups.len(), groups.count()),
            Extension::SecurityContexts(contexts) => assert!(contexts.count() <= 31),
            Extension::Unknown(bytes) => assert!(!bytes.is_empty()),
        }
    }
    match message.decode() {
        Ok(operation) => !format!("{operation:?}").is_empty(),
        Err(error) => error.to_string().is_empty(),
    }
}

fn dialect() -> impl Strategy<Value = Dialect> {
    (any::<bool>(), select(&[0, 37, 38, 45][..])).prop_map(|(setxattr_ext, minor)| Dialect { setxattr_ext, minor })
}

/// A message with a header that holds, whatever follows it.
fn plausible() -> impl Strategy<Value = Aligned> {
    let tail = prop_oneof![
        vec(any::<u8>(), 0..300),
        vec(select(&[0u8, 1, 8, b'a', b'/', b'.'][..]), 0..300)
    ];
    (select(Opcode::ALL), tail, 0..6u16).prop_map(|(opcode, tail, extensions)| {
        let mut whole = message(opcode, &[], &tail, &[]);
        whole.bytes_mut()[36..38].copy_from_slice(&extensions.to_ne_bytes());
        whole
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..400), dialect in dialect()) {
        let memory = Aligned::new(&bytes);
        if let Ok(message) = Message::contiguous(memory.bytes(), &dialect) {
            use_up(&message);
        }
    }

    #[test]
    fn arbitrary_bodies_do_no_harm(whole in plausible(), dialect in dialect(), elsewhere in 0..100usize) {
        if let Ok(message) = Message::contiguous(whole.bytes(), &dialect) {
            use_up(&message);
        }
        if let Ok(message) = Message::with_data_elsewhere(whole.bytes(), elsewhere, &dialect) {
            use_up(&message);
        }
    }

    #[test]
    fn parts_of_any_length_do_no_harm(
        opcode in any::<u32>(),
        known in select(Opcode::ALL),
        use_known in any::<bool>(),
        len in 0..400u32,
        fixed in vec(any::<u8>(), 0..130),
        payload in vec(any::<u8>(), 0..130),
        elsewhere in prop_oneof![Just(0), 0..200usize, Just(usize::MAX)],
        dialect in dialect(),
    ) {
        let opcode = if use_known { known.raw() } else { opcode };
        // The right length half of the time, or few would get past the first check.
        let right = size_of::<InHeader>() + known.fixed_size(&dialect) + payload.len();
        let len = if len % 2 == 0 { right as u32 } else { len };
        let header = InHeader { len, opcode, total_extlen: (len % 3) as u16, ..Default::default() };
        let (fixed, payload) = (Aligned::new(&fixed), Aligned::new(&payload));
        if let Ok(message) = Message::from_parts(&header, fixed.bytes(), payload.bytes(), elsewhere, &dialect) {
            use_up(&message);
        }
    }

    #[test]
    fn a_valid_message_with_bytes_changed_does_no_harm(
        size in 0..64u32,
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        dialect in dialect(),
    ) {
        let write = ferrofuse_protocol::abi::WriteIn { size, ..Default::default() };
        let messages = [
            message(Opcode::Write, bytes_of(&write), &vec![7; size as usize], &[]),
            message(Opcode::Rename2, &[0; 16], b"old\0new\0", &[]),
            message(Opcode::Setxattr, &[3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], b"user.x\0abc", &[]),
            message(Opcode::BatchForget, &[2, 0, 0, 0, 0, 0, 0, 0], &[1; 32], &[]),
            message(Opcode::Create, &[0; 16], b"name\0", &[24, 0, 0, 0, 32, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]),
        ];
        for mut whole in messages {
            for (index, byte) in &changes {
                let at = index.index(whole.bytes().len());
                whole.bytes_mut()[at] = *byte;
            }
            if let Ok(message) = Message::contiguous(whole.bytes(), &dialect) {
                use_up(&message);
            }
        }
    }

    #[test]
    fn arbitrary_listings_do_no_harm(bytes in vec(any::<u8>(), 0..700)) {
        walk(&bytes);
    }

    #[test]
    fn a_valid_listing_with_bytes_changed_does_no_harm(
        plus in any::<bool>(),
        lengths in vec(1..30usize, 1..8),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in 0..40usize,
    ) {
        let mut memory = Aligned::zeroed(2000);
        let mut writer = DirentWriter::new(memory.bytes_mut());
        for length in lengths {
            let bytes = vec![b'n'; length];
            let name = Name::new(&bytes).expect("a name");
            let fits = if plus { writer.add_plus(&EntryOut::default(), 1, 4, name) } else { writer.add(1, 1, 4, name) };
            assert!(fits);
        }
        let used = writer.len();
        let mut bytes = memory.bytes()[..used].to_vec();
        for (index, byte) in changes {
            let at = index.index(used);
            bytes[at] = byte;
        }
        walk(&bytes[..used.saturating_sub(cut)]);
    }
}

/// Walks as both kinds, over memory between two guards that must stay as they are, and replaces every entry.
fn walk(bytes: &[u8]) {
    const GUARD: [u8; 64] = [0xc3; 64];
    let plain = Aligned::new(bytes);
    let mut walker = DirentWalker::new(plain.bytes()).expect("aligned");
    let mut walked = 0;
    while let Ok(Some((dirent, name))) = walker.next_record() {
        walked += (24 + name.as_bytes().len()).next_multiple_of(8);
        assert_eq!(dirent.namelen as usize, name.as_bytes().len());
    }
    assert!(walked <= bytes.len());
    assert_eq!(plain.bytes(), bytes);

    let mut guarded = Aligned::new(&[&GUARD, bytes, &GUARD].concat());
    let inside = 64..64 + bytes.len();
    let mut walker = DirentPlusWalker::new(&mut guarded.bytes_mut()[inside.clone()]).expect("aligned");
    let mut walked = 0;
    while let Ok(Some(mut record)) = walker.next_record() {
        walked += (152 + record.name.as_bytes().len()).next_multiple_of(8);
        record.replace(&EntryOut {
            nodeid: u64::MAX,
            ..record.entry
        });
    }
    assert!(walked <= bytes.len());
    assert_eq!(guarded.bytes()[..64], GUARD);
    assert_eq!(guarded.bytes()[inside.end..], GUARD);
}

#[test]
fn the_generator_of_bodies_makes_requests_that_decode() {
    let mut runner = TestRunner::deterministic();
    let mut decoded = std::collections::BTreeSet::new();
    for _ in 0..20_000 {
        let whole = plausible()
            .new_tree(&mut runner)
            .expect("the strategy rejects nothing")
            .current();
        let dialect = Dialect {
            setxattr_ext: true,
            minor: 45,
        };
        if let Ok(message) = Message::contiguous(whole.bytes(), &dialect) {
            if message
                .decode()
                .is_ok_and(|operation| !matches!(operation, Operation::Init { .. }))
            {
                decoded.insert(message.opcode());
            }
        }
    }
    assert!(
        decoded.len() > 5,
        "only {decoded:?}: the hostile tests would exercise nothing but the first check"
    );
}
