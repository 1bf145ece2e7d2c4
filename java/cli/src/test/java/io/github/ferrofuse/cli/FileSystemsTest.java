package io.github.ferrofuse.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.FileSystemBase;
import io.github.ferrofuse.FileSystemFactory;
import io.github.ferrofuse.FuseFileSystem;
import io.github.ferrofuse.InodeFileSystem;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class FileSystemsTest {
  /** What a user could bring. */
  public static class Good implements InodeFileSystem {}

  /** Can be made, and is asked by path. */
  public static class ByPath implements FuseFileSystem {}

  /** Has no constructor that takes nothing. */
  public static class NeedsArgument implements InodeFileSystem {
    /** Takes something. */
    public NeedsArgument(String argument) {}
  }

  /** Cannot be made. */
  public abstract static class Abstract implements InodeFileSystem {}

  static class Hidden implements InodeFileSystem {
    public Hidden() {}
  }

  /** Fails when made. */
  public static class Throws implements InodeFileSystem {
    /** Throws. */
    public Throws() {
      throw new IllegalStateException("no disk");
    }
  }

  /** Fails when its class is initialized. */
  public static class BadClass implements InodeFileSystem {
    static final int NUMBER = Integer.parseInt("x");
  }

  /** Takes option "size", refuses specification "bad". */
  public static class Factory implements FileSystemFactory {
    @Override
    public String scheme() {
      return "testing";
    }

    @Override
    public String help() {
      return "for tests";
    }

    @Override
    public FileSystemBase create(String spec, Map<String, String> options) throws IOException {
      options.remove("size");
      switch (spec) {
        case "io":
          throw new IOException("no such server");
        case "null":
          return null;
        case "base":
          return new FileSystemBase() {};
        case "bug":
          throw new NullPointerException("oops");
        default:
          return new Good();
      }
    }
  }

  @TempDir Path temp;

  @BeforeEach
  void registerFactory() throws IOException {
    Path services = Files.createDirectories(temp.resolve("META-INF/services"));
    Files.writeString(
        services.resolve(FileSystemFactory.class.getName()), Factory.class.getName() + "\n");
  }

  @Test
  void aFactoryOnTheClassPathIsFoundAndTakesItsOptions() throws Failure {
    FileSystems found = FileSystems.find(List.of(temp.toString()));
    assertTrue(found.factories().containsKey("memory"), "that of the jar is there, too");
    Map<String, String> options = new HashMap<>(Map.of("size", "1", "other", "2"));
    assertInstanceOf(Good.class, found.create("testing:any:thing", options));
    assertEquals(Map.of("other", "2"), options);
  }

  @ParameterizedTest
  @CsvSource({
    "io, cannot mount testing:io: no such server",
    "null, cannot mount testing:null: its factory made no FuseFileSystem or InodeFileSystem but"
        + " null",
    "bug, NullPointerException: oops",
    "base, its factory made no FuseFileSystem or InodeFileSystem but io.github"
  })
  void aFactoryThatFailsIsNamed(String spec, String message) throws Failure {
    FileSystems found = FileSystems.find(List.of(temp.toString()));
    Failure failure =
        assertThrows(Failure.class, () -> found.create("testing:" + spec, new HashMap<>()));
    assertTrue(failure.getMessage().contains(message), failure.getMessage());
    assertEquals(1, failure.status());
  }

  @Test
  void anUnknownSchemeIsAnsweredWithTheKnownOnes() throws Failure {
    FileSystems found = FileSystems.find(List.of());
    Failure failure = assertThrows(Failure.class, () -> found.create("memroy:x", new HashMap<>()));
    assertEquals("unknown file system memroy: known are memory, mirror", failure.getMessage());
    failure = assertThrows(Failure.class, () -> found.create("web.dav:x", new HashMap<>()));
    assertEquals("unknown file system web.dav: known are memory, mirror", failure.getMessage());
  }

  @Test
  void aClassIsMadeByItsName() throws Failure {
    FileSystems found = FileSystems.find(List.of());
    assertInstanceOf(Good.class, found.create(Good.class.getName(), new HashMap<>()));
    assertInstanceOf(ByPath.class, found.create(ByPath.class.getName(), new HashMap<>()));
  }

  @ParameterizedTest
  @ValueSource(classes = {NeedsArgument.class, Abstract.class, Hidden.class})
  void aClassThatCannotBeMadeIsNamedWithWhatItNeeds(Class<?> type) {
    assertEquals(
        "class "
            + type.getName()
            + " cannot be made: it has to be public, not abstract, with a public constructor that"
            + " takes nothing",
        refusal(type.getName()));
  }

  @Test
  void whatAConstructorThrowsIsTold() {
    assertEquals(
        "class "
            + Throws.class.getName()
            + " cannot be made: its constructor threw java.lang.IllegalStateException: no disk",
        refusal(Throws.class.getName()));
    assertTrue(refusal(BadClass.class.getName()).contains("cannot be loaded"));
  }

  @Test
  void aClassThatIsNoFileSystemIsRefused() {
    assertEquals(
        "class java.lang.String is not a file system: it has to implement"
            + " io.github.ferrofuse.FuseFileSystem or io.github.ferrofuse.InodeFileSystem",
        refusal("java.lang.String"));
  }

  @Test
  void aClassThatIsNotThereIsAnsweredWithWhereItWasSought() {
    assertEquals(
        "class com.acme.Fs not found: give its jar by --class-path; known are memory, mirror",
        refusal("com.acme.Fs"));
  }

  @Test
  void aMissingClassPathEntryIsNamed() {
    for (String entry : List.of("/nonexistent.jar", "/nonexistent/*")) {
      Failure failure = assertThrows(Failure.class, () -> FileSystems.find(List.of(entry)));
      assertTrue(failure.getMessage().startsWith("--class-path: " + entry), failure.getMessage());
    }
  }

  @Test
  void aStarStandsForTheJarsOfADirectory() throws Exception {
    Files.createFile(temp.resolve("a.jar"));
    Files.createFile(temp.resolve("b.txt"));
    assertEquals(
        List.of(temp.resolve("a.jar"), temp),
        FileSystems.find(List.of(temp + "/*:" + temp)).classPath());
  }

  private static String refusal(String what) {
    return assertThrows(
            Failure.class, () -> FileSystems.find(List.of()).create(what, new HashMap<>()))
        .getMessage();
  }
}
