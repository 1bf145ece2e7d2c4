package io.github.ferrofuse.examples.memory;

import java.time.Instant;
import java.time.InstantSource;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;

/**
 * The time that files are stamped with: the wall clock in nanoseconds, without an object per
 * reading.
 *
 * <p>The JDK gives the wall clock in nanoseconds as an object only. So the nanosecond counter is
 * anchored to it once, and kept within the millisecond that the wall clock shows. Stamps of one
 * clock never go backwards, unless the wall clock is set back by more than a second: then files
 * should show what everybody's clock shows.
 *
 * <p>Safe for threads.
 */
final class Clock {
  private static final long MILLISECOND = 1_000_000;
  private static final long SECOND = 1_000_000_000;

  /** The wall clock was set, rather than this thread delayed between two readings. */
  private static final long LARGEST_ERROR = 10 * MILLISECOND;

  private final InstantSource wall;
  private final LongSupplier counter;
  private final AtomicLong last = new AtomicLong(Long.MIN_VALUE);

  /** Nanoseconds since 1970 when the counter was 0. */
  private volatile long anchor;

  private volatile AccessTimes accessTimes = AccessTimes.RELATIME;

  /** The clock of the system. */
  Clock() {
    this(InstantSource.system(), System::nanoTime);
  }

  /**
   * A clock of two sources.
   *
   * @param wall what it follows
   * @param counter nanoseconds since whenever, never going back
   */
  Clock(InstantSource wall, LongSupplier counter) {
    this.wall = wall;
    this.counter = counter;
    setAnchor();
  }

  /** {@return which reads are stamped} */
  AccessTimes accessTimes() {
    return accessTimes;
  }

  /** Says which reads are stamped. */
  void accessTimes(AccessTimes when) {
    accessTimes = when;
  }

  /** {@return nanoseconds since 1970} */
  long now() {
    long present = read();
    while (true) {
      long seen = last.get();
      boolean setBack = seen != Long.MIN_VALUE && seen - present > SECOND;
      if (present <= seen && !setBack) {
        return seen;
      }
      if (last.compareAndSet(seen, present)) {
        return present;
      }
    }
  }

  private long read() {
    long precise = counter.getAsLong() + anchor;
    long floor = wall.millis() * MILLISECOND;
    if (Math.abs(precise - floor) > LARGEST_ERROR) {
      setAnchor();
      return floor;
    }
    return Math.max(floor, Math.min(precise, floor + MILLISECOND - 1));
  }

  /** Reads both sources at once, as nearly as can be had in a few attempts. */
  private void setAnchor() {
    long narrowest = Long.MAX_VALUE;
    for (int attempt = 0; attempt < 5; attempt++) {
      long before = counter.getAsLong();
      Instant now = wall.instant();
      long gap = counter.getAsLong() - before;
      if (gap < narrowest) {
        narrowest = gap;
        anchor = now.getEpochSecond() * SECOND + now.getNano() - before - gap / 2;
      }
    }
  }
}
