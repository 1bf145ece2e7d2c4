//! Ways to call a Java method from native code, each so many times in a row.
//!
//! The native methods of `io.github.ferrofuse.benches.Upcall`. The engine's own way is that of `native/jvm/src/jvm.rs`,
//! the very file; the others are what bindings do instead.

#[path = "../../../../native/jvm/src/jvm.rs"]
#[allow(dead_code, reason = "calls alone are measured")]
mod jvm;

/// What `jvm.rs` takes from the crate that it is made for.
mod ids {
    use std::sync::OnceLock;

    use jni::objects::{Global, JClass};

    pub(crate) struct Ids {
        pub(crate) out_of_memory: Global<JClass<'static>>,
    }

    pub(crate) static IDS: OnceLock<Ids> = OnceLock::new();

    pub(crate) fn ids() -> &'static Ids {
        IDS.get().expect("set before the first call")
    }
}

use std::ffi::c_void;
use std::thread;

use jni::objects::{JClass, JObject};
use jni::sys::{self, jint, jlong, jmethodID, jobject, jvalue};
use jni::{jni_str, Env, EnvUnowned};

use ids::{Ids, IDS};
use jvm::{IntMethod, Object, Thread};

/// `io.github.ferrofuse.benches.Upcall`.
enum Upcall {}

const SLOT: i32 = 3;
const OFFSET: i64 = 4096;
const SIZE: i32 = 4096;

const ARGUMENTS: [jvalue; 3] = [jvalue { i: SLOT }, jvalue { j: OFFSET }, jvalue { i: SIZE }];

/// Runs a bench; what goes wrong becomes an exception.
fn run(mut env: EnvUnowned<'_>, bench: impl FnOnce(&mut Env<'_>) -> jni::errors::Result<()>) {
    env.with_env(bench).resolve::<jni::errors::ThrowRuntimeExAndDefault>();
}

fn method(env: &mut Env<'_>, class: &JClass<'_>, takes_buffer: bool) -> jni::errors::Result<jmethodID> {
    if takes_buffer {
        Ok(env
            .get_method_id(
                class,
                jni_str!("readInto"),
                jni::jni_sig!("(Ljava/nio/ByteBuffer;IJI)I"),
            )?
            .into_raw())
    } else {
        Ok(env
            .get_method_id(class, jni_str!("read"), jni::jni_sig!("(IJI)I"))?
            .into_raw())
    }
}

/// # Safety
/// `env` is this thread's, `target` has the method `id`, and these are its arguments.
unsafe fn call(env: *mut sys::JNIEnv, target: jobject, id: jmethodID, arguments: &[jvalue]) {
    // SAFETY: the caller's promise.
    unsafe {
        ((**env).v1_1.CallIntMethodA)(env, target, id, arguments.as_ptr());
        assert!(!((**env).v1_2.ExceptionCheck)(env), "the method throws nothing");
    }
}

/// The engine's way: a thread that stays, a cached method id, integers.
#[no_mangle]
extern "system" fn Java_io_github_ferrofuse_benches_Upcall_engine<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    target: JObject<'local>,
    count: jint,
) {
    run(env, |env| {
        if IDS.get().is_none() {
            let thrown = env.find_class(jni_str!("java/lang/OutOfMemoryError"))?;
            let out_of_memory = env.new_global_ref(thrown)?;
            let _ = IDS.set(Ids { out_of_memory });
        }
        // SAFETY: the benches' class is never unloaded, the target is one of it, and the thread stays in here.
        unsafe {
            let read = IntMethod::<Upcall, (i32, i64, i32)>::find(env, &class, c"read")?;
            let target = Object::<Upcall>::new(env, &target)?;
            let thread = Thread::of(env);
            for _ in 0..count {
                assert_eq!(read.call(thread, &target, (SLOT, OFFSET, SIZE)), Ok(SIZE));
            }
        }
        Ok(())
    });
}

/// A thread that is attached already is attached for each call anyway.
#[no_mangle]
extern "system" fn Java_io_github_ferrofuse_benches_Upcall_attachedAlready<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    target: JObject<'local>,
    count: jint,
) {
    run(env, |env| {
        let id = method(env, &class, false)?;
        let vm = env.get_java_vm()?;
        let target = env.new_global_ref(&target)?;
        for _ in 0..count {
            vm.attach_current_thread(|env| -> jni::errors::Result<()> {
                // SAFETY: the environment is this thread's, the method one of the target's class.
                unsafe { call(env.get_raw(), target.as_raw(), id, &ARGUMENTS) };
                Ok(())
            })?;
        }
        Ok(())
    });
}

/// A thread of native code is attached for each call, and detached after it.
#[no_mangle]
extern "system" fn Java_io_github_ferrofuse_benches_Upcall_attachedEachTime<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    target: JObject<'local>,
    count: jint,
) {
    run(env, |env| {
        let id = method(env, &class, false)? as usize;
        let vm = env.get_java_vm()?;
        let target = env.new_global_ref(&target)?;
        let native = thread::spawn(move || {
            for _ in 0..count {
                vm.attach_current_thread_for_scope(|env| -> jni::errors::Result<()> {
                    // SAFETY: as above.
                    unsafe { call(env.get_raw(), target.as_raw(), id as jmethodID, &ARGUMENTS) };
                    Ok(())
                })?;
            }
            Ok(())
        });
        native.join().expect("no panic")
    });
}

/// A buffer object is made around the same memory for each call.
#[no_mangle]
extern "system" fn Java_io_github_ferrofuse_benches_Upcall_newBuffer<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    target: JObject<'local>,
    count: jint,
) {
    run(env, |env| {
        let id = method(env, &class, true)?;
        let mut memory = vec![0_u8; SIZE as usize];
        let raw = env.get_raw();
        for _ in 0..count {
            // SAFETY: the environment is this thread's, the memory outlives the buffer's use.
            unsafe {
                let buffer = ((**raw).v1_4.NewDirectByteBuffer)(raw, memory.as_mut_ptr().cast::<c_void>(), SIZE.into());
                let [slot, offset, size] = ARGUMENTS;
                call(raw, target.as_raw(), id, &[jvalue { l: buffer }, slot, offset, size]);
                ((**raw).v1_1.DeleteLocalRef)(raw, buffer);
            }
        }
        Ok(())
    });
}

/// The same buffer object is handed over each time.
#[no_mangle]
extern "system" fn Java_io_github_ferrofuse_benches_Upcall_sameBuffer<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    target: JObject<'local>,
    buffer: JObject<'local>,
    count: jint,
) {
    run(env, |env| {
        let id = method(env, &class, true)?;
        let raw = env.get_raw();
        let [slot, offset, size] = ARGUMENTS;
        let arguments = [jvalue { l: buffer.as_raw() }, slot, offset, size];
        for _ in 0..count {
            // SAFETY: the environment is this thread's, the method one of the target's class.
            unsafe { call(raw, target.as_raw(), id, &arguments) };
        }
        Ok(())
    });
}

/// A stub of the foreign function interface, which is a C function.
#[no_mangle]
extern "system" fn Java_io_github_ferrofuse_benches_Upcall_stub<'local>(
    _: EnvUnowned<'local>,
    _: JClass<'local>,
    address: jlong,
    count: jint,
) {
    // SAFETY: the caller gives the address of such a stub, which lives until it returns.
    let stub: extern "C" fn(i32, i64, i32) -> i32 = unsafe { std::mem::transmute(address as *const c_void) };
    for _ in 0..count {
        assert_eq!(stub(SLOT, OFFSET, SIZE), SIZE);
    }
}
