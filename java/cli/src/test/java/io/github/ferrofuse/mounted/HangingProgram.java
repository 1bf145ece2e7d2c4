package io.github.ferrofuse.mounted;

import io.github.ferrofuse.Fuse;
import io.github.ferrofuse.MountOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Mounts {@link HangingFileSystem} on its first argument and says so. Reads the file itself if
 * there is a second one. Calls {@code System.exit(3)} when it is told something.
 */
final class HangingProgram {
  private HangingProgram() {}

  public static void main(String[] args) throws Exception {
    Path point = Path.of(args[0]);
    Fuse.mount(new HangingFileSystem(), point, MountOptions.defaults());
    System.out.println("mounted");
    if (args.length > 1) {
      new Thread(() -> read(point.resolve("file"))).start();
    }
    System.in.read();
    System.exit(3);
  }

  private static void read(Path file) {
    try {
      Files.readAllBytes(file);
    } catch (IOException e) {
      System.out.println(e);
    }
  }
}
