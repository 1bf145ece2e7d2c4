package io.github.ferrofuse.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Who gets into the mount of an ordinary user, and what /etc/fuse.conf lets him do. Each mount has
 * a mount namespace of its own, where that file and /dev/fuse are the test's.
 */
@Tag("mount")
class OtherUsersTest {
  private static final String OWNER = "65534";
  private static final String OTHER = "65533";

  @TempDir Path temp;
  private Path directory;

  @BeforeEach
  void makeDirectory() throws Exception {
    assumeTrue(
        Jar.isRoot() && Files.readString(Path.of("/proc/self/uid_map")).endsWith(" 4294967295\n"),
        "needs root outside a user name space, to become other users");
    Jar.run("chmod", "755", temp.toString());
    Files.createDirectory(temp.resolve("stage"));
    directory = Files.createDirectory(temp.resolve("mount"));
    Jar.run("chown", OWNER, directory.toString());
  }

  @ParameterizedTest
  @Tag("root")
  @CsvSource(
      delimiter = '|',
      value = {
        "fsname=plain | false | false",
        "allow_root | true | false",
        "allow_other,default_permissions | true | true",
      })
  void othersGetInAsTheOptionsSay(String options, boolean root, boolean other) throws Exception {
    List<String> command = byOwner("user_allow_other", "-o", options);
    try (Jar jar = Jar.start(directory, command)) {
      jar.awaitLine("end it:");
      String write = "umask 022; echo hello > " + directory + "/file";
      assertEquals(0, in(jar, OWNER, "sh", "-c", write));
      assertEquals(root, in(jar, "0", "cat", directory + "/file") == 0, "root");
      assertEquals(other, in(jar, OTHER, "cat", directory + "/file") == 0, "another user");
      assertEquals(0, in(jar, OWNER, "fusermount3", "-u", directory.toString()));
      assertEquals(0, jar.await());
      assertEquals("", jar.errors());
    }
  }

  @ParameterizedTest
  @Tag("root")
  @ValueSource(strings = {"allow_root", "allow_other"})
  void aUserMayAllowOthersOnlyIfTheConfigurationSaysSo(String option) throws Exception {
    List<String> command = byOwner("# user_allow_other", "-o", "default_permissions," + option);
    assertRefused(
        option + " needs a line that says user_allow_other in /etc/fuse.conf: ask root to add it",
        command);
  }

  @Test
  @Tag("root")
  void oneMountTooManyIsSaidWithTheRemedy() throws Exception {
    assertRefused(
        "too many FUSE filesystems mounted; mount_max=N can be set in /etc/fuse.conf",
        byOwner("mount_max = 0"));
  }

  private void assertRefused(String message, List<String> command) throws Exception {
    try (Jar jar = Jar.start(directory, command)) {
      assertEquals(1, jar.await(), jar.errors());
      assertTrue(jar.errors().contains(message), jar.errors());
      assertEquals(1, jar.errors().lines().count(), jar.errors());
    }
  }

  /** The owner mounts "memory", with that line in /etc/fuse.conf. */
  private List<String> byOwner(String conf, String... options) throws Exception {
    Path stage = temp.resolve("stage");
    Path script = Path.of(System.getProperty("ferrofuse.root"), "java/as-user.sh");
    List<String> command = new ArrayList<>(List.of("unshare", "-m", script.toString()));
    command.addAll(List.of(stage.toString(), OWNER));
    command.addAll(List.of("-c", Files.writeString(temp.resolve("conf"), conf + "\n").toString()));
    command.addAll(List.of("-s", Jar.file().toString(), "ferrofuse.jar"));
    command.addAll(List.of("-s", System.getProperty("java.home"), "jdk"));
    command.addAll(List.of(stage + "/jdk/bin/java", "-jar", stage + "/ferrofuse.jar", "mount"));
    command.addAll(List.of(options));
    command.addAll(List.of("memory", directory.toString()));
    return command;
  }

  /** Runs a command as a user in the mount namespace of a jar; answers its status. */
  private static int in(Jar jar, String user, String... words) throws Exception {
    List<String> command = new ArrayList<>(List.of("nsenter", "-m", "-t", jar.pid(), "setpriv"));
    command.addAll(List.of("--reuid", user, "--regid", user, "--clear-groups"));
    command.addAll(List.of(words));
    return new ProcessBuilder(command)
        .redirectErrorStream(true)
        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
        .start()
        .waitFor();
  }
}
