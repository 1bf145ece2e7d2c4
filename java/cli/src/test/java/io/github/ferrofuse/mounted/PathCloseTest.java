package io.github.ferrofuse.mounted;

import org.junit.jupiter.api.Tag;

/** The same on path-based file systems. */
@Tag("mount")
@Tag("once")
class PathCloseTest extends CloseTest {
  PathCloseTest() {
    mounts.byPath();
  }

  // What stands between the two has a flush in any case.

  @Override
  void aHandleWithoutFlushIsClosedWithoutARequest() {}
}
