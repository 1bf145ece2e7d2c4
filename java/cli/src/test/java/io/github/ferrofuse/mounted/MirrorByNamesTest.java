package io.github.ferrofuse.mounted;

import java.util.Map;
import org.junit.jupiter.api.Tag;

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
}
