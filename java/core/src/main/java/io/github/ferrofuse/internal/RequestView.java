package io.github.ferrofuse.internal;

import io.github.ferrofuse.Operation;
import io.github.ferrofuse.Request;
import java.io.IOException;
import java.nio.ByteBuffer;

/** The request in a lease's args page. */
final class RequestView implements Request {
  // The kernel's second numbers of an operation.
  private static final int RENAME2 = 45;
  private static final int COPY_FILE_RANGE_64 = 53;

  private static final Operation[] BY_OPCODE = new Operation[64];

  static {
    for (Operation operation : Operation.values()) {
      BY_OPCODE[operation.opcode()] = operation;
    }
    BY_OPCODE[RENAME2] = Operation.RENAME;
    BY_OPCODE[COPY_FILE_RANGE_64] = Operation.COPY_FILE_RANGE;
  }

  private final ByteBuffer page;
  private final Interruption interruption;

  RequestView(ByteBuffer page, Interruption interruption) {
    this.page = page;
    this.interruption = interruption;
  }

  /** A request begins on this thread. */
  void begin() {
    interruption.begin(unique());
    if (interruption.interruptsThreads() && !isRelease()) {
      arm();
      interruption.armThread();
    }
  }

  /** After a request that armed something. */
  void disarm() {
    interruption.disarm();
  }

  private boolean isRelease() {
    Operation operation = operation();
    return operation == Operation.RELEASE || operation == Operation.RELEASEDIR;
  }

  /** Has native code call {@link Upcalls#disarm} when the upcall has returned. */
  private void arm() {
    int flags = page.getInt(Layout.REQUEST_FLAGS);
    page.putInt(Layout.REQUEST_FLAGS, flags | Layout.FLAG_ARMED);
  }

  @Override
  public long unique() {
    return page.getLong(Layout.REQUEST_UNIQUE);
  }

  @Override
  public Operation operation() {
    return BY_OPCODE[page.getInt(Layout.REQUEST_OPCODE) & 63];
  }

  @Override
  public int uid() {
    return page.getInt(Layout.REQUEST_UID);
  }

  @Override
  public int gid() {
    return page.getInt(Layout.REQUEST_GID);
  }

  @Override
  public int pid() {
    return page.getInt(Layout.REQUEST_PID);
  }

  @Override
  public int umask() {
    return page.getInt(Layout.REQUEST_UMASK);
  }

  @Override
  public boolean killsPrivileges() {
    return (page.getInt(Layout.REQUEST_FLAGS) & Layout.FLAG_KILLS_PRIVILEGES) != 0;
  }

  @Override
  public boolean interrupted() {
    return interruption.isOf(unique());
  }

  @Override
  public void onInterrupt(Runnable action) {
    arm();
    interruption.onInterrupt(action);
  }

  @Override
  public int[] groups() throws IOException {
    return Groups.of(pid());
  }

  @Override
  public Request copy() {
    return new Copy(
        unique(), operation(), uid(), gid(), pid(), umask(), killsPrivileges(), interruption);
  }

  @Override
  public String toString() {
    return copy().toString();
  }

  private record Copy(
      long unique,
      Operation operation,
      int uid,
      int gid,
      int pid,
      int umask,
      boolean killsPrivileges,
      Interruption interruption)
      implements Request {
    @Override
    public boolean interrupted() {
      return interruption.isOf(unique);
    }

    @Override
    public void onInterrupt(Runnable action) {
      throw new IllegalStateException("a copy may outlive its request: register with the request");
    }

    @Override
    public int[] groups() throws IOException {
      return Groups.of(pid);
    }

    @Override
    public Request copy() {
      return this;
    }
  }
}
