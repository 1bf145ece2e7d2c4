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

  @Test
  void anExceptionThatCanNotBePrintedIsAnsweredAllTheSame() {
    RuntimeException unprintable =
        new RuntimeException() {
          private static final long serialVersionUID = 1;

          @Override
          public String getMessage() {
            throw new IllegalStateException("of the test");
          }
        };
    assertEquals(-5, Failures.answer(this, "TEST", unprintable));
    Failures.swallow(this, "TEST", unprintable);
  }
}
