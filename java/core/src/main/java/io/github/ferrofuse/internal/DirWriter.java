package io.github.ferrofuse.internal;

import io.github.ferrofuse.DirSink;
import io.github.ferrofuse.EntrySink;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.Name;
import java.nio.ByteBuffer;

/**
 * Writes {@code fuse_dirent} or {@code fuse_direntplus} records to the start of the bulk area.
 *
 * <p>A record is padded to 8 bytes. In a {@code fuse_direntplus} the nodeid is the file system's
 * own number of the node, which the engine exchanges, or any number where the engine knows the
 * nodes ({@code byPath}); 0 says that the record has no attributes.
 */
final class DirWriter implements DirSink {
  /** Stands for a number that is not known: readdir(3) hides entries with 0. */
  private static final long UNKNOWN_INO = 0xffffffffL;

  private final ByteBuffer page;
  private final ByteBuffer bulk;
  private final EntryWriter entry;
  private final boolean byPath;
  private boolean plus;
  private boolean hasEntry;
  private boolean full;
  private int limit;
  private int length;

  DirWriter(ByteBuffer page, ByteBuffer bulk, EntryWriter entry, boolean byPath) {
    this.page = page;
    this.bulk = bulk;
    this.entry = entry;
    this.byPath = byPath;
  }

  DirWriter reset(int newLimit, boolean withAttributes) {
    limit = newLimit;
    plus = withAttributes;
    length = 0;
    hasEntry = false;
    full = false;
    return this;
  }

  /** Bytes written, a multiple of 8. */
  int length() {
    return length;
  }

  /** Whether an entry was refused. */
  boolean isFull() {
    return full;
  }

  @Override
  public boolean wantsAttr() {
    return plus;
  }

  @Override
  public EntrySink entry() {
    if (!plus) {
      throw new IllegalStateException("attributes are not wanted: ask DirSink.wantsAttr first");
    }
    hasEntry = true;
    return entry.reset();
  }

  @Override
  public boolean add(Name name, long node, FileType type, long nextCookie) {
    boolean withEntry = hasEntry;
    hasEntry = false;
    check(name, nextCookie);
    int head = plus ? Layout.ENTRY_SIZE : 0;
    int size = head + Layout.DIRENT_LENGTH + name.length() + 7 & ~7;
    if (full || size > limit - length) {
      full = true;
      return false;
    }
    long ino = node == 0 ? UNKNOWN_INO : node;
    if (withEntry && !Names.isDotOrDotDot(name)) {
      if (byPath) {
        entry.finishListed(node);
      } else {
        entry.node(node);
        entry.finish();
      }
      ino = entry.ino() == 0 ? UNKNOWN_INO : entry.ino();
      bulk.put(length, page, Layout.ENTRY, Layout.ENTRY_SIZE);
    } else {
      zero(length, head);
    }
    putDirent(length + head, ino, nextCookie, type, name);
    length += size;
    return true;
  }

  private void putDirent(int at, long ino, long nextCookie, FileType type, Name name) {
    bulk.putLong(at + Layout.DIRENT_INO, ino);
    bulk.putLong(at + Layout.DIRENT_OFF, nextCookie);
    bulk.putInt(at + Layout.DIRENT_NAMELEN, name.length());
    bulk.putInt(at + Layout.DIRENT_TYPE, type.code());
    int end = Layout.DIRENT_LENGTH + name.length();
    if ((end & 7) != 0) {
      bulk.putLong(at + (end & ~7), 0); // the padding, before the name's tail is put over it
    }
    NameAccess.get().get(name, bulk, at + Layout.DIRENT_LENGTH);
  }

  private void zero(int at, int size) {
    for (int i = 0; i < size; i += Long.BYTES) {
      bulk.putLong(at + i, 0);
    }
  }

  private static void check(Name name, long nextCookie) {
    Names.checkEntry(name);
    if (nextCookie <= 0) {
      throw new IllegalArgumentException(
          "directory entry '"
              + name
              + "' has cookie "
              + nextCookie
              + ": 1 or more, because 0 is the beginning and nobody can seek to a negative offset");
    }
  }
}
