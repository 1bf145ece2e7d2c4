package io.github.ferrofuse.internal;

import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.Request;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Repeats short reads and writes until all is done.
 *
 * <p>The count that a handle returns is what counts. Its buffer's position must agree: moved by
 * that count, or not at all (absolute puts and gets, a duplicate).
 */
final class Transfers {
  private Transfers() {}

  /** Gives a buffer to a file system: big endian, from 0 to a limit. */
  static ByteBuffer lend(ByteBuffer bulk, int limit) {
    return lend(bulk, 0, limit);
  }

  /** Gives a buffer to a file system: big endian, from a position to a limit. */
  static ByteBuffer lend(ByteBuffer bulk, int position, int limit) {
    bulk.order(ByteOrder.BIG_ENDIAN);
    return bulk.limit(limit).position(position);
  }

  /** Answers how many bytes there are, fewer than {@code size} at the end of the file only. */
  static int read(FileHandle handle, Request request, ByteBuffer bulk, long offset, int size)
      throws IOException {
    int done = 0;
    while (done < size) {
      int n = handle.read(request, lend(bulk, done, size), offset + done);
      if (n > size - done || !moved(bulk, done, Math.max(n, 0))) {
        throw inconsistent(handle, "read", n, bulk, done, size);
      }
      if (n <= 0) {
        break;
      }
      done += n;
    }
    return done;
  }

  /**
   * Answers how many bytes were taken; fewer than {@code size} if the handle would not take more.
   * An exception after the first bytes ends the transfer but does not hide them: the application
   * hears of it from its next write.
   */
  static int write(FileHandle handle, Request request, ByteBuffer bulk, long offset, int size)
      throws IOException {
    int done = 0;
    boolean retried = false;
    while (done < size) {
      int n;
      try {
        n = writeOnce(handle, request, bulk, offset, done, size);
      } catch (IOException e) {
        if (done == 0) {
          throw e;
        }
        return done;
      }
      if (n < 0 || n == 0 && retried) {
        break;
      }
      retried = n == 0;
      done += n;
    }
    if (done == 0 && size > 0) {
      throw new IllegalStateException(
          handle.getClass().getName()
              + ".write took nothing: it must take some bytes or throw (ENOSPC ...)");
    }
    return done;
  }

  private static int writeOnce(
      FileHandle handle, Request request, ByteBuffer bulk, long offset, int done, int size)
      throws IOException {
    int n = handle.write(request, lend(bulk, done, size), offset + done);
    if (n > size - done || !moved(bulk, done, Math.max(n, 0))) {
      throw inconsistent(handle, "write", n, bulk, done, size);
    }
    return n;
  }

  private static boolean moved(ByteBuffer bulk, int from, int count) {
    return bulk.position() == from + count || bulk.position() == from;
  }

  private static IllegalStateException inconsistent(
      FileHandle handle, String method, int returned, ByteBuffer bulk, int from, int to) {
    return new IllegalStateException(
        handle.getClass().getName()
            + "."
            + method
            + " got "
            + (to - from)
            + " bytes, returned "
            + returned
            + " and moved the position by "
            + (bulk.position() - from)
            + ": it must return how many bytes it put or took");
  }
}
