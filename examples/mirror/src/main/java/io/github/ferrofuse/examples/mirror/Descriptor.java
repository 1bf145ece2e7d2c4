package io.github.ferrofuse.examples.mirror;

import io.github.ferrofuse.local.LocalFd;
import io.github.ferrofuse.local.LocalStat;

/**
 * A descriptor (O_PATH) of a node that is known, shared by all who work on the node at the moment.
 * Whoever has got it from {@link Nodes} closes it when that use of it ends; what stays open then is
 * {@link DescriptorCache}'s business. All but {@link #fd} and {@link #node} is guarded by {@link
 * KnownFiles}' lock.
 */
final class Descriptor implements AutoCloseable {
  private static final int UNKNOWN = -1;

  private final KnownFiles known;
  final LocalFd fd;
  final long node;

  /**
   * When the file was made: tells it from an earlier one with the same number without a handle. Not
   * known of a file that was opened by its handle, until somebody looks it up.
   */
  private long birthSeconds;

  private int birthNanos = UNKNOWN;

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

  /**
   * A descriptor that nobody uses yet.
   *
   * @param known what closes it, when it has to go and nobody uses it
   * @param fd its own
   * @param node of which node
   */
  Descriptor(KnownFiles known, LocalFd fd, long node) {
    this.known = known;
    this.fd = fd;
    this.node = node;
  }

  /** Says when the file was made. */
  void born(LocalStat stat) {
    if (stat.hasBtime()) {
      birthSeconds = stat.btimeSeconds();
      birthNanos = stat.btimeNanos();
    }
  }

  /** Ends one use of it. */
  @Override
  public void close() {
    known.done(this);
  }

  /** Whether a file with its number is certainly its file: false if one can't tell. */
  boolean wasBorn(LocalStat stat) {
    return stat.hasBtime()
        && birthNanos == stat.btimeNanos()
        && birthSeconds == stat.btimeSeconds();
  }
}
