//! Calls into Java from a thread that stays in native code: typed method ids, and objects that live as long as they
//! are needed.
//!
//! Used by `handler` and `lease`. Upcalls take and answer integers only, so they leave no local references behind;
//! whatever they throw is cleared before anything else is called.

use std::ffi::{CStr, CString};
use std::marker::PhantomData;

use ferrofuse_protocol::Errno;
use ferrofuse_session::Outcome;
use jni::errors::Error;
use jni::objects::{Global, JClass, JObject};
use jni::sys::{self, jmethodID, jvalue};
use jni::{Env, EnvUnowned};

/// The JNI environment of the thread it was made on; it can't leave it.
#[derive(Clone, Copy)]
pub(crate) struct Thread(*mut sys::JNIEnv);

impl Thread {
    /// # Safety
    /// The value is not used after the native method that `env` was given to has returned.
    pub(crate) unsafe fn of(env: &Env<'_>) -> Self {
        Self(env.get_raw())
    }

    /// Runs something that needs the safe interface. Local references it makes are freed at its end; an exception it
    /// leaves is cleared.
    pub(crate) fn with_env<T>(self, f: impl FnOnce(&mut Env<'_>) -> jni::errors::Result<T>) -> Result<T, Errno> {
        // SAFETY: it is this thread's environment, by the promise made to `of`.
        let mut env = unsafe { EnvUnowned::from_raw(self.0) };
        let mut outcome = Err(Errno::EIO);
        let keep = &mut outcome;
        env.with_env_no_catch(|env| -> Result<(), Error> {
            let answer = env.with_local_frame(LOCAL_REFERENCES, f);
            *keep = answer.map_err(|_| self.clear_exception().unwrap_or(Errno::EIO));
            Ok(())
        })
        .resolve::<jni::errors::LogErrorAndDefault>();
        outcome
    }

    /// Clears a pending exception and answers the errno that stands for it; `None` if there is none.
    fn clear_exception(self) -> Option<Errno> {
        // SAFETY: it is this thread's environment, by the promise made to `of`; all of these may be called with an
        // exception pending but IsInstanceOf, which is called after it was cleared.
        unsafe {
            if !((**self.0).v1_2.ExceptionCheck)(self.0) {
                return None;
            }
            let thrown = ((**self.0).v1_1.ExceptionOccurred)(self.0);
            ((**self.0).v1_1.ExceptionClear)(self.0);
            let no_memory = crate::ids::ids().out_of_memory.as_raw();
            let is_no_memory = ((**self.0).v1_1.IsInstanceOf)(self.0, thrown, no_memory);
            ((**self.0).v1_1.DeleteLocalRef)(self.0, thrown);
            Some(if is_no_memory { Errno::ENOMEM } else { Errno::EIO })
        }
    }
}

/// Local references that a call through [`Thread::with_env`] makes at most.
const LOCAL_REFERENCES: usize = 8;

/// An object of the class that `C` stands for.
#[repr(transparent)]
pub(crate) struct Object<C> {
    reference: Global<JObject<'static>>,
    class: PhantomData<fn() -> C>,
}

impl<C> Object<C> {
    /// # Errors
    /// No memory.
    ///
    /// # Safety
    /// `object` is of the class `C`, and not null.
    pub(crate) unsafe fn new(env: &Env<'_>, object: &JObject<'_>) -> jni::errors::Result<Self> {
        Ok(Self {
            reference: env.new_global_ref(object)?,
            class: PhantomData,
        })
    }

    pub(crate) fn reference(&self) -> &JObject<'static> {
        &self.reference
    }

    /// The same object, as one of another of its classes.
    ///
    /// # Safety
    /// It is of the class `D`.
    pub(crate) unsafe fn cast<D>(&self) -> &Object<D> {
        // SAFETY: the class is a mark without content, and the struct is transparent around the rest.
        unsafe { &*std::ptr::from_ref(self).cast() }
    }
}

/// A type that Java takes as it is.
pub(crate) trait Arg: Copy {
    /// Its letter in a method signature.
    const LETTER: char;
    fn value(self) -> jvalue;
}

impl Arg for i32 {
    const LETTER: char = 'I';
    fn value(self) -> jvalue {
        jvalue { i: self }
    }
}

impl Arg for i64 {
    const LETTER: char = 'J';
    fn value(self) -> jvalue {
        jvalue { j: self }
    }
}

/// Arguments of a method: a tuple.
pub(crate) trait Args {
    type Values: AsRef<[jvalue]>;
    fn letters() -> String;
    fn values(self) -> Self::Values;
}

macro_rules! args {
    ($($count:literal: $($type:ident)*;)*) => {
        $(
            impl<$($type: Arg),*> Args for ($($type,)*) {
                type Values = [jvalue; $count];
                fn letters() -> String {
                    String::from_iter::<[char; $count]>([$($type::LETTER),*])
                }
                #[allow(non_snake_case, reason = "a variable named after its type, for want of an index")]
                fn values(self) -> Self::Values {
                    let ($($type,)*) = self;
                    [$($type.value()),*]
                }
            }
        )*
    };
}

args! {
    0: ;
    1: A;
    2: A B;
    3: A B C;
    4: A B C D;
    5: A B C D E;
    6: A B C D E F;
    7: A B C D E F G;
}

/// A method of the class `C` that takes `A` and answers an int: 0 or more, or a negative errno.
pub(crate) struct IntMethod<C, A> {
    id: jmethodID,
    signature: PhantomData<fn(C, A)>,
}

// SAFETY: a method id belongs to no thread, and stays valid while its class is loaded, which `Ids` sees to.
unsafe impl<C, A> Send for IntMethod<C, A> {}
// SAFETY: as above.
unsafe impl<C, A> Sync for IntMethod<C, A> {}

impl<C, A: Args> IntMethod<C, A> {
    /// # Errors
    /// The class has no such method.
    ///
    /// # Safety
    /// `class` is `C`, and is never unloaded.
    pub(crate) unsafe fn find(env: &mut Env<'_>, class: &JClass<'_>, name: &CStr) -> jni::errors::Result<Self> {
        let signature = CString::new(format!("({})I", A::letters())).expect("letters are not NUL");
        let raw = env.get_raw();
        // SAFETY: `env` is this thread's, the class and both strings outlive the call.
        let id = unsafe { ((**raw).v1_1.GetMethodID)(raw, class.as_raw(), name.as_ptr(), signature.as_ptr()) };
        if id.is_null() {
            return Err(Error::JavaException);
        }
        Ok(Self {
            id,
            signature: PhantomData,
        })
    }

    /// Calls it.
    ///
    /// # Errors
    /// The errno it answers, or one for what it throws.
    pub(crate) fn call(&self, thread: Thread, object: &Object<C>, args: A) -> Outcome<i32> {
        let values = args.values();
        let Thread(env) = thread;
        // SAFETY: `env` is this thread's and has no exception pending, as each call clears it; the object is of the
        // class that the id was found in, and the arguments are those of the signature it was found by.
        let answer =
            unsafe { ((**env).v1_1.CallIntMethodA)(env, object.reference.as_raw(), self.id, values.as_ref().as_ptr()) };
        match thread.clear_exception() {
            Some(errno) => Err(errno),
            None if answer < 0 => Err(Errno::from_raw(answer.wrapping_neg()).unwrap_or(Errno::EIO)),
            None => Ok(answer),
        }
    }
}
