package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.AttrChange;
import io.github.ferrofuse.FileSystemBase;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.MountOptions;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Opens that truncate, and processes that append, under each way of caching and in both APIs. */
@Tag("mount")
@Tag("once")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class WritersTest {
  private static final int O_TRUNC = 01000;

  /**
   * Truncates by open, of a file that is there and of one that isn't, and looks at what is left.
   */
  private static final String TRUNCATE =
      """
      import os, sys
      os.chdir(sys.argv[1])
      def size(name):
          return os.stat(name).st_size
      open('old', 'wb').write(b'x' * 10000)
      print('begun', flush=True)
      sys.stdin.readline()
      fd = os.open('old', os.O_RDWR | os.O_TRUNC)
      assert os.fstat(fd).st_size == 0 and size('old') == 0 and os.pread(fd, 9, 0) == b''
      os.pwrite(fd, b'tail', 5000)
      os.close(fd)
      assert open('old', 'rb').read() == bytes(5000) + b'tail', 'old pages'
      print(size('old'), flush=True)
      sys.stdin.readline()
      fd = os.open('new', os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_TRUNC)
      os.write(fd, b'new')
      os.close(fd)
      print(size('new'), flush=True)
      """;

  /**
   * Processes that append records of some bytes, each of one letter and its length at both ends;
   * then all records must be there, whole.
   */
  private static final String APPEND =
      """
import collections, mmap, os, struct, sys
path, writers, each = sys.argv[1], 4, 150
sizes = [8, 100, 1000, 2048, 4096]
def record(writer, i):
    size = sizes[i % len(sizes)]
    return struct.pack('>HH', size, writer) + bytes([writer]) * (size - 8) + struct.pack('>HH', i, size)
start, go = os.pipe()
children = []
for writer in range(writers):
    pid = os.fork()
    if pid == 0:
        os.close(go)
        os.read(start, 1)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for i in range(each):
            data = record(writer, i)
            if os.write(fd, data) != len(data):
                os._exit(1)
        os.close(fd)
        os._exit(0)
    children.append(pid)
os.close(go)
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
pages = mmap.mmap(-1, 4 << 20)
stored = os.preadv(os.open(path, os.O_RDONLY | os.O_DIRECT), [pages], 0) # past the cache
data, at, seen = pages[:stored], 0, collections.Counter()
while at < len(data):
    size, writer = struct.unpack_from('>HH', data, at)
    i, _ = struct.unpack_from('>HH', data, at + size - 4)
    assert data[at:at + size] == record(writer, i), (at, size, writer, i)
    assert i == seen[writer], 'out of order'
    seen[writer] += 1
    at += size
assert all(seen[writer] == each for writer in range(writers)), seen
""";

  /** Processes that count in records of one page, each under a lock of the record. */
  private static final String COUNT =
      """
      import fcntl, os, sys
      path, rounds, writers = sys.argv[1], 400, 8
      open(path, 'wb').write(bytes(64))
      children = []
      for writer in range(writers):
          pid = os.fork()
          if pid == 0:
              fd = os.open(path, os.O_RDWR)
              for i in range(rounds):
                  at = (writer + i) % 8 * 8
                  fcntl.lockf(fd, fcntl.LOCK_EX, 8, at)
                  count = int.from_bytes(os.pread(fd, 8, at), 'little')
                  os.pwrite(fd, (count + 1).to_bytes(8, 'little'), at)
                  fcntl.lockf(fd, fcntl.LOCK_UN, 8, at)
              os._exit(0)
          children.append(pid)
      for pid in children:
          assert os.waitpid(pid, 0)[1] == 0
      data = open(path, 'rb').read()
      print(sum(int.from_bytes(data[at:at + 8], 'little') for at in range(0, 64, 8)))
      """;

  @RegisterExtension final Mounts mounts = new Mounts();

  private static MountOptions options(String mode) {
    return MountOptions.builder()
        .directIo(mode.equals("direct"))
        .writebackCache(mode.equals("writeback"))
        .build();
  }

  /** Counts how often a file system is told to truncate. */
  private static InodeFileSystem counting(InodeFileSystem fs, AtomicInteger truncations) {
    return (InodeFileSystem)
        Proxy.newProxyInstance(
            InodeFileSystem.class.getClassLoader(),
            new Class<?>[] {InodeFileSystem.class},
            (proxy, method, arguments) -> {
              boolean truncates =
                  switch (method.getName()) {
                    case "open" -> ((Integer) arguments[2] & O_TRUNC) != 0;
                    case "setattr" -> ((AttrChange) arguments[3]).hasSize();
                    default -> false;
                  };
              if (truncates) {
                truncations.getAndIncrement();
              }
              try {
                return method.invoke(fs, arguments);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  private Path mount(boolean byPath, FileSystemBase fs, String mode) throws IOException {
    if (byPath) {
      mounts.byPath();
    }
    return mounts.mount(fs, options(mode)).mountPoint();
  }

  @ParameterizedTest
  @CsvSource({
    "false, cached", "false, direct", "false, writeback",
    "true, cached", "true, direct", "true, writeback"
  })
  void anOpenThatTruncatesDoesSoOnceAndLeavesNoOldPages(boolean byPath, String mode)
      throws Exception {
    AtomicInteger truncations = new AtomicInteger();
    Path root = mount(byPath, counting(Mounts.memory(), truncations), mode);
    try (Shell.Talk client = Shell.talk(TRUNCATE, root)) {
      assertEquals("begun", client.hear());
      truncations.set(0);
      assertEquals("5004", client.ask(""));
      assertEquals(1, truncations.getAndSet(0), "of a file that was there");
      assertEquals("3", client.ask(""));
      assertEquals(0, truncations.get(), "a new file is empty");
    }
  }

  @ParameterizedTest
  @CsvSource({
    "false, cached", "false, direct", "false, writeback",
    "true, cached", "true, direct", "true, writeback"
  })
  void recordsThatProcessesAppendAtOnceAreNeitherLostNorTorn(boolean byPath, String mode)
      throws Exception {
    Path root = mount(byPath, Mounts.memory(), mode);
    Shell.python(APPEND, root.resolve("log"));
  }

  @ParameterizedTest
  @CsvSource({
    "false, cached", "false, direct", "false, writeback",
    "true, cached", "true, direct", "true, writeback"
  })
  void recordsOfOnePageThatProcessesChangeUnderLocksAreNotLost(boolean byPath, String mode)
      throws Exception {
    Path root = mount(byPath, Mounts.memory(), mode);
    for (int i = 0; i < 3; i++) {
      assertEquals("3200\n", Shell.python(COUNT, root.resolve("records")));
    }
  }
}
