package io.github.ferrofuse.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.function.IntSupplier;

/** Counts what upcalls and other calls allocate. */
public final class Allocations {
  /** How often an upcall is made in each round. */
  static final int CALLS = 10_000;

  private static final int ROUNDS = 10;
  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  private Allocations() {}

  /**
   * The least of some rounds: the JVM itself allocates now and then on this thread, when it
   * compiles.
   */
  public static void assertNone(int answer, IntSupplier upcall) {
    @SuppressWarnings("deprecation") // threadId() came with Java 19
    long thread = Thread.currentThread().getId();
    long least = Long.MAX_VALUE;
    for (int round = 0; round < ROUNDS && least > 0; round++) {
      long before = THREADS.getThreadAllocatedBytes(thread);
      for (int i = 0; i < CALLS; i++) {
        if (upcall.getAsInt() != answer) {
          fail("answered " + upcall.getAsInt());
        }
      }
      long after = THREADS.getThreadAllocatedBytes(thread);
      least = Math.min(least, after - before);
    }
    assertEquals(0, least, "bytes in " + CALLS + " calls");
  }
}
