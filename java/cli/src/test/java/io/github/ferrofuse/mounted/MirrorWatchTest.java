package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.MountOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Changes that others make in a mirrored directory show at once, though timeouts are long. */
@Tag("mount")
@Tag("root")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class MirrorWatchTest {
  @RegisterExtension final Mirrors mirrors = new Mirrors();

  /** Long for news of the kernel, and nothing beside the timeouts. */
  private static final long MILLIS = 10_000;

  private static MountOptions lasting() {
    Duration hour = Duration.ofHours(1);
    return MountOptions.builder()
        .attrTimeout(hour)
        .entryTimeout(hour)
        .negativeTimeout(hour)
        .kernelCache(true)
        .build();
  }

  @Test
  void whatOthersChangeShowsAtOnceThoughTimeoutsAreLong() throws Exception {
    Path back = mirrors.back();
    Path root = mirrors.mount(Map.of("watch", ""), lasting());
    Files.createDirectory(back.resolve("directory"));
    Files.writeString(back.resolve("directory/file"), "old");
    try (Client client = Client.in(root)) {
      assertEquals("old", client.ask("content('directory/file')"));
      assertEquals("ENOENT", client.ask("size('directory/new')"));
      String mode = client.ask("oct(os.stat(p('directory/file')).st_mode)");

      elsewhere("printf new > directory/file");
      assertEquals("new", fresh(client, "content('directory/file')", "old"));
      elsewhere("printf 1234 > directory/new");
      assertEquals("4", fresh(client, "size('directory/new')", "ENOENT"));
      elsewhere("chmod 600 directory/file");
      assertEquals("0o100600", fresh(client, "oct(os.stat(p('directory/file')).st_mode)", mode));
      elsewhere("mv directory/new directory/newer");
      assertEquals("ENOENT", fresh(client, "size('directory/new')", "4"));
      assertEquals("4", client.ask("size('directory/newer')"));
      elsewhere("rm directory/newer");
      assertEquals("ENOENT", fresh(client, "size('directory/newer')", "4"));
    }
  }

  /** Has another process change the directory: what this one does is the mount's own doing. */
  private void elsewhere(String command) throws Exception {
    Shell.succeed("sh", "-ec", "cd \"$0\"; " + command, mirrors.back().toString());
  }

  @Test
  void withoutItTheyShowWhenTimeoutsEnd() throws Exception {
    Path root = mirrors.mount(Map.of(), lasting());
    Path watching = mirrors.mount(Map.of("watch", ""), lasting());
    Files.writeString(mirrors.back().resolve("file"), "old");
    try (Client client = Client.in(root);
        Client told = Client.in(watching)) {
      assertEquals("3", client.ask("size('file')"));
      assertEquals("3", told.ask("size('file')"));
      elsewhere("printf longer > file");
      assertEquals("6", fresh(told, "size('file')", "3"));
      elsewhere("printf 'still longer' > file");
      assertEquals("12", fresh(told, "size('file')", "6"));
      assertEquals("3", client.ask("size('file')"));
    }
  }

  @Test
  void withoutHandlesItIsRefused() {
    IOException refused =
        assertThrows(
            IOException.class,
            () -> mirrors.mount(Map.of("watch", "", "nohandles", ""), lasting()));
    assertTrue(text(refused).contains("watch takes file handles"), text(refused));
  }

  private static String text(Throwable thrown) {
    return thrown + (thrown.getCause() == null ? "" : " " + text(thrown.getCause()));
  }

  private static String fresh(Client client, String line, String stale) throws IOException {
    return client.whenFresh(line, stale, System.nanoTime(), MILLIS);
  }
}
