package io.github.ferrofuse.internal;

import io.github.ferrofuse.FuseFileSystem;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.Operation;
import java.nio.ByteBuffer;
import java.nio.file.Path;

/** As {@link Caller}, for a path-based file system. */
final class PathCaller {
  final PathUpcalls upcalls;
  final Door door;
  private final ByteBuffer page;

  PathCaller(FuseFileSystem fs) {
    door = new Door(fs, MountOptions.defaults(), Path.of("/"));
    upcalls = (PathUpcalls) door.lease(Caller.BULK);
    page = upcalls.page();
  }

  PathCaller operation(Operation operation) {
    page.putInt(Layout.REQUEST_OPCODE, operation.opcode());
    return this;
  }

  /** Puts the path; answers its length. */
  int path(String text) {
    byte[] bytes = Name.of(text).toBytes();
    page.put(Layout.NAME, bytes);
    return bytes.length;
  }
}
