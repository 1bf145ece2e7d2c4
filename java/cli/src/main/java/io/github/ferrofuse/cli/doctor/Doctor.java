package io.github.ferrofuse.cli.doctor;

import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;

/**
 * The command {@code doctor}: looks at what this machine has for FUSE, by mounting an empty file
 * system and by reading /proc, /sys and /etc. Changes nothing.
 */
public final class Doctor {
  private static final Duration DEADLINE = Duration.ofSeconds(20);

  private Doctor() {}

  /**
   * Examines this machine.
   *
   * @param out takes the report, one line for each thing
   * @return whether file systems can be mounted here
   */
  public static boolean run(PrintStream out) {
    Machine machine = new Machine(Path.of("/"));
    Trial.Outcome outcome = Trial.run(DEADLINE);
    print(out, "kernel", () -> Kernel.examine(outcome, machine));
    print(out, "permissions", () -> Mounting.examine(machine, searched(), new Processes()));
    print(out, "settings", () -> KernelSettings.examine(machine));
    print(out, "process", () -> ThisProcess.examine(machine));
    return outcome.failure() == null;
  }

  /** Prints what a group of checks finds; one that can't be finished is no more than unknown. */
  private static void print(PrintStream out, String group, Callable<List<Finding>> checks) {
    Limited.call(DEADLINE, checks, why -> List.of(Finding.unknown(group, why)))
        .forEach(finding -> out.print(line(finding)));
  }

  /** Where the engine looks for programs. */
  private static List<Path> searched() {
    String path = System.getenv().getOrDefault("PATH", "");
    return Stream.concat(Arrays.stream(path.split(":")), Stream.of("/usr/bin", "/bin"))
        .map(Path::of)
        .toList();
  }

  static String line(Finding finding) {
    return String.format(
        "%-7s  %-23s  %s%n", finding.state().word(), finding.name(), finding.text());
  }
}
