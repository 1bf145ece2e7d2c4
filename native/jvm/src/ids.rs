//! Classes and method ids of the Java side, found once when the library is loaded.
//!
//! Found there because only then does JNI look with the class loader of our classes; a native thread would see the
//! system's.

use std::sync::OnceLock;

use jni::objects::{Global, JClass, JMethodID, JStaticMethodID};
use jni::{jni_sig, jni_str, Env};

use crate::jvm::IntMethod;
use crate::settings::Api;

/// `io.github.ferrofuse.internal.Door`.
pub(crate) enum Door {}
/// `io.github.ferrofuse.internal.Upcalls`: what works on open handles.
pub(crate) enum Upcalls {}
/// `io.github.ferrofuse.internal.NodeUpcalls`, derived from it: files by number.
pub(crate) enum NodeUpcalls {}
/// `io.github.ferrofuse.internal.PathUpcalls`, derived from it: files by path.
pub(crate) enum PathUpcalls {}

/// A class whose methods serve requests.
pub(crate) trait Upcall {
    /// Whose file systems have it; `None`: all.
    const API: Option<Api>;
}

impl Upcall for Upcalls {
    const API: Option<Api> = None;
}

impl Upcall for NodeUpcalls {
    const API: Option<Api> = Some(Api::Inode);
}

impl Upcall for PathUpcalls {
    const API: Option<Api> = Some(Api::Path);
}

macro_rules! ids {
    ($($(#[$about:meta])* $ids:ident of $class:ident { $($method:ident: $args:ty,)* })*) => {
        $(
            $(#[$about])*
            pub(crate) struct $ids {
                $(pub(crate) $method: IntMethod<$class, $args>,)*
            }

            impl $ids {
                /// # Safety
                /// `class` is the one that these are of, and is never unloaded.
                unsafe fn find(env: &mut Env<'_>, class: &JClass<'_>) -> jni::errors::Result<Self> {
                    // SAFETY: the caller's promise.
                    unsafe { Ok(Self { $($method: IntMethod::find(env, class, c_name!($method))?,)* }) }
                }
            }
        )*
    };
}

macro_rules! c_name {
    ($name:ident) => {
        std::ffi::CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes())
            .expect("an identifier has no NUL")
    };
}

ids! {
    /// Methods of `Door` that take and answer integers.
    DoorIds of Door {
        init: (i32, i64),
        destroy: (),
        forget: (i64, i64),
        interrupt: (i64,),
        spawn: (),
    }

    /// Methods of `Upcalls`, one per operation, each with the parameters that the Java source names.
    UpcallIds of Upcalls {
        read: (i32, i64, i32),
        write: (i32, i64, i32),
        flush: (i32,),
        fsync: (i32, i32),
        fallocate: (i32, i32, i64, i64),
        lseek: (i32, i64, i32),
        copy: (i32, i64, i32, i64, i64),
        ioctl: (i32,),
        ioctldir: (i32,),
        poll: (i32, i32, i64, i32),
        retrieved: (i64, i32),
        release: (i32,),
        getlk: (i32, i32, i64, i64, i64, i32),
        setlk: (i32, i32, i64, i64, i64, i32, i32),
        fsyncdir: (i32, i32),
        releasedir: (i32,),
        disarm: (),
    }

    /// Methods of `NodeUpcalls`, likewise.
    NodeIds of NodeUpcalls {
        lookup: (i64, i32),
        getattr: (i64, i32),
        setattr: (i64, i32),
        readlink: (i64,),
        symlink: (i64, i32, i32),
        mknod: (i64, i32, i32, i32),
        mkdir: (i64, i32, i32),
        unlink: (i64, i32),
        rmdir: (i64, i32),
        rename: (i64, i32, i64, i32, i32),
        link: (i64, i64, i32),
        statfs: (i64,),
        access: (i64, i32),
        setxattr: (i64, i32, i32, i32, i32),
        getxattr: (i64, i32, i32),
        listxattr: (i64, i32),
        removexattr: (i64, i32),
        open: (i64, i32, i32),
        create: (i64, i32, i32, i32, i32),
        tmpfile: (i64, i32, i32, i32),
        syncfs: (i64,),
        bmap: (i64, i32, i64),
        opendir: (i64, i32),
        readdir: (i32, i64, i32, i32),
    }

    /// Methods of `PathUpcalls`, likewise.
    PathIds of PathUpcalls {
        lookup: (i32,),
        getattr: (i32, i32),
        setattr: (i32, i32),
        readlink: (i32,),
        symlink: (i32, i32),
        mknod: (i32, i32, i32),
        mkdir: (i32, i32),
        unlink: (i32,),
        rmdir: (i32,),
        rename: (i32, i32, i32),
        link: (i32, i32, i32),
        statfs: (i32,),
        access: (i32, i32),
        setxattr: (i32, i32, i32, i32, i32, i32),
        getxattr: (i32, i32, i32, i32),
        listxattr: (i32, i32, i32),
        removexattr: (i32, i32, i32),
        open: (i32, i32, i32, i32),
        create: (i32, i32, i32, i32),
        tmpfile: (i32, i32, i32, i32),
        syncfs: (),
        bmap: (i32, i32, i64),
        opendir: (i32, i32),
        readdir: (i32, i32, i64, i32, i32),
    }
}

/// Everything that native code calls in Java.
pub(crate) struct Ids {
    pub(crate) door: DoorIds,
    pub(crate) upcalls: UpcallIds,
    pub(crate) node: NodeIds,
    pub(crate) path: PathIds,
    /// `Upcalls Door.lease(int bulkSize)`.
    pub(crate) lease: JMethodID,
    /// `ByteBuffer Upcalls.page()`.
    pub(crate) page: JMethodID,
    /// `ByteBuffer Upcalls.bulk()`.
    pub(crate) bulk: JMethodID,
    pub(crate) log: Global<JClass<'static>>,
    /// `static void EngineLog.line(int level, String text)`.
    pub(crate) log_line: JStaticMethodID,
    pub(crate) flight: Global<JClass<'static>>,
    /// `static void FlightRecording.slow(String mount, int opcode, long unique, int pid, long took, long waited)`.
    pub(crate) flight_slow: JStaticMethodID,
    pub(crate) out_of_memory: Global<JClass<'static>>,
    pub(crate) node_upcalls: Global<JClass<'static>>,
    pub(crate) path_upcalls: Global<JClass<'static>>,
    /// Held so that the ids stay valid.
    _classes: [Global<JClass<'static>>; 2],
}

static IDS: OnceLock<Ids> = OnceLock::new();

/// Finds them all. For `JNI_OnLoad`.
///
/// # Errors
/// The classes are not those of this build.
pub(crate) fn find(env: &mut Env<'_>) -> jni::errors::Result<()> {
    let door = env.find_class(jni_str!("io/github/ferrofuse/internal/Door"))?;
    let upcalls = env.find_class(jni_str!("io/github/ferrofuse/internal/Upcalls"))?;
    let node_upcalls = env.find_class(jni_str!("io/github/ferrofuse/internal/NodeUpcalls"))?;
    let path_upcalls = env.find_class(jni_str!("io/github/ferrofuse/internal/PathUpcalls"))?;
    let log = env.find_class(jni_str!("io/github/ferrofuse/internal/EngineLog"))?;
    let flight = env.find_class(jni_str!("io/github/ferrofuse/internal/FlightRecording"))?;
    let out_of_memory = env.find_class(jni_str!("java/lang/OutOfMemoryError"))?;
    let ids = Ids {
        // SAFETY: the classes are those named, and are kept loaded below.
        door: unsafe { DoorIds::find(env, &door)? },
        // SAFETY: as above.
        upcalls: unsafe { UpcallIds::find(env, &upcalls)? },
        // SAFETY: as above.
        node: unsafe { NodeIds::find(env, &node_upcalls)? },
        // SAFETY: as above.
        path: unsafe { PathIds::find(env, &path_upcalls)? },
        lease: env.get_method_id(
            &door,
            jni_str!("lease"),
            jni_sig!("(I)Lio/github/ferrofuse/internal/Upcalls;"),
        )?,
        page: env.get_method_id(&upcalls, jni_str!("page"), jni_sig!("()Ljava/nio/ByteBuffer;"))?,
        bulk: env.get_method_id(&upcalls, jni_str!("bulk"), jni_sig!("()Ljava/nio/ByteBuffer;"))?,
        log_line: env.get_static_method_id(&log, jni_str!("line"), jni_sig!("(ILjava/lang/String;)V"))?,
        log: env.new_global_ref(&log)?,
        flight_slow: env.get_static_method_id(&flight, jni_str!("slow"), jni_sig!("(Ljava/lang/String;IJIJJ)V"))?,
        flight: env.new_global_ref(&flight)?,
        out_of_memory: env.new_global_ref(&out_of_memory)?,
        node_upcalls: env.new_global_ref(&node_upcalls)?,
        path_upcalls: env.new_global_ref(&path_upcalls)?,
        _classes: [env.new_global_ref(&door)?, env.new_global_ref(&upcalls)?],
    };
    // A second class loader that loads the library gets a copy of it, with ids of its own.
    let _ = IDS.set(ids);
    Ok(())
}

/// What [`find`] found.
pub(crate) fn ids() -> &'static Ids {
    IDS.get()
        .expect("JNI_OnLoad fills it before any native method is registered")
}
