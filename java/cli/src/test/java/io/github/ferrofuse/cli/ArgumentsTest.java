package io.github.ferrofuse.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ArgumentsTest {
  @Test
  void optionsMayStandAnywhereAndBeRepeated() throws Failure {
    Arguments arguments =
        Arguments.parse(
            "mount", "-o", "ro", "a:b", "--class-path", "x.jar", "-odev", "/mnt", "--class-path=y");
    assertEquals(Arguments.Command.MOUNT, arguments.command);
    assertEquals("a:b", arguments.what);
    assertEquals("/mnt", arguments.directory);
    assertEquals(List.of("ro", "dev"), arguments.options);
    assertEquals(List.of("x.jar", "y"), arguments.classPath);
  }

  @Test
  void twoHyphensEndTheOptions() throws Failure {
    Arguments arguments = Arguments.parse("mount", "-oro", "--", "memory", "-o");
    assertEquals("-o", arguments.directory);
    assertEquals(List.of("ro"), arguments.options);
  }

  @ParameterizedTest
  @CsvSource({
    "--help, HELP",
    "-h, HELP",
    "help, HELP",
    "--version, VERSION",
    "doctor, DOCTOR",
    "doctor --help, HELP",
    "mount --help, MOUNT_HELP",
    "mount memory -h, MOUNT_HELP",
    "mount memory /mnt, MOUNT"
  })
  void theFirstWordIsTheCommand(String line, Arguments.Command command) throws Failure {
    assertEquals(command, Arguments.parse(line.split(" ")).command);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "'' | no command: try --help",
        "umount | unknown command umount: try --help",
        "--halp | unknown option --halp: try --help",
        "doctor /mnt | doctor stands alone, but there is also /mnt",
        "mount | mount: what to mount, and where? Try mount --help",
        "mount memory | mount memory: on which directory? Try mount --help",
        "mount memory /a /b | mount: one thing on one directory, but there is also /b",
        "mount memory /a -o | option -o needs a value: try mount --help",
        "mount --class-path | option --class-path needs a value: try mount --help",
        "mount memory /a --fast | unknown option --fast: try mount --help",
      })
  void aLineThatMakesNoSenseIsAUsageError(String line, String message) {
    String[] words = line.isEmpty() ? new String[0] : line.split(" ");
    Failure failure = assertThrows(Failure.class, () -> Arguments.parse(words));
    assertEquals(message, failure.getMessage());
    assertEquals(2, failure.status());
  }

  @Test
  void anEmptyWordNamesNothing() {
    assertThrows(Failure.class, () -> Arguments.parse("mount", "", "/mnt"));
  }
}
