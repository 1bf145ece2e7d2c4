package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.EntrySink;
import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.OpenReply;
import io.github.ferrofuse.Request;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Whatever a handler throws, the application sees one errno and the mount goes on. */
@Tag("mount")
@Tag("once")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class ErrorsTest {
  /** Prints the errno of one call as a number, or 0, then proves that the mount still works. */
  private static final String CLIENT =
      """
      import os, sys
      root, what = sys.argv[1:]
      def attempt():
          try:
              path = f"{root}/{what}"
              if what.startswith("lookup"):
                  os.stat(path)
              else:
                  fd = os.open(path, os.O_RDWR)
                  os.pread(fd, 100, 0)
                  os.pwrite(fd, b"x", 0)
                  os.close(fd)
              return 0
          except OSError as e:
              return e.errno
      said = {attempt() for i in range(20)}
      fd = os.open(f"{root}/fine", os.O_RDWR)
      assert os.pread(fd, 100, 0) == b"fine" and os.pwrite(fd, b"x", 0) == 1
      os.close(fd)
      print(*said)
      """;

  @RegisterExtension final Mounts mounts = new Mounts();

  private Path root;

  @BeforeEach
  void mount() throws Exception {
    root = mounts.mount(new Throwing()).mountPoint();
  }

  @ParameterizedTest
  @CsvSource({
    "fine, ok",
    "lookup-nothing, ENOENT",
    "lookup-errno, ENOSPC",
    "open-errno, ENOSPC",
    "read-errno, ENOSPC",
    "write-errno, ENOSPC",
    "flush-errno, ENOSPC",
    "release-errno, ok",
    "lookup-runtime, EIO",
    "open-runtime, EIO",
    "read-runtime, EIO",
    "write-runtime, EIO",
    "release-runtime, ok",
    "lookup-stack, EIO",
    "read-stack, EIO",
    "write-stack, EIO",
    "read-memory, ENOMEM",
    "lookup-missing, ENOENT",
    "open-missing, ENOENT",
    "read-reason, EDQUOT",
    "write-unsupported, EOPNOTSUPP",
    "read-io, EIO",
    "read-interrupt, ok",
    "open-null, EIO",
    "read-toomuch, EIO",
    "write-nothing, EIO",
  })
  void whatAHandlerThrowsIsTheErrno(String what, String errno) throws Exception {
    int expected = errno.equals("ok") ? 0 : Errno.valueOf(errno).code();
    assertEquals("" + expected, Shell.python(CLIENT, root, what).trim());
  }

  /** Fails as the name of the file says: the operation, '-', and what is thrown. */
  private static final class Throwing implements InodeFileSystem {
    private static final String[] NAMES = {
      "fine",
      "read-errno",
      "read-runtime",
      "read-stack",
      "read-memory",
      "read-reason",
      "read-io",
      "read-interrupt",
      "read-toomuch",
      "open-errno",
      "open-runtime",
      "open-missing",
      "open-null",
      "write-errno",
      "write-runtime",
      "write-stack",
      "write-unsupported",
      "write-nothing",
      "flush-errno",
      "release-errno",
      "release-runtime",
    };

    @Override
    public boolean lookup(Request request, long parent, Name name, EntrySink out)
        throws IOException {
      String wanted = name.toString();
      if (wanted.startsWith("lookup-")) {
        fail(wanted);
        return false;
      }
      for (int i = 0; i < NAMES.length; i++) {
        if (NAMES[i].equals(wanted)) {
          out.node(i + 2);
          getattr(request, i + 2, null, out.attr());
          return true;
        }
      }
      return false;
    }

    @Override
    public void getattr(Request request, long node, FileHandle handle, AttrSink out) {
      boolean root = node == 1;
      out.mode((root ? FileType.DIRECTORY : FileType.REGULAR).bits() | 0755).size(4);
    }

    @Override
    public FileHandle open(Request request, long node, int flags, OpenReply out)
        throws IOException {
      String name = NAMES[(int) node - 2];
      out.directIo();
      if (name.startsWith("open-")) {
        fail(name);
        return null;
      }
      return new Handle(name);
    }
  }

  private static final class Handle implements FileHandle {
    private final String name;

    Handle(String name) {
      this.name = name;
    }

    @Override
    public int read(Request request, ByteBuffer dst, long offset) throws IOException {
      failIn("read");
      if (name.equals("read-toomuch")) {
        return dst.remaining() + 1;
      }
      if (offset >= 4) {
        return -1;
      }
      dst.put("fine".getBytes());
      return 4;
    }

    @Override
    public int write(Request request, ByteBuffer src, long offset) throws IOException {
      failIn("write");
      return name.equals("write-nothing") ? 0 : src.remaining();
    }

    @Override
    public void flush(Request request) throws IOException {
      failIn("flush");
    }

    @Override
    public void release(Request request) throws IOException {
      failIn("release");
    }

    private void failIn(String operation) throws IOException {
      if (name.startsWith(operation + "-")) {
        fail(name);
      }
    }
  }

  private static void fail(String name) throws IOException {
    switch (name.substring(name.indexOf('-') + 1)) {
      case "errno" -> throw Errno.ENOSPC.exception();
      case "runtime" -> throw new IllegalStateException("a defect, for the test");
      case "stack" -> endless(0);
      case "memory" -> throw new OutOfMemoryError("a shortage, for the test");
      case "missing" -> throw new NoSuchFileException("/backend/file");
      case "reason" -> throw new FileSystemException("/backend/file", null, "Disk quota exceeded");
      case "unsupported" -> throw new UnsupportedOperationException("for the test");
      case "io" -> throw new IOException("a backend's error, for the test");
      case "interrupt" -> Thread.currentThread().interrupt();
      default -> {}
    }
  }

  private static int endless(int depth) {
    return endless(depth + 1) + 1;
  }
}
