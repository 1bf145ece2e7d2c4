//! The mounts that Java holds, by number, and what Java can do with one.
//!
//! Called by the entry points in `lib`. A number is never given twice: a call on a mount that was closed finds nothing
//! and answers as for one that has ended. A call in progress keeps its mount until it returns.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ferrofuse_protocol::abi::init;
use ferrofuse_session::mount::{self, Mount, Unmounted};
use ferrofuse_session::paths::Paths;
use ferrofuse_session::{Metrics, Session};
use jni::objects::JObject;
use jni::Env;

use crate::error::Error;
use crate::handler::{Admission, JavaHandler, NodeHandler, PathHandler};
use crate::ids::Door;
use crate::jvm::{Object, Thread};
use crate::lease::Lease;
use crate::log;
use crate::settings::{Api, Settings};
use crate::threads;

struct Mounted {
    session: Arc<Session<Lease>>,
    mount: Mount,
    door: Object<Door>,
    admission: Admission,
    /// Of a file system that names its files by path.
    paths: Option<Paths>,
}

impl Mounted {
    /// # Safety
    /// The handler is not used after the native method that `env` was given to has returned.
    unsafe fn java(&self, env: &Env<'_>) -> JavaHandler<'_> {
        // SAFETY: the caller's promise.
        JavaHandler::new(unsafe { Thread::of(env) }, &self.door, self.admission)
    }

    /// Takes the mount out of the tree if its connection has ended: nobody is to find a dead one there. What is in the
    /// way, another mount on top of it, was somebody else's doing.
    fn clear_away(&self) {
        if self.session.unmounted() {
            // From here on its number may be another mount's.
            self.mount.ended();
            let _ = self.mount.unmount(Duration::ZERO);
        } else if self.session.disconnected() {
            let _ = self.mount.abort();
        }
    }
}

static MOUNTS: LazyLock<Mutex<HashMap<i64, Arc<Mounted>>>> = LazyLock::new(Mutex::default);
static NEXT: AtomicI64 = AtomicI64::new(1);

fn mounts() -> MutexGuard<'static, HashMap<i64, Arc<Mounted>>> {
    // A map is valid at every point where its holder could panic.
    MOUNTS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn find(number: i64) -> Option<Arc<Mounted>> {
    mounts().get(&number).cloned()
}

/// Mounts, and holds the opening conversation with the kernel. Answers the mount's number.
///
/// # Errors
/// The mount or the session could not be made; nothing is mounted then.
///
/// # Safety
/// `door` is a `Door`, and not null.
pub(crate) unsafe fn open(env: &Env<'_>, door: &JObject<'_>, settings: Settings) -> Result<i64, Error> {
    // SAFETY: the caller's promise.
    let door = unsafe { Object::new(env, door)? };
    // SAFETY: used in this call only, which `env` outlives.
    let thread = unsafe { Thread::of(env) };
    let Settings {
        api,
        mount: spec,
        mut config,
    } = settings;
    config.log = log::sink();
    if config.slow_after.is_some() {
        config.slow = log::slow_sink(&spec.point);
    }
    let paths = (api == Api::Path).then(Paths::new);
    let admission = if spec.allow_root {
        Admission::RootAnd(effective_uid())
    } else {
        Admission::Everybody
    };
    let (device, mount) = mount::mount(&spec)?;
    // If this fails, `mount` unmounts as it is dropped.
    let java = JavaHandler::new(thread, &door, admission);
    let session = match &paths {
        None => Session::establish(device, config, &mut NodeHandler::new(java)),
        Some(paths) => Session::establish(device, config, &mut PathHandler::new(java, paths)),
    }?;
    if session.granted().flags & init::OVER_IO_URING != 0 {
        threads::free_the_started();
    }
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    mounts().insert(
        number,
        Arc::new(Mounted {
            session,
            mount,
            door,
            admission,
            paths,
        }),
    );
    Ok(number)
}

/// Serves requests on this thread until the connection ends.
///
/// # Errors
/// This thread can't serve.
pub(crate) fn serve(env: &Env<'_>, number: i64) -> Result<(), Error> {
    let Some(mounted) = find(number) else { return Ok(()) };
    // SAFETY: used in this call only, which `env` outlives.
    let java = unsafe { mounted.java(env) };
    let served = match &mounted.paths {
        None => mounted.session.serve(&mut NodeHandler::new(java)),
        Some(paths) => mounted.session.serve(&mut PathHandler::new(java, paths)),
    };
    mounted.clear_away();
    Ok(served?)
}

/// Releases what is still open, and tells the file system that this was all.
pub(crate) fn finish(env: &Env<'_>, number: i64) {
    let Some(mounted) = find(number) else { return };
    // SAFETY: used in this call only, which `env` outlives.
    let java = unsafe { mounted.java(env) };
    match &mounted.paths {
        None => mounted.session.finish(&mut NodeHandler::new(java)),
        Some(paths) => mounted.session.finish(&mut PathHandler::new(java, paths)),
    };
}

/// Does something with a mount's session, and the names of its files if they are its keys. `None`: it is closed.
pub(crate) fn with_session<T>(number: i64, f: impl FnOnce(&Session<Lease>, Option<&Paths>) -> T) -> Option<T> {
    let mounted = find(number)?;
    Some(f(&mounted.session, mounted.paths.as_ref()))
}

/// Waits for a moment without requests in progress, with nobody waiting for a lock any more. `false`: there was none in
/// time.
pub(crate) fn drain(number: i64, time: Duration) -> bool {
    find(number).is_none_or(|mounted| mounted.session.drain(Instant::now() + time))
}

/// Unmounts.
///
/// # Errors
/// It is still mounted.
pub(crate) fn unmount(number: i64, deadline: Duration) -> Result<Unmounted, Error> {
    match find(number) {
        Some(mounted) => Ok(mounted.mount.unmount(deadline)?),
        None => Ok(Unmounted::Clean),
    }
}

/// What the mount's operations took until now. `None`: it is closed, or nobody measures.
pub(crate) fn metrics(number: i64) -> Option<Metrics> {
    find(number)?.session.metrics()
}

/// Whether a mount's requests come over io_uring.
pub(crate) fn is_over_rings(number: i64) -> bool {
    find(number).is_some_and(|mounted| mounted.session.is_over_rings())
}

/// Cuts the connection and takes the mount out of the tree.
///
/// # Errors
/// It is still in the tree, but dead.
pub(crate) fn abort(number: i64) -> Result<(), Error> {
    if let Some(mounted) = find(number) {
        mounted.session.abort();
        mounted.mount.abort()?;
    }
    Ok(())
}

/// Gives up a mount.
pub(crate) fn close(number: i64) {
    // Not dropped under the lock: unmounting may take a while.
    let mounted = mounts().remove(&number);
    drop(mounted);
}

fn effective_uid() -> u32 {
    // SAFETY: has no preconditions and always succeeds.
    unsafe { libc::geteuid() }
}
