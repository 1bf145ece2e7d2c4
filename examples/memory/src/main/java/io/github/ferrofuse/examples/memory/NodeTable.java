package io.github.ferrofuse.examples.memory;

import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.StampedLock;

/**
 * The inodes by number: a hash table with linear probing whose keys are the inodes' own numbers, so
 * that finding one makes no object. Safe for threads; finding takes no lock unless the table is
 * changed meanwhile.
 *
 * <p>Numbers are given out once: a number in an old file handle never means another file.
 */
final class NodeTable {
  private final long limit;
  private final AtomicLong lastNumber = new AtomicLong();
  private final StampedLock lock = new StampedLock();
  private volatile Inode[] slots = new Inode[64];
  private volatile int size;

  /**
   * An empty table.
   *
   * @param limit how many inodes there may be, less than 2^30
   */
  NodeTable(long limit) {
    this.limit = limit;
  }

  /** {@return how many inodes there may be} */
  long limit() {
    return limit;
  }

  /** {@return how many inodes there are} */
  int size() {
    return size;
  }

  /** {@return a number that no inode has had, from 1 on} */
  long nextNumber() {
    return lastNumber.incrementAndGet();
  }

  /**
   * Finds an inode.
   *
   * @param number its number
   * @return the inode, null if there is none
   */
  Inode get(long number) {
    long stamp = lock.tryOptimisticRead();
    if (stamp != 0) {
      Inode found = find(number);
      if (lock.validate(stamp)) {
        return found;
      }
    }
    stamp = lock.readLock();
    try {
      return find(number);
    } finally {
      lock.unlockRead(stamp);
    }
  }

  /**
   * Adds an inode.
   *
   * @param inode one that is not in it
   * @return false if the limit is reached
   */
  boolean add(Inode inode) {
    long stamp = lock.writeLock();
    try {
      if (size >= limit) {
        return false;
      }
      if (size >= slots.length / 2) {
        grow();
      }
      insert(slots, inode);
      size++;
      return true;
    } finally {
      lock.unlockWrite(stamp);
    }
  }

  /**
   * Removes an inode.
   *
   * @param inode one that is in it
   */
  void remove(Inode inode) {
    long stamp = lock.writeLock();
    try {
      removeAt(position(inode.number));
      size--;
    } finally {
      lock.unlockWrite(stamp);
    }
  }

  /** {@return all inodes, in no order} */
  List<Inode> all() {
    long stamp = lock.readLock();
    try {
      return Arrays.stream(slots).filter(Objects::nonNull).toList();
    } finally {
      lock.unlockRead(stamp);
    }
  }

  /** Removes all. */
  void clear() {
    long stamp = lock.writeLock();
    try {
      slots = new Inode[64];
      size = 0;
    } finally {
      lock.unlockWrite(stamp);
    }
  }

  private static int home(long number, int mask) {
    return (int) (number * 0x9E3779B97F4A7C15L >>> 32) & mask;
  }

  /**
   * May run while another thread changes the table: it ends, but what it found is to be validated.
   */
  private Inode find(long number) {
    Inode[] table = slots;
    int mask = table.length - 1;
    int i = home(number, mask);
    for (int probes = 0; probes <= mask; probes++) {
      Inode inode = table[i];
      if (inode == null || inode.number == number) {
        return inode;
      }
      i = i + 1 & mask;
    }
    return null;
  }

  private int position(long number) {
    int mask = slots.length - 1;
    int i = home(number, mask);
    while (slots[i].number != number) {
      i = i + 1 & mask;
    }
    return i;
  }

  private static void insert(Inode[] table, Inode inode) {
    int mask = table.length - 1;
    int i = home(inode.number, mask);
    while (table[i] != null) {
      i = i + 1 & mask;
    }
    table[i] = inode;
  }

  private void removeAt(int gap) {
    Inode[] table = slots;
    int mask = table.length - 1;
    for (int i = gap + 1 & mask; table[i] != null; i = i + 1 & mask) {
      int distance = i - home(table[i].number, mask) & mask;
      if (distance >= (i - gap & mask)) {
        table[gap] = table[i];
        gap = i;
      }
    }
    table[gap] = null;
  }

  private void grow() {
    Inode[] larger = new Inode[slots.length * 2];
    for (Inode inode : slots) {
      if (inode != null) {
        insert(larger, inode);
      }
    }
    slots = larger;
  }
}
