package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.Connection;
import io.github.ferrofuse.FuseFileSystem;
import io.github.ferrofuse.FuseMount;
import io.github.ferrofuse.MountOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The handles of name_to_handle_at(2), which outlive what the kernel remembers of their files. */
@Tag("mount")
@Tag("root") // open_by_handle_at needs CAP_DAC_READ_SEARCH, and so do the caches
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class FileHandlesTest {
  /** Answers each expression, evaluated; handles are known by names. */
  private static final String CLIENT =
      """
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
class Handle(ctypes.Structure):
    _fields_ = [('bytes', ctypes.c_uint), ('type', ctypes.c_int), ('data', ctypes.c_ubyte * 128)]
handles = {}
def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), '')
    return result
def keep(name, path):
    handles[name] = Handle(128)
    mount = ctypes.c_int()
    where, handle = path.encode(), ctypes.byref(handles[name])
    check(libc.name_to_handle_at(AT_FDCWD, where, handle, ctypes.byref(mount), 0))
    return 'kept'
def reopen(root, name, flags=0):
    mount = os.open(root, os.O_RDONLY)
    try:
        return check(libc.open_by_handle_at(mount, ctypes.byref(handles[name]), flags))
    finally:
        os.close(mount)
def closing(fd, use):
    try:
        return use(fd)
    finally:
        os.close(fd)
def read(root, name):
    return closing(reopen(root, name), lambda fd: os.read(fd, 100).decode())
def listed(root, name):
    return closing(reopen(root, name, os.O_DIRECTORY), lambda fd: sorted(os.listdir(fd)))
def path(root, name):
    fd = reopen(root, name, os.O_DIRECTORY)
    return closing(fd, lambda fd: os.path.relpath(os.readlink(f'/proc/self/fd/{fd}'), root))
for line in sys.stdin:
    try:
        print(eval(line), flush=True)
    except OSError as e:
        print(errno.errorcode[e.errno], flush=True)
""";

  private static final Path DROP_CACHES = Path.of("/proc/sys/vm/drop_caches");

  @RegisterExtension final Mounts mounts = new Mounts();

  /** Waits until the kernel has forgotten a node. */
  private static void awaitForget(Store store, long node) throws IOException {
    long end = System.nanoTime() + Duration.ofSeconds(20).toNanos();
    while (store.isKnown(node)) {
      assertTrue(System.nanoTime() < end, "the kernel forgets nothing");
      Files.writeString(DROP_CACHES, "2");
    }
  }

  private static String ask(Shell.Talk client, String call, Path root, String name)
      throws IOException {
    return client.ask(String.format("%s('%s', '%s')", call, root, name));
  }

  private static void keep(Shell.Talk client, String name, Path path) throws IOException {
    assertEquals("kept", client.ask(String.format("keep('%s', '%s')", name, path)));
  }

  @Test
  void aFilesHandleIsGoodAfterTheKernelHasForgottenTheFile() throws Exception {
    Store store = new Store(true);
    long directory = store.make("/dir", null);
    long file = store.make("/dir/file", "content");
    Path root = mounts.mount(store).mountPoint();
    try (Shell.Talk client = Shell.talk(CLIENT)) {
      keep(client, "file", root.resolve("dir/file"));
      assertEquals("content", ask(client, "read", root, "file"), "still known");
      awaitForget(store, file);
      awaitForget(store, directory);
      assertEquals("content", ask(client, "read", root, "file"));
      awaitForget(store, file);
    }
  }

  @Test
  void aDirectorysHandleFindsItsWayUpToTheRoot() throws Exception {
    Store store = new Store(true);
    long outer = store.make("/outer", null);
    long inner = store.make("/outer/inner", null);
    store.make("/outer/inner/file", "content");
    Path root = mounts.mount(store).mountPoint();
    try (Shell.Talk client = Shell.talk(CLIENT)) {
      keep(client, "inner", root.resolve("outer/inner"));
      awaitForget(store, inner);
      awaitForget(store, outer);
      assertEquals("outer/inner", ask(client, "path", root, "inner"));
      assertEquals("['file']", ask(client, "listed", root, "inner"));
    }
    assertEquals("content", Files.readString(root.resolve("outer/inner/file")));
  }

  @Test
  void theHandleOfAFileThatIsGoneIsStaleAlsoIfAnotherHasItsNumber() throws Exception {
    Store store = new Store(true);
    long file = store.make("/file", "first");
    Path root = mounts.mount(store).mountPoint();
    try (Shell.Talk client = Shell.talk(CLIENT)) {
      keep(client, "file", root.resolve("file"));
      Files.delete(root.resolve("file"));
      awaitForget(store, file);
      assertEquals("ESTALE", ask(client, "read", root, "file"));
      store.make("/other", "second", file, 1);
      assertEquals("ESTALE", ask(client, "read", root, "file"), "another generation");
      assertEquals("second", Files.readString(root.resolve("other")));
      keep(client, "other", root.resolve("other"));
      awaitForget(store, file);
      assertEquals("second", ask(client, "read", root, "other"));
      assertEquals("ESTALE", ask(client, "read", root, "file"), "and still");
    }
  }

  @Test
  void handlesAreGoodAcrossMountsOfAFileSystemWhoseNumbersAre() throws Exception {
    Store store = new Store(true);
    store.make("/file", "content");
    FuseMount first = mounts.mount(store);
    try (Shell.Talk client = Shell.talk(CLIENT)) {
      keep(client, "file", first.mountPoint().resolve("file"));
      keep(client, "root", first.mountPoint());
      first.close();
      Path root = mounts.mount(store).mountPoint();
      assertEquals("content", ask(client, "read", root, "file"));
      assertEquals("['file']", ask(client, "listed", root, "root"));
    }
  }

  @Test
  void withoutTheWishAHandleIsGoodWhileTheKernelRemembersTheFile() throws Exception {
    Store store = new Store(false);
    long file = store.make("/file", "content");
    Path root = mounts.mount(store).mountPoint();
    try (Shell.Talk client = Shell.talk(CLIENT)) {
      keep(client, "file", root.resolve("file"));
      assertEquals("content", ask(client, "read", root, "file"));
      awaitForget(store, file);
      assertEquals("ESTALE", ask(client, "read", root, "file"));
    }
  }

  @Test
  void aPathBasedFileSystemIsToldThatItCanNotHaveThem() throws Exception {
    FuseFileSystem byPath =
        new FuseFileSystem() {
          @Override
          public void init(Connection connection) {
            connection.resolvesDots();
          }
        };
    IOException refused =
        Assertions.assertThrows(
            IOException.class, () -> mounts.mount(byPath, MountOptions.defaults()));
    assertTrue(refused.getCause() instanceof UnsupportedOperationException, refused::toString);
  }
}
