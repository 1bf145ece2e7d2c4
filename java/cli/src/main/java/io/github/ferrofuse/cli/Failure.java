package io.github.ferrofuse.cli;

/** Why a command cannot be carried out: one line for the user, and the exit status. */
final class Failure extends Exception {
  /** Exit status of a command that could not do its work. */
  static final int FAILED = 1;

  /** Exit status of a command line that makes no sense. */
  static final int USAGE = 2;

  private static final long serialVersionUID = 1;

  private final int status;

  private Failure(int status, String message) {
    super(message);
    this.status = status;
  }

  static Failure failed(String message) {
    return new Failure(FAILED, message);
  }

  static Failure usage(String message) {
    return new Failure(USAGE, message);
  }

  int status() {
    return status;
  }

  /**
   * What an exception says to a user: its message, with its kind if that alone would say too
   * little.
   */
  static String describe(Throwable thrown) {
    String message = thrown.getMessage();
    if (message == null) {
      return thrown.getClass().getName();
    }
    boolean says = thrown.getClass() == java.io.IOException.class || message.indexOf(' ') > 0;
    return says ? message : thrown.getClass().getSimpleName() + ": " + message;
  }
}
