package io.github.ferrofuse.internal;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * The bytes of a path, as the kernel has them. A path's string is no way to them: under a locale
 * such as C what isn't ASCII becomes '?'. Its URI spells each byte.
 */
public final class PathBytes {
  private PathBytes() {}

  /**
   * {@return the bytes of an absolute path, with a slash behind those of a directory that exists}
   */
  public static byte[] of(Path path) {
    byte[] spelt = path.toUri().getRawPath().getBytes(StandardCharsets.US_ASCII);
    ByteArrayOutputStream bytes = new ByteArrayOutputStream(spelt.length);
    for (int i = 0; i < spelt.length; i++) {
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
