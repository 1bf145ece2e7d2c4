package io.github.ferrofuse.examples.mirror;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;

class OwnMountTest {
  private static final List<String> MOUNTS =
      List.of(
          "21 1 254:0 / / rw shared:1 - ext4 /dev/vda rw",
          "30 21 0:40 / /srv/data/old rw - fuse.x x rw",
          "31 21 0:41 / /mnt/one rw - fuse.x x rw",
          "32 21 0:42 / /mnt/a\\040b\\134c rw - fuse.x x rw",
          "33 21 0:43 / /mnt/shared/x rw shared:7 - fuse.x x rw",
          "34 21 0:43 / /srv/data/x rw shared:7 - fuse.x x rw",
          "35 31 1048575:44 / /mnt/one rw - fuse.x x rw");

  private static void assertRefused(String directory, String point, String text) {
    IOException refused =
        assertThrows(IOException.class, () -> OwnMount.outside(MOUNTS, directory, point));
    assertEquals(text, refused.getMessage().replaceAll(", which is to be mirrored.*", ""));
  }

  @Test
  void outsideItsDeviceIsTold() throws IOException {
    assertEquals(42, OwnMount.outside(MOUNTS, "/srv/data", "/mnt/a b\\c"));
    assertEquals(0xfffff0000002cL, OwnMount.outside(MOUNTS, "/srv/data", "/mnt/one"));
    assertEquals(OwnMount.NONE, OwnMount.outside(MOUNTS, "/srv/data", "/mnt/two"));
  }

  @Test
  void belowItIsRefused() {
    assertRefused("/mnt", "/mnt/a b\\c", "the mount point /mnt/a b\\c lies in /mnt");
    assertRefused("/", "/mnt/one", "the mount point /mnt/one lies in /");
  }

  @Test
  void belowItByAnotherNameIsRefused() {
    String text = "the mount point /mnt/shared/x, mounted on /srv/data/x too, lies in /srv/data";
    assertRefused("/srv/data", "/mnt/shared/x", text);
  }

  @Test
  void whatOnlyBeginsLikeItIsNotBelowIt() throws IOException {
    assertEquals(42, OwnMount.outside(MOUNTS, "/mnt/a", "/mnt/a b\\c"));
    assertEquals(42, OwnMount.outside(MOUNTS, "/mnt/a b\\c", "/mnt/a b\\c"));
  }
}
