package io.github.ferrofuse.cli.doctor;

import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;

/** Work that may hang or fail: a program, a file on a network, a mount. */
final class Limited {
  private Limited() {}

  /**
   * Works on a thread of its own, which is left alone when the time is over.
   *
   * @param otherwise the answer if there is none in time; takes the reason, on one line
   */
  static <T> T call(Duration deadline, Callable<T> work, Function<String, T> otherwise) {
    FutureTask<T> task = new FutureTask<>(work);
    Thread thread = new Thread(task, "ferrofuse-doctor");
    thread.setDaemon(true);
    thread.start();
    try {
      return task.get(deadline.toMillis(), TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      return otherwise.apply("this did not come to an end within " + deadline.toSeconds() + " s");
    } catch (ExecutionException e) {
      return otherwise.apply(oneLine(e.getCause()));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return otherwise.apply("interrupted");
    }
  }

  private static String oneLine(Throwable thrown) {
    String message = thrown.getMessage();
    String text = message == null ? thrown.toString() : message;
    return String.join("; ", text.lines().map(String::strip).toList());
  }
}
