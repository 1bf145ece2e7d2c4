package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.DirSink;
import io.github.ferrofuse.EntrySink;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.Fuse;
import io.github.ferrofuse.FuseMount;
import io.github.ferrofuse.FuseMount.Unmount;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.Request;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** Handlers that keep what is not theirs, turn on their own mount, or never come back. */
@Tag("mount")
@Tag("once")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class HostileUseTest {
  private static final Duration DEADLINE = Duration.ofSeconds(10);

  @RegisterExtension final Mounts mounts = new Mounts();

  @TempDir Path directory;

  @Test
  void whatIsKeptAndUsedByAnotherThreadHarmsNoMemoryAndStopsWithIt() throws Exception {
    keepAndAbuse(new HostileRun(mounts), HostileClient.PROVOCATIONS.keySet());
  }

  @Test
  void whatAPathBasedFileSystemKeepsHarmsNoMemoryEither() throws Exception {
    keepAndAbuse(new HostileRun(mounts, true), HostileClient.PATH_PROVOCATIONS.keySet());
  }

  private void keepAndAbuse(HostileRun started, Set<String> methods) throws Exception {
    Queue<Object> kept = new ConcurrentLinkedQueue<>();
    try (HostileRun run = started) {
      for (String method : methods) {
        run.provoke(
            method,
            "keeps its arguments",
            (real, arguments) -> {
              for (Object argument : arguments == null ? new Object[0] : arguments) {
                kept.add(argument);
              }
              return real.call();
            });
      }
      assertTrue(kept.size() > 60, () -> kept.size() + " arguments");
      CountDownLatch used = new CountDownLatch(100);
      Thread abuser =
          new Thread(
              () -> {
                while (!Thread.currentThread().isInterrupted()) {
                  kept.forEach(HostileUseTest::abuse);
                  used.countDown();
                }
              });
      abuser.start();
      int answered = 0;
      while (used.getCount() > 0 || answered < 200) {
        // Whoever is served meanwhile may get nonsense, but is served.
        String python = "os.listdir(root) and os.pread(os.open(p('file'), 0), 99, 0)";
        assertFalse(run.client().ask(python).isEmpty());
        answered++;
      }
      abuser.interrupt();
      abuser.join();
      HostileRun.write("all", "kept arguments used meanwhile", "answered; the JVM lives");
      assertTrue(run.client().ends());
      assertNotEquals(Unmount.ABORTED, run.mount().unmount(DEADLINE));
    }
    assertServes(mounts.mount(Mounts.memory()));
  }

  /** Uses an argument in every way that could do harm. */
  private static void abuse(Object argument) {
    try {
      if (argument instanceof ByteBuffer) {
        ByteBuffer buffer = (ByteBuffer) argument;
        buffer.clear().position(buffer.capacity() / 2);
        for (int i = 0; i < buffer.capacity(); i += 4096) {
          buffer.put(i, (byte) i);
        }
      } else if (argument instanceof EntrySink) {
        ((EntrySink) argument).node(1).generation(-1).attr().mode(-1).nlink(-1);
      } else if (argument instanceof AttrSink) {
        ((AttrSink) argument).mode(-1).size(-1).ino(-1).nlink(-1);
      } else if (argument instanceof DirSink) {
        ((DirSink) argument).add(Name.of("x".repeat(1000)), 7, FileType.SOCKET, 1);
      } else if (argument instanceof Request) {
        ((Request) argument).copy();
      } else if (argument instanceof Name) {
        ((Name) argument).copy();
      }
    } catch (RuntimeException e) {
      // Being told off is as good.
    }
  }

  private static void assertServes(FuseMount mount) throws Exception {
    String file = mount.mountPoint().resolve("afterwards").toString();
    Shell.succeed("sh", "-c", "echo fine > " + file + " && grep -q fine " + file);
  }

  @Test
  void aHandlerMayUnmountItsOwnMountAndIsToldNotToWaitForIt() throws Exception {
    Unmount[] verdict = new Unmount[1];
    try (HostileRun run = new HostileRun(mounts)) {
      String joined =
          run.provoke(
              "InodeFileSystem.statfs",
              "FuseMount.join in a handler",
              (real, arguments) -> {
                run.mount().join();
                return real.call();
              });
      assertEquals("EIO", joined);
      String closed =
          run.provokeLast(
              "InodeFileSystem.statfs",
              "FuseMount.unmount and close in a handler",
              (real, arguments) -> {
                verdict[0] = run.mount().unmount(DEADLINE);
                run.mount().close();
                return real.call();
              });
      assertTrue(closed.startsWith("ok"), closed);
      assertEquals(Unmount.DETACHED, verdict[0], "left to another thread");
      assertTrue(run.client().ends());
      run.mount().join();
      assertFalse(Mounts.isMounted(run.mount().mountPoint()));
    }
  }

  @Test
  void aHandlerMayMountAndUnmountAnotherFileSystem() throws Exception {
    try (HostileRun run = new HostileRun(mounts)) {
      String answer =
          run.provoke(
              "InodeFileSystem.getattr",
              "mounts another file system",
              (real, arguments) -> {
                run.hostile().disarmOnce();
                FuseMount inner = Fuse.mount(Mounts.memory(), directory, MountOptions.defaults());
                assertServes(inner);
                assertEquals(Unmount.CLEAN, inner.unmount(DEADLINE));
                return real.call();
              });
      assertTrue(answer.startsWith("ok"), answer);
      run.ends();
    }
  }

  @Test
  void aHandlerThatNeverComesBackIsLeftBehindAtTheDeadline() throws Exception {
    CountDownLatch leave = new CountDownLatch(1);
    ScriptedFileSystem fs =
        new ScriptedFileSystem()
            .file(
                "endless",
                (flags, out) -> {
                  while (true) {
                    try {
                      leave.await();
                      return null;
                    } catch (InterruptedException e) {
                      // Not interested.
                    }
                  }
                });
    FuseMount mount = mounts.mount(fs);
    Process reader =
        new ProcessBuilder("cat", mount.mountPoint().resolve("endless").toString()).start();
    try {
      long end = System.nanoTime() + DEADLINE.toNanos();
      while (fs.lookups.get() == 0) {
        assertTrue(System.nanoTime() < end, "nobody looked it up");
        Thread.onSpinWait();
      }
      long began = System.nanoTime();
      Unmount verdict = mount.unmount(Duration.ofSeconds(1));
      long took = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began);
      assertNotEquals(Unmount.CLEAN, verdict);
      assertTrue(took < 5000, took + " ms");
      assertFalse(Mounts.isMounted(mount.mountPoint()));
      HostileRun.write("InodeFileSystem.open", "never returns", "unmount(1 s) answers " + verdict);
    } finally {
      leave.countDown();
      assertTrue(reader.waitFor(20, TimeUnit.SECONDS));
    }
    mount.join();
  }

  @Test
  void anEndlessListingEndsWithItsReader() throws Exception {
    try (HostileRun run = new HostileRun(mounts)) {
      run.hostile()
          .arm(
              "DirHandle.read",
              (real, arguments) -> {
                DirSink out = (DirSink) arguments[2];
                long cookie = (long) arguments[1];
                do {
                  cookie++;
                } while (out.add(Name.of("entry-" + cookie), 5, FileType.REGULAR, cookie));
                return null;
              });
      Process list =
          new ProcessBuilder("ls", "-f", run.mount().mountPoint().toString())
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start();
      long end = System.nanoTime() + DEADLINE.toNanos();
      while (run.hostile().committed() < 50) {
        assertTrue(System.nanoTime() < end, "only " + run.hostile().committed() + " reads");
        Thread.onSpinWait();
      }
      list.destroyForcibly().waitFor();
      run.hostile().disarm();
      HostileRun.write("DirHandle.read", "a listing without end", "read until ls was killed");
      run.ends();
    }
  }

  @Test
  void tenThousandFailuresAreAFewLines() throws Exception {
    PrintStream before = System.err;
    ByteArrayOutputStream lines = new ByteArrayOutputStream();
    int warnings;
    try (HostileRun run = new HostileRun(mounts)) {
      System.setErr(new PrintStream(lines, true, StandardCharsets.UTF_8));
      run.hostile()
          .arm(
              "InodeFileSystem.statfs",
              (real, arguments) -> {
                throw new ArithmeticException("ten thousand times");
              });
      run.client().must("statfs_fails(10000)");
      assertTrue(run.hostile().disarm() >= 10_000);
      System.setErr(before);
      String text = lines.toString(StandardCharsets.UTF_8);
      warnings = (int) text.lines().filter(line -> line.contains("STATFS of")).count();
      assertTrue(warnings >= 1 && warnings <= 5, text);
      HostileRun.write("InodeFileSystem.statfs", "fails 10,000 times", warnings + " log lines");
      run.ends();
    } finally {
      System.setErr(before);
    }
  }
}
