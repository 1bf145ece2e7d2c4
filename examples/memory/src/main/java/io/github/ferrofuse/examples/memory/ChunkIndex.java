package io.github.ferrofuse.examples.memory;

/**
 * Which chunk of the store holds which chunk of a file: a map from {@code long} to {@code int}
 * without objects, by open addressing with linear probing. Its size depends on how many chunks
 * there are, not on where in the file they lie.
 *
 * <p>Used by {@link FileData} alone, under the file's lock. Reading changes nothing.
 */
final class ChunkIndex {
  private static final long[] NO_KEYS = {};
  private static final int[] NO_VALUES = {};

  /** What is called for each chunk that leaves the index. */
  interface Receiver {
    /**
     * Takes the chunk.
     *
     * @param chunk its number in the store
     */
    void accept(int chunk);
  }

  private long[] keys = NO_KEYS;

  /** The chunk plus one, so that 0 says that the place is empty. */
  private int[] values = NO_VALUES;

  private int size;

  /** No key is this or more. Only lowered when the table is built anew. */
  private long end;

  /** {@return how many chunks the file has} */
  int size() {
    return size;
  }

  /**
   * The chunk of a key.
   *
   * @param key number of the chunk in the file
   * @return its number in the store, {@link ChunkStore#NONE} if it is a hole
   */
  int get(long key) {
    if (size == 0) {
      return ChunkStore.NONE;
    }
    int mask = values.length - 1;
    for (int i = home(key, mask); values[i] != 0; i = i + 1 & mask) {
      if (keys[i] == key) {
        return values[i] - 1;
      }
    }
    return ChunkStore.NONE;
  }

  /**
   * Fills a hole.
   *
   * @param key number of the chunk in the file, which has none yet
   * @param chunk its number in the store
   */
  void put(long key, int chunk) {
    if (size * 3L >= values.length * 2L) {
      rebuild(Math.max(4, values.length * 2), Long.MAX_VALUE, Long.MAX_VALUE, null);
    }
    insert(key, chunk + 1);
    size++;
    end = Math.max(end, key + 1);
  }

  /**
   * The next chunk that is there.
   *
   * @param from first key to look at
   * @return its key; {@code Long.MAX_VALUE} if there is none
   */
  long next(long from) {
    if (end - from <= values.length) {
      for (long key = from; key < end; key++) {
        if (get(key) != ChunkStore.NONE) {
          return key;
        }
      }
      return Long.MAX_VALUE;
    }
    long next = Long.MAX_VALUE;
    for (int i = 0; i < values.length; i++) {
      if (values[i] != 0 && keys[i] >= from) {
        next = Math.min(next, keys[i]);
      }
    }
    return next;
  }

  /**
   * Counts the chunks of a range.
   *
   * @param from first key
   * @param to end of the keys
   * @return how many of them are no holes
   */
  int count(long from, long to) {
    long last = Math.min(to, end);
    int found = 0;
    if (last - from <= values.length) {
      for (long key = from; key < last; key++) {
        found += get(key) == ChunkStore.NONE ? 0 : 1;
      }
    } else {
      for (int i = 0; i < values.length; i++) {
        found += values[i] != 0 && keys[i] >= from && keys[i] < last ? 1 : 0;
      }
    }
    return found;
  }

  /**
   * Makes a range a hole, in time that depends on the smaller of the range and the table.
   *
   * @param from first key
   * @param to end of the keys
   * @param removed gets the chunks that were there
   */
  void remove(long from, long to, Receiver removed) {
    long last = Math.min(to, end);
    if (last - from > values.length) {
      int rest = size - count(from, last);
      int slots = rest == 0 ? 0 : Math.max(4, Integer.highestOneBit(rest) * 4);
      rebuild(slots, from, last, removed);
    } else {
      for (long key = from; key < last; key++) {
        int chunk = get(key);
        if (chunk != ChunkStore.NONE) {
          removed.accept(chunk);
          remove(key);
        }
      }
      if (to > last) {
        end = Math.min(end, from);
      }
    }
  }

  private static int home(long key, int mask) {
    long mixed = key * 0x9E3779B97F4A7C15L;
    return (int) (mixed >>> 32) & mask;
  }

  private void insert(long key, int value) {
    int mask = values.length - 1;
    int i = home(key, mask);
    while (values[i] != 0) {
      i = i + 1 & mask;
    }
    keys[i] = key;
    values[i] = value;
  }

  /** Removes a key that is there, and moves those back that its place had pushed on. */
  private void remove(long key) {
    int mask = values.length - 1;
    int gap = home(key, mask);
    while (keys[gap] != key || values[gap] == 0) {
      gap = gap + 1 & mask;
    }
    for (int i = gap + 1 & mask; values[i] != 0; i = i + 1 & mask) {
      int distance = i - home(keys[i], mask) & mask;
      if (distance >= (i - gap & mask)) {
        keys[gap] = keys[i];
        values[gap] = values[i];
        gap = i;
      }
    }
    values[gap] = 0;
    size--;
  }

  /** A new table of a power of two places, or none, without the keys of a range. */
  private void rebuild(int slots, long from, long to, Receiver removed) {
    long[] oldKeys = keys;
    int[] oldValues = values;
    keys = slots == 0 ? NO_KEYS : new long[slots];
    values = slots == 0 ? NO_VALUES : new int[slots];
    size = 0;
    end = 0;
    for (int i = 0; i < oldValues.length; i++) {
      if (oldValues[i] == 0) {
        continue;
      }
      if (oldKeys[i] >= from && oldKeys[i] < to) {
        removed.accept(oldValues[i] - 1);
      } else {
        insert(oldKeys[i], oldValues[i]);
        size++;
        end = Math.max(end, oldKeys[i] + 1);
      }
    }
  }
}
