package io.github.ferrofuse.mounted;

import io.github.ferrofuse.FileSystemBase;
import io.github.ferrofuse.Fuse;
import io.github.ferrofuse.FuseMount;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.MountOptions.Transport;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Map;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * Mounts file systems in temporary directories and unmounts them after each test, whatever the test
 * did; one that does not come off by itself is aborted and fails the test.
 */
final class Mounts implements AfterEachCallback {
  private static final long CLOSE_MILLIS = 15_000;

  private final Deque<FuseMount> mounts = new ArrayDeque<>();
  private final Deque<Path> directories = new ArrayDeque<>();
  private boolean byPath;

  /** From now on, mounts inode-based file systems in their path-based form. */
  void byPath() {
    byPath = true;
  }

  /** Mounts with the options of nobody in particular. */
  FuseMount mount(FileSystemBase fs) throws IOException {
    return mount(fs, MountOptions.defaults());
  }

  /** Mounts; the directory is {@link FuseMount#mountPoint}. */
  FuseMount mount(FileSystemBase fs, MountOptions options) throws IOException {
    Path directory = Files.createTempDirectory("ferrofuse-mounted-");
    directories.push(directory);
    boolean other = byPath && fs instanceof InodeFileSystem;
    FileSystemBase form = other ? new ByPath((InodeFileSystem) fs) : fs;
    FuseMount mount = Fuse.mount(form, directory, overTransport(options));
    mounts.push(mount);
    return mount;
  }

  /**
   * With the transport of the system property {@code ferrofuse.transport}, where a test has none.
   */
  private static MountOptions overTransport(MountOptions options) {
    String transport = System.getProperty("ferrofuse.transport");
    if (transport == null || options.transport() != Transport.AUTO) {
      return options;
    }
    return options.toBuilder().transport(Transport.valueOf(transport.toUpperCase())).build();
  }

  /** An empty memory file system. */
  static InodeFileSystem memory() throws IOException {
    return memory(Map.of());
  }

  /** An empty memory file system with options such as "capacity". */
  static InodeFileSystem memory(Map<String, String> options) throws IOException {
    return PathMemory.memory(options);
  }

  /** Whether the kernel has a mount on a directory. */
  static boolean isMounted(Path directory) throws IOException {
    String point = " " + directory + " ";
    return Files.readString(Path.of("/proc/self/mountinfo")).contains(point);
  }

  /** Gets rid of a mount that nobody serves any more. */
  static void takeAway(Path directory) throws Exception {
    if (isMounted(directory)) {
      try {
        Shell.abort(directory);
      } finally {
        Shell.detach(directory);
      }
    }
  }

  @Override
  public void afterEach(ExtensionContext context) throws Exception {
    AssertionError stuck = null;
    while (!mounts.isEmpty()) {
      FuseMount mount = mounts.pop();
      Throwable failure = closeInTime(mount);
      if (failure != null || isMounted(mount.mountPoint())) {
        takeAway(mount.mountPoint());
        stuck = new AssertionError(mount.mountPoint() + " did not come off by itself", failure);
      }
    }
    while (!directories.isEmpty()) {
      Files.delete(directories.pop());
    }
    if (stuck != null) {
      throw stuck;
    }
  }

  private static Throwable closeInTime(FuseMount mount) throws InterruptedException {
    Throwable[] failure = {new AssertionError("close() did not return")};
    Thread closer =
        new Thread(
            () -> {
              try {
                mount.close();
                failure[0] = null;
              } catch (Throwable thrown) {
                failure[0] = thrown;
              }
            });
    closer.setDaemon(true);
    closer.start();
    closer.join(CLOSE_MILLIS);
    return failure[0];
  }
}
