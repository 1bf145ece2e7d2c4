package io.github.ferrofuse.internal;

import java.lang.reflect.Field;
import java.util.Map;
import java.util.TreeMap;

/**
 * Where things lie in the args page: offsets in bytes, the same on every architecture.
 *
 * <p>The other side is {@code ArgsPage} of {@code native/jvm/src/layout.rs}, whose names in
 * capitals these constants have. They are compared by a test of that crate and again when the
 * library is loaded. Offsets of a struct's fields ({@code ENTRY_…}, {@code ATTR_…}) count from the
 * start of that struct.
 */
final class Layout {
  static final int PAGE_SIZE = 16384;

  static final int REQUEST_UNIQUE = 0;
  static final int REQUEST_UID = 8;
  static final int REQUEST_GID = 12;
  static final int REQUEST_PID = 16;
  static final int REQUEST_UMASK = 20;
  static final int REQUEST_OPCODE = 24;
  static final int REQUEST_FLAGS = 28;

  /** Bit of {@link #REQUEST_FLAGS}: setuid and setgid are to be cleared. */
  static final int FLAG_KILLS_PRIVILEGES = 1;

  /** Bit of {@link #REQUEST_FLAGS}, set here: {@link Upcalls#disarm} is to be called. */
  static final int FLAG_ARMED = 2;

  // Bits of what Door.init answers.
  static final int WISH_CLEARS_PRIVILEGES = 1;
  static final int WISH_BIRTH_TIMES = 2;
  static final int WISH_KEEPS_ACLS = 4;
  static final int WISH_RESOLVES_DOTS = 32;
  static final int WISH_TRUNCATES_ON_OPEN = 64;
  static final int WISH_SHARES_FILES = 128;
  static final int WISH_PASSES_THROUGH = 256;

  static final int WISH_LOCKS_BY_ENGINE = 8;
  static final int WISH_LOCKS_BY_FILE_SYSTEM = 16;

  static final int OPENED_FLAGS = 32;
  static final int OPENED_CONCURRENCY = 36;

  static final int ENTRY = 40;
  static final int ENTRY_SIZE = 128;
  static final int ENTRY_NODE = 0;
  static final int ENTRY_GENERATION = 8;
  static final int ENTRY_VALID = 16;
  static final int ENTRY_ATTR_VALID = 24;
  static final int ENTRY_VALID_NSEC = 32;
  static final int ENTRY_ATTR_VALID_NSEC = 36;
  static final int ENTRY_ATTR = 40;

  static final int GETATTR = 168;
  static final int GETATTR_VALID = 0;
  static final int GETATTR_VALID_NSEC = 8;
  static final int GETATTR_ATTR = 16;

  static final int ATTR_LENGTH = 88;
  static final int ATTR_INO = 0;
  static final int ATTR_SIZE = 8;
  static final int ATTR_BLOCKS = 16;
  static final int ATTR_ATIME = 24;
  static final int ATTR_MTIME = 32;
  static final int ATTR_CTIME = 40;
  static final int ATTR_ATIMENSEC = 48;
  static final int ATTR_MTIMENSEC = 52;
  static final int ATTR_CTIMENSEC = 56;
  static final int ATTR_MODE = 60;
  static final int ATTR_NLINK = 64;
  static final int ATTR_UID = 68;
  static final int ATTR_GID = 72;
  static final int ATTR_RDEV = 76;
  static final int ATTR_BLKSIZE = 80;

  static final int CHANGE = 272;
  static final int CHANGE_VALID = 0;
  static final int CHANGE_SIZE = 16;
  static final int CHANGE_ATIME = 32;
  static final int CHANGE_MTIME = 40;
  static final int CHANGE_CTIME = 48;
  static final int CHANGE_ATIMENSEC = 56;
  static final int CHANGE_MTIMENSEC = 60;
  static final int CHANGE_CTIMENSEC = 64;
  static final int CHANGE_MODE = 68;
  static final int CHANGE_UID = 76;
  static final int CHANGE_GID = 80;

  static final int STATFS = 360;
  static final int STATFS_LENGTH = 80;
  static final int STATFS_BLOCKS = 0;
  static final int STATFS_BFREE = 8;
  static final int STATFS_BAVAIL = 16;
  static final int STATFS_FILES = 24;
  static final int STATFS_FFREE = 32;
  static final int STATFS_BSIZE = 40;
  static final int STATFS_NAMELEN = 44;
  static final int STATFS_FRSIZE = 48;

  static final int BIRTH_SECONDS = 440;
  static final int BIRTH_NANOS = 448;
  static final int BIRTH_GIVEN = 452;

  static final int IOCTL_ARGUMENT = 456;
  static final int IOCTL_COMMAND = 464;
  static final int IOCTL_IN_START = 468;
  static final int IOCTL_IN_END = 472;
  static final int IOCTL_OUT_START = 476;
  static final int IOCTL_OUT_END = 480;
  static final int IOCTL_OUT_LENGTH = 484;

  static final int NUMBER = 488;

  static final int NAME = 496;
  static final int NAME_CAPACITY = 4096;
  static final int TARGET = 4592;
  static final int UNOPENED = 8712;
  static final int BACKING = 8720;

  static final int LOCK = 8688;
  static final int LOCK_START = 0;
  static final int LOCK_END = 8;
  static final int LOCK_TYPE = 16;
  static final int LOCK_PID = 20;

  static final int DIRENT_LENGTH = 24;
  static final int DIRENT_INO = 0;
  static final int DIRENT_OFF = 8;
  static final int DIRENT_NAMELEN = 16;
  static final int DIRENT_TYPE = 20;

  // In longs: what Native.metrics answers.
  static final int METRICS_HEAD = 4;
  static final int METRICS_IN_FLIGHT = 0;
  static final int METRICS_WORKERS = 1;
  static final int METRICS_LONGEST_OPCODE = 2;
  static final int METRICS_LONGEST_NANOS = 3;
  static final int METRIC_LENGTH = 326;
  static final int METRIC_OPCODE = 0;
  static final int METRIC_ERRORS = 1;
  static final int METRIC_NANOS = 2;
  static final int METRIC_MAX = 3;
  static final int METRIC_WAITS = 4;
  static final int METRIC_WAITED = 5;
  static final int METRIC_BUCKETS = 6;
  static final int METRIC_SUB_BITS = 3;

  private Layout() {}

  /**
   * Compares with what the library was built with.
   *
   * @param nativeLayout {@code NAME=value} for each constant here, separated by blanks
   * @throws UnsatisfiedLinkError if they differ
   */
  static void check(String nativeLayout) {
    Map<String, Integer> theirs = new TreeMap<>();
    for (String item : nativeLayout.split(" ")) {
      int equals = item.indexOf('=');
      theirs.put(item.substring(0, equals), Integer.valueOf(item.substring(equals + 1)));
    }
    Map<String, Integer> ours = constants();
    if (!ours.equals(theirs)) {
      theirs.entrySet().removeAll(ours.entrySet());
      throw new UnsatisfiedLinkError(
          "the native library is of another build than the jar (it has "
              + theirs
              + "): use the library that came with this jar");
    }
  }

  /** {@return every constant of this class by name} */
  static Map<String, Integer> constants() {
    Map<String, Integer> constants = new TreeMap<>();
    for (Field field : Layout.class.getDeclaredFields()) {
      if (field.getType() == int.class) {
        try {
          constants.put(field.getName(), field.getInt(null));
        } catch (IllegalAccessException e) {
          throw new AssertionError("a class may read its own fields", e);
        }
      }
    }
    return constants;
  }
}
