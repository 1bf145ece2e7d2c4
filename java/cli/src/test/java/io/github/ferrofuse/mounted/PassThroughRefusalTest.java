package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import io.github.ferrofuse.Connection;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** Who may not register files with the kernel is told so before anything is mounted. */
@Tag("mount")
@Tag("user")
class PassThroughRefusalTest {
  @RegisterExtension final Mounts mounts = new Mounts();

  @TempDir Path directory;

  private static boolean mayRegister() throws IOException {
    return Shell.isRoot()
        && Files.readString(Path.of("/proc/self/uid_map")).endsWith(" 4294967295\n");
  }

  @Test
  void anOrdinaryUserIsRefusedWithTheReason() throws Exception {
    assumeFalse(mayRegister(), "root may");
    PassingFileSystem fs = new PassingFileSystem(directory);
    IOException error = assertThrows(IOException.class, () -> mounts.mount(fs));
    assertTrue(error.getMessage().contains("needs CAP_SYS_ADMIN"), error::toString);
  }

  @Test
  void aFileSystemThatDoesWithoutIsMountedAllTheSame() throws Exception {
    assumeFalse(mayRegister(), "root may");
    Files.writeString(directory.resolve("file"), "content");
    PassingFileSystem fs =
        new PassingFileSystem(directory) {
          @Override
          public void init(Connection connection) {
            assertThrows(UnsupportedOperationException.class, connection::passesThrough);
          }
        };
    Path root = mounts.mount(fs).mountPoint();
    assertEquals("content", Files.readString(root.resolve("file")));
  }
}
