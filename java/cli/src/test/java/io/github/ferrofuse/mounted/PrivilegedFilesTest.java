package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;
import static org.junit.jupiter.api.parallel.ExecutionMode.CONCURRENT;

import io.github.ferrofuse.Connection;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.Operation;
import io.github.ferrofuse.Request;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Files lose setuid, setgid and capabilities when they change, whoever sees to it: the file system
 * where it declares that it does, else the kernel.
 */
@Tag("mount")
@ResourceLock("beside the others") // one test at a time
@Execution(CONCURRENT) // takes long
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class PrivilegedFilesTest {
  @RegisterExtension final Twins twins = new Twins();

  /** What programs do with a file "f" of some bytes, by names that say it. */
  private static final String CHANGES =
      """
      def write():
          with open("f", "r+") as f:
              f.write("x")
      def append():
          with open("f", "a") as f:
              f.write("x")
      def write_nothing():
          fd = os.open("f", os.O_WRONLY)
          os.write(fd, b"")
          os.close(fd)
      def write_directly():
          fd = os.open("f", os.O_WRONLY | os.O_SYNC)
          os.pwrite(fd, b"x" * 10000, 100)
          os.close(fd)
      def cut():
          os.truncate("f", 3)
      def extend():
          os.truncate("f", 30)
      def cut_open():
          fd = os.open("f", os.O_RDWR)
          os.ftruncate(fd, 3)
          os.close(fd)
      def open_truncating():
          os.close(os.open("f", os.O_WRONLY | os.O_TRUNC))
      def create_truncating():
          os.close(os.open("f", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
      def allocate():
          fd = os.open("f", os.O_RDWR)
          os.posix_fallocate(fd, 0, 10000)
          os.close(fd)
      def punch():
          fd = os.open("f", os.O_RDWR)
          checked(libc.fallocate(fd, 3, ctypes.c_long(0), ctypes.c_long(4)))
          os.close(fd)
      def copy():
          source, fd = os.open("source", os.O_RDONLY), os.open("f", os.O_RDWR)
          os.copy_file_range(source, fd, 5)
          os.close(fd)
      def give_group():
          os.chown("f", -1, os.getgid())
      def give_away():
          os.chown("f", 5, 5)
      def open_only():
          os.close(os.open("f", os.O_RDWR))
      def touch():
          os.utime("f")
      def attribute():
          os.setxattr("f", "user.x", b"y")
      def permit():
          os.chmod("f", stat.S_IMODE(os.stat("f").st_mode))
      def move():
          os.rename("f", "g")
          os.rename("g", "f")
      """;

  /**
   * Left out, because the kernel does not tell a FUSE file system what it would have to know: any
   * chown, even of nothing, costs privileges; and where the kernel clears them, because it does not
   * look: setgid without group execution is lost to callers outside the group.
   */
  private static final String STEPS =
      CHANGES
          + """
          os.chmod(".", 0o777)
          changes = [write, append, write_nothing, write_directly, cut, extend, cut_open,
                     open_truncating, create_truncating, allocate, punch, copy, give_group,
                     give_away, open_only, touch, attribute, permit, move]
          top = os.getcwd()
          for caller in ((0, 0, []), (1000, 1000, []), (1001, 1000, []), (1001, 1001, []),
                         (1001, 1001, [5, 1000]), (1000, 1001, [5])):
              stranger = caller[0] != 0 and 1000 not in (caller[1], *caller[2])
              cases = [(change, mode) for change in changes
                       for mode in (0o6777, 0o4666, 0o2676, 0o2666, 0o6755, 0o666)
                       if declared or not stranger or mode != 0o2666]
              for number in range(len(cases)):
                  os.mkdir("%d" % number)
                  os.chmod("%d" % number, 0o777)
                  os.chdir("%d" % number)
                  privileged("f", cases[number][1])
                  sh("echo source > source") if number == 0 else os.link("../0/source", "source")
                  os.chdir(top)
              def tries():
                  for number in range(len(cases)):
                      os.chdir(top + "/%d" % number)
                      said(cases[number][0])
                      os.chdir(top)
              by(*caller, tries)
              for number in range(len(cases)):
                  name = "%d/f" % number
                  found = os.stat(name)
                  change, mode = cases[number]
                  print(change.__name__, "%o" % mode, caller, "->", "%o" % found.st_mode,
                        found.st_size, found.st_uid, found.st_gid, CAPABILITY in os.listxattr(name))
              sh("rm -r *")
          """;

  @BeforeEach
  void needAllIds() throws Exception {
    Twins.needAllIds();
  }

  @ParameterizedTest
  @Tag("root")
  @CsvSource({
    "true, false, false",
    "true, true, false",
    "true, false, true",
    "false, false, false",
    "false, true, false",
    "false, false, true"
  })
  void changesCostAFileItsPrivileges(boolean declared, boolean writeback, boolean direct)
      throws Exception {
    InodeFileSystem fs = declared ? Mounts.memory() : undeclared(Mounts.memory());
    MountOptions.Builder options =
        MountOptions.builder()
            .allowOther(true)
            .defaultPermissions(true)
            .suid(true)
            .writebackCache(writeback)
            .directIo(direct);
    twins.same(fs, options, "declared = " + (declared ? "True\n" : "False\n") + STEPS);
  }

  /** The same file system, but for the declaration that it clears privileges. */
  private static InodeFileSystem undeclared(InodeFileSystem inner) {
    return unaware(InodeFileSystem.class, inner);
  }

  /** The same object, but it declares nothing and is not told which privileges to clear. */
  private static <T> T unaware(Class<T> type, T inner) {
    return type.cast(
        Proxy.newProxyInstance(
            PrivilegedFilesTest.class.getClassLoader(),
            new Class<?>[] {type},
            (self, method, arguments) -> {
              String name = method.getName();
              if (name.equals("clearsPrivileges")) {
                return null;
              }
              if (name.equals("killsPrivileges") && !isAcl((Request) inner)) {
                return false;
              }
              Object[] passed = arguments == null ? new Object[0] : arguments.clone();
              for (int i = 0; i < passed.length; i++) {
                if (passed[i] instanceof Connection) {
                  passed[i] = unaware(Connection.class, (Connection) passed[i]);
                } else if (passed[i] instanceof Request) {
                  passed[i] = unaware(Request.class, (Request) passed[i]);
                }
              }
              try {
                Object result = method.invoke(inner, passed);
                return result instanceof FileHandle
                    ? unaware(FileHandle.class, (FileHandle) result)
                    : result;
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            }));
  }

  /** What an ACL clears is another matter. */
  private static boolean isAcl(Request request) {
    return request.operation() == Operation.SETXATTR;
  }
}
