package io.github.ferrofuse.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import com.sun.management.ThreadMXBean;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.Operation;
import java.lang.management.ManagementFactory;
import java.util.function.IntSupplier;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class AllocationTest {
  private static final int ROUNDS = 10;
  private static final int CALLS = 10_000;
  private static final int SLOT = 3;
  private static final int SIZE = 4096;

  private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
  private final FlatFileSystem fs = new FlatFileSystem();
  private final Caller caller = new Caller(fs);
  private long node;

  @BeforeEach
  void openAFile() {
    node = fs.add(Name.of("file")).node;
    caller.upcalls.open(node, 0, SLOT);
    caller.operation(Operation.WRITE).upcalls.write(SLOT, 0, SIZE);
  }

  /**
   * The least of some rounds: the JVM itself allocates now and then on this thread, when it
   * compiles.
   */
  private void assertAllocatesNothing(int answer, IntSupplier upcall) {
    @SuppressWarnings("deprecation") // threadId() came with Java 19
    long thread = Thread.currentThread().getId();
    long least = Long.MAX_VALUE;
    for (int round = 0; round < ROUNDS && least > 0; round++) {
      long before = threads.getThreadAllocatedBytes(thread);
      for (int i = 0; i < CALLS; i++) {
        if (upcall.getAsInt() != answer) {
          fail("answered " + upcall.getAsInt());
        }
      }
      long after = threads.getThreadAllocatedBytes(thread);
      least = Math.min(least, after - before);
    }
    assertEquals(0, least, "bytes in " + CALLS + " calls");
  }

  @Test
  void aReadAllocatesNothing() {
    assertAllocatesNothing(SIZE, () -> caller.upcalls.read(SLOT, 0, SIZE));
  }

  @Test
  void aReadAtTheEndOfTheFileAllocatesNothing() {
    assertAllocatesNothing(0, () -> caller.upcalls.read(SLOT, SIZE, SIZE));
  }

  @Test
  void aWriteAllocatesNothing() {
    assertAllocatesNothing(SIZE, () -> caller.upcalls.write(SLOT, 0, SIZE));
  }

  @Test
  void attributesAllocateNothing() {
    assertAllocatesNothing(0, () -> caller.upcalls.getattr(node, SLOT));
  }

  @Test
  void aLookupThatFindsAllocatesNothing() {
    int length = caller.name("file");
    assertAllocatesNothing(1, () -> caller.upcalls.lookup(1, length));
  }

  @Test
  void aLookupThatFindsNothingAllocatesNothing() {
    int length = caller.name("absent");
    assertAllocatesNothing(0, () -> caller.upcalls.lookup(1, length));
  }

  @Test
  void anErrnoAllocatesNothing() {
    assertAllocatesNothing(-116, () -> caller.upcalls.getattr(99, -1));
  }
}
