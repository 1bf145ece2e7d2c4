package io.github.ferrofuse.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.FuseFileSystem;
import io.github.ferrofuse.OpenReply;
import io.github.ferrofuse.Request;
import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;

class PathAllocationTest {
  private static final int SLOT = 3;

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

  @Test
  void aPathThatWasUsedBeforeAllocatesNothing() {
    int length = caller.path("/directory/file");
    Allocations.assertNone(0, () -> caller.upcalls.lookup(length));
    Allocations.assertNone(0, () -> caller.upcalls.getattr(length, -1));
    assertEquals(1, caller.door.pathStrings().misses());
    assertTrue(caller.door.pathStrings().hits() >= Allocations.CALLS);
  }

  @Test
  void aNameThatIsNotThereAllocatesNothing() {
    int length = caller.path("/directory/absent");
    Allocations.assertNone(-2, () -> caller.upcalls.lookup(length));
  }

  @Test
  void aReadAllocatesNothing() {
    caller.upcalls.open(caller.path("/directory/file"), -1, 0, SLOT);
    Allocations.assertNone(4096, () -> caller.upcalls.read(SLOT, 0, 4096));
  }
}
