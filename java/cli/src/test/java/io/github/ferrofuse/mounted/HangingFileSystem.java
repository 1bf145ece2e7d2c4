package io.github.ferrofuse.mounted;

import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.OpenReply;
import io.github.ferrofuse.Request;
import java.nio.ByteBuffer;
import java.util.concurrent.locks.LockSupport;

/**
 * A file whose reads never return; each says "inside" on standard output. Public, so that the
 * command line can mount it.
 */
public final class HangingFileSystem extends ScriptedFileSystem {
  /** For the command line. */
  public HangingFileSystem() {
    file("file", HangingFileSystem::open);
  }

  private static FileHandle open(int flags, OpenReply out) {
    out.directIo();
    return new Hanging();
  }

  private static final class Hanging implements FileHandle {
    @Override
    public int read(Request request, ByteBuffer dst, long offset) {
      System.out.println("inside");
      while (true) {
        LockSupport.park();
      }
    }
  }
}
