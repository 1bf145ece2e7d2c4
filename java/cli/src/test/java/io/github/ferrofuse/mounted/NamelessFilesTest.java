package io.github.ferrofuse.mounted;

import static io.github.ferrofuse.mounted.PathRenamesTest.UNCACHED;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.MountOptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Files that have lost their last name while they were open, on path-based file systems. */
@Tag("mount")
@Tag("once")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class NamelessFilesTest {
  /** Takes a file's name away: by unlink, or by a rename over it. */
  private static final String OPEN_AND_LOSE =
      """
      import errno, os, stat, sys
      os.chdir(sys.argv[1])
      def error(call, *arguments):
          try:
              call(*arguments)
          except OSError as e:
              return errno.errorcode[e.errno]
      fd = os.open("file", os.O_CREAT | os.O_RDWR)
      os.write(fd, b"hello")
      if sys.argv[2] == "unlink":
          os.unlink("file")
          assert error(os.stat, "file") == "ENOENT"
      else:
          os.close(os.open("other", os.O_CREAT | os.O_RDWR))
          os.rename("other", "file")
          assert os.stat("file").st_size == 0
      """;

  /** Without the page cache, which wants to know a file's size before it reads. */
  private static final MountOptions DIRECT =
      MountOptions.parse("direct_io,attr_timeout=0,entry_timeout=0").options();

  @RegisterExtension final Mounts mounts = new Mounts();

  @ParameterizedTest
  @ValueSource(strings = {"unlink", "rename"})
  void anOpenFileAnswersForItself(String how) throws Exception {
    Shell.python(
        OPEN_AND_LOSE
            + """
            assert os.fstat(fd).st_nlink == 0 and os.fstat(fd).st_size == 5
            os.pwrite(fd, b" world", 5)
            assert os.pread(fd, 100, 0) == b"hello world"
            os.ftruncate(fd, 4)
            assert os.fstat(fd).st_size == 4 and os.pread(fd, 100, 0) == b"hell"
            os.fchmod(fd, 0o640)
            assert stat.S_IMODE(os.fstat(fd).st_mode) == 0o640
            os.utime(fd, ns=(1, 2))
            assert os.fstat(fd).st_mtime_ns == 2
            os.setxattr(fd, "user.name", b"value")
            assert os.getxattr(fd, "user.name") == b"value"
            assert os.listxattr(fd) == ["user.name"]
            os.removexattr(fd, "user.name")
            assert os.fstatvfs(fd).f_bsize > 0
            os.fsync(fd)
            assert os.stat(f"/proc/self/fd/{fd}").st_size == 4
            """,
        mounts.mount(new PathMemory(), UNCACHED).mountPoint(),
        how);
  }

  @ParameterizedTest
  @ValueSource(strings = {"unlink", "rename"})
  void anOpenFileIsOpenedAgain(String how) throws Exception {
    Shell.python(
        OPEN_AND_LOSE
            + """
            again = os.open(f"/proc/self/fd/{fd}", os.O_RDWR)
            os.close(fd)
            assert os.pread(again, 100, 0) == b"hello"
            os.pwrite(again, b"J", 0)
            last = os.open(f"/proc/self/fd/{again}", os.O_RDONLY)
            os.close(again)
            assert os.pread(last, 100, 0) == b"Jello" and os.fstat(last).st_size == 5
            os.close(os.open(f"/proc/self/fd/{last}", os.O_RDWR | os.O_TRUNC))
            assert os.fstat(last).st_size == 0
            """,
        mounts.mount(new PathMemory(), UNCACHED).mountPoint(),
        how);
  }

  @ParameterizedTest
  @ValueSource(strings = {"unlink", "rename"})
  void aHandleThatKnowsNoAttributesIsStillReadAndWritten(String how) throws Exception {
    Shell.python(
        OPEN_AND_LOSE
            + """
            os.pwrite(fd, b"J", 0)
            assert os.pread(fd, 5, 0) == b"Jello"
            assert error(os.fstat, fd) == "ESTALE"
            assert error(os.ftruncate, fd, 3) == "ESTALE"
            assert error(os.fchmod, fd, 0o600) == "ESTALE"
            assert error(os.setxattr, fd, "user.name", b"") == "ESTALE"
            assert error(os.open, f"/proc/self/fd/{fd}", os.O_RDONLY) == "ESTALE"
            os.close(fd)
            """,
        mounts.mount(new PathRenamesTest.PathOnly(), DIRECT).mountPoint(),
        how);
  }

  @Test
  void aNameThatIsMadeAnewIsAnotherFile() throws Exception {
    Shell.python(
        OPEN_AND_LOSE
            + """
            new = os.open("file", os.O_CREAT | os.O_EXCL | os.O_RDWR)
            os.write(new, b"new")
            assert os.pread(fd, 10, 0) == b"hello" and os.pread(new, 10, 0) == b"new"
            assert os.fstat(fd).st_ino != os.fstat(new).st_ino
            os.ftruncate(fd, 1)
            os.fchmod(fd, 0o400)
            assert os.stat("file").st_size == 3
            assert stat.S_IMODE(os.stat("file").st_mode) != 0o400
            """,
        mounts.mount(new PathMemory(), UNCACHED).mountPoint(),
        "unlink");
  }

  @Test
  void aDirectoryThatIsGoneIsStaleAndItsNameIsFree() throws Exception {
    Shell.python(
        """
        import errno, os, sys
        os.chdir(sys.argv[1])
        def error(call, *arguments, **more):
            try:
                call(*arguments, **more)
            except OSError as e:
                return errno.errorcode[e.errno]
        os.mkdir("directory")
        gone = os.open("directory", os.O_RDONLY)
        os.chdir("directory")
        os.rmdir("../directory")
        assert error(os.fstat, gone) == error(os.stat, ".") == "ESTALE"
        assert error(os.mkdir, "below") == "ENOENT"
        os.chdir(sys.argv[1])
        os.mkdir("directory")
        os.mkdir("directory/below")
        assert os.listdir("directory") == ["below"]
        assert error(os.fstat, gone) == "ESTALE"
        assert error(os.stat, "below", dir_fd=gone) in ("ESTALE", "ENOENT")
        """,
        mounts.mount(new PathMemory(), UNCACHED).mountPoint());
  }

  @Test
  void handlesThatCloseAndAttributesThatAreAskedForMeet() throws Exception {
    Shell.python(
        OPEN_AND_LOSE
            + """
            import threading
            failed = []
            def use(number):
                mine = os.open(f"/proc/self/fd/{fd}", os.O_RDWR)
                for i in range(200):
                    try:
                        next = os.open(f"/proc/self/fd/{mine}", os.O_RDWR)
                        os.close(mine)
                        mine = next
                        assert os.stat(f"/proc/self/fd/{mine}").st_nlink == 0
                        os.setxattr(mine, "user.name", str(number).encode())
                    except Exception as e:
                        failed.append(e)
                os.close(mine)
            threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
            assert not failed, failed
            """,
        mounts.mount(new PathMemory(), UNCACHED).mountPoint(),
        "unlink");
  }
}
