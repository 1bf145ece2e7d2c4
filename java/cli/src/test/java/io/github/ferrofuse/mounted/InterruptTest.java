package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FuseMount;
import io.github.ferrofuse.OpenReply;
import io.github.ferrofuse.Request;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Who gets a signal while waiting for a file system comes back, and nobody else notices. */
@Tag("mount")
@Tag("once")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class InterruptTest {
  /** How long a killed program may take to be gone; without help it would take for ever. */
  private static final long SOON = 10;

  /** Answers every line with what read(2) returned, or its error; signals have a handler. */
  private static final String READER =
      """
      import ctypes, errno, os, signal, sys
      libc = ctypes.CDLL(None, use_errno=True)
      signal.signal(signal.SIGINT, lambda *ignored: None)
      fd = os.open(sys.argv[1], os.O_RDONLY)
      buffer = ctypes.create_string_buffer(4096)
      print("open", flush=True)
      for line in sys.stdin:
          n = libc.pread(fd, buffer, 4096, 0)
          print(n if n >= 0 else errno.errorcode[ctypes.get_errno()], flush=True)
      """;

  /** As above; a child of it, which has the same handle, reads first. */
  private static final String SECOND_READER =
      """
      import os, sys
      fd = os.open(sys.argv[1], os.O_RDONLY)
      if os.fork() == 0:
          os.close(0)
          os.pread(fd, 4096, 0)
          os._exit(0)
      print("open", flush=True)
      for line in sys.stdin:
          print(len(os.pread(fd, 4096, 0)), flush=True)
      """;

  @RegisterExtension final Mounts mounts = new Mounts();

  private final CountDownLatch entered = new CountDownLatch(1);
  private final CountDownLatch leave = new CountDownLatch(1);

  /** What handlers have to tell. */
  private final LinkedBlockingQueue<String> said = new LinkedBlockingQueue<>();

  /** A test that failed keeps nobody inside. */
  @AfterEach
  void letReadsGo() {
    leave.countDown();
  }

  /** What a read does before it answers zeros. */
  private interface Reading {
    void read(Request request) throws IOException, InterruptedException;
  }

  private static class File implements FileHandle {
    private final Reading reading;

    File(Reading reading) {
      this.reading = reading;
    }

    @Override
    public int read(Request request, ByteBuffer dst, long offset) throws IOException {
      try {
        reading.read(request);
      } catch (InterruptedException e) {
        InterruptedIOException interrupted = new InterruptedIOException();
        interrupted.initCause(e);
        throw interrupted;
      }
      int length = dst.remaining();
      dst.position(dst.limit());
      return length;
    }
  }

  private static ScriptedFileSystem.Open opening(Reading reading) {
    return (int flags, OpenReply out) -> {
      out.directIo();
      return new File(reading);
    };
  }

  private FuseMount mount(Reading reading) throws IOException {
    return mounts.mount(new ScriptedFileSystem().file("file", opening(reading)));
  }

  private static Path file(FuseMount mount) {
    return mount.mountPoint().resolve("file");
  }

  private String heard() throws InterruptedException {
    return said.poll(SOON, TimeUnit.SECONDS);
  }

  /** Waits inside until the request's action wakes it. */
  private void waitForAction(Request request) throws IOException, InterruptedException {
    CountDownLatch woken = new CountDownLatch(1);
    request.onInterrupt(woken::countDown);
    said.add("inside");
    woken.await();
    said.add("interrupted " + request.interrupted());
    throw Errno.EINTR.exception();
  }

  @Test
  void aKilledReaderIsGoneWhenItsHandlerGivesUp() throws Exception {
    FuseMount mount = mount(this::waitForAction);
    try (Shell.Talk reader = Shell.talk(READER, file(mount))) {
      assertEquals("open", reader.hear());
      reader.say("read");
      assertEquals("inside", heard());
      reader.signal("KILL");
      assertEquals("interrupted true", heard());
      assertTrue(reader.isGone(SOON));
    }
    assertEquals(FuseMount.Unmount.CLEAN, mount.unmount(Duration.ofSeconds(SOON)));
  }

  @Test
  void aReaderThatGetsASignalSeesEintrAndReadsOn() throws Exception {
    FuseMount mount =
        mount(
            request -> {
              if (leave.getCount() > 0) {
                waitForAction(request);
              }
            });
    try (Shell.Talk reader = Shell.talk(READER, file(mount))) {
      assertEquals("open", reader.hear());
      for (int i = 0; i < 3; i++) {
        reader.say("read");
        assertEquals("inside", heard());
        reader.signal("INT");
        assertEquals("EINTR", reader.hear());
        assertEquals("interrupted true", heard());
      }
      leave.countDown();
      assertEquals("4096", reader.ask("read"));
    }
  }

  @Test
  void aHandlerThatLooksSeesTheSignal() throws Exception {
    FuseMount mount =
        mount(
            request -> {
              said.add("inside");
              while (!request.interrupted()) {
                Thread.sleep(1);
              }
              throw Errno.EINTR.exception();
            });
    try (Shell.Talk reader = Shell.talk(READER, file(mount))) {
      assertEquals("open", reader.hear());
      reader.say("read");
      assertEquals("inside", heard());
      reader.signal("KILL");
      assertTrue(reader.isGone(SOON));
    }
  }

  @Test
  void aKilledReaderThatWaitsForItsHandleIsGoneThoughAnotherIsInside() throws Exception {
    FuseMount mount =
        mount(
            request -> {
              entered.countDown();
              leave.await();
            });
    try (Shell.Talk reader = Shell.talk(SECOND_READER, file(mount))) {
      assertEquals("open", reader.hear());
      entered.await();
      reader.say("read");
      reader.awaitSleepIn("request_wait_answer");
      reader.signal("KILL");
      assertTrue(reader.isGone(SOON));
      assertEquals(1, leave.getCount(), "the first one is still inside");
    }
    leave.countDown();
    assertEquals(FuseMount.Unmount.CLEAN, mount.unmount(Duration.ofSeconds(SOON)));
  }

  /** Has its threads interrupted. */
  private static final class Interruptible extends ScriptedFileSystem {
    @Override
    public boolean interruptsThreads() {
      return true;
    }
  }

  @Test
  void aSleepingHandlerWakesUpWhereThreadsAreInterrupted() throws Exception {
    ScriptedFileSystem fs =
        new Interruptible()
            .file(
                "file",
                opening(
                    request -> {
                      said.add("inside");
                      Thread.sleep(60_000);
                    }));
    FuseMount mount = mounts.mount(fs);
    try (Shell.Talk reader = Shell.talk(READER, file(mount))) {
      assertEquals("open", reader.hear());
      reader.say("read");
      assertEquals("inside", heard());
      reader.signal("INT");
      assertEquals("EINTR", reader.hear());
      reader.say("read");
      assertEquals("inside", heard());
      reader.signal("KILL");
      assertTrue(reader.isGone(SOON));
    }
  }

  @Test
  void anInterruptNeverHitsTheRequestOfAnother() throws Exception {
    AtomicInteger hits = new AtomicInteger();
    AtomicInteger astray = new AtomicInteger();
    AtomicInteger calm = new AtomicInteger();
    ScriptedFileSystem fs =
        new Interruptible()
            .file(
                "signalled",
                opening(
                    request -> {
                      try {
                        Thread.sleep(0, 300_000);
                      } catch (InterruptedException e) {
                        hits.getAndIncrement();
                        throw e;
                      }
                    }))
            .file(
                "calm",
                opening(
                    request -> {
                      if (Thread.interrupted() || request.interrupted()) {
                        astray.getAndIncrement();
                      }
                      calm.getAndIncrement();
                    }));
    FuseMount mount = mounts.mount(fs);
    List<Shell.Talk> clients = new ArrayList<>();
    try {
      for (int i = 0; i < 3; i++) {
        clients.add(Shell.talk(SIGNALLED, mount.mountPoint().resolve("signalled")));
      }
      Shell.Talk reader = Shell.talk(CALM, mount.mountPoint().resolve("calm"));
      clients.add(reader);
      for (Shell.Talk client : clients) {
        assertEquals("begun", client.hear());
      }
      while (hits.get() < 300 || calm.get() < 3_000) {
        assertFalse(reader.isGone(0), "it stopped on an error");
        Thread.sleep(5);
      }
    } finally {
      clients.forEach(Shell.Talk::close);
    }
    assertEquals(0, astray.get(), "of " + calm + " reads, beside " + hits + " interrupts");
  }

  /** Reads all the time and gets a signal every millisecond. */
  private static final String SIGNALLED =
      """
      import ctypes, os, signal, sys
      libc = ctypes.CDLL(None)
      signal.signal(signal.SIGALRM, lambda *ignored: None)
      fd = os.open(sys.argv[1], os.O_RDONLY)
      buffer = ctypes.create_string_buffer(4096)
      print("begun", flush=True)
      signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
      while True:
          libc.pread(fd, buffer, 4096, 0)
      """;

  /** Reads all the time and ends on an error. */
  private static final String CALM =
      """
      import os, sys
      fd = os.open(sys.argv[1], os.O_RDONLY)
      print("begun", flush=True)
      while len(os.pread(fd, 4096, 0)) == 4096:
          pass
      """;
}
