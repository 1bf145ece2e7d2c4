package io.github.ferrofuse.internal;

import io.github.ferrofuse.Operation;
import java.util.Arrays;

/**
 * What {@link Native#metrics} answers: a head and a record per opcode that occurred, each record
 * with a histogram. Where things lie is in {@link Layout}; the other side is {@code
 * native/jvm/src/metrics.rs}.
 */
public final class MetricsWords {
  private final long[] words;

  /**
   * Reads an answer.
   *
   * @param words what {@link Native#metrics} answered, not null
   */
  public MetricsWords(long[] words) {
    this.words = words;
  }

  /**
   * The operation with this number.
   *
   * @param opcode the kernel's number
   * @return null if {@link Operation} has no name for it
   */
  public static Operation operation(int opcode) {
    for (Operation operation : Operation.values()) {
      if (operation.opcode() == opcode) {
        return operation;
      }
    }
    return null;
  }

  /**
   * A name to show.
   *
   * @param opcode the kernel's number
   * @return that of {@link Operation}, or the number
   */
  public static String name(int opcode) {
    Operation operation = operation(opcode);
    return operation == null ? "opcode " + opcode : operation.name();
  }

  /**
   * The longest time that belongs into a bucket, other than the last one, which has no end.
   *
   * @param bucket its index
   * @return nanoseconds
   */
  public static long upperEnd(int bucket) {
    int perPower = 1 << Layout.METRIC_SUB_BITS;
    if (bucket < perPower) {
      return bucket;
    }
    int shift = bucket / perPower - 1;
    return ((perPower + bucket % perPower + 1L) << shift) - 1;
  }

  /** {@return requests received and not yet finished} */
  public long inFlight() {
    return words[Layout.METRICS_IN_FLIGHT];
  }

  /** {@return threads that serve} */
  public int workers() {
    return (int) words[Layout.METRICS_WORKERS];
  }

  /** {@return opcode of the request that has been served longest; 0 if none is} */
  public int longestOpcode() {
    return (int) words[Layout.METRICS_LONGEST_OPCODE];
  }

  /** {@return nanoseconds that it has been served for} */
  public long longestNanos() {
    return words[Layout.METRICS_LONGEST_NANOS];
  }

  /** {@return how many records there are} */
  public int records() {
    return (words.length - Layout.METRICS_HEAD) / Layout.METRIC_LENGTH;
  }

  /**
   * {@return the kernel's number of what a record is about; 0 for all that are above 63}
   *
   * @param record its index
   */
  public int opcode(int record) {
    return (int) field(record, Layout.METRIC_OPCODE);
  }

  /**
   * {@return requests answered with an errno}
   *
   * @param record its index
   */
  public long errors(int record) {
    return field(record, Layout.METRIC_ERRORS);
  }

  /**
   * {@return nanoseconds of all requests together}
   *
   * @param record its index
   */
  public long nanos(int record) {
    return field(record, Layout.METRIC_NANOS);
  }

  /**
   * {@return nanoseconds of the longest request}
   *
   * @param record its index
   */
  public long max(int record) {
    return field(record, Layout.METRIC_MAX);
  }

  /**
   * {@return requests that waited for their handle}
   *
   * @param record its index
   */
  public long waits(int record) {
    return field(record, Layout.METRIC_WAITS);
  }

  /**
   * {@return nanoseconds that they waited}
   *
   * @param record its index
   */
  public long waited(int record) {
    return field(record, Layout.METRIC_WAITED);
  }

  /**
   * {@return how many requests each bucket has, a copy}
   *
   * @param record its index
   */
  public long[] buckets(int record) {
    int start = start(record);
    return Arrays.copyOfRange(words, start + Layout.METRIC_BUCKETS, start + Layout.METRIC_LENGTH);
  }

  private long field(int record, int field) {
    return words[start(record) + field];
  }

  private static int start(int record) {
    return Layout.METRICS_HEAD + record * Layout.METRIC_LENGTH;
  }
}
