package io.github.ferrofuse.internal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FuseException;
import java.nio.file.AccessDeniedException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GroupsTest {
  private static int[] parse(String status) throws Exception {
    return Groups.parse("status", status);
  }

  @Test
  void groupsAreTheNumbersOfTheirLine() throws Exception {
    assertArrayEquals(new int[0], parse("Gid:\t1\t1\nGroups:\t \nNStgid:\t7\n"));
    assertArrayEquals(
        new int[] {0, 7, -2}, parse("Gid:\t1\t1\nGroups:\t0 7 4294967294 \nNStgid:\t7\n"));
    assertArrayEquals(new int[] {7}, parse("Name:\tGroups:\t8\nGroups:\t7\nNStgid:\t7\n"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "Name:\tx\n", "Name:\tGroups:\n", "Name:\tx\nGroups:\t1", "N\nGroups:\tx\n"})
  void whatIsNoStatusIsRefused(String status) {
    assertThrows(AccessDeniedException.class, () -> parse(status));
  }

  @Test
  void whoIsUnknownIsDeniedAccess() throws Exception {
    AccessDeniedException foreign = assertThrows(AccessDeniedException.class, () -> Groups.of(0));
    assertEquals(Errno.EACCES, FuseException.errnoOf(foreign));
    assertTrue(foreign.getMessage().contains("another pid namespace"), foreign.getMessage());
    // Beyond PID_MAX_LIMIT: there is never such a process.
    AccessDeniedException ended =
        assertThrows(AccessDeniedException.class, () -> Groups.of(1 << 30));
    assertEquals(Errno.EACCES, FuseException.errnoOf(ended));
    assertTrue(ended.getMessage().contains("/proc/1073741824/status"), ended.getMessage());
    Groups.of((int) ProcessHandle.current().pid());
  }
}
