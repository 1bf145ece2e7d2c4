package io.github.ferrofuse.internal;

import io.github.ferrofuse.AttrChange;
import java.nio.ByteBuffer;

/** The {@code fuse_setattr_in} of the args page. */
final class AttrChangeView implements AttrChange {
  private static final int FATTR_MODE = 1;
  private static final int FATTR_UID = 1 << 1;
  private static final int FATTR_GID = 1 << 2;
  private static final int FATTR_SIZE = 1 << 3;
  private static final int FATTR_ATIME = 1 << 4;
  private static final int FATTR_MTIME = 1 << 5;
  private static final int FATTR_ATIME_NOW = 1 << 7;
  private static final int FATTR_MTIME_NOW = 1 << 8;
  private static final int FATTR_CTIME = 1 << 10;

  private final ByteBuffer page;

  AttrChangeView(ByteBuffer page) {
    this.page = page;
  }

  private boolean has(int bit) {
    return (getInt(Layout.CHANGE_VALID) & bit) != 0;
  }

  private int getInt(int field) {
    return page.getInt(Layout.CHANGE + field);
  }

  private long getLong(int field) {
    return page.getLong(Layout.CHANGE + field);
  }

  @Override
  public boolean hasMode() {
    return has(FATTR_MODE);
  }

  @Override
  public int mode() {
    return getInt(Layout.CHANGE_MODE);
  }

  @Override
  public boolean hasUid() {
    return has(FATTR_UID);
  }

  @Override
  public int uid() {
    return getInt(Layout.CHANGE_UID);
  }

  @Override
  public boolean hasGid() {
    return has(FATTR_GID);
  }

  @Override
  public int gid() {
    return getInt(Layout.CHANGE_GID);
  }

  @Override
  public boolean hasSize() {
    return has(FATTR_SIZE);
  }

  @Override
  public long size() {
    return getLong(Layout.CHANGE_SIZE);
  }

  @Override
  public boolean hasAtime() {
    return has(FATTR_ATIME);
  }

  @Override
  public boolean atimeNow() {
    return has(FATTR_ATIME_NOW);
  }

  @Override
  public long atimeSeconds() {
    return getLong(Layout.CHANGE_ATIME);
  }

  @Override
  public int atimeNanos() {
    return getInt(Layout.CHANGE_ATIMENSEC);
  }

  @Override
  public boolean hasMtime() {
    return has(FATTR_MTIME);
  }

  @Override
  public boolean mtimeNow() {
    return has(FATTR_MTIME_NOW);
  }

  @Override
  public long mtimeSeconds() {
    return getLong(Layout.CHANGE_MTIME);
  }

  @Override
  public int mtimeNanos() {
    return getInt(Layout.CHANGE_MTIMENSEC);
  }

  @Override
  public boolean hasCtime() {
    return has(FATTR_CTIME);
  }

  @Override
  public long ctimeSeconds() {
    return getLong(Layout.CHANGE_CTIME);
  }

  @Override
  public int ctimeNanos() {
    return getInt(Layout.CHANGE_CTIMENSEC);
  }
}
