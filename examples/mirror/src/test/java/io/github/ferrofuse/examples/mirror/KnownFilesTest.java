package io.github.ferrofuse.examples.mirror;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.Name;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files that are found by their names are kept as long as the kernel knows them, or one below. */
class KnownFilesTest {
  private final Told told = new Told();
  private MirrorFileSystem fs;

  @TempDir Path directory;

  @BeforeEach
  void open() throws IOException {
    fs = MirrorFileSystem.of(directory, 8, false);
  }

  @AfterEach
  void close() {
    fs.destroy();
  }

  private long lookUp(long parent, String name) throws IOException {
    assertTrue(fs.lookup(null, parent, Name.of(name), told));
    return told.node;
  }

  @Test
  void aDirectoryIsKeptAsLongAsAFileInItIsKnown() throws IOException {
    Files.createDirectories(directory.resolve("a/b"));
    long a = lookUp(Nodes.ROOT, "a");
    long b = lookUp(a, "b");
    fs.forget(a, 1);
    assertEquals(3, fs.nodes().known().all().length);
    fs.forget(b, 1);
    assertArrayEquals(new long[] {Nodes.ROOT}, fs.nodes().known().all());
  }

  @Test
  void directoriesThatWereMovedElsewhereIntoOneAnotherDoNotKeepEachOther() throws IOException {
    Files.createDirectories(directory.resolve("a/b/c"));
    long a = lookUp(Nodes.ROOT, "a");
    long b = lookUp(a, "b");
    long c = lookUp(b, "c");
    Files.move(directory.resolve("a/b/c"), directory.resolve("c"));
    Files.move(directory.resolve("a"), directory.resolve("c/a"));
    assertEquals(a, lookUp(c, "a"));
    fs.forget(a, 2);
    fs.forget(b, 1);
    fs.forget(c, 1);
    assertArrayEquals(new long[] {Nodes.ROOT}, fs.nodes().known().all());
  }
}
