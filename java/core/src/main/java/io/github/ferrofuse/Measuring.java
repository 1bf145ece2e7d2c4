package io.github.ferrofuse;

import io.github.ferrofuse.internal.FlightRecording;
import io.github.ferrofuse.internal.MetricsWords;
import io.github.ferrofuse.internal.Native;
import java.nio.file.Path;

/** What is measured of one mount, while it is served and after. Safe for threads. */
final class Measuring {
  private final long mount;
  private final Runnable stopRecording;
  private volatile Metrics last;

  Measuring(long mount, Path point) {
    this.mount = mount;
    stopRecording = FlightRecording.follow(point, this::now);
  }

  Metrics now() {
    long[] words = Native.metrics(mount);
    // The last ones are there before the mount is closed.
    return words == null ? last : new Metrics(new MetricsWords(words));
  }

  /** The last thread has left: for the one that closes the mount next. */
  void end() {
    last = now();
    stopRecording.run();
  }
}
