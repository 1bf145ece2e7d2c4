package io.github.ferrofuse.examples.memory;

import io.github.ferrofuse.AttrChange;
import io.github.ferrofuse.AttrSink;

/**
 * The times of a file, kept as seconds and nanoseconds since any year can be set. Guarded by the
 * inode's lock. Arguments named {@code now} are {@link Clock#now}.
 */
final class Times {
  private static final long SECOND = 1_000_000_000;
  private static final long DAY_IN_SECONDS = 24 * 60 * 60;

  /** When the file was made, as {@link Clock#now}; nobody can set it. */
  private final long birth;

  private long accessSeconds;
  private long modifySeconds;
  private long changeSeconds;
  private int accessNanos;
  private int modifyNanos;
  private int changeNanos;

  /**
   * Times of a new file: all the present.
   *
   * @param now the present
   */
  Times(long now) {
    birth = now;
    accessed(now);
    modified(now);
  }

  /** The content was read. */
  void accessed(long now) {
    accessSeconds = Math.floorDiv(now, SECOND);
    accessNanos = (int) Math.floorMod(now, SECOND);
  }

  /** The content changed, and with it the attributes. */
  void modified(long now) {
    modifySeconds = Math.floorDiv(now, SECOND);
    modifyNanos = (int) Math.floorMod(now, SECOND);
    changed(now);
  }

  /** The attributes changed. */
  void changed(long now) {
    changeSeconds = Math.floorDiv(now, SECOND);
    changeNanos = (int) Math.floorMod(now, SECOND);
  }

  /** Sets what a setattr names. */
  void set(AttrChange change, long now) {
    if (change.hasAtime()) {
      accessed(now);
      if (!change.atimeNow()) {
        accessSeconds = change.atimeSeconds();
        accessNanos = change.atimeNanos();
      }
    }
    if (change.hasMtime()) {
      modified(now);
      if (!change.mtimeNow()) {
        modifySeconds = change.mtimeSeconds();
        modifyNanos = change.mtimeNanos();
      }
    }
    if (change.hasCtime()) {
      changeSeconds = change.ctimeSeconds();
      changeNanos = change.ctimeNanos();
    }
  }

  /**
   * Whether reading should update the access time, by the rule of the mount option relatime:
   * mount(8). So repeated reads cost no update.
   *
   * @param nowSeconds the present in seconds since 1970
   * @return true if the file was changed since its last access, or that was a day ago
   */
  boolean accessIsDue(long nowSeconds) {
    return !isAfter(accessSeconds, accessNanos, modifySeconds, modifyNanos)
        || !isAfter(accessSeconds, accessNanos, changeSeconds, changeNanos)
        || nowSeconds - accessSeconds >= DAY_IN_SECONDS;
  }

  /** Tells them. */
  void fill(AttrSink out) {
    out.atime(accessSeconds, accessNanos)
        .mtime(modifySeconds, modifyNanos)
        .ctime(changeSeconds, changeNanos)
        .btime(Math.floorDiv(birth, SECOND), (int) Math.floorMod(birth, SECOND));
  }

  private static boolean isAfter(long seconds, int nanos, long otherSeconds, int otherNanos) {
    return seconds > otherSeconds || seconds == otherSeconds && nanos > otherNanos;
  }
}
