package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;
import static org.junit.jupiter.api.parallel.ExecutionMode.CONCURRENT;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ResourceLock;

/** The native library keeps the rules of JNI, as the JVM's own checker sees them. */
@Tag("mount")
@ResourceLock("beside the others") // one test at a time
@Execution(CONCURRENT) // takes long
@Tag("once")
@Timeout(value = 150, threadMode = SEPARATE_THREAD)
class CheckJniTest {
  private static final Path JVMS = Path.of("/usr/lib/jvm");

  /** Misuse, and local references that pile up on a thread that never leaves native code. */
  private static final Pattern COMPLAINT =
      Pattern.compile("(WARNING|FATAL ERROR) in native method|JNI local refs");

  @TempDir Path directory;

  @Test
  void thisJvmFindsNothing() throws Exception {
    assertCheckedRunIsSilent(Path.of(System.getProperty("java.home")), List.of());
  }

  @Test
  void aJvmOfVersion25FindsNothing() throws Exception {
    Path home = home("*-25-*");
    assumeTrue(home != null, "no JDK 25 in " + JVMS + ": the checked run on it is left out");
    assertCheckedRunIsSilent(home, List.of("--enable-native-access=ALL-UNNAMED"));
  }

  private void assertCheckedRunIsSilent(Path home, List<String> flags) throws Exception {
    Path memory = Files.createDirectory(directory.resolve("memory"));
    Path failing = Files.createDirectory(directory.resolve("failing"));
    List<String> command = new ArrayList<>();
    command.add(home.resolve("bin/java").toString());
    command.add("-Xcheck:jni");
    command.addAll(flags);
    for (String property : System.getProperties().stringPropertyNames()) {
      if (property.startsWith("ferrofuse.")) {
        command.add("-D" + property + "=" + System.getProperty(property));
      }
    }
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.addAll(List.of(MixedLoad.class.getName(), memory.toString(), failing.toString()));
    try {
      Shell.Ended ended = Shell.run(command, 120);
      assertEquals(0, ended.exit(), ended::output);
      assertTrue(ended.output().contains(MixedLoad.DONE), ended::output);
      assertFalse(COMPLAINT.matcher(ended.output()).find(), ended::output);
    } finally {
      for (Path mount : List.of(memory, failing)) {
        Mounts.takeAway(mount);
      }
    }
  }

  private static Path home(String pattern) throws IOException {
    try (DirectoryStream<Path> found = Files.newDirectoryStream(JVMS, pattern)) {
      for (Path home : found) {
        if (Files.isExecutable(home.resolve("bin/java"))) {
          return home;
        }
      }
      return null;
    }
  }
}
