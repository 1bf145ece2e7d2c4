package io.github.ferrofuse.internal;

import io.github.ferrofuse.LockSink;
import io.github.ferrofuse.LockType;
import java.nio.ByteBuffer;

/** Writes a {@code fuse_file_lock} into the args page. */
final class LockWriter implements LockSink {
  private static final int F_RDLCK = 0;
  private static final int F_WRLCK = 1;

  private final ByteBuffer page;
  private boolean found;

  LockWriter(ByteBuffer page) {
    this.page = page;
  }

  LockWriter reset() {
    found = false;
    return this;
  }

  /** Whether there is a lock in the way. */
  boolean found() {
    return found;
  }

  @Override
  public void inTheWay(LockType type, long start, long end, int pid) {
    if (start < 0 || end < start || type == LockType.UNLOCK) {
      throw new IllegalArgumentException("no lock: " + type + " " + start + "-" + end);
    }
    page.putLong(Layout.LOCK + Layout.LOCK_START, start);
    page.putLong(Layout.LOCK + Layout.LOCK_END, end);
    page.putInt(Layout.LOCK + Layout.LOCK_TYPE, type == LockType.READ ? F_RDLCK : F_WRLCK);
    page.putInt(Layout.LOCK + Layout.LOCK_PID, pid);
    found = true;
  }
}
