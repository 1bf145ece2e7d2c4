package io.github.ferrofuse.examples.mirror;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

class InodeNumbersTest {
  private final InodeNumbers numbers = new InodeNumbers(0x800000001L);

  @Test
  void thoseOfTheRootsDeviceAreItsOwn() {
    assertEquals(12, numbers.of(0x800000001L, 12));
    assertEquals(-1, numbers.of(0x800000001L, -1));
  }

  @Test
  void thoseOfOtherDevicesDifferFromAllOthersAndStayTheSame() {
    Set<Long> seen = new HashSet<>();
    for (long device = 0x800000001L; device < 0x800000101L; device++) {
      for (long ino : new long[] {1, 2, 0x7fffffffffffL}) {
        long number = numbers.of(device, ino);
        assertTrue(seen.add(number), "device " + device + ", inode " + ino);
        assertEquals(number, numbers.of(device, ino));
      }
    }
  }
}
