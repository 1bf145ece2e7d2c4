package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** System calls that few programs make, on a mount of the memory file system. */
@Tag("mount")
@Tag("once")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class OperationsTest {
  /** What the programs share: the mount is their directory, {@code error} the errno of a call. */
  private static final String PRELUDE =
      """
      import ctypes, errno, os, struct, sys
      os.chdir(sys.argv[1])
      def error(call, *arguments):
          try:
              call(*arguments)
              return "ok"
          except OSError as e:
              return errno.errorcode[e.errno]
      def link(fd, name):
          # Only with a directory given does Python follow the link.
          os.link(f"/proc/self/fd/{fd}", name, src_dir_fd=0, follow_symlinks=True)
      """;

  @RegisterExtension final Mounts mounts = new Mounts();

  private String python(String program) throws IOException, InterruptedException {
    Path point = mounts.mount(Mounts.memory()).mountPoint();
    return Shell.python(PRELUDE + program, point);
  }

  @Test
  void aFileWithoutANameIsGoneWhenItIsClosedAndMayGetOne() throws Exception {
    String told =
        python(
            """
fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o640)
os.write(fd, b"content")
print(os.fstat(fd).st_nlink, oct(os.fstat(fd).st_mode), os.listdir("."))
os.ftruncate(fd, 4)
os.setxattr(fd, "user.x", b"value")
link(fd, "named")
print(os.fstat(fd).st_nlink, open("named").read(), os.getxattr("named", "user.x"))
print(os.stat("named").st_ino == os.fstat(fd).st_ino, error(link, fd, "named"))
os.write(fd, b"!!!")
os.close(fd)
print(open("named", "rb").read())
os.unlink("named")
never = os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_EXCL)
print(error(link, never, "named"), os.fstat(never).st_nlink)
os.close(never)
os.mkdir("gone")
lost = os.open("gone", os.O_DIRECTORY)
os.rmdir("gone")
print(error(os.open, f"/proc/self/fd/{lost}", os.O_TMPFILE | os.O_RDWR), os.listdir("."))
""");
    assertEquals(
        """
        0 0o100640 []
        1 cont b'value'
        True EEXIST
        b'cont\\x00\\x00\\x00!!!'
        ENOENT 0
        ENOENT []
        """,
        told);
  }

  @Test
  void aFileWithoutANameThatIsLinkedTwiceIsOneFile() throws Exception {
    String told =
        python(
            """
            fd = os.open(".", os.O_TMPFILE | os.O_RDWR)
            link(fd, "one")
            os.link("one", "two")
            os.write(fd, b"all")
            os.unlink("one")
            print(os.stat("two").st_nlink, open("two").read())
            os.unlink("two")
            print(os.fstat(fd).st_nlink, os.pread(fd, 9, 0), os.listdir("."))
            """);
    assertEquals("1 all\n0 b'all' []\n", told);
  }

  @Test
  void holesAreTold() throws Exception {
    String told =
        python(
            """
            fd = os.open("sparse", os.O_RDWR | os.O_CREAT)
            os.pwrite(fd, b"x", 100_000)
            os.ftruncate(fd, 300_000)
            seek = lambda at, whence: os.lseek(fd, at, whence)
            print(seek(0, os.SEEK_DATA), seek(100_000, os.SEEK_HOLE), seek(0, os.SEEK_HOLE))
            print(error(seek, 200_000, os.SEEK_DATA), error(seek, 300_000, os.SEEK_HOLE))
            """);
    assertEquals("98304 114688 0\nENXIO ENXIO\n", told);
  }

  @Test
  void rangesAreCopiedInsideTheFileSystemAndHolesStayHoles() throws Exception {
    String told =
        python(
            """
            source = os.open("source", os.O_RDWR | os.O_CREAT)
            os.pwrite(source, os.urandom(5000), 3_000_000)
            os.pwrite(source, b"end", 6_000_000)
            target = os.open("target", os.O_RDWR | os.O_CREAT)
            done = 0
            while True:
                copied = os.copy_file_range(source, target, 1 << 30, done, done)
                if copied == 0:
                    break
                done += copied
            same = os.pread(source, 1 << 23, 0) == os.pread(target, 1 << 23, 0)
            print(done, same, os.fstat(target).st_blocks <= os.fstat(source).st_blocks)
            print(os.copy_file_range(source, target, 3, 6_000_000, 10), os.pread(target, 3, 10))
            print(error(os.copy_file_range, source, source, 100, 0, 50))
            os.copy_file_range(source, source, 3, 6_000_000, 20)
            print(os.pread(source, 3, 20))
            """);
    assertEquals("6000003 True True\n3 b'end'\nEINVAL\nb'end'\n", told);
  }

  @Test
  void theTimeOfBirthStays() throws Exception {
    String told =
        python(
            """
            open("file", "w").close()
            def statx(name):
                buffer = ctypes.create_string_buffer(256)
                libc = ctypes.CDLL(None, use_errno=True)
                assert libc.statx(-100, name, 0, 0xfff, buffer) == 0
                mask = struct.unpack_from("I", buffer, 0)[0]
                ctime, btime = (struct.unpack_from("qI", buffer, at) for at in (0x60, 0x50))
                return mask & 0x800, ctime, btime
            has, ctime, born = statx(b"file")
            print(has == 0x800, born <= ctime, born[0] > 1_000_000_000)
            os.utime("file", (1, 2))
            os.rename("file", "other")
            print(statx(b"other")[2] == born, statx(b"other")[1] > ctime)
            """);
    assertEquals("True True True\nTrue True\n", told);
  }

  @Test
  void anUnknownIoctlIsRefusedAsInAnyFile() throws Exception {
    String told =
        python(
            """
            import fcntl
            fd = os.open("file", os.O_RDWR | os.O_CREAT)
            print(os.isatty(fd), error(fcntl.ioctl, fd, 0x40046601, b"1234"))
            print(error(fcntl.ioctl, os.open(".", os.O_DIRECTORY), 0x40046601, b"1234"))
            """);
    assertEquals("False ENOTTY\nENOTTY\n", told);
  }

  @Test
  void aSyncOfTheMountComesBack() throws Exception {
    assertTrue(python("os.sync()\n").isEmpty());
  }
}
