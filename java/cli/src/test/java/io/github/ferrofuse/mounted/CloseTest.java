package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FuseMount;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.OpenReply;
import io.github.ferrofuse.Operation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What close(2) and fsync(2) answer, and what comes before the last call of a handle. */
@Tag("mount")
@Tag("once")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class CloseTest {
  private static final int LATE_SECONDS = 20;

  @RegisterExtension final Mounts mounts = new Mounts();
  @TempDir Path temp;

  private final ChangingFileSystem fs = new ChangingFileSystem();
  private final CountDownLatch inside = new CountDownLatch(1);
  private final CountDownLatch leave = new CountDownLatch(1);
  private Client client;

  @BeforeEach
  void file() {
    fs.put("file", "0123456789").put("page", "a".repeat(4096));
  }

  @AfterEach
  void end() {
    leave.countDown();
    if (client != null) {
      client.close();
    }
  }

  private FuseMount mount(MountOptions.Builder options) throws IOException {
    FuseMount mount = mounts.mount(fs, options.build());
    client = Client.in(mount.mountPoint());
    return mount;
  }

  private void mount() throws IOException {
    mount(MountOptions.builder());
  }

  /** From now on a method of the handles throws. */
  private void fail(String method, Errno errno) {
    fs.hooks =
        (what, offset) -> {
          if (what.equals(method)) {
            throw errno.exception();
          }
        };
  }

  /** From now on a method of the handles stays inside until the test lets it leave. */
  private void hold(String method) {
    fs.hooks =
        (what, offset) -> {
          if (what.equals(method)) {
            inside.countDown();
            try {
              leave.await();
            } catch (InterruptedException e) {
              throw new IOException(e);
            }
          }
        };
  }

  private void await(String call) throws InterruptedException {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(LATE_SECONDS);
    while (!fs.calls.contains(call)) {
      assertTrue(System.nanoTime() < end, () -> call + " does not come: " + fs.calls);
      Thread.sleep(1);
    }
  }

  // ---- flush ----

  @ParameterizedTest
  @EnumSource(names = {"EIO", "ENOSPC", "EDQUOT"})
  void closeAnswersWhatFlushThrew(Errno errno) throws Exception {
    mount();
    client.ask("fd = rw('file')");
    fail("flush", errno);
    assertEquals(errno.name(), client.ask("os.close(fd)"));
    await("release");
  }

  @Test
  void eachCloseOfADuplicateIsAFlushWithItsOwnVerdict() throws Exception {
    mount();
    client.ask("fd = rw('file')");
    client.ask("other = os.dup(fd)");
    fail("flush", Errno.ENOSPC);
    assertEquals("ENOSPC", client.ask("os.close(other)"));
    fs.hooks = (what, offset) -> {};
    assertEquals("None", client.ask("os.close(fd)"));
    assertEquals(2, fs.asked("flush"));
    await("release");
    assertEquals(1, fs.asked("release"));
  }

  @Test
  void theEndOfAProcessFlushesWhatItHadOpen() throws Exception {
    mount();
    client.ask("fd = rw('file')");
    client.ask("os.pwrite(fd, b'abc', 0)");
    client.say("os._exit(0)");
    assertTrue(client.ends());
    await("release");
    assertEquals("abc3456789", fs.content("file"));
    assertTrue(fs.calls.indexOf("flush") < fs.calls.indexOf("release"), fs.calls::toString);
  }

  @Test
  void closeReturnsWhenFlushHas() throws Exception {
    mount();
    client.ask("fd = rw('file')");
    hold("flush");
    Path mark = temp.resolve("mark");
    client.say("[os.close(fd), os.path.exists('" + mark + "')]");
    assertTrue(inside.await(LATE_SECONDS, TimeUnit.SECONDS));
    assertEquals(0, fs.asked("release"));
    Files.createFile(mark);
    leave.countDown();
    assertEquals("[None, True]", client.hear());
    await("release");
  }

  @Test
  void aHandleWithoutFlushIsClosedWithoutARequest() throws Exception {
    ScriptedFileSystem plain = new ScriptedFileSystem().file("f", (flags, out) -> new NoFlush());
    FuseMount mount = mounts.mount(plain, MountOptions.builder().metrics(true).build());
    client = Client.in(mount.mountPoint());
    assertEquals("None", client.ask("os.close(rw('f'))"));
    while (mount.metrics().of(Operation.RELEASE).count() == 0) {
      Thread.sleep(1);
    }
    assertEquals(0, mount.metrics().of(Operation.FLUSH).count());
  }

  private static final class NoFlush implements FileHandle {}

  @Test
  void anOpenThatNeedsNoFlushIsClosedWithoutOne() throws Exception {
    fs.opening = OpenReply::noFlush;
    mount();
    client.ask("os.close(rw('file'))");
    await("release");
    assertEquals(0, fs.asked("flush"));
  }

  @Test
  void whatReleaseThrowsNobodyHears() throws Exception {
    mount();
    client.ask("fd = rw('file')");
    fail("release", Errno.EIO);
    assertEquals("None", client.ask("os.close(fd)"));
    await("release");
    assertEquals("0123456789", client.ask("content('file')"));
  }

  // ---- fsync ----

  @Test
  void fsyncAnswersWhatTheHandleThrewAndAFailedFlushIsNotItsBusiness() throws Exception {
    mount();
    client.ask("fd = rw('file')");
    client.ask("other = os.dup(fd)");
    fail("flush", Errno.ENOSPC);
    assertEquals("ENOSPC", client.ask("os.close(other)"));
    assertEquals("None", client.ask("os.fsync(fd)"));
    fail("fsync", Errno.EIO);
    assertEquals("EIO", client.ask("os.fsync(fd)"));
    assertEquals("EIO", client.ask("os.fdatasync(fd)"), "each time it throws");
  }

  // ---- release ----

  @Test
  void releaseIsTheLastCallThoughTheHandleIsClosedDuringARead() throws Exception {
    fs.opening = OpenReply::directIo;
    mount();
    client.ask("fd = rw('file')");
    hold("read");
    client.ask("late(os.pread, fd, 10, 0)");
    assertTrue(inside.await(LATE_SECONDS, TimeUnit.SECONDS));
    assertEquals("None", client.ask("os.close(fd)"), "close does not wait for the read");
    assertEquals(1, fs.asked("flush"));
    assertEquals(0, fs.asked("release"));
    leave.countDown();
    await("release");
    assertEquals("release", fs.calls.get(fs.calls.size() - 1));
  }

  @Test
  void aKilledReaderDoesNotHaveItsHandleReleasedUnderTheRead() throws Exception {
    mount();
    client.ask("fd = rw('page')");
    hold("read");
    client.say("os.pread(fd, 10, 0)");
    assertTrue(inside.await(LATE_SECONDS, TimeUnit.SECONDS));
    client.close();
    assertEquals(0, fs.asked("release"));
    leave.countDown();
    await("release");
    assertEquals("release", fs.calls.get(fs.calls.size() - 1));
  }

  // ---- mappings ----

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void whatWasStoredInAMappingOutlivesCloseMunmapAndTheProcess(boolean writeback) throws Exception {
    mount(MountOptions.builder().writebackCache(writeback));
    client.ask("fd = rw('page')");
    client.ask("m = shared(fd, 4096)");
    client.ask("os.close(fd)");
    client.ask("m[:3] = b'one'");
    client.ask("m.close()");
    await("release");
    assertEquals("onea", fs.content("page").substring(0, 4), "munmap");

    client.ask("fd = rw('page')");
    client.ask("m = shared(fd, 4096)");
    client.ask("m[:3] = b'two'");
    client.say("os._exit(0)");
    assertTrue(client.ends());
    assertEquals("twoa", fs.content("page").substring(0, 4), "exit");
  }
}
