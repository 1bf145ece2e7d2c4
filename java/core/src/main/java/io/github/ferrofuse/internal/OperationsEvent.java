package io.github.ferrofuse.internal;

import io.github.ferrofuse.Metrics;
import io.github.ferrofuse.OperationMetrics;
import java.util.function.Supplier;
import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.FlightRecorder;
import jdk.jfr.FlightRecorderListener;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.Period;
import jdk.jfr.StackTrace;
import jdk.jfr.Timespan;

/** How one operation of a mount fared since the last event of that kind. */
@Name("io.github.ferrofuse.Operations")
@Label("Operations")
@Description("Requests of one kind to a mount with the option metrics, since the last such event")
@Category("FerroFuse")
@StackTrace(false)
@Period("10 s")
final class OperationsEvent extends Event {
  @Label("Mount Point")
  String mount;

  @Label("Operation")
  String operation;

  @Label("Count")
  long count;

  @Label("Errors")
  long errors;

  @Label("Mean Time")
  @Timespan
  long mean;

  @Label("99th Percentile")
  @Timespan
  long p99;

  @Label("Longest Time")
  @Timespan
  long max;

  /**
   * Records a mount for as long as there are recordings.
   *
   * @return ends that
   */
  static Runnable follow(String mount, Supplier<Metrics> metrics) {
    Follower follower = new Follower(mount, metrics);
    FlightRecorder.addListener(follower);
    return follower::end;
  }

  /**
   * Waits for the first recording of this JVM before it touches what makes Flight Recorder start
   * up, which takes a quarter of a second.
   */
  private static final class Follower implements FlightRecorderListener {
    private final String mount;
    private final Supplier<Metrics> metrics;
    private final Runnable hook = this::emit;
    private boolean ended;
    private Metrics last;

    Follower(String mount, Supplier<Metrics> metrics) {
      this.mount = mount;
      this.metrics = metrics;
    }

    @Override
    public synchronized void recorderInitialized(FlightRecorder recorder) {
      if (!ended) {
        FlightRecorder.addPeriodicEvent(OperationsEvent.class, hook);
      }
    }

    void end() {
      FlightRecorder.removeListener(this);
      synchronized (this) {
        ended = true;
      }
      if (FlightRecorder.isInitialized()) {
        FlightRecorder.removePeriodicEvent(hook);
        emit();
      }
    }

    private synchronized void emit() {
      if (!new OperationsEvent().isEnabled()) {
        return;
      }
      Metrics now = metrics.get();
      Metrics fresh = last == null ? now : now.since(last);
      last = now;
      fresh.operations().forEach((operation, each) -> emit(operation.name(), each));
      if (fresh.others().count() > 0) {
        emit("others", fresh.others());
      }
    }

    private void emit(String operation, OperationMetrics fresh) {
      OperationsEvent event = new OperationsEvent();
      event.mount = mount;
      event.operation = operation;
      event.count = fresh.count();
      event.errors = fresh.errors();
      event.mean = fresh.meanNanos();
      event.p99 = fresh.percentileNanos(99);
      event.max = fresh.maxNanos();
      event.commit();
    }
  }
}
