package io.github.ferrofuse.internal;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Where the engine's log lines go. They come rate-limited. */
final class EngineLog {
  private static final Logger LOG = LoggerFactory.getLogger("io.github.ferrofuse.engine");

  private static final int ERROR = 0;
  private static final int WARN = 1;

  private EngineLog() {}

  /** Upcall: one line. */
  static void line(int level, String text) {
    try {
      if (level == ERROR) {
        LOG.error(text);
      } else if (level == WARN) {
        LOG.warn(text);
      } else {
        LOG.info(text);
      }
    } catch (Throwable thrown) {
      // A logger that fails must not end a request.
    }
  }
}
