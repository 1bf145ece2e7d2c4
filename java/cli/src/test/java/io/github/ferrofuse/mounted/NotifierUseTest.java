package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.EntrySink;
import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.FuseMount;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.MountOptions.Transport;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.Notifier;
import io.github.ferrofuse.Notifier.Outcome;
import io.github.ferrofuse.OpenReply;
import io.github.ferrofuse.Request;
import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.parallel.Isolated;

/** Notifications from inside handlers, by path, past the end, and with what makes no sense. */
@Tag("mount")
@Isolated("looks at what threads of the process wait for")
@Tag("once")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class NotifierUseTest {
  private static final long ROOT = BackedFileSystem.ROOT;
  private static final long FILE = 10;
  private static final long OTHER = 11;
  private static final long QUIET = 12;
  private static final long DIRECTORY = 20;
  private static final int ROOM = 16_384;

  @RegisterExtension final Mounts mounts = new Mounts();

  private final CountDownLatch released = new CountDownLatch(1);
  private volatile Runnable atEnd = () -> {};
  private PythonClient client;
  private FuseMount mount;

  @AfterEach
  void end() {
    released.countDown();
    if (client != null) {
      client.close();
    }
  }

  private Notifier mount(BackedFileSystem fs, boolean byPath) throws IOException {
    Duration hour = Duration.ofHours(1);
    MountOptions options =
        MountOptions.builder()
            .attrTimeout(hour)
            .entryTimeout(hour)
            .negativeTimeout(hour)
            .kernelCache(true)
            .build();
    mount = mounts.mount(byPath ? new ByPath(fs) : fs, options);
    client = new PythonClient(mount.mountPoint());
    return mount.notifier();
  }

  private void sees(String expected, String python) throws IOException {
    assertEquals(expected, client.ask(python), python);
  }

  // ---- inside handlers ----

  /** Invalidates all that it is being asked about, with what the kernel has locked meanwhile. */
  private static final class Meddler extends BackedFileSystem {
    final Set<Outcome> outcomes = ConcurrentHashMap.newKeySet();

    @Override
    public boolean lookup(Request request, long parent, Name name, EntrySink out)
        throws IOException {
      outcomes.add(notifier.invalidateEntry(parent, name));
      outcomes.add(notifier.invalidate(parent));
      return super.lookup(request, parent, name, out);
    }

    @Override
    public void getattr(Request request, long node, FileHandle handle, AttrSink out)
        throws IOException {
      outcomes.add(notifier.invalidate(node));
      super.getattr(request, node, handle, out);
    }

    @Override
    public void unlink(Request request, long parent, Name name) throws IOException {
      outcomes.add(notifier.deleteEntry(parent, name, FILE));
      super.unlink(request, parent, name);
    }

    @Override
    public FileHandle open(Request request, long node, int flags, OpenReply out) {
      return new Open(node) {
        @Override
        public int read(Request r, ByteBuffer dst, long offset) throws IOException {
          outcomes.add(notifier.invalidate(node));
          outcomes.add(notifier.invalidate(node, offset, 1));
          return super.read(r, dst, offset);
        }

        @Override
        public int write(Request r, ByteBuffer src, long offset) throws IOException {
          outcomes.add(notifier.invalidate(node));
          return super.write(r, src, offset);
        }
      };
    }
  }

  @Test
  void aHandlerThatInvalidatesWhatItServesHangsNobodyAndIsHeardSoonAfter() throws Exception {
    Meddler fs = new Meddler();
    mount((Meddler) fs.content(FILE, "old").name(ROOT, "file", FILE), false);
    sees("old", "read('file')");
    // What the kernel has dropped by then, it asks for again.
    fs.content(FILE, "new");
    while (!client.ask("read('file')").equals("new")) {
      Thread.onSpinWait();
    }
    sees("3", "os.pwrite(fd := os.open(p('file'), os.O_RDWR), b'abc', 0)");
    sees("None", "os.unlink(p('file'))");
    sees("ENOENT", "size('file')");
    assertEquals(Set.of(Outcome.QUEUED), fs.outcomes);
  }

  /** Stays inside each read until it is released. */
  private BackedFileSystem slow(CountDownLatch inside, Runnable meanwhile) {
    return new BackedFileSystem() {
      @Override
      public void destroy() {
        atEnd.run();
      }

      @Override
      public FileHandle open(Request request, long node, int flags, OpenReply out) {
        return new Open(node) {
          @Override
          public int read(Request r, ByteBuffer dst, long offset) throws IOException {
            meanwhile.run();
            inside.countDown();
            try {
              released.await();
            } catch (InterruptedException e) {
              throw new IOException(e);
            }
            return super.read(r, dst, offset);
          }
        };
      }
    }.content(FILE, "text").name(ROOT, "file", FILE);
  }

  @Test
  void whatAHandlerQueuesIsBoundedAndDoneInOrder() throws Exception {
    CountDownLatch inside = new CountDownLatch(1);
    AtomicInteger queued = new AtomicInteger();
    AtomicReference<Throwable> refusal = new AtomicReference<>();
    AtomicReference<CompletableFuture<ByteBuffer>> last = new AtomicReference<>();
    AtomicBoolean first = new AtomicBoolean(true);
    BackedFileSystem[] fs = {null};
    fs[0] =
        slow(
            inside,
            () -> {
              if (!first.getAndSet(false)) {
                return;
              }
              Notifier notifier = fs[0].notifier;
              try {
                // The page is locked while it is read: the first one waits for this very call.
                ByteBuffer page =
                    ByteBuffer.wrap("*".repeat(4).getBytes(StandardCharsets.US_ASCII));
                assertEquals(Outcome.QUEUED, notifier.invalidate(FILE));
                assertEquals(Outcome.QUEUED, notifier.store(FILE, 0, page));
                last.set(notifier.retrieve(FILE, 0, 100));
                queued.set(3);
                while (queued.get() <= ROOM) {
                  assertEquals(Outcome.QUEUED, notifier.invalidateAttributes(FILE));
                  queued.getAndIncrement();
                }
              } catch (Throwable thrown) {
                refusal.set(thrown);
              }
            });
    Notifier notifier = mount(fs[0], false);
    client.say("read('file')");
    inside.await();
    assertEquals(ROOM, queued.get());
    assertEquals(Errno.EAGAIN, ((FuseException) refusal.get()).errno());
    released.countDown();
    // The reader may take its data from the page before or after the store.
    String read = client.hear();
    assertTrue(Set.of("text", "****").contains(read), read);
    ByteBuffer retrieved = last.get().get(20, TimeUnit.SECONDS);
    assertEquals("****", StandardCharsets.US_ASCII.decode(retrieved).toString());
    assertEquals(Outcome.DONE, notifier.invalidate(FILE));
    sees("text", "read('file')");
  }

  // ---- by path ----

  @Test
  void aFileSystemByPathNamesWhatHasChangedByPath() throws Exception {
    BackedFileSystem fs = new BackedFileSystem();
    fs.content(FILE, "old").name(ROOT, "file", FILE).directory(DIRECTORY);
    fs.name(ROOT, "dir", DIRECTORY).name(DIRECTORY, "file", OTHER).content(OTHER, "x");
    Notifier notifier = mount(fs.name(DIRECTORY, "quiet", QUIET).content(QUIET, "q"), true);
    assertEquals(Outcome.NOT_CACHED, notifier.invalidate("/file"));
    assertEquals(Outcome.NOT_CACHED, notifier.invalidateEntry("/nowhere/file"));
    sees("['old', 'x']", "[read('file'), read('dir/file')]");
    sees("ENOENT", "size('dir/absent')");
    fs.content(FILE, "new").content(OTHER, "y");
    sees("['old', 'x']", "[read('file'), read('dir/file')]");
    assertEquals(Outcome.DONE, notifier.invalidate("/file"));
    sees("['new', 'x']", "[read('file'), read('dir/file')]");
    assertEquals(Outcome.DONE, notifier.invalidate("/dir//file", 0, 1));
    sees("['new', 'y']", "[read('file'), read('dir/file')]");
    // One that was not read: a read makes the kernel ask for the time of it.
    sees("1", "size('dir/quiet')");
    fs.content(QUIET, "longer").name(DIRECTORY, "absent", FILE);
    sees("1", "size('dir/quiet')");
    sees("ENOENT", "size('dir/absent')");
    assertEquals(Outcome.DONE, notifier.invalidateAttributes("/dir/quiet"));
    assertEquals(Outcome.DONE, notifier.invalidateEntry("/dir/absent"));
    sees("6", "size('dir/quiet')");
    sees("3", "size('dir/absent')");
    assertEquals(Outcome.DONE, notifier.invalidate("/"));

    assertEquals(
        Outcome.DONE, notifier.store("/dir/file", 0, ByteBuffer.wrap(new byte[] {65, 66, 67})));
    fs.content(OTHER, "123");
    ByteBuffer back = notifier.retrieve("/dir/file", 1, 100).get(20, TimeUnit.SECONDS);
    assertEquals("BC", StandardCharsets.US_ASCII.decode(back).toString());
    assertEquals(0, notifier.retrieve("/nothing", 0, 1).get(20, TimeUnit.SECONDS).remaining());
    if (notifier.canExpire()) {
      int lookups = fs.lookups.get();
      assertEquals(Outcome.DONE, notifier.expireEntry("/dir"));
      client.ask("size('dir')");
      assertNotEquals(lookups, fs.lookups.get());
    }
    if (notifier.canPrune()) {
      assertEquals(Outcome.DONE, notifier.prune("/dir/file", "/nothing", "/"));
    }
  }

  @Test
  void aPathThatIsDeletedIsFreeForAnotherFileWhileTheOldOneIsOpen() throws Exception {
    BackedFileSystem fs = new BackedFileSystem();
    fs.withoutNumbers();
    Notifier notifier = mount(fs.content(FILE, "old").name(ROOT, "file", FILE), true);
    sees("old", "at(fd := os.open(p('file'), os.O_RDONLY), 0, 9)");
    fs.remove(ROOT, "file");
    assertEquals(Outcome.DONE, notifier.deleteEntry("/file"));
    sees("ENOENT", "size('file')");
    fs.content(OTHER, "other").name(ROOT, "file", OTHER);
    assertEquals(Outcome.DONE, notifier.invalidateEntry("/file"));
    sees("5", "size('file')");
    sees("False", "ino('file') == os.fstat(fd).st_ino");
    sees("['other', 'old']", "[read('file'), at(fd, 0, 9)]");
    assertEquals(Outcome.NOT_CACHED, notifier.deleteEntry("/never"));
  }

  // ---- ends and misuse ----

  @Test
  void anAbortFreesANotificationThatWaitsForAHandlerThatHangs() throws Exception {
    CountDownLatch inside = new CountDownLatch(1);
    Notifier notifier = mount(slow(inside, () -> {}), false);
    needWhatCuts();
    client.say("read('file')");
    inside.await();
    AtomicReference<Object> outcome = new AtomicReference<>();
    Thread waiting =
        new Thread(
            () -> {
              try {
                outcome.set(notifier.invalidate(FILE));
              } catch (IOException e) {
                outcome.set(e);
              }
            });
    waiting.start();
    awaitSleepIn("folio");
    assertNull(outcome.get());
    mount.abort();
    waiting.join(20_000);
    assertTrue(outcome.get() != null, "still waiting");
    assertNotEquals("text", client.hear());
    assertEquals(Outcome.ENDED, notifier.invalidate(FILE));
    assertTrue(notifier.retrieve(FILE, 0, 1).isCompletedExceptionally());
  }

  /** Root of the machine forces an unmount; others, also in a user namespace, write to fusectl. */
  private static void needWhatCuts() throws IOException {
    boolean forces =
        Shell.isRoot() && Files.readString(Path.of("/proc/self/uid_map")).endsWith(" 4294967295\n");
    String[] shown = new File("/sys/fs/fuse/connections").list();
    assumeTrue(
        forces || shown != null && shown.length > 0,
        "needs fusectl: mount -t fusectl none /sys/fs/fuse/connections");
  }

  /** Waits until a thread of this JVM sleeps in a function of the kernel. */
  private static void awaitSleepIn(String function) throws IOException {
    while (true) {
      try (Stream<Path> tasks = Files.list(Path.of("/proc/self/task"))) {
        for (Path task : (Iterable<Path>) tasks::iterator) {
          try {
            if (Files.readString(task.resolve("wchan")).contains(function)) {
              return;
            }
          } catch (IOException gone) {
            // A thread that has ended.
          }
        }
      }
    }
  }

  @Test
  void aRetrievalThatWaitsWhenTheMountEndsFails() throws Exception {
    // The only worker is inside a read: nobody takes the kernel's answer.
    CountDownLatch inside = new CountDownLatch(1);
    BackedFileSystem fs = slow(inside, () -> {});
    mount = mounts.mount(fs, onlyWorker());
    client = new PythonClient(mount.mountPoint());
    client.say("read('file')");
    inside.await();
    CompletableFuture<ByteBuffer> waiting = mount.notifier().retrieve(FILE, 0, 10);
    assertTrue(!waiting.isDone());
    mount.abort();
    ExecutionException failure =
        assertThrows(ExecutionException.class, () -> waiting.get(20, TimeUnit.SECONDS));
    assertTrue(failure.getCause().getMessage().contains("has ended"), "" + failure.getCause());
  }

  @Test
  @Tag("root")
  void aFileSystemThatIsDestroyedMayWaitForItsRetrievals() throws Exception {
    CountDownLatch inside = new CountDownLatch(1);
    BackedFileSystem fs = slow(inside, () -> {});
    mount = mounts.mount(fs, onlyWorker());
    client = new PythonClient(mount.mountPoint());
    client.say("read('file')");
    inside.await();
    CompletableFuture<ByteBuffer> waiting = mount.notifier().retrieve(FILE, 0, 10);
    CompletableFuture<Boolean> failed = new CompletableFuture<>();
    atEnd =
        () -> {
          waiting.completeOnTimeout(ByteBuffer.allocate(0), 5, TimeUnit.SECONDS);
          failed.complete(waiting.handle((data, failure) -> failure != null).join());
        };
    Shell.run("umount", "-f", mount.mountPoint().toString());
    released.countDown();
    assertTrue(failed.get(20, TimeUnit.SECONDS), "no answer for 5 s");
  }

  @Test
  void whatMakesNoSenseIsRefusedByTheKernelAndHarmsNobody() throws Exception {
    BackedFileSystem fs = new BackedFileSystem();
    Notifier notifier = mount(fs.content(FILE, "text").name(ROOT, "file", FILE), false);
    sees("text", "read('file')");
    Name tooLong = Name.of("n".repeat(5000));
    FuseException refused =
        assertThrows(FuseException.class, () -> notifier.invalidateEntry(ROOT, tooLong));
    assertEquals(Errno.ENAMETOOLONG, refused.errno());
    refused = assertThrows(FuseException.class, () -> notifier.invalidateEntry(FILE, Name.of("x")));
    assertEquals(Errno.ENOTDIR, refused.errno());
    for (long unknown : new long[] {0, -1, 999, Long.MIN_VALUE, Long.MAX_VALUE}) {
      assertEquals(Outcome.NOT_CACHED, notifier.invalidate(unknown));
      assertEquals(Outcome.NOT_CACHED, notifier.invalidateEntry(unknown, Name.of("x")));
      assertEquals(Outcome.NOT_CACHED, notifier.store(unknown, 0, ByteBuffer.allocate(1)));
      assertEquals(0, notifier.retrieve(unknown, 0, 1).get().remaining());
    }
    assertEquals(Outcome.DONE, notifier.invalidate(FILE, Long.MAX_VALUE, 0));
    assertEquals(Outcome.DONE, notifier.invalidate(FILE, 1, Long.MAX_VALUE - 1));
    ByteBuffer all = notifier.retrieve(FILE, 0, Integer.MAX_VALUE).get(20, TimeUnit.SECONDS);
    assertTrue(all.remaining() <= 4, all.toString());
    CompletableFuture<ByteBuffer> beyond = notifier.retrieve(FILE, Long.MAX_VALUE - 1, 1);
    assertEquals(0, beyond.get(20, TimeUnit.SECONDS).remaining());
    try {
      notifier.store(FILE, Long.MAX_VALUE - 4096, ByteBuffer.allocate(1));
    } catch (FuseException e) {
      // The kernel may find it too far.
    }
    try {
      notifier.store(ROOT, 0, ByteBuffer.allocate(1));
    } catch (FuseException e) {
      assertEquals(Errno.EINVAL, e.errno());
    }
    notifier.store(FILE, 0, ByteBuffer.allocate(0));
    assertEquals(Outcome.DONE, notifier.invalidate(FILE));
    sees("text", "read('file')");
  }

  /** Over rings there would be one for each processor. */
  private static MountOptions onlyWorker() {
    return MountOptions.builder().threads(1).transport(Transport.DEV).build();
  }
}
