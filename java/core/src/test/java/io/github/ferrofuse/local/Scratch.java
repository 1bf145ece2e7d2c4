package io.github.ferrofuse.local;

import static io.github.ferrofuse.local.LocalFlags.O_CREAT;
import static io.github.ferrofuse.local.LocalFlags.O_DIRECTORY;
import static io.github.ferrofuse.local.LocalFlags.O_EXCL;
import static io.github.ferrofuse.local.LocalFlags.O_NOFOLLOW;
import static io.github.ferrofuse.local.LocalFlags.O_PATH;
import static io.github.ferrofuse.local.LocalFlags.O_RDONLY;
import static io.github.ferrofuse.local.LocalFlags.O_RDWR;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.Name;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.function.Executable;

/** A directory for one test, whose end fails if a descriptor is still open below it. */
abstract class Scratch {
  static final Path TMPFS = Path.of("/dev/shm");
  static final Path DISK = Path.of(System.getProperty("java.io.tmpdir"));

  final LocalStat stat = new LocalStat();
  final ByteBuffer buffer = ByteBuffer.allocateDirect(1 << 16);
  Path path;
  LocalFd dir;

  /** Where it is: {@link #TMPFS} or {@link #DISK}. */
  abstract Path where();

  @BeforeEach
  void makeTheDirectory() throws IOException {
    path = Files.createTempDirectory(where(), "ferrofuse-local-").toRealPath();
    dir = LocalFd.open(path, O_RDONLY | O_DIRECTORY);
  }

  @AfterEach
  void removeTheDirectory() throws IOException {
    dir.close();
    List<String> open = descriptorsBelow();
    try (Stream<Path> files = Files.walk(path)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
    assertEquals(List.of(), open, "descriptors left open");
  }

  /** What this process has open in the directory. */
  List<String> descriptorsBelow() throws IOException {
    List<String> found = new ArrayList<>();
    try (Stream<Path> descriptors = Files.list(Path.of("/proc/self/fd"))) {
      for (Path descriptor : descriptors.toList()) {
        try {
          String target = Files.readSymbolicLink(descriptor).toString();
          if (target.startsWith(path.toString())) {
            found.add(target);
          }
        } catch (IOException e) {
          // closed meanwhile: that of the listing itself
        }
      }
    }
    return found;
  }

  static boolean isRoot() throws IOException {
    return (int) Files.getAttribute(Path.of("/proc/self"), "unix:uid") == 0;
  }

  static void fails(Errno errno, Executable call) {
    assertEquals(errno, assertThrows(FuseException.class, call).errno());
  }

  static Name name(String text) {
    return Name.of(text);
  }

  /** Makes a file for reading and writing. */
  LocalFd create(String name) throws IOException {
    return dir.openat2(name(name), O_RDWR | O_CREAT | O_EXCL, 0644, 0, null);
  }

  /** The place of a file, whatever it is. */
  LocalFd place(String name) throws IOException {
    return dir.openat2(name(name), O_PATH | O_NOFOLLOW, 0, 0, null);
  }

  /** Puts bytes at the start of the buffer; answers how many. */
  int put(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    buffer.put(0, bytes);
    return bytes.length;
  }

  /** Bytes at the start of the buffer. */
  String text(int length) {
    byte[] bytes = new byte[length];
    buffer.get(0, bytes);
    return new String(bytes, StandardCharsets.UTF_8);
  }

  static Object attribute(Path file, String attribute) throws IOException {
    return Files.getAttribute(file, "unix:" + attribute, java.nio.file.LinkOption.NOFOLLOW_LINKS);
  }
}
