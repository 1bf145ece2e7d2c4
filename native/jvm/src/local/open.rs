//! Opening, naming by handle and closing: native methods of the Java class `LocalOpenNative`.

use std::ffi::{c_char, c_int, c_long, c_uint};

use jni::objects::{JByteArray, JClass, JIntArray};
use jni::sys::jint;
use jni::{Env, EnvUnowned};

use super::caller::Caller;
use super::{errno, made, small, LongText, ProcPath, Refused};
use crate::error::{Error, Throw};
use crate::natives::register_natives;

pub(super) fn register(env: &mut Env<'_>) -> jni::errors::Result<()> {
    register_natives!(
        env,
        "io/github/ferrofuse/internal/LocalOpenNative",
        "flags": "()[I" = java_flags,
        "open": "([BII)I" = java_open,
        "openat2": "(I[BIIII[I)I" = java_openat2,
        "reopen": "(II)I" = java_reopen,
        "handle": "(I[B)I" = java_handle,
        "byHandle": "(I[BIII)I" = java_by_handle,
        "flush": "(I)I" = java_flush,
        "close": "(I)I" = java_close,
    )
}

/// Those that differ between processors, in the order in which `LocalFlags` takes them.
const FLAGS: [c_int; 14] = [
    libc::O_CREAT,
    libc::O_EXCL,
    libc::O_NOCTTY,
    libc::O_TRUNC,
    libc::O_APPEND,
    libc::O_NONBLOCK,
    libc::O_DSYNC,
    libc::O_SYNC,
    libc::O_DIRECT,
    libc::O_DIRECTORY,
    libc::O_NOFOLLOW,
    libc::O_NOATIME,
    libc::O_PATH,
    libc::O_TMPFILE,
];

/// `struct open_how` of <linux/openat2.h>.
#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// MAX_HANDLE_SZ of open_by_handle_at(2).
const MAX_HANDLE: usize = 128;

/// `struct file_handle` with the longest handle.
#[repr(C)]
struct FileHandle {
    handle_bytes: c_uint,
    handle_type: c_int,
    f_handle: [u8; MAX_HANDLE],
}

/// Bytes of the type before those of the handle, as Java keeps it.
const TYPE: usize = size_of::<c_int>();

extern "system" fn java_flags<'l>(mut env: EnvUnowned<'l>, _class: JClass<'l>) -> JIntArray<'l> {
    env.with_env(|env| {
        let flags = env.new_int_array(FLAGS.len())?;
        flags.set_region(env, 0, &FLAGS)?;
        Ok::<_, Error>(flags)
    })
    .resolve::<Throw>()
}

extern "system" fn java_open<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    path: JByteArray<'l>,
    length: jint,
    flags: jint,
) -> jint {
    small(env, |env| {
        let path = LongText::of(env, &path, length)?;
        // SAFETY: the path is a C string.
        unsafe { open(path.as_ptr(), flags) }
    })
}

/// Opens what is there: what makes a file would take a mode.
///
/// # Safety
/// The path is a C string.
unsafe fn open(path: *const c_char, flags: c_int) -> Result<c_long, Refused> {
    if flags & (libc::O_CREAT | (libc::O_TMPFILE & !libc::O_DIRECTORY)) != 0 {
        return Err(Refused::Errno(libc::EINVAL));
    }
    // SAFETY: the path is a C string, by the caller's promise.
    made(|| unsafe { libc::open(path, flags | libc::O_CLOEXEC) })
}

extern "system" fn java_openat2<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    dir: jint,
    path: JByteArray<'l>,
    length: jint,
    flags: jint,
    mode: jint,
    resolve: jint,
    caller: JIntArray<'l>,
) -> jint {
    small(env, |env| {
        let path = LongText::of(env, &path, length)?;
        let how = OpenHow {
            flags: u64::from((flags | libc::O_CLOEXEC) as u32),
            mode: u64::from(mode as u32),
            resolve: u64::from(resolve as u32),
        };
        Caller::of(env, &caller)?.make(|| {
            // SAFETY: the path is a C string, the struct has the size that is told.
            unsafe {
                libc::syscall(
                    libc::SYS_openat2,
                    dir,
                    path.as_ptr(),
                    &raw const how,
                    size_of::<OpenHow>(),
                )
            }
        })
    })
}

extern "system" fn java_reopen<'l>(env: EnvUnowned<'l>, _class: JClass<'l>, fd: jint, flags: jint) -> jint {
    small(env, |_| {
        let path = ProcPath::of(fd);
        // SAFETY: the path is a C string.
        unsafe { open(path.as_ptr(), flags) }
    })
}

extern "system" fn java_handle<'l>(env: EnvUnowned<'l>, _class: JClass<'l>, fd: jint, into: JByteArray<'l>) -> jint {
    small(env, |env| {
        let mut handle = FileHandle {
            handle_bytes: MAX_HANDLE as c_uint,
            handle_type: 0,
            f_handle: [0; MAX_HANDLE],
        };
        let mut mount: c_int = 0;
        made(|| {
            // SAFETY: the struct has as many bytes as it says, and both it and the number are written to here alone.
            unsafe {
                libc::syscall(
                    libc::SYS_name_to_handle_at,
                    fd,
                    c"".as_ptr(),
                    &raw mut handle,
                    &raw mut mount,
                    libc::AT_EMPTY_PATH,
                )
            }
        })?;
        let length = TYPE + (handle.handle_bytes as usize).min(MAX_HANDLE);
        if into.len(env)? < length {
            return Err(Refused::Errno(libc::EOVERFLOW));
        }
        let mut bytes = [0; TYPE + MAX_HANDLE];
        bytes[..TYPE].copy_from_slice(&handle.handle_type.to_ne_bytes());
        bytes[TYPE..].copy_from_slice(&handle.f_handle);
        let signed = bytes.map(|byte: u8| byte as i8);
        into.set_region(env, 0, &signed[..length])?;
        Ok(length as c_long)
    })
}

extern "system" fn java_by_handle<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    mount: jint,
    handle: JByteArray<'l>,
    offset: jint,
    length: jint,
    flags: jint,
) -> jint {
    small(env, |env| {
        let length = usize::try_from(length).unwrap_or(0);
        if !(TYPE..=TYPE + MAX_HANDLE).contains(&length) {
            return Err(Refused::Errno(libc::EINVAL));
        }
        let mut signed = [0; TYPE + MAX_HANDLE];
        handle.get_region(env, offset, &mut signed[..length])?;
        let bytes = signed.map(|byte| byte as u8);
        let (kind, bytes) = bytes.split_at(TYPE);
        let mut handle = FileHandle {
            handle_bytes: (length - TYPE) as c_uint,
            handle_type: c_int::from_ne_bytes(kind.try_into().expect("split there")),
            f_handle: bytes.try_into().expect("what follows the type"),
        };
        let flags = flags | libc::O_CLOEXEC;
        // SAFETY: the struct has at least as many bytes as it says.
        made(|| unsafe { libc::syscall(libc::SYS_open_by_handle_at, mount, &raw mut handle, flags) })
    })
}

extern "system" fn java_flush<'l>(env: EnvUnowned<'l>, _class: JClass<'l>, fd: jint) -> jint {
    small(env, |_| {
        // SAFETY: touches no memory.
        let duplicate = made(|| unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) })?;
        close(duplicate as c_int)
    })
}

extern "system" fn java_close<'l>(env: EnvUnowned<'l>, _class: JClass<'l>, fd: jint) -> jint {
    small(env, |_| close(fd))
}

/// Once: the number is free even after a signal, and may be somebody else's already.
fn close(fd: c_int) -> Result<c_long, Refused> {
    // SAFETY: Java closes what it has opened, once.
    match unsafe { libc::close(fd) } {
        0 => Ok(0),
        _ => Err(Refused::Errno(errno())),
    }
}
