//! Serves one kind of request so many times: `benches/instructions.py` counts the instructions of it under callgrind.
//!
//! Takes a request's name and a number. All that is counted runs inside [`ferrofuse_counted`]: one worker's receive,
//! decode, dispatch and reply, with a file system that does nothing. Everything else, the kernel's side included, is on
//! another thread.

mod support;

use std::env;
use std::thread;

use ferrofuse_session::{Concurrency, Session};

use support::kernel::Kernel;
use support::noop::{Noop, Page};
use support::{File, Request};

/// The name that callgrind is told.
#[no_mangle]
#[inline(never)]
extern "C" fn ferrofuse_counted(session: &Session<Page>, noop: &mut Noop) {
    session.serve(noop).expect("a worker");
}

fn main() {
    // cargo bench adds "--bench", and runs every bench: without a request there is nothing to do.
    let words: Vec<_> = env::args().skip(1).filter(|word| word != "--bench").collect();
    let [request, count] = words.as_slice() else {
        eprintln!("instructions are counted by benches/instructions.py");
        return;
    };
    let request = Request::ALL.into_iter().find(|known| known.name() == request);
    let (Some(request), Ok(count)) = (request, count.parse::<u32>()) else {
        panic!("usage: instructions read|write|getattr|lookup COUNT");
    };
    leave_highest_signal();
    let mut noop = Noop {
        concurrency: Concurrency::Serialized,
        gate: None,
    };
    let (session, kernel) = support::session(&mut noop);
    let client = thread::spawn(move || ask(kernel, request, count));
    ferrofuse_counted(&session, &mut noop);
    client.join().expect("all was answered");
    assert!(session.finish(&mut noop));
}

/// The session ends with the connection.
fn ask(mut kernel: Kernel, request: Request, count: u32) {
    let file = File::open(&mut kernel);
    for _ in 0..count {
        let unique = request.send(&mut kernel, file);
        let reply = kernel.receive();
        assert_eq!((reply.unique, reply.errno), (unique, 0));
    }
}

/// valgrind keeps the highest real-time signal for itself, and the engine takes the highest that is free.
fn leave_highest_signal() {
    #[cfg(target_env = "gnu")]
    {
        unsafe extern "C" {
            /// Takes the highest (0) or the lowest (1) signal out of the range that the C library tells of.
            fn __libc_allocate_rtsig(lowest: libc::c_int) -> libc::c_int;
        }
        // SAFETY: no memory is involved.
        unsafe { __libc_allocate_rtsig(0) };
    }
}
