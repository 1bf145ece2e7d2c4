package io.github.ferrofuse.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The options {@code metrics} and {@code slow} of the runnable jar. */
@Tag("mount")
class MetricsTest {
  @TempDir Path directory;

  @Test
  void theTableIsPrintedOnceWhenASignalEndsTheMount() throws Exception {
    try (Jar jar = Jar.mount(directory, "memory", "-o", "metrics")) {
      Files.createFile(directory.resolve("file"));
      jar.signal("TERM");
      List<String> lines = jar.awaitLine("0 in flight, 0 threads");
      assertTrue(lines.get(0).startsWith("operation "), lines::toString);
      assertTrue(lines.stream().anyMatch(line -> line.matches("CREATE +1 +0 .*")), lines::toString);
      assertEquals(0, jar.await());
      assertEquals("", jar.errors());
    }
  }

  @Test
  void bothWorkWithoutFlightRecorder() throws Exception {
    List<String> command =
        Jar.command("mount", "-o", "metrics,slow=0.000001", "memory", directory.toString());
    command.addAll(1, List.of("--limit-modules", "java.base,jdk.management"));
    try (Jar jar = Jar.start(directory, command)) {
      jar.awaitLine("end it:");
      Files.createFile(directory.resolve("file"));
      Jar.run("umount", directory.toString());
      List<String> lines = jar.awaitLine("0 in flight, 0 threads");
      assertTrue(lines.stream().anyMatch(line -> line.startsWith("CREATE ")), lines::toString);
      assertEquals(0, jar.await());
      assertTrue(jar.errors().contains("slow operation: CREATE of node 0x1 took "), jar.errors());
      assertFalse(jar.errors().contains("NoClassDefFound"), jar.errors());
    }
  }
}
