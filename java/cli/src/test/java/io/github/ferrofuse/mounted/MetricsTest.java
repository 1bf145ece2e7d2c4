package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FuseMount;
import io.github.ferrofuse.Metrics;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.Operation;
import io.github.ferrofuse.OperationMetrics;
import io.github.ferrofuse.Request;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Collectors;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** What is measured of a mount is what was asked of it. */
@Tag("mount")
@Tag("once")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class MetricsTest {
  private static final long SLEEP_NANOS = Duration.ofMillis(30).toNanos();

  /**
   * Opens a file, reads from it past the cache some times, and asks for a name that isn't there.
   */
  private static final String CLIENT =
      """
      import mmap, os, sys
      root, n, page = sys.argv[1], int(sys.argv[2]), mmap.mmap(-1, 4096)
      fd = os.open(f"{root}/file", os.O_RDONLY | os.O_DIRECT)
      for i in range(n):
          assert os.preadv(fd, [page], i * 4096) == 4096
      os.close(fd)
      assert not os.path.exists(f"{root}/absent")
      """;

  @RegisterExtension final Mounts mounts = new Mounts();
  @TempDir Path temp;

  private final ScriptedFileSystem fs = new ScriptedFileSystem();

  private FuseMount mount(FileHandle file, MountOptions.Builder options) throws IOException {
    fs.file("file", (flags, out) -> file);
    return mounts.mount(fs, options.fsname("metrics").attrTimeout(Duration.ZERO).build());
  }

  private static MountOptions.Builder measured() {
    return MountOptions.builder().metrics(true);
  }

  /** A file of zeros; a request that begins behind the first page takes its time. */
  private static FileHandle slowBehindTheFirstPage() {
    return new FileHandle() {
      @Override
      public int read(Request request, ByteBuffer dst, long offset) throws IOException {
        if (offset > 0) {
          sleep();
        }
        int length = dst.remaining();
        dst.position(dst.limit());
        return length;
      }
    };
  }

  private static void sleep() {
    long end = System.nanoTime() + SLEEP_NANOS;
    for (long left = SLEEP_NANOS; left > 0; left = end - System.nanoTime()) {
      java.util.concurrent.locks.LockSupport.parkNanos(left);
    }
  }

  /** What was asked by a client that has ended; its last close may still be under way. */
  private static Metrics settled(FuseMount mount, int releases) throws InterruptedException {
    while (true) {
      Metrics metrics = mount.metrics();
      if (metrics.inFlight() == 0 && metrics.of(Operation.RELEASE).count() == releases) {
        return metrics;
      }
      Thread.sleep(1);
    }
  }

  @Test
  void requestsAndErrorsAreCountedExactlyAndStayWhenTheMountHasEnded() throws Exception {
    FuseMount mount = mount(slowBehindTheFirstPage(), measured());
    Shell.python(CLIENT, mount.mountPoint(), 1);
    Metrics first = settled(mount, 1);
    assertEquals(1, first.of(Operation.OPEN).count());
    assertEquals(1, first.of(Operation.READ).count());
    assertEquals(fs.lookups.get(), first.of(Operation.LOOKUP).count());
    assertEquals(fs.getattrs.get(), first.of(Operation.GETATTR).count());
    assertEquals(1, first.of(Operation.LOOKUP).errors(), "the name that isn't there");
    assertEquals(1, first.total().errors());
    assertTrue(first.workers() > 0);

    Shell.python(CLIENT, mount.mountPoint(), 3);
    Metrics second = settled(mount, 2).since(first);
    OperationMetrics reads = second.of(Operation.READ);
    assertEquals(3, reads.count());
    assertTrue(reads.percentileNanos(50) >= SLEEP_NANOS, second::toString);
    assertTrue(reads.percentileNanos(1) < SLEEP_NANOS, second::toString);
    assertTrue(reads.totalNanos() >= 2 * SLEEP_NANOS, second::toString);
    assertTrue(reads.maxNanos() >= SLEEP_NANOS, second::toString);

    mount.close();
    mount.join();
    assertEquals(4, mount.metrics().of(Operation.READ).count());
    assertEquals(0, mount.metrics().workers());
  }

  @Test
  void aRequestThatIsStuckIsTheLongest() throws Exception {
    CountDownLatch inside = new CountDownLatch(1);
    CountDownLatch free = new CountDownLatch(1);
    FileHandle file =
        new FileHandle() {
          @Override
          public int read(Request request, ByteBuffer dst, long offset) throws IOException {
            inside.countDown();
            try {
              free.await();
            } catch (InterruptedException e) {
              throw new IOException(e);
            }
            int length = dst.remaining();
            dst.position(dst.limit());
            return length;
          }
        };
    FuseMount mount = mount(file, measured());
    Process client =
        new ProcessBuilder("dd", "if=" + mount.mountPoint().resolve("file"), "bs=4k", "count=1")
            .redirectErrorStream(true)
            .redirectOutput(Path.of("/dev/null").toFile())
            .start();
    try {
      inside.await();
      Metrics metrics = mount.metrics();
      // The open before it was answered, but its worker may not have put it aside yet.
      while (!metrics.longest().orElseThrow().operation().equals("READ")) {
        Thread.sleep(1);
        metrics = mount.metrics();
      }
      assertTrue(metrics.inFlight() > 0);
      assertEquals(0, metrics.of(Operation.READ).count());
    } finally {
      free.countDown();
      client.waitFor();
    }
    assertEquals(0, client.exitValue());
    assertTrue(settled(mount, 1).longest().isEmpty());
  }

  @Test
  void aMountThatIsNotMeasuredSaysHowToHaveIt() throws Exception {
    FuseMount mount = mount(slowBehindTheFirstPage(), MountOptions.builder());
    IllegalStateException error = assertThrows(IllegalStateException.class, mount::metrics);
    assertTrue(error.getMessage().contains("option metrics"), error.getMessage());
  }

  @Test
  void aSlowRequestIsOneLineOfTheLog() throws Exception {
    ByteArrayOutputStream log = new ByteArrayOutputStream();
    PrintStream errors = System.err;
    System.setErr(new PrintStream(log, true));
    try {
      MountOptions.Builder options = MountOptions.builder().slow(Duration.ofNanos(SLEEP_NANOS));
      FuseMount mount = mount(slowBehindTheFirstPage(), options);
      Shell.python(CLIENT, mount.mountPoint(), 3);
      mount.close();
      mount.join();
    } finally {
      System.setErr(errors);
    }
    List<String> lines =
        log.toString()
            .lines()
            .filter(line -> line.contains("slow operation"))
            .collect(Collectors.toList());
    assertEquals(1, lines.size(), log::toString);
    assertTrue(
        lines
            .get(0)
            .matches(
                ".*READ of node 0x[0-9a-f]+ took \\d+\\.\\d ms"
                    + "(, \\d+\\.\\d ms of them waiting for its handle)? \\(request \\d+ .*"),
        log::toString);
  }

  @Test
  void flightRecorderHasOperationsAndSlowRequests() throws Exception {
    Path file = temp.resolve("recording.jfr");
    FuseMount mount =
        mount(slowBehindTheFirstPage(), measured().slow(Duration.ofNanos(SLEEP_NANOS)));
    try (Recording recording = new Recording()) {
      recording.enable("io.github.ferrofuse.Operations").withPeriod(Duration.ofMillis(10));
      recording.enable("io.github.ferrofuse.SlowOperation");
      recording.start();
      Shell.python(CLIENT, mount.mountPoint(), 4);
      settled(mount, 1);
      mount.close();
      mount.join();
      recording.stop();
      recording.dump(file);
    }
    List<RecordedEvent> events = RecordingFile.readAllEvents(file);
    List<RecordedEvent> operations = of(mount, events, "Operations");
    long reads = 0;
    for (RecordedEvent event : operations) {
      if (event.getString("operation").equals("READ")) {
        reads += event.getLong("count");
        assertTrue(
            event.getDuration("max").compareTo(event.getDuration("mean")) >= 0, event::toString);
      }
    }
    assertEquals(4, reads, operations::toString);
    List<RecordedEvent> slow = of(mount, events, "SlowOperation");
    assertEquals(3, slow.size(), slow::toString);
    for (RecordedEvent event : slow) {
      assertEquals("READ", event.getString("operation"));
      assertTrue(event.getDuration("took").toNanos() >= SLEEP_NANOS, event::toString);
      assertTrue(event.getInt("pid") > 0 && event.getLong("unique") != 0, event::toString);
    }
    assertFalse(Files.exists(mount.mountPoint().resolve("file")));
  }

  private static List<RecordedEvent> of(FuseMount mount, List<RecordedEvent> events, String name) {
    return events.stream()
        .filter(event -> event.getEventType().getName().equals("io.github.ferrofuse." + name))
        .filter(event -> event.getString("mount").equals(mount.mountPoint().toString()))
        .collect(Collectors.toList());
  }
}
