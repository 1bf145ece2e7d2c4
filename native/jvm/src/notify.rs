//! What Java tells the kernel unasked: native methods of the Java class `NotifyNative`, which `lib` has registered when
//! the library is loaded.
//!
//! Each answers what became of it: 0 done, 1 nothing cached, 2 the mount has ended, or a negative errno. Which threads
//! may call is for Java to see to: see `ferrofuse_session::Session`.

use std::ptr;

use ferrofuse_protocol::Name;
use ferrofuse_session::paths::Paths;
use ferrofuse_session::{Gone, Key, NotifyError, Session, Stale, Told};
use jni::objects::{JByteArray, JByteBuffer, JClass, JLongArray};
use jni::sys::{jint, jlong};
use jni::{Env, EnvUnowned};

use crate::error::{Error, Throw};
use crate::lease::Lease;
use crate::mounts;
use crate::natives::register_natives;

pub(crate) fn register(env: &mut Env<'_>) -> jni::errors::Result<()> {
    register_natives!(
        env,
        "io/github/ferrofuse/internal/NotifyNative",
        "inode": "(JJJJ)I" = java_inode,
        "entry": "(JJ[BIJ)I" = java_entry,
        "epoch": "(J)I" = java_epoch,
        "prune": "(J[J)I" = java_prune,
        "store": "(JJJLjava/nio/ByteBuffer;I)I" = java_store,
        "retrieve": "(JJJJI)I" = java_retrieve,
        "wake": "(JJ)I" = java_wake,
        "find": "(J[B)J" = java_find,
        "locksChanged": "(J)V" = java_locks_changed,
    )
}

/// A negative offset stands for attributes alone.
extern "system" fn java_inode<'l>(
    mut env: EnvUnowned<'l>,
    _class: JClass<'l>,
    mount: jlong,
    node: jlong,
    offset: jlong,
    length: jlong,
) -> jint {
    let stale = u64::try_from(offset).map_or(Stale::Attributes, |offset| Stale::Data {
        offset,
        len: u64::try_from(length).unwrap_or(0),
    });
    env.with_env(|_| Ok::<_, Error>(tell(mount, |session, _| session.inval_inode(key(node), stale))))
        .resolve::<Throw>()
}

/// `what`: 0 invalid, 1 expired, 2 deleted, when it led to `child`.
extern "system" fn java_entry<'l>(
    mut env: EnvUnowned<'l>,
    _class: JClass<'l>,
    mount: jlong,
    parent: jlong,
    name: JByteArray<'l>,
    what: jint,
    child: jlong,
) -> jint {
    env.with_env(|env| {
        let name = env.convert_byte_array(&name)?;
        let gone = match what {
            0 => Gone::Invalid,
            1 => Gone::Expired,
            _ => Gone::Deleted(key(child)),
        };
        Ok::<_, Error>(tell(mount, |session, paths| {
            let told = session.inval_entry(key(parent), &name, gone)?;
            if let (2, Some(paths), Ok(name)) = (what, paths, Name::component(&name)) {
                paths.vanished(key(parent), name, key(child));
            }
            Ok(told)
        }))
    })
    .resolve::<Throw>()
}

extern "system" fn java_epoch<'l>(mut env: EnvUnowned<'l>, _class: JClass<'l>, mount: jlong) -> jint {
    env.with_env(|_| Ok::<_, Error>(tell(mount, |session, _| session.inc_epoch())))
        .resolve::<Throw>()
}

extern "system" fn java_prune<'l>(
    mut env: EnvUnowned<'l>,
    _class: JClass<'l>,
    mount: jlong,
    nodes: JLongArray<'l>,
) -> jint {
    env.with_env(|env| {
        let mut keys = vec![0; nodes.len(env)?];
        nodes.get_region(env, 0, &mut keys)?;
        let keys: Vec<Key> = keys.into_iter().map(key).collect();
        Ok::<_, Error>(tell(mount, |session, _| session.prune(&keys)))
    })
    .resolve::<Throw>()
}

/// The first `size` bytes of a direct buffer.
extern "system" fn java_store<'l>(
    mut env: EnvUnowned<'l>,
    _class: JClass<'l>,
    mount: jlong,
    node: jlong,
    offset: jlong,
    data: JByteBuffer<'l>,
    size: jint,
) -> jint {
    env.with_env(|env| {
        let start = env.get_direct_buffer_address(&data)?;
        let size = usize::try_from(size)
            .unwrap_or(0)
            .min(env.get_direct_buffer_capacity(&data)?);
        let data = ptr::slice_from_raw_parts(start.cast_const(), size);
        Ok::<_, Error>(tell(mount, |session, _| {
            // SAFETY: inside a direct buffer, which the argument keeps during this call.
            unsafe { session.store(key(node), offset as u64, data) }
        }))
    })
    .resolve::<Throw>()
}

extern "system" fn java_retrieve<'l>(
    mut env: EnvUnowned<'l>,
    _class: JClass<'l>,
    mount: jlong,
    ticket: jlong,
    node: jlong,
    offset: jlong,
    size: jint,
) -> jint {
    let size = u32::try_from(size).unwrap_or(0);
    env.with_env(|_| {
        Ok::<_, Error>(tell(mount, |session, _| {
            session.retrieve(ticket as u64, key(node), offset as u64, size)
        }))
    })
    .resolve::<Throw>()
}

extern "system" fn java_wake<'l>(mut env: EnvUnowned<'l>, _class: JClass<'l>, mount: jlong, poll: jlong) -> jint {
    env.with_env(|_| Ok::<_, Error>(tell(mount, |session, _| session.wake(poll as u64))))
        .resolve::<Throw>()
}

/// Tells those who wait for a lock that the file system keeps, not the kernel. Answers nothing.
extern "system" fn java_locks_changed<'l>(mut env: EnvUnowned<'l>, _class: JClass<'l>, mount: jlong) {
    env.with_env(|_| {
        // A mount that is closed has nobody who waits.
        let _ = mounts::with_session(mount, |session, _| session.locks_changed());
        Ok::<_, Error>(())
    })
    .resolve::<Throw>();
}

/// The node of a path; 0 if it isn't known.
extern "system" fn java_find<'l>(
    mut env: EnvUnowned<'l>,
    _class: JClass<'l>,
    mount: jlong,
    path: JByteArray<'l>,
) -> jlong {
    env.with_env(|env| {
        let path = env.convert_byte_array(&path)?;
        let found = mounts::with_session(mount, |_, paths| paths?.find(&path));
        Ok::<_, Error>(found.flatten().map_or(0, |key| key.0 as jlong))
    })
    .resolve::<Throw>()
}

fn key(node: jlong) -> Key {
    Key(node as u64)
}

fn tell(mount: jlong, what: impl FnOnce(&Session<Lease>, Option<&Paths>) -> Result<Told, NotifyError>) -> jint {
    match mounts::with_session(mount, what) {
        Some(Ok(Told::Done)) => 0,
        Some(Ok(Told::NotCached)) => 1,
        Some(Ok(Told::Ended)) | None => 2,
        Some(Err(error)) => -error.errno().raw(),
    }
}
