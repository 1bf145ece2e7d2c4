package io.github.ferrofuse.examples.memory;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FuseException;
import java.util.concurrent.atomic.AtomicLong;

/**
 * How much of the Java heap metadata may take: inodes, names, symbolic links' targets and extended
 * attributes. What does not fit is refused with ENOSPC, before the JVM has no more heap for
 * anybody. Safe for threads.
 *
 * <p>Costs are what a 64-bit JVM with compressed references was seen to take, rounded up: 335, 130
 * and 255 bytes.
 */
final class HeapBudget {
  /** An inode with its lock, times and a small index of chunks. */
  static final int INODE = 400;

  /** A directory's entry without the bytes of its name. */
  static final int ENTRY = 160;

  /** An extended attribute, the first one of an inode, without the bytes of its name and value. */
  static final int XATTR = 260;

  private final long limit;
  private final AtomicLong used = new AtomicLong();

  /**
   * A budget of which nothing is taken.
   *
   * @param limit in bytes
   */
  HeapBudget(long limit) {
    this.limit = limit;
  }

  /**
   * Takes some.
   *
   * @param bytes may be negative, which always succeeds
   * @throws FuseException ENOSPC if so much is not left; nothing is taken then
   */
  void take(long bytes) throws FuseException {
    if (used.addAndGet(bytes) > limit && bytes > 0) {
      used.addAndGet(-bytes);
      throw Errno.ENOSPC.exception();
    }
  }

  /** Gives some back. */
  void give(long bytes) {
    used.addAndGet(-bytes);
  }
}
