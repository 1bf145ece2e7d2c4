package io.github.ferrofuse.mounted;

import org.junit.jupiter.api.Tag;

/** The same on path-based file systems. */
@Tag("mount")
@Tag("once")
class PathLocksTest extends LocksTest {
  PathLocksTest() {
    mounts.byPath();
  }
}
