//! Keeps threads that Java starts from being pinned because who starts them is.
//!
//! A thread that serves a ring runs on one processor, and whatever thread a file system starts from there would inherit
//! that, a pool that is made on demand with all its threads. The JVM has no say in it, but tells of each thread that
//! starts, on that thread (JVM TI, event ThreadStart, which needs no capability). Threads that native code makes without
//! the JVM keep what they inherit.

use std::ffi::{c_int, c_void};
use std::mem::transmute;
use std::ptr::{null, null_mut};
use std::sync::Once;

use ferrofuse_session::shed_inherited_pin;
use jni::{sys, JavaVM};

// Numbers of <jvmti.h>, and places in its tables.
const VERSION_1_2: c_int = 0x3001_0200;
const ENABLE: c_int = 1;
const THREAD_START: c_int = 52;
const FIRST_EVENT: c_int = 50;
const SET_EVENT_NOTIFICATION_MODE: usize = 1;
const SET_EVENT_CALLBACKS: usize = 121;

type Table = *const *const c_void;
type SetEventNotificationMode = unsafe extern "C" fn(*mut Table, c_int, c_int, sys::jobject, ...) -> c_int;
type SetEventCallbacks = unsafe extern "C" fn(*mut Table, *const [Callback; 3], c_int) -> c_int;
type Callback = Option<unsafe extern "C" fn(*mut Table, *mut sys::JNIEnv, sys::jobject)>;

/// From now on, a Java thread runs where the process may, whoever starts it. Does nothing where the JVM can't tell.
pub(crate) fn free_the_started() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if let Ok(vm) = JavaVM::singleton() {
            // SAFETY: it is the JVM.
            unsafe { listen(vm.get_raw()) };
        }
    });
}

unsafe extern "C" fn started(_: *mut Table, _: *mut sys::JNIEnv, _: sys::jobject) {
    shed_inherited_pin();
}

/// # Safety
/// `vm` is the JVM.
unsafe fn listen(vm: *mut sys::JavaVM) {
    let mut found: *mut c_void = null_mut();
    // SAFETY: the JVM writes one pointer.
    let answer = unsafe { ((**vm).v1_2.GetEnv)(vm, &raw mut found, VERSION_1_2) };
    let environment: *mut Table = found.cast();
    if answer != sys::JNI_OK || environment.is_null() {
        return;
    }
    const { assert!(THREAD_START - FIRST_EVENT == 2, "the third callback") };
    let callbacks: [Callback; 3] = [None, None, Some(started)];
    // SAFETY: the function in that place of the table has this type; it copies the callbacks that it is told the size of.
    let set: SetEventCallbacks = unsafe { transmute(*(*environment).add(SET_EVENT_CALLBACKS)) };
    // SAFETY: as above.
    let enable: SetEventNotificationMode = unsafe { transmute(*(*environment).add(SET_EVENT_NOTIFICATION_MODE)) };
    // SAFETY: as above; null stands for all threads.
    unsafe {
        if set(environment, &raw const callbacks, size_of_val(&callbacks) as c_int) == 0 {
            enable(environment, ENABLE, THREAD_START, null::<c_void>().cast_mut().cast());
        }
    }
}
