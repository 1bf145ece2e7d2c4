package io.github.ferrofuse.mounted;

import org.junit.jupiter.api.Tag;

/** The same on path-based file systems. */
@Tag("mount")
@Tag("once")
class PathDirectoriesTest extends DirectoriesTest {
  PathDirectoriesTest() {
    mounts.byPath();
  }

  /** All of a directory is listed at once: a tenth says as much, and takes seconds. */
  @Override
  int entries() {
    return 10_000;
  }
}
