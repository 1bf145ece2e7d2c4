package io.github.ferrofuse;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.junit.jupiter.api.Test;

class NameTest {

  private static byte[] bytes(int... values) {
    byte[] bytes = new byte[values.length];
    for (int i = 0; i < values.length; i++) {
      bytes[i] = (byte) values[i];
    }
    return bytes;
  }

  @Test
  void textIsUtf8() {
    for (String text : new String[] {"", "a", "grün", "日本語", "😀.txt", "a\u0000b", "\uFFFF"}) {
      byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
      assertArrayEquals(utf8, Name.of(text).toBytes(), text);
      assertEquals(text, Name.of(utf8).toString());
    }
  }

  @Test
  void bytesThatAreNotUtf8SurviveAString() {
    byte[][] odd = {
      bytes(0xff),
      bytes('a', 0x80, 'b'),
      bytes(0xc3), // cut off
      bytes(0xe6, 0x97), // cut off
      bytes(0xc0, 0xaf), // longer than needed
      bytes(0xe0, 0x80, 0xaf), // longer than needed
      bytes(0xf0, 0x80, 0x80, 0xaf), // longer than needed
      bytes(0xed, 0xa0, 0x80), // a surrogate
      bytes(0xed, 0xb2, 0x80), // the escape itself, as UTF-8
      bytes(0xf4, 0x90, 0x80, 0x80), // beyond the last code point
      bytes(0xf5, 0x80, 0x80, 0x80),
    };
    for (byte[] name : odd) {
      String text = Name.of(name).toString();
      assertArrayEquals(name, Name.of(text).toBytes(), text);
    }
    assertEquals("a\uDC80b", Name.of(odd[1]).toString());
  }

  @Test
  void anyBytesSurviveAString() {
    Random random = new Random(7);
    for (int i = 0; i < 20_000; i++) {
      byte[] name = new byte[random.nextInt(12)];
      random.nextBytes(name);
      assertArrayEquals(name, Name.of(Name.of(name).toString()).toBytes());
    }
  }

  @Test
  void aSurrogateThatStandsForNoByteIsReplaced() {
    assertEquals("?x", Name.of("\uD800x").toString());
    assertEquals("?", Name.of("\uDC7F").toString());
  }

  @Test
  void namesAreEqualByTheirBytes() {
    assertEquals(Name.of("x"), Name.of(bytes('x')));
    assertEquals(Name.of("x").hashCode(), Name.of(bytes('x')).hashCode());
    assertNotEquals(Name.of("x"), Name.of("y"));
    assertNotEquals(Name.of("x"), Name.of("xy"));
    assertEquals(Name.of("abc"), Name.of("abc").copy());
  }

  @Test
  void theOrderIsThatOfUnsignedBytes() {
    assertTrue(Name.of("z").compareTo(Name.of(bytes(0xff))) < 0);
    assertTrue(Name.of("a").compareTo(Name.of("ab")) < 0);
    assertEquals(0, Name.of("a").compareTo(Name.of("a")));
  }

  @Test
  void prefixesAreComparedByteByByte() {
    assertTrue(Name.of("user.x").startsWith("user."));
    assertFalse(Name.of("user").startsWith("user."));
    assertFalse(Name.of("uzer.x").startsWith("user."));
    assertTrue(Name.of("user").contentEquals("user"));
    assertFalse(Name.of("user.x").contentEquals("user"));
  }

  @Test
  void bytesAreThereUpToTheLength() {
    assertEquals('b', Name.of("ab").byteAt(1));
    assertThrows(IndexOutOfBoundsException.class, () -> Name.of("ab").byteAt(2));
    assertThrows(IndexOutOfBoundsException.class, () -> Name.of("ab").byteAt(-1));
  }
}
