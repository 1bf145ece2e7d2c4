package io.github.ferrofuse;

import io.github.ferrofuse.internal.MetricsWords;

/**
 * How one operation fared, or several together. Immutable.
 *
 * <p>Times are nanoseconds from the moment when the engine received a request until it was
 * answered. They include the wait for others on the same open file ({@link #waitedNanos}), but not
 * the time in the kernel's queue before.
 */
public final class OperationMetrics {
  static final OperationMetrics NONE = new OperationMetrics(0, 0, 0, 0, 0, new long[0]);

  private final long count;
  private final long errors;
  private final long nanos;
  private final long max;
  private final long waits;
  private final long waited;
  private final long[] buckets;

  OperationMetrics(MetricsWords words, int record) {
    this(
        words.errors(record),
        words.nanos(record),
        words.max(record),
        words.waits(record),
        words.waited(record),
        words.buckets(record));
  }

  private OperationMetrics(
      long errors, long nanos, long max, long waits, long waited, long[] buckets) {
    long sum = 0;
    for (long bucket : buckets) {
      sum += bucket;
    }
    count = sum;
    this.errors = errors;
    this.nanos = nanos;
    this.max = max;
    this.waits = waits;
    this.waited = waited;
    this.buckets = buckets;
  }

  /** {@return requests answered} */
  public long count() {
    return count;
  }

  /**
   * {@return of those, answered with an errno; a lookup of a name that does not exist is one,
   * unless {@code negative_timeout} is set}
   */
  public long errors() {
    return errors;
  }

  /** {@return nanoseconds of all requests together} */
  public long totalNanos() {
    return nanos;
  }

  /** {@return nanoseconds per request on average; 0 without requests} */
  public long meanNanos() {
    return count == 0 ? 0 : nanos / count;
  }

  /** {@return nanoseconds that the longest request took} */
  public long maxNanos() {
    return max;
  }

  /** {@return requests that had to wait because others used their open file} */
  public long waits() {
    return waits;
  }

  /** {@return nanoseconds of that waiting, which are part of {@link #totalNanos}} */
  public long waitedNanos() {
    return waited;
  }

  /**
   * The time within which a share of the requests was answered. At most an eighth too much, never
   * too little.
   *
   * @param percent above 0 and up to 100, for example 99.9
   * @return nanoseconds; 0 without requests
   * @throws IllegalArgumentException if it is no percentage
   */
  public long percentileNanos(double percent) {
    if (!(percent > 0 && percent <= 100)) {
      throw new IllegalArgumentException(
          "percentile " + percent + ": needs a number above 0 and up to 100");
    }
    long rank = (long) Math.ceil(percent / 100 * count);
    for (int i = 0; i < buckets.length; i++) {
      rank -= buckets[i];
      if (rank <= 0 && count > 0) {
        return i == buckets.length - 1 ? max : Math.min(max, MetricsWords.upperEnd(i));
      }
    }
    return max;
  }

  OperationMetrics plus(OperationMetrics other) {
    return new OperationMetrics(
        errors + other.errors,
        nanos + other.nanos,
        Math.max(max, other.max),
        waits + other.waits,
        waited + other.waited,
        added(buckets, other.buckets, 1));
  }

  OperationMetrics since(OperationMetrics earlier) {
    long[] more = added(buckets, earlier.buckets, -1);
    int last = -1;
    for (int i = 0; i < more.length; i++) {
      if (more[i] < 0) {
        throw notEarlier();
      }
      last = more[i] > 0 ? i : last;
    }
    if (last < 0) {
      return NONE;
    }
    boolean isOld = max <= earlier.max && last < more.length - 1;
    return new OperationMetrics(
        errors - earlier.errors,
        nanos - earlier.nanos,
        isOld ? Math.min(max, MetricsWords.upperEnd(last)) : max,
        waits - earlier.waits,
        waited - earlier.waited,
        more);
  }

  static IllegalArgumentException notEarlier() {
    return new IllegalArgumentException("the other metrics are not earlier ones of the same mount");
  }

  /** One of the two may have no buckets at all. */
  private static long[] added(long[] first, long[] second, int sign) {
    long[] sum = new long[Math.max(first.length, second.length)];
    for (int i = 0; i < sum.length; i++) {
      sum[i] = (i < first.length ? first[i] : 0) + sign * (i < second.length ? second[i] : 0);
    }
    return sum;
  }
}
