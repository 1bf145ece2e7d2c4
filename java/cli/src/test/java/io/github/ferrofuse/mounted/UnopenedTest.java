package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.DirHandle;
import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.FuseFileSystem;
import io.github.ferrofuse.FuseMount;
import io.github.ferrofuse.Metrics;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.Operation;
import io.github.ferrofuse.Request;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** File systems in which nothing is opened: what the kernel spares them, and what still works. */
@Tag("mount")
@Tag("once")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class UnopenedTest {
  /** Reads a file and lists a directory as often as it is told to. */
  private static final String READ_AND_LIST =
      """
      import os, sys
      root, times = sys.argv[1], int(sys.argv[2])
      for i in range(times):
          with open(root + '/file', 'rb') as file:
              assert file.read() == b'content', i
          assert os.listdir(root) == ['file'], i
      """;

  /** Makes, writes, truncates and appends to files, and looks at what is there past the cache. */
  private static final String WRITE =
      """
      import mmap, os, sys
      root = sys.argv[1]
      def uncached(name):
          fd = os.open(root + name, os.O_RDONLY | os.O_DIRECT)
          page = mmap.mmap(-1, 4096)
          length = os.preadv(fd, [page], 0)
          os.close(fd)
          return page[:length]
      fd = os.open(root + '/new', os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_TRUNC, 0o600)
      assert os.write(fd, b'0123456789') == 10
      assert os.fstat(fd).st_size == 10
      os.fsync(fd)
      assert uncached('/new') == b'0123456789'
      os.ftruncate(fd, 4)
      assert os.pread(fd, 100, 0) == b'0123'
      os.close(fd)
      fd = os.open(root + '/new', os.O_WRONLY | os.O_APPEND)
      os.write(fd, b'ABC')
      os.close(fd)
      assert uncached('/new') == b'0123ABC', uncached('/new')
      fd = os.open(root + '/new', os.O_RDWR | os.O_TRUNC)
      assert os.fstat(fd).st_size == 0 and os.pread(fd, 100, 0) == b''
      os.write(fd, b'end')
      os.close(fd)
      assert open(root + '/new').read() == 'end'
      fd = os.open(root + '/new', os.O_RDWR)
      os.posix_fallocate(fd, 0, 5)
      assert os.fstat(fd).st_size == 5
      os.close(fd)
      assert sorted(os.listdir(root)) == ['file', 'new']
      os.unlink(root + '/file')
      assert os.listdir(root) == ['new']
      """;

  @RegisterExtension final Mounts mounts = new Mounts();

  private static MountOptions.Builder measured() {
    return MountOptions.builder().metrics(true);
  }

  private static Store oneFile() {
    Store store = new Store(false);
    store.make("/file", "content");
    return store;
  }

  private static long count(FuseMount mount, Operation operation) {
    return mount.metrics().of(operation).count();
  }

  private static void assertSpared(FuseMount mount) {
    Metrics metrics = mount.metrics();
    assertEquals(1, metrics.of(Operation.OPEN).count(), "the first, which is refused");
    assertEquals(1, metrics.of(Operation.OPENDIR).count(), "the first, which is refused");
    assertTrue(metrics.of(Operation.FLUSH).count() <= 1);
    assertEquals(0, metrics.of(Operation.RELEASE).count());
    assertEquals(0, metrics.of(Operation.RELEASEDIR).count());
  }

  @Test
  void openAndCloseAreNoRequestsAfterTheFirstOpenAndCachesStayWarm() throws Exception {
    FuseMount mount = mounts.mount(oneFile(), measured().build());
    Shell.python(READ_AND_LIST, mount.mountPoint(), 10);
    assertSpared(mount);
    assertEquals(1, count(mount, Operation.READ), "the cache outlives each open");
    long listed = count(mount, Operation.READDIR) + count(mount, Operation.READDIRPLUS);
    assertTrue(listed <= 4, () -> listed + " requests for ten listings that did not change");
  }

  @Test
  void filesAreMadeWrittenTruncatedAndListedWithoutBeingOpened() throws Exception {
    Store store = oneFile();
    FuseMount mount = mounts.mount(store, measured().build());
    Shell.python(WRITE, mount.mountPoint());
    assertSpared(mount);
    assertEquals(1, count(mount, Operation.CREATE), "the first, which is refused");
    assertEquals(1, count(mount, Operation.MKNOD));
    assertEquals(1, count(mount, Operation.FALLOCATE));
    assertEquals(1, count(mount, Operation.FSYNC));
    assertEquals("end\0\0", store.content("/new"));
    assertEquals(2, store.truncations, "ftruncate, and O_TRUNC of a file that was there");
  }

  @Test
  void theWritebackCacheFindsItsWayWithoutHandles() throws Exception {
    Store store = oneFile();
    FuseMount mount = mounts.mount(store, measured().writebackCache(true).build());
    Shell.python(WRITE, mount.mountPoint());
    assertSpared(mount);
    Shell.succeed("sync", "-f", mount.mountPoint().toString());
    assertEquals("end\0\0", store.content("/new"));
    assertEquals(2, store.truncations);
  }

  @Test
  void withDirectIoEachReadReachesTheFileSystemAndOpensAreAnsweredForIt() throws Exception {
    FuseMount mount = mounts.mount(oneFile(), measured().directIo(true).build());
    Shell.python(READ_AND_LIST, mount.mountPoint(), 5);
    assertTrue(count(mount, Operation.READ) >= 5, "nothing is cached");
    assertEquals(5, count(mount, Operation.OPEN), "each is told to bypass the cache");
    assertEquals(0, mount.metrics().of(Operation.OPEN).errors());
  }

  @Test
  void flushComesToWhoDeclaresIt() throws Exception {
    AtomicInteger flushes = new AtomicInteger();
    Store store =
        new Store(false) {
          @Override
          public Set<Operation> operations() {
            EnumSet<Operation> operations = Operation.overriddenBy(Store.class);
            operations.add(Operation.FLUSH);
            return operations;
          }

          @Override
          public FileHandle fileHandle(long node) throws IOException {
            FileHandle file = super.fileHandle(node);
            return new FileHandle() {
              @Override
              public int read(Request request, ByteBuffer dst, long offset) throws IOException {
                return file.read(request, dst, offset);
              }

              @Override
              public void flush(Request request) throws IOException {
                flushes.getAndIncrement();
                throw Errno.EDQUOT.exception();
              }
            };
          }
        };
    store.make("/file", "content");
    FuseMount mount = mounts.mount(store);
    String answer =
        Shell.python(
            """
            import os, sys
            for i in range(3):
                fd = os.open(sys.argv[1] + '/file', os.O_RDONLY)
                try:
                    os.close(fd)
                except OSError as e:
                    print(os.strerror(e.errno))
            """,
            mount.mountPoint());
    assertEquals("Disk quota exceeded\n".repeat(3), answer);
    assertEquals(3, flushes.get());
  }

  @Test
  void whatGoesWrongFindingAHandleIsAnErrorOfThatRequestAlone() throws Exception {
    Store store =
        new Store(false) {
          @Override
          public FileHandle fileHandle(long node) throws IOException {
            return misdeed(node, super.fileHandle(node));
          }

          @Override
          public DirHandle dirHandle(long node) throws IOException {
            return node == 1 ? super.dirHandle(node) : misdeed(node, super.dirHandle(node));
          }

          private <T> T misdeed(long node, T handle) throws IOException {
            switch ((int) node - 1) {
              case 1:
              case 4:
                return null;
              case 2:
              case 5:
                throw new IllegalStateException("as told");
              case 3:
                throw Errno.ENOSYS.exception();
              case 6:
                throw new StackOverflowError();
              default:
                return handle;
            }
          }
        };
    for (String name : new String[] {"null", "throws", "enosys"}) {
      store.make("/" + name, "content");
    }
    for (String name : new String[] {"null-dir", "throws-dir"}) {
      store.make("/" + name, null);
    }
    store.make("/overflows", "content");
    store.make("/good", "content");
    FuseMount mount = mounts.mount(store);
    String answers =
        Shell.python(
            """
            import errno, os, sys
            def tell(what):
                try:
                    print('ok', what())
                except OSError as e:
                    print(errno.errorcode[e.errno])
            os.chdir(sys.argv[1])
            read = lambda name: lambda: open(name, 'rb').read().decode()
            for name in ['null', 'throws', 'enosys', 'overflows', 'good']:
                tell(read(name))
            for name in ['null-dir', 'throws-dir']:
                tell(lambda: os.listdir(name))
            tell(lambda: len(os.listdir('.')))
            """,
            mount.mountPoint());
    assertEquals("EIO\nEIO\nENOTSUP\nEIO\nok content\nEIO\nEIO\nok 7\n", answers, "one by one");
  }

  /** Files by path, each in the root directory, that are never opened. */
  private static final class PathStore implements FuseFileSystem {
    final Map<String, String> files = new ConcurrentHashMap<>();
    volatile String lastRead = "";
    volatile String lastListed = "";

    @Override
    public void getattr(Request request, String path, AttrSink out) throws IOException {
      if (path.equals("/")) {
        out.mode(FileType.DIRECTORY.bits() | 0755);
      } else if (files.containsKey(path)) {
        out.mode(FileType.REGULAR.bits() | 0644).size(files.get(path).length());
      } else {
        throw Errno.ENOENT.exception();
      }
    }

    @Override
    public void rename(Request request, String path, String newPath, int flags) {
      files.put(newPath, files.remove(path));
    }

    @Override
    public void unlink(Request request, String path) {
      files.remove(path);
    }

    @Override
    public FileHandle fileHandle(String path) throws IOException {
      byte[] content = files.get(path).getBytes(StandardCharsets.UTF_8);
      return new FileHandle() {
        @Override
        public int read(Request request, ByteBuffer dst, long offset) {
          lastRead = path;
          if (offset >= content.length) {
            return -1;
          }
          dst.put(content, (int) offset, content.length - (int) offset);
          return content.length - (int) offset;
        }
      };
    }

    @Override
    public DirHandle dirHandle(String path) {
      lastListed = path;
      return (request, cookie, out) -> {
        int at = 0;
        for (String file : files.keySet()) {
          if (at++ >= cookie && !out.add(Name.of(file.substring(1)), 0, FileType.REGULAR, at)) {
            return;
          }
        }
      };
    }
  }

  @Test
  void aPathBasedFileSystemIsSparedTheSameAndHearsTheNameThatAFileHasNow() throws Exception {
    PathStore store = new PathStore();
    store.files.put("/file", "content");
    FuseMount mount = mounts.mount(store, measured().build());
    Shell.python(READ_AND_LIST, mount.mountPoint(), 10);
    assertSpared(mount);
    assertEquals("/file", store.lastRead);
    assertEquals("/", store.lastListed);
    String answer =
        Shell.python(
            """
            import errno, mmap, os, sys
            os.chdir(sys.argv[1])
            fd = os.open('file', os.O_RDONLY | os.O_DIRECT)
            page = mmap.mmap(-1, 4096)
            os.rename('file', 'renamed')
            print(page[:os.preadv(fd, [page], 0)])
            os.unlink('renamed')
            try:
                os.preadv(fd, [page], 0)
            except OSError as e:
                print(errno.errorcode[e.errno])
            """,
            mount.mountPoint());
    assertEquals("b'content'\nESTALE\n", answer);
    assertEquals("/renamed", store.lastRead);
    assertSpared(mount);
  }

  @Test
  void attributesAreAskedOfTheFileSystemAlsoThroughADescriptor() throws Exception {
    FuseMount mount = mounts.mount(oneFile(), measured().attrTimeout(Duration.ZERO).build());
    String size =
        Shell.python(
            "import os, sys; print(os.fstat(os.open(sys.argv[1] + '/file', 0)).st_size)",
            mount.mountPoint());
    assertEquals("7\n", size);
    assertTrue(count(mount, Operation.GETATTR) > 0);
  }
}
