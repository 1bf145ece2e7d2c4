package io.github.ferrofuse.examples.memory;

import io.github.ferrofuse.OpenReply;

/** How a handle was opened. Nothing is expected of it. */
final class Reply implements OpenReply {
  static final Reply IGNORED = new Reply();

  @Override
  public OpenReply directIo() {
    return this;
  }

  @Override
  public OpenReply keepCache() {
    return this;
  }

  @Override
  public OpenReply parallelDirectWrites() {
    return this;
  }

  @Override
  public OpenReply noFlush() {
    return this;
  }

  @Override
  public OpenReply nonSeekable() {
    return this;
  }

  @Override
  public OpenReply stream() {
    return this;
  }

  @Override
  public OpenReply cacheDir() {
    return this;
  }

  @Override
  public OpenReply passThrough(int fd) {
    return this;
  }
}
