package io.github.ferrofuse.internal;

import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.FileType;

/** Attributes that wait to be told to another sink. */
final class AttrCopy implements AttrSink {
  private long ino;
  private int mode;
  private long size;
  private long blocks;
  private int nlink = 1;
  private int uid;
  private int gid;
  private int rdev;
  private int blksize = 4096;
  private long atime;
  private long mtime;
  private long ctime;
  private int atimeNanos;
  private int mtimeNanos;
  private int ctimeNanos;
  private long timeout = -1;

  /** Tells all of them. */
  void putTo(AttrSink out) {
    out.ino(ino).mode(mode).size(size).blocks(blocks).nlink(nlink).uid(uid).gid(gid).rdev(rdev);
    out.blksize(blksize);
    out.atime(atime, atimeNanos).mtime(mtime, mtimeNanos).ctime(ctime, ctimeNanos);
    if (timeout >= 0) {
      out.timeout(timeout);
    }
  }

  long ino() {
    return ino;
  }

  FileType type() {
    return FileType.ofMode(mode);
  }

  @Override
  public AttrSink ino(long value) {
    ino = value;
    return this;
  }

  @Override
  public AttrSink mode(int value) {
    mode = value;
    return this;
  }

  @Override
  public AttrSink size(long bytes) {
    size = bytes;
    return this;
  }

  @Override
  public AttrSink blocks(long value) {
    blocks = value;
    return this;
  }

  @Override
  public AttrSink nlink(int value) {
    nlink = value;
    return this;
  }

  @Override
  public AttrSink uid(int value) {
    uid = value;
    return this;
  }

  @Override
  public AttrSink gid(int value) {
    gid = value;
    return this;
  }

  @Override
  public AttrSink rdev(int value) {
    rdev = value;
    return this;
  }

  @Override
  public AttrSink blksize(int bytes) {
    blksize = bytes;
    return this;
  }

  @Override
  public AttrSink atime(long seconds, int nanos) {
    atime = seconds;
    atimeNanos = nanos;
    return this;
  }

  @Override
  public AttrSink mtime(long seconds, int nanos) {
    mtime = seconds;
    mtimeNanos = nanos;
    return this;
  }

  @Override
  public AttrSink ctime(long seconds, int nanos) {
    ctime = seconds;
    ctimeNanos = nanos;
    return this;
  }

  /** A listing has no place for it. */
  @Override
  public AttrSink btime(long seconds, int nanos) {
    return this;
  }

  @Override
  public AttrSink timeout(long nanos) {
    timeout = nanos;
    return this;
  }
}
