//! Directory listings: what is written can be walked, and what nobody should write is refused.

mod common;

use common::Aligned;
use ferrofuse_protocol::abi::{bytes_of, Attr, Dirent, EntryOut, NAME_MAX};
use ferrofuse_protocol::dirent::{DirentError, DirentPlusWalker, DirentWalker, DirentWriter};
use ferrofuse_protocol::{Name, NameError};
use proptest::collection::vec;
use proptest::prelude::*;

fn name(bytes: &[u8]) -> &Name {
    Name::new(bytes).expect("a name")
}

fn entry(nodeid: u64) -> EntryOut {
    EntryOut {
        nodeid,
        generation: 3,
        attr: Attr {
            ino: nodeid + 100,
            ..Default::default()
        },
        ..Default::default()
    }
}

#[test]
#[cfg(target_endian = "little")]
fn a_record_is_laid_out_as_the_kernel_reads_it() {
    let mut memory = Aligned::new(&[0xaa; 40]);
    let mut writer = DirentWriter::new(memory.bytes_mut());
    assert!(writer.is_empty());
    assert!(writer.add(7, 1, 8, name(b"abc")));
    assert_eq!(writer.len(), 32);
    #[rustfmt::skip]
    let expected = [
        7, 0, 0, 0, 0, 0, 0, 0,         // inode number
        1, 0, 0, 0, 0, 0, 0, 0,         // cookie
        3, 0, 0, 0,     8, 0, 0, 0,     // name length, type
        b'a', b'b', b'c', 0, 0, 0, 0, 0,
        0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa,
    ];
    assert_eq!(memory.bytes(), expected);
}

#[test]
fn a_record_that_does_not_fit_leaves_the_listing_alone() {
    let mut memory = Aligned::new(&[0xaa; 32 + 31]);
    let mut writer = DirentWriter::new(memory.bytes_mut());
    assert!(writer.add(1, 1, 4, name(b"12345678")));
    assert!(!writer.add(2, 2, 4, name(b"1")));
    assert!(!writer.add_plus(&entry(2), 2, 4, name(b"1")));
    assert_eq!(writer.len(), 32);
    assert_eq!(&memory.bytes()[32..], [0xaa; 31]);
}

#[test]
fn entries_are_replaced_in_place() {
    let mut memory = Aligned::new(&[0xaa; 1000]);
    let mut writer = DirentWriter::new(memory.bytes_mut());
    for (key, bytes) in [(1, &b"."[..]), (20, b"twenty"), (0, b"no attributes")] {
        assert!(writer.add_plus(&entry(key), key + 1, 8, name(bytes)));
    }
    let used = writer.len();

    let mut walker = DirentPlusWalker::new(&mut memory.bytes_mut()[..used]).expect("aligned");
    let mut names = Vec::new();
    while let Some(mut record) = walker.next_record().expect("well formed") {
        names.push(record.name.as_bytes().to_vec());
        if !record.name.is_dots() && record.entry.nodeid != 0 {
            let replacement = EntryOut {
                nodeid: record.entry.nodeid * 1000,
                generation: 9,
                ..record.entry
            };
            record.replace(&replacement);
            assert_eq!(record.entry, replacement);
        }
    }
    assert_eq!(names, [&b"."[..], b"twenty", b"no attributes"]);

    let mut walker = DirentPlusWalker::new(&mut memory.bytes_mut()[..used]).expect("aligned");
    let mut seen = Vec::new();
    while let Some(record) = walker.next_record().expect("well formed") {
        let EntryOut {
            nodeid,
            generation,
            attr,
            ..
        } = record.entry;
        seen.push((nodeid, generation, attr.ino, record.dirent.ino, record.dirent.off));
    }
    assert_eq!(
        seen,
        [(1, 3, 101, 101, 2), (20_000, 9, 120, 120, 21), (0, 3, 100, 100, 1)]
    );
    assert_eq!(&memory.bytes()[used..], vec![0xaa; 1000 - used]);
}

/// A plain listing of one record, as a program without scruples writes it.
fn forged(namelen: u32, tail: &[u8]) -> Aligned {
    let dirent = Dirent {
        ino: 1,
        off: 1,
        namelen,
        r#type: 8,
    };
    Aligned::new(&[bytes_of(&dirent), tail].concat())
}

fn verdict(listing: Aligned) -> Result<(), DirentError> {
    DirentWalker::new(listing.bytes())?.validate()
}

#[test]
fn malformed_records_are_refused() {
    let bad = |reason| Err(DirentError::BadName { offset: 0, reason });
    let truncated = Err(DirentError::Truncated { offset: 0 });
    assert_eq!(verdict(forged(3, b"abc\0\0\0\0\0")), Ok(()));
    assert_eq!(verdict(forged(3, b"a/c\0\0\0\0\0")), bad(NameError::Slash));
    assert_eq!(verdict(forged(3, b"a\0c\0\0\0\0\0")), bad(NameError::Nul));
    assert_eq!(verdict(forged(0, b"")), bad(NameError::Empty));
    assert_eq!(verdict(forged(3, b"abc")), truncated);
    assert_eq!(verdict(forged(9, b"abcdefgh")), truncated);
    assert_eq!(verdict(forged(u32::MAX, b"abcdefgh")), bad(NameError::TooLong));
    assert_eq!(
        verdict(forged(NAME_MAX as u32 + 1, &[b'x'; NAME_MAX + 8])),
        bad(NameError::TooLong)
    );
    assert_eq!(verdict(forged(NAME_MAX as u32, &[b'x'; NAME_MAX])), Ok(()));
    assert_eq!(verdict(Aligned::zeroed(23)), truncated);
    assert_eq!(verdict(Aligned::zeroed(0)), Ok(()));
}

#[test]
fn what_lies_behind_the_listing_is_not_looked_at() {
    let mut memory = Aligned::new(&[0xff; 400]);
    for end in [1, 23, 151] {
        let mut walker = DirentPlusWalker::new(&mut memory.bytes_mut()[..end]).expect("aligned");
        assert_eq!(walker.next_record().err(), Some(DirentError::Truncated { offset: 0 }));
    }
    for end in [1, 15, 23] {
        let mut walker = DirentWalker::new(&memory.bytes()[..end]).expect("aligned");
        assert_eq!(walker.next_record().err(), Some(DirentError::Truncated { offset: 0 }));
    }
}

#[test]
fn an_error_names_the_record_and_ends_the_walk() {
    let good = forged(3, b"abc\0\0\0\0\0");
    let listing = Aligned::new(&[good.bytes(), forged(1, b"/\0\0\0\0\0\0\0").bytes(), good.bytes()].concat());
    let mut walker = DirentWalker::new(listing.bytes()).expect("aligned");
    assert!(walker
        .next_record()
        .is_ok_and(|record| record.is_some_and(|(_, name)| name.as_bytes() == b"abc")));
    let error = DirentError::BadName {
        offset: 32,
        reason: NameError::Slash,
    };
    assert_eq!(walker.next_record().err(), Some(error));
    assert_eq!(
        error.to_string(),
        "directory listing: record at byte 32: the name contains a slash"
    );
    assert!(walker.next_record().is_ok_and(|record| record.is_none()));
}

#[test]
fn a_misaligned_listing_is_refused() {
    let mut memory = Aligned::zeroed(64);
    assert_eq!(
        DirentWalker::new(&memory.bytes()[4..]).err(),
        Some(DirentError::Misaligned)
    );
    assert_eq!(
        DirentPlusWalker::new(&mut memory.bytes_mut()[1..]).err(),
        Some(DirentError::Misaligned)
    );
}

#[derive(Clone, Debug)]
struct Item {
    nodeid: u64,
    next: u64,
    kind: u32,
    name: Vec<u8>,
}

fn items() -> impl Strategy<Value = Vec<Item>> {
    let byte = any::<u8>().prop_map(|byte| if matches!(byte, 0 | b'/') { b'x' } else { byte });
    let item =
        (0..u64::MAX - 100, any::<u64>(), 0..16u32, vec(byte, 1..300)).prop_map(|(nodeid, next, kind, name)| Item {
            nodeid,
            next,
            kind,
            name,
        });
    vec(item, 0..20)
}

proptest! {
    #[test]
    fn what_was_written_is_what_is_walked(items in items(), room in 0..4096usize) {
        let mut memory = Aligned::zeroed(room);
        let mut writer = DirentWriter::new(memory.bytes_mut());
        let fitting = items.iter().take_while(|item| writer.add(item.nodeid, item.next, item.kind, name(&item.name)));
        let written = &items[..fitting.count()];
        let used = writer.len();
        prop_assert_eq!(used % 8, 0);
        let mut walker = DirentWalker::new(&memory.bytes()[..used]).expect("aligned");
        for item in written {
            let (dirent, found) = walker.next_record().expect("well formed").expect("as many as were written");
            let namelen = item.name.len() as u32;
            prop_assert_eq!(dirent, Dirent { ino: item.nodeid, off: item.next, namelen, r#type: item.kind });
            prop_assert_eq!(found.as_bytes(), &item.name[..]);
        }
        prop_assert_eq!(walker.next_record(), Ok(None));

        let mut writer = DirentWriter::new(memory.bytes_mut());
        let fitting = items.iter().take_while(|item| writer.add_plus(&entry(item.nodeid), item.next, item.kind, name(&item.name)));
        let written = &items[..fitting.count()];
        let used = writer.len();
        let mut walker = DirentPlusWalker::new(&mut memory.bytes_mut()[..used]).expect("aligned");
        for item in written {
            let record = walker.next_record().expect("well formed").expect("as many as were written");
            prop_assert_eq!(record.entry, entry(item.nodeid));
            prop_assert_eq!((record.dirent.off, record.name.as_bytes()), (item.next, &item.name[..]));
        }
        prop_assert!(walker.next_record().is_ok_and(|record| record.is_none()));
    }
}
