package io.github.ferrofuse.examples.memory;

import io.github.ferrofuse.FileSystemFactory;
import io.github.ferrofuse.LockKeeper;
import java.io.IOException;
import java.util.Locale;
import java.util.Map;

/**
 * Makes a {@link MemoryFileSystem}: {@code mount memory /mnt/x -o capacity=4g}. Found by
 * ServiceLoader.
 */
public final class MemoryFileSystemFactory implements FileSystemFactory {
  private static final int DEFAULT_MODE = 0755;

  /** For ServiceLoader. */
  public MemoryFileSystemFactory() {}

  @Override
  public String scheme() {
    return "memory";
  }

  @Override
  public String help() {
    return "an empty file system in memory; options: capacity=SIZE of all contents (k, m, g, t;"
        + " default half of -XX:MaxDirectMemorySize, at least 2g if it allows), inodes=NUMBER of"
        + " files,"
        + " mode=OCTAL permissions of the root directory (default 755), noatime or strictatime"
        + " instead of relatime, locks=kernel or locks=engine for who keeps them (default kernel),"
        + " acl for POSIX ACLs, handles for file handles that last (NFS)";
  }

  @Override
  public MemoryFileSystem create(String spec, Map<String, String> options) throws IOException {
    if (!spec.isEmpty()) {
      throw new IllegalArgumentException("it takes no specification: write just memory");
    }
    Limits limits = Limits.defaults();
    String capacity = options.remove("capacity");
    if (capacity != null) {
      limits = limits.withCapacity(Limits.parseSize("capacity", capacity));
    }
    String inodes = options.remove("inodes");
    if (inodes != null) {
      limits = limits.withInodes(Limits.parseSize("inodes", inodes));
    }
    String mode = options.remove("mode");
    String acl = options.remove("acl");
    LockKeeper keeper = parseKeeper(options.remove("locks"));
    MemoryFileSystem fs =
        MemoryFileSystem.ownedByProcess(limits, mode == null ? DEFAULT_MODE : parseMode(mode))
            .accessTimes(accessTimes(options))
            .lockedBy(keeper);
    if (acl != null) {
      if (!acl.isEmpty()) {
        throw new IllegalArgumentException("acl=" + acl + ": it takes no value, write just acl");
      }
      fs.keepAcls();
    }
    String handles = options.remove("handles");
    if (handles != null) {
      if (!handles.isEmpty()) {
        throw new IllegalArgumentException(
            "handles=" + handles + ": it takes no value, write just handles");
      }
      fs.keepHandles();
    }
    return fs;
  }

  /** The strictest of those that are named. */
  private static AccessTimes accessTimes(Map<String, String> options) {
    AccessTimes when = AccessTimes.RELATIME;
    for (AccessTimes one : AccessTimes.values()) {
      String value = options.remove(one.name().toLowerCase(Locale.ROOT));
      when = value == null ? when : one;
    }
    return when;
  }

  private static LockKeeper parseKeeper(String text) {
    if (text == null || text.equals("kernel")) {
      return LockKeeper.KERNEL;
    }
    if (text.equals("engine")) {
      return LockKeeper.ENGINE;
    }
    throw new IllegalArgumentException("locks=" + text + " is neither kernel nor engine");
  }

  private static int parseMode(String text) {
    if (!text.matches("[0-7]{1,5}") || Integer.parseInt(text, 8) > 07777) {
      throw new IllegalArgumentException("mode=" + text + " is no octal number up to 7777");
    }
    return Integer.parseInt(text, 8);
  }
}
