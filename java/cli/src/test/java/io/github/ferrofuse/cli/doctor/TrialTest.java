package io.github.ferrofuse.cli.doctor;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;

class TrialTest {
  private static final Duration LATE = Duration.ofSeconds(20);

  @Test
  void anAttemptThatHangsIsGivenUpAtTheDeadline() {
    CountDownLatch never = new CountDownLatch(1);
    Trial.Outcome outcome =
        Trial.within(
            Duration.ofMillis(50),
            () -> {
              never.await();
              return new Trial.Outcome(null, 45, -1);
            });
    assertEquals("mounting did not come to an end within 0 s", outcome.failure());
    assertEquals(0, outcome.offered());
    never.countDown();
  }

  @Test
  void whatIsThrownIsTheReasonOnOneLine() {
    Trial.Outcome refused =
        Trial.within(
            LATE,
            () -> {
              throw new IOException("no device");
            });
    assertEquals("no device", refused.failure());
    Trial.Outcome unloadable =
        Trial.within(
            LATE,
            () -> {
              throw new UnsatisfiedLinkError("cannot load; tried\n  /run: noexec\n  /tmp: noexec");
            });
    assertEquals("cannot load; tried; /run: noexec; /tmp: noexec", unloadable.failure());
    Trial.Outcome silent =
        Trial.within(
            LATE,
            () -> {
              throw new IllegalStateException();
            });
    assertEquals("java.lang.IllegalStateException", silent.failure());
  }
}
