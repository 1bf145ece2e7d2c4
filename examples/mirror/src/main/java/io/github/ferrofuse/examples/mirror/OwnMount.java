package io.github.ferrofuse.examples.mirror;

import java.io.IOException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * Where the mirror itself is mounted. Below the directory that it mirrors it would be part of what
 * it mirrors, and a call that it makes there would wait for itself. {@link MirrorFileSystem} asks
 * when it is mounted.
 *
 * <p>Names are compared as bytes, each a char, whatever the locale. Nothing here looks at the mount
 * itself, which answers nobody yet.
 */
final class OwnMount {
  /** What is no device. */
  static final long NONE = -1;

  private static final Path MOUNTS = Path.of("/proc/self/mountinfo");

  /** There is nothing below it. */
  private static final Path NOWHERE = Path.of("/proc/none");

  // Fields of a line: proc_pid_mountinfo(5)
  private static final int DEVICE = 2;
  private static final int POINT = 4;
  private static final int LEAST_FIELDS = 6;

  private OwnMount() {}

  /**
   * Refuses a mount that shows below the directory. Mounted on the directory itself, the mirror
   * only covers it.
   *
   * @param directory what is mirrored, without symbolic links
   * @param point where the mirror has just been mounted, without symbolic links
   * @return the mount's device, as LocalStat has it; {@link #NONE} if it can't be told
   * @throws IOException if it lies below the directory, with the reason
   */
  static long outside(Path directory, Path point) throws IOException {
    return outside(
        Files.readAllLines(MOUNTS, StandardCharsets.ISO_8859_1), bytes(directory), bytes(point));
  }

  static long outside(List<String> mounts, String directory, String point) throws IOException {
    String own = null;
    for (String line : mounts) {
      String[] fields = line.split(" ");
      if (fields.length >= LEAST_FIELDS && unescaped(fields[POINT]).equals(point)) {
        own = fields[DEVICE]; // the last one lies on top
      }
    }
    if (own == null) {
      return NONE;
    }
    String below = directory.endsWith("/") ? directory : directory + "/";
    for (String line : mounts) {
      String[] fields = line.split(" ");
      if (fields.length >= LEAST_FIELDS
          && fields[DEVICE].equals(own)
          && unescaped(fields[POINT]).startsWith(below)) {
        throw new IOException(refusal(directory, point, unescaped(fields[POINT])));
      }
    }
    String[] numbers = own.split(":");
    return Long.parseLong(numbers[0]) << 32 | Long.parseLong(numbers[1]);
  }

  private static String refusal(String directory, String point, String found) {
    String shown = found.equals(point) ? "" : ", mounted on " + text(found) + " too,";
    return "the mount point "
        + text(point)
        + shown
        + " lies in "
        + text(directory)
        + ", which is to be mirrored: the mirror would wait for itself; choose a mount point"
        + " outside";
  }

  private static String text(String bytes) {
    return new String(bytes.getBytes(StandardCharsets.ISO_8859_1), StandardCharsets.UTF_8);
  }

  /** The bytes of an absolute path, which its URI spells. */
  private static String bytes(Path path) {
    // toUri looks whether it is a directory: not at the mount, which would not answer
    Path nowhere = NOWHERE.resolve(path.getRoot().relativize(path));
    String spelt = nowhere.toUri().getRawPath().replace("+", "%2B");
    String bytes = URLDecoder.decode(spelt, StandardCharsets.ISO_8859_1);
    return path.equals(path.getRoot()) ? "/" : bytes.substring(NOWHERE.toString().length());
  }

  /** The kernel spells space, tab, newline and backslash by three octal digits. */
  private static String unescaped(String field) {
    StringBuilder text = new StringBuilder(field.length());
    for (int i = 0; i < field.length(); i++) {
      if (field.charAt(i) == '\\') {
        text.append((char) Integer.parseInt(field, i + 1, i + 4, 8));
        i += 3;
      } else {
        text.append(field.charAt(i));
      }
    }
    return text.toString();
  }
}
