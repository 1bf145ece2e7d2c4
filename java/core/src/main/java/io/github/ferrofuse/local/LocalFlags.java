package io.github.ferrofuse.local;

import io.github.ferrofuse.internal.LocalOpenNative;
import io.github.ferrofuse.internal.Native;

/**
 * Flags of the calls of {@link LocalFd}, with the values of this processor: those of opening differ
 * between x86 and ARM. O_CLOEXEC is always added.
 */
public final class LocalFlags {
  private static final int[] HERE;

  static {
    Native.load();
    HERE = LocalOpenNative.flags();
  }

  /** Open for reading. */
  public static final int O_RDONLY = 0;

  /** Open for writing. */
  public static final int O_WRONLY = 1;

  /** Open for both. */
  public static final int O_RDWR = 2;

  /** The three above. */
  public static final int O_ACCMODE = 3;

  /** Make the file if there is none. */
  public static final int O_CREAT = HERE[0];

  /** With O_CREAT: fail if there is one. */
  public static final int O_EXCL = HERE[1];

  /** A terminal doesn't become this process's own. */
  public static final int O_NOCTTY = HERE[2];

  /** Cut the file to nothing. */
  public static final int O_TRUNC = HERE[3];

  /** Write at the end. */
  public static final int O_APPEND = HERE[4];

  /** Don't wait, for a FIFO's other end or a lease. */
  public static final int O_NONBLOCK = HERE[5];

  /** Writes are durable with the data's attributes that are needed. */
  public static final int O_DSYNC = HERE[6];

  /** Writes are durable. */
  public static final int O_SYNC = HERE[7];

  /** Past the page cache. */
  public static final int O_DIRECT = HERE[8];

  /** Fail if it is no directory. */
  public static final int O_DIRECTORY = HERE[9];

  /** Don't follow a symbolic link at the end. */
  public static final int O_NOFOLLOW = HERE[10];

  /** Leave the time of access. */
  public static final int O_NOATIME = HERE[11];

  /** A place, not what is there. */
  public static final int O_PATH = HERE[12];

  /** A file without a name, in the directory. */
  public static final int O_TMPFILE = HERE[13];

  /** openat2: not to another mount. */
  public static final int RESOLVE_NO_XDEV = 0x01;

  /** openat2: through no magic link, as those of /proc/self/fd are. */
  public static final int RESOLVE_NO_MAGICLINKS = 0x02;

  /** openat2: through no symbolic link. One at the end is opened by O_PATH and O_NOFOLLOW. */
  public static final int RESOLVE_NO_SYMLINKS = 0x04;

  /** openat2: nothing outside the directory. */
  public static final int RESOLVE_BENEATH = 0x08;

  /** openat2: the directory is the root, for absolute links, too. */
  public static final int RESOLVE_IN_ROOT = 0x10;

  /** rename: fail if there is a file of the new name. */
  public static final int RENAME_NOREPLACE = 1;

  /** rename: exchange both. */
  public static final int RENAME_EXCHANGE = 2;

  /** rename: leave a whiteout. */
  public static final int RENAME_WHITEOUT = 4;

  /** setXattr: fail if there is one. */
  public static final int XATTR_CREATE = 1;

  /** setXattr: fail if there is none. */
  public static final int XATTR_REPLACE = 2;

  /** utimens: nanoseconds that stand for the present. */
  public static final int UTIME_NOW = (1 << 30) - 1;

  /** utimens: nanoseconds that leave the time. */
  public static final int UTIME_OMIT = (1 << 30) - 2;

  /** seek: from the start. */
  public static final int SEEK_SET = 0;

  /** seek: the next data. */
  public static final int SEEK_DATA = 3;

  /** seek: the next hole, the end of the file being one. */
  public static final int SEEK_HOLE = 4;

  /** flock: shared. */
  public static final int LOCK_SH = 1;

  /** flock: exclusive. */
  public static final int LOCK_EX = 2;

  /** flock: don't wait. */
  public static final int LOCK_NB = 4;

  /** flock: give it back. */
  public static final int LOCK_UN = 8;

  private LocalFlags() {}
}
