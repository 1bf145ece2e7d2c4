package io.github.ferrofuse.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class FailuresTest {
  @Test
  void theSameFailureIsLoggedOnceAndThenCounted() {
    Failures.Limit limit = new Failures.Limit();
    long now = -5; // nanoTime may be negative
    assertEquals(0, limit.pass(now));
    assertEquals(-1, limit.pass(now + 1));
    assertEquals(-1, limit.pass(now + 9_999_999_999L));
    assertEquals(2, limit.pass(now + 10_000_000_000L));
    assertEquals(-1, limit.pass(now + 10_000_000_001L));
  }
}
