package io.github.ferrofuse.examples.memory;

import io.github.ferrofuse.AttrChange;

/** A change of attributes that a test asks for. */
final class Change implements AttrChange {
  private Integer mode;
  private Integer uid;
  private Integer gid;
  private Long size;
  private Long atime;
  private Long mtime;
  private boolean now;

  static Change of() {
    return new Change();
  }

  Change mode(int value) {
    mode = value;
    return this;
  }

  Change uid(int value) {
    uid = value;
    return this;
  }

  Change gid(int value) {
    gid = value;
    return this;
  }

  Change size(long value) {
    size = value;
    return this;
  }

  /** Both times, in seconds and 7 nanoseconds. */
  Change times(long access, long modify) {
    atime = access;
    mtime = modify;
    return this;
  }

  Change timesNow() {
    now = true;
    return times(0, 0);
  }

  @Override
  public boolean hasMode() {
    return mode != null;
  }

  @Override
  public int mode() {
    return mode;
  }

  @Override
  public boolean hasUid() {
    return uid != null;
  }

  @Override
  public int uid() {
    return uid;
  }

  @Override
  public boolean hasGid() {
    return gid != null;
  }

  @Override
  public int gid() {
    return gid;
  }

  @Override
  public boolean hasSize() {
    return size != null;
  }

  @Override
  public long size() {
    return size;
  }

  @Override
  public boolean hasAtime() {
    return atime != null;
  }

  @Override
  public boolean atimeNow() {
    return now;
  }

  @Override
  public long atimeSeconds() {
    return atime;
  }

  @Override
  public int atimeNanos() {
    return 7;
  }

  @Override
  public boolean hasMtime() {
    return mtime != null;
  }

  @Override
  public boolean mtimeNow() {
    return now;
  }

  @Override
  public long mtimeSeconds() {
    return mtime;
  }

  @Override
  public int mtimeNanos() {
    return 7;
  }

  @Override
  public boolean hasCtime() {
    return false;
  }

  @Override
  public long ctimeSeconds() {
    return 0;
  }

  @Override
  public int ctimeNanos() {
    return 0;
  }
}
