//! Local files: the system calls that a file system needs which passes a directory on, and that the JDK lacks.
//!
//! A file for each Java class whose native methods are here, which `lib` has registered when the library is loaded. Each
//! converts, makes one system call and answers its number, or a negative errno. They keep nothing: whom a descriptor
//! belongs to, and that it is open, is Java's business. Nothing here is called by the engine.

mod attributes;
mod caller;
mod content;
mod names;
mod open;
mod watch;

use std::ffi::{c_char, c_int, c_long};
use std::io::Write;
use std::slice;

use jni::objects::{JByteArray, JByteBuffer};
use jni::sys::{jint, jlong};
use jni::{Env, EnvUnowned};

use crate::error::{Error, Throw};

pub(crate) fn register(env: &mut Env<'_>) -> jni::errors::Result<()> {
    attributes::register(env)?;
    content::register(env)?;
    names::register(env)?;
    open::register(env)?;
    watch::register(env)
}

/// Why there is no answer.
enum Refused {
    /// What the system call said, or would have.
    Errno(c_int),
    /// The Java side is not as expected, or has thrown.
    Java(jni::errors::Error),
}

impl From<jni::errors::Error> for Refused {
    fn from(error: jni::errors::Error) -> Self {
        Self::Java(error)
    }
}

/// Answers Java: a negative errno for one, an exception for what Java did wrong and for a panic.
fn answer<'l>(mut env: EnvUnowned<'l>, call: impl FnOnce(&mut Env<'l>) -> Result<c_long, Refused>) -> jlong {
    env.with_env(|env| match call(env) {
        Ok(number) => Ok(number),
        Err(Refused::Errno(errno)) => Ok(-jlong::from(errno)),
        Err(Refused::Java(error)) => Err(Error::Jni(error)),
    })
    .resolve::<Throw>()
}

/// The same where the number fits an int: descriptors, and counts of bytes that a Java buffer has room for.
fn small<'l>(env: EnvUnowned<'l>, call: impl FnOnce(&mut Env<'l>) -> Result<c_long, Refused>) -> jint {
    answer(env, call) as jint
}

/// Makes a system call, again when a signal came in between: the JVM's own signals are nobody's wish to stop.
fn made<T: Into<c_long>>(mut call: impl FnMut() -> T) -> Result<c_long, Refused> {
    loop {
        let number = call().into();
        if number >= 0 {
            return Ok(number);
        }
        match errno() {
            libc::EINTR => {}
            errno => return Err(Refused::Errno(errno)),
        }
    }
}

fn errno() -> c_int {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// Bytes from Java with a NUL behind them, on the stack: `N` is their number at most, and one.
struct Text<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

/// A name, NAME_MAX and XATTR_NAME_MAX being 255.
type ShortText = Text<256>;
/// A path, by PATH_MAX.
type LongText = Text<4096>;

impl<const N: usize> Text<N> {
    /// Any bytes but a NUL.
    fn of(env: &Env<'_>, array: &JByteArray<'_>, length: jint) -> Result<Self, Refused> {
        let mut text = Self {
            bytes: [0; N],
            length: usize::try_from(length).unwrap_or(0),
        };
        if text.length >= N {
            return Err(Refused::Errno(libc::ENAMETOOLONG));
        }
        // SAFETY: the same bytes, signed.
        let signed = unsafe { slice::from_raw_parts_mut(text.bytes.as_mut_ptr().cast(), text.length) };
        array.get_region(env, 0, signed)?;
        if text.as_bytes().contains(&0) {
            return Err(Refused::Errno(libc::EINVAL));
        }
        Ok(text)
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// A C string.
    fn as_ptr(&self) -> *const c_char {
        self.bytes.as_ptr().cast()
    }
}

/// A name of a directory entry: one component that doesn't lead up.
fn component(env: &Env<'_>, array: &JByteArray<'_>, length: jint) -> Result<ShortText, Refused> {
    let name = ShortText::of(env, array, length)?;
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes == b".." || bytes.contains(&b'/') {
        return Err(Refused::Errno(libc::EINVAL));
    }
    Ok(name)
}

/// Where /proc has a descriptor: a magic link, which leads to its file itself.
struct ProcPath([u8; 32]);

impl ProcPath {
    fn of(fd: c_int) -> Self {
        let mut path = [0; 32];
        // The longest int takes 11 bytes, and a NUL follows.
        let _ = write!(&mut path[..31], "/proc/self/fd/{fd}");
        Self(path)
    }

    /// A C string.
    fn as_ptr(&self) -> *const c_char {
        self.0.as_ptr().cast()
    }
}

/// All bytes of a direct buffer. They stay as long as the argument: during the call.
fn whole(env: &Env<'_>, buffer: &JByteBuffer<'_>) -> Result<(*mut u8, usize), Refused> {
    let start = env.get_direct_buffer_address(buffer)?;
    let capacity = env.get_direct_buffer_capacity(buffer)?;
    Ok((start, capacity))
}

/// Some of them.
fn region(env: &Env<'_>, buffer: &JByteBuffer<'_>, position: jint, count: jint) -> Result<(*mut u8, usize), Refused> {
    let (start, capacity) = whole(env, buffer)?;
    let position = usize::try_from(position).unwrap_or(usize::MAX);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    match position.checked_add(count) {
        // SAFETY: within the buffer.
        Some(end) if end <= capacity => Ok((unsafe { start.add(position) }, count)),
        _ => Err(Refused::Errno(libc::EINVAL)),
    }
}
