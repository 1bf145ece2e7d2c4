package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.FuseMount;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A mirror doesn't work on itself, wherever it is mounted. */
@Tag("mount")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class MirrorPlaceTest {
  @RegisterExtension final Mirrors mirrors = new Mirrors();

  private void assertRefused(Path point, String... named) throws IOException {
    IOException refused =
        assertThrows(
            IOException.class,
            () -> {
              FuseMount mount = mirrors.mountOn(point);
              mount.abort();
              mount.close();
            });
    for (String name : named) {
      assertTrue(refused.getMessage().contains(name), refused.getMessage());
    }
    assertFalse(Mounts.isMounted(point.toRealPath()), "something is left mounted");
  }

  @Test
  void aMountPointInTheDirectoryIsRefused() throws Exception {
    Path back = mirrors.back();
    Path point = Files.createDirectories(back.resolve("inner/grün"));
    assertRefused(
        point, "the mount point " + point, "lies in " + back, "choose a mount point outside");
    Path link = Files.createSymbolicLink(Path.of(back + "-link"), back);
    try {
      assertRefused(link.resolve("inner/grün"), "the mount point " + point);
    } finally {
      Files.delete(link);
    }
  }

  @Test
  void mountedOnTheDirectoryItselfItWorks() throws Exception {
    Path back = mirrors.back();
    Files.writeString(back.resolve("file"), "text");
    try (FuseMount mount = mirrors.mountOn(back);
        Client client = Client.in(mount.mountPoint())) {
      assertEquals("text", client.ask("content('file')"));
      Shell.succeed(
          "sh", "-ec", "cd \"$0\"; mkdir a b; mv file a; mv a b; rm -r b", back.toString());
      assertEquals("", client.ask("names()"));
    }
  }

  @Test
  @Tag("root")
  void aMountPointThatShowsInTheDirectoryByABindMountIsRefused() throws Exception {
    Path back = mirrors.back();
    Path inner = Files.createDirectories(back.resolve("inner"));
    Files.createDirectory(inner.resolve("point"));
    Path other = Files.createTempDirectory("ferrofuse-bound-");
    try {
      Shell.succeed(
          "sh",
          "-ec",
          "mount --bind \"$0\" \"$0\"; mount --make-shared \"$0\"; mount --bind \"$1\" \"$2\"",
          back.toString(),
          inner.toString(),
          other.toString());
      assertRefused(
          other.resolve("point"),
          other.resolve("point").toString(),
          "mounted on " + inner.resolve("point") + " too");
    } finally {
      Shell.run("umount", "-l", other.toString());
      Shell.run("umount", "-l", back.toString());
      Files.delete(other);
    }
  }

  @Test
  @Tag("root")
  void whereItIsMountedIntoTheDirectoryLaterItDoesNotGo() throws Exception {
    Path back = mirrors.back();
    Files.createDirectory(back.resolve("inner"));
    Path root = mirrors.mount(Map.of());
    Shell.succeed("mount", "--bind", root.toString(), back.resolve("inner").toString());
    try (Client client = Client.in(root)) {
      assertEquals("ELOOP", client.ask("size('inner')"));
      Shell.Ended moved =
          Shell.run("timeout", "10", "mv", root + "/inner", root.resolve("other").toString());
      assertTrue(moved.output().contains("Too many levels"), moved.output());
    } finally {
      Shell.succeed("umount", back.resolve("inner").toString());
    }
  }
}
