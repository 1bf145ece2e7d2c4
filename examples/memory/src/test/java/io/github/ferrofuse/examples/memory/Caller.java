package io.github.ferrofuse.examples.memory;

import io.github.ferrofuse.Operation;
import io.github.ferrofuse.Request;

/** Who asks, in a test. */
final class Caller implements Request {
  static final Caller ROOT = new Caller(0, 0, false);
  static final Caller USER = new Caller(1000, 100, false);

  /** A user whose writes clear setuid and setgid. */
  static final Caller KILLING = new Caller(1000, 100, true);

  private final int uid;
  private final int gid;
  private final boolean kills;

  private Caller(int uid, int gid, boolean kills) {
    this.uid = uid;
    this.gid = gid;
    this.kills = kills;
  }

  @Override
  public long unique() {
    return 0;
  }

  @Override
  public Operation operation() {
    return null;
  }

  @Override
  public int uid() {
    return uid;
  }

  @Override
  public int gid() {
    return gid;
  }

  @Override
  public int pid() {
    return 0;
  }

  @Override
  public int umask() {
    return 0;
  }

  @Override
  public boolean killsPrivileges() {
    return kills;
  }

  @Override
  public Request copy() {
    return this;
  }
}
