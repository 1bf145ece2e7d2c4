package io.github.ferrofuse.internal;

/**
 * Opening, naming by handle and closing of local files, in {@code native/jvm/src/local/open.rs}.
 * For any thread, once {@link Native#load} has been called.
 *
 * <p>Each answers a descriptor or another number, or a negative errno.
 */
public final class LocalOpenNative {
  private LocalOpenNative() {}

  /** {@return the values that differ between processors, in the order of {@code LocalFlags}} */
  public static native int[] flags();

  /**
   * openat(2) of a path that is absolute or relative to the working directory.
   *
   * @param path the path's bytes
   * @param length how many of them count
   * @param flags O_ flags; O_CLOEXEC is added
   * @return the descriptor or a negative errno
   */
  public static native int open(byte[] path, int length, int flags);

  /**
   * openat2(2).
   *
   * @param dir the directory's descriptor
   * @param path the path's bytes, relative
   * @param length how many of them count
   * @param flags O_ flags; O_CLOEXEC is added
   * @param mode of a file that is made
   * @param resolve RESOLVE_ flags
   * @param caller who makes it, see {@code LocalCaller}; null for this process
   * @return the descriptor or a negative errno
   */
  public static native int openat2(
      int dir, byte[] path, int length, int flags, int mode, int resolve, int[] caller);

  /**
   * open(2) of /proc/self/fd.
   *
   * @param fd the descriptor
   * @param flags O_ flags; O_CLOEXEC is added
   * @return another descriptor or a negative errno
   */
  public static native int reopen(int fd, int flags);

  /**
   * name_to_handle_at(2).
   *
   * @param fd the descriptor
   * @param into takes the handle's type, four bytes in the machine's order, then its bytes
   * @return how many bytes there are or a negative errno
   */
  public static native int handle(int fd, byte[] into);

  /**
   * open_by_handle_at(2).
   *
   * @param mount any descriptor on the file system
   * @param handle as {@link #handle} gave it
   * @param offset of its first byte in the array
   * @param length how many bytes it has
   * @param flags O_ flags; O_CLOEXEC is added
   * @return the descriptor or a negative errno
   */
  public static native int byHandle(int mount, byte[] handle, int offset, int length, int flags);

  /**
   * Has the file system see a close(2), by closing a duplicate.
   *
   * @param fd the descriptor
   * @return 0 or a negative errno
   */
  public static native int flush(int fd);

  /**
   * close(2). The descriptor is gone, whatever is answered.
   *
   * @param fd the descriptor
   * @return 0 or a negative errno
   */
  public static native int close(int fd);
}
