package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.MountOptions;
import java.io.IOException;
import java.time.Duration;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Paths follow renames, and none changes under a method that has got it. */
@Tag("mount")
@Tag("once")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class PathRenamesTest {
  /** Every use of a name or of attributes reaches the file system. */
  static final MountOptions UNCACHED =
      MountOptions.builder().entryTimeout(Duration.ZERO).attrTimeout(Duration.ZERO).build();

  /**
   * Threads that use what is in a directory, through descriptors, while others rename it, what it
   * is in, and a file of it to and fro. Whatever they ask for exists, so none of it may fail.
   */
  private static final String LOAD =
      """
      import os, sys, threading, traceback
      root = sys.argv[1]
      os.makedirs(root + "/top/deep")
      os.mkdir(root + "/other")
      top = os.open(root + "/top", os.O_RDONLY)
      deep = os.open("deep", os.O_RDONLY, dir_fd=top)
      for name in ("here", "moving"):
          os.close(os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=deep))
      moving = os.open("moving", os.O_RDWR, dir_fd=deep)
      working, failed = threading.Semaphore(0), []
      def worker(number):
          for i in range(60):
              name = f"{number}-{i}"
              assert os.stat("here", dir_fd=deep).st_nlink == 1
              fd = os.open("here", os.O_RDWR, dir_fd=deep)
              os.pwrite(fd, b"text", 0)
              os.fchmod(fd, 0o600)
              os.close(fd)
              os.fstat(moving)
              os.ftruncate(moving, i)
              os.setxattr(moving, "user.number", name.encode())
              fd = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, dir_fd=deep)
              assert os.fstat(fd).st_size == 0
              os.link(name, name + "-link", src_dir_fd=deep, dst_dir_fd=deep)
              os.rename(name, name + "-new", src_dir_fd=deep, dst_dir_fd=deep)
              os.unlink(name + "-link", dir_fd=deep)
              assert os.fstat(fd).st_nlink == 1
              os.close(fd)
              os.mkdir(name, dir_fd=deep)
              os.symlink("nowhere", name + "/link", dir_fd=deep)
              assert os.readlink(name + "/link", dir_fd=deep) == "nowhere"
              os.unlink(name + "/link", dir_fd=deep)
              os.rmdir(name, dir_fd=deep)
              os.unlink(name + "-new", dir_fd=deep)
              if i % 10 == 0:
                  fd = os.open(".", os.O_RDONLY, dir_fd=deep)
                  assert "here" in os.listdir(fd)
                  os.close(fd)
      def renamer(old, new, **where):
          while not working.acquire(blocking=False):
              os.rename(old, new, **where)
              os.rename(new, old, **where)
      def thread(run, *arguments, **more):
          def body():
              try:
                  run(*arguments, **more)
              except BaseException:
                  failed.append(traceback.format_exc())
          started = threading.Thread(target=body)
          started.start()
          return started
      workers = [thread(worker, number) for number in range(4)]
      renamers = [
          thread(renamer, root + "/top", root + "/other/below"),
          thread(renamer, "deep", "depth", src_dir_fd=top, dst_dir_fd=top),
          thread(renamer, "moving", "moved", src_dir_fd=deep, dst_dir_fd=deep),
      ]
      [each.join() for each in workers]
      working.release(3)
      [each.join() for each in renamers]
      sys.exit("".join(failed) if failed else 0)
      """;

  @RegisterExtension final Mounts mounts = new Mounts();

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void noMethodSeesItsPathChange(boolean handlesAnswer) throws Exception {
    PathWitness witness =
        new PathWitness(handlesAnswer ? new ByPath(Mounts.memory()) : new PathOnly());
    Shell.python(LOAD, mounts.mount(witness.fileSystem(), UNCACHED).mountPoint());
    witness.assertPathsWereTrue(4 * 60 * 15);
  }

  @Test
  void exchangedDirectoriesKeepWhatIsInThem() throws Exception {
    Shell.python(
        """
        import ctypes, os, sys
        os.chdir(sys.argv[1])
        inside = {}
        for name in ("a", "b"):
            os.makedirs(name + "/below")
            with open(f"{name}/below/is-{name}", "w") as file:
                file.write(name)
            inside[name] = os.open(name + "/below", os.O_RDONLY)
        assert ctypes.CDLL(None).renameat2(-100, b"a", -100, b"b", 2) == 0
        for old, new in (("a", "b"), ("b", "a")):
            assert os.listdir(inside[old]) == ["is-" + old]
            os.stat("is-" + old, dir_fd=inside[old])
            assert open(f"{new}/below/is-{old}").read() == old
            open(os.open("more", os.O_CREAT | os.O_WRONLY, dir_fd=inside[old]), "w").close()
            os.stat(f"{new}/below/more")
            os.unlink("more", dir_fd=inside[old])
        """,
        mounts.mount(new PathMemory(), UNCACHED).mountPoint());
  }

  @Test
  void aDirectoryRenamedOntoAnEmptyOneTakesItsPlace() throws Exception {
    Shell.python(
        """
        import os, sys
        os.chdir(sys.argv[1])
        os.makedirs("from/below")
        os.mkdir("to")
        gone = os.open("to", os.O_RDONLY)
        below = os.open("from/below", os.O_RDONLY)
        os.rename("from", "to")
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=below))
        assert os.listdir("to/below") == ["file"]
        assert os.listdir(".") == ["to"]
        os.close(gone)
        os.mkdir("from")
        assert os.listdir("from") == []
        """,
        mounts.mount(new PathMemory(), UNCACHED).mountPoint());
  }

  @Test
  void aPathThatIsTooLongIsRefusedAndNothingElse() throws Exception {
    String depth =
        Shell.python(
            """
            import errno, os, sys
            def error(call, *arguments):
                try:
                    call(*arguments)
                except OSError as e:
                    return errno.errorcode[e.errno]
            root = os.open(sys.argv[1], os.O_RDONLY)
            os.chdir(sys.argv[1])
            name, depth = "n" * 200, 0
            while (refusal := error(os.mkdir, name)) is None:
                os.chdir(name)
                depth += 1
            assert refusal == "ENAMETOOLONG", refusal
            # the longest path there is: 4095 bytes
            room = 4095 - 201 * depth - 1
            fd = os.open("f" * room, os.O_CREAT | os.O_RDWR)
            os.write(fd, b"text")
            assert os.stat("f" * room).st_size == 4
            assert error(os.stat, "f" * (room + 1)) == "ENAMETOOLONG"
            # a rename far above makes it too long; a descriptor still works
            os.rename(name, name + "n", src_dir_fd=root, dst_dir_fd=root)
            assert error(os.stat, "f" * room) == "ENAMETOOLONG"
            assert error(os.unlink, "f" * room) == "ENAMETOOLONG"
            assert os.pread(fd, 10, 0) == b"text"
            os.close(os.open("short", os.O_CREAT | os.O_WRONLY))
            assert error(os.rename, "short", "f" * room) == "ENAMETOOLONG"
            os.stat("short")
            os.rename(name + "n", name, src_dir_fd=root, dst_dir_fd=root)
            assert os.stat("f" * room).st_size == 4
            os.unlink("f" * room)
            os.unlink("short")
            for i in range(depth):
                os.chdir("..")
                os.rmdir(name)
            assert os.listdir(sys.argv[1]) == []
            print(depth)
            """,
            mounts.mount(new PathMemory(), UNCACHED).mountPoint());
    assertEquals("20", depth.trim());
  }

  /** Its handles know nothing of attributes: every request about them comes by path. */
  static final class PathOnly extends ByPath {
    PathOnly() throws IOException {
      super(Mounts.memory());
    }

    @Override
    FileHandle handle(long node, FileHandle opened) {
      return opened;
    }
  }
}
