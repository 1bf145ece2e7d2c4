package io.github.ferrofuse.examples.memory;

import io.github.ferrofuse.Operation;
import io.github.ferrofuse.Request;
import java.io.IOException;
import java.nio.file.AccessDeniedException;

/** Who asks, in a test. */
final class Caller implements Request {
  static final Caller ROOT = new Caller(0, 0, false, 0);
  static final Caller USER = new Caller(1000, 100, false, 0);

  /** A user whose writes clear setuid and setgid; in root's group, too. */
  static final Caller KILLING = new Caller(1000, 100, true, 0, 20, 0);

  /** The same, but not in root's group. */
  static final Caller STRANGER = new Caller(1000, 100, true, 0, 20);

  /** The same, and nobody knows its groups. */
  static final Caller UNKNOWN = new Caller(1000, 100, true, 0, (int[]) null);

  /** A user whose umask is 077. */
  static final Caller MASKED = new Caller(1000, 100, false, 077);

  private final int uid;
  private final int gid;
  private final boolean kills;
  private final int umask;
  private final int[] groups;

  private Caller(int uid, int gid, boolean kills, int umask, int... groups) {
    this.uid = uid;
    this.gid = gid;
    this.kills = kills;
    this.umask = umask;
    this.groups = groups;
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
    return umask;
  }

  @Override
  public boolean killsPrivileges() {
    return kills;
  }

  @Override
  public int[] groups() throws IOException {
    if (groups == null) {
      throw new AccessDeniedException("its groups");
    }
    return groups;
  }

  @Override
  public Request copy() {
    return this;
  }
}
