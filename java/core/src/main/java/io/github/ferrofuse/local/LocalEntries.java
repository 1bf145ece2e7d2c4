package io.github.ferrofuse.local;

import io.github.ferrofuse.FileType;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.internal.NameAccess;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Entries of a directory: {@code struct linux_dirent64} of getdents64(2), filled by {@link
 * LocalFd#readEntries} again and again, "." and ".." among them. Made once and kept: it is memory
 * outside the heap. Not for several threads at once.
 *
 * <pre>{@code
 * while (dir.readEntries(entries)) {
 *   while (entries.next()) {
 *     use(entries.name(), entries.ino(), entries.type(), entries.cookie());
 *   }
 * }
 * }</pre>
 */
public final class LocalEntries {
  /** Room for at least one entry, whatever its name. */
  public static final int MIN_BYTES = 1024;

  // Offsets in struct linux_dirent64
  private static final int INO = 0;
  private static final int COOKIE = 8;
  private static final int LENGTH = 16;
  private static final int TYPE = 18;
  private static final int NAME = 19;

  private static final FileType[] TYPES = new FileType[16];

  static {
    for (int code = 0; code < TYPES.length; code++) {
      TYPES[code] = FileType.ofMode(code << 12);
    }
  }

  private final ByteBuffer bytes;
  private final Name name = NameAccess.get().reusable();

  /** Where the current entry begins, and the next. */
  private int start;

  private int following;
  private int end;

  /**
   * One without entries.
   *
   * @param size its memory in bytes, at least {@link #MIN_BYTES}; 32 KiB have room for some hundred
   *     entries
   * @throws IllegalArgumentException if it is too small
   */
  public LocalEntries(int size) {
    if (size < MIN_BYTES) {
      throw new IllegalArgumentException(size + " bytes for entries: it takes " + MIN_BYTES);
    }
    bytes = ByteBuffer.allocateDirect(size).order(ByteOrder.nativeOrder());
  }

  ByteBuffer buffer() {
    return bytes;
  }

  void end(int size) {
    start = 0;
    following = 0;
    end = size;
  }

  /** Drops what was read and not gone through: {@link #next} has to read on. */
  public void clear() {
    end(0);
  }

  /**
   * Goes on to the next entry, at first to the first.
   *
   * @return false if there is none: read on
   */
  public boolean next() {
    if (following >= end) {
      return false;
    }
    start = following;
    int length = bytes.getShort(start + LENGTH) & 0xffff;
    following = start + length;
    int nameLength = 0;
    while (NAME + nameLength < length && bytes.get(start + NAME + nameLength) != 0) {
      nameLength++;
    }
    NameAccess.get().assign(name, bytes, start + NAME, nameLength);
    return true;
  }

  /** {@return the current entry's name; it changes with {@link #next}} */
  public Name name() {
    return name;
  }

  /**
   * {@return the current entry's inode number; where something is mounted, that of the directory
   * below it}
   */
  public long ino() {
    return bytes.getLong(start + INO);
  }

  /** {@return its type, UNKNOWN if the file system doesn't tell} */
  public FileType type() {
    return TYPES[bytes.get(start + TYPE) & 0xf];
  }

  /** {@return where {@link LocalFd#seek} has to go to read on after it} */
  public long cookie() {
    return bytes.getLong(start + COOKIE);
  }
}
