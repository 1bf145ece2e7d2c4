package io.github.ferrofuse.internal;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.StringTokenizer;

/** Supplementary groups of threads, as /proc tells them. Called by requests; keeps nothing. */
final class Groups {
  private static final String LINE = "\nGroups:";

  private Groups() {}

  /**
   * Groups of a thread.
   *
   * @param pid its id in the pid namespace of this process, 0 for one that is not in it
   * @throws IOException an AccessDeniedException: who is unknown is in no group
   */
  static int[] of(int pid) throws IOException {
    String file = "/proc/" + Integer.toUnsignedString(pid) + "/status";
    if (pid == 0) {
      throw new AccessDeniedException(
          file, null, "the caller is in another pid namespace, or nobody: its groups are unknown");
    }
    String status;
    try {
      // Names of programs may be any bytes.
      status = new String(Files.readAllBytes(Path.of(file)), StandardCharsets.ISO_8859_1);
    } catch (IOException e) {
      AccessDeniedException unknown =
          new AccessDeniedException(
              file, null, "the caller has ended, or /proc is not readable: its groups are unknown");
      unknown.initCause(e);
      throw unknown;
    }
    return parse(file, status);
  }

  /** The groups in the text of a status file. */
  static int[] parse(String file, String status) throws AccessDeniedException {
    int begin = status.indexOf(LINE);
    int end = status.indexOf('\n', begin + 1);
    if (begin < 0 || end < 0) {
      throw new AccessDeniedException(file, null, "there is no line of groups in it");
    }
    StringTokenizer words = new StringTokenizer(status.substring(begin + LINE.length(), end));
    int[] groups = new int[words.countTokens()];
    try {
      for (int i = 0; i < groups.length; i++) {
        groups[i] = Integer.parseUnsignedInt(words.nextToken());
      }
    } catch (NumberFormatException e) {
      throw new AccessDeniedException(file, null, "its line of groups is not numbers: " + e);
    }
    return groups;
  }
}
