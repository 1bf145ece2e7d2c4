package io.github.ferrofuse;

/**
 * A lock that is to be set or cleared, or that is asked about. Valid during the call that it is
 * given to.
 */
public interface LockRequest {

  /** {@return what the range is to be} */
  LockType type();

  /** {@return the first byte; 0 for flock(2)} */
  long start();

  /**
   * {@return the last byte, inclusive; {@link Long#MAX_VALUE} for all up to the end of the file,
   * wherever it will be}
   */
  long end();

  /**
   * Whose the lock is. Locks of one owner are never in each other's way: what an owner sets
   * replaces what it had in that range.
   *
   * @return a number that stands for the process; for flock(2), and for {@code F_OFD_SETLK} which
   *     looks like any other fcntl(2), one that stands for the open file
   */
  long owner();

  /** {@return the process, as {@link Request#pid}; 0 in another pid namespace, and for UNLOCK} */
  int pid();

  /**
   * {@return whether it is one of flock(2), for the whole file; these and those of fcntl(2) are
   * never in each other's way}
   */
  boolean isFlock();
}
