package io.github.ferrofuse.internal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NativeLoaderTest {
  private static final byte[] CONTENT = "not really a library".getBytes(StandardCharsets.UTF_8);

  @TempDir Path temp;
  private Path place;

  @BeforeEach
  void choosePlace() {
    place = temp.resolve("place");
  }

  @Test
  void theLibraryIsStoredPrivatelyUnderItsHash() throws Exception {
    Path file = NativeLoader.store(place, CONTENT);
    assertArrayEquals(CONTENT, Files.readAllBytes(file));
    assertEquals("libferrofuse-8c94411e7c8b87bd238af6ff286f5e35.so", file.getFileName().toString());
    assertEquals("rwx------", mode(place));
    assertEquals("rwx------", mode(file));
    assertEquals(List.of(file.getFileName()), names());
  }

  @Test
  void aStoredLibraryIsUsedAgainUnlessItsBytesDiffer() throws Exception {
    Path file = NativeLoader.store(place, CONTENT);
    Object inode = Files.getAttribute(file, "unix:ino");
    assertEquals(file, NativeLoader.store(place, CONTENT));
    assertEquals(inode, Files.getAttribute(file, "unix:ino"));

    Files.writeString(file, "something else");
    Object tampered = Files.getAttribute(file, "unix:ino");
    assertEquals(file, NativeLoader.store(place, CONTENT));
    assertArrayEquals(CONTENT, Files.readAllBytes(file));
    assertNotEquals(tampered, Files.getAttribute(file, "unix:ino"));
    assertEquals(List.of(file.getFileName()), names());
  }

  @Test
  void aLinkInPlaceOfTheLibraryIsReplacedNotFollowed() throws Exception {
    Path file = NativeLoader.store(place, CONTENT);
    Path elsewhere = Files.write(temp.resolve("elsewhere"), CONTENT);
    Files.delete(file);
    Files.createSymbolicLink(file, elsewhere);
    NativeLoader.store(place, CONTENT);
    assertFalse(Files.isSymbolicLink(file));
  }

  @Test
  void aDirectoryOpenToOthersIsRefused() throws Exception {
    Files.createDirectory(place);
    Files.setPosixFilePermissions(place, PosixFilePermissions.fromString("rwxr-x---"));
    assertRefused("is open to other users: chmod 700 " + place);
  }

  @Test
  void aLinkToADirectoryIsRefused() throws Exception {
    Path real = NativeLoader.store(temp.resolve("real"), CONTENT).getParent();
    Files.createSymbolicLink(place, real);
    assertRefused("is a symbolic link");
  }

  @Test
  void aFileIsRefusedAsDirectory() throws Exception {
    Files.createFile(place);
    assertRefused("is not a directory");
  }

  @Test
  void aDirectoryThatOthersCanReplaceIsRefused() throws Exception {
    Path open = Files.createDirectory(temp.resolve("open"));
    Files.setPosixFilePermissions(open, PosixFilePermissions.fromString("rwxrwxrwx"));
    place = open.resolve("place");
    assertRefused("lies below " + open.toRealPath() + ", which other users can write to");
  }

  @Test
  void whatWasTriedIsListedWithTheReasons() throws Exception {
    Path file = Files.createFile(temp.resolve("file"));
    Path good = temp.resolve("good");
    UnsatisfiedLinkError error =
        assertThrows(
            UnsatisfiedLinkError.class,
            () -> NativeLoader.loadFrom(List.of(file, good, temp.resolve("never")), CONTENT));
    String message = error.getMessage();
    assertTrue(message.contains(file + ": is not a directory"), message);
    assertTrue(message.contains(good + ": "), message);
    assertTrue(message.contains("-Dferrofuse.cache.dir=DIR"), message);
    // A file that is no library is none anywhere.
    assertFalse(message.contains("never"), message);
  }

  @Test
  void placesFollowTheUserAndTheEnvironment() {
    Map<String, String> properties = Map.of("user.home", "/home/u", "java.io.tmpdir", "/tmp");
    assertEquals(
        List.of(
            Path.of("/home/u/.cache/ferrofuse"),
            Path.of("/tmp/ferrofuse-1000"),
            Path.of("/var/tmp/ferrofuse-1000")),
        NativeLoader.places(properties::get, Map.of("XDG_RUNTIME_DIR", "relative"), 1000));
    assertEquals(
        List.of(
            Path.of("/run/ferrofuse"),
            Path.of("/run/user/0/ferrofuse"),
            Path.of("/cache/ferrofuse"),
            Path.of("/var/tmp/ferrofuse-0")),
        NativeLoader.places(
            key -> key.equals("user.home") ? "?" : null,
            Map.of("XDG_RUNTIME_DIR", "/run/user/0", "XDG_CACHE_HOME", "/cache"),
            0));
    assertEquals(
        List.of(Path.of("/mine")),
        NativeLoader.places(Map.of("ferrofuse.cache.dir", "/mine")::get, Map.of(), 0));
  }

  @Test
  void theEffectiveUserIsThatOfNewFiles() throws Exception {
    Path file = Files.createFile(temp.resolve("mine"));
    assertEquals(Files.getAttribute(file, "unix:uid"), NativeLoader.effectiveUid());
  }

  @Test
  void platformsHaveTheNamesOfTheJar() {
    assertTrue(NativeLoader.platform("Linux", "amd64").startsWith("linux-x86_64"));
    assertTrue(NativeLoader.platform("Linux", "arm64").startsWith("linux-aarch64"));
    assertTrue(
        assertThrows(UnsatisfiedLinkError.class, () -> NativeLoader.platform("Mac OS X", "aarch64"))
            .getMessage()
            .contains("Mac OS X"));
  }

  @Test
  void aPlatformWithoutLibraryIsNamedWithTheRemedy() {
    String message =
        assertThrows(UnsatisfiedLinkError.class, () -> NativeLoader.bundled("linux-riscv64"))
            .getMessage();
    assertTrue(message.contains("linux-riscv64"), message);
    assertTrue(message.contains("gradle assemble"), message);
    assertTrue(message.contains("-Dferrofuse.library.path=FILE"), message);
  }

  @Test
  void twoClassLoadersCanLoadTheSameLibrary() throws Exception {
    byte[] library = Files.readAllBytes(someLibrary());
    for (int i = 0; i < 2; i++) {
      URL[] classes = {NativeLoader.class.getProtectionDomain().getCodeSource().getLocation()};
      try (URLClassLoader loader = new URLClassLoader(classes, null)) {
        Method load =
            Class.forName(NativeLoader.class.getName(), true, loader)
                .getDeclaredMethod("loadFrom", List.class, byte[].class);
        load.setAccessible(true);
        assertDoesNotThrow(() -> load.invoke(null, List.of(place), library));
      }
    }
    assertEquals(1, names().size(), "the copy is gone once it is loaded: " + names());
  }

  @Test
  @Tag("mount")
  @Tag("root")
  void aNoexecDirectoryIsPassedOver() throws Exception {
    Path noexec = Files.createDirectory(temp.resolve("noexec"));
    command("mount", "-t", "tmpfs", "-o", "noexec,mode=700", "tmpfs", noexec.toString());
    try {
      byte[] library = Files.readAllBytes(someLibrary());
      String message =
          assertThrows(
                  UnsatisfiedLinkError.class, () -> NativeLoader.loadFrom(List.of(noexec), library))
              .getMessage();
      assertTrue(message.contains(noexec + ": is mounted noexec"), message);
      NativeLoader.loadFrom(List.of(noexec, place), library);
      assertEquals(1, names().size());
    } finally {
      // glibc keeps the segment that it mapped before the one that failed.
      command("umount", "-l", noexec.toString());
    }
  }

  private static void command(String... words) throws IOException, InterruptedException {
    assertEquals(0, new ProcessBuilder(words).inheritIO().start().waitFor(), words[0]);
  }

  /** A shared object of the JDK that loads under any name. */
  private static Path someLibrary() {
    return Path.of(System.getProperty("java.home"), "lib", "libprefs.so");
  }

  private void assertRefused(String message) {
    assertEquals(
        message,
        assertThrows(IOException.class, () -> NativeLoader.store(place, CONTENT)).getMessage());
  }

  private static String mode(Path path) throws IOException {
    return PosixFilePermissions.toString(Files.getPosixFilePermissions(path));
  }

  private List<Path> names() throws IOException {
    try (Stream<Path> files = Files.list(place)) {
      return files.map(Path::getFileName).toList();
    }
  }
}
