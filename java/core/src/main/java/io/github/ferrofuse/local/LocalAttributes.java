package io.github.ferrofuse.local;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.internal.LocalAttributesNative;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/** What can be asked and changed about a file, whatever its type. */
abstract class LocalAttributes extends Descriptor {
  /** Most bytes that the names of a file's attributes take: {@code XATTR_LIST_MAX}. */
  private static final int XATTR_LIST_MAX = 1 << 16;

  LocalAttributes(int number, boolean opaque) {
    super(number, opaque);
  }

  /**
   * The file's attributes: statx(2). Allocates nothing.
   *
   * @param out takes them
   * @throws FuseException EIO, ESTALE ...
   * @throws UnsupportedOperationException before Linux 4.11
   */
  public final void statx(LocalStat out) throws FuseException {
    stat(null, 0, out);
  }

  /**
   * Attributes of a file in this directory: statx(2). Of a symbolic link, its own. Allocates
   * nothing.
   *
   * @param name one path component; EINVAL if it is empty or "..", or has a slash or NUL
   * @param out takes them
   * @throws FuseException ENOENT, ENOTDIR if this is no directory, EACCES ...
   * @throws UnsupportedOperationException before Linux 4.11
   */
  public final void statx(Name name, LocalStat out) throws FuseException {
    stat(bytes(name), name.length(), out);
  }

  private void stat(byte[] name, int length, LocalStat out) throws FuseException {
    int fd = enter();
    try {
      answer(LocalAttributesNative.statx(fd, name, length, out.buffer()), "statx(2)", "4.11");
    } finally {
      leave();
    }
  }

  /**
   * The file system that the file is on: fstatfs(2).
   *
   * @return its figures
   * @throws FuseException EIO ...
   */
  public final LocalStatfs statfs() throws FuseException {
    long[] numbers = new long[LocalAttributesNative.STATFS_NUMBERS];
    int fd = enter();
    try {
      answer(LocalAttributesNative.statfs(fd, numbers));
    } finally {
      leave();
    }
    return LocalStatfs.of(numbers);
  }

  /**
   * Changes the permissions: fchmod(2), or chmod(2) of /proc/self/fd where this was opened with
   * O_PATH.
   *
   * @param mode permissions, setuid, setgid and sticky; other bits are ignored
   * @throws FuseException EPERM, EROFS; EOPNOTSUPP for a symbolic link
   */
  public final void chmod(int mode) throws FuseException {
    int fd = enter();
    try {
      answer(LocalAttributesNative.chmod(fd, opaque, mode));
    } finally {
      leave();
    }
  }

  /**
   * Changes owner and group: fchownat(2), of a symbolic link its own.
   *
   * @param uid the owner; -1 leaves it
   * @param gid the group; -1 leaves it
   * @throws FuseException EPERM, EROFS ...
   */
  public final void chown(int uid, int gid) throws FuseException {
    int fd = enter();
    try {
      answer(LocalAttributesNative.chown(fd, uid, gid));
    } finally {
      leave();
    }
  }

  /**
   * Changes the times: utimensat(2), of a symbolic link its own.
   *
   * @param atimeSeconds of the last access, since 1970, may be negative
   * @param atimeNanos 0 to 999,999,999, {@link LocalFlags#UTIME_NOW} or {@link
   *     LocalFlags#UTIME_OMIT}
   * @param mtimeSeconds of the last change of the content
   * @param mtimeNanos likewise
   * @throws FuseException EPERM, EACCES, EROFS; EINVAL for other nanoseconds
   */
  public final void utimens(long atimeSeconds, int atimeNanos, long mtimeSeconds, int mtimeNanos)
      throws FuseException {
    int fd = enter();
    try {
      answer(
          LocalAttributesNative.times(
              fd, opaque, atimeSeconds, atimeNanos, mtimeSeconds, mtimeNanos));
    } finally {
      leave();
    }
  }

  /**
   * The flags that chattr(1) changes: FS_IOC_GETFLAGS of ioctl_iflags(2).
   *
   * @return FS_ flags of &lt;linux/fs.h&gt;
   * @throws FuseException ENOTTY or EOPNOTSUPP if the file system has none, EBADF if this was
   *     opened with O_PATH
   */
  public final int inodeFlags() throws FuseException {
    int fd = enter();
    try {
      return (int) answer(LocalAttributesNative.inodeFlags(fd));
    } finally {
      leave();
    }
  }

  /**
   * Changes these flags: FS_IOC_SETFLAGS.
   *
   * @param flags FS_ flags of &lt;linux/fs.h&gt;
   * @throws FuseException EPERM, EOPNOTSUPP, and as {@link #inodeFlags}
   */
  public final void setInodeFlags(int flags) throws FuseException {
    int fd = enter();
    try {
      answer(LocalAttributesNative.setInodeFlags(fd, flags));
    } finally {
      leave();
    }
  }

  /** Bytes that {@link #inodeAttributes} gives. */
  public static final int INODE_ATTRIBUTES_BYTES = 28;

  /**
   * These flags, the project's number and sizes of extents: FS_IOC_FSGETXATTR.
   *
   * @param out direct, takes {@code struct fsxattr} of &lt;linux/fs.h&gt;, {@link
   *     #INODE_ATTRIBUTES_BYTES} of them; its own position and limit stay
   * @param position of the first byte
   * @throws FuseException as {@link #inodeFlags}
   */
  public final void inodeAttributes(ByteBuffer out, int position) throws FuseException {
    checkWritable(out, position, INODE_ATTRIBUTES_BYTES);
    int fd = enter();
    try {
      answer(LocalAttributesNative.inodeAttributes(fd, out, position));
    } finally {
      leave();
    }
  }

  /**
   * Changes them: FS_IOC_FSSETXATTR.
   *
   * @param from direct, has {@code struct fsxattr}; its own position and limit stay
   * @param position of its first byte
   * @throws FuseException as {@link #setInodeFlags}
   */
  public final void setInodeAttributes(ByteBuffer from, int position) throws FuseException {
    check(from, position, INODE_ATTRIBUTES_BYTES);
    int fd = enter();
    try {
      answer(LocalAttributesNative.setInodeAttributes(fd, from, position));
    } finally {
      leave();
    }
  }

  /**
   * An extended attribute: fgetxattr(2), or getxattr(2) of /proc/self/fd where this was opened with
   * O_PATH, of a symbolic link its own; so are the other methods for attributes.
   *
   * @param name with its prefix
   * @param out direct, takes the value; its own position and limit stay
   * @param position of the first byte
   * @param count how many bytes it may take, at most up to the limit; 0 only asks for the size
   * @return the size of the value in bytes
   * @throws FuseException ENODATA if there is none, ERANGE if it doesn't fit, EOPNOTSUPP, EPERM ...
   * @throws IllegalArgumentException if the buffer isn't direct, or read-only
   */
  public final int getXattr(Name name, ByteBuffer out, int position, int count)
      throws FuseException {
    checkWritable(out, position, count);
    int fd = enter();
    try {
      return answer(
          LocalAttributesNative.getXattr(
              fd, opaque, bytes(name), name.length(), out, position, count));
    } finally {
      leave();
    }
  }

  /**
   * Makes or changes an extended attribute: fsetxattr(2).
   *
   * @param name with its prefix
   * @param value direct; its own position and limit stay
   * @param position of the value's first byte
   * @param count its size in bytes
   * @param flags 0, {@link LocalFlags#XATTR_CREATE} or {@link LocalFlags#XATTR_REPLACE}
   * @throws FuseException EEXIST, ENODATA, ENOSPC, EOPNOTSUPP, EPERM ...
   * @throws IllegalArgumentException if the buffer isn't direct
   */
  public final void setXattr(Name name, ByteBuffer value, int position, int count, int flags)
      throws FuseException {
    check(value, position, count);
    int fd = enter();
    try {
      answer(
          LocalAttributesNative.setXattr(
              fd, opaque, bytes(name), name.length(), value, position, count, flags));
    } finally {
      leave();
    }
  }

  /**
   * Names of the extended attributes: flistxattr(2).
   *
   * @param out direct, takes the names, each with a NUL behind it; its own position and limit stay
   * @param position of the first byte
   * @param count how many bytes it may take; 0 only asks for the size
   * @return how many bytes they have
   * @throws FuseException ERANGE if they don't fit, EOPNOTSUPP ...
   * @throws IllegalArgumentException if the buffer isn't direct, or read-only
   */
  public final int listXattrs(ByteBuffer out, int position, int count) throws FuseException {
    checkWritable(out, position, count);
    int fd = enter();
    try {
      return answer(LocalAttributesNative.listXattrs(fd, opaque, out, position, count));
    } finally {
      leave();
    }
  }

  /**
   * Names of the extended attributes, as objects: flistxattr(2).
   *
   * @return the names, with their prefixes
   * @throws FuseException EOPNOTSUPP ...
   */
  public final List<Name> xattrNames() throws FuseException {
    int size = listXattrs(ByteBuffer.allocateDirect(0), 0, 0);
    while (true) {
      ByteBuffer names = ByteBuffer.allocateDirect(size);
      try {
        return split(names, listXattrs(names, 0, size));
      } catch (FuseException e) {
        if (e.errno() != Errno.ERANGE || size >= XATTR_LIST_MAX) {
          throw e;
        }
        size = Math.min(XATTR_LIST_MAX, size * 2 + 256); // one was added meanwhile
      }
    }
  }

  private static List<Name> split(ByteBuffer names, int length) {
    List<Name> found = new ArrayList<>();
    int start = 0;
    for (int i = 0; i < length; i++) {
      if (names.get(i) == 0) {
        byte[] name = new byte[i - start];
        names.get(start, name);
        found.add(Name.of(name));
        start = i + 1;
      }
    }
    return found;
  }

  /**
   * Removes an extended attribute: fremovexattr(2).
   *
   * @param name with its prefix
   * @throws FuseException ENODATA if there is none, EOPNOTSUPP, EPERM ...
   */
  public final void removeXattr(Name name) throws FuseException {
    int fd = enter();
    try {
      answer(LocalAttributesNative.removeXattr(fd, opaque, bytes(name), name.length()));
    } finally {
      leave();
    }
  }
}
