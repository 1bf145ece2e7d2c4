package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.OpenReply;
import java.io.IOException;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What an application reads of files that change behind the kernel's back. */
@Tag("mount")
@Tag("once")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class PageCacheTest {
  private static final long SHORT = 200;
  private static final Duration SHORTLY = Duration.ofMillis(SHORT);
  private static final Duration LONG = Duration.ofHours(1);

  @RegisterExtension final Mounts mounts = new Mounts();

  private final ChangingFileSystem fs = new ChangingFileSystem();
  private Client client;

  @BeforeEach
  void file() {
    fs.put("file", "old");
  }

  @AfterEach
  void end() {
    if (client != null) {
      client.close();
    }
  }

  private void mount(Duration attributes, MountOptions.Builder options) throws IOException {
    MountOptions all = options.entryTimeout(LONG).attrTimeout(attributes).build();
    client = Client.in(mounts.mount(fs, all).mountPoint());
  }

  private static MountOptions.Builder plain() {
    return MountOptions.builder();
  }

  // ---- a mount without options ----

  @Test
  void aFileThatIsOpenedAnewIsReadAnew() throws Exception {
    mount(LONG, plain());
    assertEquals("old", client.ask("content('file')"));
    fs.changeUnseen("file", "new");
    assertEquals("new", client.ask("content('file')"));
  }

  @Test
  void anOpenFileIsReadFromTheCache() throws Exception {
    mount(Duration.ZERO, plain());
    client.ask("fd = rw('file')");
    assertEquals("b'old'", client.ask("os.pread(fd, 3, 0)"));
    int reads = fs.asked("read");
    for (int i = 0; i < 100; i++) {
      assertEquals("b'old'", client.ask("os.pread(fd, 3, 0)"));
    }
    assertEquals(reads, fs.asked("read"));
  }

  @Test
  void aChangeOfSizeIsSeenWithoutANewMtime() throws Exception {
    mount(SHORTLY, plain());
    client.ask("fd = rw('file')");
    assertEquals("b'old'", client.ask("os.pread(fd, 9, 0)"));
    long changed = fs.changeUnseen("file", "newer");
    String fresh = client.whenFresh("os.pread(fd, 9, 0)", "b'old'", changed, SHORT);
    assertEquals("b'newer'", fresh);
  }

  @Test
  void aChangeOfTheSameSizeIsNotSeenThroughAnOpenFile() throws Exception {
    mount(Duration.ZERO, plain());
    client.ask("fd = rw('file')");
    assertEquals("b'old'", client.ask("os.pread(fd, 3, 0)"));
    fs.change("file", "new");
    assertEquals("b'old'", client.ask("os.pread(fd, 3, 0)"));
    assertEquals("new", client.ask("content('file')"));
    assertEquals("b'new'", client.ask("os.pread(fd, 3, 0)"), "there is one cache of a file");
  }

  @Test
  void whatIsWrittenThroughTheMountIsReadAtOnce() throws Exception {
    mount(LONG, plain());
    client.ask("fd = rw('file')");
    assertEquals("b'old'", client.ask("os.pread(fd, 9, 0)"));
    client.ask("os.pwrite(rw('file'), b'written', 0)");
    assertEquals("written", fs.content("file"), "the write has reached the file system");
    assertEquals("b'written'", client.ask("os.pread(fd, 9, 0)"));
  }

  // ---- a file system whose files others change ----

  @Test
  void anOpenSharedFileShowsAChangeWithinTheTimeoutOfItsAttributes() throws Exception {
    fs.shares = true;
    mount(SHORTLY, plain());
    client.ask("fd = rw('file')");
    assertEquals("b'old'", client.ask("os.pread(fd, 3, 0)"));
    long changed = fs.change("file", "new");
    assertEquals("b'new'", client.whenFresh("os.pread(fd, 3, 0)", "b'old'", changed, SHORT));
  }

  @Test
  void withoutATimeoutAnOpenSharedFileShowsAChangeAtOnce() throws Exception {
    fs.shares = true;
    mount(Duration.ZERO, plain());
    client.ask("fd = rw('file')");
    assertEquals("b'old'", client.ask("os.pread(fd, 3, 0)"));
    for (int i = 100; i < 150; i++) {
      fs.change("file", "" + i);
      assertEquals("b'" + i + "'", client.ask("os.pread(fd, 3, 0)"));
    }
  }

  @Test
  void aChangeThatNeitherSizeNorMtimeTellsIsNotSeenThoughFilesAreShared() throws Exception {
    fs.shares = true;
    mount(Duration.ZERO, plain());
    client.ask("fd = rw('file')");
    assertEquals("b'old'", client.ask("os.pread(fd, 3, 0)"));
    fs.changeUnseen("file", "new");
    assertEquals("b'old'", client.ask("os.pread(fd, 3, 0)"));
  }

  // ---- kernel_cache ----

  @Test
  void underKernelCacheAFileIsNotReadAgainThoughItHasChanged() throws Exception {
    mount(Duration.ZERO, plain().kernelCache(true));
    assertEquals("old", client.ask("content('file')"));
    int reads = fs.asked("read");
    fs.change("file", "new");
    for (int i = 0; i < 100; i++) {
      assertEquals("old", client.ask("content('file')"));
    }
    assertEquals(reads, fs.asked("read"));
  }

  @Test
  void underKernelCacheANewSizeDropsWhatIsCached() throws Exception {
    mount(SHORTLY, plain().kernelCache(true));
    assertEquals("old", client.ask("content('file')"));
    long changed = fs.changeUnseen("file", "newer");
    assertEquals("newer", client.whenFresh("content('file')", "old", changed, SHORT));
  }

  // ---- auto_cache ----

  @Test
  void underAutoCacheAFileThatHasNotChangedIsNotReadAgain() throws Exception {
    mount(Duration.ZERO, plain().autoCache(true));
    assertEquals("old", client.ask("content('file')"));
    int reads = fs.asked("read");
    for (int i = 0; i < 100; i++) {
      assertEquals("old", client.ask("content('file')"));
    }
    assertEquals(reads, fs.asked("read"));
    assertTrue(fs.asked("open") > 100, "it was opened each time");
  }

  @Test
  void underAutoCacheAChangeIsSeenWithinTheTimeoutOfAttributes() throws Exception {
    mount(SHORTLY, plain().autoCache(true));
    assertEquals("old", client.ask("content('file')"));
    long changed = fs.change("file", "new");
    assertEquals("new", client.whenFresh("content('file')", "old", changed, SHORT));
  }

  @Test
  void underAutoCacheWithoutATimeoutAChangeIsSeenAtOnce() throws Exception {
    mount(Duration.ZERO, plain().autoCache(true));
    assertEquals("old", client.ask("content('file')"));
    for (int i = 100; i < 150; i++) {
      fs.change("file", "" + i);
      assertEquals("" + i, client.ask("content('file')"));
    }
  }

  @Test
  void keepCacheOfOneOpenIsKernelCacheForIt() throws Exception {
    fs.opening = OpenReply::keepCache;
    mount(Duration.ZERO, plain());
    assertEquals("old", client.ask("content('file')"));
    fs.change("file", "new");
    assertEquals("old", client.ask("content('file')"));
  }

  @Test
  void keepCacheOfOneOpenIsAutoCacheForASharedFile() throws Exception {
    fs.shares = true;
    fs.opening = OpenReply::keepCache;
    mount(SHORTLY, plain());
    assertEquals("old", client.ask("content('file')"));
    int reads = fs.asked("read");
    assertEquals("old", client.ask("content('file')"));
    assertEquals(reads, fs.asked("read"));
    long changed = fs.change("file", "new");
    assertEquals("new", client.whenFresh("content('file')", "old", changed, SHORT));
  }

  // ---- direct_io ----

  @Test
  void underDirectIoEachReadIsARequestAndNeverStale() throws Exception {
    mount(LONG, plain().directIo(true));
    client.ask("fd = rw('file')");
    for (int i = 100; i < 150; i++) {
      int reads = fs.asked("read");
      fs.changeUnseen("file", "" + i);
      assertEquals("b'" + i + "'", client.ask("os.pread(fd, 3, 0)"));
      assertEquals(reads + 1, fs.asked("read"));
    }
  }

  @Test
  void aDirectFileKeepsTheApplicationsOffsetsAndSizes() throws Exception {
    fs.opening = OpenReply::directIo;
    mount(LONG, plain());
    client.ask("fd = rw('file')");
    client.ask("os.pwrite(fd, b'abc', 5)");
    client.ask("os.pread(fd, 2, 6)");
    assertTrue(fs.calls.contains("write 5 3"), fs.calls::toString);
    assertTrue(fs.calls.contains("read 6 2"), fs.calls::toString);
  }

  /** {@code DIRECT_IO_ALLOW_MMAP}; Linux 6.6 and later. */
  @Test
  void aDirectFileCanBeMappedSharedAndItsMappingsAgreeWithReadsAndWrites() throws Exception {
    fs.put("page", "a".repeat(4096));
    mount(LONG, plain().directIo(true));
    client.ask("fd = rw('page')");
    assertEquals("ok", client.ask("m = shared(fd, 4096)"));
    assertEquals("b'aaa'", client.ask("m[:3]"));
    client.ask("os.pwrite(fd, b'bbb', 0)");
    assertEquals("b'bbb'", client.ask("m[:3]"));
    client.ask("m[:3] = b'ccc'");
    assertEquals("b'ccc'", client.ask("os.pread(fd, 3, 0)"));
    assertEquals("ccca", fs.content("page").substring(0, 4));
  }
}
