package io.github.ferrofuse.examples.memory;

import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.EntrySink;
import io.github.ferrofuse.StatfsSink;

/** What a file system told about a node, or about itself: a sink that keeps it. Reusable. */
final class Attributes implements EntrySink, AttrSink, StatfsSink {
  long node;
  long size;
  long blocks;
  int mode;
  int nlink;
  int uid;
  int gid;
  int rdev;
  long atime;
  long mtime;
  long ctime;

  /** How long the attributes may be cached in nanoseconds, -1 if that was not said. */
  long timeout = -1;

  long totalBlocks;
  long freeBlocks;
  long freeFiles;

  /** Permissions without the type. */
  int permissions() {
    return mode & 07777;
  }

  @Override
  public EntrySink node(long value) {
    node = value;
    return this;
  }

  @Override
  public EntrySink generation(long value) {
    return this;
  }

  @Override
  public EntrySink entryTimeout(long nanos) {
    return this;
  }

  @Override
  public AttrSink attr() {
    return this;
  }

  @Override
  public AttrSink ino(long value) {
    throw new AssertionError("the inode number is the node's own");
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
  public AttrSink btime(long seconds, int nanos) {
    return this;
  }

  @Override
  public AttrSink rdev(int value) {
    rdev = value;
    return this;
  }

  @Override
  public AttrSink blksize(int bytes) {
    return this;
  }

  @Override
  public AttrSink atime(long seconds, int nanos) {
    atime = seconds * 1_000_000_000 + nanos;
    return this;
  }

  @Override
  public AttrSink mtime(long seconds, int nanos) {
    mtime = seconds * 1_000_000_000 + nanos;
    return this;
  }

  @Override
  public AttrSink ctime(long seconds, int nanos) {
    ctime = seconds * 1_000_000_000 + nanos;
    return this;
  }

  @Override
  public AttrSink timeout(long nanos) {
    timeout = nanos;
    return this;
  }

  @Override
  public StatfsSink blocks(long total, long free, long available) {
    totalBlocks = total;
    freeBlocks = free;
    return this;
  }

  @Override
  public StatfsSink files(long total, long free) {
    freeFiles = free;
    return this;
  }

  @Override
  public StatfsSink blockSize(int bytes) {
    return this;
  }

  @Override
  public StatfsSink nameLength(int bytes) {
    return this;
  }
}
