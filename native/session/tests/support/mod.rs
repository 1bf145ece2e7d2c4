//! What the conversation tests talk to: the kernel's side of a connection, a small file system, and a watchdog.
#![allow(dead_code, reason = "every test binary uses a part of it")]

pub(crate) mod flat;
pub(crate) mod isolated;
pub(crate) mod kernel;
pub(crate) mod running;

use std::process;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

/// Ends the process when a test hangs: a blocked worker can't be made to fail an assertion.
pub(crate) struct Watchdog(#[allow(dead_code, reason = "its end is the message")] Sender<()>);

impl Watchdog {
    pub(crate) fn new() -> Self {
        Self::lasting(Duration::from_secs(60))
    }

    pub(crate) fn lasting(limit: Duration) -> Self {
        let (alive, heard) = mpsc::channel();
        let test = thread::current().name().unwrap_or("a test").to_owned();
        thread::spawn(move || {
            if heard.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                eprintln!("{test} hangs");
                process::abort();
            }
        });
        Self(alive)
    }
}
