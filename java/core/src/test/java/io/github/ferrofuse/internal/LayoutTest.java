package io.github.ferrofuse.internal;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class LayoutTest {
  private static String own() {
    return Layout.constants().entrySet().stream()
        .map(entry -> entry.getKey() + "=" + entry.getValue())
        .collect(Collectors.joining(" "));
  }

  @Test
  void aLibraryOfTheSameBuildIsAccepted() {
    Layout.check(own());
  }

  @Test
  void aLibraryOfAnotherBuildIsNamed() {
    String other = own().replaceFirst("ATTR_MODE=\\d+", "ATTR_MODE=64");
    Error error = assertThrows(UnsatisfiedLinkError.class, () -> Layout.check(other));
    assertTrue(error.getMessage().contains("ATTR_MODE=64"), error.getMessage());
  }

  @Test
  void aLibraryThatKnowsMoreIsRefused() {
    assertThrows(UnsatisfiedLinkError.class, () -> Layout.check(own() + " NEW=1"));
  }
}
