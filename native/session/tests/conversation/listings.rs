//! Listings, whose entries count as lookups, and what takes many lookups back.

use super::*;

#[test]
fn a_listing_with_attributes_counts_what_it_hands_out() {
    let _watchdog = Watchdog::new();
    let mut running = one_worker(&["a", "bare", "c"]);
    let a = running.lookup("a");
    let open: OpenOut = running
        .kernel
        .ask(Opcode::Opendir, ROOT, &[bytes_of(&OpenIn::default())])
        .record();
    let read = ReadIn {
        fh: open.fh,
        size: 4096,
        ..ReadIn::default()
    };
    let listing = plus_records(&running.kernel.ask(Opcode::Readdirplus, ROOT, &[bytes_of(&read)]).body);
    let names: Vec<&str> = listing.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, [".", "a", "bare", "c"]);
    assert_eq!((listing[0].1, listing[1].1, listing[2].1), (0, a, 0));
    assert_eq!(running.flat.lookups(), HashMap::from([(10, 2), (12, 1)]));

    let plain = running.kernel.ask(Opcode::Readdir, ROOT, &[bytes_of(&read)]);
    assert!(plain.errno == 0 && !plain.body.is_empty());
    assert_eq!(
        running.flat.lookups(),
        HashMap::from([(10, 2), (12, 1)]),
        "READDIR counts nothing"
    );

    let fsync = FsyncIn {
        fh: open.fh,
        ..FsyncIn::default()
    };
    assert_eq!(running.kernel.ask(Opcode::Fsyncdir, ROOT, &[bytes_of(&fsync)]).errno, 0);
    let forget = [
        ForgetOne { nodeid: a, nlookup: 2 },
        ForgetOne {
            nodeid: listing[3].1,
            nlookup: 1,
        },
    ];
    let head = BatchForgetIn { count: 2, dummy: 0 };
    running
        .kernel
        .send(Opcode::BatchForget, 0, &[bytes_of(&head), bytes_of(&forget)]);
    let release = ReleaseIn {
        fh: open.fh,
        ..ReleaseIn::default()
    };
    assert_eq!(
        running
            .kernel
            .ask(Opcode::Releasedir, ROOT, &[bytes_of(&release)])
            .errno,
        0
    );
    assert_eq!(running.flat.lookups(), HashMap::new());
    running.stop();
}

#[test]
fn a_listing_that_is_cut_off_is_an_error_and_hands_nothing_out() {
    let _watchdog = Watchdog::new();
    let mut running = one_worker(&["a", "b", "cut"]);
    let open: OpenOut = running
        .kernel
        .ask(Opcode::Opendir, ROOT, &[bytes_of(&OpenIn::default())])
        .record();
    let read = ReadIn {
        fh: open.fh,
        size: 4096,
        ..ReadIn::default()
    };
    assert_eq!(
        running.kernel.ask(Opcode::Readdirplus, ROOT, &[bytes_of(&read)]).errno,
        libc::EIO
    );
    assert_eq!(
        running.flat.lookups(),
        HashMap::from([(12, 1)]),
        "the record that can't be read"
    );
    running.stop();
}

#[test]
fn a_batch_of_forgets_larger_than_the_head_is_read_to_its_end() {
    let _watchdog = Watchdog::new();
    let files: Vec<String> = (0..2000).map(|n| format!("f{n}")).collect();
    let mut running = one_worker(&files.iter().map(String::as_str).collect::<Vec<_>>());
    let forgets: Vec<u8> = files
        .iter()
        .flat_map(|file| {
            bytes_of(&ForgetOne {
                nodeid: running.lookup(file),
                nlookup: 1,
            })
            .to_vec()
        })
        .collect();
    assert_eq!(running.flat.lookups().len(), 2000);
    let head = BatchForgetIn { count: 2000, dummy: 0 };
    running
        .kernel
        .send(Opcode::BatchForget, 0, &[bytes_of(&head), &forgets]);
    assert_eq!(running.kernel.ask(Opcode::Statfs, ROOT, &[]).errno, 0);
    assert_eq!(running.flat.lookups(), HashMap::new());
    running.stop();
}
