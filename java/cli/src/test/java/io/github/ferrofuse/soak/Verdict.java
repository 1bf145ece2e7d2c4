package io.github.ferrofuse.soak;

import java.util.List;

/** How a soak ends: a line, and an exit status. */
final class Verdict {
  private Verdict() {}

  /** Ends the program, with status 0 if nothing is wrong. */
  static void end(String soak, List<String> wrong) {
    wrong.forEach(line -> System.out.println(soak + ": " + line));
    System.out.println(soak + (wrong.isEmpty() ? ": flat" : ": failed"));
    System.exit(wrong.isEmpty() ? 0 : 1);
  }
}
