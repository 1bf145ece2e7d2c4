package io.github.ferrofuse.cli.doctor;

/**
 * What was found out about one thing: one line of the report.
 *
 * @param text what it is or has, and the remedy where something is missing
 */
record Finding(State state, String name, String text) {
  static Finding ok(String name, String text) {
    return new Finding(State.OK, name, text);
  }

  static Finding off(String name, String text) {
    return new Finding(State.OFF, name, text);
  }

  static Finding no(String name, String text) {
    return new Finding(State.NO, name, text);
  }

  static Finding unknown(String name, String text) {
    return new Finding(State.UNKNOWN, name, text);
  }
}
