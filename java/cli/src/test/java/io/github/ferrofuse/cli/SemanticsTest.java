package io.github.ferrofuse.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Every promise of docs/semantics.md names a test that there is, and so do those of the mirror. */
class SemanticsTest {
  private static final Pattern TEST = Pattern.compile("`([^`]+)`");
  private static final Pattern OF_JAVA = Pattern.compile("([A-Z]\\w*)\\.(\\w+)");
  private static final Pattern OF_RUST = Pattern.compile("([\\w/]+\\.rs)::(\\w+)");

  private static final Pattern ANNOTATION = Pattern.compile("@(Test|ParameterizedTest)\\b");

  /** A line of a table that is neither its head nor the line below. */
  private record Row(int line, String tests) {}

  @Test
  void everyRowNamesItsTest() throws Exception {
    for (Row row : rows()) {
      assertTrue(TEST.matcher(row.tests).find(), "line " + row.line + " names no test");
    }
  }

  @Test
  void everyTestThatIsNamedIsThere() throws Exception {
    List<Path> sources = sources();
    List<String> missing = new ArrayList<>();
    for (Row row : rows()) {
      TEST.matcher(row.tests)
          .results()
          .map(found -> found.group(1))
          .filter(test -> !isThere(test, sources))
          .forEach(test -> missing.add("line " + row.line + ": " + test));
    }
    assertEquals(List.of(), missing);
  }

  @Test
  void testsThatTheMirrorNamesAreThere() throws Exception {
    List<Path> sources = sources();
    List<String> named =
        TEST.matcher(read(root().resolve("docs/mirror.md")))
            .results()
            .map(found -> found.group(1))
            .filter(name -> name.matches("\\w+Test\\.\\w+"))
            .collect(Collectors.toList());
    assertTrue(named.size() > 10, named::toString);
    named.removeIf(test -> isThere(test, sources));
    assertEquals(List.of(), named);
  }

  @Test
  void thereAreTablesAndEachHasAColumnOfTests() throws Exception {
    assertTrue(rows().size() > 50, "the tables have been found");
    List<String> lines = lines();
    for (int i = 1; i < lines.size(); i++) {
      if (lines.get(i).startsWith("|---")) {
        assertTrue(lines.get(i - 1).endsWith("| test |"), "head in line " + i);
      }
    }
  }

  /** The rows of all tables, each with its last cell. */
  private static List<Row> rows() throws IOException {
    List<String> lines = lines();
    List<Row> rows = new ArrayList<>();
    boolean inBody = false;
    for (int i = 0; i < lines.size(); i++) {
      String line = lines.get(i);
      if (line.startsWith("|---")) {
        inBody = true;
      } else if (!line.startsWith("|")) {
        inBody = false;
      } else if (inBody) {
        String[] cells = line.split("\\|");
        rows.add(new Row(i + 1, cells[cells.length - 1]));
      }
    }
    return rows;
  }

  private static boolean isThere(String test, List<Path> sources) {
    var ofJava = OF_JAVA.matcher(test);
    var ofRust = OF_RUST.matcher(test);
    if (ofJava.matches()) {
      return anyOf(
          "/" + ofJava.group(1) + ".java", sources, text -> hasTest(text, ofJava.group(2)));
    }
    if (ofRust.matches()) {
      Pattern function = Pattern.compile("#\\[test\\]\\s+fn " + ofRust.group(2) + "\\(");
      return anyOf("/" + ofRust.group(1), sources, text -> function.matcher(text).find());
    }
    return false;
  }

  /** Whether a method has the annotation of a test, somewhere behind the member before it. */
  private static boolean hasTest(String text, String method) {
    int at = text.indexOf("\n  void " + method + "(");
    int member = at < 0 ? 0 : Math.max(0, text.lastIndexOf("\n  }\n", at));
    return at >= 0 && ANNOTATION.matcher(text.substring(member, at)).find();
  }

  private static boolean anyOf(String file, List<Path> sources, Predicate<String> test) {
    return sources.stream()
        .filter(source -> source.toString().endsWith(file))
        .anyMatch(source -> test.test(read(source)));
  }

  private static List<Path> sources() throws IOException {
    List<Path> all = new ArrayList<>();
    for (String directory : List.of("java", "examples", "native")) {
      try (Stream<Path> files = Files.walk(root().resolve(directory))) {
        all.addAll(
            files
                .filter(file -> file.toString().matches(".*(src/test/.*\\.java|\\.rs)"))
                .collect(Collectors.toList()));
      }
    }
    return all;
  }

  private static List<String> lines() throws IOException {
    return Files.readAllLines(root().resolve("docs/semantics.md"));
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Path root() {
    return Path.of(System.getProperty("ferrofuse.root"));
  }
}
