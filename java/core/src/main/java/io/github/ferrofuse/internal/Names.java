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

  static boolean isDotOrDotDot(Name name) {
    return name.contentEquals(".") || name.contentEquals("..");
  }
}
