package io.github.ferrofuse;

import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * One open of a directory. Its calls never overlap, except where it serves a directory that is
 * never opened: see {@link InodeFileSystem#dirHandle}.
 *
 * <p>Entries are read in an order of the file system's choice, each with a cookie that says where
 * reading goes on <em>after</em> it. An entry that exists during the whole listing must come
 * exactly once, whatever is created or removed meanwhile; so a cookie should be tied to the entry
 * (a sequence number), not to a position that shifts.
 */
public interface DirHandle {

  /**
   * Puts the entries that follow a cookie, "." and ".." among them, until the sink is full or there
   * are no more.
   *
   * @param request who asks
   * @param cookie 0 for the beginning, otherwise one that an earlier entry was added with
   * @param out takes the entries; adding none says that the directory ends here
   * @throws IOException EIO ...; entries that were added before are handed out nevertheless, and
   *     the application sees the error if the next read, behind them, throws it again
   */
  void read(Request request, long cookie, DirSink out) throws IOException;

  /**
   * Makes the directory's entries durable: fsync(2) on it. The default does nothing.
   *
   * @param request who asks
   * @param dataOnly fdatasync(2)
   * @throws IOException EIO ...
   */
  default void fsync(Request request, boolean dataOnly) throws IOException {}

  /**
   * Anything else: ioctl(2), as {@link FileHandle#ioctl}.
   *
   * @param request who asks
   * @param command the request code
   * @param argument the third argument as a number
   * @param in what the caller passed
   * @param out takes what the caller gets
   * @return what ioctl(2) returns, 0 or more
   * @throws IOException ENOTTY for an unknown command ...
   */
  default int ioctl(Request request, int command, long argument, ByteBuffer in, ByteBuffer out)
      throws IOException {
    throw Errno.ENOTTY.exception();
  }

  /**
   * The last call, as {@link FileHandle#release}.
   *
   * @param request the request
   * @throws IOException to have it logged
   */
  default void release(Request request) throws IOException {}
}
