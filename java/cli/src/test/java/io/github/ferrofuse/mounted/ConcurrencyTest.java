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
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Calls on one handle overlap as its policy says, and no worker waits for that. */
@Tag("mount")
@Tag("once")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class ConcurrencyTest {
  /** How long something that must not happen is waited for. */
  private static final long NEVER_MILLIS = 300;

  private static final int LATE_SECONDS = 20;

  /**
   * One descriptor, used by threads: "read" and "write" start a call and return, "end" waits for
   * all of them and answers how many there were.
   */
  private static final String CLIENT =
      """
      import os, sys, threading
      fd = os.open(sys.argv[1], os.O_RDWR)
      calls, done = [], []
      def call(what, i):
          if what == "read":
              assert len(os.pread(fd, 4096, 4096 * i)) == 4096
          else:
              assert os.pwrite(fd, bytes(4096), 4096 * i) == 4096
          done.append(what)
      for line in sys.stdin:
          if line.strip() == "end":
              [thread.join() for thread in calls]
              print(len(done), flush=True)
          else:
              calls.append(threading.Thread(target=call, args=(line.strip(), len(calls))))
              calls[-1].start()
      """;

  /** Many calls of both kinds on one descriptor from eight threads; answers how many. */
  private static final String HAMMER =
      """
      import os, sys, threading
      fd = os.open(sys.argv[1], os.O_RDWR)
      def hammer(number):
          for i in range(500):
              offset = (number * 500 + i) % 256 * 4096
              if (number + i) % 3:
                  assert len(os.pread(fd, 4096, offset)) == 4096
              else:
                  assert os.pwrite(fd, bytes(4096), offset) == 4096
      threads = [threading.Thread(target=hammer, args=(number,)) for number in range(8)]
      [thread.start() for thread in threads]
      [thread.join() for thread in threads]
      """;

  @RegisterExtension final Mounts mounts = new Mounts();

  private final List<Held> held = new ArrayList<>();

  /** A test that failed keeps nobody inside, so that the mount can come off. */
  @AfterEach
  void letEverybodyLeave() {
    held.forEach(handle -> handle.leave.release(1000));
  }

  private Held hold(Concurrency policy) {
    held.add(new Held(policy));
    return held.get(held.size() - 1);
  }

  private Path mount(FileHandle handle) throws Exception {
    ScriptedFileSystem fs =
        new ScriptedFileSystem().file("file", (flags, out) -> parallel(out, handle));
    return mounts.mount(fs, MountOptions.builder().threads(6).build()).mountPoint().resolve("file");
  }

  /** The kernel itself orders nothing. */
  private static FileHandle parallel(OpenReply out, FileHandle handle) {
    out.directIo().parallelDirectWrites();
    return handle;
  }

  @Test
  void serializedCallsAreAlone() throws Exception {
    Held handle = hold(Concurrency.SERIALIZED);
    try (Shell.Talk client = Shell.talk(CLIENT, mount(handle))) {
      client.say("read");
      handle.awaitEntry();
      client.say("read");
      client.say("write");
      assertFalse(handle.anotherEnters(), "a call came in while a read was inside");
      handle.leave.release(3);
      assertEquals("3", client.ask("end"));
      assertEquals(1, handle.most.get());
    }
  }

  @Test
  void sharedReadsOverlapAndWritesAreAlone() throws Exception {
    Held handle = hold(Concurrency.SHARED_READS);
    try (Shell.Talk client = Shell.talk(CLIENT, mount(handle))) {
      client.say("read");
      client.say("read");
      handle.awaitEntry();
      handle.awaitEntry();
      assertEquals(2, handle.inside.get(), "reads inside at once");
      client.say("write");
      assertFalse(handle.anotherEnters(), "the write came in while reads were inside");
      handle.leave.release(2);
      handle.awaitEntry();
      client.say("read");
      assertFalse(handle.anotherEnters(), "a read came in while the write was inside");
      handle.leave.release(2);
      assertEquals("4", client.ask("end"));
      assertEquals(2, handle.most.get());
    }
  }

  @Test
  void concurrentWritesOverlap() throws Exception {
    Held handle = hold(Concurrency.CONCURRENT);
    try (Shell.Talk client = Shell.talk(CLIENT, mount(handle))) {
      client.say("write");
      client.say("write");
      client.say("read");
      handle.awaitEntry();
      handle.awaitEntry();
      handle.awaitEntry();
      assertEquals(3, handle.inside.get());
      handle.leave.release(3);
      assertEquals("3", client.ask("end"));
    }
  }

  @Test
  void callsThatWaitForABusyHandleHoldNoWorker() throws Exception {
    Held handle = hold(Concurrency.SERIALIZED);
    ScriptedFileSystem fs =
        new ScriptedFileSystem()
            .file("busy", (flags, out) -> parallel(out, handle))
            .file("other", (flags, out) -> parallel(out, new Witness(Concurrency.SERIALIZED)));
    FuseMount mount = mounts.mount(fs, MountOptions.builder().threads(2).build());
    try (Shell.Talk client = Shell.talk(CLIENT, mount.mountPoint().resolve("busy"))) {
      client.say("read");
      handle.awaitEntry();
      for (int i = 0; i < 20; i++) {
        client.say("read");
      }
      // One worker is inside the busy handle; the other one must serve everybody else.
      byte[] other = Files.readAllBytes(mount.mountPoint().resolve("other"));
      assertEquals(ScriptedFileSystem.SIZE, other.length);
      handle.leave.release(21);
      assertEquals("21", client.ask("end"));
      assertEquals(1, handle.most.get());
    }
  }

  @Test
  void serializedHandlesStayAloneUnderLoad() throws Exception {
    Witness handle = new Witness(Concurrency.SERIALIZED);
    Shell.python(HAMMER, mount(handle));
    assertEquals(1, handle.most.get());
    assertEquals(4000, handle.calls.get());
  }

  @Test
  void sharedReadsNeverMeetAWriteUnderLoad() throws Exception {
    Witness handle = new Witness(Concurrency.SHARED_READS);
    Shell.python(HAMMER, mount(handle));
    assertEquals(0, handle.writesInCompany.get());
    assertEquals(4000, handle.calls.get());
  }

  @Test
  void concurrentHandlesAreServedUnderLoad() throws Exception {
    Witness handle = new Witness(Concurrency.CONCURRENT);
    Shell.python(HAMMER, mount(handle));
    assertEquals(4000, handle.calls.get());
  }

  /** Counts how many calls are inside at once. */
  private static class Witness implements FileHandle {
    final AtomicInteger inside = new AtomicInteger();
    final AtomicInteger most = new AtomicInteger();
    final AtomicInteger calls = new AtomicInteger();
    final AtomicInteger writesInCompany = new AtomicInteger();
    private final Concurrency policy;

    Witness(Concurrency policy) {
      this.policy = policy;
    }

    @Override
    public Concurrency concurrency() {
      return policy;
    }

    @Override
    public int read(Request request, ByteBuffer dst, long offset) {
      enter();
      int left = (int) Math.min(dst.remaining(), Math.max(0, ScriptedFileSystem.SIZE - offset));
      dst.position(dst.position() + left);
      inside.decrementAndGet();
      return left;
    }

    @Override
    public int write(Request request, ByteBuffer src, long offset) {
      int before = enter();
      int taken = src.remaining();
      if (before + inside.get() > 2) {
        writesInCompany.incrementAndGet();
      }
      inside.decrementAndGet();
      return taken;
    }

    /** Answers how many are inside, the caller among them. */
    private int enter() {
      calls.incrementAndGet();
      int now = inside.incrementAndGet();
      most.accumulateAndGet(now, Math::max);
      stay();
      return now;
    }

    /** Gives others the occasion to come in. */
    void stay() {
      Thread.yield();
    }
  }

  /** Keeps each call inside until the test lets one leave. */
  private static final class Held extends Witness {
    final Semaphore leave = new Semaphore(0);
    private final Semaphore entries = new Semaphore(0);

    Held(Concurrency policy) {
      super(policy);
    }

    @Override
    void stay() {
      entries.release();
      leave.acquireUninterruptibly();
    }

    void awaitEntry() throws InterruptedException {
      assertTrue(entries.tryAcquire(LATE_SECONDS, TimeUnit.SECONDS), "no call came in");
    }

    boolean anotherEnters() throws InterruptedException {
      return entries.tryAcquire(NEVER_MILLIS, TimeUnit.MILLISECONDS);
    }
  }
}
