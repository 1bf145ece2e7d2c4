package io.github.ferrofuse.mounted;

import io.github.ferrofuse.MountOptions;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * The same where files are found again by their names. An ordinary user, who may not open handles,
 * has that in the class above.
 */
@Tag("mount")
@Tag("root")
class MirrorByNamesTest extends MirrorTest {
  @Override
  Map<String, String> options() {
    return Map.of("nohandles", "");
  }

  @Test
  void aDirectoryThatIsMovedElsewhereIntoOneThatWasInItIsStaleAndFoundWhenItIsLookedUp()
      throws Exception {
    run(
        with("descriptors", "1"),
        MountOptions.builder().attrTimeout(Duration.ZERO).entryTimeout(Duration.ofHours(1)).build(),
        """
        os.makedirs(f"{back}/A/B")
        for i in range(60):
            write(f"{back}/{i}", "")
        os.chdir(f"{root}/A/B")
        os.rename(f"{back}/A/B", f"{back}/B")
        os.rename(f"{back}/A", f"{back}/B/A")
        fails(errno.ELOOP, os.stat, "A")
        for i in range(60):
            os.stat(f"{root}/{i}")
        fails(errno.ESTALE, os.stat, ".")
        fails(errno.ENOENT, os.stat, f"{root}/A")
        same("B")
        same("B/A")
        assert os.path.samefile(".", f"{root}/B")
        """);
  }
}
