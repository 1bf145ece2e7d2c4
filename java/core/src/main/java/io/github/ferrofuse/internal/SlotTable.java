package io.github.ferrofuse.internal;

import java.util.Arrays;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * Objects by slot, the engine's small dense number of an open file or directory.
 *
 * <p>Reading takes no lock. The engine orders the calls of one slot: {@link #put} before the handle
 * is known to anybody, {@link #remove} after its last use.
 *
 * @param <T> what is kept
 */
final class SlotTable<T> {
  private static final int CHUNK_BITS = 8;
  private static final int CHUNK_SIZE = 1 << CHUNK_BITS;

  private volatile Chunk<T>[] chunks = newArray(0);

  /** What is at a slot, null if nothing. */
  T get(int slot) {
    Chunk<T>[] current = chunks;
    int chunk = slot >>> CHUNK_BITS;
    return chunk < current.length ? current[chunk].get(slot & CHUNK_SIZE - 1) : null;
  }

  void put(int slot, T value) {
    if (slot < 0) {
      throw new IllegalArgumentException("slot " + slot);
    }
    int chunk = slot >>> CHUNK_BITS;
    if (chunk >= chunks.length) {
      grow(chunk + 1);
    }
    chunks[chunk].set(slot & CHUNK_SIZE - 1, value);
  }

  /** Empties a slot; answers what was there, null if nothing. */
  T remove(int slot) {
    Chunk<T>[] current = chunks;
    int chunk = slot >>> CHUNK_BITS;
    return chunk < current.length ? current[chunk].getAndSet(slot & CHUNK_SIZE - 1, null) : null;
  }

  private synchronized void grow(int needed) {
    Chunk<T>[] old = chunks;
    if (needed <= old.length) {
      return;
    }
    Chunk<T>[] grown = Arrays.copyOf(old, Math.max(needed, old.length * 2));
    for (int i = old.length; i < grown.length; i++) {
      grown[i] = new Chunk<>();
    }
    chunks = grown;
  }

  @SuppressWarnings({"unchecked", "rawtypes"})
  private static <T> Chunk<T>[] newArray(int length) {
    return new Chunk[length];
  }

  private static final class Chunk<T> extends AtomicReferenceArray<T> {
    private static final long serialVersionUID = 1;

    Chunk() {
      super(CHUNK_SIZE);
    }
  }
}
