package io.github.ferrofuse.cli.doctor;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** What mounting needs: the device, {@code fusermount3}, and who may do what. */
final class Mounting {
  private static final String DEVICE = "/dev/fuse";
  private static final String CONF = "/etc/fuse.conf";
  private static final String CONNECTIONS = "/sys/fs/fuse/connections";
  private static final String ADD_USER_ALLOW_OTHER = "echo user_allow_other | sudo tee -a " + CONF;

  /** What fusermount3 takes where {@value #CONF} says nothing: fusermount3(1). */
  private static final long MOUNT_MAX = 1000;

  /** {@code S_ISUID} of &lt;sys/stat.h&gt;. */
  private static final int S_ISUID = 04000;

  private Mounting() {}

  static List<Finding> examine(Machine machine, List<Path> searched, Programs programs) {
    return List.of(
        device(machine),
        fusermount(machine, searched, programs),
        userAllowOther(machine),
        mountMax(machine),
        userNamespaces(machine),
        fusectl(machine));
  }

  static Finding device(Machine machine) {
    if (!machine.exists(DEVICE)) {
      return Finding.no(
          DEVICE,
          "missing: sudo modprobe fuse, or hand the device to the container (--device /dev/fuse)");
    }
    Optional<String> obstacle = machine.cannotOpen(DEVICE);
    if (obstacle.isEmpty()) {
      return Finding.ok(DEVICE, "usable by this user");
    }
    String remedy =
        machine.isRoot()
            ? "allow it in the container's device rules"
            : "sudo chmod 666 /dev/fuse, or run as root";
    return Finding.no(DEVICE, "can't be opened (" + obstacle.get() + "): " + remedy);
  }

  /** Only who is not root needs it. */
  static Finding fusermount(Machine machine, List<Path> searched, Programs programs) {
    String name = "fusermount3";
    for (Path directory : searched) {
      Path program = directory.resolve(name);
      if (directory.isAbsolute() && Files.isExecutable(program)) {
        return fusermount(name, program, programs);
      }
    }
    String remedy = "not found: install the package fuse3";
    return machine.hasSysAdmin()
        ? Finding.off(name, remedy + " (root mounts without it, but for auto_unmount)")
        : Finding.no(name, remedy);
  }

  private static Finding fusermount(String name, Path program, Programs programs) {
    // "fusermount3 version: 3.14.0"
    String version =
        programs
            .output(program.toString(), "--version")
            .map(said -> said.substring(said.lastIndexOf(' ') + 1))
            .orElse("of unknown version");
    String found = program + " " + version;
    try {
      boolean setuid = ((Integer) Files.getAttribute(program, "unix:mode") & S_ISUID) != 0;
      boolean roots = Files.getAttribute(program, "unix:uid").equals(0);
      return setuid && roots
          ? Finding.ok(name, found + ", setuid root")
          : Finding.off(
              name,
              found
                  + ", not setuid root, so that only root can use it: sudo chown root "
                  + program
                  + " && sudo chmod u+s "
                  + program);
    } catch (IOException e) {
      return Finding.unknown(name, found + ", can't be examined: " + e.getMessage());
    }
  }

  static Finding userAllowOther(Machine machine) {
    String name = "user_allow_other";
    boolean set = machine.lines(CONF).stream().anyMatch(line -> line.trim().equals(name));
    if (set) {
      return Finding.ok(name, "users may mount with allow_other and allow_root");
    }
    if (machine.exists(CONF) && machine.text(CONF).isEmpty()) {
      return Finding.unknown(name, CONF + " can't be read by this user");
    }
    return Finding.off(
        name,
        "users may not mount with allow_other or allow_root, root may: " + ADD_USER_ALLOW_OTHER);
  }

  static Finding mountMax(Machine machine) {
    long max =
        machine.lines(CONF).stream()
            .filter(line -> line.matches("mount_max = \\d{1,9}"))
            .mapToLong(line -> Long.parseLong(line.substring("mount_max = ".length())))
            .reduce(MOUNT_MAX, (first, last) -> last);
    long mounted =
        machine.lines("/proc/self/mounts").stream()
            .map(line -> line.split(" "))
            .filter(fields -> fields.length > 2 && fields[2].matches("fuse(blk)?(\\..*)?"))
            .count();
    String text = mounted + " FUSE mounts, users may add to them up to " + max;
    return mounted < max
        ? Finding.ok("mount_max", text)
        : Finding.no("mount_max", text + ": raise mount_max = N in " + CONF + " or unmount some");
  }

  static Finding userNamespaces(Machine machine) {
    String name = "user namespaces";
    List<String> obstacles = new ArrayList<>();
    forbidden(machine, "user.max_user_namespaces", 0, 15_000, obstacles);
    forbidden(machine, "kernel.unprivileged_userns_clone", 0, 1, obstacles);
    forbidden(machine, "kernel.apparmor_restrict_unprivileged_userns", 1, 0, obstacles);
    if (!machine.exists("/proc/self/ns/user")) {
      return Finding.no(name, "not in this kernel (CONFIG_USER_NS)");
    }
    return obstacles.isEmpty()
        ? Finding.ok(name, "users may mount as root of their own (unshare -Urm)")
        : Finding.off(
            name,
            "users can't mount as root of their own: sudo sysctl " + String.join(" ", obstacles));
  }

  private static void forbidden(
      Machine machine, String setting, long forbids, long allows, List<String> obstacles) {
    String file = "/proc/sys/" + setting.replace('.', '/');
    if (machine.number(file).orElse(allows) == forbids) {
      obstacles.add(setting + "=" + allows);
    }
  }

  static Finding fusectl(Machine machine) {
    String name = "fusectl";
    if (!machine.exists(CONNECTIONS)) {
      return Finding.no(name, "no " + CONNECTIONS + ": the fuse module is not loaded");
    }
    boolean mounted =
        machine.lines("/proc/self/mounts").stream()
            .anyMatch(line -> line.contains(" " + CONNECTIONS + " fusectl "));
    return mounted
        ? Finding.ok(name, "mounted: users can abort connections of theirs")
        : Finding.off(
            name,
            "not mounted, so that users can't abort connections: sudo mount -t fusectl none "
                + CONNECTIONS);
  }
}
