//! Attributes of files: native methods of the Java class `LocalAttributesNative`.
//!
//! Calls that take no descriptor opened with O_PATH go through its name in /proc, which leads to the file itself: to a
//! symbolic link, not to where that leads.

use std::ffi::{c_int, c_long};
use std::ptr;

use jni::objects::{JByteArray, JByteBuffer, JClass, JLongArray};
use jni::sys::{jboolean, jint, jlong};
use jni::{Env, EnvUnowned};

use super::{answer, component, made, region, small, ProcPath, Refused, ShortText};
use crate::natives::register_natives;

pub(super) fn register(env: &mut Env<'_>) -> jni::errors::Result<()> {
    register_natives!(
        env,
        "io/github/ferrofuse/internal/LocalAttributesNative",
        "statx": "(I[BILjava/nio/ByteBuffer;)I" = java_statx,
        "statfs": "(I[J)I" = java_statfs,
        "chmod": "(IZI)I" = java_chmod,
        "chown": "(III)I" = java_chown,
        "times": "(IZJIJI)I" = java_times,
        "inodeFlags": "(I)J" = java_inode_flags,
        "setInodeFlags": "(II)I" = java_set_inode_flags,
        "inodeAttributes": "(ILjava/nio/ByteBuffer;I)I" = java_inode_attributes,
        "setInodeAttributes": "(ILjava/nio/ByteBuffer;I)I" = java_set_inode_attributes,
        "getXattr": "(IZ[BILjava/nio/ByteBuffer;II)I" = java_get_xattr,
        "setXattr": "(IZ[BILjava/nio/ByteBuffer;III)I" = java_set_xattr,
        "listXattrs": "(IZLjava/nio/ByteBuffer;II)I" = java_list_xattrs,
        "removeXattr": "(IZ[BI)I" = java_remove_xattr,
    )
}

/// Bytes of `struct statx`, whose layout Java knows: <linux/stat.h>.
const STATX_SIZE: jint = 256;
/// STATX_BASIC_STATS, STATX_BTIME and STATX_MNT_ID. What the kernel lacks of it is missing in the answer's mask.
const STATX_WANTED: c_int = 0x7ff | 0x800 | 0x1000;

extern "system" fn java_statx<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    fd: jint,
    name: JByteArray<'l>,
    length: jint,
    out: JByteBuffer<'l>,
) -> jint {
    small(env, |env| {
        let (out, _) = region(env, &out, 0, STATX_SIZE)?;
        let nofollow = libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT;
        let stat = |name: *const _, flags: c_int| {
            // SAFETY: the name is a C string, and the buffer has room for the struct.
            made(|| unsafe { libc::syscall(libc::SYS_statx, fd, name, flags | nofollow, STATX_WANTED, out) })
        };
        if name.is_null() {
            stat(c"".as_ptr(), libc::AT_EMPTY_PATH)
        } else {
            stat(component(env, &name, length)?.as_ptr(), 0)
        }
    })
}

extern "system" fn java_statfs<'l>(env: EnvUnowned<'l>, _class: JClass<'l>, fd: jint, out: JLongArray<'l>) -> jint {
    small(env, |env| {
        // SAFETY: the struct is valid when all its bytes are 0.
        let mut found: libc::statfs64 = unsafe { std::mem::zeroed() };
        // SAFETY: the struct is written to here alone.
        made(|| unsafe { libc::fstatfs64(fd, &raw mut found) })?;
        // Blocks are counted in fragments where the file system has any: statvfs(3).
        let unit = if found.f_frsize == 0 {
            found.f_bsize
        } else {
            found.f_frsize
        };
        let numbers = [
            found.f_type as jlong,
            unit as jlong,
            found.f_blocks as jlong,
            found.f_bfree as jlong,
            found.f_bavail as jlong,
            found.f_files as jlong,
            found.f_ffree as jlong,
            found.f_namelen as jlong,
            found.f_flags as jlong,
            // Two ints without public names.
            // SAFETY: the struct has eight bytes, of any value.
            unsafe { ptr::read_unaligned((&raw const found.f_fsid).cast::<jlong>()) },
        ];
        out.set_region(env, 0, &numbers)?;
        Ok(0)
    })
}

extern "system" fn java_chmod<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    fd: jint,
    opaque: jboolean,
    mode: jint,
) -> jint {
    small(env, |_| {
        let mode = mode as u32 & 0o7777;
        if opaque {
            let path = ProcPath::of(fd);
            // SAFETY: the path is a C string.
            made(|| unsafe { libc::chmod(path.as_ptr(), mode) })
        } else {
            // SAFETY: touches no memory.
            made(|| unsafe { libc::fchmod(fd, mode) })
        }
    })
}

extern "system" fn java_chown<'l>(env: EnvUnowned<'l>, _class: JClass<'l>, fd: jint, uid: jint, gid: jint) -> jint {
    small(env, |_| {
        let (uid, gid) = (uid as u32, gid as u32);
        // SAFETY: the name is a C string.
        made(|| unsafe { libc::fchownat(fd, c"".as_ptr(), uid, gid, libc::AT_EMPTY_PATH) })
    })
}

extern "system" fn java_times<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    fd: jint,
    opaque: jboolean,
    atime: jlong,
    atime_nanos: jint,
    mtime: jlong,
    mtime_nanos: jint,
) -> jint {
    small(env, |_| {
        let time = |seconds: jlong, nanos: jint| libc::timespec {
            tv_sec: seconds,
            tv_nsec: c_long::from(nanos),
        };
        let times = [time(atime, atime_nanos), time(mtime, mtime_nanos)];
        if opaque {
            let path = ProcPath::of(fd);
            // SAFETY: the path is a C string, and there are two times.
            made(|| unsafe { libc::utimensat(libc::AT_FDCWD, path.as_ptr(), times.as_ptr(), 0) })
        } else {
            // SAFETY: there are two times.
            made(|| unsafe { libc::futimens(fd, times.as_ptr()) })
        }
    })
}

extern "system" fn java_inode_flags<'l>(env: EnvUnowned<'l>, _class: JClass<'l>, fd: jint) -> jlong {
    answer(env, |_| {
        // An int, though the request's number says long: ioctl_iflags(2).
        let mut flags: c_int = 0;
        // SAFETY: the number is written to here alone.
        made(|| unsafe { libc::ioctl(fd, libc::FS_IOC_GETFLAGS, &raw mut flags) })?;
        Ok(c_long::from(flags as u32))
    })
}

extern "system" fn java_set_inode_flags<'l>(env: EnvUnowned<'l>, _class: JClass<'l>, fd: jint, flags: jint) -> jint {
    small(env, |_| {
        let flags: c_int = flags;
        // SAFETY: the number is read alone.
        made(|| unsafe { libc::ioctl(fd, libc::FS_IOC_SETFLAGS, &raw const flags) })
    })
}

/// Bytes of `struct fsxattr`, and the requests that take it, whose numbers libc lacks: <linux/fs.h>.
const FSXATTR_SIZE: jint = 28;
const FS_IOC_FSGETXATTR: u32 = 0x801c_581f;
const FS_IOC_FSSETXATTR: u32 = 0x401c_5820;

extern "system" fn java_inode_attributes<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    fd: jint,
    out: JByteBuffer<'l>,
    position: jint,
) -> jint {
    small(env, |env| {
        let (out, _) = region(env, &out, position, FSXATTR_SIZE)?;
        // SAFETY: the buffer has room for the struct.
        made(|| unsafe { libc::ioctl(fd, FS_IOC_FSGETXATTR as _, out) })
    })
}

extern "system" fn java_set_inode_attributes<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    fd: jint,
    from: JByteBuffer<'l>,
    position: jint,
) -> jint {
    small(env, |env| {
        let (from, _) = region(env, &from, position, FSXATTR_SIZE)?;
        // SAFETY: the struct lies in the buffer.
        made(|| unsafe { libc::ioctl(fd, FS_IOC_FSSETXATTR as _, from) })
    })
}

extern "system" fn java_get_xattr<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    fd: jint,
    opaque: jboolean,
    name: JByteArray<'l>,
    length: jint,
    out: JByteBuffer<'l>,
    position: jint,
    count: jint,
) -> jint {
    small(env, |env| {
        let name = xattr_name(env, &name, length)?;
        let (out, count) = region(env, &out, position, count)?;
        if opaque {
            let path = ProcPath::of(fd);
            // SAFETY: path and name are C strings, the bytes are the buffer's.
            made(|| unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), out.cast(), count) } as c_long)
        } else {
            // SAFETY: the name is a C string, the bytes are the buffer's.
            made(|| unsafe { libc::fgetxattr(fd, name.as_ptr(), out.cast(), count) } as c_long)
        }
    })
}

extern "system" fn java_set_xattr<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    fd: jint,
    opaque: jboolean,
    name: JByteArray<'l>,
    length: jint,
    value: JByteBuffer<'l>,
    position: jint,
    count: jint,
    flags: jint,
) -> jint {
    small(env, |env| {
        let name = xattr_name(env, &name, length)?;
        let (value, count) = region(env, &value, position, count)?;
        if opaque {
            let path = ProcPath::of(fd);
            // SAFETY: path and name are C strings, the bytes are the buffer's.
            made(|| unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), value.cast(), count, flags) })
        } else {
            // SAFETY: the name is a C string, the bytes are the buffer's.
            made(|| unsafe { libc::fsetxattr(fd, name.as_ptr(), value.cast(), count, flags) })
        }
    })
}

extern "system" fn java_list_xattrs<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    fd: jint,
    opaque: jboolean,
    out: JByteBuffer<'l>,
    position: jint,
    count: jint,
) -> jint {
    small(env, |env| {
        let (out, count) = region(env, &out, position, count)?;
        let out = if count == 0 { ptr::null_mut() } else { out };
        if opaque {
            let path = ProcPath::of(fd);
            // SAFETY: the path is a C string, the bytes are the buffer's.
            made(|| unsafe { libc::listxattr(path.as_ptr(), out.cast(), count) } as c_long)
        } else {
            // SAFETY: the bytes are the buffer's.
            made(|| unsafe { libc::flistxattr(fd, out.cast(), count) } as c_long)
        }
    })
}

extern "system" fn java_remove_xattr<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    fd: jint,
    opaque: jboolean,
    name: JByteArray<'l>,
    length: jint,
) -> jint {
    small(env, |env| {
        let name = xattr_name(env, &name, length)?;
        if opaque {
            let path = ProcPath::of(fd);
            // SAFETY: path and name are C strings.
            made(|| unsafe { libc::removexattr(path.as_ptr(), name.as_ptr()) })
        } else {
            // SAFETY: the name is a C string.
            made(|| unsafe { libc::fremovexattr(fd, name.as_ptr()) })
        }
    })
}

/// One that is too long is out of range for the kernel: xattr(7).
fn xattr_name(env: &Env<'_>, name: &JByteArray<'_>, length: jint) -> Result<ShortText, Refused> {
    ShortText::of(env, name, length).map_err(|refused| match refused {
        Refused::Errno(libc::ENAMETOOLONG) => Refused::Errno(libc::ERANGE),
        other => other,
    })
}
