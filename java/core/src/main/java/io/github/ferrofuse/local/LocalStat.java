package io.github.ferrofuse.local;

import io.github.ferrofuse.AttrSink;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Attributes of a file: {@code struct statx} of statx(2), filled by {@link LocalFd#statx} again and
 * again. Made once per thread and kept: it is memory outside the heap. Not for several threads at
 * once.
 */
public final class LocalStat {
  private static final int SIZE = 256;

  // Offsets in struct statx of <linux/stat.h>
  private static final int MASK = 0;
  private static final int BLKSIZE = 4;
  private static final int ATTRIBUTES = 8;
  private static final int NLINK = 16;
  private static final int UID = 20;
  private static final int GID = 24;
  private static final int MODE = 28;
  private static final int INO = 32;
  private static final int FILE_SIZE = 40;
  private static final int BLOCKS = 48;
  private static final int ATTRIBUTES_MASK = 56;
  private static final int ATIME = 64;
  private static final int BTIME = 80;
  private static final int CTIME = 96;
  private static final int MTIME = 112;
  private static final int NANOS = 8;
  private static final int RDEV_MAJOR = 128;
  private static final int RDEV_MINOR = 132;
  private static final int DEV_MAJOR = 136;
  private static final int DEV_MINOR = 140;
  private static final int MOUNT = 144;

  private static final int STATX_BTIME = 0x800;
  private static final int STATX_MNT_ID = 0x1000;

  private final ByteBuffer bytes = ByteBuffer.allocateDirect(SIZE).order(ByteOrder.nativeOrder());

  /** One that is all 0 until it is filled. */
  public LocalStat() {}

  ByteBuffer buffer() {
    return bytes;
  }

  /** {@return type and permissions, as in {@code stat.st_mode}} */
  public int mode() {
    return bytes.getShort(MODE) & 0xffff;
  }

  /** {@return the inode number} */
  public long ino() {
    return bytes.getLong(INO);
  }

  /**
   * {@return the device that the file is on, major number in the upper half, minor in the lower}
   */
  public long device() {
    return (long) bytes.getInt(DEV_MAJOR) << 32 | bytes.getInt(DEV_MINOR) & 0xffffffffL;
  }

  /** {@return the device number of a device node, as in {@code stat.st_rdev}} */
  public int rdev() {
    int major = bytes.getInt(RDEV_MAJOR);
    int minor = bytes.getInt(RDEV_MINOR);
    return minor & 0xff | major << 8 | (minor & ~0xff) << 12;
  }

  /** {@return the size in bytes} */
  public long size() {
    return bytes.getLong(FILE_SIZE);
  }

  /** {@return the space taken, in units of 512 bytes} */
  public long blocks() {
    return bytes.getLong(BLOCKS);
  }

  /** {@return the preferred size of I/O in bytes} */
  public int blksize() {
    return bytes.getInt(BLKSIZE);
  }

  /** {@return the number of names} */
  public int nlink() {
    return bytes.getInt(NLINK);
  }

  /** {@return the owner} */
  public int uid() {
    return bytes.getInt(UID);
  }

  /** {@return the owning group} */
  public int gid() {
    return bytes.getInt(GID);
  }

  /** {@return STATX_ATTR_ flags} */
  public long attributes() {
    return bytes.getLong(ATTRIBUTES);
  }

  /** {@return which STATX_ATTR_ flags the file system has} */
  public long attributesMask() {
    return bytes.getLong(ATTRIBUTES_MASK);
  }

  /** {@return whether {@link #mountId} is known: since Linux 5.8} */
  public boolean hasMountId() {
    return (bytes.getInt(MASK) & STATX_MNT_ID) != 0;
  }

  /** {@return the number of the mount, as in /proc/self/mountinfo} */
  public long mountId() {
    return bytes.getLong(MOUNT);
  }

  /** {@return seconds since 1970 of the last access} */
  public long atimeSeconds() {
    return bytes.getLong(ATIME);
  }

  /** {@return its nanoseconds} */
  public int atimeNanos() {
    return bytes.getInt(ATIME + NANOS);
  }

  /** {@return seconds since 1970 of the last change of the content} */
  public long mtimeSeconds() {
    return bytes.getLong(MTIME);
  }

  /** {@return its nanoseconds} */
  public int mtimeNanos() {
    return bytes.getInt(MTIME + NANOS);
  }

  /** {@return seconds since 1970 of the last change of the attributes} */
  public long ctimeSeconds() {
    return bytes.getLong(CTIME);
  }

  /** {@return its nanoseconds} */
  public int ctimeNanos() {
    return bytes.getInt(CTIME + NANOS);
  }

  /** {@return whether the time of birth is known} */
  public boolean hasBtime() {
    return (bytes.getInt(MASK) & STATX_BTIME) != 0;
  }

  /** {@return seconds since 1970 of the time of birth} */
  public long btimeSeconds() {
    return bytes.getLong(BTIME);
  }

  /** {@return its nanoseconds} */
  public int btimeNanos() {
    return bytes.getInt(BTIME + NANOS);
  }

  /**
   * Passes on everything that {@link AttrSink} takes, but for its timeout.
   *
   * @param out takes it
   */
  public void copyTo(AttrSink out) {
    out.ino(ino())
        .mode(mode())
        .size(size())
        .blocks(blocks())
        .nlink(nlink())
        .uid(uid())
        .gid(gid())
        .rdev(rdev())
        .blksize(blksize())
        .atime(atimeSeconds(), atimeNanos())
        .mtime(mtimeSeconds(), mtimeNanos())
        .ctime(ctimeSeconds(), ctimeNanos());
    if (hasBtime()) {
      out.btime(btimeSeconds(), btimeNanos());
    }
  }
}
