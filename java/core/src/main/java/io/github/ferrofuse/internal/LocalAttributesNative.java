package io.github.ferrofuse.internal;

import java.nio.ByteBuffer;

/**
 * Attributes of local files, in {@code native/jvm/src/local/attributes.rs}. For any thread, once
 * {@link Native#load} has been called.
 *
 * <p>{@code opaque} says that the descriptor was opened with O_PATH: what doesn't take such a one
 * goes through /proc/self/fd then. Each answers 0 or more, or a negative errno.
 */
public final class LocalAttributesNative {
  /** Numbers that {@link #statfs} gives. */
  public static final int STATFS_NUMBERS = 10;

  private LocalAttributesNative() {}

  /**
   * statx(2), following no symbolic link.
   *
   * @param fd the descriptor of the file, or of the directory of the name
   * @param name one path component, null for the file itself
   * @param length how many bytes it has
   * @param out a direct buffer for {@code struct statx}
   * @return 0 or a negative errno
   */
  public static native int statx(int fd, byte[] name, int length, ByteBuffer out);

  /**
   * fstatfs(2).
   *
   * @param fd the descriptor
   * @param out takes {@link #STATFS_NUMBERS} numbers, in the order of the members of {@code
   *     LocalStatfs}
   * @return 0 or a negative errno
   */
  public static native int statfs(int fd, long[] out);

  /**
   * fchmod(2).
   *
   * @param fd the descriptor
   * @param opaque whether it was opened with O_PATH
   * @param mode permissions
   * @return 0 or a negative errno
   */
  public static native int chmod(int fd, boolean opaque, int mode);

  /**
   * fchownat(2) with AT_EMPTY_PATH.
   *
   * @param fd the descriptor
   * @param uid the owner, -1 for no change
   * @param gid the group, -1 for no change
   * @return 0 or a negative errno
   */
  public static native int chown(int fd, int uid, int gid);

  /**
   * utimensat(2).
   *
   * @param fd the descriptor
   * @param opaque whether it was opened with O_PATH
   * @param atimeSeconds time of access
   * @param atimeNanos its nanoseconds, UTIME_NOW or UTIME_OMIT
   * @param mtimeSeconds time of modification
   * @param mtimeNanos its nanoseconds, UTIME_NOW or UTIME_OMIT
   * @return 0 or a negative errno
   */
  public static native int times(
      int fd, boolean opaque, long atimeSeconds, int atimeNanos, long mtimeSeconds, int mtimeNanos);

  /**
   * FS_IOC_GETFLAGS of ioctl_iflags(2).
   *
   * @param fd the descriptor
   * @return the flags, unsigned, or a negative errno
   */
  public static native long inodeFlags(int fd);

  /**
   * FS_IOC_SETFLAGS of ioctl_iflags(2).
   *
   * @param fd the descriptor
   * @param flags FS_ flags
   * @return 0 or a negative errno
   */
  public static native int setInodeFlags(int fd, int flags);

  /**
   * FS_IOC_FSGETXATTR.
   *
   * @param fd the descriptor
   * @param out a direct buffer for {@code struct fsxattr}
   * @param position of its first byte
   * @return 0 or a negative errno
   */
  public static native int inodeAttributes(int fd, ByteBuffer out, int position);

  /**
   * FS_IOC_FSSETXATTR.
   *
   * @param fd the descriptor
   * @param from a direct buffer with {@code struct fsxattr}
   * @param position of its first byte
   * @return 0 or a negative errno
   */
  public static native int setInodeAttributes(int fd, ByteBuffer from, int position);

  /**
   * getxattr(2).
   *
   * @param fd the descriptor
   * @param opaque whether it was opened with O_PATH
   * @param name the attribute's name
   * @param length how many bytes it has
   * @param out a direct buffer
   * @param position of the first byte
   * @param count how many bytes it may take, 0 to ask for the size
   * @return the value's size or a negative errno
   */
  public static native int getXattr(
      int fd, boolean opaque, byte[] name, int length, ByteBuffer out, int position, int count);

  /**
   * setxattr(2).
   *
   * @param fd the descriptor
   * @param opaque whether it was opened with O_PATH
   * @param name the attribute's name
   * @param length how many bytes it has
   * @param in a direct buffer
   * @param position of the value's first byte
   * @param count its size
   * @param flags XATTR_ flags
   * @return 0 or a negative errno
   */
  public static native int setXattr(
      int fd,
      boolean opaque,
      byte[] name,
      int length,
      ByteBuffer in,
      int position,
      int count,
      int flags);

  /**
   * listxattr(2).
   *
   * @param fd the descriptor
   * @param opaque whether it was opened with O_PATH
   * @param out a direct buffer
   * @param position of the first byte
   * @param count how many bytes it may take, 0 to ask for the size
   * @return how many bytes the names have, each with a NUL behind it, or a negative errno
   */
  public static native int listXattrs(
      int fd, boolean opaque, ByteBuffer out, int position, int count);

  /**
   * removexattr(2).
   *
   * @param fd the descriptor
   * @param opaque whether it was opened with O_PATH
   * @param name the attribute's name
   * @param length how many bytes it has
   * @return 0 or a negative errno
   */
  public static native int removeXattr(int fd, boolean opaque, byte[] name, int length);
}
