package io.github.ferrofuse.examples.mirror;

import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.EntrySink;

/** What was told of a file: a sink that keeps its node and size. Reusable. */
final class Told implements EntrySink, AttrSink {
  long node;
  long size;

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
    return this;
  }

  @Override
  public AttrSink mode(int value) {
    return this;
  }

  @Override
  public AttrSink size(long bytes) {
    size = bytes;
    return this;
  }

  @Override
  public AttrSink blocks(long value) {
    return this;
  }

  @Override
  public AttrSink nlink(int value) {
    return this;
  }

  @Override
  public AttrSink uid(int value) {
    return this;
  }

  @Override
  public AttrSink gid(int value) {
    return this;
  }

  @Override
  public AttrSink rdev(int value) {
    return this;
  }

  @Override
  public AttrSink blksize(int bytes) {
    return this;
  }

  @Override
  public AttrSink atime(long seconds, int nanos) {
    return this;
  }

  @Override
  public AttrSink mtime(long seconds, int nanos) {
    return this;
  }

  @Override
  public AttrSink ctime(long seconds, int nanos) {
    return this;
  }

  @Override
  public AttrSink btime(long seconds, int nanos) {
    return this;
  }

  @Override
  public AttrSink timeout(long nanos) {
    return this;
  }
}
