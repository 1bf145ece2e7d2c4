package io.github.ferrofuse.examples.memory;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.Name;
import java.io.IOException;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.util.List;
import org.junit.jupiter.api.Test;

class NamesTest {
  private static final int O_RDWR = 2;
  private static final int O_EXCL = 0200;
  private static final int O_TRUNC = 01000;

  private final Client client = Client.small();

  @Test
  void theRootIsADirectoryOfItsOwner() throws IOException {
    Client other = new Client(new MemoryFileSystem(Limits.defaults(), 01777, 12, 34));
    Attributes root = other.stat(other.fs.root());
    assertEquals(0041777, root.mode);
    assertEquals(12, root.uid);
    assertEquals(34, root.gid);
    assertEquals(2, root.nlink);
  }

  @Test
  void aNewFileBelongsToItsCaller() throws IOException {
    client.as(Caller.USER);
    Attributes file = client.stat(client.mkfile(Client.ROOT, "file"));
    assertEquals(0100644, file.mode);
    assertEquals(1000, file.uid);
    assertEquals(100, file.gid);
    assertEquals(1, file.nlink);
  }

  @Test
  void filesOfEachTypeAreMade() throws IOException {
    int device = 0x12345678;
    int[] modes = {0100600, 0010600, 0140600, 0020600, 0060600};
    for (int mode : modes) {
      long node = client.mknod(Client.ROOT, "n" + mode, mode, device);
      assertEquals(mode, client.stat(node).mode);
      boolean isDevice = mode == 0020600 || mode == 0060600;
      assertEquals(isDevice ? device : 0, client.stat(node).rdev);
      if (mode != 0100600) {
        assertEquals(Errno.ENXIO, Client.errnoOf(() -> client.open(node, 0)));
        assertEquals(Errno.EINVAL, Client.errnoOf(() -> client.setattr(node, Change.of().size(0))));
      }
    }
    assertEquals(Errno.EINVAL, Client.errnoOf(() -> client.mknod(Client.ROOT, "dir", 0040755, 0)));
  }

  @Test
  void aSymbolicLinkKeepsItsTarget() throws IOException {
    byte[] target = {'/', (byte) 0xff, 'x'};
    Attributes out = new Attributes();
    client.fs.symlink(client.caller, Client.ROOT, Client.name("link"), Name.of(target), out);
    assertEquals(0120777, out.mode);
    assertEquals(3, out.size);
    ByteBuffer found = ByteBuffer.allocateDirect(4096);
    client.fs.readlink(client.caller, out.node, found);
    byte[] bytes = new byte[found.position()];
    found.flip().get(bytes);
    assertArrayEquals(target, bytes);
    assertEquals(Errno.ELOOP, Client.errnoOf(() -> client.open(out.node, 0)));
    assertEquals(
        Errno.EINVAL, Client.errnoOf(() -> client.fs.readlink(client.caller, Client.ROOT, found)));
  }

  @Test
  void aNameOfTheWorkerIsCopied() throws Exception {
    Method assign = Name.class.getDeclaredMethod("assign", ByteBuffer.class, int.class, int.class);
    assign.setAccessible(true);
    Name reused = Name.of("first");
    client.fs.mkdir(client.caller, Client.ROOT, reused, 0755, new Attributes());
    assign.invoke(reused, Client.bytes("other"), 0, 5);
    assertEquals(List.of("first"), client.list(Client.ROOT));
    client.fs.rename(client.caller, Client.ROOT, Client.name("first"), Client.ROOT, reused, 0);
    assign.invoke(reused, Client.bytes("third"), 0, 5);
    assertEquals(List.of("other"), client.list(Client.ROOT));
    assertTrue(client.lookup(Client.ROOT, "other") > 0);
  }

  @Test
  void namesAreAnyBytesUpTo255() throws IOException {
    Name odd = Name.of(new byte[] {(byte) 0xff, (byte) 0xfe, '\n', 1});
    Attributes out = new Attributes();
    client.fs.mkdir(client.caller, Client.ROOT, odd, 0755, out);
    Attributes found = new Attributes();
    assertTrue(client.fs.lookup(client.caller, Client.ROOT, odd, found));
    assertEquals(out.node, found.node);
    client.mkfile(Client.ROOT, "x".repeat(255));
    String longer = "x".repeat(256);
    Errno expected = Errno.ENAMETOOLONG;
    assertEquals(expected, Client.errnoOf(() -> client.lookup(Client.ROOT, longer)));
    assertEquals(expected, Client.errnoOf(() -> client.mkfile(Client.ROOT, longer)));
    assertEquals(expected, Client.errnoOf(() -> client.unlink(Client.ROOT, longer)));
    assertEquals(expected, Client.errnoOf(() -> client.rmdir(Client.ROOT, longer)));
    assertEquals(expected, Client.errnoOf(() -> client.link(out.node, Client.ROOT, longer)));
    assertEquals(
        expected,
        Client.errnoOf(() -> client.rename(Client.ROOT, "x".repeat(255), Client.ROOT, longer, 0)));
  }

  @Test
  void nodesThatAreNoneOrNoDirectoryAreRefused() throws IOException {
    long file = client.mkfile(Client.ROOT, "file");
    assertEquals(Errno.ENOTDIR, Client.errnoOf(() -> client.lookup(file, "x")));
    assertEquals(Errno.ENOTDIR, Client.errnoOf(() -> client.mkdir(file, "x")));
    assertEquals(Errno.ENOTDIR, Client.errnoOf(() -> client.list(file)));
    assertEquals(Errno.ESTALE, Client.errnoOf(() -> client.stat(4711)));
    assertEquals(Errno.EISDIR, Client.errnoOf(() -> client.open(Client.ROOT, 0)));
    client.fs.forget(4711, 1);
  }

  @Test
  void existingNamesAreNotMadeAgain() throws IOException {
    long file = client.mkfile(Client.ROOT, "file");
    Errno expected = Errno.EEXIST;
    assertEquals(expected, Client.errnoOf(() -> client.mkfile(Client.ROOT, "file")));
    assertEquals(expected, Client.errnoOf(() -> client.mkdir(Client.ROOT, "file")));
    assertEquals(expected, Client.errnoOf(() -> client.symlink(Client.ROOT, "file", "x")));
    assertEquals(expected, Client.errnoOf(() -> client.link(file, Client.ROOT, "file")));
    assertEquals(expected, Client.errnoOf(() -> client.create(Client.ROOT, "file", O_EXCL)));
    assertEquals(1, client.stat(file).nlink);
  }

  @Test
  void createOpensWhatHasComeIntoBeing() throws IOException {
    long file = client.mkfile(Client.ROOT, "file");
    client.write(file, Client.bytes("content"), 0);
    FileHandle handle = client.create(Client.ROOT, "file", O_RDWR);
    assertEquals("content", client.read(handle, 0, 100));
    handle.release(client.caller);
    handle = client.create(Client.ROOT, "file", O_RDWR | O_TRUNC);
    assertEquals(0, client.stat(file).size);
    handle.release(client.caller);
    client.mkdir(Client.ROOT, "dir");
    assertEquals(Errno.EISDIR, Client.errnoOf(() -> client.create(Client.ROOT, "dir", O_RDWR)));
    long free = client.statfs().freeFiles;
    client.unlink(Client.ROOT, "file");
    client.rmdir(Client.ROOT, "dir");
    client.forgetAll();
    assertEquals(free + 2, client.statfs().freeFiles, "no reference is left behind");
  }

  @Test
  void hardLinksAreOneFile() throws IOException {
    long file = client.mkfile(Client.ROOT, "one");
    long dir = client.mkdir(Client.ROOT, "dir");
    assertEquals(file, client.link(file, dir, "two"));
    assertEquals(2, client.stat(file).nlink);
    client.unlink(Client.ROOT, "one");
    assertEquals(1, client.stat(file).nlink);
    assertEquals(file, client.lookup(dir, "two"));
    assertEquals(Errno.EPERM, Client.errnoOf(() -> client.link(dir, Client.ROOT, "dir2")));
    FileHandle handle = client.open(file, O_RDWR);
    client.unlink(dir, "two");
    assertEquals(Errno.ENOENT, Client.errnoOf(() -> client.link(file, dir, "three")));
    handle.release(client.caller);
  }

  @Test
  void aFileHasUpTo65000Names() throws IOException {
    long file = client.mkfile(Client.ROOT, "f0");
    for (int i = 1; i < 65_000; i++) {
      client.link(file, Client.ROOT, "f" + i);
    }
    assertEquals(Errno.EMLINK, Client.errnoOf(() -> client.link(file, Client.ROOT, "more")));
    assertEquals(65_000, client.stat(file).nlink);
    client.unlink(Client.ROOT, "f7");
    client.link(file, Client.ROOT, "more");
  }

  @Test
  void directoriesCountTheirSubdirectories() throws IOException {
    long dir = client.mkdir(Client.ROOT, "dir");
    client.mkdir(dir, "one");
    client.mkdir(dir, "two");
    client.mkfile(dir, "file");
    assertEquals(4, client.stat(dir).nlink);
    client.rmdir(dir, "one");
    assertEquals(3, client.stat(dir).nlink);
    assertEquals(Errno.ENOTEMPTY, Client.errnoOf(() -> client.rmdir(Client.ROOT, "dir")));
    assertEquals(Errno.ENOTDIR, Client.errnoOf(() -> client.rmdir(dir, "file")));
    assertEquals(Errno.EISDIR, Client.errnoOf(() -> client.unlink(dir, "two")));
    assertEquals(Errno.ENOENT, Client.errnoOf(() -> client.unlink(dir, "none")));
  }

  @Test
  void anUnlinkedFileStaysUntilItIsClosedAndForgotten() throws IOException {
    long blocks = client.statfs().freeBlocks;
    long files = client.statfs().freeFiles;
    FileHandle handle = client.create(Client.ROOT, "file", O_RDWR);
    long file = client.lookup(Client.ROOT, "file");
    client.write(handle, Client.bytes("content"), 0);
    client.unlink(Client.ROOT, "file");
    assertEquals("content", client.read(handle, 0, 100));
    client.write(handle, Client.bytes("more"), 7);
    client.forgetAll();
    assertEquals("contentmore", client.read(handle, 0, 100));
    assertEquals(blocks - 1, client.statfs().freeBlocks);
    handle.release(client.caller);
    assertEquals(blocks, client.statfs().freeBlocks);
    assertEquals(files, client.statfs().freeFiles);
    assertEquals(Errno.ESTALE, Client.errnoOf(() -> client.stat(file)));
  }

  @Test
  void lookupsKeepAFileUntilTheLastIsForgotten() throws IOException {
    long blocks = client.statfs().freeBlocks;
    long file = client.mkfile(Client.ROOT, "file");
    client.write(file, Client.bytes("content"), 0);
    client.fs.lookup(client.caller, Client.ROOT, Client.name("file"), new Attributes());
    client.fs.forget(file, 2);
    assertEquals("content", client.read(file, 0, 7), "it has a name");
    client.fs.lookup(client.caller, Client.ROOT, Client.name("file"), new Attributes());
    client.fs.lookup(client.caller, Client.ROOT, Client.name("file"), new Attributes());
    client.unlink(Client.ROOT, "file");
    client.fs.forget(file, 1);
    assertEquals(0, client.stat(file).nlink);
    assertEquals(blocks - 1, client.statfs().freeBlocks);
    client.fs.forget(file, 1);
    assertEquals(blocks, client.statfs().freeBlocks);
    assertEquals(Errno.ESTALE, Client.errnoOf(() -> client.stat(file)));
  }

  @Test
  void aNumberIsNotUsedAgain() throws IOException {
    long first = client.mkfile(Client.ROOT, "file");
    client.unlink(Client.ROOT, "file");
    client.forgetAll();
    assertNotEquals(first, client.mkfile(Client.ROOT, "file"));
  }

  @Test
  void dotsLeadToTheNodeAndItsParentWhileTheyExist() throws IOException {
    long dir = client.mkdir(Client.ROOT, "dir");
    long file = client.mkfile(dir, "file");
    client.forgetAll();
    assertEquals(file, client.lookup(file, "."));
    assertEquals(dir, client.lookup(dir, "."));
    assertEquals(Client.ROOT, client.lookup(dir, ".."));
    assertEquals(Client.ROOT, client.lookup(Client.ROOT, ".."));
    client.unlink(dir, "file");
    assertEquals(file, client.lookup(file, "."), "it was looked up before");
    client.forget(file);
    assertEquals(Errno.ESTALE, Client.errnoOf(() -> client.lookup(file, ".")));
    client.rmdir(Client.ROOT, "dir");
    assertEquals(Errno.ESTALE, Client.errnoOf(() -> client.lookup(dir, "..")));
  }
}
