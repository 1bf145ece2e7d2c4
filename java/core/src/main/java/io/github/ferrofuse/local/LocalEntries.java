package io.github.ferrofuse.local;

import io.github.ferrofuse.FileType;
import io.github.ferrofuse.Name;

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
public final class LocalEntries extends LocalRecords {
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

  /**
   * One without entries.
   *
   * @param size its memory in bytes, at least {@link #MIN_BYTES}; 32 KiB have room for some hundred
   *     entries
   * @throws IllegalArgumentException if it is too small
   */
  public LocalEntries(int size) {
    super(size, MIN_BYTES, "entries");
  }

  @Override
  int length() {
    return bytes.getShort(start + LENGTH) & 0xffff;
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
    if (!goOn()) {
      return false;
    }
    readName(start + NAME, limit());
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
