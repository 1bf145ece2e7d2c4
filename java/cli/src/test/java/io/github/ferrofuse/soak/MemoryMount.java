package io.github.ferrofuse.soak;

import io.github.ferrofuse.FileSystemFactory;
import io.github.ferrofuse.Fuse;
import io.github.ferrofuse.FuseMount;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.MountOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.ServiceLoader;

/** Mounts memory file systems for the soaks. */
final class MemoryMount {
  private MemoryMount() {}

  static FuseMount on(Path directory, String capacity) throws IOException {
    MountOptions options = MountOptions.builder().threads(4).build();
    return Fuse.mount(fileSystem(capacity), directory, options);
  }

  private static InodeFileSystem fileSystem(String capacity) throws IOException {
    for (FileSystemFactory factory : ServiceLoader.load(FileSystemFactory.class)) {
      if (factory.scheme().equals("memory")) {
        Map<String, String> options = new HashMap<>(Map.of("capacity", capacity));
        return (InodeFileSystem) factory.create("", options);
      }
    }
    throw new AssertionError("examples/memory is not on the class path");
  }
}
