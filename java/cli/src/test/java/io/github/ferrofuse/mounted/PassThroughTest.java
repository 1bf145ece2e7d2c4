package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.Connection;
import io.github.ferrofuse.MountOptions;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Files that the kernel reads and writes by itself, as applications and the handles see them. */
@Tag("mount")
@Tag("root")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class PassThroughTest {
  @RegisterExtension final Mounts mounts = new Mounts();

  @TempDir Path directory;

  private PassingFileSystem fs;
  private Path root;
  private Client client;

  @BeforeEach
  void prepare() throws Exception {
    Twins.needAllIds();
    put("file", "0123456789");
    fs = new PassingFileSystem(directory);
  }

  @AfterEach
  void end() {
    if (client != null) {
      client.close();
    }
  }

  private void put(String name, String content) throws IOException {
    Files.writeString(directory.resolve(name), content);
  }

  /** The content of the other file. */
  private String other(String name) throws IOException {
    return Files.readString(directory.resolve(name), StandardCharsets.ISO_8859_1);
  }

  private Client use() throws IOException {
    return use(MountOptions.builder());
  }

  private Client use(MountOptions.Builder options) throws IOException {
    try {
      root = mounts.mount(fs, options.build()).mountPoint();
    } catch (IOException e) {
      assumeTrue(!e.getMessage().contains("this kernel passes no files through"), e.getMessage());
      throw e;
    }
    client = Client.in(root);
    return client;
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void readsWritesAndMappingsAreMadeOnTheOtherFileAndNoneComes(boolean byPath) throws Exception {
    if (byPath) {
      mounts.byPath();
    }
    use();
    client.ask("fd = rw('file')");
    assertEquals("b'234'", client.ask("os.pread(fd, 3, 2)"));
    client.ask("os.pwrite(fd, b'written', 5)");
    assertEquals("01234written", other("file"));
    client.ask("map = shared(fd, 12)");
    client.ask("map[0:3] = b'map'");
    assertEquals("map34written", other("file"), "at once");
    put("file", "changed elsewhere");
    assertEquals("b'changed else'", client.ask("map[:]"), "at once, too");
    assertEquals("b'changed elsewhere'", client.ask("os.pread(fd, 99, 0)"));
    client.ask("new = rw('new', os.O_CREAT)");
    client.ask("os.sendfile(new, fd, 8, 4)");
    assertEquals("else", other("new"));
    assertEquals(List.of(), fs.newCalls());
  }

  @Test
  void aProgramRunsFromTheOtherFile() throws Exception {
    Files.copy(Path.of("/bin/true"), directory.resolve("program"));
    directory.resolve("program").toFile().setExecutable(true);
    use();
    assertEquals("0", client.ask("os.spawnl(os.P_WAIT, p('program'), 'program')"));
    assertTrue(fs.newCalls().stream().noneMatch(call -> call.startsWith("read")));
  }

  @Test
  void anAppendGoesToTheEndThatTheOtherFileHas() throws Exception {
    use(MountOptions.builder().attrTimeout(Duration.ofDays(1)));
    client.ask("fd = rw('file', os.O_APPEND)");
    put("file", "grown elsewhere,");
    client.ask("os.write(fd, b'then appended')");
    assertEquals("grown elsewhere,then appended", other("file"));
    assertEquals("29", client.ask("size('file')"));
    assertEquals("29", client.ask("os.lseek(fd, 0, os.SEEK_END)"));
  }

  @Test
  void aWriteShowsInSizeAndTimesHoweverLongAttributesAreBelieved() throws Exception {
    use(MountOptions.builder().attrTimeout(Duration.ofDays(1)));
    Files.setLastModifiedTime(directory.resolve("file"), FileTime.fromMillis(1000));
    client.ask("fd = rw('file')");
    assertEquals("10", client.ask("size('file')"));
    client.ask("os.pwrite(fd, b'x', 99)");
    assertEquals("100", client.ask("size('file')"));
    assertEquals("True", client.ask("os.stat(p('file')).st_mtime > 1e9"));
    put("file", "shorter");
    assertEquals("100", client.ask("size('file')"), "what changes elsewhere may be stale");
    client.ask("os.pwrite(fd, b'S', 0)");
    assertEquals("7", client.ask("size('file')"), "until the next write");
  }

  @Test
  void truncationIsAskedOfTheFileSystemAndSeenByReads() throws Exception {
    use();
    client.ask("fd = rw('file')");
    client.ask("os.ftruncate(fd, 4)");
    assertEquals("b'0123'", client.ask("os.pread(fd, 99, 0)"));
    client.ask("os.ftruncate(fd, 6)");
    assertEquals("6", client.ask("size('file')"));
    client.ask("other = rw('file', os.O_TRUNC)");
    assertEquals("b''", client.ask("os.pread(fd, 99, 0)"));
    assertEquals(List.of("truncate 4", "truncate 6", "truncate 0"), fs.newCalls());
  }

  @Test
  void allButReadsAndWritesComesToTheHandle() throws Exception {
    use();
    client.ask("fd = rw('file')");
    client.ask("copy = rw('copy', os.O_CREAT)");
    client.ask("os.fsync(fd)");
    client.ask("os.fdatasync(fd)");
    client.ask("os.posix_fallocate(fd, 10, 90)");
    assertEquals("100", client.ask("size('file')"));
    assertEquals("100", client.ask("os.lseek(fd, 5, os.SEEK_HOLE)"));
    client.ask("os.copy_file_range(fd, copy, 4, 2, 0)");
    assertEquals("2345", other("copy"));
    assertEquals("b'2345'", client.ask("os.pread(copy, 9, 0)"));
    client.ask("os.close(copy)");
    assertEquals(
        List.of("fsync", "fdatasync", "fallocate 10+90", "lseek 5", "copy 2 to 0, 4", "flush"),
        fs.newCalls().stream()
            .filter(call -> !call.equals("release"))
            .collect(Collectors.toList()));
  }

  @Test
  void anOpenThatIsNotPassedThroughGetsItsReadsAndWritesBesideOneThatIs() throws Exception {
    use();
    client.ask("fd = rw('file')");
    fs.way = (reply, other) -> reply.keepCache();
    client.ask("plain = rw('file')");
    assertEquals("b'123'", client.ask("os.pread(plain, 3, 1)"));
    client.ask("os.pwrite(plain, b'X', 2)");
    assertEquals(List.of("read 1+3", "write 2+1"), fs.newCalls(), "past the page cache");
    assertEquals("b'01X3456789'", client.ask("os.pread(fd, 99, 0)"));
    client.ask("os.pwrite(fd, b'Y', 3)");
    assertEquals("b'01XY456789'", client.ask("os.pread(plain, 10, 0)"));
    assertEquals("b'01XY'", client.ask("shared(plain, 4)[:]"), "the other file, too");
  }

  @Test
  void anOpenIsNotPassedThroughWhileTheFileIsOpenInAnotherWay() throws Exception {
    fs.way = (reply, other) -> {};
    use(MountOptions.builder().threads(1));
    client.ask("plain = rw('file')");
    fs.way = (reply, other) -> reply.passThrough(other);
    client.ask("fd = rw('file')");
    assertEquals("b'0123456789'", client.ask("os.pread(fd, 10, 0)"));
    client.ask("os.pwrite(fd, b'X', 0)");
    assertEquals("b'X123456789'", client.ask("os.pread(plain, 10, 0)"));
    assertTrue(fs.newCalls().contains("write 0+1"));
    client.ask("os.close(fd)");
    client.ask("os.close(plain)");
    awaitReleases(2);
    client.ask("fd = rw('file')");
    client.ask("os.pwrite(fd, b'Y', 0)");
    assertEquals("Y123456789", other("file"));
    assertEquals(List.of(), fs.newCalls());
  }

  /** Waits until that many handles were released, and what the engine had of them is gone. */
  private void awaitReleases(int count) throws IOException {
    while (fs.calls.stream().filter("release"::equals).count() < count) {
      Thread.onSpinWait();
    }
    // The only worker is through with a release when it answers something else.
    client.ask("os.path.exists(p('absent'))");
    fs.newCalls();
  }

  @Test
  void withDirectIoOnlyMappingsAreMadeOnTheOtherFile() throws Exception {
    fs.way = (reply, other) -> reply.directIo().passThrough(other);
    use();
    client.ask("fd = rw('file')");
    assertEquals("b'0'", client.ask("os.pread(fd, 1, 0)"));
    assertEquals(List.of("read 0+1"), fs.newCalls());
    client.ask("map = shared(fd, 10)");
    client.ask("map[0:1] = b'X'");
    assertEquals("X123456789", other("file"));
    assertEquals(List.of(), fs.newCalls());
  }

  @Test
  void theLastCloseGivesTheOtherFileBack() throws Exception {
    Path backing = Files.createDirectory(directory.resolve("backing"));
    Shell.succeed("mount", "-t", "tmpfs", "backing", backing.toString());
    try {
      Files.writeString(backing.resolve("file"), "on a file system of its own");
      fs = new PassingFileSystem(backing);
      use(MountOptions.builder().threads(1));
      client.ask("fds = [rw('file') for i in range(3)]");
      client.ask("os.close(fds[0])");
      awaitReleases(1);
      assertFalse(Shell.run("umount", backing.toString()).exit() == 0, "it is in use");
      assertEquals("b'on'", client.ask("os.pread(fds[1], 2, 0)"));
      client.ask("[os.close(fd) for fd in fds[1:]]");
      awaitReleases(2);
    } finally {
      Shell.succeed("umount", backing.toString());
    }
  }

  @Test
  void whatCannotBePassedThroughComesAndIsToldOnce() throws Exception {
    Path top = Files.createDirectory(directory.resolve("top"));
    for (String layer : List.of("lower", "upper", "work", "merged")) {
      Files.createDirectory(top.resolve(layer));
    }
    Files.writeString(top.resolve("lower/file"), "in a lower layer");
    Path merged = top.resolve("merged");
    Shell.Ended overlay =
        Shell.run(
            "mount",
            "-t",
            "overlay",
            "-o",
            "lowerdir=" + top.resolve("lower"),
            "-o",
            "upperdir=" + top.resolve("upper") + ",workdir=" + top.resolve("work"),
            "overlay",
            merged.toString());
    assumeTrue(overlay.exit() == 0, "there is no overlayfs");
    try {
      fs = new PassingFileSystem(merged);
      List<String> lines =
          linesLogged(
              () -> {
                use();
                for (int i = 0; i < 3; i++) {
                  assertEquals("in a lower layer", client.ask("content('file')"));
                }
                assertTrue(fs.newCalls().stream().anyMatch(call -> call.startsWith("read")));
              });
      assertEquals(1, lines.size(), lines::toString);
      assertTrue(lines.get(0).contains("lies on a stacked file system"), lines::toString);
    } finally {
      client.close();
      mounts.afterEach(null);
      Shell.succeed("umount", merged.toString());
    }
  }

  @Test
  void aDescriptorThatIsNoneOrOfNoRegularFileIsToldAndTheFileServed() throws Exception {
    for (String wrong : List.of("closed", "a device")) {
      fs.way =
          (reply, other) -> reply.passThrough(wrong.equals("closed") ? 1_000_000 : ofADevice());
      List<String> lines =
          linesLogged(
              () -> {
                use();
                assertEquals("0123456789", client.ask("content('file')"));
                client.close();
              });
      assertEquals(1, lines.size(), lines::toString);
      String reason = wrong.equals("closed") ? "stay open until release" : "no regular file";
      assertTrue(lines.get(0).contains(reason), lines::toString);
    }
  }

  /** The number of what the engine has open itself. */
  private static int ofADevice() throws IOException {
    try (DirectoryStream<Path> numbers = Files.newDirectoryStream(Path.of("/proc/self/fd"))) {
      for (Path number : numbers) {
        if (Files.isSymbolicLink(number)
            && Files.readSymbolicLink(number).equals(Path.of("/dev/fuse"))) {
          return Integer.parseInt(number.getFileName().toString());
        }
      }
    }
    throw new AssertionError("no device is open");
  }

  private interface Body {
    void run() throws Exception;
  }

  /** What the engine says of files that are not passed through. */
  private static List<String> linesLogged(Body body) throws Exception {
    ByteArrayOutputStream log = new ByteArrayOutputStream();
    PrintStream errors = System.err;
    System.setErr(new PrintStream(log, true));
    try {
      body.run();
    } finally {
      System.setErr(errors);
    }
    return log.toString()
        .lines()
        .filter(line -> line.contains("not passed through"))
        .collect(Collectors.toList());
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void writesTakePrivilegesFromTheOtherFile(boolean clearsThem) throws Exception {
    fs =
        new PassingFileSystem(directory) {
          @Override
          public void init(Connection connection) throws IOException {
            super.init(connection);
            if (clearsThem) {
              connection.clearsPrivileges();
            }
          }
        };
    Path file = directory.resolve("file");
    Files.setAttribute(directory, "unix:mode", 0755);
    MountOptions.Builder options = MountOptions.builder().allowOther(true).suid(true);
    use(options.defaultPermissions(true).attrTimeout(Duration.ZERO));
    for (int user : new int[] {1000, 0}) {
      Files.setAttribute(file, "unix:mode", 06777);
      assertEquals("0o106777", client.ask("oct(os.stat(p('file')).st_mode)"));
      client.ask("os.setresuid(" + user + ", " + user + ", 0)");
      client.ask("fd = rw('file')");
      client.ask("os.pwrite(fd, b'x', 0)");
      // Nobody hears of root's writes in particular if the kernel leaves the bits to others.
      boolean keeps = user == 0 && !clearsThem;
      String mode = keeps ? "0o106777" : "0o100777";
      assertEquals(mode, client.ask("oct(os.stat(p('file')).st_mode)"), "user " + user);
      client.ask("os.setresuid(0, 0, 0)");
    }
  }

  @Test
  void itIsRefusedTogetherWithWhatExcludesIt() throws Exception {
    for (String option : List.of("writeback_cache", "direct_io")) {
      MountOptions options = MountOptions.parse(option).options();
      IOException error = assertThrows(IOException.class, () -> mounts.mount(fs, options));
      assertTrue(error.getMessage().contains("one of passthrough and " + option), error::toString);
      assertTrue(error.getCause() instanceof UnsupportedOperationException, error::toString);
    }
  }

  @Test
  void whoHasNotDeclaredItIsServedAsEver() throws Exception {
    fs =
        new PassingFileSystem(directory) {
          @Override
          public void init(Connection connection) {}
        };
    use(MountOptions.builder().writebackCache(true));
    assertEquals("0123456789", client.ask("content('file')"));
    assertTrue(fs.newCalls().contains("read 0+4096"));
  }
}
