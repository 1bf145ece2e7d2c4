package io.github.ferrofuse.internal;

import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.Fuse;
import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.FuseMount;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.Request;
import java.nio.file.Path;
import java.time.Duration;

/**
 * Mounts on its argument, says so, and waits. A look at the file "exit" ends the JVM from inside
 * the handler.
 */
final class ExitingProgram {
  private static volatile long exitNode;

  private ExitingProgram() {}

  public static void main(String[] args) throws Exception {
    FlatFileSystem fs =
        new FlatFileSystem() {
          @Override
          public void getattr(Request request, long node, FileHandle handle, AttrSink out)
              throws FuseException {
            if (node == exitNode) {
              System.exit(3);
            }
            super.getattr(request, node, handle, out);
          }
        };
    exitNode = fs.add(Name.of("exit")).node;
    MountOptions options = MountOptions.builder().attrTimeout(Duration.ZERO).threads(2).build();
    FuseMount mount = Fuse.mount(fs, Path.of(args[0]), options);
    System.out.println("mounted");
    mount.join();
  }
}
