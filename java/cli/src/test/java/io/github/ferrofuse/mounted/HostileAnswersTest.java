package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.DirSink;
import io.github.ferrofuse.EntrySink;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.OpenReply;
import io.github.ferrofuse.Request;
import io.github.ferrofuse.StatfsSink;
import io.github.ferrofuse.XattrSink;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * File systems that answer nonsense without throwing: an errno for the caller, nothing for others.
 */
@Tag("mount")
@Tag("once")
@Timeout(value = 100, threadMode = SEPARATE_THREAD)
class HostileAnswersTest {
  private static final int FILE = FileType.REGULAR.bits() | 0644;
  private static final int DIRECTORY = FileType.DIRECTORY.bits() | 0755;

  @RegisterExtension final Mounts mounts = new Mounts();

  private HostileRun run;
  private final List<String> wrong = new ArrayList<>();

  private void check(
      String method, String what, String expected, HostileFileSystem.Misdeed misdeed) {
    compare(method, what, expected, run.provoke(method, what, misdeed));
  }

  private void check(
      String method,
      String what,
      String expected,
      HostileFileSystem.Misdeed misdeed,
      String python) {
    compare(method, what, expected, run.provoke(method, what, misdeed, python));
  }

  private void compare(String method, String what, String expected, String answer) {
    boolean isValue = expected.startsWith("ok ");
    if (!(isValue ? answer : answer.split(" ")[0]).equals(expected)) {
      wrong.add(method + ", " + what + ": " + answer + ", not " + expected);
    }
  }

  @Test
  void nonsenseIsAnErrnoForWhoeverAskedForIt() throws Exception {
    try (HostileRun started = new HostileRun(mounts)) {
      run = started;
      nothing();
      lookups();
      made();
      attributes();
      links();
      opens();
      transfers();
      ranges();
      listings();
      xattrs();
      figures();
      run.ends();
    }
    assertTrue(wrong.isEmpty(), () -> String.join("\n", wrong));
  }

  // ---- methods that do nothing at all

  private void nothing() {
    for (String method :
        List.of(
            "lookup", "getattr", "setattr", "mknod", "mkdir", "symlink", "link", "create",
            "tmpfile")) {
      check("InodeFileSystem." + method, "returns null and sets nothing", "EIO", this::nothing);
    }
    for (String method : List.of("open", "opendir", "getxattr")) {
      check("InodeFileSystem." + method, "returns null", "EIO", this::nothing);
    }
    for (String method :
        List.of("read", "write", "concurrency", "lseek", "copyFileRange", "ioctl")) {
      check("FileHandle." + method, "returns null", "EIO", this::nothing);
    }
    for (String method :
        List.of("unlink", "rmdir", "rename", "statfs", "setxattr", "removexattr", "access")) {
      check("InodeFileSystem." + method, "does nothing", "ok", this::nothing);
    }
    check("DirHandle.read", "does nothing", "ok []", this::nothing);
    check("InodeFileSystem.listxattr", "does nothing", "ok []", this::nothing);
  }

  private Object nothing(HostileFileSystem.Real real, Object[] arguments) {
    return null;
  }

  // ---- entries

  /** What an entry is filled with. */
  private interface Filling {
    void fill(EntrySink out) throws Exception;
  }

  private static HostileFileSystem.Misdeed lookup(Filling filling) {
    return (real, arguments) -> {
      filling.fill((EntrySink) arguments[3]);
      return true;
    };
  }

  private void lookups() {
    String lookup = "InodeFileSystem.lookup";
    check(lookup, "no node", "EIO", lookup(out -> out.attr().mode(FILE)));
    check(lookup, "node 0", "EIO", lookup(out -> out.node(0).attr().mode(FILE)));
    check(lookup, "no mode", "EIO", lookup(out -> out.node(900)));
    check(lookup, "a type that is none", "EIO", lookup(out -> out.node(900).attr().mode(0170644)));
    check(lookup, "negative size", "EIO", lookup(out -> out.node(900).attr().mode(FILE).size(-1)));
    check(lookup, "negative timeout", "EIO", lookup(out -> out.node(900).entryTimeout(-1)));
    check(
        lookup,
        "nanoseconds of 10^9",
        "EIO",
        lookup(out -> out.node(900).attr().mode(FILE).mtime(0, 1_000_000_000)));
    check(
        lookup,
        "the longest times and numbers",
        "ok",
        lookup(
            out -> {
              AttrSink attr = out.node(901).generation(-1).entryTimeout(Long.MAX_VALUE).attr();
              attr.mode(FILE).size(Long.MAX_VALUE).blocks(-1).nlink(-1).uid(-1).rdev(-1);
              attr.timeout(Long.MAX_VALUE).atime(Long.MIN_VALUE, 0).ino(-1);
              out.entryTimeout(0);
            }));
    check(
        lookup,
        "negative I/O size",
        "EIO",
        lookup(out -> out.node(902).attr().mode(FILE).blksize(-1)));
    check(lookup, "the root as a child", "EIO", lookup(out -> out.node(1).attr().mode(DIRECTORY)));
    check(lookup, "the root as a file", "EIO", lookup(out -> out.node(1).attr().mode(FILE)));
    check(lookup, "the parent as a child", "ELOOP", this::parentAsChild, "os.stat(p('dir/a'))");
    check(
        lookup,
        "one node as a file and a directory",
        "ESTALE",
        lookup(out -> out.node(903).attr().mode(toggle() ? FILE : DIRECTORY)),
        "[os.stat(p('file')).st_mode for i in range(4)] and None");
    check(
        lookup,
        "false after an entry was filled",
        "ENOENT",
        (real, arguments) -> {
          ((EntrySink) arguments[3]).node(904).attr().mode(FILE);
          return false;
        });
  }

  private boolean toggled;

  private boolean toggle() {
    toggled = !toggled;
    return toggled;
  }

  /** Below "dir", every name leads back to it. */
  private Object parentAsChild(HostileFileSystem.Real real, Object[] arguments) throws Throwable {
    long parent = (long) arguments[1];
    if (parent == 1) {
      return real.call();
    }
    ((EntrySink) arguments[3]).node(parent).attr().mode(DIRECTORY);
    return true;
  }

  private void made() {
    for (String method : List.of("mkdir", "mknod", "symlink", "link", "create")) {
      String made = "InodeFileSystem." + method;
      check(made, "made as a socket", "EIO", makes(910, FileType.SOCKET.bits() | 0644));
      check(made, "made as the root", "EIO", makes(1, typeOf(method) | 0755));
    }
    check("InodeFileSystem.tmpfile", "made as a socket", "EIO", makes(915, 0140644));
    check("InodeFileSystem.tmpfile", "made as the root", "EIO", makes(1, FILE));
    check("InodeFileSystem.create", "made as a directory", "EIO", makes(911, DIRECTORY));
    check("InodeFileSystem.mkdir", "made as a file", "EIO", makes(912, FILE));
    check("InodeFileSystem.mknod", "a fifo made as a file", "EIO", makes(913, FILE));
    check("InodeFileSystem.link", "a file linked as a directory", "EIO", makes(914, DIRECTORY));
  }

  private static int typeOf(String method) {
    return switch (method) {
      case "mkdir" -> FileType.DIRECTORY.bits();
      case "mknod" -> FileType.FIFO.bits();
      case "symlink" -> FileType.SYMLINK.bits();
      default -> FileType.REGULAR.bits();
    };
  }

  private static HostileFileSystem.Misdeed makes(long node, int mode) {
    return (real, arguments) -> {
      for (Object argument : arguments) {
        if (argument instanceof EntrySink) {
          ((EntrySink) argument).node(node).attr().mode(mode);
        }
      }
      boolean creates = arguments[arguments.length - 1] instanceof OpenReply;
      return creates ? new FileHandle() {} : null;
    };
  }

  // ---- attributes

  private static HostileFileSystem.Misdeed attr(int mode) {
    return (real, arguments) -> {
      for (Object argument : arguments) {
        if (argument instanceof AttrSink) {
          ((AttrSink) argument).mode(mode);
        }
      }
      return null;
    };
  }

  private void attributes() {
    String getattr = "InodeFileSystem.getattr";
    check(getattr, "no type", "EIO", attr(0644));
    check(getattr, "a file as a directory", "EIO", attr(DIRECTORY));
    check(getattr, "the root as a file", "EIO", attr(FILE), "os.stat(root)");
    check("InodeFileSystem.setattr", "a file as a directory", "EIO", attr(DIRECTORY));
    check("InodeFileSystem.setattr", "no type", "EIO", attr(0));
  }

  // ---- symbolic links

  private static HostileFileSystem.Misdeed target(int length, int fill) {
    return (real, arguments) -> {
      ByteBuffer out = (ByteBuffer) arguments[2];
      out.clear();
      for (int i = 0; i < length; i++) {
        out.put((byte) fill);
      }
      return null;
    };
  }

  private void links() {
    String readlink = "InodeFileSystem.readlink";
    check(readlink, "empty target", "EIO", this::nothing);
    check(
        readlink,
        "target of 4095 bytes",
        "ok 4095",
        target(4095, 'x'),
        "len(os.readlink(p('link')))");
    check(readlink, "target of 4096 bytes", "ENAMETOOLONG", target(4096, 'x'));
    check(readlink, "target of NULs", "EIO", target(5, 0));
    check(
        readlink,
        "target beyond the buffer's limit",
        "EIO",
        (real, arguments) -> ((ByteBuffer) arguments[2]).put(new byte[4096]));
  }

  // ---- handles

  private void opens() {
    String open = "InodeFileSystem.open";
    check(
        open,
        "all flags of OpenReply",
        "ok",
        (real, arguments) -> {
          OpenReply out = (OpenReply) arguments[3];
          out.directIo().keepCache().parallelDirectWrites().noFlush().nonSeekable().cacheDir();
          return real.call();
        });
    FileHandle shared = new FileHandle() {};
    check(
        open,
        "one handle for all opens",
        "ok",
        (real, arguments) -> shared,
        "[os.close(f) for f in [os.open(p('file'), 2), os.open(p('file'), 2)]] and None");
    check(
        "FileHandle.concurrency",
        "another answer each time",
        "ok",
        (real, arguments) -> FileHandle.Concurrency.values()[toggle() ? 0 : 2]);
  }

  private static HostileFileSystem.Misdeed moves(int returned, int moved) {
    return (real, arguments) -> {
      ByteBuffer buffer = (ByteBuffer) arguments[1];
      int to = Math.max(0, Math.min(buffer.limit(), buffer.position() + moved));
      buffer.position(to);
      return returned;
    };
  }

  private void transfers() {
    String read = "FileHandle.read";
    String write = "FileHandle.write";
    for (int huge : new int[] {1 << 20 | 1, Integer.MAX_VALUE}) {
      check(read, "returns " + huge, "EIO", moves(huge, 0));
      check(write, "returns " + huge, "EIO", moves(huge, 0));
    }
    check(read, "returns the smallest number", "ok b''", moves(Integer.MIN_VALUE, 0));
    check(write, "returns the smallest number", "EIO", moves(Integer.MIN_VALUE, 0));
    check(read, "returns 0", "ok b''", moves(0, 0));
    check(write, "returns 0", "EIO", moves(0, 0));
    check(read, "returns 4, moves by 3", "EIO", moves(4, 3));
    check(write, "returns 4, moves by 3", "EIO", moves(4, 3));
    check(read, "returns -1, moves by 4", "EIO", moves(-1, 4));
    check(read, "returns 0, moves by 4", "EIO", moves(0, 4));
    check(read, "moves backwards", "EIO", this::movesBackwards, "os.pread(fd, 4, 0)");
    check(
        read,
        "lifts the limit and fills all",
        "EIO",
        (real, arguments) -> {
          ByteBuffer dst = ((ByteBuffer) arguments[1]).clear();
          dst.put(new byte[dst.remaining()]);
          return dst.capacity();
        });
    check(
        read,
        "puts beyond the limit",
        "EIO",
        (real, arguments) -> ((ByteBuffer) arguments[1]).put(new byte[(1 << 20) + 1]));
    check(
        write,
        "writes into what it should read",
        "ok 4",
        (real, arguments) -> {
          ByteBuffer src = (ByteBuffer) arguments[1];
          src.duplicate().put(new byte[src.remaining()]);
          return src.remaining();
        });
  }

  private void ranges() {
    check("FileHandle.lseek", "returns -1", "EIO", (real, arguments) -> -1L);
    check("FileHandle.copyFileRange", "returns -1", "EIO", (real, arguments) -> -1L);
    check("FileHandle.copyFileRange", "copies too much", "EIO", (real, arguments) -> 3L);
    for (String ioctl : List.of("FileHandle.ioctl", "DirHandle.ioctl")) {
      check(ioctl, "returns -1", "EIO", (real, arguments) -> -1);
      check(ioctl, "returns the largest number", "ok", (real, arguments) -> Integer.MAX_VALUE);
      check(
          ioctl,
          "puts what nobody has room for",
          "EIO",
          (real, arguments) -> ((ByteBuffer) arguments[4]).put((byte) 1));
      check(
          ioctl,
          "writes to what came in",
          "ENOTSUP",
          (real, arguments) -> ((ByteBuffer) arguments[3]).put((byte) 1));
    }
  }

  private Object movesBackwards(HostileFileSystem.Real real, Object[] arguments) {
    ByteBuffer dst = (ByteBuffer) arguments[1];
    if (dst.position() == 0) {
      dst.put((byte) 'f');
      return 1;
    }
    dst.position(0);
    return 1;
  }

  // ---- directories

  /** What a directory lists from its beginning; nothing follows. */
  private interface Listing {
    void list(DirSink out);
  }

  private static HostileFileSystem.Misdeed lists(Listing listing) {
    return (real, arguments) -> {
      if ((long) arguments[1] == 0) {
        listing.list((DirSink) arguments[2]);
      }
      return null;
    };
  }

  private static HostileFileSystem.Misdeed named(String name) {
    return lists(out -> out.add(Name.of(name), 5, FileType.REGULAR, 1));
  }

  private void listings() {
    String read = "DirHandle.read";
    check(read, "name with '/'", "EIO", named("a/b"));
    check(read, "name with NUL", "EIO", named("a\0b"));
    check(read, "empty name", "EIO", named(""));
    check(read, "no name", "EIO", lists(out -> out.add(null, 5, FileType.REGULAR, 1)));
    check(read, "no type", "EIO", lists(out -> out.add(Name.of("x"), 5, null, 1)));
    check(read, "name '.' of a file", "ok []", named("."));
    check(read, "name of 256 bytes", "ok", named("x".repeat(256)));
    check(read, "name of 1025 bytes", "EIO", named("x".repeat(1025)));
    for (long cookie : new long[] {0, -1, Long.MIN_VALUE}) {
      check(
          read,
          "cookie " + cookie,
          "EIO",
          lists(out -> out.add(Name.of("x"), 5, FileType.REGULAR, cookie)));
    }
    check(
        read,
        "the same cookie and name twice",
        "ok ['x', 'x']",
        lists(
            out -> {
              out.add(Name.of("x"), 5, FileType.REGULAR, 1);
              out.add(Name.of("x"), 5, FileType.REGULAR, 1);
            }));
    check(
        read,
        "adds after false",
        "ok",
        lists(
            out -> {
              for (int i = 1; i <= 1_000_000; i++) {
                out.add(Name.of("x"), 5, FileType.REGULAR, i);
              }
            }));
    check(
        read,
        "the first entry again and again",
        "ok 1000",
        (real, arguments) ->
            ((DirSink) arguments[2]).add(Name.of("x"), 5, FileType.REGULAR, 1) ? null : null,
        "len([next(entries) for entries in [os.scandir(p('dir'))] for i in range(1000)])");
    check(
        read,
        "node 0 with attributes",
        "EIO",
        lists(
            out -> {
              if (out.wantsAttr()) {
                out.entry().attr().mode(FILE);
              }
              out.add(Name.of("x"), 0, FileType.REGULAR, 1);
            }));
    check(
        read,
        "attributes without a type",
        "EIO",
        lists(
            out -> {
              if (out.wantsAttr()) {
                out.entry();
              }
              out.add(Name.of("x"), 5, FileType.REGULAR, 1);
            }));
    check(
        read,
        "attributes when none are wanted",
        "EIO",
        lists(
            out -> {
              while (!out.wantsAttr()) {
                out.entry();
              }
              throw new IllegalStateException("nobody asks for less");
            }));
    check(
        read,
        "the root as an entry",
        "ok",
        lists(
            out -> {
              if (out.wantsAttr()) {
                out.entry().attr().mode(DIRECTORY);
                run.hostile().invent(1);
              }
              out.add(Name.of("x"), 1, FileType.DIRECTORY, 1);
            }),
        "os.listdir(p('dir')) and None");
  }

  // ---- extended attributes

  private void xattrs() {
    String getxattr = "InodeFileSystem.getxattr";
    check(getxattr, "negative size", "EIO", (real, arguments) -> -1);
    check(getxattr, "a size of 2^31 - 1", "E2BIG", (real, arguments) -> Integer.MAX_VALUE);
    check(
        getxattr,
        "puts 3 bytes, returns 10",
        "EIO",
        (real, arguments) -> {
          ByteBuffer out = (ByteBuffer) arguments[3];
          if (out.hasRemaining()) {
            out.put(new byte[3]);
          }
          return 10;
        });
    check(
        getxattr,
        "puts beyond the limit",
        "EIO",
        (real, arguments) -> {
          ((ByteBuffer) arguments[3]).put(new byte[1 << 20]);
          return 5;
        });
    String listxattr = "InodeFileSystem.listxattr";
    check(listxattr, "empty name", "EIO", attributeNames("", 1));
    check(listxattr, "name with NUL", "EIO", attributeNames("user.\0", 1));
    check(listxattr, "100,000 names", "E2BIG", attributeNames("user.abcdef", 100_000));
    check(listxattr, "a name twice", "ok ['user.a', 'user.a']", attributeNames("user.a", 2));
  }

  private static HostileFileSystem.Misdeed attributeNames(String name, int times) {
    return (real, arguments) -> {
      for (int i = 0; i < times; i++) {
        ((XattrSink) arguments[2]).add(Name.of(name));
      }
      return null;
    };
  }

  // ---- figures

  private interface Figures {
    void put(StatfsSink out);
  }

  private static HostileFileSystem.Misdeed statfs(Figures figures) {
    return (real, arguments) -> {
      figures.put((StatfsSink) arguments[2]);
      return null;
    };
  }

  private void figures() {
    String statfs = "InodeFileSystem.statfs";
    check(statfs, "more free than there is", "ok", statfs(out -> out.blocks(1, 1 << 30, -1)));
    check(statfs, "negative numbers", "ok", statfs(out -> out.blocks(-1, -1, -1).files(-1, -1)));
    check(statfs, "block size 0", "EIO", statfs(out -> out.blockSize(0)));
    check(statfs, "negative block size", "EIO", statfs(out -> out.blockSize(-4096)));
    check(statfs, "negative name length", "EIO", statfs(out -> out.nameLength(-1)));
    Request[] kept = new Request[1];
    check(
        statfs,
        "keeps the request and its copy",
        "ok",
        (real, arguments) -> {
          kept[0] = ((Request) arguments[0]).copy();
          return real.call();
        });
  }
}
