package io.github.ferrofuse.examples.memory;

import static io.github.ferrofuse.examples.memory.ChunkStore.CHUNK;
import static io.github.ferrofuse.examples.memory.ChunkStore.NONE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class ChunkStoreTest {
  private static byte[] content(ChunkStore store, int chunk) {
    ByteBuffer buffer = ByteBuffer.allocateDirect(CHUNK);
    store.get(chunk, 0, buffer, 0, CHUNK);
    byte[] bytes = new byte[CHUNK];
    buffer.get(0, bytes);
    return bytes;
  }

  @Test
  void aRecycledChunkIsZeroedButForTheRangeThatIsWrittenNext() {
    ChunkStore store = new ChunkStore(CHUNK);
    int chunk = store.allocate(0, 0);
    store.put(chunk, 0, Client.bytes(CHUNK, 7), 0, CHUNK);
    store.free(chunk);
    assertEquals(chunk, store.allocate(100, 200));
    byte[] bytes = content(store, chunk);
    for (int i = 0; i < CHUNK; i++) {
      assertEquals(i >= 100 && i < 200 ? 7 : 0, bytes[i], "byte " + i);
    }
  }

  @Test
  void chunksDoNotOverlap() {
    ChunkStore store = new ChunkStore(1100L * CHUNK); // three segments, the last one smaller
    for (int i = 0; i < 1100; i++) {
      int chunk = store.allocate(0, 0);
      store.put(chunk, 0, Client.bytes(CHUNK, chunk % 113), 0, CHUNK);
    }
    for (int chunk = 0; chunk < 1100; chunk++) {
      byte[] bytes = content(store, chunk);
      assertEquals(chunk % 113, bytes[0]);
      assertEquals(chunk % 113, bytes[CHUNK - 1]);
    }
  }

  @Test
  void aFullStoreRefusesAndHasRoomAgainAfterFreeing() {
    ChunkStore store = new ChunkStore(3 * CHUNK + 1);
    Set<Integer> chunks = new HashSet<>();
    for (int i = 0; i < 3; i++) {
      assertTrue(chunks.add(store.allocate(0, 0)));
    }
    assertFalse(chunks.contains(NONE));
    assertEquals(0, store.free());
    assertEquals(NONE, store.allocate(0, 0));
    store.free(1);
    assertEquals(1, store.free());
    assertEquals(1, store.allocate(0, 0));
    assertEquals(NONE, store.allocate(0, 0));
  }

  @Test
  void severalChunksAreAllocatedAllOrNone() {
    ChunkStore store = new ChunkStore(10 * CHUNK);
    assertFalse(store.allocate(new int[11]));
    assertEquals(10, store.free());
    int[] chunks = new int[10];
    assertTrue(store.allocate(chunks));
    assertEquals(0, store.free());
    assertNotEquals(chunks[0], chunks[9]);
  }

  @Test
  void memoryIsAllocatedWhenItIsNeededAndNeverMoreThanTheCapacity() {
    List<Integer> sizes = new ArrayList<>();
    ChunkStore store =
        new ChunkStore(
            600L * CHUNK,
            size -> {
              sizes.add(size);
              return ByteBuffer.allocateDirect(size);
            });
    assertEquals(List.of(), sizes);
    store.allocate(0, 0);
    assertEquals(List.of(512 * CHUNK), sizes);
    assertTrue(store.allocate(new int[599]));
    assertEquals(List.of(512 * CHUNK, 88 * CHUNK), sizes);
  }

  @Test
  void withoutDirectMemoryTheStoreIsFullAndSaysSo() {
    int[] calls = {0};
    ChunkStore store =
        new ChunkStore(
            5000L * CHUNK,
            size -> {
              if (calls[0]++ > 0) {
                throw new OutOfMemoryError("Cannot reserve direct buffer memory");
              }
              return ByteBuffer.allocateDirect(size);
            });
    assertFalse(store.allocate(new int[513]));
    assertEquals(512, store.total());
    assertEquals(512, store.free());
    assertTrue(store.allocate(new int[512]));
    assertEquals(NONE, store.allocate(0, 0));
    assertEquals(2, calls[0], "the JVM is not asked again");
  }
}
