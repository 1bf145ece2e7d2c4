//! File handles that outlive the kernel's memory of a node: look-ups of "." and "..", and what nodeids are then.

mod support;

use ferrofuse_protocol::abi::{bytes_of, init, EntryOut, ForgetIn, GetattrIn};
use ferrofuse_protocol::Opcode;
use ferrofuse_session::{Config, Key, Stale, Told, Wish};

use support::flat::{Flat, ROOT_KEY};
use support::kernel::{name, ROOT};
use support::running::Running;
use support::Watchdog;

fn started(resolves_dots: bool, config: Config) -> Running {
    let flat = Flat::with_files(&["a", "b"]);
    *flat.wish.lock().unwrap() = Wish {
        resolves_dots,
        ..Wish::default()
    };
    Running::start(&flat, 1, config)
}

fn forget(running: &mut Running, nodeid: u64, nlookup: u64) {
    running
        .kernel
        .send(Opcode::Forget, nodeid, &[bytes_of(&ForgetIn { nlookup })]);
}

fn key_of(running: &Running, file: &str) -> u64 {
    running.flat.get(|book| {
        let found = book.files.iter().find(|(_, known)| known.name == file);
        *found.unwrap().0
    })
}

fn look_up(running: &mut Running, nodeid: u64, what: &str) -> Result<EntryOut, i32> {
    let reply = running.kernel.ask(Opcode::Lookup, nodeid, &[&name(what)]);
    if reply.errno == 0 {
        Ok(reply.record())
    } else {
        Err(reply.errno)
    }
}

#[test]
fn a_forgotten_node_is_found_again_by_its_nodeid() {
    let _watchdog = Watchdog::new();
    let mut running = started(true, Config::default());
    assert_ne!(u64::from(running.init.flags) & init::EXPORT_SUPPORT, 0);
    let nodeid = running.lookup("a");
    let key = key_of(&running, "a");
    assert_eq!(nodeid, key, "the key names the node for ever");
    forget(&mut running, nodeid, 1);
    let stat = running
        .kernel
        .ask(Opcode::Getattr, nodeid, &[bytes_of(&GetattrIn::default())]);
    assert_eq!(stat.errno, libc::ESTALE, "a node that the kernel doesn't refer to");

    let found = look_up(&mut running, nodeid, ".").unwrap();
    assert_eq!(found.nodeid, nodeid);
    assert_eq!(look_up(&mut running, nodeid, "..").unwrap().nodeid, ROOT);
    let stat = running
        .kernel
        .ask(Opcode::Getattr, nodeid, &[bytes_of(&GetattrIn::default())]);
    assert_eq!(stat.errno, 0);
    assert_eq!(running.flat.lookups().get(&key), Some(&1));
    forget(&mut running, nodeid, 1);
    forget(&mut running, ROOT, 1);
    assert_eq!(look_up(&mut running, ROOT, ".").unwrap().nodeid, ROOT);
    assert!(!running.flat.lookups().contains_key(&key), "given back");
    running.stop();
}

#[test]
fn what_the_kernel_is_told_of_a_node_names_it_by_its_key() {
    let _watchdog = Watchdog::new();
    let mut running = started(true, Config::default());
    let nodeid = running.lookup("b");
    let told = running.session.inval_inode(Key(nodeid), Stale::Attributes);
    assert_eq!(told.unwrap(), Told::Done);
    let (_, body) = running.kernel.receive_notification();
    assert_eq!(body[..8], nodeid.to_ne_bytes());
    running.stop();
}

#[test]
fn the_handle_of_a_file_that_is_gone_or_never_was_is_stale() {
    let _watchdog = Watchdog::new();
    let mut running = started(true, Config::default());
    let nodeid = running.lookup("a");
    forget(&mut running, nodeid, 1);
    assert_eq!(running.kernel.ask(Opcode::Unlink, ROOT, &[&name("a")]).errno, 0);
    for nodeid in [nodeid, 0, 0xdead, u64::MAX] {
        assert_eq!(
            look_up(&mut running, nodeid, ".").err(),
            Some(libc::ESTALE),
            "{nodeid:#x}"
        );
    }
    running.stop();
}

#[test]
fn the_roots_key_and_node_one_change_places() {
    let _watchdog = Watchdog::new();
    // The file system's root has key 1; here a file's key is the root's, and key 1 an ordinary one.
    let flat = Flat::with_files(&["a"]);
    *flat.wish.lock().unwrap() = Wish {
        resolves_dots: true,
        ..Wish::default()
    };
    let config = Config {
        root_key: 4711,
        ..Config::default()
    };
    let mut running = Running::start(&flat, 1, config);
    // Of a root that the file system doesn't know it answers what a file is: here only the names of nodes matter.
    assert_eq!(look_up(&mut running, 4711, "..").map(|entry| entry.nodeid), Ok(4711));
    let stat = running
        .kernel
        .ask(Opcode::Getattr, 4711, &[bytes_of(&GetattrIn::default())]);
    assert_eq!(stat.errno, 0, "nodeid 4711 is key {ROOT_KEY}");
    running.stop();
}

#[test]
fn without_the_wish_a_forgotten_node_is_gone_and_dots_are_nobodys() {
    let _watchdog = Watchdog::new();
    let mut running = started(false, Config::default());
    assert_eq!(u64::from(running.init.flags) & init::EXPORT_SUPPORT, 0);
    let nodeid = running.lookup("a");
    assert_eq!(look_up(&mut running, nodeid, ".").err(), Some(libc::ESTALE));
    forget(&mut running, nodeid, 1);
    assert_eq!(look_up(&mut running, nodeid, ".").err(), Some(libc::ESTALE));
    assert_ne!(running.lookup("a"), nodeid, "another stay, another nodeid");
    running.stop();
}
