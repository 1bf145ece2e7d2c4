//! Hands the engine's log lines to Java's logging, from whichever thread they come.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Arc;

use ferrofuse_session::{Level, Sink};
use jni::objects::JValue;
use jni::signature::{Primitive, ReturnType};
use jni::{sys, EnvUnowned, JavaVM};

use crate::ids::ids;

/// Where log lines go: the Java class `EngineLog`; the standard error stream from a thread that isn't Java's.
pub(crate) fn sink() -> Sink {
    Arc::new(|level, line| {
        if to_java(level, line).is_none() {
            eprintln!("ferrofuse: {line}");
        }
    })
}

fn to_java(level: Level, line: &str) -> Option<()> {
    let mut env = current_env()?;
    let level = match level {
        Level::Error => 0,
        Level::Warn => 1,
        Level::Info => 2,
    };
    env.with_env_no_catch(|env| -> jni::errors::Result<bool> {
        if env.exception_check() {
            return Ok(false);
        }
        let sent = env.with_local_frame(4, |env| -> jni::errors::Result<()> {
            let text = env.new_string(line)?;
            let args = [JValue::Int(level).as_jni(), JValue::Object(&text).as_jni()];
            // SAFETY: id, class and arguments are those of `static void EngineLog.line(int, String)`.
            unsafe {
                env.call_static_method_unchecked(
                    &ids().log,
                    ids().log_line,
                    ReturnType::Primitive(Primitive::Void),
                    &args,
                )?;
            }
            Ok(())
        });
        if env.exception_check() {
            env.exception_clear();
        }
        Ok(sent.is_ok())
    })
    .resolve::<jni::errors::LogErrorAndDefault>()
    .then_some(())
}

/// This thread's environment, if it has one.
fn current_env<'a>() -> Option<EnvUnowned<'a>> {
    let vm = JavaVM::singleton().ok()?.get_raw();
    let mut env: *mut c_void = null_mut();
    // SAFETY: the machine is the one that loaded this library; GetEnv only fills in the pointer.
    let status = unsafe { ((**vm).v1_2.GetEnv)(vm, &mut env, sys::JNI_VERSION_1_8) };
    // SAFETY: it is this thread's environment, and the caller uses it before it returns.
    (status == sys::JNI_OK).then(|| unsafe { EnvUnowned::from_raw(env.cast()) })
}
