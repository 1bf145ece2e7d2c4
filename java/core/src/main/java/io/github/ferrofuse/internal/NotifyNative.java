package io.github.ferrofuse.internal;

import java.nio.ByteBuffer;

/**
 * What can be told to the kernel unasked, in {@code native/jvm/src/notify.rs}. For any thread but
 * one that serves a request; {@link #wake}, {@link #locksChanged} and {@link #find} for those, too.
 *
 * <p>Each answers {@link #DONE}, {@link #NOT_CACHED}, {@link #ENDED} or a negative errno.
 */
final class NotifyNative {
  static final int DONE = 0;
  static final int NOT_CACHED = 1;
  static final int ENDED = 2;

  static final int INVALID = 0;
  static final int EXPIRED = 1;
  static final int DELETED = 2;

  private NotifyNative() {}

  /** A negative offset stands for attributes alone, a length of 0 for all that follows. */
  static native int inode(long mount, long node, long offset, long length);

  /** What has happened is {@link #INVALID}, {@link #EXPIRED} or {@link #DELETED}. */
  static native int entry(long mount, long parent, byte[] name, int what, long child);

  static native int epoch(long mount);

  static native int prune(long mount, long[] nodes);

  /** Stores the first bytes of a direct buffer. */
  static native int store(long mount, long node, long offset, ByteBuffer data, int size);

  /** The data comes to {@link Upcalls#retrieved} if the answer is {@link #DONE}. */
  static native int retrieve(long mount, long ticket, long node, long offset, int size);

  static native int wake(long mount, long poll);

  /** Has everybody who waits for a lock that the file system keeps try again. Answers nothing. */
  static native void locksChanged(long mount);

  /** The node of a path, 0 if it isn't known. Waits for nobody. */
  static native long find(long mount, byte[] path);
}
