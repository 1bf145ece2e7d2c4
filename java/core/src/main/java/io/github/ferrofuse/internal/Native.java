package io.github.ferrofuse.internal;

import java.io.IOException;

/**
 * The engine's entry points, in {@code native/jvm/src/lib.rs}.
 *
 * <p>A mount is a number that is never reused: after {@link #close} every call answers as for a
 * mount that has ended.
 */
public final class Native {
  /** Answer of {@link #unmount}: nobody used it any more. */
  public static final int CLEAN = 0;

  /** Answer of {@link #unmount}: out of the tree, but still in use. */
  public static final int DETACHED = 1;

  /** Answer of {@link #unmount}: the connection was cut. */
  public static final int ABORTED = 2;

  private Native() {}

  /**
   * Loads the library, unless it is loaded.
   *
   * @throws UnsatisfiedLinkError if there is none that fits
   */
  public static void load() {
    NativeLoader.load();
    Layout.check(layout());
  }

  private static native String layout();

  /**
   * Mounts and comes to terms with the kernel; {@link Door#init} runs meanwhile.
   *
   * @param door the file system
   * @param settings see {@link Settings}
   * @return the mount
   * @throws IOException with one line that says what failed and what helps
   */
  public static native long mount(Door door, byte[] settings) throws IOException;

  /**
   * Serves requests until the connection ends. For a thread that does nothing else.
   *
   * @param mount the mount
   * @throws IOException if this thread can't serve; others may
   */
  public static native void serve(long mount) throws IOException;

  /**
   * Releases what is still open and calls {@link Door#destroy}. For the last thread that served.
   *
   * @param mount the mount
   */
  public static native void finish(long mount);

  /**
   * Waits until no request is in progress. Whoever waits for a lock, now or later, is told that the
   * mount ends.
   *
   * @param mount the mount
   * @param millis how long at most
   * @return false if the time ran out
   */
  public static native boolean drain(long mount, long millis);

  /**
   * Unmounts: waits until nobody uses it, at most for a time, then takes it out of the tree. Not
   * for a thread that serves.
   *
   * @param mount the mount
   * @param millis how long at most
   * @return {@link #CLEAN}, {@link #DETACHED} or {@link #ABORTED}
   * @throws IOException if it is not allowed or another mount is on top; it is still mounted then
   */
  public static native int unmount(long mount, long millis) throws IOException;

  /**
   * What the operations took until now.
   *
   * @param mount the mount
   * @return see {@link MetricsWords}; null if the mount was closed or is not measured
   */
  public static native long[] metrics(long mount);

  /**
   * Whether requests come over io_uring.
   *
   * @param mount the mount
   * @return false also if the mount was closed
   */
  public static native boolean overRings(long mount);

  /**
   * Cuts the connection and takes the mount out of the tree.
   *
   * @param mount the mount
   * @throws IOException if it is still in the tree, dead
   */
  public static native void abort(long mount) throws IOException;

  /**
   * Gives up the mount: it is freed when the last call on it has returned. Unmounts lazily what is
   * still mounted.
   *
   * @param mount the mount
   */
  public static native void close(long mount);
}
