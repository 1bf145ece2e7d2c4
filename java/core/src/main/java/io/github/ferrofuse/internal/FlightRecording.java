package io.github.ferrofuse.internal;

import io.github.ferrofuse.Metrics;
import java.nio.file.Path;
import java.util.function.Supplier;
import jdk.jfr.FlightRecorder;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The engine's events in Flight Recorder. A Java runtime need not have the module {@code jdk.jfr}:
 * here is where that is found out, and the classes of the events are loaded behind it only.
 */
public final class FlightRecording {
  private static final Logger LOG = LoggerFactory.getLogger(FlightRecording.class);

  private FlightRecording() {}

  /**
   * Has what is measured recorded from time to time, as long as somebody records.
   *
   * @param mount where it is mounted
   * @param metrics reads it
   * @return ends it; records once more what came since the last time
   */
  public static Runnable follow(Path mount, Supplier<Metrics> metrics) {
    try {
      return OperationsEvent.follow(mount.toString(), metrics);
    } catch (NoClassDefFoundError e) {
      // No such module.
    } catch (RuntimeException e) {
      LOG.warn("{}: operations are not recorded by Flight Recorder: {}", mount, e.toString());
    }
    return () -> {};
  }

  /** Upcall: a request took longer than it should. */
  static void slow(
      String mount, int opcode, long unique, int pid, long tookNanos, long waitedNanos) {
    try {
      if (FlightRecorder.isInitialized()) {
        SlowOperationEvent.emit(mount, opcode, unique, pid, tookNanos, waitedNanos);
      }
    } catch (Throwable thrown) {
      // No such module, or no memory for an event: the request was answered, and logged as slow.
    }
  }
}
