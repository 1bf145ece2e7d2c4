package io.github.ferrofuse.internal;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FuseException;
import java.io.FileNotFoundException;
import java.nio.file.FileSystemException;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Turns what a file system threw into one errno, and into a line of the log if it was not meant as
 * an answer.
 *
 * <p>The same kind of failure (class and operation) is logged once in {@link #INTERVAL_NANOS} at
 * most.
 */
final class Failures {
  private static final Logger LOG = LoggerFactory.getLogger("io.github.ferrofuse");
  private static final long INTERVAL_NANOS = 10_000_000_000L;
  private static final int MAX_DISTINCT = 1024;
  private static final ConcurrentHashMap<String, Limit> LIMITS = new ConcurrentHashMap<>();

  private Failures() {}

  /**
   * The answer to a request whose upcall threw.
   *
   * @param culprit the file system or handle
   * @param what what was asked, for the log
   * @param thrown what it threw
   * @return an errno, negative
   */
  static int answer(Object culprit, Object what, Throwable thrown) {
    Errno errno = FuseException.errnoOf(thrown);
    if (!isAnswer(thrown)) {
      log(culprit, what, thrown, "answered " + errno);
    }
    return -errno.code();
  }

  /** A request whose upcall threw, but is answered with what it had made until then. */
  static void passOver(Object culprit, Object what, Throwable thrown) {
    if (!isAnswer(thrown)) {
      log(culprit, what, thrown, "answered in part");
    }
  }

  /** Logs a failure that nobody can be told of. */
  static void swallow(Object culprit, Object what, Throwable thrown) {
    log(culprit, what, thrown, "ignored");
  }

  /** Exceptions by which file systems say errnos; anything else is likely to be a defect. */
  private static boolean isAnswer(Throwable thrown) {
    return thrown instanceof FuseException
        || FuseException.errnoOf(thrown) == Errno.EINTR
        || thrown instanceof FileSystemException
        || thrown instanceof FileNotFoundException;
  }

  private static void log(Object culprit, Object what, Throwable thrown, String outcome) {
    try {
      long suppressed = limit(thrown.getClass().getName() + '/' + what).pass(System.nanoTime());
      if (suppressed >= 0) {
        String more = suppressed == 0 ? "" : " (" + suppressed + " more like it were not logged)";
        String name = culprit.getClass().getName();
        LOG.warn("{} of {} failed, {}{}", what, name, outcome, more, thrown);
      }
    } catch (Throwable failed) {
      // An exception that can't be printed, or a logger that fails, must not decide the answer.
    }
  }

  /** File systems that make exception classes as they run share one limit in the end. */
  private static Limit limit(String key) {
    Limit limit = LIMITS.get(key);
    if (limit != null) {
      return limit;
    }
    String shared = LIMITS.size() < MAX_DISTINCT ? key : "other";
    return LIMITS.computeIfAbsent(shared, k -> new Limit());
  }

  /** Lets one pass per interval and counts the others. */
  static final class Limit {
    private long suppressed;
    private long next;
    private boolean passedBefore;

    /** How many were held back since the last that passed; -1 if this one is held back. */
    synchronized long pass(long now) {
      if (passedBefore && now - next < 0) {
        suppressed++;
        return -1;
      }
      long heldBack = suppressed;
      passedBefore = true;
      next = now + INTERVAL_NANOS;
      suppressed = 0;
      return heldBack;
    }
  }
}
