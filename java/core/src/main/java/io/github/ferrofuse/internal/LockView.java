package io.github.ferrofuse.internal;

import io.github.ferrofuse.LockRequest;
import io.github.ferrofuse.LockType;

/** The lock of a GETLK, SETLK or SETLKW. */
final class LockView implements LockRequest {
  /** By {@code F_RDLCK}, {@code F_WRLCK} and {@code F_UNLCK} of fcntl(2). */
  private static final LockType[] TYPES = {LockType.READ, LockType.WRITE, LockType.UNLOCK};

  private LockType type;
  private long start;
  private long end;
  private long owner;
  private int pid;
  private boolean flock;

  /** The engine has checked the type and the range. */
  LockView set(int type, long start, long end, long owner, int pid, boolean flock) {
    this.type = TYPES[type];
    this.start = start;
    this.end = end;
    this.owner = owner;
    this.pid = pid;
    this.flock = flock;
    return this;
  }

  @Override
  public LockType type() {
    return type;
  }

  @Override
  public long start() {
    return start;
  }

  @Override
  public long end() {
    return end;
  }

  @Override
  public long owner() {
    return owner;
  }

  @Override
  public int pid() {
    return pid;
  }

  @Override
  public boolean isFlock() {
    return flock;
  }

  @Override
  public String toString() {
    return (flock ? "flock " : "")
        + type
        + " "
        + start
        + "-"
        + (end == Long.MAX_VALUE ? "end" : Long.toString(end))
        + " of "
        + Long.toHexString(owner)
        + " (pid "
        + pid
        + ")";
  }
}
