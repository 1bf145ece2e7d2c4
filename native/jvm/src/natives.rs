//! Registering native methods of a Java class. Used by each file that has some, when the library is loaded.

/// Registers functions as the native methods of a class, each with its name and JNI signature. What a file lists has to
/// have the parameters that its signature says: nothing else checks it.
macro_rules! register_natives {
    ($env:ident, $class:literal, $($name:literal: $signature:literal = $function:ident,)*) => {{
        let class = $env.find_class(jni::jni_str!($class))?;
        let methods = [$(
            // SAFETY: the function has the parameters of the signature, by the promise of who lists it.
            unsafe {
                jni::NativeMethod::from_raw_parts(
                    jni::jni_str!($name),
                    jni::jni_str!($signature),
                    $function as *mut std::ffi::c_void,
                )
            }
        ),*];
        // SAFETY: the functions are those of the signatures, and stay as long as the library.
        unsafe { $env.register_native_methods(&class, &methods) }
    }};
}
pub(crate) use register_natives;
