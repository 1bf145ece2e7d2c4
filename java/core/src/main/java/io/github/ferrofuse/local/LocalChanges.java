package io.github.ferrofuse.local;

import io.github.ferrofuse.Name;

/**
 * Changes that a {@link LocalWatch} has heard of, filled again and again: {@code struct
 * fanotify_event_metadata} of fanotify(7). Made once and kept: it is memory outside the heap. Not
 * for several threads at once.
 *
 * <p>The kernel tells several changes of one file by one process as one, so more than one of {@link
 * #isEntry}, {@link #isContent} and {@link #isAttributes} may be true.
 */
public final class LocalChanges extends LocalRecords {
  /** Room for at least one change, whatever its names and handles. */
  public static final int MIN_BYTES = 4096;

  // Offsets in struct fanotify_event_metadata of <linux/fanotify.h>
  private static final int LENGTH = 0;
  private static final int METADATA_LENGTH = 6;
  private static final int MASK = 8;
  private static final int PID = 20;

  // Offsets in struct fanotify_event_info_fid, and its types
  private static final int TYPE = 0;
  private static final int INFO_LENGTH = 2;
  private static final int FSID = 4;
  private static final int HANDLE_BYTES = 12;
  private static final int HANDLE = 16;
  private static final int INFO_FID = 1;
  private static final int INFO_DFID_NAME = 2;
  private static final int INFO_DFID = 3;

  private static final long FAN_MODIFY = 0x2;
  private static final long FAN_ATTRIB = 0x4;
  private static final long FAN_ENTRY = 0x40 | 0x80 | 0x100 | 0x200; // moved from, to, made, gone
  private static final long FAN_Q_OVERFLOW = 0x4000;

  private static final int NONE = -1;
  private static final int SELF = (int) ProcessHandle.current().pid();

  /** Where the current change tells its directory and its file, or {@link #NONE}. */
  private int directory = NONE;

  private int file = NONE;

  /**
   * One without changes.
   *
   * @param size its memory in bytes, at least {@link #MIN_BYTES}
   * @throws IllegalArgumentException if it is too small
   */
  public LocalChanges(int size) {
    super(size, MIN_BYTES, "changes");
  }

  @Override
  int length() {
    return bytes.getInt(start + LENGTH);
  }

  /**
   * Goes on to the next change, at first to the first.
   *
   * @return false if there is none: wait for more
   */
  public boolean next() {
    if (!goOn()) {
      return false;
    }
    directory = NONE;
    file = NONE;
    int info = start + (bytes.getShort(start + METADATA_LENGTH) & 0xffff);
    while (info < limit()) {
      int type = bytes.get(info + TYPE);
      if (type == INFO_DFID_NAME || type == INFO_DFID) {
        directory = info;
      } else if (type == INFO_FID) {
        file = info;
      }
      info += bytes.getShort(info + INFO_LENGTH) & 0xffff;
    }
    readName();
    return true;
  }

  private void readName() {
    if (directory == NONE || bytes.get(directory + TYPE) != INFO_DFID_NAME) {
      readName(start, start);
      return;
    }
    int from = directory + HANDLE + 4 + bytes.getInt(directory + HANDLE_BYTES);
    readName(from, directory + (bytes.getShort(directory + INFO_LENGTH) & 0xffff));
  }

  /** {@return whether changes were lost: they came faster than they were taken; all may differ} */
  public boolean isLost() {
    return (mask() & FAN_Q_OVERFLOW) != 0;
  }

  /** {@return whether this process made the change} */
  public boolean isOwn() {
    return bytes.getInt(start + PID) == SELF;
  }

  /** {@return whether the name came to the directory, or left it} */
  public boolean isEntry() {
    return (mask() & FAN_ENTRY) != 0;
  }

  /** {@return whether the file's content changed, and so its size and times} */
  public boolean isContent() {
    return (mask() & FAN_MODIFY) != 0;
  }

  /** {@return whether the file's attributes changed, the number of its names being one} */
  public boolean isAttributes() {
    return (mask() & FAN_ATTRIB) != 0;
  }

  private long mask() {
    return bytes.getLong(start + MASK);
  }

  /** {@return the file system, as {@link LocalStatfs#id} has it; 0 if changes were lost} */
  public long fileSystem() {
    int info = directory == NONE ? file : directory;
    return info == NONE ? 0 : bytes.getLong(info + FSID);
  }

  /**
   * The directory that has the name, as {@link LocalFd#handle} gives it.
   *
   * @param into takes the handle, at its start; {@link LocalFd#MAX_HANDLE_BYTES} always suffice
   * @return how many bytes it has, 0 if there is no directory: a change of a file by a descriptor
   *     whose name is not known
   * @throws IndexOutOfBoundsException if it doesn't fit
   */
  public int directory(byte[] into) {
    return handle(directory, into);
  }

  /** {@return the name in the directory, "." if it is itself; it changes with {@link #next}} */
  public Name name() {
    return name;
  }

  /**
   * The file that has changed, or that came, or left, as {@link LocalFd#handle} gives it.
   *
   * @param into takes the handle, at its start; {@link LocalFd#MAX_HANDLE_BYTES} always suffice
   * @return how many bytes it has, 0 if it isn't told: before Linux 5.17, and for a directory that
   *     itself has changed, which {@link #directory} is
   * @throws IndexOutOfBoundsException if it doesn't fit
   */
  public int file(byte[] into) {
    return handle(file, into);
  }

  private int handle(int info, byte[] into) {
    if (info == NONE) {
      return 0;
    }
    int length = 4 + bytes.getInt(info + HANDLE_BYTES);
    bytes.get(info + HANDLE, into, 0, length);
    return length;
  }
}
