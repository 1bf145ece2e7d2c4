package io.github.ferrofuse.examples.mirror;

import io.github.ferrofuse.local.LocalFd;

/**
 * A descriptor (O_PATH) of a node that is known, shared by all who work on the node at the moment.
 * Whoever has got it from {@link Nodes} gives it back there. All but {@link #fd} and {@link #node}
 * is guarded by {@link Nodes}' lock.
 */
final class Descriptor {
  final LocalFd fd;
  final long node;

  /** When the file was made: tells it from a later one with the same number without a handle. */
  final long birthSeconds;

  final int birthNanos;

  /** How many are using it. */
  int uses;

  /** Whether it was used since the cache last thought of closing it. */
  boolean touched;

  /** How many want it to stay, because the file could not be found again. */
  int pins;

  /** Whether it is to be closed with the last use. */
  boolean dropped;

  /** Its place in {@link DescriptorCache}, -1 for none. */
  int place = -1;

  Descriptor(LocalFd fd, long node, long birthSeconds, int birthNanos) {
    this.fd = fd;
    this.node = node;
    this.birthSeconds = birthSeconds;
    this.birthNanos = birthNanos;
  }
}
