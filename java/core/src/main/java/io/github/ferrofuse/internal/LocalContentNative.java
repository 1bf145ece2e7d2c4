package io.github.ferrofuse.internal;

import java.nio.ByteBuffer;

/**
 * What is done with an open local file, in {@code native/jvm/src/local/content.rs}. For any thread,
 * once {@link Native#load} has been called.
 *
 * <p>Buffers are direct, and the caller has checked position and count; native code looks again.
 * Each answers 0 or more, or a negative errno.
 */
public final class LocalContentNative {
  /** fsync(2). */
  public static final int FSYNC = 0;

  /** fdatasync(2). */
  public static final int FDATASYNC = 1;

  /** syncfs(2). */
  public static final int SYNCFS = 2;

  private LocalContentNative() {}

  /**
   * pread(2).
   *
   * @param fd the descriptor
   * @param out takes the bytes
   * @param position of the first byte in the buffer
   * @param count how many at most
   * @param offset in the file
   * @return how many, 0 at the end, or a negative errno
   */
  public static native int read(int fd, ByteBuffer out, int position, int count, long offset);

  /**
   * pwrite(2).
   *
   * @param fd the descriptor
   * @param in the bytes
   * @param position of the first byte in the buffer
   * @param count how many
   * @param offset in the file
   * @return how many, or a negative errno
   */
  public static native int write(int fd, ByteBuffer in, int position, int count, long offset);

  /**
   * getdents64(2).
   *
   * @param fd the directory's descriptor
   * @param out takes records from its start to its capacity
   * @return how many bytes, 0 at the end, or a negative errno
   */
  public static native int list(int fd, ByteBuffer out);

  /**
   * lseek(2).
   *
   * @param fd the descriptor
   * @param offset as the whence says
   * @param whence a SEEK_ number
   * @return the position or a negative errno
   */
  public static native long seek(int fd, long offset, int whence);

  /**
   * ftruncate(2).
   *
   * @param fd the descriptor
   * @param size in bytes
   * @return 0 or a negative errno
   */
  public static native int truncate(int fd, long size);

  /**
   * fallocate(2).
   *
   * @param fd the descriptor
   * @param mode FALLOC_FL_ flags
   * @param offset in bytes
   * @param length in bytes
   * @return 0 or a negative errno
   */
  public static native int allocate(int fd, int mode, long offset, long length);

  /**
   * copy_file_range(2).
   *
   * @param in the descriptor of the source
   * @param inOffset where in it
   * @param out the descriptor of the target
   * @param outOffset where in it
   * @param length how many bytes at most
   * @return how many, or a negative errno
   */
  public static native long copy(int in, long inOffset, int out, long outOffset, long length);

  /**
   * fsync(2), fdatasync(2) or syncfs(2).
   *
   * @param fd the descriptor
   * @param what {@link #FSYNC}, {@link #FDATASYNC} or {@link #SYNCFS}
   * @return 0 or a negative errno
   */
  public static native int sync(int fd, int what);

  /**
   * flock(2).
   *
   * @param fd the descriptor
   * @param operation LOCK_ flags
   * @return 0 or a negative errno
   */
  public static native int lock(int fd, int operation);
}
