package io.github.ferrofuse.internal;

import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.FileType;
import java.nio.ByteBuffer;

/** Writes a {@code fuse_attr} and how long it is valid, both at fixed places of the args page. */
final class AttrWriter implements AttrSink {
  private static final long NANOS = 1_000_000_000L;
  private static final int DEFAULT_BLKSIZE = 4096;

  private final ByteBuffer page;
  private final int attr;
  private final int valid;
  private final int validNsec;
  private final long defaultTimeout;

  /** Whether there is a place for the time of birth. */
  private final boolean hasBirth;

  private AttrWriter(
      ByteBuffer page, int attr, int valid, int validNsec, long timeoutNanos, boolean hasBirth) {
    this.page = page;
    this.attr = attr;
    this.valid = valid;
    this.validNsec = validNsec;
    this.defaultTimeout = timeoutNanos;
    this.hasBirth = hasBirth;
  }

  /** The one of {@code fuse_attr_out}. */
  static AttrWriter ofGetattr(ByteBuffer page, long timeoutNanos) {
    return new AttrWriter(
        page,
        Layout.GETATTR + Layout.GETATTR_ATTR,
        Layout.GETATTR + Layout.GETATTR_VALID,
        Layout.GETATTR + Layout.GETATTR_VALID_NSEC,
        timeoutNanos,
        true);
  }

  /** The one inside {@code fuse_entry_out}. */
  static AttrWriter ofEntry(ByteBuffer page, long timeoutNanos) {
    return new AttrWriter(
        page,
        Layout.ENTRY + Layout.ENTRY_ATTR,
        Layout.ENTRY + Layout.ENTRY_ATTR_VALID,
        Layout.ENTRY + Layout.ENTRY_ATTR_VALID_NSEC,
        timeoutNanos,
        false);
  }

  AttrWriter reset() {
    if (hasBirth) {
      page.putInt(Layout.BIRTH_GIVEN, 0);
    }
    for (int i = 0; i < Layout.ATTR_LENGTH; i += Long.BYTES) {
      page.putLong(attr + i, 0);
    }
    page.putInt(attr + Layout.ATTR_NLINK, 1);
    page.putInt(attr + Layout.ATTR_BLKSIZE, DEFAULT_BLKSIZE);
    timeout(defaultTimeout);
    return this;
  }

  /** Checks what the file system put in, and completes it; a node of 0 is not known. */
  void finish(long node) {
    int mode = page.getInt(attr + Layout.ATTR_MODE);
    if (FileType.ofMode(mode) == FileType.UNKNOWN) {
      throw new IllegalStateException(
          (node == 0 ? "the attributes" : "attributes of node " + node)
              + " have mode 0"
              + Integer.toOctalString(mode)
              + ", which has no file type: set AttrSink.mode, for example to 0100644");
    }
    if (ino() == 0) {
      ino(node);
    }
  }

  /** The type that the file system gave. */
  FileType type() {
    return FileType.ofMode(page.getInt(attr + Layout.ATTR_MODE));
  }

  long ino() {
    return page.getLong(attr + Layout.ATTR_INO);
  }

  /** Writes a duration as seconds and nanoseconds. */
  static void putTimeout(ByteBuffer page, int seconds, int nanos, long timeout) {
    if (timeout < 0) {
      throw new IllegalArgumentException("timeout of " + timeout + " ns: 0 or more");
    }
    page.putLong(seconds, timeout / NANOS);
    page.putInt(nanos, (int) (timeout % NANOS));
  }

  @Override
  public AttrSink ino(long ino) {
    page.putLong(attr + Layout.ATTR_INO, ino);
    return this;
  }

  @Override
  public AttrSink mode(int mode) {
    page.putInt(attr + Layout.ATTR_MODE, mode);
    return this;
  }

  @Override
  public AttrSink size(long bytes) {
    if (bytes < 0) {
      throw new IllegalArgumentException("size of " + bytes + " bytes: 0 or more");
    }
    page.putLong(attr + Layout.ATTR_SIZE, bytes);
    return this;
  }

  @Override
  public AttrSink blocks(long blocks) {
    page.putLong(attr + Layout.ATTR_BLOCKS, blocks);
    return this;
  }

  @Override
  public AttrSink nlink(int nlink) {
    page.putInt(attr + Layout.ATTR_NLINK, nlink);
    return this;
  }

  @Override
  public AttrSink uid(int uid) {
    page.putInt(attr + Layout.ATTR_UID, uid);
    return this;
  }

  @Override
  public AttrSink gid(int gid) {
    page.putInt(attr + Layout.ATTR_GID, gid);
    return this;
  }

  @Override
  public AttrSink rdev(int rdev) {
    page.putInt(attr + Layout.ATTR_RDEV, rdev);
    return this;
  }

  @Override
  public AttrSink blksize(int bytes) {
    if (bytes <= 0) {
      throw new IllegalArgumentException("I/O size of " + bytes + " bytes: 1 or more");
    }
    page.putInt(attr + Layout.ATTR_BLKSIZE, bytes);
    return this;
  }

  @Override
  public AttrSink atime(long seconds, int nanos) {
    return time(Layout.ATTR_ATIME, Layout.ATTR_ATIMENSEC, seconds, nanos);
  }

  @Override
  public AttrSink mtime(long seconds, int nanos) {
    return time(Layout.ATTR_MTIME, Layout.ATTR_MTIMENSEC, seconds, nanos);
  }

  @Override
  public AttrSink ctime(long seconds, int nanos) {
    return time(Layout.ATTR_CTIME, Layout.ATTR_CTIMENSEC, seconds, nanos);
  }

  @Override
  public AttrSink btime(long seconds, int nanos) {
    checkNanos(nanos);
    if (hasBirth) {
      page.putLong(Layout.BIRTH_SECONDS, seconds);
      page.putInt(Layout.BIRTH_NANOS, nanos);
      page.putInt(Layout.BIRTH_GIVEN, 1);
    }
    return this;
  }

  private static void checkNanos(int nanos) {
    if (nanos < 0 || nanos >= NANOS) {
      throw new IllegalArgumentException("time with " + nanos + " ns: 0 to 999999999");
    }
  }

  private AttrSink time(int secondsAt, int nanosAt, long seconds, int nanos) {
    checkNanos(nanos);
    page.putLong(attr + secondsAt, seconds);
    page.putInt(attr + nanosAt, nanos);
    return this;
  }

  @Override
  public AttrSink timeout(long nanos) {
    putTimeout(page, valid, validNsec, nanos);
    return this;
  }
}
