//! What changes the names in a directory: native methods of the Java class `LocalNamesNative`.

use std::ffi::{c_int, c_long};

use jni::objects::{JByteArray, JByteBuffer, JClass, JIntArray};
use jni::sys::{jboolean, jint};
use jni::{Env, EnvUnowned};

use super::caller::Caller;
use super::{component, made, region, small, LongText, ProcPath};
use crate::natives::register_natives;

pub(super) fn register(env: &mut Env<'_>) -> jni::errors::Result<()> {
    register_natives!(
        env,
        "io/github/ferrofuse/internal/LocalNamesNative",
        "mkdir": "(I[BII[I)I" = java_mkdir,
        "mknod": "(I[BIII[I)I" = java_mknod,
        "symlink": "(I[BI[BI[I)I" = java_symlink,
        "link": "(II[BI)I" = java_link,
        "unlink": "(I[BIZ)I" = java_unlink,
        "rename": "(I[BII[BII[I)I" = java_rename,
        "readlink": "(ILjava/nio/ByteBuffer;II)I" = java_readlink,
    )
}

extern "system" fn java_mkdir<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    dir: jint,
    name: JByteArray<'l>,
    length: jint,
    mode: jint,
    caller: JIntArray<'l>,
) -> jint {
    small(env, |env| {
        let name = component(env, &name, length)?;
        Caller::of(env, &caller)?.make(|| {
            // SAFETY: the name is a C string.
            let made = unsafe { libc::mkdirat(dir, name.as_ptr(), mode as u32) };
            c_long::from(made)
        })
    })
}

extern "system" fn java_mknod<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    dir: jint,
    name: JByteArray<'l>,
    length: jint,
    mode: jint,
    rdev: jint,
    caller: JIntArray<'l>,
) -> jint {
    small(env, |env| {
        let name = component(env, &name, length)?;
        let rdev = rdev as u32;
        Caller::of(env, &caller)?.make(|| {
            // By number: the C library has another encoding of device numbers than the kernel and stat(2) of 32 bits.
            // SAFETY: the name is a C string.
            unsafe { libc::syscall(libc::SYS_mknodat, dir, name.as_ptr(), mode, rdev) }
        })
    })
}

extern "system" fn java_symlink<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    dir: jint,
    name: JByteArray<'l>,
    length: jint,
    target: JByteArray<'l>,
    target_length: jint,
    caller: JIntArray<'l>,
) -> jint {
    small(env, |env| {
        let name = component(env, &name, length)?;
        let target = LongText::of(env, &target, target_length)?;
        Caller::of(env, &caller)?.make(|| {
            // SAFETY: both are C strings.
            c_long::from(unsafe { libc::symlinkat(target.as_ptr(), dir, name.as_ptr()) })
        })
    })
}

/// AT_EMPTY_PATH would do without /proc, but takes CAP_DAC_READ_SEARCH: linkat(2).
extern "system" fn java_link<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    fd: jint,
    dir: jint,
    name: JByteArray<'l>,
    length: jint,
) -> jint {
    small(env, |env| {
        let name = component(env, &name, length)?;
        let file = ProcPath::of(fd);
        made(|| {
            // SAFETY: both are C strings.
            unsafe {
                libc::linkat(
                    libc::AT_FDCWD,
                    file.as_ptr(),
                    dir,
                    name.as_ptr(),
                    libc::AT_SYMLINK_FOLLOW,
                )
            }
        })
    })
}

extern "system" fn java_unlink<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    dir: jint,
    name: JByteArray<'l>,
    length: jint,
    directory: jboolean,
) -> jint {
    small(env, |env| {
        let name = component(env, &name, length)?;
        let flags: c_int = if directory { libc::AT_REMOVEDIR } else { 0 };
        // SAFETY: the name is a C string.
        made(|| unsafe { libc::unlinkat(dir, name.as_ptr(), flags) })
    })
}

extern "system" fn java_rename<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    dir: jint,
    name: JByteArray<'l>,
    length: jint,
    new_dir: jint,
    new_name: JByteArray<'l>,
    new_length: jint,
    flags: jint,
    caller: JIntArray<'l>,
) -> jint {
    small(env, |env| {
        let name = component(env, &name, length)?;
        let new_name = component(env, &new_name, new_length)?;
        Caller::of(env, &caller)?.make(|| {
            // SAFETY: both are C strings.
            unsafe {
                libc::syscall(
                    libc::SYS_renameat2,
                    dir,
                    name.as_ptr(),
                    new_dir,
                    new_name.as_ptr(),
                    flags,
                )
            }
        })
    })
}

extern "system" fn java_readlink<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    fd: jint,
    out: JByteBuffer<'l>,
    position: jint,
    count: jint,
) -> jint {
    small(env, |env| {
        let (out, count) = region(env, &out, position, count)?;
        // SAFETY: the bytes are the buffer's.
        made(|| unsafe { libc::readlinkat(fd, c"".as_ptr(), out.cast(), count) } as c_long)
    })
}
