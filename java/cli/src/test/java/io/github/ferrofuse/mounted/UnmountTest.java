package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FuseMount;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.OpenReply;
import io.github.ferrofuse.Request;
import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
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
import org.junit.jupiter.api.parallel.Isolated;

/** A mount comes off in the ways that it may, leaves nothing behind, and hangs nobody. */
@Tag("mount")
@Isolated("counts threads and descriptors of the process")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class UnmountTest {
  private static final Duration SOON = Duration.ofMillis(300);
  private static final Duration LATE = Duration.ofSeconds(20);

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

  private final Blocking blocking = new Blocking();

  /** A test that failed keeps nobody inside, so that the mount can come off. */
  @AfterEach
  void letReadsGo() {
    blocking.leave.countDown();
  }

  @Test
  void anUnusedMountComesOffCleanly() throws Exception {
    ScriptedFileSystem fs = plain();
    FuseMount mount = mounts.mount(fs);
    assertEquals(ScriptedFileSystem.SIZE, Files.readAllBytes(file(mount)).length);
    assertTrue(Mounts.isMounted(mount.mountPoint()));
    assertEquals(FuseMount.Unmount.CLEAN, mount.unmount(LATE));
    assertFalse(Mounts.isMounted(mount.mountPoint()));
    assertFalse(mount.isAlive());
    assertEquals(0, fs.destroyed.getCount());
    mount.join();
    mount.close();
    mount.close();
    assertEquals(FuseMount.Unmount.CLEAN, mount.unmount(SOON));
  }

  @Test
  void anOpenFileStaysReadableAfterTheDeadline() throws Exception {
    ScriptedFileSystem fs = plain();
    FuseMount mount = mounts.mount(fs);
    try (Shell.Talk reader = Shell.talk(READER, file(mount))) {
      assertEquals("open", reader.hear());
      assertEquals(FuseMount.Unmount.DETACHED, mount.unmount(SOON));
      assertFalse(Mounts.isMounted(mount.mountPoint()));
      assertTrue(mount.isAlive());
      assertEquals("4096", reader.ask("read"));
      assertEquals(1, fs.destroyed.getCount());
      assertTrue(reader.ends(20));
    }
    mount.join();
    assertEquals(0, fs.destroyed.getCount());
  }

  @Test
  void anUmountFromOutsideEndsTheMount() throws Exception {
    ScriptedFileSystem fs = plain();
    FuseMount mount = mounts.mount(fs);
    Shell.unmount(mount.mountPoint());
    mount.join();
    assertEquals(0, fs.destroyed.getCount());
    assertFalse(mount.isAlive());
  }

  @Test
  void twoMountsOfOneProgramLeadTheirOwnLives() throws Exception {
    FuseMount first = mounts.mount(Mounts.memory());
    FuseMount second = mounts.mount(Mounts.memory());
    Files.writeString(file(first), "first");
    Files.writeString(file(second), "second");
    assertEquals("first", Files.readString(file(first)));
    assertEquals(FuseMount.Unmount.CLEAN, first.unmount(LATE));
    assertEquals("second", Files.readString(file(second)));
    Files.writeString(second.mountPoint().resolve("more"), "");
  }

  @Test
  void oneFileSystemCanBeMountedTwice() throws Exception {
    InodeFileSystem fs = plain();
    FuseMount first = mounts.mount(fs);
    FuseMount second = mounts.mount(fs);
    assertEquals(ScriptedFileSystem.SIZE, Files.readAllBytes(file(first)).length);
    assertEquals(ScriptedFileSystem.SIZE, Files.readAllBytes(file(second)).length);
  }

  @Test
  void mountingTwentyTimesLeavesNoThreadsAndNoDescriptors() throws Exception {
    cycle();
    int descriptors = openDescriptors();
    for (int i = 0; i < 20; i++) {
      cycle();
    }
    assertEquals(List.of(), workers());
    assertEquals(descriptors, openDescriptors(), "open descriptors");
  }

  private void cycle() throws Exception {
    FuseMount mount = mounts.mount(plain());
    assertEquals(ScriptedFileSystem.SIZE, Files.readAllBytes(file(mount)).length);
    List<Thread> workers = workers();
    assertFalse(workers.isEmpty());
    assertEquals(FuseMount.Unmount.CLEAN, mount.unmount(LATE));
    for (Thread worker : workers) {
      worker.join(LATE.toMillis());
    }
  }

  @Test
  void aReadInFlightIsAnsweredAfterTheMountWasDetached() throws Exception {
    FuseMount mount = mounts.mount(new ScriptedFileSystem().file("file", blocking::open));
    try (Shell.Talk reader = Shell.talk(READER, file(mount))) {
      assertEquals("open", reader.hear());
      reader.say("read");
      blocking.entered.await();
      assertEquals(FuseMount.Unmount.DETACHED, mount.unmount(SOON));
      blocking.leave.countDown();
      assertEquals("4096", reader.hear());
      assertTrue(reader.ends(20));
    }
    mount.join();
  }

  @Test
  void aReadInFlightGetsAnErrorWhenTheConnectionIsAborted() throws Exception {
    ScriptedFileSystem fs = new ScriptedFileSystem().file("file", blocking::open);
    FuseMount mount = mounts.mount(fs);
    try (Shell.Talk reader = Shell.talk(READER, file(mount))) {
      assertEquals("open", reader.hear());
      reader.say("read");
      blocking.entered.await();
      assumeTrue(Shell.abort(mount.mountPoint()), "fusectl is not mounted: a user can't abort");
      assertEquals("ECONNABORTED", reader.hear());
      assertEquals(1, fs.destroyed.getCount(), "a handler is still running");
      blocking.leave.countDown();
      assertTrue(fs.destroyed.await(20, TimeUnit.SECONDS));
      assertTrue(blocking.released.await(20, TimeUnit.SECONDS));
      assertTrue(reader.ends(20));
    }
    mount.unmount(LATE);
    mount.join();
  }

  @Test
  void unmountingUnderLoadAnswersEverybody() throws Exception {
    for (int round = 0; round < 3; round++) {
      FuseMount mount = mounts.mount(Mounts.memory());
      Files.write(file(mount), new byte[1 << 20]);
      List<Shell.Talk> clients = new ArrayList<>();
      try {
        for (int i = 0; i < 6; i++) {
          clients.add(
              Shell.talk(
                  """
                  import errno, os, sys
                  root = sys.argv[1]
                  print("begun", flush=True)
                  said = set()
                  while True:
                      try:
                          os.listdir(root)
                          fd = os.open(root + "/file", os.O_RDWR)
                          os.pread(fd, 8192, 4096)
                          os.pwrite(fd, b"x", 5)
                          os.close(fd)
                      except OSError as e:
                          # the directory below the mount has no such file
                          print(errno.errorcode[e.errno], flush=True)
                          break
                  """,
                  mount.mountPoint()));
        }
        for (Shell.Talk client : clients) {
          assertEquals("begun", client.hear());
        }
        mount.unmount(SOON);
        for (Shell.Talk client : clients) {
          String last = client.hear();
          assertTrue(Set.of("ENOENT", "ENOTCONN", "ECONNABORTED").contains(last), last);
          assertTrue(client.ends(20));
        }
        mount.join();
      } finally {
        clients.forEach(Shell.Talk::close);
      }
    }
  }

  @Test
  void aHandlerMayUnmountItsOwnMount() throws Exception {
    AtomicReference<FuseMount> own = new AtomicReference<>();
    AtomicReference<FuseMount.Unmount> verdict = new AtomicReference<>();
    ScriptedFileSystem fs =
        new ScriptedFileSystem()
            .file(
                "file",
                (flags, out) -> {
                  verdict.set(own.get().unmount(LATE));
                  return new Zeros();
                });
    own.set(mounts.mount(fs));
    Shell.succeed("cat", file(own.get()).toString());
    assertEquals(FuseMount.Unmount.DETACHED, verdict.get());
    own.get().join();
    assertEquals(0, fs.destroyed.getCount());
  }

  private static ScriptedFileSystem plain() {
    return new ScriptedFileSystem().file("file", (flags, out) -> new Zeros());
  }

  private static Path file(FuseMount mount) {
    return mount.mountPoint().resolve("file");
  }

  private static int openDescriptors() {
    return new File("/proc/self/fd").list().length;
  }

  private static List<Thread> workers() {
    List<Thread> workers = new ArrayList<>();
    String prefix = "ferrofuse-" + MountOptions.defaults().fsname() + "-";
    for (Thread thread : Thread.getAllStackTraces().keySet()) {
      if (thread.getName().startsWith(prefix)) {
        workers.add(thread);
      }
    }
    return workers;
  }

  /** A file of zeros. */
  private static class Zeros implements FileHandle {
    @Override
    public int read(Request request, ByteBuffer dst, long offset) throws IOException {
      int left = (int) Math.min(dst.remaining(), Math.max(0, ScriptedFileSystem.SIZE - offset));
      for (int i = 0; i < left; i++) {
        dst.put((byte) 0);
      }
      return left;
    }
  }

  /** Keeps reads until the test lets them go. */
  private static final class Blocking extends Zeros {
    final CountDownLatch entered = new CountDownLatch(1);
    final CountDownLatch leave = new CountDownLatch(1);
    final CountDownLatch released = new CountDownLatch(1);

    FileHandle open(int flags, OpenReply out) {
      out.directIo();
      return this;
    }

    @Override
    public int read(Request request, ByteBuffer dst, long offset) throws IOException {
      entered.countDown();
      try {
        leave.await();
      } catch (InterruptedException e) {
        throw new IOException(e);
      }
      return super.read(request, dst, offset);
    }

    @Override
    public void release(Request request) {
      released.countDown();
    }
  }
}
