package io.github.ferrofuse.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The doctor of the runnable jar, on this machine and on one without a device. */
@Tag("mount")
class DoctorTest {
  private static final String LINE = "(ok|off|no|unknown) +[^ ].*";

  @TempDir Path temp;
  private List<String> command;

  /** Its temporary files are the test's. */
  @BeforeEach
  void build() throws IOException {
    command = Jar.command("doctor");
    command.add(1, "-Djava.io.tmpdir=" + Files.createDirectory(temp.resolve("tmp")));
  }

  @Test
  void itMountsTellsWhatIsOfferedAndLeavesNothing() throws Exception {
    try (Jar jar = Jar.start(temp, command)) {
      List<String> lines = jar.rest();
      assertEquals(0, jar.await(), lines + jar.errors());
      assertEquals("", jar.errors());
      lines.forEach(line -> assertTrue(line.matches(LINE), line));
      assertStarts(lines, "ok +mounting +an empty file system was mounted and unmounted");
      assertStarts(lines, "ok +FUSE protocol +7\\.\\d\\d \\(kernel \\d+\\.\\d+.*\\)");
      assertStarts(lines, "ok +MAX_PAGES +.*: in use");
      assertStarts(lines, "ok +native library +/.*/libferrofuse.*\\.so");
      assertStarts(lines, "ok +/dev/fuse +usable by this user");
    }
    assertNothingIsLeft();
  }

  @Test
  void theColumnsAreAligned() throws Exception {
    try (Jar jar = Jar.start(temp, command)) {
      for (String line : jar.rest()) {
        assertTrue(line.matches("\\S.{6}  \\S.{22}  \\S.*"), line);
      }
      assertEquals(0, jar.await());
    }
  }

  @Test
  @Tag("root")
  void withoutADeviceItFailsAndTheOfferIsUnknown() throws Exception {
    String hide =
        "set -e; for f in null zero random urandom; do touch $0/$f; mount --bind /dev/$f $0/$f;"
            + " done; mount --rbind $0 /dev; exec \"$@\"";
    String devices = Files.createDirectory(temp.resolve("dev")).toString();
    List<String> hidden = new ArrayList<>(List.of("unshare", "-m", "sh", "-c", hide, devices));
    hidden.addAll(command);
    try (Jar jar = Jar.start(temp, hidden)) {
      List<String> lines = jar.rest();
      assertEquals(1, jar.await());
      assertTrue(jar.errors().startsWith("ferrofuse: file systems can't be mounted"));
      assertEquals(1, jar.errors().lines().count(), jar.errors());
      assertStarts(lines, "no +mounting +/dev/fuse doesn't exist: load the fuse module.*");
      assertStarts(lines, "unknown +FUSE protocol +kernel.*");
      assertStarts(lines, "unknown +PASSTHROUGH .*");
      assertStarts(lines, "no +/dev/fuse +missing: sudo modprobe fuse.*");
    }
    assertNothingIsLeft();
  }

  private static void assertStarts(List<String> lines, String pattern) {
    assertTrue(
        lines.stream().anyMatch(line -> line.matches(pattern)),
        () -> pattern + " in:\n" + String.join("\n", lines));
  }

  private void assertNothingIsLeft() throws IOException {
    assertFalse(Files.readString(Path.of("/proc/self/mounts")).contains("ferrofuse-doctor-"));
    try (Stream<Path> left = Files.list(temp.resolve("tmp"))) {
      assertEquals(List.of(), left.filter(path -> !path.toString().contains("hsperf")).toList());
    }
  }
}
