package io.github.ferrofuse.examples.mirror;

import io.github.ferrofuse.FileSystemFactory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/**
 * Makes a {@link MirrorFileSystem}: {@code mount mirror:/srv/data /mnt/x}. Found by ServiceLoader.
 */
public final class MirrorFileSystemFactory implements FileSystemFactory {
  private static final int MOST_DESCRIPTORS = 1 << 20;

  /** Unless told otherwise, whatever the process may have. */
  private static final int ENOUGH_DESCRIPTORS = 8192;

  /** For ServiceLoader. */
  public MirrorFileSystemFactory() {}

  @Override
  public String scheme() {
    return "mirror";
  }

  @Override
  public String help() {
    return "mirror:DIRECTORY passes a directory through; options: descriptors=NUMBER that stay open"
        + " for files that are known (default a quarter of ulimit -n, at most 8192),"
        + " passthrough to let the kernel read and write the files by itself, watch to see"
        + " changes that others make at once, noacl to leave POSIX ACLs alone, shared to see"
        + " changes that others make to files that are open, nohandles to find files by"
        + " their names though they have handles";
  }

  @Override
  public MirrorFileSystem create(String spec, Map<String, String> options) throws IOException {
    if (spec.isEmpty()) {
      throw new IllegalArgumentException("mirror:DIRECTORY, which directory?");
    }
    String descriptors = options.remove("descriptors");
    boolean handles = !parseFlag(options, "nohandles");
    boolean acls = !parseFlag(options, "noacl");
    boolean shared = parseFlag(options, "shared");
    boolean passesThrough = parseFlag(options, "passthrough");
    boolean watches = parseFlag(options, "watch");
    MirrorFileSystem fs =
        MirrorFileSystem.of(
            Path.of(spec),
            descriptors == null ? defaultDescriptors() : parseDescriptors(descriptors),
            handles);
    if (shared) {
      fs.sharingOpenFiles();
    }
    if (passesThrough) {
      fs.passThrough();
    }
    if (watches) {
      fs.watchChanges();
    }
    return acls ? fs : fs.withoutAcls();
  }

  private static boolean parseFlag(Map<String, String> options, String name) {
    String value = options.remove(name);
    if (value != null && !value.isEmpty()) {
      throw new IllegalArgumentException(
          name + "=" + value + ": it takes no value, write just " + name);
    }
    return value != null;
  }

  private static int parseDescriptors(String text) {
    if (!text.matches("[0-9]{1,7}")
        || Integer.parseInt(text) < 1
        || Integer.parseInt(text) > MOST_DESCRIPTORS) {
      throw new IllegalArgumentException(
          "descriptors=" + text + " is no number from 1 to " + MOST_DESCRIPTORS);
    }
    return Integer.parseInt(text);
  }

  /** Most of what the process may have open is left to files that applications open. */
  private static int defaultDescriptors() throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/self/limits"))) {
      if (line.startsWith("Max open files")) {
        String soft = line.substring("Max open files".length()).trim().split(" +")[0];
        long limit = soft.equals("unlimited") ? Long.MAX_VALUE : Long.parseLong(soft);
        return (int) Math.max(1, Math.min(ENOUGH_DESCRIPTORS, limit / 4));
      }
    }
    throw new IOException("/proc/self/limits says nothing of open files");
  }
}
