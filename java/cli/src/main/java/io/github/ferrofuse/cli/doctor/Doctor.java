package io.github.ferrofuse.cli.doctor;

import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
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
    List<Finding> findings = new ArrayList<>();
    findings.addAll(Kernel.examine(outcome, machine));
    findings.addAll(Mounting.examine(machine, searched(), new Processes()));
    findings.addAll(KernelSettings.examine(machine));
    findings.addAll(ThisProcess.examine(machine));
    for (Finding finding : findings) {
      out.print(line(finding));
    }
    return outcome.failure() == null;
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
