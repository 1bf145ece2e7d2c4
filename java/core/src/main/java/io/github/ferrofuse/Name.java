package io.github.ferrofuse;

import io.github.ferrofuse.internal.NameAccess;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * A file name: bytes, as the kernel has them, in whatever encoding.
 *
 * <p>Equal when the bytes are equal, so a name can be the key of a map; a name that came as an
 * argument is reused by the engine for the next request, so a key that stays needs {@link #copy},
 * while looking up needs none.
 *
 * <p>As a {@link String} it is UTF-8, and each byte that is not becomes the lone surrogate U+DC80
 * to U+DCFF with that byte in its low half; {@link #of(String)} turns it back into that byte. So
 * every name survives the way through a string.
 */
public final class Name implements Comparable<Name> {
  private static final byte[] NO_BYTES = {};

  private byte[] bytes;
  private int length;
  private int hash;

  static {
    NameAccess.set(
        new NameAccess() {
          @Override
          public Name reusable() {
            return new Name(NO_BYTES, 0);
          }

          @Override
          public void assign(Name name, ByteBuffer source, int offset, int length) {
            name.assign(source, offset, length);
          }

          @Override
          public byte[] encode(String text) {
            return NameEncoding.encode(text);
          }

          @Override
          public byte[] bytes(Name name) {
            return name.bytes;
          }

          @Override
          public void get(Name name, ByteBuffer target, int offset) {
            target.put(offset, name.bytes, 0, name.length);
          }
        });
  }

  private Name(byte[] bytes, int length) {
    this.bytes = bytes;
    this.length = length;
    this.hash = hash(bytes, length);
  }

  /**
   * A name of a string, as the class comment says.
   *
   * @param text the name; unpaired surrogates other than U+DC80 to U+DCFF become '?'
   * @return the name
   */
  public static Name of(String text) {
    byte[] bytes = NameEncoding.encode(text);
    return new Name(bytes, bytes.length);
  }

  /**
   * A name of bytes.
   *
   * @param bytes the name; copied
   * @return the name
   */
  public static Name of(byte[] bytes) {
    return new Name(bytes.clone(), bytes.length);
  }

  /** {@return the number of bytes} */
  public int length() {
    return length;
  }

  /**
   * One byte.
   *
   * @param index 0 to {@code length() - 1}
   * @return the byte
   * @throws IndexOutOfBoundsException for any other index
   */
  public byte byteAt(int index) {
    if (index >= length) {
      throw new IndexOutOfBoundsException("byte " + index + " of a name of " + length);
    }
    return bytes[index];
  }

  /** {@return a copy of the bytes} */
  public byte[] toBytes() {
    return Arrays.copyOf(bytes, length);
  }

  /** {@return a name with the same bytes that may be kept} */
  public Name copy() {
    return new Name(toBytes(), length);
  }

  /**
   * Whether it begins with some ASCII text: for attribute prefixes such as "user.".
   *
   * @param ascii the text
   * @return true if it does
   */
  public boolean startsWith(String ascii) {
    if (ascii.length() > length) {
      return false;
    }
    for (int i = 0; i < ascii.length(); i++) {
      if (bytes[i] != ascii.charAt(i)) {
        return false;
      }
    }
    return true;
  }

  /**
   * Whether it is some ASCII text.
   *
   * @param ascii the text
   * @return true if it is
   */
  public boolean contentEquals(String ascii) {
    return ascii.length() == length && startsWith(ascii);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Name
        && ((Name) other).hash == hash
        && Arrays.equals(bytes, 0, length, ((Name) other).bytes, 0, ((Name) other).length);
  }

  @Override
  public int hashCode() {
    return hash;
  }

  /** Order of the bytes, taken as unsigned. */
  @Override
  public int compareTo(Name other) {
    return Arrays.compareUnsigned(bytes, 0, length, other.bytes, 0, other.length);
  }

  /** {@return the name as a string, as the class comment says} */
  @Override
  public String toString() {
    return NameEncoding.decode(bytes, length);
  }

  private void assign(ByteBuffer source, int offset, int newLength) {
    if (bytes.length < newLength) {
      bytes = new byte[Math.max(256, newLength)];
    }
    source.get(offset, bytes, 0, newLength);
    length = newLength;
    hash = hash(bytes, newLength);
  }

  private static int hash(byte[] bytes, int length) {
    int h = 1;
    for (int i = 0; i < length; i++) {
      h = 31 * h + bytes[i];
    }
    return h;
  }

  /** UTF-8 both ways, with bytes that are not UTF-8 as lone surrogates. */
  static final class NameEncoding {
    private static final char ESCAPE = '\uDC00';

    private NameEncoding() {}

    static String decode(byte[] bytes, int length) {
      int ascii = 0;
      while (ascii < length && bytes[ascii] >= 0) {
        ascii++;
      }
      if (ascii == length) {
        return new String(bytes, 0, length, StandardCharsets.ISO_8859_1);
      }
      StringBuilder text = new StringBuilder(length);
      for (int i = 0; i < length; ) {
        int size = sequence(bytes, i, length);
        if (size == 0) {
          text.append((char) (ESCAPE | bytes[i++] & 0xff));
        } else {
          text.appendCodePoint(codePoint(bytes, i, size));
          i += size;
        }
      }
      return text.toString();
    }

    static byte[] encode(String text) {
      ByteBuffer out = ByteBuffer.allocate(text.length() * 3);
      for (int i = 0; i < text.length(); ) {
        int c = text.codePointAt(i);
        i += Character.charCount(c);
        if (c >= 0xDC80 && c <= 0xDCFF) {
          out.put((byte) c);
        } else if (c < 0x80) {
          out.put((byte) c);
        } else if (c < 0x800) {
          out.put((byte) (0xc0 | c >> 6)).put((byte) (0x80 | c & 0x3f));
        } else if (c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE) {
          out.put((byte) '?');
        } else if (c < 0x10000) {
          out.put((byte) (0xe0 | c >> 12)).put((byte) (0x80 | c >> 6 & 0x3f));
          out.put((byte) (0x80 | c & 0x3f));
        } else {
          out.put((byte) (0xf0 | c >> 18)).put((byte) (0x80 | c >> 12 & 0x3f));
          out.put((byte) (0x80 | c >> 6 & 0x3f)).put((byte) (0x80 | c & 0x3f));
        }
      }
      return Arrays.copyOf(out.array(), out.position());
    }

    /** Length of the well-formed UTF-8 sequence at i, 0 if there is none (RFC 3629). */
    private static int sequence(byte[] bytes, int i, int length) {
      int lead = bytes[i] & 0xff;
      if (lead < 0x80) {
        return 1;
      }
      int size = lead >= 0xc2 && lead < 0xe0 ? 2 : lead >= 0xe0 && lead < 0xf0 ? 3 : 0;
      size = lead >= 0xf0 && lead < 0xf5 ? 4 : size;
      if (size == 0 || i + size > length) {
        return 0;
      }
      for (int k = 1; k < size; k++) {
        if ((bytes[i + k] & 0xc0) != 0x80) {
          return 0;
        }
      }
      int c = codePoint(bytes, i, size);
      boolean shortest = size == 2 || size == 3 && c >= 0x800 || size == 4 && c >= 0x10000;
      boolean scalar = c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
      return shortest && scalar ? size : 0;
    }

    private static int codePoint(byte[] bytes, int i, int size) {
      int c = size == 1 ? bytes[i] : bytes[i] & (0x7f >> size);
      for (int k = 1; k < size; k++) {
        c = c << 6 | bytes[i + k] & 0x3f;
      }
      return c;
    }
  }
}
