package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;
import static org.junit.jupiter.api.parallel.ExecutionMode.CONCURRENT;

import com.sun.management.ThreadMXBean;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.Request;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** No object is allocated per read, write, getattr and lookup, from the kernel to the handler. */
@Tag("mount")
@ResourceLock("beside the others") // one test at a time
@Execution(CONCURRENT) // takes long, and counts for its own threads
@Tag("once")
@Timeout(value = 120, threadMode = SEPARATE_THREAD)
class AllocationTest {
  private static final int OPERATIONS = 20_000;
  private static final String WORKERS = "ferrofuse-allocation-";

  @RegisterExtension final Mounts mounts = new Mounts();

  /** What another process does {@link #OPERATIONS} times to a file, as a Python program. */
  enum Load {
    READ("for i in range(n): os.preadv(fd, [page], i % 256 * 4096)"),
    WRITE("for i in range(n): os.pwritev(fd, [page], i % 256 * 4096)"),
    GETATTR("for i in range(n): os.fstat(fd)"),
    LOOKUP("for i in range(n): os.access(path, os.F_OK)");

    final String loop;

    Load(String loop) {
      this.loop = loop;
    }

    void run(Path file) throws Exception {
      // O_DIRECT needs aligned memory, which an anonymous mapping is
      String program =
          "import mmap, os, sys\n"
              + "path, n, page = sys.argv[1], int(sys.argv[2]), mmap.mmap(-1, 4096)\n"
              + "fd = os.open(path, os.O_RDWR | os.O_DIRECT)\n"
              + loop;
      Shell.python(program, file, OPERATIONS);
    }
  }

  @ParameterizedTest
  @EnumSource
  void requestsOfTheMemoryFileSystemAllocateNothing(Load load) throws Exception {
    Path file = mount(Mounts.memory(), false).resolve("file");
    Files.write(file, new byte[ScriptedFileSystem.SIZE]);
    assertAllocatesNothing(load, file);
  }

  @ParameterizedTest
  @EnumSource
  void everyRequestReachesTheHandlerMeasuredAndWithoutAllocating(Load load) throws Exception {
    AtomicLong transfers = new AtomicLong();
    ScriptedFileSystem fs = new ScriptedFileSystem();
    fs.file("file", (flags, out) -> new Counting(transfers));
    Path file = mount(fs, true).resolve("file");
    assertAllocatesNothing(load, file);
    long counted =
        switch (load) {
          case READ, WRITE -> transfers.get();
          case GETATTR -> fs.getattrs.get();
          case LOOKUP -> fs.lookups.get();
        };
    assertTrue(counted >= 2 * OPERATIONS, "only " + counted + " requests came to the handler");
  }

  /** Nothing may be remembered by the kernel: every call is to be a request. */
  private Path mount(InodeFileSystem fs, boolean metrics) throws Exception {
    MountOptions options =
        MountOptions.builder()
            .fsname("allocation")
            .attrTimeout(Duration.ZERO)
            .entryTimeout(Duration.ZERO)
            .metrics(metrics)
            .build();
    return mounts.mount(fs, options).mountPoint();
  }

  private static void assertAllocatesNothing(Load load, Path file) throws Exception {
    load.run(file); // classes are loaded, code is compiled, leases are made
    long before = allocatedByWorkers();
    load.run(file);
    long allocated = allocatedByWorkers() - before;
    // Opening and closing the file makes a handle: some hundred bytes, once.
    assertTrue(
        allocated < OPERATIONS,
        () -> OPERATIONS + " requests allocated " + allocated + " bytes in the workers");
  }

  private static long allocatedByWorkers() {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long sum = 0;
    int workers = 0;
    for (Thread thread : Thread.getAllStackTraces().keySet()) {
      if (thread.getName().startsWith(WORKERS)) {
        sum += threads.getThreadAllocatedBytes(thread.getId());
        workers++;
      }
    }
    assertTrue(workers > 0, "there are no threads called " + WORKERS + "*");
    return sum;
  }

  /** Counts and answers at once. */
  private static final class Counting implements FileHandle {
    private final AtomicLong transfers;

    Counting(AtomicLong transfers) {
      this.transfers = transfers;
    }

    @Override
    public Concurrency concurrency() {
      return Concurrency.CONCURRENT;
    }

    @Override
    public int read(Request request, ByteBuffer dst, long offset) {
      transfers.getAndIncrement();
      int count = (int) Math.min(dst.remaining(), Math.max(0, ScriptedFileSystem.SIZE - offset));
      dst.position(dst.position() + count);
      return count;
    }

    @Override
    public int write(Request request, ByteBuffer src, long offset) {
      transfers.getAndIncrement();
      return src.remaining();
    }
  }
}
