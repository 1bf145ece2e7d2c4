package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FileHandle.Concurrency;
import io.github.ferrofuse.FuseMount;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.OpenReply;
import io.github.ferrofuse.Request;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.parallel.Isolated;

/** Threads come when requests need them, end when nobody does, and serve as handles demand. */
@Tag("mount")
@Isolated("compares times")
@Tag("once")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class WorkersTest {
  private static final int BLOCK = 4096;
  private static final int CLIENTS = 64;
  private static final int CALLS_EACH = 20;
  private static final int LATE_SECONDS = 20;

  /** How long something that must not happen is waited for. */
  private static final long NEVER_MILLIS = 300;

  /** Reads as many blocks at once as a line says; "end" waits for all of them. */
  private static final String BURSTS =
      """
      import os, sys, threading
      fd = os.open(sys.argv[1], os.O_RDONLY)
      calls = []
      for line in sys.stdin:
          if line.strip() == "end":
              [call.join() for call in calls]
              calls = []
              print("ended", flush=True)
          else:
              for i in range(int(line)):
                  calls.append(threading.Thread(target=os.pread, args=(fd, 4096, 4096 * i)))
                  calls[-1].start()
      """;

  /** Many threads on one descriptor, which check what they read; answers the seconds it took. */
  private static final String CROWD =
      """
      import os, sys, threading, time
      fd = os.open(sys.argv[1], os.O_RDWR)
      clients, calls, write_every = (int(text) for text in sys.argv[2:])
      wrong = []
      def client(number):
          for i in range(calls):
              block = (number * 37 + i * 11) % 256
              if write_every and (number + i) % write_every == 0:
                  right = os.pwrite(fd, bytes([block]) * 4096, block * 4096) == 4096
              else:
                  right = os.pread(fd, 4096, block * 4096) == bytes([block]) * 4096
              if not right:
                  wrong.append(block)
      threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
      began = time.monotonic()
      [thread.start() for thread in threads]
      [thread.join() for thread in threads]
      assert not wrong, wrong
      print(time.monotonic() - began)
      """;

  @RegisterExtension final Mounts mounts = new Mounts();

  private final List<Held> held = new ArrayList<>();

  /** A test that failed keeps nobody inside, so that the mount can come off. */
  @AfterEach
  void letEverybodyLeave() {
    held.forEach(handle -> handle.leave.release(10_000));
  }

  private Held hold() {
    held.add(new Held());
    return held.get(held.size() - 1);
  }

  /**
   * Where the number of threads follows the load in both directions: those that have rings stay.
   */
  private static MountOptions.Builder onDevice() {
    return MountOptions.builder().transport(MountOptions.Transport.DEV);
  }

  private FuseMount mount(FileHandle handle, MountOptions.Builder options) throws Exception {
    ScriptedFileSystem fs =
        new ScriptedFileSystem().file("file", (flags, out) -> direct(out, handle));
    return mounts.mount(fs, options.metrics(true).build());
  }

  /** The kernel itself orders nothing and remembers nothing. */
  private static FileHandle direct(OpenReply out, FileHandle handle) {
    out.directIo().parallelDirectWrites();
    return handle;
  }

  private static Shell.Talk bursts(FuseMount mount) throws Exception {
    return Shell.talk(BURSTS, mount.mountPoint().resolve("file"));
  }

  /** Threads of mounts of this name that are alive, by their number. */
  private static List<Integer> threads(String fsname) {
    String prefix = "ferrofuse-" + fsname + "-";
    return Thread.getAllStackTraces().keySet().stream()
        .map(Thread::getName)
        .filter(name -> name.startsWith(prefix))
        .map(name -> Integer.valueOf(name.substring(prefix.length())))
        .sorted()
        .collect(Collectors.toList());
  }

  private static int highest(String fsname) {
    List<Integer> threads = threads(fsname);
    return threads.get(threads.size() - 1);
  }

  /** Waits for what no event tells. */
  private static void await(String what, BooleanSupplier holds) throws InterruptedException {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(LATE_SECONDS);
    while (!holds.getAsBoolean()) {
      assertTrue(System.nanoTime() < end, what);
      Thread.sleep(5);
    }
  }

  @Test
  void aRequestIsServedWhileAllWorkersSleepInTheFileSystem() throws Exception {
    Held handle = hold();
    FuseMount mount = mount(handle, MountOptions.builder().fsname("asleep"));
    int atOnce = Math.min(16, Math.max(4, 2 * Runtime.getRuntime().availableProcessors()));
    try (Shell.Talk client = bursts(mount)) {
      for (int asleep : new int[] {atOnce, atOnce + 8}) {
        client.say(String.valueOf(asleep));
        handle.awaitEntries(asleep);
        // The kernel asks for it each time.
        assertFalse(Files.exists(mount.mountPoint().resolve("absent")));
        assertTrue(mount.metrics().workers() > asleep, mount.metrics()::toString);
        handle.leave.release(asleep);
        assertEquals("ended", client.ask("end"));
      }
    }
    ClassLoader mine = Thread.currentThread().getContextClassLoader();
    for (Thread thread : handle.threads) {
      assertTrue(thread.isDaemon(), thread::getName);
      assertEquals(mine, thread.getContextClassLoader(), thread::getName);
    }
    mount.close();
    await("threads are left", () -> threads("asleep").isEmpty());
  }

  @Test
  void thereAreNoMoreThreadsThanAskedFor() throws Exception {
    Held handle = hold();
    FuseMount mount = mount(handle, onDevice().threads(3).fsname("three"));
    try (Shell.Talk client = bursts(mount)) {
      client.say("5");
      handle.awaitEntries(3);
      assertFalse(handle.anotherEnters(), "a fourth call came in");
      assertEquals(3, mount.metrics().workers());
      assertEquals(List.of(0, 1, 2), threads("three"));
      handle.leave.release(5);
      assertEquals("ended", client.ask("end"));
    }
  }

  @Test
  void threadsThatNobodyNeedsEnd() throws Exception {
    Held handle = hold();
    MountOptions.Builder options = onDevice().threads(8).maxIdleThreads(1);
    FuseMount mount = mount(handle, options.fsname("surplus"));
    try (Shell.Talk client = bursts(mount)) {
      client.say("8");
      handle.awaitEntries(8);
      handle.leave.release(8);
      assertEquals("ended", client.ask("end"));
    }
    await("surplus threads stay", () -> mount.metrics().workers() == 1);
    await("more than a worker and the reserve", () -> threads("surplus").size() <= 2);
  }

  @Test
  void aLoadThatComesAndGoesMakesNoThreadsAnew() throws Exception {
    Held handle = hold();
    MountOptions.Builder options = onDevice().threads(8).maxIdleThreads(2);
    FuseMount mount = mount(handle, options.fsname("bursts"));
    try (Shell.Talk client = bursts(mount)) {
      for (int i = 0; i < 50; i++) {
        client.say("7");
        handle.awaitEntries(7);
        handle.leave.release(7);
        assertEquals("ended", client.ask("end"));
      }
    }
    assertTrue(highest("bursts") <= 8, () -> threads("bursts").toString());
  }

  @Test
  void serializedCallsOfManyThreadsAreAlone() throws Exception {
    Slow handle = new Slow(Concurrency.SERIALIZED);
    crowd(handle, 7);
    assertEquals(1, handle.most.get());
    assertEquals(CLIENTS * CALLS_EACH, handle.calls.get());
  }

  @Test
  void sharedReadsOfManyThreadsOverlapAndWritesAreAlone() throws Exception {
    Slow handle = new Slow(Concurrency.SHARED_READS);
    crowd(handle, 7);
    assertEquals(0, handle.writesInCompany.get());
    assertTrue(handle.most.get() > 1, "reads never overlapped");
    assertEquals(CLIENTS * CALLS_EACH, handle.calls.get());
  }

  @Test
  void concurrentCallsOfManyThreadsAreFasterThanSerializedOnes() throws Exception {
    double alone = crowd(new Slow(Concurrency.SERIALIZED), 0);
    double shared = crowd(new Slow(Concurrency.SHARED_READS), 0);
    double together = crowd(new Slow(Concurrency.CONCURRENT), 0);
    String took = "serialized " + alone + " s, shared " + shared + " s, concurrent " + together;
    assertTrue(together < alone / 2 && shared < alone / 2, took);
  }

  @Test
  void aStreamThatSeeksAndThenReadsIsRightWhenItsCallsAreSerialized() throws Exception {
    Stream stream = new Stream();
    crowd(stream, 0);
    assertEquals(CLIENTS * CALLS_EACH, stream.calls.get());
  }

  private double crowd(FileHandle handle, int writeEvery) throws Exception {
    FuseMount mount = mount(handle, MountOptions.builder().threads(16));
    Object file = mount.mountPoint().resolve("file");
    return Double.parseDouble(Shell.python(CROWD, file, CLIENTS, CALLS_EACH, writeEvery).trim());
  }

  /** Puts the block at an offset, which is one that the crowd asks for. */
  private static int block(ByteBuffer dst, long offset) {
    for (int i = 0; i < BLOCK; i++) {
      dst.put((byte) (offset / BLOCK));
    }
    return BLOCK;
  }

  /** Takes its time. */
  private static final class Slow implements FileHandle {
    final AtomicInteger calls = new AtomicInteger();
    final AtomicInteger most = new AtomicInteger();
    final AtomicInteger writesInCompany = new AtomicInteger();
    private final AtomicInteger inside = new AtomicInteger();
    private final Concurrency policy;

    Slow(Concurrency policy) {
      this.policy = policy;
    }

    @Override
    public Concurrency concurrency() {
      return policy;
    }

    @Override
    public int read(Request request, ByteBuffer dst, long offset) {
      stay();
      return block(dst, offset);
    }

    @Override
    public int write(Request request, ByteBuffer src, long offset) {
      if (stay() > 1) {
        writesInCompany.incrementAndGet();
      }
      return src.remaining();
    }

    /** Answers the most that were inside as the call came and went. */
    private int stay() {
      calls.incrementAndGet();
      int before = inside.incrementAndGet();
      most.accumulateAndGet(before, Math::max);
      try {
        Thread.sleep(1);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
      return Math.max(before, inside.getAndDecrement());
    }
  }

  /** Has a position, as a library for some format may: right only if nobody comes in between. */
  private static final class Stream implements FileHandle {
    final AtomicInteger calls = new AtomicInteger();
    private volatile long position;

    @Override
    public int read(Request request, ByteBuffer dst, long offset) {
      calls.incrementAndGet();
      position = offset;
      Thread.yield();
      return block(dst, position);
    }
  }

  /** Keeps each call inside until the test lets one leave. */
  private static final class Held implements FileHandle {
    final Semaphore leave = new Semaphore(0);
    final Set<Thread> threads = ConcurrentHashMap.newKeySet();
    private final Semaphore entries = new Semaphore(0);

    @Override
    public Concurrency concurrency() {
      return Concurrency.CONCURRENT;
    }

    @Override
    public int read(Request request, ByteBuffer dst, long offset) {
      threads.add(Thread.currentThread());
      entries.release();
      leave.acquireUninterruptibly();
      return block(dst, offset);
    }

    void awaitEntries(int calls) throws InterruptedException {
      assertTrue(entries.tryAcquire(calls, LATE_SECONDS, TimeUnit.SECONDS), "no call came in");
    }

    boolean anotherEnters() throws InterruptedException {
      return entries.tryAcquire(NEVER_MILLIS, TimeUnit.MILLISECONDS);
    }
  }
}
