package io.github.ferrofuse.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.MountOptions;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HelpTest {
  @Test
  void itListsFileSystemsAndOptionsWithinAHundredColumns() throws Failure {
    String help = Main.mountHelp(List.of());
    assertTrue(help.contains("\n  memory\n      "), help);
    MountOptions.help()
        .forEach(
            (option, text) ->
                assertTrue(help.matches("(?s).*\n  \\Q" + option + "\\E +\\Q" + text + "\\E\n.*")));
    help.lines().forEach(line -> assertTrue(line.length() <= 100, line));
  }

  @Test
  @Tag("mount")
  void theJarKnowsItsVersionAndItsHelp(@TempDir Path temp) throws Exception {
    try (Jar jar = Jar.start(temp, Jar.command("--version"))) {
      assertTrue(jar.awaitLine("ferrofuse").get(0).matches("ferrofuse [0-9]+\\.[0-9]+\\.[0-9]+"));
      assertEquals(0, jar.await());
    }
    try (Jar jar = Jar.start(temp, Jar.command("--help"))) {
      jar.awaitLine("java -jar ferrofuse.jar mount");
      assertEquals(0, jar.await());
      assertEquals("", jar.errors());
    }
  }
}
