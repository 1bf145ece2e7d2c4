package io.github.ferrofuse.cli.doctor;

import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/** What the administrator may have set for FUSE and io_uring. */
final class KernelSettings {
  private static final String PARAMETERS = "/sys/module/fuse/parameters/";
  private static final String SYSCTLS = "/proc/sys/fs/fuse/";
  private static final String IO_URING_DISABLED = "/proc/sys/kernel/io_uring_disabled";

  /** Background requests that a mount asks for unless told otherwise. */
  private static final long MAX_BACKGROUND = 64;

  /** Bytes of the largest request that this version makes use of. */
  private static final long LARGEST_REQUEST = 1 << 20;

  /** Pages of a request at most where the kernel lets nobody choose. */
  private static final long MAX_PAGES = 256;

  private KernelSettings() {}

  static List<Finding> examine(Machine machine) {
    return List.of(
        maxPages(machine),
        background(machine, "max_user_bgreq"),
        background(machine, "max_user_congthresh"),
        requestTimeout(machine),
        uringOfFuse(machine),
        uringOfKernel(machine));
  }

  static Finding maxPages(Machine machine) {
    String name = "max_pages_limit";
    OptionalLong limit = machine.number(SYSCTLS + name);
    long page = machine.pageSize();
    long bytes = limit.orElse(MAX_PAGES) * page;
    String text =
        String.format(
            "requests of up to %d KiB%s%s",
            bytes >> 10,
            bytes > LARGEST_REQUEST ? ", of which " + (LARGEST_REQUEST >> 10) + " are used" : "",
            limit.isEmpty() ? ", not adjustable" : "");
    if (bytes >= LARGEST_REQUEST || limit.isEmpty()) {
      return Finding.ok(name, text);
    }
    return Finding.off(
        name,
        String.format("%s: echo %d | sudo tee %s%s", text, LARGEST_REQUEST / page, SYSCTLS, name));
  }

  /** Bounds what a mount by somebody without CAP_SYS_ADMIN may have in flight. */
  static Finding background(Machine machine, String name) {
    OptionalLong value = machine.number(PARAMETERS + name);
    if (value.isEmpty()) {
      return Finding.unknown(name, PARAMETERS + name + " can't be read");
    }
    String text = value.getAsLong() + " background requests in flight for mounts of users";
    return value.getAsLong() >= MAX_BACKGROUND
        ? Finding.ok(name, text)
        : Finding.off(name, text + ": echo " + MAX_BACKGROUND + " | sudo tee " + PARAMETERS + name);
  }

  static Finding requestTimeout(Machine machine) {
    String name = "default_request_timeout";
    OptionalLong seconds = machine.number(SYSCTLS + name);
    if (seconds.isEmpty()) {
      return Finding.no(name, "needs Linux 6.15 or later: a handler may take any time");
    }
    return Finding.ok(
        name,
        seconds.getAsLong() == 0
            ? "none: a handler may take any time"
            : "a request unanswered for " + seconds.getAsLong() + " s ends its mount");
  }

  /** Whether the fuse module offers io_uring. */
  static Finding uringOfFuse(Machine machine) {
    String name = "enable_uring";
    String file = PARAMETERS + name;
    Optional<String> value = machine.text(file);
    if (value.isEmpty()) {
      return Finding.no(
          name,
          machine.kernelSince(6, 14)
              ? "FUSE over io_uring is not in this kernel (CONFIG_FUSE_IO_URING)"
              : "FUSE over io_uring needs Linux 6.14 or later");
    }
    return value.get().equals("Y")
        ? Finding.ok(name, "FUSE over io_uring is offered to new mounts, for transport=uring")
        : Finding.off(name, "FUSE over io_uring is not offered: echo Y | sudo tee " + file);
  }

  /** Whether this user may use io_uring at all: admin-guide/sysctl/kernel.rst. */
  static Finding uringOfKernel(Machine machine) {
    String name = "io_uring";
    OptionalLong disabled = machine.number(IO_URING_DISABLED);
    if (disabled.isEmpty()) {
      return machine.kernelSince(6, 6)
          ? Finding.no(name, "not in this kernel (CONFIG_IO_URING)")
          : Finding.unknown(name, "kernels before 6.6 don't tell whether it may be used");
    }
    String remedy = ": echo 0 | sudo tee " + IO_URING_DISABLED;
    if (disabled.getAsLong() == 0) {
      return Finding.ok(name, "everybody may use it");
    }
    if (disabled.getAsLong() == 1) {
      return machine.administers()
          ? Finding.ok(name, "root may use it, users only in io_uring_group")
          : Finding.off(name, "users may not use it, unless in io_uring_group" + remedy);
    }
    return Finding.off(name, "nobody may use it" + remedy);
  }
}
