package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.AttrChange;
import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.EntrySink;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.OpenReply;
import io.github.ferrofuse.Request;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.AccessDeniedException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A file system that checks access itself is told who asks. */
@Tag("mount")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class CallersTest {
  @RegisterExtension final Mounts mounts = new Mounts();

  private final Witness witness = new Witness();

  private Path mountForAll() throws IOException {
    return mounts.mount(witness, MountOptions.builder().allowOther(true).build()).mountPoint();
  }

  /** Runs Python as root, with setfsuid, setgroups and the like of the calling thread. */
  private static void run(String program, Object... arguments) throws Exception {
    Shell.python(
        """
        import ctypes, os, sys, threading
        libc = ctypes.CDLL(None, use_errno=True)
        SETGROUPS, SETFSUID, SETFSGID = {
            "x86_64": (116, 122, 123), "aarch64": (159, 151, 152)}[os.uname().machine]
        # By number: glibc's functions change all threads.
        def setgroups(*groups):
            ids = (ctypes.c_uint32 * len(groups))(*groups)
            assert libc.syscall(SETGROUPS, len(groups), ids) == 0
        """
            + program,
        arguments);
  }

  @Test
  @Tag("root")
  void everyOperationIsToldTheIdsForFiles() throws Exception {
    Twins.needAllIds();
    Path root = mountForAll();
    run(
        """
        os.chdir(sys.argv[1])
        libc.syscall(SETFSGID, 2000)
        libc.syscall(SETFSUID, 1000)
        fd = os.open("made", os.O_CREAT | os.O_RDWR)
        os.stat("made")
        os.chmod("made", 0o600)
        os.access("made", os.R_OK)  # by the real ids, which are still root's
        os.write(fd, b"x")
        libc.syscall(SETFSUID, 3000)
        os.pread(fd, 1, 0)
        """,
        root);
    assertTrue(witness.of("lookup").startsWith("1000:2000"), witness::toString);
    assertEquals("1000:2000", witness.of("create"));
    assertEquals("1000:2000", witness.of("setattr"));
    assertEquals("0:0", witness.of("access"));
    assertEquals("1000:2000", witness.of("write"));
    assertEquals("3000:2000", witness.of("read"), "whoever reads, not who opened");
  }

  @Test
  @Tag("root")
  void supplementaryGroupsAreThoseOfTheCallingThread() throws Exception {
    Path root = mountForAll();
    run(
        """
        def other():
            setgroups(7, 9)
            os.access(sys.argv[1] + "/file", os.R_OK)
        setgroups(1, 2, 3)
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        os.access(sys.argv[1] + "/file", os.R_OK)
        setgroups()
        os.access(sys.argv[1] + "/file", os.R_OK)
        """,
        root);
    List<int[]> groups = witness.groups;
    assertEquals(3, groups.size());
    assertArrayEquals(new int[] {7, 9}, groups.get(0));
    assertArrayEquals(new int[] {1, 2, 3}, groups.get(1));
    assertArrayEquals(new int[0], groups.get(2));
  }

  @Test
  void aCopyIsAskedForTheGroupsOfWhoIsStillThere() throws Exception {
    Path root = mounts.mount(witness).mountPoint();
    Request copy;
    try (Shell.Talk client =
        Shell.talk(
            "import os, sys\nos.access(sys.argv[1] + '/file', 4)\nprint('done', flush=True)\n"
                + "sys.stdin.readline()",
            root)) {
      assertEquals("done", client.hear());
      copy = witness.copy;
      assertArrayEquals(witness.groups.get(0), copy.groups());
      client.say("");
      assertTrue(client.isGone(20));
    }
    AccessDeniedException gone = assertThrows(AccessDeniedException.class, copy::groups);
    assertTrue(gone.getMessage().contains("/proc/" + copy.pid() + "/status"), gone.getMessage());
  }

  @Test
  @Tag("root")
  void callersInPidNamespacesBelowAreKnown() throws Exception {
    Path root = mountForAll();
    Shell.succeed("unshare", "-pf", "test", "-r", root + "/file");
    assertTrue(witness.copy.pid() > 0);
    assertEquals(1, witness.groups.size());
    assertTrue(witness.failures.isEmpty(), witness.failures::toString);
  }

  @Test
  @Tag("root")
  void theKernelAsksOnlyForTheMountOwnerUnlessOthersAreAllowed() throws Exception {
    Twins.needAllIds();
    Path root = mounts.mount(witness).mountPoint();
    String program =
        """
        os.stat(sys.argv[1])
        def denied(call, *arguments):
            try:
                call(*arguments)
            except PermissionError:
                return True
        setgroups()
        os.setresgid(1000, 1000, 1000)
        os.setresuid(1000, 1000, 1000)
        assert denied(os.stat, sys.argv[1] + "/file")
        assert denied(os.listdir, sys.argv[1])
        assert denied(os.mkdir, sys.argv[1] + "/made")
        """;
    run(program, root);
    assertEquals(List.of(), witness.callers.stream().filter(c -> c.contains("1000")).toList());
  }

  /** One file, which has any name but for "made" until that is made; and who asked for what. */
  private static final class Witness implements InodeFileSystem, FileHandle {
    private static final long FILE = 2;

    final List<String> callers = Collections.synchronizedList(new ArrayList<>());
    final List<int[]> groups = Collections.synchronizedList(new ArrayList<>());
    final List<String> failures = Collections.synchronizedList(new ArrayList<>());
    volatile Request copy;
    private volatile boolean made;

    private void note(String what, Request request) {
      callers.add(what + " " + request.uid() + ":" + request.gid());
    }

    /** Who asked for something, one after the other where they differ. */
    String of(String what) {
      return callers.stream()
          .filter(caller -> caller.startsWith(what + " "))
          .map(caller -> caller.substring(what.length() + 1))
          .distinct()
          .collect(Collectors.joining(" "));
    }

    @Override
    public boolean checksAccess() {
      return true;
    }

    private static void fill(long node, AttrSink out) {
      out.mode(node == 1 ? 040755 : 0100644).nlink(1).timeout(0);
    }

    @Override
    public boolean lookup(Request request, long parent, Name name, EntrySink out) {
      note("lookup", request);
      fill(FILE, out.node(FILE).entryTimeout(0).attr());
      return made || !name.toString().equals("made");
    }

    @Override
    public void getattr(Request request, long node, FileHandle handle, AttrSink out) {
      fill(node, out);
    }

    @Override
    public void setattr(
        Request request, long node, FileHandle handle, AttrChange change, AttrSink out) {
      note("setattr", request);
      fill(node, out);
    }

    @Override
    public void access(Request request, long node, int mask) throws IOException {
      if (node != FILE) {
        return;
      }
      note("access", request);
      copy = request.copy();
      try {
        groups.add(request.groups());
      } catch (IOException e) {
        failures.add(e.toString());
        throw e;
      }
    }

    @Override
    public FileHandle open(Request request, long node, int flags, OpenReply out) {
      note("open", request);
      out.directIo();
      return this;
    }

    @Override
    public FileHandle create(
        Request request,
        long parent,
        Name name,
        int mode,
        int flags,
        EntrySink entry,
        OpenReply out) {
      note("create", request);
      made = true;
      fill(FILE, entry.node(FILE).attr());
      out.directIo();
      return this;
    }

    @Override
    public int read(Request request, ByteBuffer dst, long offset) {
      note("read", request);
      dst.put((byte) 'x');
      return 1;
    }

    @Override
    public int write(Request request, ByteBuffer src, long offset) {
      note("write", request);
      return src.remaining();
    }

    @Override
    public String toString() {
      return callers + " " + groups.stream().map(Arrays::toString).toList();
    }
  }
}
