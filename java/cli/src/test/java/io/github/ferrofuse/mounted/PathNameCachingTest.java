package io.github.ferrofuse.mounted;

import org.junit.jupiter.api.Tag;

/** The same on path-based file systems. */
@Tag("mount")
@Tag("once")
class PathNameCachingTest extends NameCachingTest {
  PathNameCachingTest() {
    mounts.byPath();
  }

  // A path-based file system says nothing of names: neither how long they hold, nor that there are
  // none. And what stands between the two walks from name to name, so look-ups tell nothing.

  @Override
  void aReplysTimeoutOfANameGoesBeforeTheMounts() {}

  @Override
  void aReplysTimeoutOfAbsenceGoesBeforeTheMounts() {}

  @Override
  void aReplyCanRememberAnAbsenceWhereTheMountDoesNot() {}

  @Override
  void namesAreNotLookedUpAgainWithinTheirTimeout() {}
}
