//! Directory listings from any bytes. `cargo +nightly fuzz run listing`, in this folder's parent.
#![no_main]

use ferrofuse_protocol::abi::EntryOut;
use ferrofuse_protocol::dirent::{DirentPlusWalker, DirentWalker};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // A heap block of exactly this size, so that the sanitizer sees a byte read or written beyond it.
    let mut listing = input.to_vec().into_boxed_slice();
    let mut walked = 0;
    if let Ok(mut walker) = DirentWalker::new(&listing) {
        while let Ok(Some((_, name))) = walker.next_record() {
            assert!(!name.as_bytes().contains(&b'/'));
            walked += (24 + name.as_bytes().len()).next_multiple_of(8);
        }
    }
    assert!(walked <= input.len());

    let mut walked = 0;
    if let Ok(mut walker) = DirentPlusWalker::new(&mut listing) {
        while let Ok(Some(mut record)) = walker.next_record() {
            assert!(!record.name.as_bytes().contains(&b'/'));
            walked += (152 + record.name.as_bytes().len()).next_multiple_of(8);
            record.replace(&EntryOut {
                nodeid: u64::MAX,
                ..record.entry
            });
        }
    }
    assert!(walked <= input.len());
});
