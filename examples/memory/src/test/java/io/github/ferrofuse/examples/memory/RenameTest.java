package io.github.ferrofuse.examples.memory;

import static io.github.ferrofuse.InodeFileSystem.RENAME_EXCHANGE;
import static io.github.ferrofuse.InodeFileSystem.RENAME_NOREPLACE;
import static io.github.ferrofuse.InodeFileSystem.RENAME_WHITEOUT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.github.ferrofuse.Errno;
import java.io.IOException;
import java.util.List;
import java.util.TreeSet;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RenameTest {
  private final Client client = Client.small();
  private long a;
  private long b;

  @BeforeEach
  void directories() throws IOException {
    a = client.mkdir(Client.ROOT, "a");
    b = client.mkdir(Client.ROOT, "b");
  }

  private long make(long parent, String name, String kind) throws IOException {
    switch (kind) {
      case "file":
        return client.mkfile(parent, name);
      case "link":
        return client.symlink(parent, name, "x");
      case "fifo":
        return client.mknod(parent, name, 0010644, 0);
      case "dir":
        return client.mkdir(parent, name);
      case "full":
        long dir = client.mkdir(parent, name);
        client.mkfile(dir, "inside");
        return dir;
      default:
        return 0;
    }
  }

  /** What rename(2) answers for each pair of an old and a new name, in one directory and in two. */
  @ParameterizedTest
  @CsvSource({
    "file, none, ", "file, file, ", "file, link, ", "file, fifo, ",
    "file, dir, EISDIR", "file, full, EISDIR", "link, file, ", "link, dir, EISDIR",
    "fifo, link, ", "dir, none, ", "dir, dir, ", "full, dir, ",
    "dir, full, ENOTEMPTY", "dir, file, ENOTDIR", "dir, link, ENOTDIR", "full, fifo, ENOTDIR",
    "none, none, ENOENT", "none, file, ENOENT", "none, dir, ENOENT"
  })
  void replacesWhatItMayReplace(String old, String present, Errno expected) throws IOException {
    for (long to : List.of(a, b)) {
      long files = client.statfs().freeFiles;
      long source = make(a, "old", old);
      long target = make(to, "new", present);
      int aLinks = client.stat(a).nlink;
      int toLinks = client.stat(to).nlink;
      boolean movesDir = "dir full".contains(old) && a != to;
      boolean replacesDir = "dir full".contains(present);
      if (expected == null) {
        client.rename(a, "old", to, "new", 0);
        assertEquals(0, client.lookup(a, "old"));
        assertEquals(source, client.lookup(to, "new"));
        assertEquals(
            aLinks - (movesDir ? 1 : 0) - (a == to && replacesDir ? 1 : 0), client.stat(a).nlink);
        if (a != to) {
          assertEquals(toLinks + (movesDir ? 1 : 0) - (replacesDir ? 1 : 0), client.stat(to).nlink);
        }
        if (target != 0) {
          assertEquals(0, client.stat(target).nlink);
        }
        remove(to, "new", source);
      } else {
        Errno errno = Client.errnoOf(() -> client.rename(a, "old", to, "new", 0));
        assertEquals(expected, errno);
        assertEquals(source, client.lookup(a, "old"));
        assertEquals(target, client.lookup(to, "new"));
        assertEquals(aLinks, client.stat(a).nlink);
        assertEquals(toLinks, client.stat(to).nlink);
        remove(a, "old", source);
        remove(to, "new", target);
      }
      client.forget(source);
      client.forget(target);
      assertEquals(files, client.statfs().freeFiles, "replaced files are freed");
      assertEquals(2, client.stat(a).nlink);
      assertEquals(2, client.stat(b).nlink);
    }
  }

  private void remove(long parent, String name, long node) throws IOException {
    if (node == 0) {
      return;
    }
    if ((client.stat(node).mode & 0170000) == 0040000) {
      for (String inside : client.list(node)) {
        long inner = client.lookup(node, inside);
        client.unlink(node, inside);
        client.forget(inner);
      }
      client.rmdir(parent, name);
    } else {
      client.unlink(parent, name);
    }
  }

  @Test
  void ontoAnotherNameOfTheSameFileDoesNothing() throws IOException {
    long file = client.mkfile(a, "one");
    client.link(file, b, "two");
    client.rename(a, "one", b, "two", 0);
    assertEquals(file, client.lookup(a, "one"));
    assertEquals(file, client.lookup(b, "two"));
    assertEquals(2, client.stat(file).nlink);
    client.rename(a, "one", a, "one", 0);
    assertEquals(file, client.lookup(a, "one"));
  }

  @Test
  void noReplaceRefusesAnExistingName() throws IOException {
    long file = client.mkfile(a, "one");
    client.mkfile(a, "two");
    assertEquals(
        Errno.EEXIST, Client.errnoOf(() -> client.rename(a, "one", a, "two", RENAME_NOREPLACE)));
    client.rename(a, "one", a, "three", RENAME_NOREPLACE);
    assertEquals(file, client.lookup(a, "three"));
  }

  @Test
  void aDirectoryDoesNotGoIntoItself() throws IOException {
    long inner = client.mkdir(client.mkdir(a, "x"), "y");
    assertEquals(
        Errno.EINVAL, Client.errnoOf(() -> client.rename(Client.ROOT, "a", inner, "z", 0)));
    assertEquals(Errno.EINVAL, Client.errnoOf(() -> client.rename(Client.ROOT, "a", a, "z", 0)));
    assertEquals(
        Errno.EINVAL,
        Client.errnoOf(() -> client.rename(Client.ROOT, "a", inner, "none", RENAME_NOREPLACE)));
    client.mkfile(inner, "f");
    assertEquals(
        Errno.EINVAL,
        Client.errnoOf(() -> client.rename(Client.ROOT, "a", inner, "f", RENAME_EXCHANGE)));
    assertEquals(
        Errno.EINVAL,
        Client.errnoOf(() -> client.rename(inner, "f", Client.ROOT, "a", RENAME_EXCHANGE)));
    assertEquals(a, client.lookup(Client.ROOT, "a"));
    client.rename(Client.ROOT, "a", b, "a", 0);
    assertEquals(
        Errno.EINVAL, Client.errnoOf(() -> client.rename(Client.ROOT, "b", inner, "b", 0)));
  }

  @Test
  void aMovedDirectoryHasItsNewParent() throws IOException {
    long moved = client.mkdir(a, "moved");
    client.rename(a, "moved", b, "moved", 0);
    Listing listing = new Listing(false).room(2);
    client.fs.opendir(client.caller, moved, Reply.IGNORED).read(client.caller, 0, listing);
    assertEquals(List.of(moved, b), listing.nodes);
  }

  @Test
  void exchangeSwapsAnyTwoAndNeedsBoth() throws IOException {
    long dir = client.mkdir(a, "dir");
    long file = client.mkfile(b, "file");
    assertEquals(
        Errno.ENOENT, Client.errnoOf(() -> client.rename(a, "dir", b, "x", RENAME_EXCHANGE)));
    assertEquals(
        Errno.ENOENT, Client.errnoOf(() -> client.rename(a, "x", b, "file", RENAME_EXCHANGE)));
    client.rename(a, "dir", b, "file", RENAME_EXCHANGE);
    assertEquals(file, client.lookup(a, "dir"));
    assertEquals(dir, client.lookup(b, "file"));
    assertEquals(2, client.stat(a).nlink);
    assertEquals(3, client.stat(b).nlink);
    client.mkfile(dir, "inside");
    long other = client.mkdir(b, "other");
    client.rename(b, "file", b, "other", RENAME_EXCHANGE);
    assertEquals(dir, client.lookup(b, "other"), "directories may be full");
    assertEquals(other, client.lookup(b, "file"));
    assertEquals(4, client.stat(b).nlink);
  }

  @Test
  void whiteoutLeavesADeviceZeroBehind() throws IOException {
    long file = client.mkfile(a, "file");
    client.mkfile(b, "new");
    client.rename(a, "file", b, "new", RENAME_WHITEOUT);
    long left = client.lookup(a, "file");
    assertEquals(0020000, client.stat(left).mode);
    assertEquals(0, client.stat(left).rdev);
    assertEquals(file, client.lookup(b, "new"));
    client.rename(b, "new", b, "newer", RENAME_WHITEOUT | RENAME_NOREPLACE);
    assertEquals(new TreeSet<>(List.of("new", "newer")), new TreeSet<>(client.list(b)));
  }

  @Test
  void otherFlagsAreRefused() throws IOException {
    client.mkfile(a, "x");
    client.mkfile(a, "y");
    for (int flags :
        new int[] {8, RENAME_EXCHANGE | RENAME_NOREPLACE, RENAME_EXCHANGE | RENAME_WHITEOUT}) {
      assertEquals(Errno.EINVAL, Client.errnoOf(() -> client.rename(a, "x", a, "y", flags)));
    }
  }

  @Test
  void intoARemovedDirectoryFails() throws IOException {
    client.mkfile(a, "x");
    client.rmdir(Client.ROOT, "b");
    assertEquals(Errno.ENOENT, Client.errnoOf(() -> client.rename(a, "x", b, "x", 0)));
    assertEquals(List.of("x"), client.list(a));
    assertNull(client.list(b).stream().findAny().orElse(null));
  }
}
