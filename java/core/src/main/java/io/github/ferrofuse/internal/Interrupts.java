package io.github.ferrofuse.internal;

import java.lang.ref.WeakReference;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * Brings the interrupts of a mount to the leases that serve the requests.
 *
 * <p>An interrupt may come before its request begins, by a worker that was faster. It is remembered
 * before anybody looks who serves the request; and whoever begins one looks, after having said so,
 * whether it is remembered: one of the two finds the other.
 */
final class Interrupts {
  /** More that are early at the same time are forgotten: their requests run as if uninterrupted. */
  private static final int EARLY = 32;

  /** Those that no request came for were late, and are forgotten some time. */
  private static final long LIFETIME_NANOS = 60_000_000_000L;

  private final Object culprit;
  private final boolean interruptsThreads;
  private final CopyOnWriteArrayList<WeakReference<Interruption>> leases =
      new CopyOnWriteArrayList<>();

  /** Requests that were interrupted before they began; 0 is a free place. */
  private final AtomicLongArray early = new AtomicLongArray(EARLY);

  private volatile boolean anyEarly;
  private volatile long newest;
  private int next;

  /**
   * For a mount.
   *
   * @param culprit whose actions fail, for the log
   * @param interruptsThreads whether threads are interrupted
   */
  Interrupts(Object culprit, boolean interruptsThreads) {
    this.culprit = culprit;
    this.interruptsThreads = interruptsThreads;
  }

  boolean interruptsThreads() {
    return interruptsThreads;
  }

  /** For one more lease. */
  Interruption newInterruption() {
    leases.removeIf(lease -> lease.get() == null);
    Interruption interruption = new Interruption(this);
    leases.add(new WeakReference<>(interruption));
    return interruption;
  }

  /** Whoever waits for the answer of a request got a signal. */
  void interrupt(long unique) {
    if (unique == 0) {
      return; // The engine's own calls have this number.
    }
    remember(unique);
    for (WeakReference<Interruption> reference : leases) {
      Interruption lease = reference.get();
      if (lease != null && lease.serves(unique)) {
        takeEarly(unique);
        lease.interrupt(unique);
        return;
      }
    }
  }

  /** Whether {@link #takeEarly} may find something. */
  boolean anyEarly() {
    return anyEarly;
  }

  /** Whether a request was interrupted before it began; forgets it. */
  boolean takeEarly(long unique) {
    for (int i = 0; i < EARLY; i++) {
      if (early.get(i) == unique && early.compareAndSet(i, unique, 0)) {
        forgetOld();
        return true;
      }
    }
    if (System.nanoTime() - newest > LIFETIME_NANOS) {
      forgetOld();
    }
    return false;
  }

  private synchronized void remember(long unique) {
    early.set(next, unique);
    next = (next + 1) % EARLY;
    newest = System.nanoTime();
    anyEarly = true;
  }

  private synchronized void forgetOld() {
    boolean old = System.nanoTime() - newest > LIFETIME_NANOS;
    boolean any = false;
    for (int i = 0; i < EARLY; i++) {
      if (old) {
        early.set(i, 0);
      }
      any |= early.get(i) != 0;
    }
    anyEarly = any;
  }

  void actionFailed(Throwable thrown) {
    Failures.swallow(culprit, "onInterrupt", thrown);
  }
}
