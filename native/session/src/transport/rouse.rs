//! A read that other threads can end.
//!
//! A worker waits in read(2), the cheapest way there is: of those who wait at the device the kernel wakes one for one
//! request, the one that has waited longest. Other work and the end reach it by a signal. A signal that comes just before
//! the system call would be lost, so the instructions from the last look to the call are known to the handler: whoever
//! is found between them goes on behind the call. Elsewhere it does nothing: a worker that was roused when it had woken
//! already waits for the signal before it goes on.

use std::ffi::{c_int, c_long, c_void};
use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::dev::checked;

/// The worker does something.
const AWAKE: u32 = 0;
/// It reads, or is about to; the assembly below knows this number.
const ASLEEP: u32 = 1;
/// The same, but it shall not.
const ROUSED: u32 = 2;

// Ends itself with -EINTR unless the state says that the thread may sleep.
#[cfg(target_arch = "x86_64")]
std::arch::global_asm!(
    ".pushsection .text.ferrofuse_sleep, \"ax\", @progbits",
    ".hidden ferrofuse_sleep, ferrofuse_sleep_end, ferrofuse_sleep_over",
    ".globl ferrofuse_sleep, ferrofuse_sleep_end, ferrofuse_sleep_over",
    ".type ferrofuse_sleep, @function",
    "ferrofuse_sleep:",
    "cmp dword ptr [rcx], {asleep}",
    "jne ferrofuse_sleep_over",
    "mov eax, {readv}",
    "syscall",
    "ferrofuse_sleep_end:",
    "ret",
    "ferrofuse_sleep_over:",
    "mov rax, -{eintr}",
    "ret",
    ".size ferrofuse_sleep, . - ferrofuse_sleep",
    ".popsection",
    asleep = const ASLEEP,
    readv = const libc::SYS_readv,
    eintr = const libc::EINTR,
);

#[cfg(target_arch = "aarch64")]
std::arch::global_asm!(
    ".pushsection .text.ferrofuse_sleep, \"ax\", @progbits",
    ".hidden ferrofuse_sleep, ferrofuse_sleep_end, ferrofuse_sleep_over",
    ".globl ferrofuse_sleep, ferrofuse_sleep_end, ferrofuse_sleep_over",
    ".type ferrofuse_sleep, @function",
    "ferrofuse_sleep:",
    "ldr w9, [x3]",
    "cmp w9, #{asleep}",
    "b.ne ferrofuse_sleep_over",
    "mov x8, #{readv}",
    "svc #0",
    "ferrofuse_sleep_end:",
    "ret",
    "ferrofuse_sleep_over:",
    "mov x0, #-{eintr}",
    "ret",
    ".size ferrofuse_sleep, . - ferrofuse_sleep",
    ".popsection",
    asleep = const ASLEEP,
    readv = const libc::SYS_readv,
    eintr = const libc::EINTR,
);

unsafe extern "C" {
    /// readv(2), unless `state` isn't [`ASLEEP`]: the number of bytes or a negative errno.
    fn ferrofuse_sleep(fd: c_long, vectors: *const libc::iovec, count: c_long, state: *const AtomicU32) -> c_long;
    /// The instruction behind the system call.
    static ferrofuse_sleep_end: u8;
    /// Where a thread that is roused goes on.
    static ferrofuse_sleep_over: u8;
}

/// Attempts to send a signal where no more may be pending.
const ATTEMPTS: u32 = 50;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(1);
/// Between two looks whether all are awake.
const BETWEEN_LOOKS: Duration = Duration::from_micros(50);

/// One worker, as those see it who may have to wake it.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Sleeper {
    thread: libc::pid_t,
    state: AtomicU32,
}

impl Sleeper {
    /// The calling thread, which nobody can rouse.
    pub(crate) fn undisturbed() -> Self {
        Self::of_this_thread(ASLEEP)
    }

    fn of_this_thread(state: u32) -> Self {
        Self {
            // SAFETY: has no preconditions and always succeeds.
            thread: unsafe { libc::gettid() },
            state: AtomicU32::new(state),
        }
    }

    /// The thread is about to sleep; what it looks at afterwards is as new as what those have done who rouse.
    pub(crate) fn lies_down(&self) {
        self.state.store(ASLEEP, Ordering::SeqCst);
        std::sync::atomic::fence(Ordering::SeqCst);
    }

    /// readv(2) that ends with EINTR when the thread is roused, be it before.
    ///
    /// # Safety
    /// What the vectors describe is mapped and writable during the call.
    pub(super) unsafe fn read(&self, fd: RawFd, vectors: &[libc::iovec]) -> io::Result<usize> {
        // SAFETY: the caller's promise; the vectors and the state are borrowed.
        let got = unsafe {
            ferrofuse_sleep(
                fd.into(),
                vectors.as_ptr(),
                vectors.len() as c_long,
                &raw const self.state,
            )
        };
        usize::try_from(got).map_err(|_| io::Error::from_raw_os_error(-got as c_int))
    }
}

/// The workers of a session.
#[derive(Debug)]
pub(crate) struct Sleepers {
    signal: c_int,
    all: Mutex<Vec<Arc<Sleeper>>>,
}

/// A worker's entry, as long as its thread is one.
#[derive(Debug)]
pub(crate) struct Bed<'a> {
    sleepers: &'a Sleepers,
    sleeper: Arc<Sleeper>,
}

impl Sleepers {
    /// # Errors
    /// The process has used up all real-time signals.
    pub(crate) fn new() -> io::Result<Self> {
        static SIGNAL: OnceLock<Result<c_int, i32>> = OnceLock::new();
        let signal = SIGNAL.get_or_init(|| install().map_err(|error| error.raw_os_error().unwrap_or(libc::EAGAIN)));
        match *signal {
            Ok(signal) => Ok(Self {
                signal,
                all: Mutex::default(),
            }),
            Err(errno) => Err(io::Error::from_raw_os_error(errno)),
        }
    }

    /// Makes the calling thread one of them.
    pub(crate) fn enter(&self) -> Bed<'_> {
        // SAFETY: a set that is emptied before it is used; the thread changes its own mask.
        unsafe {
            let mut signals = std::mem::zeroed();
            libc::sigemptyset(&raw mut signals);
            libc::sigaddset(&raw mut signals, self.signal);
            libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const signals, std::ptr::null_mut());
        }
        let sleeper = Arc::new(Sleeper::of_this_thread(AWAKE));
        self.all.lock().push(Arc::clone(&sleeper));
        Bed {
            sleepers: self,
            sleeper,
        }
    }

    /// Wakes so many of those who sleep, if there are.
    pub(crate) fn rouse(&self, count: usize) {
        std::sync::atomic::fence(Ordering::SeqCst);
        let all = self.all.lock();
        let asleep = all.iter().filter(|sleeper| {
            sleeper
                .state
                .compare_exchange(ASLEEP, ROUSED, Ordering::SeqCst, Ordering::SeqCst)
                .is_ok()
        });
        for sleeper in asleep.take(count) {
            if !self.signal(sleeper.thread) {
                // Somebody may rouse it later.
                let _ = sleeper
                    .state
                    .compare_exchange(ROUSED, ASLEEP, Ordering::SeqCst, Ordering::SeqCst);
            }
        }
    }

    /// Waits until nobody sleeps, or the time is up. Who was roused has returned from its read then.
    pub(crate) fn wait_awake(&self, limit: Duration) {
        let end = Instant::now() + limit;
        let asleep = || {
            let all = self.all.lock();
            all.iter().any(|sleeper| sleeper.state.load(Ordering::SeqCst) != AWAKE)
        };
        while asleep() && Instant::now() < end {
            thread::sleep(BETWEEN_LOOKS);
        }
    }

    /// `false`: the user has as many signals pending as RLIMIT_SIGPENDING allows, and that for a while.
    fn signal(&self, thread: libc::pid_t) -> bool {
        (0..ATTEMPTS).any(|_| {
            // SAFETY: no memory is involved; the thread exists, since its entry does, and has the handler.
            let sent = unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, self.signal) } == 0;
            if !sent {
                thread::sleep(BETWEEN_ATTEMPTS);
            }
            sent
        })
    }
}

impl Bed<'_> {
    /// `true`: somebody has roused the thread. The signal has come by then, so that it interrupts nothing else.
    pub(crate) fn gets_up(&self) -> bool {
        let roused = self.sleeper.state.swap(AWAKE, Ordering::SeqCst) == ROUSED;
        if roused {
            // It is sent with the lock held, and delivered when a system call returns.
            drop(self.sleepers.all.lock());
            // SAFETY: has no preconditions and always succeeds.
            unsafe { libc::syscall(libc::SYS_getpid) };
        }
        roused
    }
}

impl std::ops::Deref for Bed<'_> {
    type Target = Sleeper;

    fn deref(&self) -> &Sleeper {
        &self.sleeper
    }
}

impl Drop for Bed<'_> {
    fn drop(&mut self) {
        self.sleepers.all.lock().retain(|one| !Arc::ptr_eq(one, &self.sleeper));
    }
}

/// Takes the highest real-time signal that nobody else has a handler for.
fn install() -> io::Result<c_int> {
    for signal in (libc::SIGRTMIN()..=libc::SIGRTMAX()).rev() {
        // SAFETY: both structs are valid when zeroed, and outlive the calls.
        unsafe {
            let mut present: libc::sigaction = std::mem::zeroed();
            // Some may be reserved by who runs the process.
            if checked(libc::sigaction(signal, std::ptr::null(), &raw mut present)).is_err()
                || present.sa_sigaction != libc::SIG_DFL
            {
                continue;
            }
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_rouse as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
            if checked(libc::sigaction(signal, &raw const action, std::ptr::null_mut())).is_ok() {
                return Ok(signal);
            }
        }
    }
    Err(io::Error::from_raw_os_error(libc::EAGAIN))
}

/// On the thread that is roused, wherever it is. Knows nothing but its registers.
extern "C" fn on_rouse(_signal: c_int, _info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes a context that is the handler's to change.
    let at = unsafe { program_counter(&mut *context.cast::<libc::ucontext_t>()) };
    let begin = ferrofuse_sleep as *const () as usize;
    let end = (&raw const ferrofuse_sleep_end) as usize;
    // A call that was interrupted and will be restarted is found at its instruction, before the end.
    if (begin..end).contains(&(*at as usize)) {
        *at = (&raw const ferrofuse_sleep_over) as usize as _;
    }
}

#[cfg(target_arch = "x86_64")]
fn program_counter(context: &mut libc::ucontext_t) -> &mut libc::greg_t {
    &mut context.uc_mcontext.gregs[libc::REG_RIP as usize]
}

#[cfg(target_arch = "aarch64")]
fn program_counter(context: &mut libc::ucontext_t) -> &mut libc::c_ulonglong {
    &mut context.uc_mcontext.pc
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::seqpacket;
    use std::os::fd::AsRawFd;
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;

    const SOON: Duration = Duration::from_secs(10);

    /// Sleeps once: the bytes of a message, or the error's number.
    fn sleep(sleeper: &Sleeper, fd: RawFd) -> Result<usize, i32> {
        let mut byte = 0_u8;
        let vectors = [libc::iovec {
            iov_base: (&raw mut byte).cast(),
            iov_len: 1,
        }];
        // SAFETY: the byte outlives the call.
        unsafe { sleeper.read(fd, &vectors) }.map_err(|error| error.raw_os_error().unwrap())
    }

    fn asleep(sleepers: &Sleepers) -> usize {
        let all = sleepers.all.lock();
        all.iter()
            .filter(|one| one.state.load(Ordering::SeqCst) == ASLEEP)
            .count()
    }

    #[test]
    fn as_many_as_are_meant_wake_and_others_go_on_sleeping() {
        let (engine, peer) = seqpacket();
        let sleepers = Sleepers::new().unwrap();
        let (woken, heard) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..3 {
                let (sleepers, fd, woken) = (&sleepers, engine.as_raw_fd(), woken.clone());
                scope.spawn(move || {
                    let bed = sleepers.enter();
                    bed.lies_down();
                    woken.send(sleep(&bed, fd)).unwrap();
                });
            }
            while asleep(&sleepers) < 3 {
                thread::yield_now();
            }
            sleepers.rouse(2);
            assert_eq!(heard.recv_timeout(SOON), Ok(Err(libc::EINTR)));
            assert_eq!(heard.recv_timeout(SOON), Ok(Err(libc::EINTR)));
            assert!(heard.recv_timeout(Duration::from_millis(50)).is_err());
            // SAFETY: one byte of a literal.
            assert_eq!(unsafe { libc::write(peer.as_raw_fd(), b"x".as_ptr().cast(), 1) }, 1);
            assert_eq!(heard.recv_timeout(SOON), Ok(Ok(1)));
        });
        assert!(sleepers.all.lock().is_empty());
    }

    #[test]
    fn who_was_roused_before_it_slept_does_not_sleep() {
        let (engine, _peer) = seqpacket();
        let sleepers = Sleepers::new().unwrap();
        let bed = sleepers.enter();
        bed.lies_down();
        sleepers.rouse(1);
        assert_eq!(sleep(&bed, engine.as_raw_fd()), Err(libc::EINTR));
        assert!(bed.gets_up() && !bed.gets_up());
        sleepers.rouse(1);
        bed.lies_down();
        assert!(!bed.gets_up(), "it was awake when others were roused");
    }

    #[test]
    fn no_moment_before_the_sleep_is_missed() {
        const ROUNDS: usize = 20_000;
        let (engine, peer) = seqpacket();
        let sleepers = Sleepers::new().unwrap();
        let slept = AtomicUsize::new(0);
        thread::scope(|scope| {
            let sleeper = scope.spawn(|| {
                let bed = sleepers.enter();
                for _ in 0..ROUNDS {
                    bed.lies_down();
                    // A signal of the last round may end this one early.
                    while bed.state.load(Ordering::SeqCst) == ASLEEP {
                        assert_eq!(sleep(&bed, engine.as_raw_fd()), Err(libc::EINTR));
                    }
                    slept.fetch_add(1, Ordering::SeqCst);
                }
            });
            // Each round ends by one signal. Where one was missed, a message does it, which is an error above.
            let late = Instant::now() + SOON;
            while !sleeper.is_finished() {
                sleepers.rouse(1);
                std::hint::spin_loop();
                if Instant::now() > late {
                    // SAFETY: one byte of a literal.
                    unsafe { libc::write(peer.as_raw_fd(), b"x".as_ptr().cast(), 1) };
                }
            }
        });
        assert_eq!(slept.into_inner(), ROUNDS);
    }

    #[test]
    fn a_signal_that_comes_late_disturbs_no_other_call() {
        let (engine, peer) = seqpacket();
        let sleepers = Sleepers::new().unwrap();
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let bed = sleepers.enter();
                bed.lies_down();
                tell.send(()).unwrap();
                let mut byte = 0_u8;
                // SAFETY: room for the byte.
                unsafe { libc::read(engine.as_raw_fd(), (&raw mut byte).cast(), 1) }
            });
            told.recv_timeout(SOON).unwrap();
            thread::sleep(Duration::from_millis(20));
            sleepers.rouse(1);
            thread::sleep(Duration::from_millis(20));
            assert!(!reader.is_finished());
            // SAFETY: one byte of a literal.
            assert_eq!(unsafe { libc::write(peer.as_raw_fd(), b"x".as_ptr().cast(), 1) }, 1);
            assert_eq!(reader.join().unwrap(), 1);
        });
    }
}
