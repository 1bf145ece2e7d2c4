package io.github.ferrofuse.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import com.sun.management.ThreadMXBean;
import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.FuseFileSystem;
import io.github.ferrofuse.OpenReply;
import io.github.ferrofuse.Request;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.util.function.IntSupplier;
import org.junit.jupiter.api.Test;

class PathAllocationTest {
  private static final int ROUNDS = 10;
  private static final int CALLS = 10_000;
  private static final int SLOT = 3;

  private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
  private final PathCaller caller = new PathCaller(new OneFile());

  private static final class OneFile implements FuseFileSystem, FileHandle {
    @Override
    public void getattr(Request request, String path, AttrSink out) throws FuseException {
      if (!path.equals("/directory/file")) {
        throw Errno.ENOENT.exception();
      }
      out.mode(0100644);
    }

    @Override
    public FileHandle open(Request request, String path, int flags, OpenReply out) {
      return this;
    }

    @Override
    public int read(Request request, ByteBuffer dst, long offset) {
      dst.position(dst.limit());
      return dst.limit();
    }
  }

  /** As {@link AllocationTest}: the least of some rounds. */
  private void assertAllocatesNothing(int answer, IntSupplier upcall) {
    @SuppressWarnings("deprecation") // threadId() came with Java 19
    long thread = Thread.currentThread().getId();
    long least = Long.MAX_VALUE;
    for (int round = 0; round < ROUNDS && least > 0; round++) {
      long before = threads.getThreadAllocatedBytes(thread);
      for (int i = 0; i < CALLS; i++) {
        if (upcall.getAsInt() != answer) {
          fail("answered " + upcall.getAsInt());
        }
      }
      long after = threads.getThreadAllocatedBytes(thread);
      least = Math.min(least, after - before);
    }
    assertEquals(0, least, "bytes in " + CALLS + " calls");
  }

  @Test
  void aPathThatWasUsedBeforeAllocatesNothing() {
    int length = caller.path("/directory/file");
    assertAllocatesNothing(0, () -> caller.upcalls.lookup(length));
    assertAllocatesNothing(0, () -> caller.upcalls.getattr(length, -1));
    assertEquals(1, caller.door.pathStrings().misses());
    assertTrue(caller.door.pathStrings().hits() >= CALLS);
  }

  @Test
  void aNameThatIsNotThereAllocatesNothing() {
    int length = caller.path("/directory/absent");
    assertAllocatesNothing(-2, () -> caller.upcalls.lookup(length));
  }

  @Test
  void aReadAllocatesNothing() {
    caller.upcalls.open(caller.path("/directory/file"), -1, 0, SLOT);
    assertAllocatesNothing(4096, () -> caller.upcalls.read(SLOT, 0, 4096));
  }
}
