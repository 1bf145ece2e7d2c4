//! Particular requests: bytes written out by hand, and what is wrong with wrong ones.

mod common;

use common::{header, message, Aligned};
use ferrofuse_protocol::abi::{bytes_of, ext, ForgetOne, WriteIn};
use ferrofuse_protocol::{DecodeError, Dialect, Errno, Extension, Message, Name, NameError, NodeId, Opcode, Operation};

const DIALECT: Dialect = Dialect {
    setxattr_ext: true,
    minor: 45,
};

fn decode(whole: &Aligned) -> Result<Operation<'_>, DecodeError> {
    Message::contiguous(whole.bytes(), &DIALECT)?.decode()
}

fn refusal(opcode: Opcode, fixed: &[u8], payload: &[u8]) -> DecodeError {
    decode(&message(opcode, fixed, payload, &[])).expect_err("the message is wrong")
}

#[test]
#[cfg(target_endian = "little")]
fn a_lookup_as_the_kernel_sends_it() {
    #[rustfmt::skip]
    let bytes = [
        48, 0, 0, 0,                1, 0, 0, 0,             // length, opcode
        6, 0, 0, 0, 0, 0, 0, 0x80,                          // unique, sent again
        1, 0, 0, 0, 0, 0, 0, 0,                             // nodeid
        0xe8, 3, 0, 0,              100, 0, 0, 0,           // uid, gid
        77, 0, 0, 0,                0, 0,       0, 0,       // pid, extension length, padding
        b'h', b'e', 0xff, b'l', b'l', b'o', b'.', 0,
    ];
    let whole = Aligned::new(&bytes);
    let message = Message::contiguous(whole.bytes(), &DIALECT).expect("a valid message");
    assert_eq!(message.header.unique, 6 | ferrofuse_protocol::abi::UNIQUE_RESEND);
    assert_eq!(
        (message.header.nodeid, message.header.uid, message.header.gid),
        (NodeId::ROOT.0, 1000, 100)
    );
    assert_eq!(message.header.pid, 77);
    let name = Name::new(b"he\xffllo.").expect("a name");
    assert_eq!(message.decode(), Ok(Operation::Lookup { name }));
}

#[test]
#[cfg(target_endian = "little")]
fn a_rename2_as_the_kernel_sends_it() {
    #[rustfmt::skip]
    let body = [
        9, 0, 0, 0, 0, 0, 0, 0,     // new directory
        1, 0, 0, 0,     0, 0, 0, 0, // RENAME_NOREPLACE, padding
        b'a', 0, b'b', b'c', 0,
    ];
    let whole = message(Opcode::Rename2, &body[..16], &body[16..], &[]);
    let [name, new_name] = [&b"a"[..], b"bc"].map(|bytes| Name::new(bytes).expect("a name"));
    assert_eq!(
        decode(&whole),
        Ok(Operation::Rename {
            new_parent: NodeId(9),
            flags: 1,
            name,
            new_name
        })
    );
}

#[test]
fn bytes_shorter_than_a_header_are_refused() {
    let memory = Aligned::zeroed(39);
    assert_eq!(
        Message::contiguous(memory.bytes(), &DIALECT).err(),
        Some(DecodeError::NoHeader { got: 39 })
    );
    assert!(Message::contiguous(&[], &DIALECT).is_err());
}

#[test]
fn a_header_with_another_length_is_refused() {
    let mut whole = message(Opcode::Statfs, &[], &[], &[]);
    for wrong in [0u32, 39, 41, u32::MAX] {
        whole.bytes_mut()[..4].copy_from_slice(&wrong.to_ne_bytes());
        let expected = DecodeError::LengthMismatch {
            opcode: Opcode::Statfs.raw(),
            stated: wrong as usize,
            got: 40,
        };
        assert_eq!(decode(&whole), Err(expected));
    }
}

#[test]
fn a_buffer_off_its_alignment_is_refused() {
    let whole = message(Opcode::Statfs, &[], &[], &[]);
    let mut shifted = Aligned::zeroed(44);
    shifted.bytes_mut()[4..].copy_from_slice(whole.bytes());
    assert_eq!(
        Message::contiguous(&shifted.bytes()[4..], &DIALECT).err(),
        Some(DecodeError::Misaligned)
    );

    let list = [ForgetOne { nodeid: 2, nlookup: 1 }];
    let mut payload = Aligned::zeroed(20);
    payload.bytes_mut()[4..].copy_from_slice(bytes_of(&list[0]));
    let fixed = Aligned::new(&[1u32.to_ne_bytes(), [0; 4]].concat());
    let head = header(Opcode::BatchForget, 24);
    let message = Message::from_parts(&head, fixed.bytes(), &payload.bytes()[4..], 0, &DIALECT).expect("lengths agree");
    assert_eq!(message.decode(), Err(DecodeError::Misaligned));
}

#[test]
fn an_unknown_opcode_is_named_and_answered_with_enosys() {
    for unknown in [0u32, 7, 48, 49, 54, 4096, 436_207_616] {
        let mut whole = message(Opcode::Statfs, &[], &[], &[]);
        whole.bytes_mut()[4..8].copy_from_slice(&unknown.to_ne_bytes());
        let error = decode(&whole).expect_err("no such opcode");
        assert_eq!(error, DecodeError::UnknownOpcode(unknown));
        assert_eq!(error.errno(), Errno::ENOSYS);
    }
    assert_eq!(DecodeError::Misaligned.errno(), Errno::EIO);
}

#[test]
fn an_incomplete_record_is_named() {
    let expected = DecodeError::TooShort {
        opcode: Opcode::Read,
        needed: 40,
        got: 39,
    };
    assert_eq!(refusal(Opcode::Read, &[0; 39], &[]), expected);
    assert_eq!(expected.to_string(), "READ: the record has 39 bytes, 40 are needed");
}

#[test]
fn names_that_are_none_are_refused() {
    let reason = |opcode, fixed: &[u8], payload: &[u8]| match refusal(opcode, fixed, payload) {
        DecodeError::BadName { reason, .. } => reason,
        other => panic!("{other}"),
    };
    assert_eq!(reason(Opcode::Lookup, &[], b"\0"), NameError::Empty);
    assert_eq!(reason(Opcode::Lookup, &[], b""), NameError::Unterminated);
    assert_eq!(reason(Opcode::Lookup, &[], b"abc"), NameError::Unterminated);
    assert_eq!(reason(Opcode::Lookup, &[], b"a/b\0"), NameError::Slash);
    assert_eq!(reason(Opcode::Unlink, &[], b"..\0"), NameError::Dots);
    assert_eq!(reason(Opcode::Rename, &[0; 8], b"a\0.\0"), NameError::Dots);
    assert_eq!(reason(Opcode::Rename, &[0; 8], b"a\0b"), NameError::Unterminated);
    assert_eq!(reason(Opcode::Create, &[0; 16], b"/\0"), NameError::Slash);
    assert_eq!(reason(Opcode::Removexattr, &[], b"\0"), NameError::Empty);
}

#[test]
fn names_that_look_odd_are_taken_where_they_are_legal() {
    let name = |bytes| Name::new(bytes).expect("a name");
    assert_eq!(
        decode(&message(Opcode::Lookup, &[], b"..\0", &[])),
        Ok(Operation::Lookup { name: name(b"..") })
    );
    let removexattr = message(Opcode::Removexattr, &[], b"user.a/b\0", &[]);
    assert_eq!(
        decode(&removexattr),
        Ok(Operation::Removexattr {
            name: name(b"user.a/b")
        })
    );
    let tmpfile = message(Opcode::Tmpfile, &[0; 16], b"/\0", &[]);
    assert!(matches!(decode(&tmpfile), Ok(Operation::Tmpfile { name, .. }) if name.as_bytes() == b"/"));
    let symlink = message(Opcode::Symlink, &[], b"l\0../a/b\0", &[]);
    assert_eq!(
        decode(&symlink),
        Ok(Operation::Symlink {
            name: name(b"l"),
            target: b"../a/b"
        })
    );
}

#[test]
fn sizes_and_counts_that_differ_from_the_payload_are_refused() {
    let is_mismatch = |error| matches!(error, DecodeError::LengthMismatch { .. });
    let write = WriteIn {
        size: 4,
        ..Default::default()
    };
    assert!(is_mismatch(refusal(Opcode::Write, bytes_of(&write), b"123")));
    assert!(is_mismatch(refusal(Opcode::Write, bytes_of(&write), b"12345")));
    let many = [u32::MAX.to_ne_bytes(), [0; 4]].concat();
    assert!(is_mismatch(refusal(Opcode::BatchForget, &many, &[0; 16])));
    let setxattr = [3u32.to_ne_bytes(), [0; 4], [0; 4], [0; 4]].concat();
    assert!(is_mismatch(refusal(Opcode::Setxattr, &setxattr, b"user.x\0ab")));
    assert!(is_mismatch(refusal(Opcode::Statfs, &[], b"x")));
}

#[test]
fn data_elsewhere_is_for_operations_that_end_with_data() {
    let mut whole = message(Opcode::Statfs, &[], &[], &[]);
    whole.bytes_mut()[..4].copy_from_slice(&50u32.to_ne_bytes());
    let message = Message::with_data_elsewhere(whole.bytes(), 10, &DIALECT).expect("lengths agree");
    assert!(matches!(message.decode(), Err(DecodeError::LengthMismatch { .. })));
}

#[test]
fn data_elsewhere_has_the_length_that_the_record_states() {
    let write = WriteIn {
        size: 4,
        ..Default::default()
    };
    for elsewhere in [3, 5] {
        let mut whole = message(Opcode::Write, bytes_of(&write), &[], &[]);
        whole.bytes_mut()[..4].copy_from_slice(&(80 + elsewhere as u32).to_ne_bytes());
        let message = Message::with_data_elsewhere(whole.bytes(), elsewhere, &DIALECT).expect("lengths agree");
        let expected = DecodeError::LengthMismatch {
            opcode: Opcode::Write.raw(),
            stated: 4,
            got: elsewhere,
        };
        assert_eq!(message.decode(), Err(expected));
    }
}

#[test]
fn the_short_form_of_setxattr_is_spoken_unless_the_long_one_was_agreed() {
    let fixed = [1u32.to_ne_bytes(), 2u32.to_ne_bytes()].concat();
    let whole = message(Opcode::Setxattr, &fixed, b"user.x\0v", &[]);
    let short = Dialect {
        setxattr_ext: false,
        minor: 45,
    };
    let name = Name::new(b"user.x").expect("a name");
    assert_eq!(
        Message::contiguous(whole.bytes(), &short)
            .expect("a valid message")
            .decode(),
        Ok(Operation::Setxattr {
            size: 1,
            flags: 2,
            setxattr_flags: 0,
            name,
            value: b"v"
        })
    );
    assert!(decode(&whole).is_err());
}

fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_ne_bytes()).collect()
}

#[test]
fn extensions_are_cut_off_the_name_and_read_unaligned() {
    let groups = words(&[24, ext::GROUPS, 3, 10, 20, 30]);
    let label = [words(&[9, 0]), b"security.selinux\0label_t_x".to_vec(), vec![0; 6]].concat();
    let contexts = [words(&[8 + label.len() as u32, 1]), label].concat();
    let future = [words(&[16, 33]), vec![1; 8]].concat();
    let all = [groups, contexts, future.clone()].concat();
    // A name of 4 bytes leaves the extensions 4 bytes off an 8 byte boundary; one of 2 leaves them 2 off.
    for name in [&b"abc\0"[..], b"a\0"] {
        let whole = message(Opcode::Mkdir, &[0; 8], name, &all);
        let message = Message::contiguous(whole.bytes(), &DIALECT).expect("a valid message");
        let expected = Name::new(&name[..name.len() - 1]).expect("a name");
        assert!(matches!(message.decode(), Ok(Operation::Mkdir { name, .. }) if name == expected));

        let found: Vec<Extension<'_>> = message.extensions().collect();
        let [Extension::Groups(groups), Extension::SecurityContexts(contexts), Extension::Unknown(unknown)] = found[..]
        else {
            panic!("{found:?}")
        };
        assert_eq!(groups.len(), 3);
        assert_eq!(groups.collect::<Vec<u32>>(), [10, 20, 30]);
        assert_eq!(contexts.announced(), 1);
        let labels: Vec<(&[u8], &[u8])> = contexts.map(|label| (label.name.as_bytes(), label.value)).collect();
        assert_eq!(labels, [(&b"security.selinux"[..], &b"label_t_x"[..])]);
        assert_eq!(unknown, future);
    }
}

#[test]
fn malformed_extensions_end_the_iteration() {
    for malformed in [
        words(&[0, ext::GROUPS]),
        words(&[7, ext::GROUPS]),
        words(&[12, 33, 0, 0]),
        words(&[24, ext::GROUPS, 0, 0]),
        words(&[16, ext::GROUPS, 2, 0]),
        words(&[16, ext::GROUPS, u32::MAX, 0]),
    ] {
        let whole = message(Opcode::Mkdir, &[0; 8], b"a\0", &malformed);
        let message = Message::contiguous(whole.bytes(), &DIALECT).expect("a valid message");
        assert_eq!(
            message.extensions().collect::<Vec<_>>(),
            [Extension::Unknown(&malformed)]
        );
    }
    let label_too_long = words(&[24, 1, 100, 0, 0x61_61_61_61, 0]);
    let whole = message(Opcode::Mkdir, &[0; 8], b"a\0", &label_too_long);
    let message = Message::contiguous(whole.bytes(), &DIALECT).expect("a valid message");
    let Some(Extension::SecurityContexts(mut contexts)) = message.extensions().next() else {
        panic!("not contexts")
    };
    assert_eq!(contexts.next(), None);
}

#[test]
fn an_extension_length_beyond_the_payload_is_refused() {
    let mut whole = message(Opcode::Mkdir, &[0; 8], b"abc\0", &[]);
    whole.bytes_mut()[36..38].copy_from_slice(&1u16.to_ne_bytes());
    assert!(matches!(
        decode(&whole),
        Err(DecodeError::LengthMismatch { stated: 8, .. })
    ));
    // Before 7.38 these bytes are padding.
    let older = Dialect {
        setxattr_ext: false,
        minor: 37,
    };
    assert!(Message::contiguous(whole.bytes(), &older).is_ok_and(|message| message.decode().is_ok()));
}
