package io.github.ferrofuse.examples.memory;

import static io.github.ferrofuse.examples.memory.ChunkStore.CHUNK;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FuseException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

class FileDataTest {
  private static final long TIB = 1L << 40;
  private static final int STORE = 400;

  private final ChunkStore store = new ChunkStore((long) STORE * CHUNK);
  private final FileData file = new FileData(store);

  private static byte[] read(FileData file, long offset, int length) {
    ByteBuffer buffer = ByteBuffer.allocateDirect(length + 2).position(1).limit(length + 1);
    int count = file.read(buffer, offset);
    assertEquals(1 + count, buffer.position());
    byte[] bytes = new byte[count];
    buffer.get(1, bytes);
    return bytes;
  }

  /**
   * A file as the manual pages describe it: pages of an odd size, and the chunks that are
   * allocated.
   */
  private static final class Model {
    private static final int PAGE = 1009;

    private final Map<Long, byte[]> pages = new HashMap<>();
    private final TreeSet<Long> chunks = new TreeSet<>();
    private long size;

    byte get(long offset) {
      byte[] page = pages.get(offset / PAGE);
      return page == null ? 0 : page[(int) (offset % PAGE)];
    }

    void set(long offset, byte value) {
      if (value != 0 || pages.containsKey(offset / PAGE)) {
        pages.computeIfAbsent(offset / PAGE, k -> new byte[PAGE])[(int) (offset % PAGE)] = value;
      }
    }

    void write(byte[] data, long offset) {
      for (int i = 0; i < data.length; i++) {
        set(offset + i, data[i]);
      }
      touch(offset, data.length);
      size = Math.max(size, offset + data.length);
    }

    void touch(long offset, long length) {
      for (long at = offset / CHUNK; at * CHUNK < offset + length; at++) {
        chunks.add(at);
      }
    }

    void zero(long offset, long length) {
      for (Map.Entry<Long, byte[]> page : pages.entrySet()) {
        long start = page.getKey() * PAGE;
        long from = Math.max(offset, start);
        long to = Math.min(offset + length, start + PAGE);
        if (from < to) {
          Arrays.fill(page.getValue(), (int) (from - start), (int) (to - start), (byte) 0);
        }
      }
    }

    void truncate(long newSize) {
      zero(newSize, Long.MAX_VALUE - newSize);
      chunks.tailSet((newSize + CHUNK - 1) / CHUNK).clear();
      size = newSize;
    }

    void punch(long offset, long length) {
      zero(offset, length);
      chunks
          .subSet(
              (offset + CHUNK - 1) / CHUNK,
              Math.max((offset + length) / CHUNK, (offset + CHUNK - 1) / CHUNK))
          .clear();
    }

    long nextData(long offset) {
      Long chunk = chunks.ceiling(offset / CHUNK);
      return chunk == null || offset >= size
          ? size
          : Math.min(size, Math.max(offset, chunk * CHUNK));
    }

    long nextHole(long offset) {
      long chunk = offset / CHUNK;
      while (chunks.contains(chunk)) {
        chunk++;
      }
      return Math.min(size, Math.max(offset, chunk * CHUNK));
    }

    byte[] read(long offset, int length) {
      byte[] bytes = new byte[(int) Math.max(0, Math.min(length, size - offset))];
      for (int i = 0; i < bytes.length; i++) {
        bytes[i] = get(offset + i);
      }
      return bytes;
    }
  }

  @Test
  void behavesAsASparseFile() throws FuseException {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    Model model = new Model();
    long[] bases = {0, 0, TIB - CHUNK, FileData.MAX_SIZE - 10 * CHUNK};
    for (int step = 0; step < 4000; step++) {
      long offset = bases[random.nextInt(bases.length)] + random.nextInt(10 * CHUNK);
      int length =
          random.nextInt(3) == 0 ? CHUNK * (1 + random.nextInt(2)) : 1 + random.nextInt(3 * CHUNK);
      if (random.nextInt(4) == 0) {
        offset -= offset % CHUNK;
      }
      length = (int) Math.min(length, FileData.MAX_SIZE - offset);
      boolean keepSize = random.nextBoolean();
      int operation = random.nextInt(9);
      String where =
          String.format(
              "seed %d, step %d, operation %d at %d + %d", seed, step, operation, offset, length);
      switch (operation) {
        case 0:
          file.truncate(offset);
          model.truncate(offset);
          break;
        case 1:
          file.truncate(random.nextInt(2) * model.size);
          model.truncate(file.size());
          break;
        case 2:
          file.punch(offset, length);
          model.punch(offset, length);
          break;
        case 3:
          file.zeroRange(offset, length, keepSize);
          model.zero(offset, length);
          model.touch(offset, length);
          model.size = keepSize ? model.size : Math.max(model.size, offset + length);
          break;
        case 4:
          file.allocate(offset, length, keepSize);
          model.touch(offset, length);
          model.size = keepSize ? model.size : Math.max(model.size, offset + length);
          break;
        default:
          byte[] data = new byte[length];
          random.nextBytes(data);
          assertEquals(length, file.write(ByteBuffer.wrap(data), offset), where);
          model.write(data, offset);
      }
      assertEquals(model.size, file.size(), where);
      assertEquals(model.chunks.size(), file.chunks(), where);
      assertEquals(STORE - model.chunks.size(), store.free(), where);
      for (int i = 0; i < 3; i++) {
        long at = bases[random.nextInt(bases.length)] + random.nextInt(10 * CHUNK);
        int count = random.nextInt(3 * CHUNK);
        assertArrayEquals(model.read(at, count), read(file, at, count), where + ", read " + at);
        assertEquals(model.nextData(at), file.nextData(at), where + ", data at " + at);
        assertEquals(model.nextHole(at), file.nextHole(at), where + ", hole at " + at);
      }
    }
    file.clear();
    assertEquals(STORE, store.free());
  }

  @Test
  void aTebibyteOfHoleCostsNothingAndAByteAtItsEndOneChunk() throws FuseException {
    file.truncate(TIB);
    assertEquals(TIB, file.size());
    assertEquals(0, file.chunks());
    assertEquals(STORE, store.free());
    file.write(Client.bytes("x"), TIB);
    assertEquals(TIB + 1, file.size());
    assertEquals(STORE - 1, store.free());
    assertArrayEquals(new byte[] {0, 'x'}, read(file, TIB - 1, 10));
  }

  @Test
  void aFileEndsAtTheLargestSize() throws FuseException {
    assertEquals(Errno.EFBIG, Client.errnoOf(() -> file.truncate(FileData.MAX_SIZE + 1)));
    assertEquals(
        Errno.EFBIG, Client.errnoOf(() -> file.write(Client.bytes("x"), FileData.MAX_SIZE)));
    assertEquals(Errno.EFBIG, Client.errnoOf(() -> file.allocate(Long.MAX_VALUE, 1, true)));
    assertEquals(Errno.EFBIG, Client.errnoOf(() -> file.zeroRange(1, Long.MAX_VALUE, true)));
    assertEquals(2, file.write(Client.bytes("abc"), FileData.MAX_SIZE - 2));
    assertEquals(FileData.MAX_SIZE, file.size());
    file.punch(Long.MAX_VALUE, Long.MAX_VALUE);
    file.punch(0, Long.MAX_VALUE);
    assertEquals(FileData.MAX_SIZE, file.size());
    assertEquals(0, file.chunks());
  }

  @Test
  void aWriteTakesWhatFitsAndTheNextOneNothing() throws FuseException {
    file.allocate(0, (long) (STORE - 2) * CHUNK, false);
    long end = file.size();
    ByteBuffer data = Client.bytes(5 * CHUNK, 3);
    assertEquals(2 * CHUNK, file.write(data, end));
    assertEquals(3 * CHUNK, data.remaining());
    assertEquals(Errno.ENOSPC, Client.errnoOf(() -> file.write(data, end + 2 * CHUNK)));
    assertEquals(3 * CHUNK, data.remaining());
    assertEquals(end + 2 * CHUNK, file.size());
    assertArrayEquals(new byte[] {0, 3}, read(file, end - 1, 2));
    assertEquals(10, file.write(Client.bytes(10, 4), 0), "what has a chunk can be overwritten");
    file.punch(0, CHUNK);
    assertEquals(CHUNK, file.write(data, end + 2 * CHUNK));
  }

  @Test
  void allocatingTooMuchChangesNothing() throws FuseException {
    file.write(Client.bytes("x"), 5 * CHUNK);
    for (long length : new long[] {TIB, 1L << 46, FileData.MAX_SIZE}) {
      assertEquals(Errno.ENOSPC, Client.errnoOf(() -> file.allocate(0, length, false)));
    }
    assertEquals(
        Errno.ENOSPC, Client.errnoOf(() -> file.zeroRange(0, (STORE + 1L) * CHUNK, false)));
    assertEquals(5 * CHUNK + 1, file.size());
    assertEquals(STORE - 1, store.free());
    assertArrayEquals(new byte[] {'x'}, read(file, 5 * CHUNK, 2));
    file.allocate(0, (long) STORE * CHUNK, true);
    assertEquals(0, store.free());
  }

  @Test
  void anEmptyWriteChangesNothing() throws FuseException {
    assertEquals(0, file.write(Client.bytes(""), TIB));
    assertEquals(0, file.size());
    assertTrue(store.free() == STORE);
  }
}
