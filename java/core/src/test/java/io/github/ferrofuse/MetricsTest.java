package io.github.ferrofuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.internal.MetricsWords;
import java.time.Duration;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;

class MetricsTest {
  private static final int INTERRUPT = 36;
  private static final int UNKNOWN = 60;

  // As in internal.Layout.
  private static final int HEAD = 4;
  private static final int LENGTH = 326;
  private static final int BUCKETS = 6;

  private long[] words = {5, 3, 0, 0};

  /** Adds a record of an operation whose requests took so long. */
  private MetricsTest with(int opcode, long errors, long... times) {
    int start = words.length;
    words = Arrays.copyOf(words, start + LENGTH);
    words[start] = opcode;
    words[start + 1] = errors;
    for (long time : times) {
      words[start + 2] += time;
      words[start + 3] = Math.max(words[start + 3], time);
      words[start + BUCKETS + bucketOf(time)]++;
    }
    return this;
  }

  private Metrics read() {
    return new Metrics(new MetricsWords(words));
  }

  private static int bucketOf(long time) {
    int bucket = 0;
    while (bucket < LENGTH - BUCKETS - 1 && MetricsWords.upperEnd(bucket) < time) {
      bucket++;
    }
    return bucket;
  }

  @Test
  void aPercentileIsAtMostAnEighthTooMuchAndNeverTooLittle() {
    Random random = new Random(1);
    long[] times = random.longs(10_000, 0, 40).map(i -> random.nextLong() >>> (24 + i)).toArray();
    OperationMetrics metrics = new MetricsTest().with(15, 0, times).read().of(Operation.READ);
    Arrays.sort(times);
    for (double percent : new double[] {0.001, 1, 50, 90, 99, 99.99, 100}) {
      long exact = times[(int) Math.ceil(percent / 100 * times.length) - 1];
      long found = metrics.percentileNanos(percent);
      assertTrue(found >= exact, percent + "%: " + found + " instead of " + exact);
      assertTrue(found - exact <= exact / 8, percent + "%: " + found + " instead of " + exact);
    }
    assertEquals(times[times.length - 1], metrics.percentileNanos(100));
  }

  @Test
  void aPercentileIsAboveZeroAndUpToAHundred() {
    for (double wrong : new double[] {0, -1, 100.1, Double.NaN}) {
      assertThrows(
          IllegalArgumentException.class, () -> OperationMetrics.NONE.percentileNanos(wrong));
    }
    assertEquals(0, OperationMetrics.NONE.percentileNanos(50));
    assertEquals(0, OperationMetrics.NONE.meanNanos());
  }

  @Test
  void whatTakesForeverIsInTheLastBucket() {
    long hours = Duration.ofHours(5).toNanos();
    OperationMetrics metrics = with(15, 0, 10, hours).read().of(Operation.READ);
    assertEquals(hours, metrics.percentileNanos(99));
    assertEquals(10, metrics.percentileNanos(50));
  }

  @Test
  void operationsAreFoundByNameAndTheRestIsNotLost() {
    Metrics metrics = with(0, 1, 9).with(1, 2, 10, 20, 60).with(INTERRUPT, 0, 5, 7).read();
    OperationMetrics lookups = metrics.of(Operation.LOOKUP);
    assertEquals(3, lookups.count());
    assertEquals(2, lookups.errors());
    assertEquals(90, lookups.totalNanos());
    assertEquals(30, lookups.meanNanos());
    assertEquals(60, lookups.maxNanos());
    assertEquals(EnumSet.of(Operation.LOOKUP), metrics.operations().keySet());
    assertEquals(0, metrics.of(Operation.READ).count());
    assertEquals(3, metrics.others().count());
    assertEquals(9, metrics.others().maxNanos());
    assertEquals(6, metrics.total().count());
    assertEquals(5, metrics.inFlight());
    assertEquals(3, metrics.workers());
    assertEquals(Optional.empty(), metrics.longest());
  }

  @Test
  void theDifferenceOfTwoSnapshotsIsWhatCameBetween() {
    Metrics before = new MetricsTest().with(1, 1, 1_000, 50_000).with(15, 0, 7).read();
    Metrics after =
        new MetricsTest().with(1, 1, 1_000, 1_000, 50_000).with(15, 0, 7).with(16, 1, 8).read();
    Metrics between = after.since(before);
    assertEquals(EnumSet.of(Operation.LOOKUP, Operation.WRITE), between.operations().keySet());
    OperationMetrics lookups = between.of(Operation.LOOKUP);
    assertEquals(1, lookups.count());
    assertEquals(0, lookups.errors());
    assertEquals(1_000, lookups.totalNanos());
    assertTrue(lookups.maxNanos() >= 1_000 && lookups.maxNanos() <= 1_125, "the old one counts");
    assertEquals(8, between.of(Operation.WRITE).maxNanos());
    assertThrows(IllegalArgumentException.class, () -> before.since(after));
    assertEquals(0, after.since(after).total().count());
  }

  @Test
  void theTableHasALinePerOperationAndUnits() {
    words[2] = UNKNOWN;
    words[3] = 3_200_000_000L;
    String table = with(3, 0, 950, 999_700).with(INTERRUPT, 4, 12_340_000, 1).read().toString();
    String[] lines = table.split("\n");
    assertEquals(4, lines.length, table);
    assertTrue(lines[0].matches("operation +count +errors +mean +p50 +p99 +max +waited"), table);
    assertTrue(
        lines[1].matches("GETATTR +2 +0 +500 us +959 ns +1\\.00 ms +1\\.00 ms +0 ns"), table);
    assertTrue(
        lines[2].matches("others +2 +4 +6\\.17 ms +1 ns +12\\.3 ms +12\\.3 ms +0 ns"), table);
    assertEquals("5 in flight, 3 threads, longest opcode 60 for 3.2 s", lines[3]);
  }
}
