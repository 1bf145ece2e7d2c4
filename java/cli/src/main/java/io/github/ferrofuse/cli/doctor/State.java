package io.github.ferrofuse.cli.doctor;

import java.util.Locale;

/** How it stands with one thing. */
enum State {
  /** It is there, or as it should be. */
  OK,
  /** It exists and could be turned on. */
  OFF,
  /** It is not there. */
  NO,
  /** Nobody could tell, which is not a no. */
  UNKNOWN;

  /** As it is printed. */
  String word() {
    return name().toLowerCase(Locale.ROOT);
  }
}
