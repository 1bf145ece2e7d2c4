//! One io_uring of 128-byte submission entries, by its three system calls (io_uring_setup(2), io_uring_enter(2)).
//!
//! Used by the thread that made it, which alone submits and waits; others may look whether everything was submitted.
//! Written out because the kernel's FUSE commands need fields of the entry (`addr` and `len` beside 80 command bytes)
//! and the ring's head, which wrappers hide. Knows nothing of FUSE.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

// Numbers of <linux/io_uring.h>.
const SETUP_CQSIZE: u32 = 1 << 3;
const SETUP_SUBMIT_ALL: u32 = 1 << 7;
const SETUP_SQE128: u32 = 1 << 10;
const SETUP_SINGLE_ISSUER: u32 = 1 << 12;
const SETUP_DEFER_TASKRUN: u32 = 1 << 13;
const SETUP_NO_SQARRAY: u32 = 1 << 16;
const FEAT_SINGLE_MMAP: u32 = 1 << 0;
const ENTER_GETEVENTS: u32 = 1 << 0;
const OFF_SQ_RING: i64 = 0;
const OFF_SQES: i64 = 0x1000_0000;
const OP_POLL_ADD: u8 = 6;
const OP_URING_CMD: u8 = 46;

/// `struct io_uring_params`.
#[repr(C)]
#[derive(Default)]
struct Params {
    sq_entries: u32,
    cq_entries: u32,
    flags: u32,
    sq_thread_cpu: u32,
    sq_thread_idle: u32,
    features: u32,
    wq_fd: u32,
    resv: [u32; 3],
    sq_off: Offsets,
    cq_off: Offsets,
}

/// `struct io_sqring_offsets`, and `struct io_cqring_offsets`, whose `overflow` and `cqes` are in the places of `flags` and
/// `dropped`.
#[repr(C)]
#[derive(Default)]
struct Offsets {
    head: u32,
    tail: u32,
    ring_mask: u32,
    ring_entries: u32,
    flags: u32,
    dropped: u32,
    array: u32,
    resv1: u32,
    user_addr: u64,
}

/// `struct io_uring_sqe` with `IORING_SETUP_SQE128`, as a `IORING_OP_URING_CMD` has it.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Submission {
    opcode: u8,
    flags: u8,
    ioprio: u16,
    fd: RawFd,
    cmd_op: u32,
    pad: u32,
    addr: u64,
    len: u32,
    op_flags: u32,
    user_data: u64,
    buf_index: u16,
    personality: u16,
    splice_fd_in: i32,
    command: [u8; COMMAND],
}

/// Bytes of a command's own area.
const COMMAND: usize = 80;

impl Submission {
    fn new(opcode: u8, fd: RawFd, user_data: u64) -> Self {
        Self {
            opcode,
            flags: 0,
            ioprio: 0,
            fd,
            cmd_op: 0,
            pad: 0,
            addr: 0,
            len: 0,
            op_flags: 0,
            user_data,
            buf_index: 0,
            personality: 0,
            splice_fd_in: 0,
            command: [0; COMMAND],
        }
    }

    /// A command that the driver behind `fd` understands: its number, its own area, and the address and count of
    /// vectors.
    ///
    /// # Safety
    /// What `vectors` point to stays valid as long as the driver uses it.
    pub(crate) unsafe fn command(fd: RawFd, number: u32, area: &[u8], vectors: &[libc::iovec], user_data: u64) -> Self {
        let mut submission = Self::new(OP_URING_CMD, fd, user_data);
        submission.cmd_op = number;
        submission.command[..area.len()].copy_from_slice(area);
        if !vectors.is_empty() {
            submission.addr = vectors.as_ptr() as u64;
            submission.len = vectors.len() as u32;
        }
        submission
    }

    /// Completes once `fd` is readable.
    pub(crate) fn poll(fd: RawFd, user_data: u64) -> Self {
        let mut submission = Self::new(OP_POLL_ADD, fd, user_data);
        // `poll32_events`: its halves change places on big-endian machines.
        let events = libc::POLLIN as u32;
        submission.op_flags = if cfg!(target_endian = "big") {
            events.rotate_left(16)
        } else {
            events
        };
        submission
    }
}

/// What became of a submission: `struct io_uring_cqe`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Completion {
    pub(crate) user_data: u64,
    /// 0 or more, or a negative errno.
    pub(crate) result: i32,
    flags: u32,
}

/// A shared mapping of the ring's memory.
#[derive(Debug)]
struct Mapping {
    start: *mut u8,
    len: usize,
}

// SAFETY: a mapping belongs to no thread; who reads and writes what in it is said at each access.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(fd: RawFd, len: usize, offset: i64) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_POPULATE;
        // SAFETY: a new mapping, wherever the kernel likes.
        let start = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, fd, offset) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            start: start.cast(),
            len,
        })
    }

    fn word(&self, offset: u32) -> io::Result<&AtomicU32> {
        let offset = offset as usize;
        if offset % 4 != 0 || offset + 4 > self.len {
            return Err(io::ErrorKind::InvalidData.into());
        }
        // SAFETY: aligned, inside the mapping, which lives as long as `self`; kernel and user space only access it as a
        // word.
        Ok(unsafe { &*self.start.add(offset).cast::<AtomicU32>() })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: nobody refers to the mapping any more.
        unsafe { libc::munmap(self.start.cast(), self.len) };
    }
}

/// What can be seen of a ring from outside: whether all of its submissions were carried out.
#[derive(Clone, Debug)]
pub(crate) struct Submitted {
    mapping: Arc<Mapping>,
    head: u32,
    tail: u32,
}

impl Submitted {
    /// Whether the kernel has taken everything that was put into the ring. A FUSE command is carried out as it is taken.
    pub(crate) fn is_all(&self) -> bool {
        let [head, tail] = [self.head, self.tail].map(|offset| self.mapping.word(offset));
        match (head, tail) {
            // The tail first: it never passes what is put in later.
            (Ok(head), Ok(tail)) => {
                let tail = tail.load(Ordering::Acquire);
                head.load(Ordering::Acquire).wrapping_sub(tail) as i32 >= 0
            }
            _ => true,
        }
    }
}

/// One io_uring. Belongs to the thread that made it.
#[derive(Debug)]
pub(crate) struct Ring {
    fd: OwnedFd,
    rings: Arc<Mapping>,
    entries: Mapping,
    sq: Queue,
    cq: Queue,
    cqes: u32,
    /// Put in and not yet submitted.
    unsubmitted: u32,
}

/// Where a queue's words lie, checked.
#[derive(Clone, Copy, Debug)]
struct Queue {
    head: u32,
    tail: u32,
    mask: u32,
    entries: u32,
}

impl Ring {
    /// A ring for up to `depth` commands at a time, made for one thread: the kernel does all its work for the ring while
    /// that thread waits in it.
    ///
    /// # Errors
    /// `ENOSYS`, `EPERM`: there is no io_uring, or not for this user. `EINVAL`: it can't do this (before Linux 6.1).
    /// `ENOMEM`, `EMFILE`: what it takes is used up.
    pub(crate) fn new(depth: u32) -> io::Result<Self> {
        let wanted = SETUP_SUBMIT_ALL | SETUP_SQE128 | SETUP_SINGLE_ISSUER | SETUP_DEFER_TASKRUN;
        // Without the array of indices there is a cache line less to write. Since Linux 6.6.
        match Self::with_flags(depth, wanted | SETUP_NO_SQARRAY) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Self::with_flags(depth, wanted),
            made => made,
        }
    }

    /// A ring that any thread may use, one at a time.
    pub(crate) fn shared() -> io::Result<Self> {
        Self::with_flags(1, SETUP_SUBMIT_ALL | SETUP_SQE128)
    }

    fn with_flags(depth: u32, flags: u32) -> io::Result<Self> {
        let depth = depth.max(1).next_power_of_two();
        let mut params = Params {
            flags: flags | SETUP_CQSIZE,
            cq_entries: (4 * depth).max(8),
            ..Params::default()
        };
        // SAFETY: the kernel reads and writes one `Params`.
        let made = unsafe { libc::syscall(libc::SYS_io_uring_setup, depth, &raw mut params) };
        if made < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `made` was just opened and nobody else knows it. io_uring's descriptors are close-on-exec.
        let fd = unsafe { OwnedFd::from_raw_fd(made as RawFd) };
        if params.features & FEAT_SINGLE_MMAP == 0 {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let cq_end = params.cq_off.dropped as usize + params.cq_entries as usize * size_of::<Completion>();
        let has_array = flags & SETUP_NO_SQARRAY == 0;
        let sq_end = params.sq_off.array as usize + params.sq_entries as usize * size_of::<u32>();
        let len = cq_end.max(if has_array { sq_end } else { 0 });
        let rings = Mapping::new(fd.as_raw_fd(), len, OFF_SQ_RING)?;
        let entries = params.sq_entries as usize * size_of::<Submission>();
        let entries = Mapping::new(fd.as_raw_fd(), entries, OFF_SQES)?;
        if has_array {
            for index in 0..params.sq_entries {
                let word = rings.word(params.sq_off.array + 4 * index)?;
                word.store(index, Ordering::Relaxed);
            }
        }
        let queue = |offsets: &Offsets, entries: u32| {
            rings.word(offsets.head)?;
            rings.word(offsets.tail)?;
            Ok::<_, io::Error>(Queue {
                head: offsets.head,
                tail: offsets.tail,
                mask: entries - 1,
                entries,
            })
        };
        Ok(Self {
            sq: queue(&params.sq_off, params.sq_entries)?,
            cq: queue(&params.cq_off, params.cq_entries)?,
            cqes: params.cq_off.dropped,
            rings: Arc::new(rings),
            entries,
            fd,
            unsubmitted: 0,
        })
    }

    fn word(&self, offset: u32) -> &AtomicU32 {
        // SAFETY: `with_flags` has looked up this offset, and nothing has changed since.
        unsafe { &*self.rings.start.add(offset as usize).cast::<AtomicU32>() }
    }

    /// Puts a submission into the ring. `false`: the ring is full.
    pub(crate) fn push(&mut self, submission: &Submission) -> bool {
        // The tail is ours alone to write.
        let tail = self.word(self.sq.tail).load(Ordering::Relaxed);
        let head = self.word(self.sq.head).load(Ordering::Acquire);
        if tail.wrapping_sub(head) >= self.sq.entries {
            return false;
        }
        let index = (tail & self.sq.mask) as usize;
        // SAFETY: the place is inside the mapping, and the kernel has no business there before the tail says so.
        unsafe { self.entries.start.cast::<Submission>().add(index).write(*submission) };
        self.word(self.sq.tail).store(tail.wrapping_add(1), Ordering::Release);
        self.unsubmitted += 1;
        true
    }

    /// Submits what was put in, and waits for `wait` completions. May return with fewer after a signal.
    pub(crate) fn enter(&mut self, wait: u32) -> io::Result<()> {
        self.call(wait, if wait > 0 { ENTER_GETEVENTS } else { 0 })
    }

    /// Submits what was put in, and has the kernel complete what it has begun to. Does not wait.
    pub(crate) fn settle(&mut self) -> io::Result<()> {
        self.call(0, ENTER_GETEVENTS)
    }

    fn call(&mut self, wait: u32, flags: u32) -> io::Result<()> {
        // SAFETY: no memory of ours but the rings is involved.
        let submitted = unsafe {
            libc::syscall(
                libc::SYS_io_uring_enter,
                self.fd.as_raw_fd(),
                self.unsubmitted,
                wait,
                flags,
                ptr::null::<libc::sigset_t>(),
                0_usize,
            )
        };
        if submitted >= 0 {
            self.unsubmitted -= (submitted as u32).min(self.unsubmitted);
            return Ok(());
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            // Nothing was submitted, or it returned what was submitted.
            Some(libc::EINTR) => Ok(()),
            _ => Err(error),
        }
    }

    /// The next completion, if there is one.
    pub(crate) fn pop(&mut self) -> Option<Completion> {
        let head = self.word(self.cq.head).load(Ordering::Relaxed);
        if head == self.word(self.cq.tail).load(Ordering::Acquire) {
            return None;
        }
        let index = (head & self.cq.mask) as usize;
        // SAFETY: inside the mapping; the kernel has written it before it moved the tail, and won't again before the head
        // is moved.
        let completion = unsafe {
            let cqes = self.rings.start.add(self.cqes as usize).cast::<Completion>();
            cqes.add(index).read()
        };
        self.word(self.cq.head).store(head.wrapping_add(1), Ordering::Release);
        Some(completion)
    }

    /// A view for others.
    pub(crate) fn submitted(&self) -> Submitted {
        Submitted {
            mapping: Arc::clone(&self.rings),
            head: self.sq.head,
            tail: self.sq.tail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::wake::EventFd;
    use super::*;
    use std::os::fd::AsRawFd;

    /// `None`, said loudly, where the machine has no io_uring.
    fn ring(depth: u32) -> Option<Ring> {
        match Ring::new(depth) {
            Ok(ring) => Some(ring),
            Err(error) => {
                eprintln!("*** SKIPPED: io_uring can't be used: {error} ***");
                None
            }
        }
    }

    #[test]
    fn records_have_the_sizes_of_the_kernel_header() {
        assert_eq!(size_of::<Params>(), 120);
        assert_eq!(size_of::<Submission>(), 128);
        assert_eq!(size_of::<Completion>(), 16);
        assert_eq!(std::mem::offset_of!(Submission, addr), 16);
        assert_eq!(std::mem::offset_of!(Submission, user_data), 32);
        assert_eq!(std::mem::offset_of!(Submission, command), 48);
    }

    #[test]
    fn what_is_polled_completes_when_it_is_signalled_and_a_full_ring_takes_no_more() {
        let Some(mut ring) = ring(2) else { return };
        let view = ring.submitted();
        let bells = [(); 2].map(|()| EventFd::new().unwrap());
        for (bell, number) in bells.iter().zip(1..) {
            assert!(ring.push(&Submission::poll(bell.as_raw_fd(), number)));
        }
        assert!(!ring.push(&Submission::poll(bells[0].as_raw_fd(), 9)));
        assert!(!view.is_all());
        ring.enter(0).unwrap();
        assert!(view.is_all());
        assert_eq!(ring.pop(), None);
        bells[1].signal();
        ring.enter(1).unwrap();
        let completion = ring.pop().unwrap();
        assert_eq!((completion.user_data, completion.result), (2, libc::POLLIN.into()));
        assert_eq!(ring.pop(), None);
    }

    #[test]
    fn a_command_that_its_file_does_not_know_completes_with_an_error_at_once() {
        let Some(mut ring) = ring(1) else { return };
        let bell = EventFd::new().unwrap();
        for round in 0..20 {
            // SAFETY: there are no vectors.
            let command = unsafe { Submission::command(bell.as_raw_fd(), 1, &[1; 24], &[], round) };
            assert!(ring.push(&command));
            ring.enter(0).unwrap();
            let completion = ring.pop().unwrap();
            assert_eq!((completion.user_data, completion.result), (round, -libc::EOPNOTSUPP));
        }
    }
}
