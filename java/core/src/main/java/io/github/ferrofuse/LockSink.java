package io.github.ferrofuse;

/** Takes the answer to {@link FileHandle#getLock}. Dies when the method returns. */
public interface LockSink {

  /**
   * The lock that is in the way; the last call counts.
   *
   * @param type {@link LockType#READ} or {@link LockType#WRITE}
   * @param start its first byte, 0 or more
   * @param end its last byte, inclusive, not before the first; {@link Long#MAX_VALUE} for all up to
   *     the end of the file
   * @param pid the process that has it, as {@link LockRequest#pid}; 0 if it is on another machine
   * @throws IllegalArgumentException for a range or type that is none
   */
  void inTheWay(LockType type, long start, long end, int pid);
}
