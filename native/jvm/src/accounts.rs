//! Names and ids of users and groups, from the C library: getpwuid_r(3) and its kin, which ask whatever nsswitch.conf
//! says.
//!
//! Native methods of the Java class `AccountsNative`, which `lib` has registered when the library is loaded. They keep
//! nothing, and may take as long as a server does: what caches them is in Java.

use std::ffi::{c_char, c_int, CStr, CString};
use std::{io, ptr};

use jni::objects::{JByteArray, JClass};
use jni::sys::{jint, jlong};
use jni::{Env, EnvUnowned};

use crate::error::{Error, Throw};
use crate::natives::register_natives;

/// A name and an id fit into it nearly always; a group with many members takes more.
const FIRST_BUFFER: usize = 1024;
/// Some hundred thousand members. What takes more is refused.
const LARGEST_BUFFER: usize = 16 << 20;

pub(crate) fn register(env: &mut Env<'_>) -> jni::errors::Result<()> {
    register_natives!(
        env,
        "io/github/ferrofuse/internal/AccountsNative",
        "userName": "(I)[B" = java_user_name,
        "groupName": "(I)[B" = java_group_name,
        "userId": "([B)J" = java_user_id,
        "groupId": "([B)J" = java_group_id,
    )
}

extern "system" fn java_user_name<'l>(mut env: EnvUnowned<'l>, _class: JClass<'l>, uid: jint) -> JByteArray<'l> {
    env.with_env(|env| bytes(env, user_name(uid as u32)?))
        .resolve::<Throw>()
}

extern "system" fn java_group_name<'l>(mut env: EnvUnowned<'l>, _class: JClass<'l>, gid: jint) -> JByteArray<'l> {
    env.with_env(|env| bytes(env, group_name(gid as u32)?))
        .resolve::<Throw>()
}

extern "system" fn java_user_id<'l>(mut env: EnvUnowned<'l>, _class: JClass<'l>, name: JByteArray<'l>) -> jlong {
    env.with_env(|env| Ok::<_, Error>(id(user_id(env.convert_byte_array(&name)?)?)))
        .resolve::<Throw>()
}

extern "system" fn java_group_id<'l>(mut env: EnvUnowned<'l>, _class: JClass<'l>, name: JByteArray<'l>) -> jlong {
    env.with_env(|env| Ok::<_, Error>(id(group_id(env.convert_byte_array(&name)?)?)))
        .resolve::<Throw>()
}

/// Null stands for no name.
fn bytes<'l>(env: &mut Env<'l>, name: Option<Vec<u8>>) -> Result<JByteArray<'l>, Error> {
    match name {
        Some(name) => Ok(env.byte_array_from_slice(&name)?),
        None => Ok(JByteArray::default()),
    }
}

/// A negative number stands for no id.
fn id(id: Option<u32>) -> jlong {
    id.map_or(-1, jlong::from)
}

fn user_name(uid: libc::uid_t) -> Result<Option<Vec<u8>>, Error> {
    growing(FIRST_BUFFER, |buffer, length| {
        // SAFETY: every record is valid when all its bytes are 0; it is read only if the call fills it.
        let mut user: libc::passwd = unsafe { std::mem::zeroed() };
        let mut found = ptr::null_mut();
        // SAFETY: all pointers are to what they should be, and the buffer has that length.
        let error = unsafe { libc::getpwuid_r(uid, &raw mut user, buffer, length, &raw mut found) };
        // SAFETY: a user that was found has a name, in the buffer.
        answer(error, !found.is_null(), || unsafe { text(user.pw_name) })
    })
}

fn group_name(gid: libc::gid_t) -> Result<Option<Vec<u8>>, Error> {
    growing(FIRST_BUFFER, |buffer, length| {
        // SAFETY: as for users.
        let mut group: libc::group = unsafe { std::mem::zeroed() };
        let mut found = ptr::null_mut();
        // SAFETY: as for users.
        let error = unsafe { libc::getgrgid_r(gid, &raw mut group, buffer, length, &raw mut found) };
        // SAFETY: as for users.
        answer(error, !found.is_null(), || unsafe { text(group.gr_name) })
    })
}

fn user_id(name: Vec<u8>) -> Result<Option<libc::uid_t>, Error> {
    // Nobody's name has a NUL.
    let Ok(name) = CString::new(name) else { return Ok(None) };
    growing(FIRST_BUFFER, |buffer, length| {
        // SAFETY: as above.
        let mut user: libc::passwd = unsafe { std::mem::zeroed() };
        let mut found = ptr::null_mut();
        // SAFETY: as above.
        let error = unsafe { libc::getpwnam_r(name.as_ptr(), &raw mut user, buffer, length, &raw mut found) };
        answer(error, !found.is_null(), || user.pw_uid)
    })
}

fn group_id(name: Vec<u8>) -> Result<Option<libc::gid_t>, Error> {
    let Ok(name) = CString::new(name) else { return Ok(None) };
    growing(FIRST_BUFFER, |buffer, length| {
        // SAFETY: as above.
        let mut group: libc::group = unsafe { std::mem::zeroed() };
        let mut found = ptr::null_mut();
        // SAFETY: as above.
        let error = unsafe { libc::getgrnam_r(name.as_ptr(), &raw mut group, buffer, length, &raw mut found) };
        answer(error, !found.is_null(), || group.gr_gid)
    })
}

/// # Safety
/// It is a string.
unsafe fn text(string: *const c_char) -> Vec<u8> {
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(string) }.to_bytes().to_vec()
}

/// What a call of the C library said. Some of its sources call it an error that there is no such user: getpwnam_r(3).
fn answer<T>(error: c_int, found: bool, value: impl FnOnce() -> T) -> Result<Option<T>, c_int> {
    match error {
        0 if found => Ok(Some(value())),
        0 | libc::ENOENT | libc::ESRCH => Ok(None),
        error => Err(error),
    }
}

/// Calls with a buffer, and again with a larger one as long as it is too small, and when a signal came in between.
fn growing<T>(
    first: usize,
    mut call: impl FnMut(*mut c_char, usize) -> Result<Option<T>, c_int>,
) -> Result<Option<T>, Error> {
    let mut buffer = vec![0; first];
    loop {
        match call(buffer.as_mut_ptr(), buffer.len()) {
            Ok(answer) => return Ok(answer),
            Err(libc::EINTR) => {}
            Err(libc::ERANGE) if buffer.len() < LARGEST_BUFFER => buffer = vec![0; buffer.len() * 2],
            Err(error) => return Err(failed(error)),
        }
    }
}

fn failed(error: c_int) -> Error {
    Error::Failed(format!(
        "users and groups can't be asked for: {}; see what nsswitch.conf has for passwd and group",
        io::Error::from_raw_os_error(error)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_user_and_group_0() {
        assert_eq!(user_name(0).unwrap().unwrap(), b"root");
        assert_eq!(user_id(b"root".to_vec()).unwrap(), Some(0));
        assert_eq!(group_name(0).unwrap().unwrap(), b"root");
        assert_eq!(group_id(b"root".to_vec()).unwrap(), Some(0));
    }

    #[test]
    fn what_is_unknown_is_no_error() {
        assert_eq!(user_name(u32::MAX - 7).unwrap(), None);
        assert_eq!(group_name(u32::MAX - 7).unwrap(), None);
        for name in [&b""[..], b"no such user", b"\xff\xfe", b"root\0", b"root:x:0"] {
            assert_eq!(user_id(name.to_vec()).unwrap(), None, "{name:?}");
            assert_eq!(group_id(name.to_vec()).unwrap(), None, "{name:?}");
        }
    }

    #[test]
    fn a_buffer_grows_until_the_record_fits() {
        let mut lengths = Vec::new();
        let answer = growing(4, |_, length| {
            lengths.push(length);
            match lengths.len() {
                2 => Err(libc::EINTR),
                5 => Ok(Some(7)),
                _ => Err(libc::ERANGE),
            }
        });
        assert_eq!(answer.unwrap(), Some(7));
        assert_eq!(lengths, [4, 8, 8, 16, 32]);
    }

    #[test]
    fn a_small_buffer_is_too_small_for_the_c_library_too() {
        let found = growing(1, |buffer, length| {
            // SAFETY: as in `user_name`.
            let mut user: libc::passwd = unsafe { std::mem::zeroed() };
            let mut found = ptr::null_mut();
            // SAFETY: as in `user_name`.
            let error = unsafe { libc::getpwuid_r(0, &raw mut user, buffer, length, &raw mut found) };
            answer(error, !found.is_null(), || length)
        });
        assert!(found.unwrap().unwrap() > 1);
    }

    #[test]
    fn a_buffer_does_not_grow_for_ever() {
        let refused = growing::<()>(1024, |_, length| {
            assert!(length <= LARGEST_BUFFER);
            Err(libc::ERANGE)
        });
        assert!(refused.unwrap_err().to_string().contains("nsswitch.conf"));
    }

    #[test]
    fn a_source_that_fails_is_an_error() {
        let failed = growing::<()>(1024, |_, _| answer(libc::EIO, false, || ()));
        assert!(failed.is_err());
        assert_eq!(growing(1024, |_, _| answer(libc::ESRCH, false, || 1)).unwrap(), None);
    }
}
