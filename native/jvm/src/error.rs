//! From a native method's failure to a Java exception: the policy by which every entry point resolves its outcome.

use std::any::Any;
use std::fmt;

use ferrofuse_session::mount::MountError;
use jni::errors::ErrorPolicy;
use jni::strings::JNIString;
use jni::{jni_str, Env};

/// Why a native method failed.
#[derive(Debug)]
pub(crate) enum Error {
    /// Something outside went wrong; one line that names the remedy. Becomes an `IOException`.
    Failed(String),
    /// The Java side is not as expected, or has thrown. Becomes the pending exception or a `RuntimeException`.
    Jni(jni::errors::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(line) => f.write_str(line),
            Self::Jni(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<jni::errors::Error> for Error {
    fn from(error: jni::errors::Error) -> Self {
        Self::Jni(error)
    }
}

impl From<MountError> for Error {
    fn from(error: MountError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<ferrofuse_session::Error> for Error {
    fn from(error: ferrofuse_session::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Throws an exception and answers the default value.
pub(crate) struct Throw;

impl<T: Default> ErrorPolicy<T, Error> for Throw {
    type Captures<'unowned_env_local: 'native_method, 'native_method> = ();

    fn on_error<'unowned_env_local: 'native_method, 'native_method>(
        env: &mut Env<'unowned_env_local>,
        (): &mut (),
        error: Error,
    ) -> jni::errors::Result<T> {
        let class = match error {
            Error::Failed(_) => jni_str!("java/io/IOException"),
            Error::Jni(_) => jni_str!("java/lang/RuntimeException"),
        };
        throw(env, class, &error.to_string())
    }

    fn on_panic<'unowned_env_local: 'native_method, 'native_method>(
        env: &mut Env<'unowned_env_local>,
        (): &mut (),
        payload: Box<dyn Any + Send>,
    ) -> jni::errors::Result<T> {
        let what = payload
            .downcast_ref::<&str>()
            .copied()
            .or(payload.downcast_ref::<String>().map(String::as_str));
        let what = format!("bug in the native library: {}", what.unwrap_or("panic"));
        throw(env, jni_str!("java/lang/IllegalStateException"), &what)
    }
}

/// An exception that is pending already takes precedence.
fn throw<T: Default>(env: &mut Env<'_>, class: &jni::strings::JNIStr, message: &str) -> jni::errors::Result<T> {
    if !env.exception_check() {
        // Always an error: "an exception is pending", which is what it is for.
        let _ = env.throw_new(class, JNIString::from(message));
    }
    Ok(T::default())
}
