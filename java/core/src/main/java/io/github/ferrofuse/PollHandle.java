package io.github.ferrofuse;

/**
 * Those who wait, in poll(2), select(2) or epoll_wait(2), for one open file to become ready; given
 * to {@link FileHandle#poll}.
 *
 * <p>Two of them are equal if they come from the same open file: they wake the same waiters, so one
 * per file is all that has to be kept. Valid from the call of {@code poll} on until the file is
 * closed; to wake it later does nothing. Safe for threads.
 */
public interface PollHandle {
  /** There is data to read ({@code POLLIN}). */
  int IN = 0x1;

  /** Something exceptional, such as out-of-band data ({@code POLLPRI}). */
  int PRI = 0x2;

  /** Writing does not block ({@code POLLOUT}). */
  int OUT = 0x4;

  /** An error; answered whether or not it was asked for ({@code POLLERR}). */
  int ERR = 0x8;

  /** The other side has hung up; answered whether or not it was asked for ({@code POLLHUP}). */
  int HUP = 0x10;

  /** As {@link #IN} ({@code POLLRDNORM}). */
  int RDNORM = 0x40;

  /** As {@link #OUT} ({@code POLLWRNORM}). */
  int WRNORM = 0x100;

  /** What a file that never blocks answers: ready for reading and writing. */
  int READY = IN | OUT | RDNORM | WRNORM;

  /**
   * Has those who wait look again: the kernel asks {@link FileHandle#poll} for each of them. To be
   * called when the answer may have changed, also from inside a handler, with any lock held: it
   * waits for nobody. To wake too often costs time only.
   */
  void wake();
}
