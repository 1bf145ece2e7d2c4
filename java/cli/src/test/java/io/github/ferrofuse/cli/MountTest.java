package io.github.ferrofuse.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The life of a mount made by the runnable jar. */
@Tag("mount")
class MountTest {
  @TempDir Path temp;
  private Path directory;

  @BeforeEach
  void chooseDirectory() {
    directory = temp.resolve("some where/mount");
  }

  @Test
  void itCreatesTheDirectoryServesAndSaysHowToEndIt() throws Exception {
    List<String> command = Jar.command("mount", "memory", directory.toString());
    try (Jar jar = Jar.start(temp, command)) {
      List<String> lines = jar.awaitLine("end it:");
      assertEquals("created the directory '" + directory + "'", lines.get(0));
      assertEquals("memory is mounted on '" + directory + "'", lines.get(1));
      assertTrue(lines.get(2).endsWith("; ls -l '" + directory + "'"), lines.get(2));
      String elsewhere = "end it:  Ctrl-C here, or elsewhere: ";
      assertTrue(lines.get(3).startsWith(elsewhere), lines.get(3));

      Path file = directory.resolve("hello");
      Files.writeString(file, "hello\n");
      assertEquals("hello\n", Files.readString(file));
      assertEquals("fuse.ferrofuse", Files.getFileStore(file).type());

      Jar.run("sh", "-c", lines.get(3).substring(elsewhere.length()));
      assertEquals(0, jar.await());
      assertEquals("", jar.errors());
      assertFalse(Files.exists(file));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"TERM", "INT", "HUP"})
  void aSignalUnmountsAndIsASuccess(String signal) throws Exception {
    directory = temp.resolve("mount");
    try (Jar jar = Jar.mount(directory, "memory")) {
      assertTrue(Jar.isMounted(directory));
      jar.signal(signal);
      assertEquals(0, jar.await());
      assertEquals("", jar.errors());
      assertFalse(Jar.isMounted(directory));
    }
  }

  @Test
  void aMountInUseIsDetachedByASignal() throws Exception {
    directory = temp.resolve("mount");
    try (Jar jar = Jar.mount(directory, "memory");
        OutputStream file = Files.newOutputStream(directory.resolve("open"))) {
      jar.signal("TERM");
      assertEquals(0, jar.await());
      assertFalse(Jar.isMounted(directory));
      assertTrue(jar.errors().contains(directory + " was in use"), jar.errors());
      assertThrows(IOException.class, () -> file.write(1));
    }
  }

  @Test
  void theMountOfAKilledProcessIsReplaced() throws Exception {
    directory = temp.resolve("mount");
    try (Jar killed = Jar.mount(directory, "memory")) {
      killed.signal("KILL");
      killed.await();
      assertTrue(Jar.isMounted(directory));
      assertThrows(FileSystemException.class, () -> Files.size(directory.resolve("any")));
      try (Jar jar = Jar.mount(directory, "memory")) {
        Files.createFile(directory.resolve("fresh"));
        jar.signal("TERM");
        assertEquals(0, jar.await());
      }
      assertFalse(Jar.isMounted(directory));
    }
  }

  @Test
  void optionsReachTheKernel() throws Exception {
    directory = temp.resolve("mount");
    String options = "ro,fsname=a\\,b,subtype=sub,default_permissions,max_read=65536";
    String others = othersMayBeAllowed() ? "allow_other" : "nodev";
    try (Jar jar = Jar.mount(directory, "memory", "-o", options, "-o" + others)) {
      String line =
          Files.readAllLines(Path.of("/proc/self/mounts")).stream()
              .filter(each -> each.contains(" " + directory + " "))
              .findFirst()
              .orElseThrow();
      assertTrue(line.startsWith("a,b ") && line.contains(" fuse.sub ro,"), line);
      for (String word :
          List.of("nosuid", "nodev", "default_permissions", others, "max_read=65536")) {
        assertTrue(line.matches(".*[, ]" + word + "[, ].*"), word + " in " + line);
      }
      assertThrows(FileSystemException.class, () -> Files.createFile(directory.resolve("new")));
      jar.signal("TERM");
      assertEquals(0, jar.await());
    }
  }

  /** What users may not is tested elsewhere: see {@link OtherUsersTest}. */
  private static boolean othersMayBeAllowed() throws IOException {
    Path conf = Path.of("/etc/fuse.conf");
    return Jar.isRoot()
        || Files.exists(conf) && Files.readAllLines(conf).contains("user_allow_other");
  }
}
