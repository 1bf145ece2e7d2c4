package io.github.ferrofuse;

import io.github.ferrofuse.internal.MetricsWords;
import java.time.Duration;
import java.util.Collections;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * What was asked of a mounted file system, and how long the answers took: a snapshot, immutable.
 * Made by {@link FuseMount#metrics}.
 *
 * <pre>{@code
 * Metrics before = mount.metrics();
 * work();
 * OperationMetrics reads = mount.metrics().since(before).of(Operation.READ);
 * System.out.println(reads.count() + " reads, 99% within " + reads.percentileNanos(99) + " ns");
 * }</pre>
 *
 * <p>Requests are counted, not calls of handlers: one that the engine answers by itself is among
 * them. A rename with flags is a {@link Operation#RENAME} like any other, and a message that
 * forgets many nodes is one {@link Operation#FORGET}. What has no name in {@link Operation} is in
 * {@link #others}. The opening conversation of a mount is not counted.
 */
public final class Metrics {
  private final Map<Operation, OperationMetrics> operations;
  private final OperationMetrics others;
  private final long inFlight;
  private final int workers;
  private final Optional<Longest> longest;

  /**
   * A request that is being served.
   *
   * @param operation its name, as {@link Operation} has it
   * @param time for how long a thread has been serving it
   */
  public record Longest(String operation, Duration time) {}

  Metrics(MetricsWords words) {
    Map<Operation, OperationMetrics> named = new EnumMap<>(Operation.class);
    OperationMetrics rest = OperationMetrics.NONE;
    for (int i = 0; i < words.records(); i++) {
      OperationMetrics metrics = new OperationMetrics(words, i);
      Operation operation = MetricsWords.operation(words.opcode(i));
      if (operation == null) {
        rest = rest.plus(metrics);
      } else {
        named.merge(operation, metrics, OperationMetrics::plus);
      }
    }
    operations = Collections.unmodifiableMap(named);
    others = rest;
    inFlight = words.inFlight();
    workers = words.workers();
    longest =
        words.longestOpcode() == 0
            ? Optional.empty()
            : Optional.of(
                new Longest(
                    MetricsWords.name(words.longestOpcode()),
                    Duration.ofNanos(words.longestNanos())));
  }

  private Metrics(
      Map<Operation, OperationMetrics> operations, OperationMetrics others, Metrics now) {
    this.operations = Collections.unmodifiableMap(operations);
    this.others = others;
    inFlight = now.inFlight;
    workers = now.workers;
    longest = now.longest;
  }

  /**
   * How an operation fared.
   *
   * @param operation which
   * @return all zero if it never occurred
   */
  public OperationMetrics of(Operation operation) {
    return operations.getOrDefault(operation, OperationMetrics.NONE);
  }

  /** {@return those operations that occurred, in the order of their opcodes; unmodifiable} */
  public Map<Operation, OperationMetrics> operations() {
    return operations;
  }

  /** {@return all requests together that {@link Operation} has no name for} */
  public OperationMetrics others() {
    return others;
  }

  /** {@return all requests together} */
  public OperationMetrics total() {
    return operations.values().stream().reduce(others, OperationMetrics::plus);
  }

  /** {@return requests received and not yet answered, those that wait for a handle included} */
  public long inFlight() {
    return inFlight;
  }

  /** {@return threads that serve the mount} */
  public int workers() {
    return workers;
  }

  /** {@return the request that a thread has been serving longest; empty if none is served} */
  public Optional<Longest> longest() {
    return longest;
  }

  /**
   * What came between two snapshots. Requests in flight, threads and the longest request stay those
   * of this one. A maximum that was reached before {@code earlier} is replaced by the upper end of
   * the histogram's last bucket, as {@link OperationMetrics#percentileNanos} has it.
   *
   * @param earlier a snapshot of the same mount
   * @return the difference
   * @throws IllegalArgumentException if {@code earlier} has requests that this one does not have
   */
  public Metrics since(Metrics earlier) {
    if (!operations.keySet().containsAll(earlier.operations.keySet())) {
      throw OperationMetrics.notEarlier();
    }
    Map<Operation, OperationMetrics> between = new EnumMap<>(Operation.class);
    operations.forEach(
        (operation, metrics) -> {
          OperationMetrics more = metrics.since(earlier.of(operation));
          if (more.count() > 0) {
            between.put(operation, more);
          }
        });
    return new Metrics(between, others.since(earlier.others), this);
  }

  /** {@return a table: a line per operation that occurred, for people to read} */
  @Override
  public String toString() {
    StringBuilder text = new StringBuilder();
    row(text, "operation", "count", "errors", "mean", "p50", "p99", "max", "waited");
    operations.forEach((operation, metrics) -> row(text, operation.name(), metrics));
    if (others.count() > 0) {
      row(text, "others", others);
    }
    text.append(inFlight).append(" in flight, ").append(workers).append(" threads");
    longest.ifPresent(
        running ->
            text.append(", longest ")
                .append(running.operation)
                .append(" for ")
                .append(time(running.time.toNanos())));
    return text.toString();
  }

  private static void row(StringBuilder text, String name, OperationMetrics metrics) {
    row(
        text,
        name,
        Long.toString(metrics.count()),
        Long.toString(metrics.errors()),
        time(metrics.meanNanos()),
        time(metrics.percentileNanos(50)),
        time(metrics.percentileNanos(99)),
        time(metrics.maxNanos()),
        time(metrics.waitedNanos()));
  }

  private static void row(StringBuilder text, String name, Object... cells) {
    text.append(String.format(Locale.ROOT, "%-12s", name));
    text.append(String.format(Locale.ROOT, "%12s%9s%9s%9s%9s%9s%9s%n", cells));
  }

  /** Three digits and a unit. */
  private static String time(long nanos) {
    String[] units = {" ns", " us", " ms"};
    double value = nanos;
    for (int i = 0; i < units.length; i++) {
      if (value < 999.5) {
        int digits = i == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
        return String.format(Locale.ROOT, "%." + digits + "f", value) + units[i];
      }
      value /= 1000;
    }
    return String.format(Locale.ROOT, value < 99.95 ? "%.1f s" : "%.0f s", value);
  }
}
