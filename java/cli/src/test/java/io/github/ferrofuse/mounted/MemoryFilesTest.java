package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What applications do with files, on a mount of the memory file system. */
@Tag("mount")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class MemoryFilesTest {
  @RegisterExtension final Mounts mounts = new Mounts();

  private Path memory() throws IOException {
    return mounts.mount(Mounts.memory()).mountPoint();
  }

  @Test
  void whatIsWrittenIsReadBackThroughAnotherOpen() throws Exception {
    Path file = memory().resolve("file");
    byte[] content = new byte[3_000_001];
    new Random(1).nextBytes(content);
    Files.write(file, content);
    assertArrayEquals(content, Files.readAllBytes(file));
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      channel.write(ByteBuffer.wrap(new byte[] {1, 2, 3}), 1_000_000);
      channel.truncate(2_000_000);
    }
    content[1_000_000] = 1;
    content[1_000_001] = 2;
    content[1_000_002] = 3;
    byte[] expected = Arrays.copyOf(content, 2_000_000);
    assertArrayEquals(expected, Files.readAllBytes(file));
    assertEquals(2_000_000, Files.size(file));
  }

  @Test
  void appendsOfSeveralProcessesAllArrive() throws Exception {
    Path file = memory().resolve("log");
    Shell.succeed(
        "sh",
        "-ec",
        "for i in 1 2 3 4; do (for j in $(seq 250); do echo line-$i-$j >> \"$0\"; done) &"
            + " done; wait",
        file.toString());
    assertEquals(1000, Files.readAllLines(file).stream().distinct().count());
  }

  @Test
  void renamesReplaceFilesAndRefuseFullDirectories() throws Exception {
    Path root = memory();
    Files.writeString(root.resolve("a"), "a");
    Files.writeString(root.resolve("b"), "b");
    Files.move(root.resolve("a"), root.resolve("b"), StandardCopyOption.ATOMIC_MOVE);
    assertEquals("a", Files.readString(root.resolve("b")));
    assertFalse(Files.exists(root.resolve("a")));

    Files.createDirectories(root.resolve("from/deep"));
    Files.createDirectories(root.resolve("to/full"));
    Files.writeString(root.resolve("from/deep/file"), "moved");
    assertThrows(
        DirectoryNotEmptyException.class,
        () ->
            Files.move(
                root.resolve("from"), root.resolve("to"), StandardCopyOption.REPLACE_EXISTING));
    assertThrows(DirectoryNotEmptyException.class, () -> Files.delete(root.resolve("to")));
    Files.move(root.resolve("from"), root.resolve("to/here"));
    assertEquals("moved", Files.readString(root.resolve("to/here/deep/file")));
    assertThrows(NoSuchFileException.class, () -> Files.readString(root.resolve("from/deep/file")));
  }

  @Test
  void renameFlagsKeepOrExchange() throws Exception {
    Path root = memory();
    Files.writeString(root.resolve("a"), "a");
    Files.writeString(root.resolve("b"), "b");
    String errors =
        Shell.python(
            """
            import ctypes, errno, os, sys
            libc = ctypes.CDLL(None, use_errno=True)
            os.chdir(sys.argv[1])
            def rename(old, new, flags):
                done = libc.renameat2(-100, old, -100, new, flags)
                return "ok" if done == 0 else errno.errorcode[ctypes.get_errno()]
            print(rename(b"a", b"b", 1), rename(b"a", b"c", 1), rename(b"c", b"b", 2))
            """,
            root);
    assertEquals("EEXIST ok ok", errors.trim());
    assertEquals("b", Files.readString(root.resolve("c")));
    assertEquals("a", Files.readString(root.resolve("b")));
  }

  @Test
  void hardLinksAreOneFile() throws Exception {
    Path root = memory();
    Path first = Files.writeString(root.resolve("first"), "one");
    Path second = Files.createLink(root.resolve("second"), first);
    assertEquals(2, Files.getAttribute(first, "unix:nlink"));
    assertEquals(Files.getAttribute(first, "unix:ino"), Files.getAttribute(second, "unix:ino"));
    Files.writeString(second, "two");
    assertEquals("two", Files.readString(first));
    Files.delete(first);
    assertEquals(1, Files.getAttribute(second, "unix:nlink"));
    assertEquals("two", Files.readString(second));
    assertThrows(
        FileAlreadyExistsException.class, () -> Files.createLink(second, root.resolve("second")));
  }

  @Test
  void symbolicLinksKeepTheirTarget() throws Exception {
    Path root = memory();
    Files.createDirectory(root.resolve("directory"));
    Files.writeString(root.resolve("directory/file"), "found");
    Files.createSymbolicLink(root.resolve("link"), Path.of("directory/file"));
    assertEquals("found", Files.readString(root.resolve("link")));
    String longest = "x".repeat(4095);
    Shell.python(
        """
        import os, sys
        os.symlink(sys.argv[2], sys.argv[1] + "/dangling")
        assert os.readlink(sys.argv[1] + "/dangling") == sys.argv[2]
        assert os.lstat(sys.argv[1] + "/dangling").st_size == 4095
        """,
        root,
        longest);
  }

  @Test
  void extendedAttributesHoldAnyBytes() throws Exception {
    Path file = Files.writeString(memory().resolve("file"), "");
    Shell.python(
        """
        import errno, os, sys
        path = sys.argv[1]
        def error(call, *arguments):
            try:
                call(*arguments)
            except OSError as e:
                return errno.errorcode[e.errno]
        value = bytes(range(256)) * 8
        os.setxattr(path, "user.all", value)
        os.setxattr(path, "user.empty", b"")
        assert os.getxattr(path, "user.all") == value
        assert os.getxattr(path, "user.empty") == b""
        assert sorted(os.listxattr(path)) == ["user.all", "user.empty"], os.listxattr(path)
        assert error(os.setxattr, path, "user.all", b"", os.XATTR_CREATE) == "EEXIST"
        assert error(os.setxattr, path, "user.none", b"", os.XATTR_REPLACE) == "ENODATA"
        os.setxattr(path, "user.all", b"short", os.XATTR_REPLACE)
        assert os.getxattr(path, "user.all") == b"short"
        os.removexattr(path, "user.all")
        assert error(os.getxattr, path, "user.all") == "ENODATA"
        assert error(os.removexattr, path, "user.all") == "ENODATA"
        assert os.listxattr(path) == ["user.empty"]
        """,
        file);
  }

  @Test
  void timesKeepTheirNanoseconds() throws Exception {
    Path file = Files.writeString(memory().resolve("file"), "");
    Shell.python(
        """
        import os, sys, time
        path = sys.argv[1]
        # after 2038, before 1970, and now
        for atime, mtime in ((5_000_000_000_123_456_789, -1_500_000_001), (1, 999_999_999)):
            os.utime(path, ns=(atime, mtime))
            found = os.stat(path)
            assert (found.st_atime_ns, found.st_mtime_ns) == (atime, mtime), found
        before = time.time_ns() - 100_000_000  # file systems may use a coarser clock
        os.utime(path)
        found = os.stat(path)
        assert found.st_mtime_ns >= before and found.st_ctime_ns >= before, (before, found)
        os.chmod(path, 0o600)
        assert os.stat(path).st_ctime_ns >= found.st_ctime_ns
        assert os.stat(path).st_mtime_ns == found.st_mtime_ns
        """,
        file);
  }

  @Test
  void anUnlinkedFileLivesUntilItIsClosed() throws Exception {
    Path file = Files.writeString(memory().resolve("file"), "before");
    try (FileChannel channel =
        FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      Files.delete(file);
      assertFalse(Files.exists(file));
      channel.write(ByteBuffer.wrap("AFTER".getBytes()), 6);
      ByteBuffer content = ByteBuffer.allocate(20);
      channel.read(content, 0);
      assertEquals("beforeAFTER", new String(content.array(), 0, content.position()));
      assertEquals(11, channel.size());
      Files.writeString(file, "another");
      assertEquals(11, channel.size());
    }
    assertEquals("another", Files.readString(file));
  }

  @Test
  void aHoleOfOneTebibyteTakesNoSpace() throws Exception {
    Path root = memory();
    long before = Files.getFileStore(root).getUsableSpace();
    Shell.python(
        """
        import os, sys
        fd = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR)
        os.ftruncate(fd, 1 << 40)
        os.pwrite(fd, b"end", (1 << 40) - 3)
        assert os.fstat(fd).st_size == 1 << 40
        assert os.fstat(fd).st_blocks * 512 < 1 << 22, os.fstat(fd).st_blocks
        assert os.pread(fd, 1 << 16, 1 << 39) == bytes(1 << 16)
        assert os.pread(fd, 10, (1 << 40) - 5) == b"\\0\\0end"
        """,
        root.resolve("sparse"));
    assertTrue(before - Files.getFileStore(root).getUsableSpace() < 1 << 22);
  }

  @Test
  void aFullFileSystemSaysSoAndStaysReadable() throws Exception {
    Path root = mounts.mount(Mounts.memory(Map.of("capacity", "8m"))).mountPoint();
    Path kept = Files.write(root.resolve("kept"), new byte[1 << 20]);
    String errors =
        Shell.python(
            """
            import errno, os, sys
            fd = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
            written = 0
            try:
                while True:
                    written += os.write(fd, b"x" * 65536)
            except OSError as e:
                print(errno.errorcode[e.errno], written)
            os.close(fd)
            """,
            root.resolve("filler"));
    String[] said = errors.trim().split(" ");
    assertEquals("ENOSPC", said[0]);
    long written = Long.parseLong(said[1]);
    assertTrue(written > 6 << 20 && written <= 7 << 20, "wrote " + written);
    assertEquals(1 << 20, Files.readAllBytes(kept).length);
    byte[] filler = Files.readAllBytes(root.resolve("filler"));
    assertEquals(written, filler.length);
    assertEquals('x', filler[filler.length - 1]);
    Files.delete(root.resolve("filler"));
    awaitUsableSpace(Files.getFileStore(root), 7 << 20);
    Files.write(root.resolve("again"), new byte[4 << 20]);
  }

  @Test
  void sharedMappingsAreSeenByReadersAndOtherMappings() throws Exception {
    Path file = Files.write(memory().resolve("mapped"), new byte[1 << 20]);
    Shell.python(
        """
        import mmap, os, sys
        fd = os.open(sys.argv[1], os.O_RDWR)
        with mmap.mmap(fd, 0) as mapped:
            mapped[0:5] = b"first"
            mapped[(1 << 20) - 4:] = b"last"
            pid = os.fork()
            if pid == 0:
                with mmap.mmap(os.open(sys.argv[1], os.O_RDWR), 0) as other:
                    other[4096:4101] = b"child" if other[0:5] == b"first" else b"wrong"
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
            assert mapped[4096:4101] == b"child"
            mapped.flush()
        """,
        file);
    byte[] content = Files.readAllBytes(file);
    assertEquals("first", new String(content, 0, 5));
    assertEquals("child", new String(content, 4096, 5));
    assertEquals("last", new String(content, (1 << 20) - 4, 4));
  }

  @Test
  void statfsFollowsWhatIsStored() throws Exception {
    Path root = mounts.mount(Mounts.memory(Map.of("capacity", "64m"))).mountPoint();
    FileStore store = Files.getFileStore(root);
    assertEquals(64 << 20, store.getTotalSpace());
    long before = store.getUsableSpace();
    Files.write(root.resolve("file"), new byte[16 << 20]);
    long taken = before - store.getUsableSpace();
    assertTrue(taken >= 16 << 20 && taken < 17 << 20, "taken: " + taken);
    Files.delete(root.resolve("file"));
    awaitUsableSpace(store, before);
    assertEquals(before, store.getUsableSpace());
    assertEquals(
        "255",
        Shell.python("import os, sys; print(os.statvfs(sys.argv[1]).f_namemax)", root).trim());
  }

  /**
   * The kernel says that a deleted file is closed and forgotten after unlink(2) has returned, and
   * waits for no answer: there is nothing that tells when the space is free but the space.
   */
  private static void awaitUsableSpace(FileStore store, long bytes) throws Exception {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
    while (store.getUsableSpace() < bytes) {
      assertTrue(System.nanoTime() < end, "only " + store.getUsableSpace() + " bytes came free");
      Thread.sleep(5);
    }
  }

  @Test
  void anOpenThatWouldEmptyARunningProgramLeavesItWhole() throws Exception {
    Path program = memory().resolve("program");
    Files.copy(Path.of("/bin/sleep"), program);
    Shell.succeed(
        "python3",
        "-c",
        """
        import errno, os, subprocess, sys
        size = os.stat(sys.argv[1]).st_size
        with subprocess.Popen([sys.argv[1], "60"]) as running:
            try:
                os.open(sys.argv[1], os.O_RDONLY | os.O_TRUNC)
                sys.exit("opened")
            except OSError as e:
                assert e.errno == errno.ETXTBSY, e
            finally:
                running.kill()
        assert os.stat(sys.argv[1]).st_size == size > 0
        """,
        program.toString());
  }
}
