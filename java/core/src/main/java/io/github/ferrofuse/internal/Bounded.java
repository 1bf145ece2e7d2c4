package io.github.ferrofuse.internal;

import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Calls that can hang in the kernel, where nothing can take them back: each is made by a thread of
 * its own, which is left behind when the time is over.
 */
public final class Bounded {
  private Bounded() {}

  /** What is called. */
  public interface Call {
    /**
     * {@return the answer}
     *
     * @throws IOException to be thrown by {@link Bounded#call}
     */
    int run() throws IOException;
  }

  /**
   * Calls, and waits for the answer. An interrupt of this thread neither ends the wait nor is lost.
   *
   * @param what to be done, for the thread's name
   * @param nanos how long to wait
   * @param call what to do
   * @param otherwise the answer when the time is over
   * @return the answer
   * @throws IOException what the call threw
   */
  public static int call(String what, long nanos, Call call, int otherwise) throws IOException {
    Attempt attempt = new Attempt(call);
    Thread thread = new Thread(null, attempt, "ferrofuse-" + what, 0, false);
    thread.setDaemon(true);
    try {
      thread.start();
    } catch (OutOfMemoryError e) {
      attempt.run(); // No thread can be had: better late than never.
    }
    if (!await(attempt.over, nanos)) {
      return otherwise;
    }
    if (attempt.thrown instanceof IOException) {
      throw (IOException) attempt.thrown;
    }
    if (attempt.thrown != null) {
      throw new IOException(what + ": " + attempt.thrown, attempt.thrown);
    }
    return attempt.answer;
  }

  /**
   * Waits for a latch, through interrupts of this thread, which is interrupted afterwards then.
   *
   * @param latch what to wait for
   * @param nanos how long
   * @return false if the time ran out
   */
  public static boolean await(CountDownLatch latch, long nanos) {
    boolean interrupted = false;
    long end = System.nanoTime() + nanos;
    try {
      while (true) {
        try {
          return latch.await(end - System.nanoTime(), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private static final class Attempt implements Runnable {
    private final Call call;
    private final CountDownLatch over = new CountDownLatch(1);
    private int answer;
    private Throwable thrown;

    Attempt(Call call) {
      this.call = call;
    }

    @Override
    public void run() {
      try {
        answer = call.run();
      } catch (Throwable thrown) {
        this.thrown = thrown;
      } finally {
        over.countDown();
      }
    }
  }
}
