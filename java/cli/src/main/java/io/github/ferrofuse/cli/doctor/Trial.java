package io.github.ferrofuse.cli.doctor;

import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.Connection;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.Fuse;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.Request;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/**
 * Mounts an empty file system in a temporary directory and unmounts it: the only way to learn
 * whether that can be done, and what the kernel offers. Never takes longer than its deadline.
 */
final class Trial {
  private static final Duration UNMOUNT = Duration.ofSeconds(5);

  /**
   * What came of it.
   *
   * @param failure why it could not be mounted or unmounted, on one line; null if it was
   * @param minor minor version of the protocol; 0 if it could not be mounted
   * @param offered INIT flags; 0 if it could not be mounted
   */
  record Outcome(String failure, int minor, long offered) {}

  private Trial() {}

  static Outcome run(Duration deadline) {
    return Limited.call(deadline, Trial::mountAndUnmount, why -> new Outcome(why, 0, 0));
  }

  private static Outcome mountAndUnmount() throws IOException {
    Path directory = Files.createTempDirectory("ferrofuse-doctor-");
    try {
      Empty fs = new Empty();
      MountOptions options = MountOptions.builder().fsname("doctor").threads(1).build();
      // Whoever has opened it meanwhile, a file manager maybe, keeps nothing in the tree.
      Fuse.mount(fs, directory, options).unmount(UNMOUNT);
      return new Outcome(null, fs.minor, fs.offered);
    } finally {
      directory.toFile().delete(); // fails only where it is mounted still, which is the error then
    }
  }

  /** A root directory with nothing in it, which remembers what the kernel offered. */
  private static final class Empty implements InodeFileSystem {
    private volatile int minor;
    private volatile long offered;

    @Override
    public void init(Connection connection) {
      minor = connection.protocolMinor();
      offered = connection.offered();
    }

    @Override
    public void getattr(Request request, long node, FileHandle handle, AttrSink out) {
      out.mode(FileType.DIRECTORY.bits() | 0700).nlink(2);
    }
  }
}
