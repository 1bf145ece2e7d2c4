package io.github.ferrofuse.cli;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;

/**
 * The directory to mount on: made if it is missing. Whether it can be mounted on is for the engine
 * to say.
 */
final class MountPoint {
  private final Path path;
  private final boolean created;

  private MountPoint(Path path, boolean created) {
    this.path = path;
    this.created = created;
  }

  Path path() {
    return path;
  }

  /** Whether it did not exist. */
  boolean created() {
    return created;
  }

  /**
   * Prepares a directory. One that cannot be examined, such as a mount whose process died, is left
   * to the engine.
   *
   * @param text the path as typed
   * @param classPath the user's own jars and directories
   * @throws Failure if it is no directory, cannot be made, or holds what is on the class path
   */
  static MountPoint prepare(String text, List<Path> classPath) throws Failure {
    Path path;
    try {
      path = Path.of(text).toAbsolutePath().normalize();
    } catch (InvalidPathException e) {
      throw Failure.failed("mount point " + text + " is no path: " + e.getReason());
    }
    try {
      if (!Files.readAttributes(path, BasicFileAttributes.class).isDirectory()) {
        throw Failure.failed("mount point " + path + " is not a directory");
      }
      for (Path entry : classPath) {
        // A worker that loads a class from its own mount waits for itself.
        if (entry.toRealPath().startsWith(path.toRealPath())) {
          throw Failure.failed(
              "mount point " + path + " would hide " + entry + ", which is on --class-path");
        }
      }
      return new MountPoint(path, false);
    } catch (NoSuchFileException e) {
      create(path);
      return new MountPoint(path, true);
    } catch (IOException e) {
      return new MountPoint(path, false);
    }
  }

  private static void create(Path path) throws Failure {
    String problem = "mount point " + path + " doesn't exist and can't be created: ";
    try {
      Files.createDirectories(path);
    } catch (AccessDeniedException e) {
      throw Failure.failed(problem + "permission denied");
    } catch (FileAlreadyExistsException e) {
      throw Failure.failed(problem + e.getFile() + " is in the way");
    } catch (IOException e) {
      throw Failure.failed(problem + Failure.describe(e));
    }
  }
}
