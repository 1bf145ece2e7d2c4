package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Each method of a file system fails in every way that Java has, and nobody but its caller sees.
 */
@Tag("mount")
@Tag("once")
@Timeout(value = 100, threadMode = SEPARATE_THREAD)
class HostileThrowsTest {
  /** Methods that are called as a mount is made or ends: {@link HostileMountTest}. */
  private static final Set<String> ONCE_PER_MOUNT =
      Set.of(
          "FileSystemBase.operations",
          "FileSystemBase.init",
          "FileSystemBase.destroy",
          "FileSystemBase.checksAccess",
          "FileSystemBase.interruptsThreads",
          "InodeFileSystem.root");

  /** Linux asks these only of file systems on block devices. */
  private static final Set<String> ON_BLOCK_DEVICES =
      Set.of(
          "InodeFileSystem.syncfs",
          "InodeFileSystem.bmap",
          "FuseFileSystem.syncfs",
          "FuseFileSystem.bmap");

  /** Nobody waits for what these answer. */
  private static final Set<String> UNHEARD =
      Set.of(
          "InodeFileSystem.forget", "FileHandle.release", "DirHandle.release", "OpenFile.release");

  @RegisterExtension final Mounts mounts = new Mounts();

  private static Map<String, HostileFileSystem.Misdeed> failures() {
    Map<String, HostileFileSystem.Misdeed> failures = new LinkedHashMap<>();
    failures.put("RuntimeException", (real, arguments) -> thrown(new IllegalStateException("x")));
    failures.put("StackOverflowError", (real, arguments) -> endless(0));
    failures.put("OutOfMemoryError", (real, arguments) -> new long[Integer.MAX_VALUE]);
    failures.put("checked exception", (real, arguments) -> sneak(new Exception("undeclared")));
    failures.put("Error", (real, arguments) -> thrown(new Error("of its own")));
    failures.put("ThreadDeath", (real, arguments) -> thrown(new Dying()));
    failures.put("unprintable", (real, arguments) -> thrown(new Unprintable()));
    failures.put("circular cause", (real, arguments) -> thrown(circular()));
    failures.put("failing after the deed", HostileThrowsTest::doAndFail);
    return failures;
  }

  private static String expected(String method, String failure) {
    if (UNHEARD.contains(method)) {
      return "ok";
    }
    if (method.endsWith(".poll")) {
      // POLLERR, whatever the error is.
      return "EIO";
    }
    return failure.equals("OutOfMemoryError") ? "ENOMEM" : "EIO";
  }

  @Test
  void everyMethodFailsAlone() throws Exception {
    failAlone(
        new HostileRun(mounts), HostileFileSystem.methods(), HostileClient.PROVOCATIONS.keySet());
  }

  @Test
  void everyMethodOfAPathBasedFileSystemFailsAlone() throws Exception {
    failAlone(
        new HostileRun(mounts, true),
        HostileFileSystem.pathMethods(),
        HostileClient.PATH_PROVOCATIONS.keySet());
  }

  private static void failAlone(HostileRun started, List<String> methods, Set<String> provoked)
      throws Exception {
    Set<String> unknown = new TreeSet<>(methods);
    unknown.removeAll(ONCE_PER_MOUNT);
    unknown.removeAll(ON_BLOCK_DEVICES);
    assertEquals(unknown, new TreeSet<>(provoked), "a method without a provocation");

    List<String> wrong = new ArrayList<>();
    try (HostileRun run = started) {
      for (String method : new TreeSet<>(provoked)) {
        failures()
            .forEach(
                (failure, misdeed) -> {
                  String answer = run.provoke(method, failure, misdeed);
                  String expected = expected(method, failure);
                  if (!answer.split(" ")[0].equals(expected)) {
                    wrong.add(method + ", " + failure + ": " + answer + ", not " + expected);
                  }
                });
      }
      run.ends();
    }
    assertTrue(wrong.isEmpty(), () -> String.join("\n", wrong));
  }

  private static Object doAndFail(HostileFileSystem.Real real, Object[] arguments)
      throws Throwable {
    real.call();
    throw new IllegalStateException("too late");
  }

  private static Object thrown(RuntimeException exception) {
    throw exception;
  }

  private static Object thrown(Error error) {
    throw error;
  }

  @SuppressWarnings("unchecked")
  private static <T extends Throwable> Object sneak(Throwable thrown) throws T {
    throw (T) thrown;
  }

  private static int endless(int depth) {
    return endless(depth + 1) + 1;
  }

  private static RuntimeException circular() {
    RuntimeException first = new IllegalStateException("first");
    first.initCause(new IllegalStateException("second", first));
    return first;
  }

  /** As Thread.stop throws it. */
  @SuppressWarnings({"serial", "removal"})
  private static final class Dying extends ThreadDeath {}

  @SuppressWarnings("serial")
  private static final class Unprintable extends RuntimeException {
    @Override
    public String getMessage() {
      throw new IllegalStateException("no message");
    }

    @Override
    public synchronized Throwable getCause() {
      throw new IllegalStateException("no cause");
    }

    @Override
    public StackTraceElement[] getStackTrace() {
      throw new IllegalStateException("no trace");
    }
  }
}
