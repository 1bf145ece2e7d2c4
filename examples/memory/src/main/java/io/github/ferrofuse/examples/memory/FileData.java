package io.github.ferrofuse.examples.memory;

import static io.github.ferrofuse.examples.memory.ChunkStore.CHUNK;
import static io.github.ferrofuse.examples.memory.ChunkStore.CHUNK_SHIFT;
import static io.github.ferrofuse.examples.memory.ChunkStore.NONE;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FuseException;
import java.nio.ByteBuffer;

/**
 * The content of one file: a size, and chunks where something was written. Everything else is a
 * hole, costs nothing and reads as zeros.
 *
 * <p>Not safe for threads: {@link RegularFile} lets readers overlap each other and nothing else.
 * Times and permissions are its business too.
 *
 * <p>Invariant: every byte of a chunk that lies at or past the size is zero, so that a growing file
 * shows zeros.
 */
final class FileData {
  /**
   * Largest size in bytes, 4 EiB: the sum of an offset below it and a length of a request fits in a
   * long.
   */
  static final long MAX_SIZE = 1L << 62;

  private final ChunkStore store;
  private final ChunkIndex index = new ChunkIndex();
  private long size;

  /**
   * An empty file.
   *
   * @param store where its chunks come from
   */
  FileData(ChunkStore store) {
    this.store = store;
  }

  /** {@return the size in bytes} */
  long size() {
    return size;
  }

  /** {@return how many chunks it takes} */
  int chunks() {
    return index.size();
  }

  /**
   * Reads.
   *
   * @param dst takes the bytes at its position, which moves on
   * @param offset 0 or more
   * @return how many bytes there were, 0 at the end
   */
  int read(ByteBuffer dst, long offset) {
    int start = dst.position();
    int length = (int) Math.min(dst.remaining(), Math.max(size - offset, 0));
    for (int done = 0; done < length; ) {
      long at = offset + done;
      int within = within(at);
      int step = Math.min(length - done, CHUNK - within);
      int chunk = index.get(at >>> CHUNK_SHIFT);
      if (chunk == NONE) {
        ChunkStore.getHole(dst, start + done, step);
      } else {
        store.get(chunk, within, dst, start + done, step);
      }
      done += step;
    }
    dst.position(start + length);
    return length;
  }

  /**
   * Where the next data begins.
   *
   * @param offset 0 or more
   * @return {@code offset} or more; the size if there is no more data
   */
  long nextData(long offset) {
    if (offset >= size) {
      return size;
    }
    long key = index.next(offset >>> CHUNK_SHIFT);
    return key > size >>> CHUNK_SHIFT ? size : Math.min(size, Math.max(offset, key << CHUNK_SHIFT));
  }

  /**
   * Where the next hole begins; the end of the file is one.
   *
   * @param offset 0 or more
   * @return {@code offset} or more, the size at most
   */
  long nextHole(long offset) {
    if (offset >= size) {
      return size;
    }
    long key = offset >>> CHUNK_SHIFT;
    while (index.get(key) != NONE) {
      key++;
    }
    return Math.min(size, Math.max(offset, key << CHUNK_SHIFT));
  }

  /**
   * Writes as much as there is room for.
   *
   * @param src gives the bytes at its position, which moves on
   * @param offset 0 or more
   * @return how many bytes were taken, at least one unless {@code src} is empty
   * @throws FuseException ENOSPC, EFBIG
   */
  int write(ByteBuffer src, long offset) throws FuseException {
    int length = src.remaining();
    if (length == 0) {
      return 0;
    }
    if (offset >= MAX_SIZE) {
      throw Errno.EFBIG.exception();
    }
    int start = src.position();
    length = (int) Math.min(length, MAX_SIZE - offset);
    int done = 0;
    while (done < length) {
      long at = offset + done;
      int within = within(at);
      int step = Math.min(length - done, CHUNK - within);
      int chunk = index.get(at >>> CHUNK_SHIFT);
      if (chunk == NONE) {
        chunk = store.allocate(within, within + step);
        if (chunk == NONE) {
          break;
        }
        index.put(at >>> CHUNK_SHIFT, chunk);
      }
      store.put(chunk, within, src, start + done, step);
      done += step;
    }
    if (done == 0) {
      throw Errno.ENOSPC.exception();
    }
    src.position(start + done);
    size = Math.max(size, offset + done);
    return done;
  }

  /**
   * Cuts or extends. Chunks past the new end are freed, also those that were allocated there
   * without a size.
   *
   * @param newSize in bytes, 0 or more
   * @throws FuseException EFBIG
   */
  void truncate(long newSize) throws FuseException {
    if (newSize > MAX_SIZE) {
      throw Errno.EFBIG.exception();
    }
    long end = newSize + CHUNK - 1 >>> CHUNK_SHIFT;
    index.remove(end, Long.MAX_VALUE, store::free);
    if (newSize < size && within(newSize) != 0) {
      zeroPresent(newSize >>> CHUNK_SHIFT, within(newSize), CHUNK);
    }
    size = newSize;
  }

  /**
   * Fills the holes of a range with zeroed chunks, all of them or none.
   *
   * @param offset 0 or more
   * @param length more than 0
   * @param keepSize whether the size stays although the range ends past it
   * @throws FuseException ENOSPC, EFBIG
   */
  void allocate(long offset, long length, boolean keepSize) throws FuseException {
    if (length > MAX_SIZE - offset) {
      throw Errno.EFBIG.exception();
    }
    long from = offset >>> CHUNK_SHIFT;
    long to = offset + length + CHUNK - 1 >>> CHUNK_SHIFT;
    long missing = to - from - index.count(from, to);
    if (missing > store.free()) {
      throw Errno.ENOSPC.exception();
    }
    int[] chunks = new int[(int) missing];
    if (!store.allocate(chunks)) {
      throw Errno.ENOSPC.exception();
    }
    int next = 0;
    for (long key = from; next < chunks.length; key++) {
      if (index.get(key) == NONE) {
        index.put(key, chunks[next++]);
      }
    }
    if (!keepSize) {
      size = Math.max(size, offset + length);
    }
  }

  /**
   * Makes a range read as zeros and frees the chunks that lie wholly in it. The size stays.
   *
   * @param offset 0 or more
   * @param length more than 0
   */
  void punch(long offset, long length) {
    long end = length > MAX_SIZE - offset ? MAX_SIZE : offset + length;
    long from = offset + CHUNK - 1 >>> CHUNK_SHIFT;
    long to = end >>> CHUNK_SHIFT;
    if (from > to) {
      zeroPresent(to, within(offset), within(end));
      return;
    }
    if (within(offset) != 0) {
      zeroPresent(from - 1, within(offset), CHUNK);
    }
    if (within(end) != 0) {
      zeroPresent(to, 0, within(end));
    }
    index.remove(from, to, store::free);
  }

  /**
   * Makes a range read as zeros and allocates its holes.
   *
   * @param offset 0 or more
   * @param length more than 0
   * @param keepSize whether the size stays although the range ends past it
   * @throws FuseException ENOSPC, EFBIG; nothing is changed then
   */
  void zeroRange(long offset, long length, boolean keepSize) throws FuseException {
    allocate(offset, length, keepSize);
    long end = offset + length;
    for (long at = offset; at < end; at = (at | CHUNK - 1) + 1) {
      int to = (int) Math.min(CHUNK, end - at + within(at));
      zeroPresent(at >>> CHUNK_SHIFT, within(at), to);
    }
  }

  /** Frees everything. */
  void clear() {
    index.remove(0, Long.MAX_VALUE, store::free);
    size = 0;
  }

  private void zeroPresent(long key, int from, int to) {
    int chunk = index.get(key);
    if (chunk != NONE) {
      store.zero(chunk, from, to);
    }
  }

  private static int within(long offset) {
    return (int) offset & CHUNK - 1;
  }
}
