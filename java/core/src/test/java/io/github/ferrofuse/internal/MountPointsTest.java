package io.github.ferrofuse.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MountPointsTest {
  @TempDir Path directory;

  @Test
  void anEmptyDirectoryIsResolved() throws IOException {
    Path link = Files.createSymbolicLink(directory.resolve("link"), directory.resolve("real"));
    Path real = Files.createDirectory(directory.resolve("real"));
    assertEquals(real.toRealPath(), MountPoints.resolve(link));
  }

  @Test
  void whatThisProgramNeedsIsNotMountedOver() {
    for (String property : new String[] {"java.home", "user.dir", "java.io.tmpdir"}) {
      Path needed = Path.of(System.getProperty(property));
      assertRefused(needed, needed);
      assertRefused(needed.getRoot(), needed.getRoot());
    }
    String first = System.getProperty("java.class.path").split(":")[0];
    assertRefused(Path.of(first), Path.of(first));
  }

  @Test
  void procIsNotMountedOver() {
    for (String point : new String[] {"/proc", "/proc/self", "/proc/self/task"}) {
      assertRefused(Path.of(point), Path.of(point));
    }
  }

  private static void assertRefused(Path point, Path named) {
    IOException error = assertThrows(IOException.class, () -> MountPoints.resolve(point));
    assertTrue(error.getMessage().startsWith(named.toString()), error.getMessage());
  }
}
