package io.github.ferrofuse.internal;

import io.github.ferrofuse.Name;
import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.concurrent.atomic.LongAdder;

/**
 * Paths and names as strings, of which the ones used lately are kept, so that no string is made for
 * a file that is asked for again and again.
 *
 * <p>An entry is found by its bytes and holds what they always mean: there is nothing to
 * invalidate. Entries are immutable; a full set loses one of its entries, in turn. Safe for
 * threads, without locks.
 */
public final class PathStrings {
  private static final int MOST_WAYS = 4;

  private final int ways;
  private final int sets;
  private final AtomicReferenceArray<Entry> entries;
  private final LongAdder hits = new LongAdder();
  private final LongAdder misses = new LongAdder();

  /**
   * Makes an empty one.
   *
   * @param capacity how many strings are kept at most, 0 for none
   */
  PathStrings(int capacity) {
    ways = Math.max(1, Math.min(MOST_WAYS, capacity));
    sets = capacity / ways;
    entries = new AtomicReferenceArray<>(sets * ways);
  }

  /** The string that some bytes stand for. */
  String get(ByteBuffer source, int offset, int length) {
    long hash = hash(source, offset, length);
    int set = sets == 0 ? 0 : (int) Long.remainderUnsigned(hash, sets) * ways;
    if (sets > 0) {
      for (int way = 0; way < ways; way++) {
        Entry entry = entries.getAcquire(set + way);
        if (entry != null && entry.hash == hash && entry.has(source, offset, length)) {
          hits.increment();
          return entry.text;
        }
      }
    }
    misses.increment();
    Entry made = new Entry(hash, source, offset, length);
    if (sets > 0) {
      int turn = (int) (misses.sum() & Integer.MAX_VALUE);
      entries.setRelease(set + freeOr(set, turn % ways), made);
    }
    return made.text;
  }

  private int freeOr(int set, int victim) {
    for (int way = 0; way < ways; way++) {
      if (entries.getAcquire(set + way) == null) {
        return way;
      }
    }
    return victim;
  }

  /** Eight bytes at a time; the length is part of it. */
  private static long hash(ByteBuffer source, int offset, int length) {
    long hash = length;
    for (int i = 0; i < length; i += Long.BYTES) {
      hash = (hash ^ word(source, offset + i, length - i)) * 0x9e3779b97f4a7c15L;
      hash ^= hash >>> 32;
    }
    return hash;
  }

  /** Up to eight bytes as a number. */
  private static long word(ByteBuffer source, int at, int length) {
    if (length >= Long.BYTES) {
      return source.getLong(at);
    }
    long word = 0;
    for (int i = 0; i < length; i++) {
      word = word << 8 | source.get(at + i) & 0xff;
    }
    return word;
  }

  /** {@return how many strings are kept at most} */
  public int capacity() {
    return entries.length();
  }

  /** {@return how many strings are kept now} */
  public int size() {
    int size = 0;
    for (int i = 0; i < entries.length(); i++) {
      size += entries.getAcquire(i) == null ? 0 : 1;
    }
    return size;
  }

  /** {@return how often a string was there} */
  public long hits() {
    return hits.sum();
  }

  /** {@return how often one had to be made} */
  public long misses() {
    return misses.sum();
  }

  private static final class Entry {
    private final long hash;
    private final int length;
    private final long[] words;
    private final String text;

    Entry(long hash, ByteBuffer source, int offset, int length) {
      this.hash = hash;
      this.length = length;
      words = new long[(length + Long.BYTES - 1) / Long.BYTES];
      for (int i = 0; i < words.length; i++) {
        words[i] = word(source, offset + i * Long.BYTES, length - i * Long.BYTES);
      }
      byte[] bytes = new byte[length];
      source.get(offset, bytes);
      text = Name.of(bytes).toString();
    }

    boolean has(ByteBuffer source, int offset, int sourceLength) {
      if (sourceLength != length) {
        return false;
      }
      for (int i = 0; i < words.length; i++) {
        int at = i * Long.BYTES;
        if (words[i] != word(source, offset + at, length - at)) {
          return false;
        }
      }
      return true;
    }
  }
}
