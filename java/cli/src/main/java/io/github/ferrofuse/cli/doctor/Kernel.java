package io.github.ferrofuse.cli.doctor;

import java.util.ArrayList;
import java.util.List;

/** What the kernel offered to the trial mount, and what this version makes of it. */
final class Kernel {
  /** Minor versions of the protocol that brought what no flag tells, by &lt;linux/fuse.h&gt;. */
  private static final int INC_EPOCH = 44;

  private static final int PRUNE = 45;

  private Kernel() {}

  static List<Finding> examine(Trial.Outcome outcome, Machine machine) {
    List<Finding> findings = new ArrayList<>();
    findings.add(mounting(outcome));
    findings.add(protocol(outcome, machine));
    for (Feature feature : Feature.values()) {
      findings.add(feature.finding(outcome, machine));
    }
    findings.add(
        ofVersion(outcome, "INC_EPOCH", INC_EPOCH, "the file system can expire all names at once"));
    findings.add(
        ofVersion(outcome, "PRUNE", PRUNE, "the file system can ask for nodes to be forgotten"));
    findings.add(backingFiles(outcome, machine));
    return findings;
  }

  static Finding mounting(Trial.Outcome outcome) {
    return outcome.failure() == null
        ? Finding.ok("mounting", "an empty file system was mounted and unmounted")
        : Finding.no("mounting", outcome.failure());
  }

  static Finding protocol(Trial.Outcome outcome, Machine machine) {
    String kernel = "kernel " + machine.kernel().orElse("of unknown version");
    return outcome.failure() == null
        ? Finding.ok("FUSE protocol", "7." + outcome.minor() + " (" + kernel + ")")
        : Finding.unknown("FUSE protocol", kernel);
  }

  private static Finding ofVersion(Trial.Outcome outcome, String name, int minor, String meaning) {
    if (outcome.failure() != null) {
      return Finding.unknown(name, meaning);
    }
    return outcome.minor() >= minor
        ? Finding.ok(name, meaning + ": " + Feature.Use.BY_FILE_SYSTEM.text)
        : Finding.no(name, meaning + ": needs protocol 7." + minor);
  }

  /** PASSTHROUGH is offered to everybody, but files can be registered by root only. */
  static Finding backingFiles(Trial.Outcome outcome, Machine machine) {
    String name = "pass-through";
    if (outcome.failure() != null) {
      return Finding.unknown(name, "only root may register files for it");
    }
    if ((outcome.offered() & Feature.PASSTHROUGH.flag) == 0) {
      return Finding.no(name, "not offered: Linux 6.9 or later has it (CONFIG_FUSE_PASSTHROUGH)");
    }
    return machine.administers()
        ? Finding.ok(
            name,
            "this process may register files for it; not together with writeback_cache, nor for"
                + " files on overlayfs and other stacked file systems")
        : Finding.off(
            name,
            "registering files needs CAP_SYS_ADMIN outside of any user namespace: run as root");
  }
}
