package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileSystemBase;
import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.FuseMount;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.Notifier;
import io.github.ferrofuse.Notifier.Outcome;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What each notification does to what an application sees, on a mount that caches for an hour. */
@Tag("mount")
@Tag("once")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class NotifierTest {
  private static final long ROOT = BackedFileSystem.ROOT;
  private static final long FILE = 10;
  private static final long OTHER = 11;
  private static final long DIRECTORY = 20;
  private static final Duration HOUR = Duration.ofHours(1);
  private static final String PAGE = "p".repeat(4096);

  @RegisterExtension final Mounts mounts = new Mounts();

  private final BackedFileSystem fs = new BackedFileSystem();
  private PythonClient client;

  @AfterEach
  void endClient() {
    if (client != null) {
      client.close();
    }
  }

  private static MountOptions.Builder hours() {
    return MountOptions.builder()
        .attrTimeout(HOUR)
        .entryTimeout(HOUR)
        .negativeTimeout(HOUR)
        .kernelCache(true);
  }

  private Notifier mount(FileSystemBase form) throws IOException {
    return mount(form, hours());
  }

  private Notifier mount(FileSystemBase form, MountOptions.Builder options) throws IOException {
    FuseMount mount = mounts.mount(form, options.build());
    client = new PythonClient(mount.mountPoint());
    return mount.notifier();
  }

  private void sees(String expected, String python) throws IOException {
    assertEquals(expected, client.ask(python), python);
  }

  @Test
  void attributesAreAskedForAgainOnceTheyAreInvalidated() throws Exception {
    Notifier notifier = mount(fs.content(FILE, "old").name(ROOT, "file", FILE));
    sees("3", "size('file')");
    fs.content(FILE, "longer");
    sees("3", "size('file')");
    assertEquals(0, fs.getattrs.get());
    assertEquals(Outcome.DONE, notifier.invalidateAttributes(FILE));
    sees("6", "size('file')");
    assertEquals(1, fs.getattrs.get());
  }

  @Test
  void dataIsReadAgainOnceItIsInvalidatedAndNotWhereOnlyAttributesAre() throws Exception {
    Notifier notifier = mount(fs.content(FILE, "old").name(ROOT, "file", FILE));
    sees("old", "read('file')");
    fs.content(FILE, "new");
    sees("old", "read('file')");
    assertEquals(Outcome.DONE, notifier.invalidateAttributes(FILE));
    sees("old", "read('file')");
    assertEquals(Outcome.DONE, notifier.invalidate(FILE));
    sees("new", "read('file')");
  }

  @Test
  void dataIsReadAgainInThePagesThatARangeTouches() throws Exception {
    Notifier notifier = mount(fs.content(FILE, PAGE.repeat(4)).name(ROOT, "file", FILE));
    sees("p", "at(fd := os.open(p('file'), os.O_RDONLY), 0, 4 * 4096)[-1]");
    fs.content(FILE, "n".repeat(4 * 4096));
    assertEquals(Outcome.DONE, notifier.invalidate(FILE, 4097, 4096));
    String pages = "''.join(at(fd, n * 4096, 1) for n in range(4))";
    sees("pnnp", pages);
    assertEquals(Outcome.DONE, notifier.invalidate(FILE, 3 * 4096, 0));
    sees("pnnn", pages);
  }

  @Test
  void aNameIsLookedUpAgainOnceItIsInvalidatedWhetherOrNotItExisted() throws Exception {
    fs.content(FILE, "one").content(OTHER, "other");
    Notifier notifier = mount(fs.name(ROOT, "file", FILE));
    sees("10", "ino('file')");
    sees("ENOENT", "ino('absent')");
    fs.name(ROOT, "file", OTHER).name(ROOT, "absent", FILE);
    sees("10", "ino('file')");
    sees("ENOENT", "ino('absent')");
    assertEquals(Outcome.DONE, notifier.invalidateEntry(ROOT, Name.of("file")));
    assertEquals(Outcome.DONE, notifier.invalidateEntry(ROOT, Name.of("absent")));
    sees("11", "ino('file')");
    sees("10", "ino('absent')");
  }

  @Test
  void anExpiredNameIsLookedUpAgainAndStaysWithThoseWhoUseItUnlikeAnInvalidatedOne()
      throws Exception {
    Notifier notifier = mount(fs.directory(DIRECTORY).name(ROOT, "dir", DIRECTORY));
    assumeTrue(notifier.canExpire(), "Linux 6.2");
    sees("None", "os.chdir(p('dir'))");
    String where = "os.readlink('/proc/self/cwd').endswith('(deleted)')";
    int lookups = fs.lookups.get();
    assertEquals(Outcome.DONE, notifier.expireEntry(ROOT, Name.of("dir")));
    assertEquals(lookups, fs.lookups.get());
    sees("20", "ino('dir')");
    assertEquals(lookups + 1, fs.lookups.get());
    sees("False", where);
    assertEquals(Outcome.DONE, notifier.invalidateEntry(ROOT, Name.of("dir")));
    sees("True", where);
  }

  @Test
  void aDeletedFileIsGoneForThoseWhoWatchItAndStaysForThoseWhoHaveItOpen() throws Exception {
    Notifier notifier = mount(fs.content(FILE, "text").name(ROOT, "file", FILE));
    sees("text", "at(fd := os.open(p('file'), os.O_RDONLY), 0, 9)");
    sees("0", "heard(watched := watch('file'))");
    fs.remove(ROOT, "file");
    sees("4", "size('file')");
    assertEquals(Outcome.NOT_CACHED, notifier.deleteEntry(ROOT, Name.of("file"), OTHER));
    sees("0", "heard(watched)");
    sees("4", "size('file')");
    assertEquals(Outcome.DONE, notifier.deleteEntry(ROOT, Name.of("file"), FILE));
    sees("ENOENT", "size('file')");
    sees("0", "os.fstat(fd).st_nlink");
    sees("text", "at(fd, 0, 9)");
    final int attrib = 0x4;
    final int deleteSelf = 0x400;
    sees("None", "os.close(fd)");
    int heard = Integer.parseInt(client.ask("heard(watched)"));
    assertTrue((heard & (attrib | deleteSelf)) != 0, "heard " + heard);
  }

  @Test
  void aDirectoryInWhichNamesAreCachedIsDeletedAfterThem() throws Exception {
    fs.directory(DIRECTORY).name(ROOT, "dir", DIRECTORY);
    Notifier notifier = mount(fs.content(FILE, "x").name(DIRECTORY, "file", FILE));
    sees("x", "at(fd := os.open(p('dir/file'), os.O_RDONLY), 0, 9)");
    FuseException refused =
        assertThrows(
            FuseException.class, () -> notifier.deleteEntry(ROOT, Name.of("dir"), DIRECTORY));
    assertEquals(Errno.ENOTEMPTY, refused.errno());
    sees("1", "size('dir/file')");
    assertEquals(Outcome.DONE, notifier.deleteEntry(DIRECTORY, Name.of("file"), FILE));
    assertEquals(Outcome.DONE, notifier.deleteEntry(ROOT, Name.of("dir"), DIRECTORY));
    fs.remove(ROOT, "dir");
    sees("ENOENT", "size('dir')");
  }

  @Test
  void everyNameIsLookedUpAgainInANewEpoch() throws Exception {
    fs.content(FILE, "1").name(ROOT, "file", FILE).directory(DIRECTORY);
    Notifier notifier = mount(fs.name(ROOT, "dir", DIRECTORY).name(DIRECTORY, "file", FILE));
    assumeTrue(notifier.canInvalidateAllEntries(), "Linux 6.16");
    sees("[10, 10, 20]", "[ino('file'), ino('dir/file'), ino('dir')]");
    assertEquals(3, fs.lookups.get());
    sees("[10, 10, 20]", "[ino('file'), ino('dir/file'), ino('dir')]");
    assertEquals(3, fs.lookups.get());
    fs.content(OTHER, "2").name(DIRECTORY, "file", OTHER);
    assertEquals(Outcome.DONE, notifier.invalidateAllEntries());
    sees("[10, 11, 20]", "[ino('file'), ino('dir/file'), ino('dir')]");
    assertEquals(6, fs.lookups.get());
  }

  @Test
  void aPrunedFileIsForgottenUnlessItIsInUse() throws Exception {
    fs.content(FILE, "1").name(ROOT, "file", FILE);
    Notifier notifier = mount(fs.content(OTHER, "2").name(ROOT, "open", OTHER));
    assumeTrue(notifier.canPrune(), "Linux 6.18");
    sees("2", "at(fd := os.open(p('open'), os.O_RDONLY), 0, 9)");
    sees("10", "ino('file')");
    assertEquals(Outcome.DONE, notifier.prune(FILE, OTHER, 999));
    while (!fs.forgotten.contains(FILE)) {
      Thread.onSpinWait();
    }
    assertFalse(fs.forgotten.contains(OTHER));
    int lookups = fs.lookups.get();
    sees("10", "ino('file')");
    assertEquals(lookups + 1, fs.lookups.get());
  }

  @Test
  void storedDataIsReadWithoutARequest() throws Exception {
    Notifier notifier = mount(fs.content(FILE, "").name(ROOT, "file", FILE));
    sees("0", "size('file')");
    fs.content(FILE, "unread");
    ByteBuffer data = ByteBuffer.wrap("xxstored".getBytes(StandardCharsets.US_ASCII)).position(2);
    assertEquals(Outcome.DONE, notifier.store(FILE, 0, data));
    assertEquals(2, data.position());
    sees("stored", "read('file')");
    ByteBuffer large = ByteBuffer.allocateDirect((3 << 20) + 5000);
    while (large.hasRemaining()) {
      large.put((byte) ('a' + large.position() / 4096 % 26));
    }
    fs.content(FILE, "-".repeat(4096 + large.capacity()));
    assertEquals(Outcome.DONE, notifier.store(FILE, 4096, large.flip()));
    sees("3154824", "size('file')");
    String text = StandardCharsets.US_ASCII.decode(large).toString();
    int sum = text.chars().sum();
    String read = "sum(at(fd := os.open(p('file'), os.O_RDONLY), 4096, 4 << 20).encode())";
    sees(Integer.toString(sum), read);
    assertEquals(0, fs.reads.get());
  }

  @Test
  void whatIsWrittenAndNotYetSentCanBeRetrieved() throws Exception {
    fs.content(FILE, "").name(ROOT, "file", FILE);
    Notifier notifier = mount(fs, hours().writebackCache(true));
    sees("5", "os.pwrite(fd := os.open(p('file'), os.O_RDWR), b'dirty', 0)");
    assertEquals("dirty", retrieved(notifier, FILE, 0, 100));
    assertEquals("rt", retrieved(notifier, FILE, 2, 2));
    assertEquals("", retrieved(notifier, FILE, 1 << 20, 2));
    assertEquals("", retrieved(notifier, 999, 0, 2));
    assertEquals(0, fs.writes.get());
  }

  private static String retrieved(Notifier notifier, long node, long offset, int size)
      throws Exception {
    ByteBuffer data = notifier.retrieve(node, offset, size).get(20, TimeUnit.SECONDS);
    return StandardCharsets.US_ASCII.decode(data).toString();
  }

  @Test
  void largePartsOfThePageCacheComeBackWholeAtOtherEndsOfTheBuffers() throws Exception {
    String text = "0123456789abcdef".repeat(20_000);
    Notifier notifier = mount(fs.content(FILE, text).name(ROOT, "file", FILE));
    sees(Integer.toString(text.length()), "len(read('file'))");
    assertEquals(text.substring(77), retrieved(notifier, FILE, 77, 1 << 20));
    assertEquals(text.substring(0, 100), retrieved(notifier, FILE, 0, 100));
  }

  @Test
  void theNotifierIsTheSameFromInitOnAndHasNothingToDoBeforeAndAfter() throws Exception {
    Outcome[] early = {null};
    BackedFileSystem eager =
        new BackedFileSystem() {
          @Override
          public void init(io.github.ferrofuse.Connection connection) throws IOException {
            super.init(connection);
            early[0] = notifier.invalidate(ROOT);
          }
        };
    FuseMount mount = mounts.mount(eager);
    assertEquals(Outcome.NOT_CACHED, early[0]);
    assertSame(eager.notifier, mount.notifier());
    assertEquals(Outcome.DONE, mount.notifier().invalidate(ROOT));
    mount.close();
    assertEquals(Outcome.ENDED, mount.notifier().invalidate(ROOT));
    assertEquals(Outcome.ENDED, mount.notifier().store(FILE, 0, ByteBuffer.allocate(1)));
    assertTrue(mount.notifier().retrieve(ROOT, 0, 1).isCompletedExceptionally());
  }

  @Test
  void namesInDirectoriesThatWereNotLookedAtAreNotCached() throws Exception {
    Notifier notifier = mount(fs.content(FILE, "x").name(ROOT, "file", FILE));
    assertEquals(Outcome.NOT_CACHED, notifier.invalidate(FILE));
    assertEquals(Outcome.NOT_CACHED, notifier.invalidateEntry(ROOT, Name.of("file")));
    assertEquals(Outcome.NOT_CACHED, notifier.deleteEntry(DIRECTORY, Name.of("file"), FILE));
    assertEquals(Outcome.NOT_CACHED, notifier.store(FILE, 0, ByteBuffer.allocate(10)));
    if (notifier.canPrune()) {
      assertEquals(Outcome.NOT_CACHED, notifier.prune(FILE, OTHER));
    }
    sees("1", "size('file')");
    assertEquals(Outcome.DONE, notifier.invalidate(FILE));
  }
}
