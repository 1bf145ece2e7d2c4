//! What the engine adds to a request: receive, decode, dispatch and reply, with a file system that does nothing and a
//! socket in the kernel's place.
//!
//! A batch of requests lies in the socket before the first of them is served, so nobody is woken in between: what is timed
//! is one worker and its two system calls per request.

mod support;

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use ferrofuse_protocol::Opcode;
use ferrofuse_session::Concurrency;

use support::kernel::{name, Kernel, ROOT};
use support::noop::{Gate, Noop};
use support::{File, Request};

/// Requests that fit into a socket's buffer with their replies, whatever the system's limits.
const BATCH: u32 = 16;

struct Batches {
    kernel: Kernel,
    file: File,
    open: Sender<()>,
    passed: Receiver<Instant>,
}

impl Batches {
    /// How long a worker takes for a batch of one kind of request.
    fn run(&mut self, request: Request) -> Duration {
        self.kernel.send(Opcode::Lookup, ROOT, &[&name(Gate::BEGIN)]);
        for _ in 0..BATCH {
            request.send(&mut self.kernel, self.file);
        }
        self.kernel.send(Opcode::Lookup, ROOT, &[&name(Gate::END)]);
        self.open.send(()).expect("a worker");
        let passed = || self.passed.recv().expect("a worker");
        let began = passed();
        let took = passed() - began;
        for _ in 0..BATCH + 2 {
            assert_eq!(self.kernel.receive().errno, 0);
        }
        // The reply to the first request, and the receipt of the last one, are one more.
        took * BATCH / (BATCH + 1)
    }
}

fn requests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request");
    group.throughput(Throughput::Elements(1));
    for (concurrency, label) in [
        (Concurrency::Serialized, "serialized"),
        (Concurrency::Concurrent, "concurrent"),
    ] {
        let (open, opened) = mpsc::channel();
        let (pass, passed) = mpsc::channel();
        let mut noop = Noop {
            concurrency,
            gate: Some(Gate {
                open: opened,
                passed: pass,
            }),
        };
        let (session, mut kernel) = support::session(&mut noop);
        let serving = Arc::clone(&session);
        let worker = thread::spawn(move || {
            serving.serve(&mut noop).expect("a worker");
            assert!(serving.finish(&mut noop));
        });
        let file = File::open(&mut kernel);
        let mut batches = Batches {
            kernel,
            file,
            open,
            passed,
        };
        for request in Request::ALL {
            let gated = matches!(request, Request::Read | Request::Write);
            if !gated && concurrency != Concurrency::Serialized {
                // No handle is involved.
                continue;
            }
            let label = if gated { label } else { "no handle" };
            group.bench_function(format!("{}/{label}", request.name()), |bencher| {
                bencher.iter_custom(|count| {
                    let batches_of_it = count.div_ceil(BATCH.into());
                    let took: Duration = (0..batches_of_it).map(|_| batches.run(request)).sum();
                    // As many as were asked for, of a few more that were made.
                    took.mul_f64(count as f64 / (batches_of_it * u64::from(BATCH)) as f64)
                });
            });
        }
        session.stop();
        worker.join().expect("a worker");
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    requests(&mut criterion);
    criterion.final_summary();
}
