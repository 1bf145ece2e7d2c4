package io.github.ferrofuse.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What the runnable jar does not mount: one line on standard error, a status, nothing left behind.
 */
@Tag("mount")
class RefusalTest {
  @TempDir Path temp;
  private Path directory;

  @BeforeEach
  void makeDirectory() throws Exception {
    directory = Files.createDirectory(temp.resolve("mount"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "2 | no command: try --help | ''",
        "2 | unknown command umount: | umount DIR",
        "2 | unknown option --fast: | mount --fast memory DIR",
        "2 | on which directory? | mount memory",
        "2 | unknown option allow_others: did you mean allow_other? | mount memory DIR -o"
            + " allow_others",
        "2 | max_read=1: needs a number from 4096 | mount memory DIR -o max_read=1",
        "2 | allow_other and allow_root exclude each other | mount memory DIR -o"
            + " allow_root,allow_other",
        "1 | unknown file system memroy: known are memory | mount memroy DIR",
        "1 | class com.acme.Fs not found | mount com.acme.Fs DIR",
        "1 | class java.lang.String is not a file system | mount java.lang.String DIR",
        "1 | --class-path: /nonexistent.jar doesn't exist | mount --class-path /nonexistent.jar X"
            + " DIR",
        "1 | is not a directory | mount memory /etc/passwd",
        "1 | leads through something that is not a directory | mount memory /etc/passwd/below",
        "1 | doesn't exist and can't be created: | mount memory /proc/nowhere/below",
        "1 | it holds the Java runtime | mount memory /",
        "1 | it holds the working directory | mount memory .",
        "1 | would hide | mount --class-path DIR memory DIR",
      })
  void aBadRequestIsOneLineAndAStatus(int status, String message, String line) throws Exception {
    String[] words = line.replace("DIR", directory.toString()).split(" ");
    assertRefused(status, message, Jar.command(line.isEmpty() ? new String[0] : words));
  }

  @Test
  void aDirectoryThatIsMountedAlreadyIsLeftAlone() throws Exception {
    try (Jar first = Jar.mount(directory, "memory")) {
      Files.createFile(directory.resolve("mine"));
      assertFailed(1, "is mounted already", Jar.command("mount", "memory", directory.toString()));
      assertTrue(Files.exists(directory.resolve("mine")));
      first.signal("TERM");
      assertEquals(0, first.await());
    }
    assertFalse(Jar.isMounted(directory));
  }

  @Test
  @Tag("root")
  void aMissingDeviceIsNamedWithTheRemedy() throws Exception {
    String hide =
        "set -e; for f in null zero random urandom tty; do touch $0/$f; mount --bind /dev/$f $0/$f;"
            + " done; mount --rbind $0 /dev; exec \"$@\"";
    Path devices = Files.createDirectory(temp.resolve("dev"));
    assertRefused(1, "/dev/fuse doesn't exist: load the fuse module", inNamespace(hide, devices));
  }

  @Test
  @Tag("root")
  void aMissingFusermountIsNamedWithTheRemedy() throws Exception {
    Assumptions.assumeTrue(
        Files.readString(Path.of("/proc/self/uid_map")).trim().endsWith("4294967295"),
        "needs to become another user");
    Path program = Path.of("/usr/bin/fusermount3");
    Path cache = Files.createDirectory(temp.resolve("cache"));
    Jar.run("chown", "65534:65534", directory.toString(), cache.toString());
    Jar.run("chmod", "755", temp.toString());
    Jar.run("chmod", "700", cache.toString());
    Path jar = Files.copy(Jar.file(), temp.resolve("ferrofuse.jar"));
    String hide =
        "mount --bind /dev/null "
            + program.toRealPath()
            + " && exec setpriv --reuid 65534 --regid 65534 --clear-groups"
            + " env XDG_CACHE_HOME=$0 \"$@\"";
    List<String> command = inNamespace(hide, cache);
    command.set(command.indexOf(Jar.file().toString()), jar.toString());
    assertRefused(1, "fusermount3 was not found: install the package fuse3", command);
  }

  /** A mount that runs after a shell has prepared a mount namespace of its own. */
  private List<String> inNamespace(String script, Path argument) {
    List<String> command =
        new ArrayList<>(List.of("unshare", "-m", "sh", "-c", script, argument.toString()));
    command.addAll(Jar.command("mount", "memory", directory.toString()));
    return command;
  }

  private void assertRefused(int status, String message, List<String> command) throws Exception {
    assertFailed(status, message, command);
    assertFalse(Jar.isMounted(directory));
  }

  private void assertFailed(int status, String message, List<String> command) throws Exception {
    try (Jar jar = Jar.start(temp, command)) {
      int ended = jar.await();
      String errors = jar.errors();
      assertEquals(status, ended, errors);
      assertTrue(errors.contains(message), errors);
      assertTrue(errors.startsWith("ferrofuse: "), errors);
      assertEquals(1, errors.lines().count(), errors);
    }
  }
}
