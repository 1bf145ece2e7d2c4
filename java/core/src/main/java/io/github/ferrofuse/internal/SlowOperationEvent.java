package io.github.ferrofuse.internal;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Timespan;

/** One request that took longer than the option {@code slow} says. */
@Name("io.github.ferrofuse.SlowOperation")
@Label("Slow Operation")
@Description("A request that took longer than the mount's option slow")
@Category("FerroFuse")
@StackTrace(false)
final class SlowOperationEvent extends Event {
  @Label("Mount Point")
  String mount;

  @Label("Operation")
  String operation;

  @Label("Request")
  @Description("The kernel's number of the request")
  long unique;

  @Label("Caller")
  @Description("Thread id of the caller")
  int pid;

  @Label("Time")
  @Description("From receipt to answer")
  @Timespan
  long took;

  @Label("Waited")
  @Description("The part of it that went by before the open file was free")
  @Timespan
  long waited;

  static void emit(String mount, int opcode, long unique, int pid, long took, long waited) {
    SlowOperationEvent event = new SlowOperationEvent();
    if (event.isEnabled()) {
      event.mount = mount;
      event.operation = MetricsWords.name(opcode);
      event.unique = unique;
      event.pid = pid;
      event.took = took;
      event.waited = waited;
      event.commit();
    }
  }
}
