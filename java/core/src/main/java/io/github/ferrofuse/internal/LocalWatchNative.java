package io.github.ferrofuse.internal;

import java.nio.ByteBuffer;

/**
 * What others change on a local file system, in {@code native/jvm/src/local/watch.rs}. For any
 * thread, once {@link Native#load} has been called.
 *
 * <p>Each answers 0 or more, or a negative errno.
 */
public final class LocalWatchNative {
  private LocalWatchNative() {}

  /** {@return a descriptor of fanotify_init(2), or a negative errno} */
  public static native int open();

  /** {@return a descriptor of eventfd(2), or a negative errno} */
  public static native int bell();

  /**
   * fanotify_mark(2) of a file system.
   *
   * @param watch as {@link #open} gave it
   * @param fd any descriptor on the file system
   * @param opaque whether that was opened with O_PATH
   * @return 0 or a negative errno
   */
  public static native int add(int watch, int fd, boolean opaque);

  /**
   * Waits for events, without end.
   *
   * @param watch as {@link #open} gave it
   * @param bell as {@link #bell()} gave it
   * @param out a direct buffer, takes events from its start to its capacity
   * @return how many bytes, 0 when the bell has been rung, or a negative errno
   */
  public static native int await(int watch, int bell, ByteBuffer out);

  /**
   * Ends every {@link #await}.
   *
   * @param bell as {@link #bell()} gave it
   * @return more than 0 or a negative errno
   */
  public static native int ring(int bell);
}
