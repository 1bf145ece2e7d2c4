package io.github.ferrofuse;

import io.github.ferrofuse.internal.Door;
import io.github.ferrofuse.internal.MountPoints;
import io.github.ferrofuse.internal.Native;
import io.github.ferrofuse.internal.Settings;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Objects;
import java.util.Set;

/**
 * Mounts file systems.
 *
 * <pre>{@code
 * try (FuseMount mount = Fuse.mount(new MyFileSystem(), Path.of("/mnt/my"), MountOptions.defaults())) {
 *   mount.join();
 * }
 * }</pre>
 */
public final class Fuse {
  private Fuse() {}

  /**
   * Mounts a file system. When this returns, the kernel and the file system have come to terms and
   * the directory is usable. The threads that serve it are daemons: {@link FuseMount#join} keeps
   * the program alive.
   *
   * <p>When the JVM ends while it is mounted, a shutdown hook unmounts it.
   *
   * @param fs the file system, a {@link FuseFileSystem} or an {@link InodeFileSystem}; its {@code
   *     init} runs on this thread
   * @param directory where to mount; it must exist, and must not hold the Java runtime, the class
   *     path, the working directory or the temporary directory of this program
   * @param options how to mount
   * @return the mount
   * @throws IOException if it can't be mounted, with one line that says why and what helps; the
   *     cause is what {@code init} threw, if it did
   * @throws IllegalArgumentException if the file system and the options don't go together
   * @throws UnsatisfiedLinkError if the native library can't be loaded
   */
  public static FuseMount mount(FileSystemBase fs, Path directory, MountOptions options)
      throws IOException {
    Objects.requireNonNull(fs, "fs");
    if (options.allowOther() && !options.defaultPermissions() && !fs.checksAccess()) {
      throw new IllegalArgumentException(
          "allow_other would let everybody do everything: "
              + fs.getClass().getName()
              + " does not check permissions, so add default_permissions");
    }
    boolean byPath = isByPath(fs);
    long root = byPath ? 1 : root((InodeFileSystem) fs);
    Path point = MountPoints.resolve(directory);
    byte[] settings = Settings.encode(point, root, byPath, operations(fs), options);
    Native.load();
    Door door = new Door(fs, options, point);
    return FuseMount.start(mount(door, settings, point), door, point, options);
  }

  private static boolean isByPath(FileSystemBase fs) {
    boolean byPath = fs instanceof FuseFileSystem;
    if (byPath == fs instanceof InodeFileSystem) {
      throw new IllegalArgumentException(
          fs.getClass().getName()
              + " is "
              + (byPath ? "both" : "neither")
              + " a FuseFileSystem "
              + (byPath ? "and" : "nor")
              + " an InodeFileSystem: implement one of them");
    }
    return byPath;
  }

  private static long root(InodeFileSystem fs) {
    long root = fs.root();
    if (root == 0) {
      throw new IllegalArgumentException(
          fs.getClass().getName() + ".root() is 0, which stands for no node: choose another one");
    }
    return root;
  }

  private static Set<Operation> operations(FileSystemBase fs) {
    Set<Operation> operations = fs.operations();
    if (operations == null || operations.stream().anyMatch(Objects::isNull)) {
      throw new IllegalArgumentException(
          fs.getClass().getName() + ".operations() is or has null: leave out what there is not");
    }
    return operations;
  }

  private static long mount(Door door, byte[] settings, Path point) throws IOException {
    try {
      return Native.mount(door, settings);
    } catch (Throwable e) {
      door.destroy();
      Throwable refusal = door.refusal();
      if (refusal == null) {
        throw e;
      }
      throw new IOException(
          "the file system refused to be mounted on " + point + ": " + refusal.getMessage(),
          refusal);
    }
  }
}
