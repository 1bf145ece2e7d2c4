//! Serves one kind of request so many times: `benches/instructions.py` counts the instructions of it under callgrind.
//!
//! Takes a request's name and a number. All that is counted runs inside [`ferrofuse_counted`]: one worker's receive,
//! decode, dispatch and reply, with a file system that does nothing. The whole process is one thread, since callgrind
//! confuses the counts of threads that hand over to each other by system calls: requests are sent before they are served.

mod support;

use std::env;

use ferrofuse_protocol::abi::{bytes_of, EntryOut, OpenIn};
use ferrofuse_protocol::Opcode;
use ferrofuse_session::{Concurrency, Session};

use support::kernel::{name, Kernel, Reply, ROOT};
use support::noop::{Noop, Page};
use support::{File, Request, NAME};

/// What fits into a socket's buffer with its replies, whatever the system's limits.
const MOST: usize = 16;

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
    let (Some(request), Ok(count @ 1..=MOST)) = (request, count.parse::<usize>()) else {
        panic!("usage: instructions read|write|getattr|lookup 1..={MOST}");
    };
    leave_highest_signal();
    // Sessions that begin alike give the same numbers to nodes and handles.
    let mut file = File { node: 0, fh: 0 };
    let lookup = |kernel: &mut Kernel| kernel.send(Opcode::Lookup, ROOT, &[&name(NAME)]);
    let replies = converse(1, |kernel| _ = lookup(kernel), plainly);
    file.node = replies[0].record::<EntryOut>().nodeid;
    let begin = |kernel: &mut Kernel| {
        lookup(kernel);
        kernel.send(Opcode::Open, file.node, &[bytes_of(&OpenIn::default())]);
    };
    let replies = converse(2, begin, plainly);
    file.fh = replies[1].record_at::<u64>(0);
    let all = |kernel: &mut Kernel| {
        begin(kernel);
        for _ in 0..count {
            request.send(kernel, file);
        }
    };
    let replies = converse(2 + count, all, |session, noop| ferrofuse_counted(session, noop));
    assert!(replies.iter().all(|reply| reply.errno == 0), "{request:?} is refused");
}

fn plainly(session: &Session<Page>, noop: &mut Noop) {
    session.serve(noop).expect("a worker");
}

/// A session with so many requests, which are all there when `serve` is called, and their replies.
fn converse(count: usize, send: impl FnOnce(&mut Kernel), serve: impl FnOnce(&Session<Page>, &mut Noop)) -> Vec<Reply> {
    let mut noop = Noop {
        concurrency: Concurrency::Serialized,
        gate: None,
    };
    let (session, mut kernel) = support::session(&mut noop);
    send(&mut kernel);
    kernel.stop_sending();
    serve(&session, &mut noop);
    let replies = (0..count).map(|_| kernel.pending().expect("a reply")).collect();
    assert!(session.finish(&mut noop));
    replies
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
