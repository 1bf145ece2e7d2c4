package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.MountOptions;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Writes that the kernel gathers: when they arrive, in which form, and who hears of errors. */
@Tag("mount")
@Tag("once")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class WritebackTest {
  @RegisterExtension final Mounts mounts = new Mounts();

  private final ChangingFileSystem fs = new ChangingFileSystem();
  private Client client;

  @BeforeEach
  void mount() throws IOException {
    fs.put("file", "0123456789").put("page", "a".repeat(8192));
    MountOptions options =
        MountOptions.builder().writebackCache(true).attrTimeout(Duration.ZERO).build();
    client = Client.in(mounts.mount(fs, options).mountPoint());
  }

  @AfterEach
  void end() {
    client.close();
  }

  private List<String> calls(String what) {
    return fs.calls.stream().filter(call -> call.startsWith(what)).collect(Collectors.toList());
  }

  private void failWrites(Errno errno) {
    fs.hooks =
        (what, offset) -> {
          if (what.equals("write")) {
            ChangingFileSystem.fail(errno);
          }
        };
  }

  @Test
  void writesAreGatheredUntilFsyncWhichComesBehindThem() throws Exception {
    client.ask("fd = rw('page')");
    for (int i = 0; i < 100; i++) {
      client.ask("os.pwrite(fd, b'b', " + i + ")");
    }
    assertEquals(List.of(), calls("write"));
    assertEquals("None", client.ask("os.fsync(fd)"));
    assertEquals(List.of("write 0 4096"), calls("write"));
    assertEquals("b".repeat(100) + "a", fs.content("page").substring(0, 101));
    assertTrue(fs.calls.indexOf("write 0 4096") < fs.calls.indexOf("fsync"), fs.calls::toString);
  }

  @Test
  void closeSendsWhatWasGatheredBeforeFlush() throws Exception {
    client.ask("fd = rw('file')");
    client.ask("os.pwrite(fd, b'abc', 0)");
    assertEquals("None", client.ask("os.close(fd)"));
    assertEquals("abc3456789", fs.content("file"));
    int write = fs.calls.indexOf("write 0 10");
    assertTrue(0 <= write && write < fs.calls.indexOf("flush"), fs.calls::toString);
  }

  @Test
  void sizeAndMtimeAreTheKernelsOwn() throws Exception {
    client.ask("fd = rw('file')");
    client.ask("os.pwrite(fd, b'x', 19)");
    assertEquals("20", client.ask("size('file')"));
    String mtime = client.ask("os.stat(p('file')).st_mtime");
    assertTrue(Double.parseDouble(mtime) > 1_000_000, "the time of the write, not " + mtime);
    assertEquals("0123456789", fs.content("file"), "nothing has been written");
    client.ask("os.fsync(fd)");
    assertEquals(20, fs.content("file").length());
    client.ask("os.close(fd)");
    assertTrue(fs.mtime("file") > 1_000_000, "the kernel tells its mtime, as late as at close");
  }

  @Test
  void aSizeThatChangesElsewhereIsNotSeenWhileTheKernelKnowsTheFile() throws Exception {
    assertEquals("10", client.ask("size('file')"));
    fs.change("file", "longer than it was");
    for (int i = 0; i < 100; i++) {
      assertEquals("10", client.ask("size('file')"));
    }
    assertEquals("longer tha", client.ask("content('file')"), "opened anew, it is read anew");
  }

  @Test
  void aWriteToAPartOfAPageReadsThePageFirst() throws Exception {
    client.ask("fd = os.open(p('page'), os.O_WRONLY)");
    client.ask("os.pwrite(fd, b'b', 5000)");
    assertEquals(1, fs.asked("read"), "though the file is open for writing only");
    client.ask("os.pwrite(fd, b'c' * 4096, 0)");
    assertEquals(1, fs.asked("read"), "a whole page needs none");
    client.ask("os.close(fd)");
    String content = fs.content("page");
    assertEquals("c".repeat(4096) + "a".repeat(904) + "b" + "a".repeat(3191), content);
  }

  @Test
  void appendedDataComesToTheEndThatTheKernelKnows() throws Exception {
    client.ask("one = rw('file', os.O_APPEND)");
    client.ask("two = os.open(p('file'), os.O_WRONLY | os.O_APPEND)");
    client.ask("os.write(one, b'A')");
    client.ask("os.write(two, b'B')");
    client.ask("os.write(one, b'C')");
    assertEquals("13", client.ask("size('file')"));
    client.ask("os.close(one)");
    client.ask("os.close(two)");
    assertEquals("0123456789ABC", fs.content("file"));
  }

  @Test
  void whatWasTruncatedDoesNotComeBack() throws Exception {
    client.ask("fd = rw('page')");
    client.ask("os.pwrite(fd, b'b' * 8192, 0)");
    client.ask("os.ftruncate(fd, 10)");
    assertEquals("10", client.ask("size('page')"));
    client.ask("os.ftruncate(fd, 20)");
    client.ask("os.close(fd)");
    assertEquals("b".repeat(10) + "\0".repeat(10), fs.content("page"));
    assertEquals("20", client.ask("len(content('page'))"));
  }

  @Test
  void truncatingByOpenForgetsWhatWasGathered() throws Exception {
    client.ask("fd = rw('page')");
    client.ask("os.pwrite(fd, b'b' * 8192, 0)");
    client.ask("other = rw('page', os.O_TRUNC)");
    assertEquals("0", client.ask("size('page')"));
    client.ask("os.pwrite(other, b'new', 0)");
    client.ask("os.close(fd)");
    client.ask("os.close(other)");
    assertEquals("new", fs.content("page"));
  }

  @Test
  void msyncSendsWhatWasStoredInAMapping() throws Exception {
    client.ask("fd = rw('page')");
    client.ask("m = shared(fd, 8192)");
    client.ask("m[:3] = b'new'");
    assertEquals(List.of(), calls("write"));
    client.ask("m.flush()");
    assertEquals("newa", fs.content("page").substring(0, 4));
  }

  @Test
  void underOSyncAWriteReturnsWhenItIsWrittenAndSynced() throws Exception {
    client.ask("fd = rw('file', os.O_SYNC)");
    assertEquals("3", client.ask("os.pwrite(fd, b'abc', 0)"));
    assertEquals("abc3456789", fs.content("file"));
    assertEquals(1, fs.asked("fsync"));
  }

  // ---- errors of late writes ----

  @ParameterizedTest
  @EnumSource(names = {"EIO", "ENOSPC"})
  void anErrorOfALateWriteReachesFsyncOncePerOpenFile(Errno errno) throws Exception {
    client.ask("one, two = rw('file'), rw('file')");
    client.ask("os.pwrite(one, b'abc', 0)");
    failWrites(errno);
    assertEquals(errno.name(), client.ask("os.fsync(one)"));
    assertEquals("None", client.ask("os.fsync(one)"), "once");
    assertEquals(errno.name(), client.ask("os.fsync(two)"), "the other open file");
    assertEquals("None", client.ask("os.fsync(two)"), "once");
  }

  @ParameterizedTest
  @EnumSource(names = {"EIO", "ENOSPC"})
  void anErrorOfALateWriteReachesClose(Errno errno) throws Exception {
    client.ask("fd = rw('file')");
    client.ask("os.pwrite(fd, b'abc', 0)");
    failWrites(errno);
    assertEquals(errno.name(), client.ask("os.close(fd)"));
    fs.hooks = (what, offset) -> {};
    client.ask("fd = rw('file')");
    assertEquals("None", client.ask("os.close(fd)"), "one that was opened later");
  }

  @Test
  void anErrorThatCloseHasToldIsStillToldByFsyncOfAnotherOpenFile() throws Exception {
    client.ask("one, two = rw('file'), rw('file')");
    client.ask("os.pwrite(one, b'abc', 0)");
    failWrites(Errno.ENOSPC);
    assertEquals("ENOSPC", client.ask("os.close(one)"));
    assertEquals("ENOSPC", client.ask("os.fsync(two)"));
    assertEquals("None", client.ask("os.close(two)"));
  }

  @Test
  void anErrorThatFsyncHasToldIsNotToldByClose() throws Exception {
    client.ask("one, two = rw('file'), rw('file')");
    client.ask("os.pwrite(one, b'abc', 0)");
    failWrites(Errno.ENOSPC);
    assertEquals("ENOSPC", client.ask("os.fsync(one)"));
    assertEquals("None", client.ask("os.close(one)"));
    assertEquals("None", client.ask("os.close(two)"));
  }

  @Test
  void anErrorReachesTheWriteItselfUnderOSync() throws Exception {
    client.ask("fd = rw('file', os.O_SYNC)");
    failWrites(Errno.ENOSPC);
    assertEquals("ENOSPC", client.ask("os.pwrite(fd, b'abc', 0)"));
  }

  @Test
  void flushIsAskedForThoughTheOpenSaidThatItIsNotNeeded() throws Exception {
    fs.opening = out -> out.noFlush();
    client.ask("os.close(rw('file'))");
    assertEquals(1, fs.asked("flush"));
  }
}
