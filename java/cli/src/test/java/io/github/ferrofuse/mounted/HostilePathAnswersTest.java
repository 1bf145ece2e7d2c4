package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.DirList;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.OpenFile;
import io.github.ferrofuse.Request;
import io.github.ferrofuse.StatfsSink;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Nonsense that only path-based file systems can answer; {@link HostileAnswersTest} has more. */
@Tag("mount")
@Tag("once")
@Timeout(value = 100, threadMode = SEPARATE_THREAD)
class HostilePathAnswersTest {
  private static final int FILE = FileType.REGULAR.bits() | 0644;
  private static final int DIRECTORY = FileType.DIRECTORY.bits() | 0755;
  private static final String GETATTR = "FuseFileSystem.getattr";
  private static final String READDIR = "FuseFileSystem.readdir";

  @RegisterExtension final Mounts mounts = new Mounts();

  private HostileRun run;
  private final List<String> wrong = new ArrayList<>();

  private void check(
      String method, String what, String expected, HostileFileSystem.Misdeed misdeed) {
    check(method, what, expected, misdeed, HostileClient.provocation(method));
  }

  private void check(
      String method,
      String what,
      String expected,
      HostileFileSystem.Misdeed misdeed,
      String python) {
    String answer = run.provoke(method, what, misdeed, python);
    boolean isValue = expected.startsWith("ok ");
    if (!(isValue ? answer : answer.split(" ")[0]).equals(expected)) {
      wrong.add(method + ", " + what + ": " + answer + ", not " + expected);
    }
  }

  @Test
  void nonsenseIsAnErrnoForWhoeverAskedForIt() throws Exception {
    try (HostileRun started = new HostileRun(mounts, true)) {
      run = started;
      nothing();
      attributes();
      made();
      numbers();
      links();
      handles();
      listings();
      sizes();
      run.ends();
    }
    assertTrue(wrong.isEmpty(), () -> String.join("\n", wrong));
  }

  // ---- methods that do nothing at all

  private void nothing() {
    for (String method : List.of("getattr", "readlink", "open", "create", "opendir", "getxattr")) {
      check("FuseFileSystem." + method, "returns null and sets nothing", "EIO", this::nothing);
    }
    for (String method : List.of("mknod", "mkdir", "symlink", "link")) {
      check("FuseFileSystem." + method, "makes nothing", "ENOENT", this::nothing);
    }
    for (String method :
        List.of("unlink", "rmdir", "rename", "setattr", "setxattr", "removexattr", "access")) {
      check("FuseFileSystem." + method, "does nothing", "ok", this::nothing);
    }
    check("FuseFileSystem.statfs", "does nothing", "ok", this::nothing);
    check("FuseFileSystem.listxattr", "does nothing", "ok []", this::nothing);
    check(READDIR, "does nothing", "ok []", this::nothing);
    for (String method : List.of("getattr", "reopen", "getxattr", "read", "write", "concurrency")) {
      check("OpenFile." + method, "returns null and sets nothing", "EIO", this::nothing);
    }
    for (String method : List.of("setattr", "setxattr", "flush", "fsync", "release")) {
      check("OpenFile." + method, "does nothing", "ok", this::nothing);
    }
    check("OpenFile.listxattr", "does nothing", "ok []", this::nothing);
  }

  private Object nothing(HostileFileSystem.Real real, Object[] arguments) {
    return null;
  }

  // ---- attributes

  /** What attributes are filled with after what is right. */
  private interface Filling {
    void fill(AttrSink out) throws Exception;
  }

  private static HostileFileSystem.Misdeed says(Filling filling) {
    return (real, arguments) -> {
      real.call();
      for (Object argument : arguments) {
        if (argument instanceof AttrSink) {
          filling.fill((AttrSink) argument);
        }
      }
      return null;
    };
  }

  /** The same for one path only. */
  private static HostileFileSystem.Misdeed saysOf(String path, Filling filling) {
    return (real, arguments) ->
        path.equals(arguments[1]) ? says(filling).commit(real, arguments) : real.call();
  }

  private void attributes() {
    check(GETATTR, "no type", "EIO", says(out -> out.mode(0644)));
    check(GETATTR, "a type that is none", "EIO", says(out -> out.mode(0170644)));
    check(GETATTR, "negative size", "EIO", says(out -> out.size(-1)));
    check(GETATTR, "negative I/O size", "EIO", says(out -> out.blksize(-1)));
    check(GETATTR, "negative timeout", "EIO", says(out -> out.timeout(-1)));
    check(GETATTR, "nanoseconds of 10^9", "EIO", says(out -> out.mtime(0, 1_000_000_000)));
    check(GETATTR, "the root as a file", "EIO", says(out -> out.mode(FILE)), "os.stat(root)");
    check(
        GETATTR,
        "an open file as a directory",
        "EIO",
        says(out -> out.mode(DIRECTORY)),
        "os.fstat(fd)");
    check(
        GETATTR,
        "a file and a directory in turn",
        "EIO",
        saysOf("/file", out -> out.mode(toggle() ? FILE : DIRECTORY)),
        "[os.stat(p('file')) for i in range(4)] and None");
    String open = "OpenFile.getattr";
    for (String python : List.of("nameless(os.fstat)", "os.pread(fd, 100, 0)")) {
      check(open, "a directory: " + python, "EIO", says(out -> out.mode(DIRECTORY)), python);
      check(open, "negative size: " + python, "EIO", says(out -> out.size(-1)), python);
    }
    AttrSink[] kept = new AttrSink[1];
    check(GETATTR, "keeps its sink", "ok", says(out -> kept[0] = out));
    check(
        GETATTR,
        "fills the sink of an earlier call",
        "EIO",
        (real, arguments) -> kept[0].mode(-1).size(-1) == null ? null : null);
  }

  private boolean toggled;

  private boolean toggle() {
    toggled = !toggled;
    return toggled;
  }

  // ---- what was made is something else

  private void made() {
    for (String method : List.of("mkdir", "mknod", "symlink", "link")) {
      String python = HostileClient.provocation("FuseFileSystem." + method);
      check(
          GETATTR,
          "made by " + method + ", it is a socket",
          "EIO",
          saysOf("/new", out -> out.mode(FileType.SOCKET.bits() | 0644)),
          python);
      check(
          GETATTR,
          "made by " + method + ", it has no type",
          "EIO",
          saysOf("/new", out -> out.mode(0644)),
          python);
    }
    String create = HostileClient.provocation("FuseFileSystem.create");
    check(
        "OpenFile.getattr",
        "created as a directory",
        "EIO",
        says(out -> out.mode(DIRECTORY)),
        create);
    check("OpenFile.getattr", "created as nothing", "EIO", says(out -> out.mode(0)), create);
  }

  // ---- inode numbers

  private void numbers() {
    String several = "[os.stat(p(n)).st_ino for n in ('file', 'victim', 'dir/a')]";
    Filling one = out -> out.ino(7).nlink(2);
    check(GETATTR, "all are one file", "ok [7, 7, 7]", says(one), several);
    check(
        GETATTR,
        "all are one file, which is renamed and removed",
        "ok",
        says(one),
        "os.rename(p('victim'), p('new')) or os.stat(p('file')) and os.unlink(p('new'))");
    check(
        GETATTR,
        "all are one file, which is open and removed",
        "ok 7",
        says(one),
        "nameless(lambda f: os.stat(p('file')).st_ino)");
    check(
        GETATTR,
        "another number each time",
        "ok",
        says(out -> out.ino(System.nanoTime())),
        "[os.stat(p('file')) for i in range(10)] and None");
    check(
        GETATTR,
        "all numbers are the root's",
        "ok [1, 1, 1]",
        says(out -> out.ino(1).nlink(2)),
        several);
    check(GETATTR, "number -1", "ok", says(out -> out.ino(-1).nlink(-1)));
  }

  // ---- symbolic links

  private static HostileFileSystem.Misdeed target(String target) {
    return (real, arguments) -> target;
  }

  private void links() {
    String readlink = "FuseFileSystem.readlink";
    check(readlink, "empty target", "EIO", target(""));
    check(readlink, "target with NUL", "EIO", target("a\0b"));
    check(
        readlink,
        "target of 4095 bytes",
        "ok 4095",
        target("x".repeat(4095)),
        "len(os.readlink(p('link')))");
    check(readlink, "target of 4096 bytes", "ENAMETOOLONG", target("x".repeat(4096)));
    check(
        readlink, "target of 2 million characters", "ENAMETOOLONG", target("ü".repeat(2_000_000)));
  }

  // ---- handles

  private void handles() {
    String open = "FuseFileSystem.open";
    FileHandle plain = new FileHandle() {};
    check(open, "a handle that can't answer", "ok", (real, arguments) -> plain);
    check(
        open,
        "one handle for all opens",
        "ok",
        (real, arguments) -> plain,
        "[os.close(f) for f in [os.open(p('file'), 2), os.open(p('file'), 2)]] and None");
    check(
        open,
        "a nameless file's handle can't answer",
        "ESTALE",
        (real, arguments) -> plain,
        "nameless(os.fstat)");
    OpenFile silent = (request, out) -> {};
    check(
        open,
        "a nameless file says nothing",
        "EIO",
        (real, arguments) -> silent,
        "nameless(os.fstat)");
    check("OpenFile.reopen", "a handle that can't answer", "ok", (real, arguments) -> plain);
    for (int count : new int[] {Integer.MIN_VALUE, 1 << 20 | 1, Integer.MAX_VALUE}) {
      check("OpenFile.write", "returns " + count, "EIO", (real, arguments) -> count);
    }
    check("OpenFile.read", "returns a size of 2^31 - 1", "EIO", (real, a) -> Integer.MAX_VALUE);
  }

  // ---- directories

  private static HostileFileSystem.Misdeed lists(Consumer<DirList> listing) {
    return (real, arguments) -> {
      listing.accept((DirList) arguments[2]);
      return null;
    };
  }

  private void listings() {
    for (String name : new String[] {"a/b", "/", "a\0b", "", null, "x".repeat(2000)}) {
      String shown = name == null ? "null" : name.length() > 9 ? "of 2000 bytes" : "'" + name + "'";
      String what = "name " + shown.replace('\0', '?');
      check(READDIR, what, "EIO", lists(out -> out.add(name, FileType.REGULAR)));
      check(READDIR, what + ", attributes", "EIO", lists(out -> out.add(name).mode(FILE)));
    }
    check(READDIR, "no type", "EIO", lists(out -> out.add("x", null)));
    // What goes before is told, and the rest without attributes.
    check(READDIR, "attributes without a type", "ok ['x']", lists(out -> out.add("x")));
    check(READDIR, "negative size", "ok ['x']", lists(out -> out.add("x").mode(FILE).size(-1)));
    check(READDIR, "names of dots", "ok []", lists(out -> out.add(".", null).add("..", null)));
    check(
        READDIR,
        "a name twice, of two types",
        "ok ['x', 'x']",
        lists(
            out -> {
              out.add("x").mode(FILE);
              out.add("x").mode(DIRECTORY);
            }));
    check(
        READDIR,
        "all entries are one file",
        "ok ['x', 'y']",
        lists(
            out -> {
              out.add("x").mode(FILE).ino(7).nlink(2);
              out.add("y").mode(FILE).ino(7).nlink(2);
            }));
    check(
        READDIR,
        "a million entries",
        "ok 1000000",
        lists(
            out -> {
              for (int i = 0; i < 1_000_000; i++) {
                out.add("x", FileType.REGULAR);
              }
            }),
        "len(os.listdir(p('dir')))");
    keptLists();
  }

  private void keptLists() {
    DirList[] list = new DirList[1];
    AttrSink[] entry = new AttrSink[1];
    check(
        READDIR,
        "keeps its list and an entry",
        "ok ['x']",
        lists(
            out -> {
              list[0] = out;
              entry[0] = out.add("x").mode(FILE);
            }));
    check(
        READDIR,
        "adds to an earlier list",
        "ok ['a', 'b']",
        (real, arguments) -> {
          list[0].add("late", FileType.REGULAR);
          entry[0].mode(-1).size(-1);
          return real.call();
        },
        "sorted(os.listdir(p('dir')))");
    check(
        READDIR,
        "adds, then throws",
        "EIO",
        lists(
            out -> {
              out.add("x", FileType.REGULAR);
              throw new IllegalStateException("not the end");
            }));
  }

  // ---- sizes and figures

  private void sizes() {
    for (String method : List.of("FuseFileSystem.getxattr", "OpenFile.getxattr")) {
      check(method, "negative size", "EIO", (real, arguments) -> -1);
      check(method, "a size of 2^31 - 1", "E2BIG", (real, arguments) -> Integer.MAX_VALUE);
    }
    String statfs = "FuseFileSystem.statfs";
    check(
        statfs,
        "negative block size",
        "EIO",
        (real, arguments) -> ((StatfsSink) arguments[2]).blockSize(-4096));
    Request[] kept = new Request[1];
    check(
        statfs,
        "keeps the request",
        "ok",
        (real, arguments) -> {
          kept[0] = (Request) arguments[0];
          return real.call();
        });
  }
}
