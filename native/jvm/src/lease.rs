//! The memory of one request in flight, as Java has it.
//!
//! Made by `handler` for the session, which owns it from then on. Both areas are direct buffers that Java allocated; the
//! reference held here keeps them, so that they are freed only when nobody in Java or here can reach them.

use std::io;
use std::ptr::{slice_from_raw_parts_mut, NonNull};

use ferrofuse_protocol::Errno;
use ferrofuse_session::{Memory, Outcome};
use jni::objects::{JByteBuffer, JMethodID, JObject};
use jni::signature::ReturnType;
use jni::sys::jvalue;
use jni::Env;

use crate::ids::{ids, Door, Upcall, Upcalls};
use crate::jvm::{Object, Thread};
use crate::layout::{ArgsPage, RequestContext, PAGE_SIZE};
use crate::settings::Api;

/// One lease.
pub(crate) struct Lease {
    upcalls: Object<Upcalls>,
    /// Tells of which derived class `upcalls` is.
    api: Api,
    page: NonNull<ArgsPage>,
    bulk: NonNull<[u8]>,
}

// SAFETY: the addresses are those of memory that no thread owns, and the reference is a global one.
unsafe impl Send for Lease {}

// SAFETY: the bulk buffer is direct, so it is mapped, writable and never moves; it is page-aligned, which `new` checks,
// its own allocation, and kept by `upcalls` until the lease is dropped.
unsafe impl Memory for Lease {
    fn bulk(&self) -> *mut [u8] {
        self.bulk.as_ptr()
    }
}

const PAGE_ALIGNMENT: usize = 4096;

impl Lease {
    /// Has Java allocate a lease.
    ///
    /// # Errors
    /// No memory, in or outside of Java's heap.
    pub(crate) fn new(thread: Thread, door: &Object<Door>, bulk: usize) -> io::Result<Self> {
        let size = i32::try_from(bulk).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        thread
            .with_env(|env| Self::allocate(env, door, size))
            .map_err(|errno| {
                match errno {
            Errno::ENOMEM => io::Error::other(
                "no direct memory is left in the JVM: raise -XX:MaxDirectMemorySize or lower threads= or max_write=",
            ),
            errno => io::Error::from_raw_os_error(errno.raw()),
        }
            })
    }

    fn allocate(env: &mut Env<'_>, door: &Object<Door>, size: i32) -> jni::errors::Result<Self> {
        // SAFETY: id, object and argument are those of `Upcalls Door.lease(int)`.
        let upcalls = unsafe {
            env.call_method_unchecked(door.reference(), ids().lease, ReturnType::Object, &[jvalue { i: size }])?
                .l()?
        };
        let api = api(env, &upcalls)?;
        let page = area(env, &upcalls, ids().page, PAGE_SIZE)?.cast::<ArgsPage>();
        let bulk = area(env, &upcalls, ids().bulk, size as usize)?;
        Ok(Self {
            // SAFETY: it is what `Door.lease` answered, which is never null.
            upcalls: unsafe { Object::new(env, &upcalls)? },
            api,
            page,
            bulk: NonNull::new(slice_from_raw_parts_mut(bulk.as_ptr(), size as usize)).expect("not null before"),
        })
    }

    /// The Java object whose methods serve this lease.
    ///
    /// # Errors
    /// EIO: it is not of that class.
    pub(crate) fn upcalls<C: Upcall>(&self) -> Outcome<&Object<C>> {
        if C::API.is_some_and(|api| api != self.api) {
            return Err(Errno::EIO);
        }
        // SAFETY: each class has its own `API`, and `api` was read off the object.
        Ok(unsafe { self.upcalls.cast() })
    }

    /// Sets who asks for what.
    pub(crate) fn put_request(&mut self, request: RequestContext) {
        self.page().request = request;
    }

    /// Puts the name, or the first of two; answers its length.
    ///
    /// # Errors
    /// ENAMETOOLONG.
    pub(crate) fn put_name(&mut self, name: &[u8]) -> Outcome<i32> {
        put(&mut self.page().name, name)
    }

    /// Puts a symbolic link's target or the second name; answers its length.
    ///
    /// # Errors
    /// ENAMETOOLONG.
    pub(crate) fn put_target(&mut self, target: &[u8]) -> Outcome<i32> {
        put(&mut self.page().target, target)
    }

    /// The args page, between upcalls.
    pub(crate) fn page(&mut self) -> &mut ArgsPage {
        // SAFETY: the buffer has this size and alignment, which `area` checks, and any bytes are an ArgsPage. Nothing
        // else refers to it: the Java side hands it to nobody and touches it during an upcall only, which can't run
        // while this borrow lasts.
        unsafe { self.page.as_mut() }
    }
}

fn put(area: &mut [u8], bytes: &[u8]) -> Outcome<i32> {
    area.get_mut(..bytes.len())
        .ok_or(Errno::ENAMETOOLONG)?
        .copy_from_slice(bytes);
    Ok(bytes.len() as i32)
}

/// What kind of file system `Upcalls` are for, by their class.
fn api(env: &mut Env<'_>, upcalls: &JObject<'_>) -> jni::errors::Result<Api> {
    for (class, api) in [(&ids().node_upcalls, Api::Inode), (&ids().path_upcalls, Api::Path)] {
        if env.is_instance_of(upcalls, class)? {
            return Ok(api);
        }
    }
    Err(jni::errors::Error::NullPtr("upcalls of a known class"))
}

/// Address of a buffer that Java answers, of exactly `size` bytes and page-aligned.
fn area(env: &mut Env<'_>, upcalls: &JObject<'_>, getter: JMethodID, size: usize) -> jni::errors::Result<NonNull<u8>> {
    // SAFETY: the id is that of a method of `Upcalls` without parameters that answers an object.
    let buffer = unsafe {
        env.call_method_unchecked(upcalls, getter, ReturnType::Object, &[])?
            .l()?
    };
    let buffer = env.cast_local::<JByteBuffer<'_>>(buffer)?;
    let address = NonNull::new(env.get_direct_buffer_address(&buffer)?);
    let capacity = env.get_direct_buffer_capacity(&buffer)?;
    address
        .filter(|address| capacity == size && address.as_ptr() as usize % PAGE_ALIGNMENT == 0)
        .ok_or(jni::errors::Error::NullPtr(
            "a lease's buffer of the promised size and alignment",
        ))
}
