package io.github.ferrofuse.examples.mirror;

import io.github.ferrofuse.local.LocalEntries;
import java.util.ArrayDeque;
import java.util.Deque;

/** Memory for listings, outside the heap and so kept for the next ones. Safe for threads. */
final class EntriesPool {
  private static final int BYTES = 16 << 10;
  private static final int MOST = 32;

  private final Deque<LocalEntries> unused = new ArrayDeque<>();

  /** Some that was used before, or is new; without entries. */
  LocalEntries take() {
    LocalEntries found;
    synchronized (this) {
      found = unused.poll();
    }
    return found == null ? new LocalEntries(BYTES) : found;
  }

  /** Takes back what is no longer used; null is nothing. */
  synchronized void give(LocalEntries entries) {
    if (entries != null && unused.size() < MOST) {
      entries.clear();
      unused.push(entries);
    }
  }
}
