package io.github.ferrofuse.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class BoundedTest {
  private static final long LONG = TimeUnit.SECONDS.toNanos(60);

  @Test
  void aCallThatHangsIsLeftBehind() throws Exception {
    CountDownLatch leave = new CountDownLatch(1);
    long start = System.nanoTime();
    try {
      Bounded.Call hangs =
          () -> {
            Bounded.await(leave, LONG);
            return 1;
          };
      assertEquals(7, Bounded.call("hang", 10_000_000, hangs, 7));
      assertTrue(System.nanoTime() - start >= 10_000_000);
    } finally {
      leave.countDown();
    }
  }

  @Test
  void whatACallAnswersOrThrowsArrives() throws Exception {
    assertEquals(3, Bounded.call("answer", LONG, () -> 3, 7));
    IOException expected = new IOException("of the test");
    Bounded.Call refuses =
        () -> {
          throw expected;
        };
    assertSame(
        expected, assertThrows(IOException.class, () -> Bounded.call("refuse", LONG, refuses, 7)));
    Error defect = new AssertionError("of the test");
    Bounded.Call fails =
        () -> {
          throw defect;
        };
    assertSame(
        defect,
        assertThrows(IOException.class, () -> Bounded.call("fail", LONG, fails, 7)).getCause());
  }

  @Test
  void anInterruptIsKeptForLater() throws Exception {
    Thread.currentThread().interrupt();
    assertEquals(3, Bounded.call("answer", LONG, () -> 3, 7));
    assertTrue(Thread.interrupted());
  }
}
