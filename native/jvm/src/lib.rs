//! `libferrofuse.so`: the engine under a JVM.
//!
//! This file is what Java calls: each native method of the Java class `Native` converts its arguments, calls one
//! function of `mounts`, and turns an error or a panic into an exception; `accounts`, `local` and `notify` have a few more.
//! This is the only crate that knows JNI.

mod accounts;
mod error;
mod handler;
mod ids;
mod jvm;
mod layout;
mod lease;
mod local;
mod log;
mod metrics;
mod mounts;
mod natives;
mod notify;
mod settings;
mod threads;

use std::ffi::c_void;
use std::panic::catch_unwind;
use std::time::Duration;

use ferrofuse_session::mount::Unmounted;
use jni::objects::{JByteArray, JClass, JLongArray, JObject, JString};
use jni::sys::{self, jboolean, jint, jlong};
use jni::{Env, EnvUnowned, JavaVM};

use crate::error::{Error, Throw};
use crate::natives::register_natives;

/// Finds classes and methods, and registers the native methods. Called by the JVM when it loads the library.
///
/// # Safety
/// For the JVM alone.
#[no_mangle]
pub unsafe extern "system" fn JNI_OnLoad(vm: *mut sys::JavaVM, _reserved: *mut c_void) -> jint {
    let loaded = catch_unwind(|| {
        // SAFETY: the JVM passes itself.
        let vm = unsafe { JavaVM::from_raw(vm) };
        vm.attach_current_thread(|env| {
            ids::find(env)?;
            accounts::register(env)?;
            notify::register(env)?;
            local::register(env)?;
            register(env)
        })
    });
    match loaded {
        Ok(Ok(())) => sys::JNI_VERSION_1_8,
        // An exception, if one is pending, says which class or method is missing.
        _ => sys::JNI_ERR,
    }
}

fn register(env: &mut Env<'_>) -> jni::errors::Result<()> {
    register_natives!(
        env,
        "io/github/ferrofuse/internal/Native",
        "layout": "()Ljava/lang/String;" = layout,
        "mount": "(Lio/github/ferrofuse/internal/Door;[B)J" = mount,
        "serve": "(J)V" = serve,
        "finish": "(J)V" = finish,
        "drain": "(JJ)Z" = drain,
        "unmount": "(JJ)I" = unmount,
        "metrics": "(J)[J" = metrics,
        "overRings": "(J)Z" = over_rings,
        "abort": "(J)V" = abort,
        "close": "(J)V" = close,
    )
}

extern "system" fn layout<'l>(mut env: EnvUnowned<'l>, _class: JClass<'l>) -> JString<'l> {
    env.with_env(|env| Ok::<_, Error>(env.new_string(layout::describe())?))
        .resolve::<Throw>()
}

extern "system" fn mount<'l>(
    mut env: EnvUnowned<'l>,
    _class: JClass<'l>,
    door: JObject<'l>,
    settings: JByteArray<'l>,
) -> jlong {
    env.with_env(|env| {
        let settings = settings::parse(&env.convert_byte_array(&settings)?)?;
        // SAFETY: the Java method's parameter is a Door, which its only caller makes.
        unsafe { mounts::open(env, &door, settings) }
    })
    .resolve::<Throw>()
}

extern "system" fn serve<'l>(mut env: EnvUnowned<'l>, _class: JClass<'l>, mount: jlong) {
    env.with_env(|env| mounts::serve(env, mount)).resolve::<Throw>();
}

extern "system" fn finish<'l>(mut env: EnvUnowned<'l>, _class: JClass<'l>, mount: jlong) {
    env.with_env(|env| {
        mounts::finish(env, mount);
        Ok::<_, Error>(())
    })
    .resolve::<Throw>();
}

extern "system" fn drain<'l>(mut env: EnvUnowned<'l>, _class: JClass<'l>, mount: jlong, time: jlong) -> jboolean {
    env.with_env(|_| Ok::<_, Error>(mounts::drain(mount, millis(time))))
        .resolve::<Throw>()
}

extern "system" fn unmount<'l>(mut env: EnvUnowned<'l>, _class: JClass<'l>, mount: jlong, time: jlong) -> jint {
    env.with_env(|_| {
        Ok::<_, Error>(match mounts::unmount(mount, millis(time))? {
            Unmounted::Clean => 0,
            Unmounted::Detached => 1,
            Unmounted::Aborted => 2,
        })
    })
    .resolve::<Throw>()
}

extern "system" fn metrics<'l>(mut env: EnvUnowned<'l>, _class: JClass<'l>, mount: jlong) -> JLongArray<'l> {
    env.with_env(|env| match mounts::metrics(mount) {
        Some(measured) => metrics::to_java(env, &measured),
        None => Ok(JLongArray::null()),
    })
    .resolve::<Throw>()
}

extern "system" fn over_rings<'l>(mut env: EnvUnowned<'l>, _class: JClass<'l>, mount: jlong) -> jboolean {
    env.with_env(|_| Ok::<_, Error>(mounts::is_over_rings(mount)))
        .resolve::<Throw>()
}

extern "system" fn abort<'l>(mut env: EnvUnowned<'l>, _class: JClass<'l>, mount: jlong) {
    env.with_env(|_| mounts::abort(mount)).resolve::<Throw>();
}

extern "system" fn close<'l>(mut env: EnvUnowned<'l>, _class: JClass<'l>, mount: jlong) {
    env.with_env(|_| {
        mounts::close(mount);
        Ok::<_, Error>(())
    })
    .resolve::<Throw>();
}

/// What Java takes for a duration; a negative one is none. A day is as good as ever.
fn millis(time: jlong) -> Duration {
    const DAY: u64 = 24 * 60 * 60 * 1000;
    Duration::from_millis(u64::try_from(time).unwrap_or(0).min(DAY))
}
