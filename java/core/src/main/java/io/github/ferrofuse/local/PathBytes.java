package io.github.ferrofuse.local;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystems;
import java.nio.file.Path;

/**
 * The bytes of a path, as the kernel has them. A path's string is no way to them: under a locale
 * such as C what isn't ASCII becomes '?'. Its URI spells each byte.
 */
final class PathBytes {
  private PathBytes() {}

  static byte[] of(Path path) {
    if (path.getFileSystem() != FileSystems.getDefault()) {
      throw new UnsupportedOperationException(
          path + " is no path of the default file system, which descriptors are for");
    }
    byte[] spelt = path.toUri().getRawPath().getBytes(StandardCharsets.US_ASCII);
    ByteArrayOutputStream bytes = new ByteArrayOutputStream(spelt.length);
    // A directory's URI ends with a slash, which would follow a symbolic link
    int length =
        spelt.length > 1 && spelt[spelt.length - 1] == '/' ? spelt.length - 1 : spelt.length;
    for (int i = 0; i < length; i++) {
      if (spelt[i] == '%') {
        bytes.write(Character.digit(spelt[i + 1], 16) << 4 | Character.digit(spelt[i + 2], 16));
        i += 2;
      } else {
        bytes.write(spelt[i]);
      }
    }
    return bytes.toByteArray();
  }
}
