package io.github.ferrofuse.examples.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Instant;
import org.junit.jupiter.api.Test;

class ClockTest {
  private static final long SECOND = 1_000_000_000L;
  private static final long MILLISECOND = 1_000_000L;

  /** Nanoseconds since 1970 that the wall shows. */
  private long wall = 1_000 * SECOND + 123_456_789;

  private long counter = 42;
  private final Clock clock = new Clock(() -> Instant.ofEpochSecond(0, wall), () -> counter);

  private void pass(long nanos) {
    wall += nanos;
    counter += nanos;
  }

  @Test
  void tellsNanoseconds() {
    assertEquals(wall, clock.now());
    pass(1234);
    assertEquals(wall, clock.now());
    pass(3600 * SECOND + 17);
    assertEquals(wall, clock.now());
  }

  @Test
  void isAnchoredWhereBothClocksWereReadWithoutADelay() {
    int[] readings = {0};
    Clock delayed =
        new Clock(
            () -> {
              int reading = readings[0]++;
              pass(reading < 5 && reading != 2 ? 5 * MILLISECOND : 200);
              return Instant.ofEpochSecond(0, wall);
            },
            () -> counter);
    pass(1234);
    long found = delayed.now();
    assertTrue(Math.abs(found - wall) <= 400, found - wall + " ns off");
  }

  @Test
  void followsAWallClockThatIsSetForward() {
    clock.now();
    wall += 3600 * SECOND;
    long found = clock.now();
    assertTrue(Math.abs(found - wall) <= MILLISECOND);
    pass(1234);
    assertEquals(wall, clock.now());
  }

  @Test
  void staysWithinAMillisecondOfAWallClockThatDrifts() {
    for (int i = 0; i < 1000; i++) {
      pass(SECOND);
      wall += 100_000;
      assertTrue(Math.abs(clock.now() - wall) <= MILLISECOND, "second " + i);
    }
  }

  @Test
  void doesNotGoBackForALittle() {
    pass(SECOND);
    final long seen = clock.now();
    wall -= SECOND / 2;
    assertEquals(seen, clock.now());
    pass(SECOND);
    assertTrue(clock.now() > seen);
  }

  @Test
  void followsAWallClockThatIsSetBack() {
    clock.now();
    wall -= 3600 * SECOND;
    assertTrue(Math.abs(clock.now() - wall) <= MILLISECOND);
  }

  @Test
  void theSystemsClockIsThePresentAndNeverGoesBack() {
    Clock system = new Clock();
    long last = 0;
    for (int i = 0; i < 1_000_000; i++) {
      long now = system.now();
      assertTrue(now >= last);
      last = now;
    }
    Instant present = Instant.now();
    long nanos = present.getEpochSecond() * SECOND + present.getNano();
    assertTrue(Math.abs(nanos - system.now()) < SECOND);
  }
}
