//! Hands the engine's log lines to Java's logging, and slow requests to its recorder, from whichever thread they come.

use std::ffi::c_void;
use std::path::Path;
use std::ptr::null_mut;
use std::sync::Arc;
use std::time::Duration;

use ferrofuse_session::{Level, Sink, Slow, SlowSink};
use jni::objects::JValue;
use jni::signature::{Primitive, ReturnType};
use jni::{sys, Env, EnvUnowned, JavaVM};

use crate::ids::ids;

/// Where log lines go: the Java class `EngineLog`; the standard error stream from a thread that isn't Java's.
pub(crate) fn sink() -> Sink {
    Arc::new(|level, line| {
        if to_java(level, line).is_none() {
            eprintln!("ferrofuse: {line}");
        }
    })
}

/// Where slow requests go: the Java class `FlightRecording`, with the place that is mounted on.
pub(crate) fn slow_sink(point: &Path) -> SlowSink {
    // Without the slash at its end that Java puts there.
    let point = point.components().as_path().to_string_lossy().into_owned();
    Arc::new(move |slow| {
        // Only Java's threads serve, and what can't be recorded was logged.
        let _ = slow_to_java(&point, slow);
    })
}

fn to_java(level: Level, line: &str) -> Option<()> {
    let level = match level {
        Level::Error => 0,
        Level::Warn => 1,
        Level::Info => 2,
    };
    with_current_env(|env| {
        let text = env.new_string(line)?;
        let args = [JValue::Int(level).as_jni(), JValue::Object(&text).as_jni()];
        // SAFETY: id, class and arguments are those of `static void EngineLog.line(int, String)`.
        unsafe { env.call_static_method_unchecked(&ids().log, ids().log_line, VOID, &args)? };
        Ok(())
    })
}

fn slow_to_java(point: &str, slow: &Slow) -> Option<()> {
    let nanos = |time: Duration| JValue::Long(i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)).as_jni();
    with_current_env(|env| {
        let point = env.new_string(point)?;
        let args = [
            JValue::Object(&point).as_jni(),
            JValue::Int(slow.opcode as i32).as_jni(),
            JValue::Long(slow.unique as i64).as_jni(),
            JValue::Int(slow.pid as i32).as_jni(),
            nanos(slow.took),
            nanos(slow.waited),
        ];
        // SAFETY: id, class and arguments are those of `static void FlightRecording.slow(String, int, long, int, long,
        // long)`.
        unsafe { env.call_static_method_unchecked(&ids().flight, ids().flight_slow, VOID, &args)? };
        Ok(())
    })
}

const VOID: ReturnType = ReturnType::Primitive(Primitive::Void);

/// Calls Java on this thread; exceptions are cleared. `None`: the thread isn't Java's, or the call failed.
fn with_current_env(call: impl FnOnce(&mut Env<'_>) -> jni::errors::Result<()>) -> Option<()> {
    let mut env = current_env()?;
    env.with_env_no_catch(|env| -> jni::errors::Result<bool> {
        if env.exception_check() {
            return Ok(false);
        }
        let sent = env.with_local_frame(4, call);
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
