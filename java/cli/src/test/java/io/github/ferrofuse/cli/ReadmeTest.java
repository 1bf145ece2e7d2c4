package io.github.ferrofuse.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.MountOptions;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.JavaCompiler;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the README says is so. */
class ReadmeTest {
  private static final String HELLO = "io.github.ferrofuse.examples.hello.HelloFileSystem";

  @TempDir Path temp;

  @Test
  void everyMountOptionIsExplained() throws Exception {
    String readme = readme();
    for (String option : MountOptions.help().keySet()) {
      String name = option.replaceAll("=.*", "=");
      assertTrue(readme.contains("`" + name + "`"), name);
    }
  }

  @Test
  void theExampleIsThatOfTheExamplesDirectory() throws Exception {
    String file = "examples/hello/src/main/java/" + HELLO.replace('.', '/') + ".java";
    assertEquals(Files.readString(root().resolve(file)), example());
    assertTrue(example().lines().count() < 40, "it is short");
  }

  @Test
  @Tag("mount")
  void theExampleIsMountedByItsClassName() throws Exception {
    compileExample();
    Path directory = temp.resolve("mount");
    String classPath = temp.toString() + "/classes";
    try (Jar jar = Jar.mount(directory, "--class-path", classPath, HELLO)) {
      assertEquals("Hello from Java\n", Files.readString(directory.resolve("hello")));
      try (var names = Files.list(directory)) {
        assertEquals(List.of(directory.resolve("hello")), names.toList());
      }
      jar.signal("TERM");
      assertEquals(0, jar.await());
    }
  }

  @Test
  @Tag("mount")
  void theExampleMountsItself() throws Exception {
    compileExample();
    Path directory = Files.createDirectory(temp.resolve("mount"));
    List<String> command =
        List.of(
            System.getProperty("java.home") + "/bin/java",
            "-cp",
            Jar.file() + ":" + temp + "/classes",
            HELLO,
            directory.toString());
    try (Jar jar = Jar.start(directory, command)) {
      jar.awaitLine("mounted on " + directory);
      assertEquals("Hello from Java\n", Files.readString(directory.resolve("hello")));
      Jar.run("umount", directory.toString());
      assertEquals(0, jar.await());
      assertEquals("", jar.errors());
    }
  }

  private void compileExample() throws IOException {
    Path source = Files.writeString(temp.resolve("HelloFileSystem.java"), example());
    Path classes = Files.createDirectory(temp.resolve("classes"));
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    StringWriter said = new StringWriter();
    try (StandardJavaFileManager files = compiler.getStandardFileManager(null, null, null)) {
      List<String> options =
          List.of("-Xlint:all", "-Werror", "-d", classes.toString(), "-cp", Jar.file().toString());
      boolean compiled =
          compiler
              .getTask(said, files, null, options, null, files.getJavaFileObjects(source))
              .call();
      assertTrue(compiled, said.toString());
    }
  }

  private static String example() throws IOException {
    Matcher block = Pattern.compile("```java\n(.*?)```", Pattern.DOTALL).matcher(readme());
    assertTrue(block.find(), "the README has an example");
    return block.group(1);
  }

  private static String readme() throws IOException {
    return Files.readString(root().resolve("README.md"));
  }

  private static Path root() {
    return Path.of(System.getProperty("ferrofuse.root"));
  }
}
