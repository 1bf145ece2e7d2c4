package io.github.ferrofuse.internal;

import io.github.ferrofuse.Name;

/** Questions about names that only the binding asks. */
final class Names {
  private Names() {}

  static int indexOf(Name name, byte wanted) {
    for (int i = 0; i < name.length(); i++) {
      if (name.byteAt(i) == wanted) {
        return i;
      }
    }
    return -1;
  }

  /** {@code FUSE_NAME_MAX} of kernels before 6.17. */
  private static final int LONGEST = 1024;

  /** Refuses what can't be an entry of a directory. */
  static void checkEntry(Name name) {
    if (name.length() == 0
        || name.length() > LONGEST
        || indexOf(name, (byte) '/') >= 0
        || indexOf(name, (byte) 0) >= 0) {
      throw new IllegalArgumentException(
          "directory entry '"
              + name
              + "': a name has 1 to "
              + LONGEST
              + " bytes, none of them '/' or NUL");
    }
  }

  static boolean isDotOrDotDot(Name name) {
    return name.contentEquals(".") || name.contentEquals("..");
  }
}
