package io.github.ferrofuse.mounted;

import io.github.ferrofuse.FileSystemFactory;
import io.github.ferrofuse.InodeFileSystem;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import java.util.ServiceLoader;

/**
 * The memory file system by path. Public, and made of nothing, so that the command line mounts it
 * for the suites in benches/suites.
 */
public final class PathMemory extends ByPath {
  /**
   * An empty one.
   *
   * @throws IOException if /proc does not tell who the user is
   */
  public PathMemory() throws IOException {
    super(memory(Map.of()));
  }

  /** An empty memory file system by inode, with options such as "capacity". */
  static InodeFileSystem memory(Map<String, String> options) throws IOException {
    ClassLoader loader = FileSystemFactory.class.getClassLoader();
    for (FileSystemFactory factory : ServiceLoader.load(FileSystemFactory.class, loader)) {
      if (factory.scheme().equals("memory")) {
        return (InodeFileSystem) factory.create("", new HashMap<>(options));
      }
    }
    throw new AssertionError("examples/memory is not on the class path");
  }
}
