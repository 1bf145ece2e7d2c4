package io.github.ferrofuse.mounted;

import io.github.ferrofuse.FileSystemFactory;
import io.github.ferrofuse.Fuse;
import io.github.ferrofuse.FuseMount;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.MountOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.ServiceLoader;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** Mirrors of directories of their own, which are unmounted and removed after each test. */
final class Mirrors implements AfterEachCallback {
  private final Mounts mounts = new Mounts();
  private Path back;

  /** The directory that is mirrored. */
  Path back() throws IOException {
    if (back == null) {
      back = Files.createTempDirectory("ferrofuse-mirrored-");
    }
    return back;
  }

  /** Mounts the mirror; answers the mount point. */
  Path mount(Map<String, String> options, MountOptions mountOptions) throws IOException {
    FuseMount mount = mounts.mount(of(back(), options), mountOptions);
    return mount.mountPoint();
  }

  Path mount(Map<String, String> options) throws IOException {
    return mount(options, MountOptions.defaults());
  }

  /** Mounts the mirror on a directory; the test unmounts it. */
  FuseMount mountOn(Path point) throws IOException {
    return Fuse.mount(of(back(), Map.of()), point, MountOptions.defaults());
  }

  /** As mount does, whose users are several. */
  static MountOptions forOthers() {
    return MountOptions.builder().allowOther(true).defaultPermissions(true).build();
  }

  private static InodeFileSystem of(Path directory, Map<String, String> options)
      throws IOException {
    ClassLoader loader = FileSystemFactory.class.getClassLoader();
    for (FileSystemFactory factory : ServiceLoader.load(FileSystemFactory.class, loader)) {
      if (factory.scheme().equals("mirror")) {
        return (InodeFileSystem) factory.create(directory.toString(), new HashMap<>(options));
      }
    }
    throw new AssertionError("examples/mirror is not on the class path");
  }

  @Override
  public void afterEach(ExtensionContext context) throws Exception {
    try {
      mounts.afterEach(context);
    } finally {
      if (back != null) {
        Shell.run(
            "sh",
            "-c",
            "umount -l \"$0\"/*/ 2>/dev/null; rm -rf --one-file-system \"$0\"",
            back.toString());
      }
    }
  }
}
