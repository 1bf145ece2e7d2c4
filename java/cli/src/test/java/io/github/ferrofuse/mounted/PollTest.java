package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FuseMount;
import io.github.ferrofuse.OpenReply;
import io.github.ferrofuse.Operation;
import io.github.ferrofuse.PollHandle;
import io.github.ferrofuse.Request;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** poll(2), select(2) and epoll_wait(2) on a file system in which a file becomes readable. */
@Tag("mount")
@Tag("once")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class PollTest {
  private static final long ROOT = BackedFileSystem.ROOT;
  private static final long MAILBOX = 10;
  private static final long PLAIN = 11;

  @RegisterExtension final Mounts mounts = new Mounts();

  private final Mailbox fs = new Mailbox();
  private PythonClient client;

  /** A file that can be read while there is a message in it; writing puts one there. */
  static class Mailbox extends BackedFileSystem {
    final Set<PollHandle> waiters = ConcurrentHashMap.newKeySet();
    final ConcurrentLinkedQueue<String> messages = new ConcurrentLinkedQueue<>();
    final CountDownLatch inside = new CountDownLatch(1);
    final CountDownLatch mayGo = new CountDownLatch(1);
    final AtomicInteger closed = new AtomicInteger();
    volatile boolean readsWait;
    volatile boolean fails;

    Mailbox() {
      content(MAILBOX, "").name(ROOT, "mailbox", MAILBOX);
      content(PLAIN, "plain").name(ROOT, "plain", PLAIN);
    }

    void deliver(String message) {
      messages.add(message);
      waiters.forEach(PollHandle::wake);
    }

    @Override
    public FileHandle open(Request request, long node, int flags, OpenReply out) {
      if (node == PLAIN) {
        return new Open(node);
      }
      out.directIo().nonSeekable();
      return new Box();
    }

    private final class Box extends Open {
      Box() {
        super(MAILBOX);
      }

      @Override
      public Concurrency concurrency() {
        return Concurrency.SERIALIZED;
      }

      @Override
      public int poll(Request request, int events, PollHandle handle) throws IOException {
        polls.getAndIncrement();
        if (fails) {
          throw new IOException("as asked for");
        }
        if (handle != null) {
          waiters.add(handle);
        }
        int ready = PollHandle.OUT | (messages.isEmpty() ? 0 : PollHandle.IN);
        return events & ready;
      }

      @Override
      public int read(Request request, ByteBuffer dst, long offset) throws IOException {
        if (readsWait) {
          inside.countDown();
          try {
            mayGo.await();
          } catch (InterruptedException e) {
            throw new IOException(e);
          }
        }
        String message = messages.poll();
        if (message == null) {
          return 0;
        }
        dst.put(message.getBytes(StandardCharsets.US_ASCII));
        return message.length();
      }

      @Override
      public int write(Request request, ByteBuffer src, long offset) {
        byte[] message = new byte[src.remaining()];
        src.get(message);
        // Wakes from inside a handler.
        deliver(new String(message, StandardCharsets.US_ASCII));
        return message.length;
      }

      @Override
      public void release(Request request) {
        closed.getAndIncrement();
      }
    }
  }

  @AfterEach
  void end() {
    fs.mayGo.countDown();
    if (client != null) {
      client.close();
    }
  }

  private void mount(io.github.ferrofuse.FileSystemBase form) throws IOException {
    FuseMount mount = mounts.mount(form);
    client = new PythonClient(mount.mountPoint());
  }

  /**
   * Who waits is known to the kernel before the file system is asked: a wake-up can't be missed.
   */
  private void awaitWaiters() {
    while (fs.waiters.isEmpty()) {
      Thread.onSpinWait();
    }
  }

  private void sees(String expected, String python) throws IOException {
    assertEquals(expected, client.ask(python), python);
  }

  private static final String OPEN = "fd := os.open(p('mailbox'), os.O_RDWR)";

  @Test
  void whoPollsIsWokenWhenTheFileBecomesReadable() throws Exception {
    mount(fs);
    sees("4", "polled((" + OPEN + "), select.POLLIN | select.POLLOUT)");
    sees("0", "polled(fd, select.POLLIN)");
    client.say("polled(fd, select.POLLIN, 30000)");
    awaitWaiters();
    fs.deliver("first");
    assertEquals("1", client.hear());
    sees("b'first'", "os.read(fd, 99)");
    sees("0", "polled(fd, select.POLLIN)");
    assertEquals(1, fs.waiters.size(), "one per open file");
  }

  @Test
  void selectAndEpollAreWokenByAnotherApplicationsWrite() throws Exception {
    mount(fs);
    sees("([], [], [])", "select.select([" + OPEN + "], [], [], 0)");
    try (PythonClient writer = new PythonClient(mountPoint())) {
      client.say("select.select([fd], [], [], 30)[0] == [fd]");
      awaitWaiters();
      assertEquals("4", writer.ask("os.write((" + OPEN + "), b'text')"));
      assertEquals("True", client.hear());
      sees("b'text'", "os.read(fd, 99)");
      sees("None", "(ep := select.epoll()).register(fd, select.EPOLLIN | select.EPOLLET)");
      sees("[]", "ep.poll(0)");
      client.say("ep.poll(30) == [(fd, select.EPOLLIN)]");
      assertEquals("4", writer.ask("os.write(fd, b'more')"));
      assertEquals("True", client.hear());
    }
  }

  private java.nio.file.Path mountPoint() throws IOException {
    return java.nio.file.Path.of(client.ask("root"));
  }

  @Test
  void whoPollsDoesNotWaitForAReadOnTheSameHandle() throws Exception {
    fs.readsWait = true;
    mount(fs);
    sees("True", "bool(" + OPEN + ")");
    String reader = "(reader := threading.Thread(target=lambda: os.read(fd, 9))).start()";
    sees("None", reader);
    fs.inside.await();
    sees("0", "polled(fd, select.POLLIN)");
    sees("4", "polled(fd, select.POLLOUT)");
    fs.mayGo.countDown();
    sees("None", "reader.join()");
  }

  @Test
  void aHandleWithoutPollIsReadyBesideOthers() throws Exception {
    mount(fs);
    sees("5", "polled(os.open(p('plain'), os.O_RDWR), select.POLLIN | select.POLLOUT)");
    sees("0", "polled((" + OPEN + "), select.POLLIN)");
    assertFalse(fs.polls.get() == 0);
  }

  @Test
  void aFileSystemThatDeclaresNoPollIsNeverAsked() throws Exception {
    Mailbox silent =
        new Mailbox() {
          @Override
          public Set<Operation> operations() {
            return Operation.overriddenBy(getClass());
          }
        };
    mount(silent);
    sees("5", "polled((" + OPEN + "), select.POLLIN | select.POLLOUT)");
    assertEquals(0, silent.polls.get());
  }

  @Test
  void aPollThatThrowsIsAnErrorToWhoPolls() throws Exception {
    fs.fails = true;
    mount(fs);
    sees("8", "polled((" + OPEN + "), select.POLLIN)");
    fs.fails = false;
    sees("0", "polled(fd, select.POLLIN)");
  }

  @Test
  void wakingWhatWasClosedOrUnmountedDoesNothing() throws Exception {
    mount(fs);
    client.ask("polled((" + OPEN + "), select.POLLIN, 1)");
    assertEquals(1, fs.waiters.size());
    sees("None", "os.close(fd)");
    while (fs.closed.get() == 0) {
      Thread.onSpinWait();
    }
    fs.deliver("late");
    sees("1", "polled((" + OPEN + "), select.POLLIN)");
    client.close();
    client = null;
    mounts.afterEach(null);
    fs.deliver("later");
    assertTrue(fs.waiters.size() >= 1);
    assertNull(client);
  }

  @Test
  void aFileSystemByPathIsPolledToo() throws Exception {
    mount(new ByPath(fs));
    sees("0", "polled((" + OPEN + "), select.POLLIN)");
    client.say("polled(fd, select.POLLIN, 30000)");
    awaitWaiters();
    fs.deliver("message");
    assertEquals("1", client.hear());
  }
}
