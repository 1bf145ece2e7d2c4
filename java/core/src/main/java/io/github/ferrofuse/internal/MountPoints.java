package io.github.ferrofuse.internal;

import java.io.File;
import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Keeps mounts off directories that this very program reads from.
 *
 * <p>A worker that loads a class from its own mount waits for itself.
 */
public final class MountPoints {
  private static final Path PROC = Path.of("/proc");

  private MountPoints() {}

  /**
   * Resolves a mount point and checks it.
   *
   * @param directory as the user gave it
   * @return the same without symbolic links
   * @throws IOException if it does not exist, is no directory, or holds something that the JVM
   *     needs
   */
  public static Path resolve(Path directory) throws IOException {
    Path point = realPath(directory);
    if (point == null) {
      // The engine says what is wrong with it, and repairs a mount whose server died.
      return directory.toAbsolutePath();
    }
    if (point.startsWith(PROC)) {
      throw refused(directory, "it lies in " + PROC + ", which this program reads as it mounts,");
    }
    for (Map.Entry<Path, String> needed : needed().entrySet()) {
      Path path = realPath(needed.getKey());
      if (path != null && path.startsWith(point)) {
        throw refused(
            directory, "it holds " + needed.getValue() + " of this program (" + path + "),");
      }
    }
    return point;
  }

  private static FileSystemException refused(Path directory, String why) {
    return new FileSystemException(
        directory.toString(),
        null,
        "can't be mounted on: "
            + why
            + " and the program would then wait for itself; choose an empty directory");
  }

  private static Map<Path, String> needed() {
    Map<Path, String> needed = new LinkedHashMap<>();
    put(needed, System.getProperty("java.home"), "the Java runtime");
    put(needed, System.getProperty("user.dir"), "the working directory");
    put(needed, System.getProperty("java.io.tmpdir"), "the temporary directory");
    for (String list : new String[] {"java.class.path", "jdk.module.path"}) {
      for (String entry : System.getProperty(list, "").split(File.pathSeparator)) {
        put(needed, entry, "a part of the class path");
      }
    }
    return needed;
  }

  private static void put(Map<Path, String> needed, String path, String what) {
    if (path != null && !path.isEmpty()) {
      try {
        needed.putIfAbsent(Path.of(path), what);
      } catch (InvalidPathException e) {
        // No file, so no mount point hides it.
      }
    }
  }

  private static Path realPath(Path path) {
    try {
      return path.toRealPath();
    } catch (IOException e) {
      return null;
    }
  }
}
