package io.github.ferrofuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.PosixAcl.Entry;
import io.github.ferrofuse.PosixAcl.Tag;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PosixAclTest {
  /** The value of an ACL in short text form; tags are those of the header, a number is a tag. */
  private static byte[] value(String text) {
    String[] entries = text.isEmpty() ? new String[0] : text.split(",");
    ByteBuffer bytes = ByteBuffer.allocate(4 + 8 * entries.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.putInt(2);
    for (String entry : entries) {
      String[] words = entry.split(":");
      boolean named = !words[1].isEmpty();
      bytes.putShort((short) tag(words[0], named));
      bytes.putShort((short) Integer.parseInt(words[2]));
      bytes.putInt(named ? Integer.parseUnsignedInt(words[1]) : -1);
    }
    return bytes.array();
  }

  private static int tag(String letter, boolean named) {
    switch (letter) {
      case "u":
        return named ? 0x02 : 0x01;
      case "g":
        return named ? 0x08 : 0x04;
      case "m":
        return 0x10;
      case "o":
        return 0x20;
      default:
        return Integer.parseInt(letter);
    }
  }

  private static PosixAcl acl(String text) throws FuseException {
    return PosixAcl.parse(ByteBuffer.wrap(value(text)));
  }

  private static Errno refusal(byte[] value) {
    ByteBuffer buffer = ByteBuffer.wrap(value);
    return assertThrows(FuseException.class, () -> PosixAcl.parse(buffer)).errno();
  }

  @Test
  void theNumberOfWhoeverHasNoNameIsIgnored() throws Exception {
    byte[] value = value("u::6,g::4,o::0");
    ByteBuffer.wrap(value).order(ByteOrder.LITTLE_ENDIAN).putInt(4 + 4, 1000);
    assertEquals(acl("u::6,g::4,o::0"), PosixAcl.parse(ByteBuffer.wrap(value)));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "u::6,g::4,o::0 | u::rw-,g::r--,o::--- | 640 | true",
        "u::7,u:0:5,g::4,m::1,o::2 | u::rwx,u:0:r-x,g::r--,m::--x,o::-w- | 712 | false",
        "u::7,g::7,m::5,o::0 | u::rwx,g::rwx,m::r-x,o::--- | 750 | false",
        "u::0,u:9:7,u:1:7,g::7,g:1:1,g:4294967294:2,m::7,o::7"
            + " | u::---,u:9:rwx,u:1:rwx,g::rwx,g:1:--x,g:4294967294:-w-,m::rwx,o::rwx"
            + " | 77 | false",
      })
  void aListIsReadAndToldAsItIs(String entries, String text, String mode, boolean equivalent)
      throws Exception {
    PosixAcl acl = acl(entries);
    assertEquals(text, acl.toString());
    assertEquals(Integer.parseInt(mode, 8), acl.permissions());
    assertEquals(equivalent, acl.isEquivalentToMode());
    assertEquals(acl, PosixAcl.parse(ByteBuffer.wrap(acl.toBytes())));
    assertEquals(List.of(), differences(value(entries), acl.toBytes()));
  }

  private static List<Integer> differences(byte[] one, byte[] other) {
    return Arrays.mismatch(one, other) < 0 ? List.of() : List.of(Arrays.mismatch(one, other));
  }

  @Test
  void entriesAreToldWithTheirIds() throws Exception {
    PosixAcl acl = acl("u::6,u:1000:4,g::4,m::7,o::0");
    assertEquals(new Entry(Tag.USER, 4, 1000), acl.entries().get(1));
    assertEquals(new Entry(Tag.OTHER, 0, -1), acl.entries().get(4));
    assertThrows(UnsupportedOperationException.class, () -> acl.entries().clear());
    assertEquals(acl.hashCode(), acl("u::6,u:1000:4,g::4,m::7,o::0").hashCode());
    assertNotEquals(acl, acl("u::6,u:1000:5,g::4,m::7,o::0"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "u::6",
        "u::6,g::4",
        "g::4,o::0",
        "u::6,o::0",
        "u::6,g::4,m::7",
        "u::6,g::4,o::0,o::0",
        "u::6,u::6,g::4,o::0",
        "u::6,g::4,g::4,o::0",
        "u::6,g::4,m::0,m::0,o::0",
        "o::0,g::4,u::6",
        "u::6,g::4,o::0,m::7",
        "u::6,u:1:7,g::4,o::0",
        "u::6,g::4,g:1:7,o::0",
        "u::6,g:1:7,g::4,m::7,o::0",
        "u::6,u:1:7,u:1:7,g::4,m::7,o::0",
        "u::6,u:1:7,u:1:0,g::4,m::7,o::0",
        "u::6,g::4,g:1:7,g:1:7,m::7,o::0",
        "u::6,u:4294967295:7,g::4,m::7,o::0",
        "u::8,g::4,o::0",
        "u::6,g::4,m::65535,o::0",
        "u::6,g::4,o::-1",
        "3::6,u::6,g::4,o::0",
        "0::6,u::6,g::4,o::0",
        "64::6,u::6,g::4,o::0",
        "u::6,g::4,o::0,33::0",
      })
  void aListThatIsNotValidIsRefused(String entries) {
    assertEquals(Errno.EINVAL, refusal(value(entries)));
  }

  @Test
  void bytesThatAreNoListAreRefused() {
    byte[] good = value("u::6,u:5:4,g::4,m::7,o::0");
    for (int length = 0; length < good.length; length++) {
      assertEquals(Errno.EINVAL, refusal(Arrays.copyOf(good, length)), length + " bytes");
    }
    assertEquals(Errno.EINVAL, refusal(Arrays.copyOf(good, good.length + 1)));
    assertEquals(Errno.EINVAL, refusal(Arrays.copyOf(good, good.length + 8)));
    byte[] bigEndian = good.clone();
    bigEndian[0] = 0;
    bigEndian[3] = 2;
    assertEquals(Errno.EOPNOTSUPP, refusal(bigEndian));
  }

  @Test
  void anythingIsReadOrRefusedWithAnErrno() {
    Random random = new Random(7);
    int read = 0;
    for (int i = 0; i < 200_000; i++) {
      byte[] value = value("u::6,u:5:4,g::4,g:6:1,m::7,o::0");
      for (int changes = random.nextInt(4); changes > 0; changes--) {
        value[4 + random.nextInt(value.length - 4)] = (byte) random.nextInt(9);
      }
      try {
        PosixAcl acl = PosixAcl.parse(ByteBuffer.wrap(value));
        assertEquals(acl, PosixAcl.parse(ByteBuffer.wrap(acl.toBytes())));
        read++;
      } catch (FuseException e) {
        assertEquals(Errno.EINVAL, e.errno());
      }
    }
    assertTrue(read > 1000 && read < 199_000, read + " were read");
  }

  @Test
  void theValueIsFromPositionToLimitInEitherOrder() throws Exception {
    byte[] value = value("u::6,g::4,o::0");
    ByteBuffer buffer = ByteBuffer.allocateDirect(100).position(13).put(value);
    buffer.flip().position(13);
    for (ByteOrder order : List.of(ByteOrder.LITTLE_ENDIAN, ByteOrder.BIG_ENDIAN)) {
      assertEquals(0640, PosixAcl.parse(buffer.order(order)).permissions());
      assertEquals(13, buffer.position());
      assertEquals(order, buffer.order());
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "u::7,g::5,o::5 | 640 | u::rw-,g::r--,o::---",
        "u::7,u:1:7,g::7,m::7,o::5 | 640 | u::rw-,u:1:rwx,g::rwx,m::r--,o::---",
        "u::0,u:1:7,g::7,g:1:1,m::0,o::0 | 7777 | u::rwx,u:1:rwx,g::rwx,g:1:--x,m::rwx,o::rwx",
      })
  void chmodChangesOwnerMaskAndOthers(String before, String mode, String after) throws Exception {
    PosixAcl changed = acl(before).withMode(Integer.parseInt(mode, 8));
    assertEquals(after, changed.toString());
    assertEquals(Integer.parseInt(mode, 8) & 0777, changed.permissions());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "u::7,g::5,o::5 | 666 | u::rw-,g::r--,o::r-- | 644",
        "u::7,u:1:7,g::7,m::7,o::5 | 640 | u::rw-,u:1:rwx,g::rwx,m::r--,o::--- | 640",
        "u::5,u:1:7,g::7,m::1,o::0 | 4777 | u::r-x,u:1:rwx,g::rwx,m::--x,o::--- | 510",
      })
  void whatIsMadeGetsNoMoreThanItsMode(String list, String mode, String made, String permissions)
      throws Exception {
    PosixAcl inherited = acl(list).inherited(Integer.parseInt(mode, 8));
    assertEquals(made, inherited.toString());
    assertEquals(Integer.parseInt(permissions, 8), inherited.permissions());
    assertFalse(inherited.isEquivalentToMode() && made.contains("m:"));
  }
}
