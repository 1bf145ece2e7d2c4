package io.github.ferrofuse.examples.memory;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.function.IntFunction;

/**
 * The memory that file contents lie in: equal chunks outside the Java heap, allocated as they are
 * needed.
 *
 * <p>{@link FileData} takes and gives back chunks by number. Any thread may call anything; who
 * holds a chunk is the only one to touch its bytes, and orders its own readers and writers. The
 * store never knows what a chunk belongs to.
 *
 * <p>A chunk is 16 KiB. Smaller ones would make a 1 MiB transfer pay for many small copies (at 16
 * KiB, 64 of them cost about 2 % of the copying), larger ones would waste more on each small file,
 * half a chunk on average. Chunks are cut from segments of 8 MiB, which the JVM zeroes when it
 * allocates them: large enough to be few, small enough that this delays a write by milliseconds
 * only. Segments stay until {@link #close}.
 */
final class ChunkStore {
  /** Bytes are addressed in a chunk by their low bits. */
  static final int CHUNK_SHIFT = 14;

  /** Size of a chunk in bytes. */
  static final int CHUNK = 1 << CHUNK_SHIFT;

  /** No chunk. */
  static final int NONE = -1;

  private static final int SEGMENT_SHIFT = 9;
  private static final int SEGMENT = 1 << SEGMENT_SHIFT;
  private static final ByteBuffer ZEROS = ByteBuffer.allocateDirect(CHUNK).asReadOnlyBuffer();

  private final IntFunction<ByteBuffer> allocator;

  /** An element is set once, before the first chunk of that segment is handed out. */
  private final ByteBuffer[] segments;

  // Guarded by this.
  private int total;
  private int used;
  private int[] recycled = new int[16];
  private int recycledCount;

  /**
   * An empty store.
   *
   * @param capacity in bytes, rounded down to chunks
   */
  ChunkStore(long capacity) {
    this(capacity, ByteBuffer::allocateDirect);
  }

  /**
   * An empty store with an allocator of its own.
   *
   * @param capacity in bytes, rounded down to chunks
   * @param allocator makes zeroed direct buffers of a size in bytes, or throws OutOfMemoryError
   */
  ChunkStore(long capacity, IntFunction<ByteBuffer> allocator) {
    this.allocator = allocator;
    this.total = Math.toIntExact(capacity >>> CHUNK_SHIFT);
    this.segments = new ByteBuffer[(int) ((total + (long) SEGMENT - 1) >>> SEGMENT_SHIFT)];
  }

  /**
   * {@return how many chunks there are, free or not; less than at first once the JVM had no more
   * memory}
   */
  synchronized int total() {
    return total;
  }

  /** {@return how many chunks are free} */
  synchronized int free() {
    return total - used + recycledCount;
  }

  /**
   * Takes a chunk. It is zeroed but for a range that the caller writes at once, which may hold
   * another file's bytes.
   *
   * @param from first byte of that range
   * @param to end of that range, {@code from} if there is none
   * @return the chunk, {@link #NONE} if the store is full
   */
  int allocate(int from, int to) {
    int chunk;
    synchronized (this) {
      if (recycledCount == 0) {
        return hasUnused() ? used++ : NONE;
      }
      chunk = recycled[--recycledCount];
    }
    zero(chunk, 0, from);
    zero(chunk, to, CHUNK);
    return chunk;
  }

  /**
   * Takes as many zeroed chunks as the array is long, or none.
   *
   * @param chunks filled on success
   * @return false if there are not so many
   */
  boolean allocate(int[] chunks) {
    for (int i = 0; i < chunks.length; i++) {
      chunks[i] = allocate(0, 0);
      if (chunks[i] == NONE) {
        while (--i >= 0) {
          free(chunks[i]);
        }
        return false;
      }
    }
    return true;
  }

  /**
   * Gives a chunk back.
   *
   * @param chunk one that was allocated
   */
  synchronized void free(int chunk) {
    if (recycledCount == recycled.length) {
      recycled = Arrays.copyOf(recycled, recycledCount * 2);
    }
    recycled[recycledCount++] = chunk;
  }

  /** Copies from a chunk to absolute positions of a buffer. */
  void get(int chunk, int from, ByteBuffer target, int position, int length) {
    target.put(position, segment(chunk), offset(chunk) + from, length);
  }

  /** Copies to a chunk from absolute positions of a buffer. */
  void put(int chunk, int from, ByteBuffer source, int position, int length) {
    segment(chunk).put(offset(chunk) + from, source, position, length);
  }

  /** Zeroes the bytes of a chunk from {@code from} to {@code to}. */
  void zero(int chunk, int from, int to) {
    segment(chunk).put(offset(chunk) + from, ZEROS, 0, to - from);
  }

  /** Puts up to {@link #CHUNK} zeros to absolute positions of a buffer: what a hole reads as. */
  static void getHole(ByteBuffer target, int position, int length) {
    target.put(position, ZEROS, 0, length);
  }

  /** Drops all memory; no chunk may be used any more. */
  synchronized void close() {
    total = 0;
    used = 0;
    recycledCount = 0;
    Arrays.fill(segments, null);
  }

  private ByteBuffer segment(int chunk) {
    return segments[chunk >>> SEGMENT_SHIFT];
  }

  private static int offset(int chunk) {
    return (chunk & SEGMENT - 1) << CHUNK_SHIFT;
  }

  /**
   * Whether {@code used} is a chunk with memory behind it. Where the JVM has no more, the store
   * ends for good: asking again for each write would make the JVM collect garbage each time.
   */
  private boolean hasUnused() {
    if (used == total) {
      return false;
    }
    int segment = used >>> SEGMENT_SHIFT;
    if (segments[segment] == null) {
      try {
        segments[segment] = allocator.apply(Math.min(SEGMENT, total - used) << CHUNK_SHIFT);
      } catch (OutOfMemoryError e) {
        total = used;
        return false;
      }
    }
    return true;
  }
}
