package io.github.ferrofuse.internal;

import io.github.ferrofuse.Connection;
import io.github.ferrofuse.MountOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Whether files can be passed through: {@link Connection#passesThrough}. */
final class PassThrough {
  /** FUSE_PASSTHROUGH of &lt;linux/fuse.h&gt;. */
  private static final long OFFER = 1L << 37;

  private static final int CAP_SYS_ADMIN = 21;

  private static final Path STATUS = Path.of("/proc/thread-self/status");

  private static final Path USERS = Path.of("/proc/self/uid_map");

  /** What it has outside of any user namespace, user_namespaces(7). */
  private static final String EVERYBODY = "0 0 4294967295";

  private PassThrough() {}

  /**
   * Checks all that can be known before a file is opened.
   *
   * @throws UnsupportedOperationException saying what is in the way and what helps
   */
  static void require(long offered, MountOptions options) {
    if (options.writebackCache()) {
      throw new UnsupportedOperationException(
          "files can't be passed through under writeback_cache, since the kernel would keep what is"
              + " written to them: leave out one of passthrough and writeback_cache");
    }
    if (options.directIo()) {
      throw new UnsupportedOperationException(
          "files can't be passed through under direct_io, which has every read and write come to"
              + " the file system: leave out one of passthrough and direct_io");
    }
    if ((offered & OFFER) == 0) {
      throw new UnsupportedOperationException(
          "this kernel passes no files through: Linux 6.9 or later does"
              + " (CONFIG_FUSE_PASSTHROUGH); leave out passthrough");
    }
    if (!administers()) {
      throw new UnsupportedOperationException(
          "passing files through needs CAP_SYS_ADMIN, outside of any user namespace: mount as root"
              + " of the machine, or leave out passthrough");
    }
  }

  /** Whether this thread has the capability. In doubt it does: the kernel has the last word. */
  private static boolean administers() {
    try {
      for (String line : Files.readAllLines(STATUS)) {
        if (line.startsWith("CapEff:")) {
          long effective = Long.parseUnsignedLong(line.substring(7).trim(), 16);
          return (effective >> CAP_SYS_ADMIN & 1) == 1 && isOutsideNamespaces();
        }
      }
    } catch (IOException | NumberFormatException e) {
      // No proc file system, or not the one that is meant.
    }
    return true;
  }

  private static boolean isOutsideNamespaces() throws IOException {
    return Files.readString(USERS).trim().replaceAll(" +", " ").equals(EVERYBODY);
  }
}
