package io.github.ferrofuse.internal;

/**
 * The interrupt of whatever request a lease serves, and what is to happen then.
 *
 * <p>The thread that serves the request uses it, and those that hear of interrupts. What is armed
 * is armed for one request and guarded by the object's lock: {@link #disarm} takes it before the
 * next request begins, so that nothing that comes late hits that one.
 */
final class Interruption {
  private final Interrupts mount;

  /** The request that is served, or was last. */
  private volatile long current;

  /** Of the requests served, the one that was interrupted last. No number comes twice. */
  private volatile long interrupted;

  /** The request for which the fields below are; 0 is none. */
  private long armedFor;

  private Runnable action;
  private Thread thread;

  /** Another thread is running an action of this request. */
  private boolean running;

  Interruption(Interrupts mount) {
    this.mount = mount;
  }

  /** A request begins on this thread. */
  void begin(long unique) {
    current = unique;
    // The other side remembers an interrupt before it looks who serves the request.
    if (mount.anyEarly() && mount.takeEarly(unique)) {
      interrupt(unique);
    }
  }

  /** Whether {@link #armThread} is wanted. */
  boolean interruptsThreads() {
    return mount.interruptsThreads();
  }

  /** From now on an interrupt of the request interrupts this thread; until {@link #disarm}. */
  synchronized void armThread() {
    armedFor = current;
    thread = Thread.currentThread();
    if (isOf(armedFor)) {
      thread.interrupt();
    }
  }

  /** From now on an interrupt of the request runs {@code wanted}; until {@link #disarm}. */
  void onInterrupt(Runnable wanted) {
    synchronized (this) {
      armedFor = current;
      boolean due = wanted != null && isOf(armedFor);
      action = due ? null : wanted;
      if (!due) {
        return;
      }
    }
    run(wanted);
  }

  /** The request is over, or nothing is wanted any more. Waits for an action that runs. */
  synchronized void disarm() {
    armedFor = 0;
    action = null;
    thread = null;
    Thread.interrupted();
    while (running) {
      try {
        wait();
      } catch (InterruptedException e) {
        // Meant for the request that is over.
      }
    }
  }

  boolean serves(long unique) {
    return current == unique;
  }

  /** Whether the request was interrupted. */
  boolean isOf(long unique) {
    return interrupted == unique && unique != 0;
  }

  /** Interrupts the request, if it is still served here. */
  void interrupt(long unique) {
    Runnable due;
    synchronized (this) {
      if (current != unique) {
        // It has ended, and the next one may have been interrupted already.
        return;
      }
      interrupted = unique;
      if (armedFor != unique) {
        return;
      }
      if (thread != null) {
        thread.interrupt();
      }
      due = action;
      action = null;
      if (due == null) {
        return;
      }
      running = true;
    }
    try {
      run(due);
    } finally {
      synchronized (this) {
        running = false;
        notifyAll();
      }
    }
  }

  private void run(Runnable due) {
    try {
      due.run();
    } catch (Throwable thrown) {
      mount.actionFailed(thrown);
    }
  }

  @Override
  public String toString() {
    return "interrupted " + (interrupted == 0 ? "never" : Long.toString(interrupted));
  }
}
