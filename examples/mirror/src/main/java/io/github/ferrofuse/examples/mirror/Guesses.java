package io.github.ferrofuse.examples.mirror;

import io.github.ferrofuse.Name;

/**
 * Which node a name led to when it was looked up last, as far as there is room: a later name takes
 * the place of an earlier one. It may be wrong, so whoever asks has to look. {@link KnownFiles}
 * calls it, one thread at a time.
 */
final class Guesses {
  private static final long SPREAD = 0x9E3779B97F4A7C15L;

  private final long[] nodes;

  /**
   * No guesses yet.
   *
   * @param count about how many there may be
   */
  Guesses(int count) {
    nodes = new long[Math.max(1, Integer.highestOneBit(count)) * 2];
  }

  /** {@return what a name may lead to, {@link NodeTable#NONE} if there is no guess} */
  long get(long directory, Name name) {
    return nodes[slot(directory, name)];
  }

  /** Says what a name leads to. */
  void put(long directory, Name name, long node) {
    nodes[slot(directory, name)] = node;
  }

  private int slot(long directory, Name name) {
    long hash = (directory * SPREAD + name.hashCode()) * SPREAD;
    return (int) (hash >>> 32) & nodes.length - 1;
  }
}
