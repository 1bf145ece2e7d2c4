package io.github.ferrofuse.examples.mirror;

import io.github.ferrofuse.local.LocalStat;

/** What a thread fills again and again while it serves one request after the other. */
final class Scratch {
  private static final ThreadLocal<Scratch> OF_THREAD = ThreadLocal.withInitial(Scratch::new);

  /** Attributes of the file that is being worked on. */
  final LocalStat stat = new LocalStat();

  /** Which file that is. */
  final Identity identity = new Identity();

  private Scratch() {}

  /** {@return that of this thread} */
  static Scratch get() {
    return OF_THREAD.get();
  }
}
