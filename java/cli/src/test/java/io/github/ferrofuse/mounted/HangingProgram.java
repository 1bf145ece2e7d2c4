package io.github.ferrofuse.mounted;

import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.Fuse;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.OpenReply;
import io.github.ferrofuse.Request;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.concurrent.locks.LockSupport;

/**
 * Mounts a file whose reads never return on its argument, says so, and says when one has begun.
 * Calls {@code System.exit(3)} when it is told something.
 */
final class HangingProgram {
  private HangingProgram() {}

  public static void main(String[] args) throws Exception {
    Fuse.mount(fileSystem(), Path.of(args[0]), MountOptions.defaults());
    System.out.println("mounted");
    System.in.read();
    System.exit(3);
  }

  static ScriptedFileSystem fileSystem() {
    return new ScriptedFileSystem()
        .file(
            "file",
            (int flags, OpenReply out) -> {
              out.directIo();
              return new Hanging();
            });
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
