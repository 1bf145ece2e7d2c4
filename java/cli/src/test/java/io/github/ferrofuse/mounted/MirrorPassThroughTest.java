package io.github.ferrofuse.mounted;

import java.util.Map;
import org.junit.jupiter.api.Tag;

/** The same where the kernel reads and writes the directory's files by itself. */
@Tag("mount")
@Tag("root")
class MirrorPassThroughTest extends MirrorTest {
  @Override
  Map<String, String> options() {
    return Map.of("passthrough", "");
  }
}
