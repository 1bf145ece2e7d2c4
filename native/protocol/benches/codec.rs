//! Decoding of the frequent requests, and encoding of their answers and of a listing. No I/O.

#[path = "../tests/common/mod.rs"]
mod common;

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use ferrofuse_protocol::abi::{self, bytes_of, EntryOut, GetattrIn, ReadIn, WriteIn};
use ferrofuse_protocol::dirent::DirentWriter;
use ferrofuse_protocol::{reply, Dialect, Message, Name, Opcode};

use common::{message, Aligned};

const DIALECT: Dialect = Dialect {
    setxattr_ext: true,
    minor: 45,
};

/// The names of the listing have this many bytes.
const NAME: &[u8] = b"some-file.txt";

/// As they are read from the device.
fn requests() -> [(&'static str, Aligned); 5] {
    let write = WriteIn {
        size: 4096,
        ..WriteIn::default()
    };
    let name = [NAME, b"\0"].concat();
    let two_names = [8_u64.to_ne_bytes().as_slice(), &[0; 8]].concat();
    [
        ("read", message(Opcode::Read, bytes_of(&ReadIn::default()), &[], &[])),
        ("write", message(Opcode::Write, bytes_of(&write), &[7; 4096], &[])),
        (
            "getattr",
            message(Opcode::Getattr, bytes_of(&GetattrIn::default()), &[], &[]),
        ),
        ("lookup", message(Opcode::Lookup, &[], &name, &[])),
        (
            "rename",
            message(Opcode::Rename2, &two_names, &[name.clone(), name.clone()].concat(), &[]),
        ),
    ]
}

fn decoding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(1));
    for (label, request) in requests() {
        group.bench_function(label, |bencher| {
            bencher.iter(|| {
                let message = Message::contiguous(black_box(request.bytes()), &DIALECT).expect("a message");
                // Looked at, so that no part of it is left out.
                black_box(message.decode().expect("an operation"));
            });
        });
    }
    group.finish();
}

fn encoding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    group.throughput(Throughput::Elements(1));
    group.bench_function("header", |bencher| {
        bencher.iter(|| reply::header(black_box(42), None, black_box(4096)));
    });
    let name = Name::component(NAME).expect("a name");
    let entry = EntryOut {
        nodeid: 7,
        ..abi::zeroed()
    };
    let mut page = Aligned::zeroed(4096);
    let mut full = DirentWriter::new(page.bytes_mut());
    let mut records = 0;
    while full.add_plus(&entry, records, 8, name) {
        records += 1;
    }
    group.throughput(Throughput::Elements(records));
    group.bench_function("page of a listing with attributes", |bencher| {
        bencher.iter(|| {
            let mut listing = DirentWriter::new(page.bytes_mut());
            let mut next = 0;
            while listing.add_plus(black_box(&entry), next, 8, name) {
                next += 1;
            }
            assert_eq!(next, records);
        });
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    decoding(&mut criterion);
    encoding(&mut criterion);
    criterion.final_summary();
}
