//! What others change on a file system: native methods of the Java class `LocalWatchNative`, by fanotify(7).

use std::ffi::{c_long, c_uint};
use std::ptr;

use jni::objects::{JByteBuffer, JClass};
use jni::sys::{jboolean, jint};
use jni::{Env, EnvUnowned};

use super::{made, small, whole, ProcPath, Refused};
use crate::natives::register_natives;

pub(super) fn register(env: &mut Env<'_>) -> jni::errors::Result<()> {
    register_natives!(
        env,
        "io/github/ferrofuse/internal/LocalWatchNative",
        "open": "()I" = java_open,
        "bell": "()I" = java_bell,
        "add": "(IIZ)I" = java_add,
        "await": "(IILjava/nio/ByteBuffer;)I" = java_await,
        "ring": "(I)I" = java_ring,
    )
}

/// Directory, name and file are told by handle and name: nothing is opened for an event.
const NAMES: c_uint = libc::FAN_CLASS_NOTIF | libc::FAN_CLOEXEC | libc::FAN_NONBLOCK | libc::FAN_REPORT_DFID_NAME;
/// The file, too: since Linux 5.17.
const FILES: c_uint = libc::FAN_REPORT_FID | libc::FAN_REPORT_TARGET_FID;

const CHANGES: u64 = libc::FAN_MODIFY
    | libc::FAN_ATTRIB
    | libc::FAN_CREATE
    | libc::FAN_DELETE
    | libc::FAN_MOVED_FROM
    | libc::FAN_MOVED_TO
    | libc::FAN_ONDIR;

extern "system" fn java_open<'l>(env: EnvUnowned<'l>, _class: JClass<'l>) -> jint {
    small(env, |_| {
        // SAFETY: touches no memory.
        let open = |flags| made(|| unsafe { libc::fanotify_init(flags, libc::O_RDONLY as c_uint) });
        match open(NAMES | FILES) {
            Err(Refused::Errno(libc::EINVAL)) => open(NAMES),
            opened => opened,
        }
    })
}

extern "system" fn java_bell<'l>(env: EnvUnowned<'l>, _class: JClass<'l>) -> jint {
    // SAFETY: touches no memory.
    small(env, |_| made(|| unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) }))
}

extern "system" fn java_add<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    watch: jint,
    fd: jint,
    opaque: jboolean,
) -> jint {
    small(env, |_| {
        let how = libc::FAN_MARK_ADD | libc::FAN_MARK_FILESYSTEM;
        if opaque {
            let path = ProcPath::of(fd);
            // SAFETY: the path is a C string.
            made(|| unsafe { libc::fanotify_mark(watch, how, CHANGES, libc::AT_FDCWD, path.as_ptr()) })
        } else {
            // SAFETY: without a path it is the descriptor's file.
            made(|| unsafe { libc::fanotify_mark(watch, how, CHANGES, fd, ptr::null()) })
        }
    })
}

/// Waits for events, or for the bell: then the answer is 0.
extern "system" fn java_await<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    watch: jint,
    bell: jint,
    out: JByteBuffer<'l>,
) -> jint {
    small(env, |env| {
        let (start, capacity) = whole(env, &out)?;
        loop {
            let mut waiting = [watch, bell].map(|fd| libc::pollfd {
                fd,
                events: libc::POLLIN,
                revents: 0,
            });
            // SAFETY: there are two of them, written to here alone.
            made(|| unsafe { libc::poll(waiting.as_mut_ptr(), 2, -1) })?;
            if waiting[1].revents != 0 {
                return Ok(0);
            }
            // SAFETY: the bytes are the buffer's.
            match made(|| unsafe { libc::read(watch, start.cast(), capacity) } as c_long) {
                // Another thread has taken them.
                Err(Refused::Errno(libc::EAGAIN)) => {}
                taken => return taken,
            }
        }
    })
}

extern "system" fn java_ring<'l>(env: EnvUnowned<'l>, _class: JClass<'l>, bell: jint) -> jint {
    small(env, |_| {
        let one = 1_u64;
        // SAFETY: the number has eight bytes.
        made(|| unsafe { libc::write(bell, (&raw const one).cast(), size_of::<u64>()) } as c_long)
    })
}
