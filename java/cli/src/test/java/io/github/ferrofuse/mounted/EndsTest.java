package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;
import static org.junit.jupiter.api.parallel.ExecutionMode.CONCURRENT;

import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.Fuse;
import io.github.ferrofuse.FuseMount;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.OpenReply;
import io.github.ferrofuse.Request;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Ends that nobody wishes for: hung handlers, force, and mount points that vanish. */
@Tag("mount")
@ResourceLock("beside the others") // one test at a time
@Execution(CONCURRENT) // takes long, and leaves the processors to others
@Tag("once")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class EndsTest {
  private static final Duration SOON = Duration.ofMillis(300);
  private static final Duration LATE = Duration.ofSeconds(20);

  /** What applications see of a connection that is no more. */
  private static final Set<String> CUT = Set.of("ECONNABORTED", "ENOTCONN");

  /** Opens a file and answers every line with the result of reading from it. */
  private static final String READER =
      """
      import errno, os, sys
      fd = os.open(sys.argv[1], os.O_RDONLY)
      print("open", flush=True)
      for line in sys.stdin:
          try:
              print(len(os.pread(fd, 4096, 0)), flush=True)
          except OSError as e:
              print(errno.errorcode[e.errno], flush=True)
      """;

  @RegisterExtension final Mounts mounts = new Mounts();

  @TempDir Path temp;

  private final CountDownLatch entered = new CountDownLatch(1);
  private final CountDownLatch leave = new CountDownLatch(1);

  @AfterEach
  void letReadsGo() {
    leave.countDown();
  }

  /** A file whose reads go on as long as the test wants, whatever happens. */
  private ScriptedFileSystem hanging() {
    return new ScriptedFileSystem().file("file", (flags, out) -> opened(out));
  }

  private FileHandle opened(OpenReply out) {
    out.directIo();
    return new FileHandle() {
      @Override
      public int read(Request request, ByteBuffer dst, long offset) {
        entered.countDown();
        while (leave.getCount() > 0) {
          try {
            leave.await();
          } catch (InterruptedException e) {
            // It takes no hint.
          }
        }
        dst.position(dst.limit());
        return dst.limit();
      }
    };
  }

  private Shell.Talk readerInside(FuseMount mount) throws Exception {
    Shell.Talk reader = Shell.talk(READER, file(mount));
    assertEquals("open", reader.hear());
    reader.say("read");
    entered.await();
    return reader;
  }

  private static Path file(FuseMount mount) {
    return mount.mountPoint().resolve("file");
  }

  private static void awaitNotMounted(Path point) throws IOException, InterruptedException {
    while (Mounts.isMounted(point)) {
      Thread.sleep(1);
    }
  }

  private static long millisSince(long start) {
    return (System.nanoTime() - start) / 1_000_000;
  }

  @Test
  void anAbortFreesWhoeverWaitsThoughTheHandlerHangs() throws Exception {
    ScriptedFileSystem fs = hanging();
    FuseMount mount = mounts.mount(fs);
    try (Shell.Talk reader = readerInside(mount)) {
      mount.abort();
      assertEquals("ECONNABORTED", reader.hear());
      assertFalse(Mounts.isMounted(mount.mountPoint()));
      assertEquals("ENOTCONN", reader.ask("read"));
      assertTrue(mount.isAlive(), "the handler is still inside");
      assertEquals(1, fs.destroyed.getCount());
      assertEquals(FuseMount.Unmount.ABORTED, mount.unmount(LATE));
      mount.abort();
      leave.countDown();
      mount.join();
      assertEquals(0, fs.destroyed.getCount());
      assertTrue(reader.ends(20));
    }
    mount.abort();
    assertEquals(FuseMount.Unmount.CLEAN, mount.unmount(LATE));
  }

  @ParameterizedTest
  @ValueSource(strings = {"auto_unmount", "clone_fd", "threads=1"})
  void anAbortWorksHoweverItIsMounted(String option) throws Exception {
    MountOptions options = MountOptions.builder().parse(List.of(option)).options();
    FuseMount mount = mounts.mount(hanging(), options);
    try (Shell.Talk reader = readerInside(mount)) {
      mount.abort();
      assertEquals("ECONNABORTED", reader.hear());
      assertFalse(Mounts.isMounted(mount.mountPoint()));
      leave.countDown();
      mount.join();
      assertTrue(reader.ends(20));
    }
  }

  @Test
  void anUnmountInProgressEndsWithAnAbort() throws Exception {
    FuseMount mount = mounts.mount(hanging());
    try (Shell.Talk reader = readerInside(mount)) {
      AtomicReference<Object> verdict = new AtomicReference<>();
      CountDownLatch begun = new CountDownLatch(1);
      Thread unmounting =
          new Thread(
              () -> {
                begun.countDown();
                try {
                  verdict.set(mount.unmount(LATE));
                } catch (IOException e) {
                  verdict.set(e);
                }
              });
      unmounting.start();
      begun.await();
      long start = System.nanoTime();
      mount.abort();
      unmounting.join();
      assertEquals(FuseMount.Unmount.ABORTED, verdict.get());
      assertTrue(millisSince(start) < 10_000, "not at its deadline");
      assertEquals("ECONNABORTED", reader.hear());
    }
  }

  @Test
  void aHandlerMayAbortItsOwnMount() throws Exception {
    AtomicReference<FuseMount> own = new AtomicReference<>();
    ScriptedFileSystem fs =
        new ScriptedFileSystem()
            .file(
                "file",
                (flags, out) -> {
                  own.get().abort();
                  return opened(out);
                });
    own.set(mounts.mount(fs));
    assertFalse(0 == Shell.run("cat", file(own.get()).toString()).exit());
    own.get().join();
    assertEquals(0, fs.destroyed.getCount());
    assertFalse(Mounts.isMounted(own.get().mountPoint()));
  }

  @Test
  void aHandlerThatNeverReturnsDoesNotHoldUpAnUnmount() throws Exception {
    ScriptedFileSystem fs = hanging();
    FuseMount mount = mounts.mount(fs);
    try (Shell.Talk reader = readerInside(mount)) {
      long start = System.nanoTime();
      assertEquals(FuseMount.Unmount.DETACHED, mount.unmount(SOON));
      mount.close();
      long millis = millisSince(start);
      assertTrue(millis < 5_000, millis + " ms");
      assertFalse(Mounts.isMounted(mount.mountPoint()));
      assertTrue(mount.isAlive());
      mount.abort();
      assertEquals("ECONNABORTED", reader.hear());
      assertEquals(FuseMount.Unmount.ABORTED, mount.unmount(SOON));
    }
  }

  @Test
  void whoeverIsKilledInAHungHandlerIsFreedByTheUnmountsAbort() throws Exception {
    FuseMount mount = mounts.mount(hanging());
    try (Shell.Talk reader = readerInside(mount)) {
      reader.signal("KILL");
      assertEquals(FuseMount.Unmount.DETACHED, mount.unmount(SOON));
      mount.abort();
      assertTrue(reader.isGone(20));
    }
  }

  @Test
  @Tag("root")
  void aMountThatIsForcedFromOutsideLeavesTheTreeThoughTheHandlerHangs() throws Exception {
    FuseMount mount = mounts.mount(hanging());
    try (Shell.Talk reader = readerInside(mount)) {
      Shell.run("umount", "-f", mount.mountPoint().toString());
      assertEquals("ECONNABORTED", reader.hear());
      awaitNotMounted(mount.mountPoint());
      assertEquals(FuseMount.Unmount.ABORTED, mount.unmount(LATE));
      assertTrue(mount.isAlive());
      leave.countDown();
      mount.join();
    }
  }

  @Test
  void aMountThatIsDetachedFromOutsideServesItsUsersToTheEnd() throws Exception {
    leave.countDown();
    ScriptedFileSystem fs = hanging();
    FuseMount mount = mounts.mount(fs);
    try (Shell.Talk reader = readerInside(mount)) {
      assertEquals("4096", reader.hear());
      Shell.succeed("umount", "-l", mount.mountPoint().toString());
      assertEquals("4096", reader.ask("read"));
      assertEquals(FuseMount.Unmount.CLEAN, mount.unmount(SOON));
      assertTrue(reader.ends(20));
    }
    mount.join();
    assertEquals(0, fs.destroyed.getCount());
  }

  private static final String REMOVE_ELSEWHERE =
      "mount --make-rprivate / && umount -l \"$0\" && rmdir \"$0\"";

  @Test
  @Tag("root")
  void aMountWhosePointWasRemovedElsewhereHasEnded() throws Exception {
    Path point = Files.createDirectory(temp.resolve("point"));
    FuseMount mount = Fuse.mount(hanging(), point, MountOptions.defaults());
    Shell.succeed("unshare", "-m", "sh", "-c", REMOVE_ELSEWHERE, point.toString());
    assertFalse(Files.exists(point));
    mount.join();
    assertEquals(FuseMount.Unmount.CLEAN, mount.unmount(LATE));
    mount.abort();
  }

  @Test
  @Tag("root")
  void aBusyMountWhosePointWasRemovedElsewhereCanBeAborted() throws Exception {
    Path point = Files.createDirectory(temp.resolve("point"));
    FuseMount mount = Fuse.mount(hanging(), point, MountOptions.defaults());
    try (Shell.Talk reader = readerInside(mount)) {
      Shell.succeed("unshare", "-m", "sh", "-c", REMOVE_ELSEWHERE, point.toString());
      assertEquals(FuseMount.Unmount.CLEAN, mount.unmount(SOON), "nothing is in the tree");
      assertTrue(mount.isAlive());
      mount.abort();
      assertEquals("ECONNABORTED", reader.hear());
      leave.countDown();
      mount.join();
    }
  }

  @Test
  @Tag("root")
  void aMountWhoseUnderlyingFileSystemIsTakenAwayHasEnded() throws Exception {
    Path below = Files.createDirectory(temp.resolve("below"));
    Shell.succeed("mount", "-t", "tmpfs", "none", below.toString());
    Path point = Files.createDirectory(below.resolve("point"));
    FuseMount mount = Fuse.mount(hanging(), point, MountOptions.defaults());
    Shell.succeed("umount", "-l", below.toString());
    mount.join();
    assertEquals(FuseMount.Unmount.CLEAN, mount.unmount(LATE));
  }

  @Test
  void aMountIsFoundWhereADirectoryAboveItWasRenamed() throws Exception {
    Path above = Files.createDirectory(temp.resolve("above"));
    Path point = Files.createDirectory(above.resolve("point"));
    FuseMount mount = Fuse.mount(hanging(), point, MountOptions.defaults());
    Path renamed = Files.move(above, temp.resolve("renamed")).resolve("point");
    assertTrue(Mounts.isMounted(renamed));
    try (Shell.Talk reader = Shell.talk(READER, renamed.resolve("file"))) {
      assertEquals("open", reader.hear());
      mount.abort();
      assertFalse(Mounts.isMounted(renamed));
    }
    mount.join();
  }

  private static final String JAVA = System.getProperty("java.home") + "/bin/java";
  private static final String CLASS_PATH = System.getProperty("java.class.path");

  /** {@link HangingProgram} on a directory. */
  private static Shell.Talk program(Path point, String... more) throws IOException {
    List<String> command = new ArrayList<>();
    command.addAll(List.of(JAVA, "-cp", CLASS_PATH, HangingProgram.class.getName()));
    command.add(point.toString());
    command.addAll(List.of(more));
    Shell.Talk program = Shell.start(command.toArray(new String[0]));
    assertEquals("mounted", program.hear());
    return program;
  }

  @ParameterizedTest
  @ValueSource(strings = {"exit", "TERM", "INT"})
  void aProgramEndsThoughAHandlerHangsAndItsMountIsGone(String how) throws Exception {
    Path point = Files.createDirectory(temp.resolve("point"));
    try (Shell.Talk program = program(point);
        Shell.Talk reader = readerInside(program, point)) {
      if (how.equals("exit")) {
        program.say("exit");
      } else {
        program.signal(how);
      }
      assertTrue(CUT.contains(reader.hear()));
      assertTrue(program.isGone(20));
      assertFalse(Mounts.isMounted(point));
      assertTrue(reader.ends(20));
    } finally {
      Shell.run("umount", "-l", point.toString());
    }
  }

  @Test
  void aProgramThatHangsInItsOwnMountEnds() throws Exception {
    Path point = Files.createDirectory(temp.resolve("point"));
    try (Shell.Talk program = program(point, "own")) {
      assertEquals("inside", program.hear());
      program.say("exit");
      assertTrue(program.isGone(20));
      assertFalse(Mounts.isMounted(point));
    } finally {
      Shell.run("umount", "-l", point.toString());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"TERM", "INT"})
  void theCommandLineEndsThoughAHandlerHangs(String signal) throws Exception {
    Path point = Files.createDirectory(temp.resolve("point"));
    String jar = System.getProperty("ferrofuse.jar");
    String classes = EndsTest.class.getProtectionDomain().getCodeSource().getLocation().getPath();
    String name = HangingFileSystem.class.getName();
    try (Shell.Talk program =
        Shell.start(JAVA, "-jar", jar, "mount", "--class-path", classes, name, point.toString())) {
      while (!program.hear().startsWith("end it:")) {
        // It says how to use the mount.
      }
      try (Shell.Talk reader = readerInside(program, point)) {
        program.signal(signal);
        assertTrue(CUT.contains(reader.hear()));
        assertTrue(program.isGone(20));
        assertFalse(Mounts.isMounted(point));
      }
    } finally {
      Shell.run("umount", "-l", point.toString());
    }
  }

  @Test
  void theMountOfAKilledProgramIsReplacedByTheNext() throws Exception {
    Path point = Files.createDirectory(temp.resolve("point"));
    try (Shell.Talk program = program(point);
        Shell.Talk reader = readerInside(program, point)) {
      program.signal("KILL");
      assertEquals("ECONNABORTED", reader.hear());
      assertTrue(program.isGone(20));
      assertEquals("ENOTCONN", reader.ask("read"));
      // It is in the tree, and can't be examined.
      assertTrue(Mounts.isMounted(point));
      FileSystemException dead =
          assertThrows(FileSystemException.class, () -> Files.getLastModifiedTime(point));
      assertTrue(dead.getMessage().contains("not connected"), dead.getMessage());
      leave.countDown();
      try (FuseMount next = Fuse.mount(hanging(), point, MountOptions.defaults())) {
        Shell.succeed("head", "-c", "1", file(next).toString());
      }
      assertFalse(Mounts.isMounted(point));
      assertTrue(reader.ends(20));
    } finally {
      Shell.run("umount", "-l", point.toString());
    }
  }

  private static Shell.Talk readerInside(Shell.Talk program, Path point) throws Exception {
    Shell.Talk reader = Shell.talk(READER, point.resolve("file"));
    assertEquals("open", reader.hear());
    reader.say("read");
    assertEquals("inside", program.hear());
    return reader;
  }

  @Test
  void aClientThatIsFreedByAnAbortCanMountAgainAtOnce() throws Exception {
    FuseMount mount = mounts.mount(hanging());
    try (Shell.Talk reader = readerInside(mount)) {
      mount.abort();
      try (FuseMount next =
          Fuse.mount(Mounts.memory(), mount.mountPoint(), MountOptions.defaults())) {
        Files.writeString(file(next), "next");
        leave.countDown();
        assertTrue(entered.await(0, TimeUnit.SECONDS));
        mount.join();
        assertEquals("next", Files.readString(file(next)), "the first one's end is not this one's");
      }
      assertEquals("ECONNABORTED", reader.hear());
    }
  }
}
