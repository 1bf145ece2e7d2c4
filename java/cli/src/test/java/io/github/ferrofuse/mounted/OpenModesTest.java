package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.AttrChange;
import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.Connection;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.OpenReply;
import io.github.ferrofuse.Request;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What each way to open a file changes, as applications and the handle see it. */
@Tag("mount")
@Tag("once")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class OpenModesTest {
  /** How long something that must not happen is waited for. */
  private static final long NEVER_MILLIS = 300;

  private static final int LATE_SECONDS = 20;

  private static final int O_DIRECT = 040000;
  private static final int O_TRUNC = 01000;

  @RegisterExtension final Mounts mounts = new Mounts();

  /** A file that notes what comes; reads give zeros. */
  private static class Noting implements FileHandle {
    final List<String> calls = new CopyOnWriteArrayList<>();

    @Override
    public Concurrency concurrency() {
      return Concurrency.CONCURRENT;
    }

    @Override
    public int read(Request request, ByteBuffer dst, long offset) {
      calls.add("read " + offset + "+" + dst.remaining());
      int length = dst.remaining();
      dst.position(dst.limit());
      return length;
    }

    @Override
    public int write(Request request, ByteBuffer src, long offset) {
      calls.add("write " + offset + "+" + src.remaining());
      return src.remaining();
    }
  }

  /** Mounts one file that is opened in some way; answers its path. */
  private Path mount(FileHandle file, UnaryOperator<OpenReply> how) throws IOException {
    ScriptedFileSystem fs = new ScriptedFileSystem();
    fs.file(
        "file",
        (flags, out) -> {
          how.apply(out);
          return file;
        });
    return mounts.mount(fs).mountPoint().resolve("file");
  }

  private static String run(String program, Path file) throws Exception {
    String helpers =
        """
        import errno, mmap, os, sys
        def told(call, *arguments):
            try:
                return call(*arguments)
            except OSError as e:
                return errno.errorcode[e.errno]
        path = sys.argv[1]
        """;
    return Shell.python(helpers + program, file);
  }

  @Test
  void directIoHandsEachReadAndWriteOnAsItIs() throws Exception {
    String use =
        """
        fd = os.open(path, os.O_RDWR)
        for i in range(2):
            assert len(os.pread(fd, 77, 1001)) == 77
        assert os.pwrite(fd, b'x' * 33, 4095) == 33
        """;
    Noting direct = new Noting();
    run(use, mount(direct, OpenReply::directIo));
    assertEquals(List.of("read 1001+77", "read 1001+77", "write 4095+33"), direct.calls);
    Noting cached = new Noting();
    run(use, mount(cached, out -> out));
    assertEquals(1, cached.calls.stream().filter(call -> call.startsWith("read")).count());
    assertFalse(cached.calls.contains("read 1001+77"), "pages are read");
  }

  @Test
  void anApplicationsDirectFlagReachesTheOpenAndBypassesTheCacheForItAlone() throws Exception {
    Noting file = new Noting();
    List<Integer> flags = new ArrayList<>();
    ScriptedFileSystem fs = new ScriptedFileSystem();
    fs.file(
        "file",
        (asked, out) -> {
          flags.add(asked & O_DIRECT);
          return file;
        });
    Path path = mounts.mount(fs).mountPoint().resolve("file");
    run(
        """
        page = mmap.mmap(-1, 4096)
        cached = os.open(path, os.O_RDWR)
        os.pread(cached, 10, 0)
        fd = os.open(path, os.O_RDWR | os.O_DIRECT)
        for i in range(2):
            assert os.preadv(fd, [page], 8192) == 4096
        assert os.pwritev(fd, [page], 16384) == 4096
        """,
        path);
    assertEquals(List.of(0, O_DIRECT), flags);
    assertEquals(
        List.of("read 8192+4096", "read 8192+4096", "write 16384+4096"),
        file.calls.subList(file.calls.size() - 3, file.calls.size()));
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void anOpenTruncatesByItselfOnlyIfThatIsDeclared(boolean declared) throws Exception {
    List<String> calls = new CopyOnWriteArrayList<>();
    ScriptedFileSystem fs =
        new ScriptedFileSystem() {
          @Override
          public void init(Connection connection) {
            if (declared) {
              connection.truncatesOnOpen();
            }
          }

          @Override
          public void setattr(
              Request request, long node, FileHandle handle, AttrChange change, AttrSink out) {
            calls.add("setattr " + change.size());
            super.setattr(request, node, handle, change, out);
          }
        };
    fs.file(
        "file",
        (flags, out) -> {
          calls.add((flags & O_TRUNC) == 0 ? "open" : "open and truncate");
          return new Noting();
        });
    Path file = mounts.mount(fs).mountPoint().resolve("file");
    run("os.open(path, os.O_WRONLY | os.O_TRUNC)\n", file);
    assertEquals(declared ? List.of("open and truncate") : List.of("open", "setattr 0"), calls);
  }

  @Test
  void keptCachesServeTheNextOpen() throws Exception {
    String use =
        """
        for i in range(3):
            fd = os.open(path, os.O_RDONLY)
            assert len(os.pread(fd, 10, 0)) == 10
            os.close(fd)
        """;
    Noting kept = new Noting();
    run(use, mount(kept, OpenReply::keepCache));
    assertEquals(1, kept.calls.size(), kept.calls::toString);
    Noting dropped = new Noting();
    run(use, mount(dropped, out -> out));
    assertEquals(3, dropped.calls.size(), dropped.calls::toString);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void noFlushSparesTheCloseItsRequest(boolean spared) throws Exception {
    AtomicInteger flushes = new AtomicInteger();
    Noting file =
        new Noting() {
          @Override
          public void flush(Request request) {
            flushes.getAndIncrement();
          }
        };
    Path path = mount(file, out -> spared ? out.noFlush() : out);
    run(
        """
        fd = os.open(path, os.O_RDONLY)
        os.close(os.dup(fd))
        os.close(fd)
        """,
        path);
    assertEquals(spared ? 0 : 2, flushes.get());
  }

  @Test
  void whatIsNotSeekableHasAPositionThatOnlyReadingAndWritingMove() throws Exception {
    Noting file = new Noting();
    String answer =
        run(
            """
fd = os.open(path, os.O_RDWR)
print(told(os.lseek, fd, 5, os.SEEK_SET), told(os.pread, fd, 5, 5), told(os.pwrite, fd, b'x', 5))
print(len(os.read(fd, 10)), len(os.read(fd, 20)), os.write(fd, b'xyz'))
""",
            mount(file, out -> out.nonSeekable().directIo()));
    assertEquals("ESPIPE ESPIPE ESPIPE\n10 20 3\n", answer);
    assertEquals(List.of("read 0+10", "read 10+20", "write 30+3"), file.calls);
  }

  @Test
  void aStreamHasNoPositionAtAll() throws Exception {
    Noting file = new Noting();
    String answer =
        run(
            """
fd = os.open(path, os.O_RDWR)
print(told(os.lseek, fd, 5, os.SEEK_SET), told(os.pread, fd, 5, 5), told(os.pwrite, fd, b'x', 5))
print(len(os.read(fd, 10)), len(os.read(fd, 20)), os.write(fd, b'xyz'))
""",
            mount(file, out -> out.stream().directIo()));
    assertEquals("ESPIPE ESPIPE ESPIPE\n10 20 3\n", answer);
    assertEquals(List.of("read 0+10", "read 0+20", "write 0+3"), file.calls);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void directWritesOverlapOnlyIfTheyMay(boolean parallel) throws Exception {
    Semaphore inside = new Semaphore(0);
    CountDownLatch free = new CountDownLatch(1);
    Noting file =
        new Noting() {
          @Override
          public int write(Request request, ByteBuffer src, long offset) {
            inside.release();
            try {
              assertTrue(free.await(LATE_SECONDS, TimeUnit.SECONDS));
            } catch (InterruptedException e) {
              throw new IllegalStateException(e);
            }
            return super.write(request, src, offset);
          }
        };
    Path path =
        mount(file, out -> parallel ? out.directIo().parallelDirectWrites() : out.directIo());
    try (Shell.Talk client =
        Shell.talk(
            """
import os, sys, threading
fd = os.open(sys.argv[1], os.O_RDWR)
writes = [threading.Thread(target=os.pwrite, args=(fd, bytes(4096), 8192 * i)) for i in range(2)]
for write in writes:
    write.start()
for write in writes:
    write.join()
print('written', flush=True)
""",
            path)) {
      assertTrue(inside.tryAcquire(LATE_SECONDS, TimeUnit.SECONDS), "no write came");
      if (parallel) {
        assertTrue(inside.tryAcquire(LATE_SECONDS, TimeUnit.SECONDS), "the other write waits");
      } else {
        assertFalse(inside.tryAcquire(NEVER_MILLIS, TimeUnit.MILLISECONDS), "both are inside");
      }
      free.countDown();
      assertEquals("written", client.hear());
    } finally {
      free.countDown();
    }
    assertEquals(2, file.calls.size(), file.calls::toString);
  }

  @Test
  void theMountOptionsForAllFilesDoWhatTheRepliesDoForOne() throws Exception {
    for (boolean direct : new boolean[] {false, true}) {
      Noting file = new Noting();
      ScriptedFileSystem fs = new ScriptedFileSystem();
      fs.file("file", (flags, out) -> file);
      MountOptions options = MountOptions.builder().directIo(direct).kernelCache(!direct).build();
      Path path = mounts.mount(fs, options).mountPoint().resolve("file");
      run(
          """
          for i in range(3):
              fd = os.open(path, os.O_RDONLY)
              assert len(os.pread(fd, 10, 0)) == 10
              os.close(fd)
          """,
          path);
      assertEquals(direct ? 3 : 1, file.calls.size(), file.calls::toString);
    }
  }
}
