//! A process and a mount namespace of its own for a test that mounts.

use std::env;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::thread;

use super::Watchdog;

const ISOLATED: &str = "FERROFUSE_TEST_ISOLATED";

/// Runs the body so that whatever it leaves mounted is gone with it. Where there is an `obstacle`, it is said aloud that the
/// test was left out.
pub(crate) fn isolated(obstacle: impl FnOnce() -> Option<&'static str>, body: impl FnOnce()) {
    let _watchdog = Watchdog::new();
    if env::var_os(ISOLATED).is_some() {
        return body();
    }
    let name = thread::current()
        .name()
        .expect("the harness names its threads")
        .to_owned();
    if let Some(obstacle) = obstacle() {
        // Past the harness, which hides what a passing test prints.
        let mut terminal = io::stderr();
        writeln!(terminal, "\n*** SKIPPED {name}: {obstacle} ***").unwrap();
        return;
    }
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "--"])
        .arg(env::current_exe().unwrap())
        .args([&name, "--exact", "--nocapture", "--test-threads=1"])
        .env(ISOLATED, "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// What keeps a test from mounting with the privileges of root.
pub(crate) fn no_root_or_device() -> Option<&'static str> {
    // SAFETY: reads the process's credentials.
    let refused =
        unsafe { libc::geteuid() } != 0 || OpenOptions::new().read(true).write(true).open("/dev/fuse").is_err();
    refused.then_some("it needs root and /dev/fuse")
}
