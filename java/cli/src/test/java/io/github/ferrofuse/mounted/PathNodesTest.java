package io.github.ferrofuse.mounted;

import static io.github.ferrofuse.mounted.PathRenamesTest.UNCACHED;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.FuseMount;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.Request;
import java.io.IOException;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Which names are one file for the kernel, when a file system knows paths only. */
@Tag("mount")
@Tag("once")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class PathNodesTest {
  /** Root, who asks behind the kernel's back. */
  private static final Request ROOT =
      (Request)
          Proxy.newProxyInstance(
              Request.class.getClassLoader(),
              new Class<?>[] {Request.class},
              (request, method, arguments) -> method.getReturnType() == int.class ? 0 : null);

  private static final MountOptions CACHED = MountOptions.builder().kernelCache(true).build();

  /** Writes through one of two names and reads through the other, by all ways there are. */
  private static final String TWO_NAMES =
      """
      import mmap, os, sys
      os.chdir(sys.argv[1])
      first, second = os.open("first", os.O_RDWR), os.open("second", os.O_RDWR)
      assert os.stat("first").st_ino == os.stat("second").st_ino == os.fstat(second).st_ino
      assert os.stat("first").st_nlink == os.stat("second").st_nlink == 2
      os.pwrite(first, b"x" * 8192, 0)
      assert os.pread(second, 8192, 0) == b"x" * 8192
      with mmap.mmap(second, 8192) as mapped:
          os.pwrite(first, b"written", 0)
          assert mapped[:7] == b"written"
          mapped[4096:4102] = b"mapped"
          assert os.pread(first, 6, 4096) == b"mapped"
      os.truncate("second", 3)
      assert os.fstat(first).st_size == 3 and os.pread(first, 10, 0) == b"wri"
      os.unlink("first")
      assert os.stat("second").st_nlink == 1 and os.pread(first, 10, 0) == b"wri"
      """;

  /** Evaluates each line. */
  private static final String CLIENT =
      """
      import os, stat, sys
      os.chdir(sys.argv[1])
      for line in sys.stdin:
          try:
              print(eval(line), flush=True)
          except OSError as e:
              print(type(e).__name__, flush=True)
      """;

  @RegisterExtension final Mounts mounts = new Mounts();

  private final InodeFileSystem memory;
  private final ByPath behind;

  PathNodesTest() throws IOException {
    memory = Mounts.memory();
    behind = new ByPath(memory);
  }

  private ByPath form(boolean numbered) {
    return numbered ? new ByPath(memory) : new Unnumbered(memory);
  }

  @Test
  void hardLinksThatWereThereBeforeAreOneFile() throws Exception {
    behind.mknod(ROOT, "/first", 0100644, 0);
    behind.link(ROOT, "/first", "/second");
    Shell.python(TWO_NAMES, mounts.mount(form(true), CACHED).mountPoint());
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void hardLinksMadeThroughTheMountAreOneFile(boolean numbered) throws Exception {
    Path root = mounts.mount(form(numbered), CACHED).mountPoint();
    Files.writeString(root.resolve("first"), "text");
    Files.createLink(root.resolve("second"), root.resolve("first"));
    Shell.python(TWO_NAMES, root);
  }

  @Test
  void filesWithoutANumberGetOneThatStays() throws Exception {
    behind.mknod(ROOT, "/first", 0100644, 0);
    behind.link(ROOT, "/first", "/second");
    Shell.python(
        """
        import os, sys
        os.chdir(sys.argv[1])
        numbers = {name: os.stat(name).st_ino for name in (".", "first", "second")}
        assert numbers["."] == 1 and len(set(numbers.values())) == 3, numbers
        os.mkdir("directory")
        os.rename("first", "directory/renamed")
        assert os.stat("directory/renamed").st_ino == numbers["first"]
        with open("directory/renamed") as file:
            os.chmod("directory/renamed", 0o600)
            assert os.fstat(file.fileno()).st_ino == numbers["first"]
        """,
        mounts.mount(form(false), UNCACHED).mountPoint());
  }

  @Test
  void aFileReplacedBehindTheKernelsBackIsAnotherOne() throws Exception {
    Path root = mounts.mount(form(true), UNCACHED).mountPoint();
    Files.writeString(root.resolve("file"), "old");
    Files.writeString(root.resolve("other"), "new!");
    try (Shell.Talk client = Shell.talk(CLIENT, root)) {
      client.ask("(fd := os.open('file', os.O_RDWR))");
      String number = client.ask("os.stat('file').st_ino");
      behind.rename(ROOT, "/other", "/file", 0);
      assertNotEquals(number, client.ask("os.stat('file').st_ino"));
      assertEquals("new!", client.ask("open('file').read()"));
      assertEquals(number, client.ask("os.fstat(fd).st_ino"));
      assertEquals("0", client.ask("os.fstat(fd).st_nlink"));
      assertEquals("b'old'", client.ask("os.pread(fd, 10, 0)"));
      assertEquals("FileNotFoundError", client.ask("os.stat('other')"));
      client.ends(20);
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aFileThatBecomesADirectoryIsOne(boolean numbered) throws Exception {
    behind.mknod(ROOT, "/thing", 0100644, 0);
    Path root = mounts.mount(form(numbered), UNCACHED).mountPoint();
    try (Shell.Talk client = Shell.talk(CLIENT, root)) {
      assertEquals("True", client.ask("stat.S_ISREG(os.stat('thing').st_mode)"));
      String number = client.ask("os.stat('thing').st_ino");
      behind.unlink(ROOT, "/thing");
      behind.mkdir(ROOT, "/thing", 0755);
      behind.mknod(ROOT, "/thing/inside", 0100644, 0);
      assertEquals("True", client.ask("stat.S_ISDIR(os.stat('thing').st_mode)"));
      assertNotEquals(number, client.ask("os.stat('thing').st_ino"));
      assertEquals("['inside']", client.ask("os.listdir('thing')"));
      assertEquals("0", client.ask("os.stat('thing/inside').st_size"));
      behind.unlink(ROOT, "/thing/inside");
      behind.rmdir(ROOT, "/thing");
      behind.symlink(ROOT, "/thing", "target");
      assertEquals("target", client.ask("os.readlink('thing')"));
      client.ends(20);
    }
  }

  @Test
  void whatIsNotThereIsAskedForOncePerNegativeTimeout() throws Exception {
    Counting fs = new Counting(memory);
    MountOptions options = MountOptions.builder().negativeTimeout(Duration.ofHours(1)).build();
    Path root = mounts.mount(fs, options).mountPoint();
    for (int i = 0; i < 10; i++) {
      assertFalse(Files.exists(root.resolve("absent")));
    }
    assertEquals(1, fs.getattrs("/absent"));
    Files.writeString(root.resolve("absent"), "here now");
    assertEquals("here now", Files.readString(root.resolve("absent")));
    Files.delete(root.resolve("absent"));
    assertFalse(Files.exists(root.resolve("absent")));
  }

  @Test
  void whatIsNotThereIsAskedForEachTimeWithoutNegativeTimeout() throws Exception {
    Counting fs = new Counting(memory);
    FuseMount mount = mounts.mount(fs);
    for (int i = 0; i < 10; i++) {
      assertFalse(Files.exists(mount.mountPoint().resolve("absent")));
    }
    assertEquals(10, fs.getattrs("/absent"));
    behind.mknod(ROOT, "/absent", 0100644, 0);
    assertTrue(Files.exists(mount.mountPoint().resolve("absent")));
  }

  @Test
  void linkTargetsAndAttributeNamesAreAnyBytes() throws Exception {
    Shell.python(
        """
import os, sys
os.chdir(sys.argv[1])
odd = [b"\\xff", b"\\xc0\\xaf", b"\\xed\\xa0\\x80", "\\U0001f980".encode(), b"a\\x80b", b" "]
for i, name in enumerate(odd):
    os.mkdir(name)
    path = name + b"/" + name * 2
    os.symlink(name * 3, path)
    assert os.readlink(path) == name * 3
    os.setxattr(name, b"user." + name, name)
    assert os.listxattr(name) == [os.fsdecode(b"user." + name)], os.listxattr(name)
    assert os.getxattr(name, b"user." + name) == name
    os.removexattr(name, b"user." + name)
    assert os.listdir(name) == [name * 2]
assert set(os.listdir(b".")) == set(odd)
""",
        mounts.mount(form(true), UNCACHED).mountPoint());
  }

  /** Leaves inode numbers to the engine. */
  private static final class Unnumbered extends ByPath {
    Unnumbered(InodeFileSystem inner) {
      super(inner);
    }

    @Override
    void identify(long node, AttrSink out) {}
  }

  /** Counts what is asked about each path. */
  private static final class Counting extends ByPath {
    private final Map<String, Integer> getattrs = new ConcurrentHashMap<>();

    Counting(InodeFileSystem inner) {
      super(inner);
    }

    int getattrs(String path) {
      return getattrs.getOrDefault(path, 0);
    }

    @Override
    public void getattr(Request request, String path, AttrSink out) throws IOException {
      getattrs.merge(path, 1, Integer::sum);
      super.getattr(request, path, out);
    }
  }
}
