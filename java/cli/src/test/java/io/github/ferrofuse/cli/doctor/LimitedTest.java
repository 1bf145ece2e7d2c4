package io.github.ferrofuse.cli.doctor;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

class LimitedTest {
  private static final Duration LATE = Duration.ofSeconds(20);

  @Test
  void whatIsFinishedInTimeIsTheAnswer() {
    assertEquals("done", Limited.call(LATE, () -> "done", Function.identity()));
  }

  @Test
  void whatHangsIsGivenUpAtTheDeadline() {
    CountDownLatch never = new CountDownLatch(1);
    Callable<String> hangs =
        () -> {
          never.await();
          return "done";
        };
    String answer = Limited.call(Duration.ofMillis(50), hangs, Function.identity());
    assertEquals("this did not come to an end within 0 s", answer);
    never.countDown();
  }

  @Test
  void whatIsThrownIsTheReasonOnOneLine() {
    assertEquals("no device", failed(new IOException("no device")));
    assertEquals("tried; /run: noexec", failed(new IOException("tried\n  /run: noexec")));
    assertEquals("java.lang.IllegalStateException", failed(new IllegalStateException()));
    assertEquals("no library", failedBadly(new UnsatisfiedLinkError("no library")));
  }

  private static String failed(Exception thrown) {
    Callable<String> fails =
        () -> {
          throw thrown;
        };
    return Limited.call(LATE, fails, Function.identity());
  }

  private static String failedBadly(Error thrown) {
    Callable<String> fails =
        () -> {
          throw thrown;
        };
    return Limited.call(LATE, fails, Function.identity());
  }
}
