//! What is done with an open file or directory: native methods of the Java class `LocalContentNative`.

use std::ffi::c_long;

use jni::objects::{JByteBuffer, JClass};
use jni::sys::{jint, jlong};
use jni::{Env, EnvUnowned};

use super::{answer, made, region, small, whole, Refused};
use crate::natives::register_natives;

pub(super) fn register(env: &mut Env<'_>) -> jni::errors::Result<()> {
    register_natives!(
        env,
        "io/github/ferrofuse/internal/LocalContentNative",
        "read": "(ILjava/nio/ByteBuffer;IIJ)I" = java_read,
        "write": "(ILjava/nio/ByteBuffer;IIJ)I" = java_write,
        "list": "(ILjava/nio/ByteBuffer;)I" = java_list,
        "seek": "(IJI)J" = java_seek,
        "truncate": "(IJ)I" = java_truncate,
        "allocate": "(IIJJ)I" = java_allocate,
        "copy": "(IJIJJ)J" = java_copy,
        "sync": "(II)I" = java_sync,
        "lock": "(II)I" = java_lock,
    )
}

extern "system" fn java_read<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    fd: jint,
    out: JByteBuffer<'l>,
    position: jint,
    count: jint,
    offset: jlong,
) -> jint {
    small(env, |env| {
        let (out, count) = region(env, &out, position, count)?;
        // SAFETY: the bytes are the buffer's.
        made(|| unsafe { libc::pread64(fd, out.cast(), count, offset) } as c_long)
    })
}

extern "system" fn java_write<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    fd: jint,
    data: JByteBuffer<'l>,
    position: jint,
    count: jint,
    offset: jlong,
) -> jint {
    small(env, |env| {
        let (data, count) = region(env, &data, position, count)?;
        // SAFETY: the bytes are the buffer's.
        made(|| unsafe { libc::pwrite64(fd, data.cast(), count, offset) } as c_long)
    })
}

extern "system" fn java_list<'l>(env: EnvUnowned<'l>, _class: JClass<'l>, fd: jint, out: JByteBuffer<'l>) -> jint {
    small(env, |env| {
        let (start, capacity) = whole(env, &out)?;
        // SAFETY: the bytes are the buffer's.
        made(|| unsafe { libc::syscall(libc::SYS_getdents64, fd, start, capacity) })
    })
}

extern "system" fn java_seek<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    fd: jint,
    offset: jlong,
    whence: jint,
) -> jlong {
    // SAFETY: touches no memory.
    answer(env, |_| made(|| unsafe { libc::lseek64(fd, offset, whence) }))
}

extern "system" fn java_truncate<'l>(env: EnvUnowned<'l>, _class: JClass<'l>, fd: jint, size: jlong) -> jint {
    // SAFETY: touches no memory.
    small(env, |_| made(|| unsafe { libc::ftruncate64(fd, size) }))
}

extern "system" fn java_allocate<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    fd: jint,
    mode: jint,
    offset: jlong,
    length: jlong,
) -> jint {
    // SAFETY: touches no memory.
    small(env, |_| made(|| unsafe { libc::fallocate64(fd, mode, offset, length) }))
}

extern "system" fn java_copy<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    from: jint,
    from_offset: jlong,
    to: jint,
    to_offset: jlong,
    length: jlong,
) -> jlong {
    answer(env, |_| {
        let length = usize::try_from(length).map_err(|_| Refused::Errno(libc::EINVAL))?;
        made(|| {
            let (mut from_offset, mut to_offset) = (from_offset, to_offset);
            let (source, target) = (&raw mut from_offset, &raw mut to_offset);
            // SAFETY: the offsets are written to here alone.
            unsafe { libc::syscall(libc::SYS_copy_file_range, from, source, to, target, length, 0) }
        })
    })
}

/// `what`: 0 fsync, 1 fdatasync, 2 syncfs.
extern "system" fn java_sync<'l>(env: EnvUnowned<'l>, _class: JClass<'l>, fd: jint, what: jint) -> jint {
    small(env, |_| {
        made(|| {
            // SAFETY: touch no memory.
            unsafe {
                match what {
                    0 => libc::fsync(fd),
                    1 => libc::fdatasync(fd),
                    _ => libc::syncfs(fd),
                }
            }
        })
    })
}

extern "system" fn java_lock<'l>(env: EnvUnowned<'l>, _class: JClass<'l>, fd: jint, operation: jint) -> jint {
    // SAFETY: touches no memory.
    small(env, |_| made(|| unsafe { libc::flock(fd, operation) }))
}
