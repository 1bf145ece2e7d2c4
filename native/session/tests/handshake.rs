//! How a session begins, and the ways in which it doesn't.

mod support;

use std::sync::Arc;
use std::time::Duration;

use ferrofuse_protocol::abi::{bytes_of, InitIn, InitOut};
use ferrofuse_protocol::Opcode;
use ferrofuse_session::{Config, Error, ErrorKind, Session};

use support::flat::{Door, Flat};
use support::kernel::{Kernel, ROOT};
use support::Watchdog;

fn establish(device: std::os::fd::OwnedFd) -> Result<Arc<Session<support::flat::Pages>>, Error> {
    let config = Config {
        init_deadline: Duration::from_millis(50),
        max_nodes: 16,
        ..Config::default()
    };
    Session::establish(device, config, &mut Door(Flat::with_files(&[])))
}

fn failure(device: std::os::fd::OwnedFd) -> Error {
    establish(device).err().expect("no session")
}

#[test]
fn a_silent_kernel_is_not_waited_for_longer_than_the_deadline() {
    let _watchdog = Watchdog::new();
    let (device, _kernel) = Kernel::pair();
    let error = failure(device);
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.to_string().contains("INIT"), "{error}");
}

#[test]
fn a_kernel_that_is_too_old_is_told_and_named() {
    let _watchdog = Watchdog::new();
    let (device, mut kernel) = Kernel::pair();
    kernel.send_init(30);
    let error = failure(device);
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("7.30"), "{error}");
    assert_eq!(kernel.receive().errno, libc::EPROTO);
}

#[test]
fn the_smaller_minor_version_is_spoken() {
    let _watchdog = Watchdog::new();
    for (theirs, spoken) in [(31, 31), (38, 38), (45, 45), (60, 45)] {
        let (device, mut kernel) = Kernel::pair();
        kernel.send_init(theirs);
        let session = establish(device).unwrap();
        assert_eq!(session.granted().minor, spoken);
        assert_eq!(kernel.receive_init().minor, spoken);
        session.finish(&mut Door(Flat::with_files(&[])));
    }
}

#[test]
fn a_newer_major_version_is_asked_to_speak_ours() {
    let _watchdog = Watchdog::new();
    let (device, mut kernel) = Kernel::pair();
    kernel.send(
        Opcode::Init,
        0,
        &[bytes_of(&InitIn {
            major: 8,
            ..InitIn::default()
        })],
    );
    kernel.send_init(45);
    let session = establish(device).unwrap();
    assert_eq!(kernel.receive().record::<InitOut>().major, 7);
    assert_eq!(kernel.receive_init().minor, 45);
    session.finish(&mut Door(Flat::with_files(&[])));
}

#[test]
fn a_first_message_that_is_not_init_is_refused() {
    let _watchdog = Watchdog::new();
    let (device, mut kernel) = Kernel::pair();
    kernel.send(Opcode::Statfs, ROOT, &[]);
    assert_eq!(failure(device).kind(), ErrorKind::Protocol);

    let (device, kernel) = Kernel::pair();
    kernel.send_raw(b"GET / HTTP/1.1");
    assert_eq!(failure(device).kind(), ErrorKind::Protocol);
}

#[test]
fn a_connection_that_is_gone_is_said_to_be() {
    let _watchdog = Watchdog::new();
    let (device, kernel) = Kernel::pair();
    drop(kernel);
    assert_eq!(failure(device).kind(), ErrorKind::Disconnected);
}

#[test]
fn a_file_system_that_refuses_to_start_fails_the_mount_with_its_errno() {
    let _watchdog = Watchdog::new();
    let (device, mut kernel) = Kernel::pair();
    kernel.send_init(45);
    let mut flat = Flat::with_files(&[]);
    Arc::get_mut(&mut flat).unwrap().refuse_init = true;
    let config = Config {
        max_nodes: 16,
        ..Config::default()
    };
    let error = Session::establish(device, config, &mut Door(flat)).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(kernel.receive().errno, libc::EACCES);
}
