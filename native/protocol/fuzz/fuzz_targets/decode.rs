//! Requests from any bytes. `cargo +nightly fuzz run decode`, in this folder's parent.
//!
//! The first 8 bytes choose the dialect and how much data lies elsewhere, the rest is the message. Its length field
//! is made right, so that the fuzzer does not spend its time on it.
#![no_main]

use ferrofuse_protocol::abi::{self, InHeader};
use ferrofuse_protocol::{Dialect, Extension, Message};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_at_checked(8) else {
        return;
    };
    let dialect = Dialect {
        setxattr_ext: choice[0] & 1 != 0,
        minor: if choice[0] & 2 != 0 { 45 } else { 37 },
    };
    let elsewhere = usize::from(choice[1]);

    // A heap block of exactly this size, so that the sanitizer sees a byte read beyond it. The allocator aligns it.
    let mut whole = bytes.to_vec().into_boxed_slice();
    let Some(length) = whole.first_chunk_mut::<4>() else {
        return;
    };
    *length = (bytes.len() as u32).to_ne_bytes();
    if let Ok(message) = Message::contiguous(&whole, &dialect) {
        use_up(&message);
    }
    if let Some(header) = abi::read_from::<InHeader>(&whole) {
        let body = &whole[size_of::<InHeader>()..];
        let (fixed, payload) = body.split_at(body.len().min(usize::from(choice[2])));
        if let Ok(message) = Message::from_parts(header, fixed, payload, 0, &dialect) {
            use_up(&message);
        }
    }
    if let Some(length) = whole.first_chunk_mut::<4>() {
        *length = ((bytes.len() + elsewhere) as u32).to_ne_bytes();
    }
    if let Ok(message) = Message::with_data_elsewhere(&whole, elsewhere, &dialect) {
        use_up(&message);
    }
});

/// Looks at every byte that the message claims to have.
fn use_up(message: &Message<'_>) {
    for extension in message.extensions() {
        match extension {
            Extension::Groups(groups) => assert_eq!(groups.len(), groups.count()),
            Extension::SecurityContexts(contexts) => {
                for label in contexts {
                    std::hint::black_box((label.name.as_bytes().to_vec(), label.value.to_vec()));
                }
            }
            Extension::Unknown(bytes) => assert!(!bytes.to_vec().is_empty()),
        }
    }
    match message.decode() {
        Ok(operation) => assert!(!format!("{operation:?}").is_empty()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
