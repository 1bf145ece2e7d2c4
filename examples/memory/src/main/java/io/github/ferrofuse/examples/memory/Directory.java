package io.github.ferrofuse.examples.memory;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.Name;
import java.util.Arrays;
import java.util.HashMap;

/**
 * A directory: names that lead to inodes, in the order in which they were made.
 *
 * <p>Entries are found by name in a hash table, and listed from an array sorted by cookie. A cookie
 * is the number of the entry in the directory's life, never used again: so a listing goes on at the
 * right place whatever came or went. A removed entry stays in the array as a gap until gaps are the
 * larger part; then all are closed at once. So each operation costs the same in a large directory
 * as in a small one, but for the binary search when a listing goes on.
 *
 * <p>Entries and parent are guarded by the lock of the {@link Tree}, not by the inode's. Times and
 * link counts are the tree's business as well.
 */
final class Directory extends Inode {
  /** Cookie of ".". */
  static final long DOT = 1;

  /** Cookie of "..". */
  static final long DOT_DOT = 2;

  /** A name in the directory. */
  static final class Entry {
    final Name name;
    final long cookie;
    private Inode inode;

    private Entry(Name name, long cookie, Inode inode) {
      this.name = name;
      this.cookie = cookie;
      this.inode = inode;
    }

    /** {@return what the name leads to, null once it is removed} */
    Inode inode() {
      return inode;
    }

    /** Makes the name lead to another inode; it keeps its place in listings. */
    void replace(Inode other) {
      inode = other;
    }
  }

  private static final Entry[] NO_ENTRIES = {};

  private final HashMap<Name, Entry> byName = new HashMap<>();
  private Entry[] byCookie = NO_ENTRIES;
  private int places;
  private long lastCookie = DOT_DOT;
  private Directory parent;

  /** An empty directory without a parent; the arguments are those of {@link Inode}. */
  Directory(long number, int mode, int uid, int gid, long now) {
    super(number, FileType.DIRECTORY.bits() | mode, 2, uid, gid, now);
  }

  @Override
  void resize(long size) throws FuseException {
    throw Errno.EISDIR.exception();
  }

  /** {@return the directory that has this one, itself for the root, null when it was removed} */
  Directory parent() {
    return parent;
  }

  /** Moves it; null removes it. */
  void setParent(Directory directory) {
    parent = directory;
  }

  /** {@return whether it or a directory that has it is some directory} */
  boolean isWithin(Inode directory) {
    Directory at = this;
    while (at != directory && at.parent != null && at.parent != at) {
      at = at.parent;
    }
    return at == directory;
  }

  /** {@return whether it has no entries} */
  boolean isEmpty() {
    return byName.isEmpty();
  }

  /** {@return the entry of a name, null if there is none} */
  Entry get(Name name) {
    return byName.get(name);
  }

  /**
   * Adds an entry.
   *
   * @param name a name that it does not have; kept
   * @param inode what it leads to
   */
  void add(Name name, Inode inode) {
    if (places == byCookie.length) {
      byCookie = Arrays.copyOf(byCookie, Math.max(4, places + places / 2));
    }
    Entry entry = new Entry(name, ++lastCookie, inode);
    byCookie[places++] = entry;
    byName.put(name, entry);
  }

  /**
   * Removes an entry.
   *
   * @param entry one that it has
   */
  void remove(Entry entry) {
    byName.remove(entry.name);
    entry.inode = null;
    if (places > 2 * byName.size() + 16) {
      closeGaps();
    }
  }

  /** {@return the cookie of the newest entry there has been} */
  long lastCookie() {
    return lastCookie;
  }

  /** {@return the first place in the list whose cookie is larger than some cookie} */
  int placeAfter(long cookie) {
    int low = 0;
    int high = places;
    while (low < high) {
      int middle = low + high >>> 1;
      if (byCookie[middle].cookie <= cookie) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  /** {@return the end of the places in the list} */
  int places() {
    return places;
  }

  /** {@return the entry at a place; its inode is null if it was removed} */
  Entry at(int place) {
    return byCookie[place];
  }

  private void closeGaps() {
    Entry[] closed = new Entry[byName.size() + byName.size() / 2];
    int next = 0;
    for (int i = 0; i < places; i++) {
      if (byCookie[i].inode != null) {
        closed[next++] = byCookie[i];
      }
    }
    byCookie = closed;
    places = next;
  }
}
