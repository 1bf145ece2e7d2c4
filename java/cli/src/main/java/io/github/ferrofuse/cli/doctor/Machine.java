package io.github.ferrofuse.cli.doctor;

import java.io.ByteArrayOutputStream;
import java.io.FileInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The files that tell about kernel, machine and process: those of /proc, /sys, /etc and /dev, below
 * a root that need not be "/". Reads only; what cannot be read is absent.
 */
final class Machine {
  private static final int PAGE = 4096;
  private static final int CHUNK = 64 << 10;

  /** {@code AT_PAGESZ} of &lt;linux/auxvec.h&gt;. */
  private static final long AT_PAGESZ = 6;

  /** {@code CAP_SYS_ADMIN} of &lt;linux/capability.h&gt;. */
  private static final int CAP_SYS_ADMIN = 21;

  private static final Pattern VERSION = Pattern.compile("(\\d+)\\.(\\d+).*", Pattern.DOTALL);

  private final Path root;

  Machine(Path root) {
    this.root = root;
  }

  Path path(String absolute) {
    return root.resolve(absolute.substring(1));
  }

  boolean exists(String file) {
    return Files.exists(path(file), LinkOption.NOFOLLOW_LINKS);
  }

  /** A small file's text without the line feed at its end. */
  Optional<String> text(String file) {
    try {
      String text = new String(bytes(file), StandardCharsets.ISO_8859_1);
      return Optional.of(text.stripTrailing());
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  /**
   * Numbers of /proc/sys can only be read in one go: whoever reads the first byte, as
   * Files.readAllBytes does with files that have no size, gets a digit and then the end.
   */
  private byte[] bytes(String file) throws IOException {
    try (FileInputStream in = new FileInputStream(path(file).toFile())) {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      byte[] chunk = new byte[CHUNK];
      for (int count = in.read(chunk); count > 0; count = in.read(chunk)) {
        bytes.write(chunk, 0, count);
      }
      return bytes.toByteArray();
    }
  }

  List<String> lines(String file) {
    return text(file).map(text -> text.lines().toList()).orElse(List.of());
  }

  /** A file that holds one number. */
  OptionalLong number(String file) {
    return text(file).map(Machine::parse).orElse(OptionalLong.empty());
  }

  private static OptionalLong parse(String text) {
    try {
      return OptionalLong.of(Long.parseLong(text));
    } catch (NumberFormatException e) {
      return OptionalLong.empty();
    }
  }

  /**
   * Opens a device for reading and writing, and closes it.
   *
   * @return why that fails; empty if it does not
   */
  Optional<String> cannotOpen(String device) {
    try {
      FileChannel.open(path(device), StandardOpenOption.READ, StandardOpenOption.WRITE).close();
      return Optional.empty();
    } catch (NoSuchFileException e) {
      return Optional.of("it doesn't exist");
    } catch (AccessDeniedException e) {
      return Optional.of("permission denied");
    } catch (IOException e) {
      String message = String.valueOf(e.getMessage());
      return Optional.of(message.substring(message.indexOf(": ") + 1).trim());
    }
  }

  /** Release of the kernel, such as "6.12.9-amd64". */
  Optional<String> kernel() {
    return text("/proc/sys/kernel/osrelease");
  }

  /** Whether the kernel is of that version or later; no if it does not say its version. */
  boolean kernelSince(int major, int minor) {
    Matcher version = VERSION.matcher(kernel().orElse(""));
    if (!version.matches()) {
      return false;
    }
    int found = Integer.parseInt(version.group(1));
    return found > major || found == major && Integer.parseInt(version.group(2)) >= minor;
  }

  /** Effective user. */
  boolean isRoot() {
    return status("Uid").map(ids -> ids.split("\\s+")[1].equals("0")).orElse(false);
  }

  /** Whether it may do what root may on the whole machine, not just in a user name space. */
  boolean administers() {
    String everybody = "0 0 4294967295"; // user_namespaces(7)
    return hasSysAdmin()
        && text("/proc/self/uid_map")
            .map(map -> map.trim().replaceAll(" +", " ").equals(everybody))
            .orElse(true);
  }

  /** Whether it may mount. */
  boolean hasSysAdmin() {
    return status("CapEff")
        .map(set -> (Long.parseUnsignedLong(set, 16) >> CAP_SYS_ADMIN & 1) == 1)
        .orElse(false);
  }

  private Optional<String> status(String field) {
    return lines("/proc/self/status").stream()
        .filter(line -> line.startsWith(field + ":"))
        .map(line -> line.substring(field.length() + 1).trim())
        .findFirst();
  }

  /** The soft limit of that name in proc_pid_limits(5), such as "Max open files". */
  Optional<String> limit(String name) {
    return lines("/proc/self/limits").stream()
        .filter(line -> line.startsWith(name + " "))
        .map(line -> line.substring(name.length()).trim().split("\\s+")[0])
        .findFirst();
  }

  /** Bytes of a page. */
  int pageSize() {
    try {
      ByteBuffer pairs = ByteBuffer.wrap(bytes("/proc/self/auxv")).order(ByteOrder.nativeOrder());
      while (pairs.remaining() >= 2 * Long.BYTES) {
        long key = pairs.getLong();
        long value = pairs.getLong();
        if (key == AT_PAGESZ) {
          return (int) value;
        }
      }
    } catch (IOException e) {
      // Nearly all machines have the same.
    }
    return PAGE;
  }
}
