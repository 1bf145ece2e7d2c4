package io.github.ferrofuse.internal;

import java.nio.ByteBuffer;

/**
 * What changes the names in a local directory, in {@code native/jvm/src/local/names.rs}. For any
 * thread, once {@link Native#load} has been called.
 *
 * <p>A name is the first bytes of an array: one path component, or EINVAL. Each answers 0 or more,
 * or a negative errno. Who makes a file is an array that {@code LocalCaller} explains; null for
 * this process.
 */
public final class LocalNamesNative {
  private LocalNamesNative() {}

  /**
   * mkdirat(2).
   *
   * @param dir the directory's descriptor
   * @param name the name
   * @param length how many bytes it has
   * @param mode permissions
   * @param caller who makes it
   * @return 0 or a negative errno
   */
  public static native int mkdir(int dir, byte[] name, int length, int mode, int[] caller);

  /**
   * mknodat(2).
   *
   * @param dir the directory's descriptor
   * @param name the name
   * @param length how many bytes it has
   * @param mode type and permissions
   * @param rdev the device's number, as in {@code stat.st_rdev}
   * @param caller who makes it
   * @return 0 or a negative errno
   */
  public static native int mknod(
      int dir, byte[] name, int length, int mode, int rdev, int[] caller);

  /**
   * symlinkat(2).
   *
   * @param dir the directory's descriptor
   * @param name the link's name
   * @param length how many bytes it has
   * @param target where it leads to
   * @param targetLength how many bytes that has
   * @param caller who makes it
   * @return 0 or a negative errno
   */
  public static native int symlink(
      int dir, byte[] name, int length, byte[] target, int targetLength, int[] caller);

  /**
   * linkat(2) of /proc/self/fd.
   *
   * @param fd the file's descriptor
   * @param dir the directory's descriptor
   * @param name the new name
   * @param length how many bytes it has
   * @return 0 or a negative errno
   */
  public static native int link(int fd, int dir, byte[] name, int length);

  /**
   * unlinkat(2).
   *
   * @param dir the directory's descriptor
   * @param name the name
   * @param length how many bytes it has
   * @param directory whether it is to be a directory: AT_REMOVEDIR
   * @return 0 or a negative errno
   */
  public static native int unlink(int dir, byte[] name, int length, boolean directory);

  /**
   * renameat2(2).
   *
   * @param dir the descriptor of the directory of the old name
   * @param name the old name
   * @param length how many bytes it has
   * @param newDir the descriptor of the directory of the new name
   * @param newName the new name
   * @param newLength how many bytes it has
   * @param flags RENAME_ flags
   * @param caller who makes a whiteout
   * @return 0 or a negative errno
   */
  public static native int rename(
      int dir,
      byte[] name,
      int length,
      int newDir,
      byte[] newName,
      int newLength,
      int flags,
      int[] caller);

  /**
   * readlinkat(2) of the link that the descriptor is of.
   *
   * @param fd the link's descriptor
   * @param out a direct buffer
   * @param position of the first byte
   * @param count how many bytes it may take
   * @return how many it took or a negative errno
   */
  public static native int readlink(int fd, ByteBuffer out, int position, int count);
}
