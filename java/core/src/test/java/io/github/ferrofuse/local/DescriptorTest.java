package io.github.ferrofuse.local;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FuseException;
import org.junit.jupiter.api.Test;

class DescriptorTest {
  @Test
  void aCallThatTheKernelLacksSaysWhatItTakes() {
    UnsupportedOperationException lacking =
        assertThrows(
            UnsupportedOperationException.class,
            () -> Descriptor.answer(-Errno.ENOSYS.code(), "openat2(2)", "5.6"));
    assertTrue(lacking.getMessage().contains("openat2(2)"), lacking.getMessage());
    assertTrue(lacking.getMessage().contains("Linux 5.6"), lacking.getMessage());
    assertEquals(Errno.EOPNOTSUPP, FuseException.errnoOf(lacking));
  }

  @Test
  void aNegativeAnswerIsItsErrno() throws Exception {
    assertEquals(7, Descriptor.answer(7));
    assertEquals(7, Descriptor.answer(7, "statx(2)", "4.11"));
    assertEquals(1L << 40, Descriptor.answer(1L << 40));
    for (Errno errno : Errno.values()) {
      FuseException thrown =
          assertThrows(FuseException.class, () -> Descriptor.answer(-errno.code()));
      assertEquals(errno, thrown.errno());
      thrown = assertThrows(FuseException.class, () -> Descriptor.answer((long) -errno.code()));
      assertEquals(errno, thrown.errno());
    }
    FuseException unknown = assertThrows(FuseException.class, () -> Descriptor.answer(-117));
    assertEquals(Errno.EIO, unknown.errno());
  }
}
