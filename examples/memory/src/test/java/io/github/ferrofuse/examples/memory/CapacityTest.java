package io.github.ferrofuse.examples.memory;

import static io.github.ferrofuse.examples.memory.ChunkStore.CHUNK;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FileSystemFactory;
import io.github.ferrofuse.FuseException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;
import java.util.ServiceLoader;
import org.junit.jupiter.api.Test;

class CapacityTest {
  private static final int O_RDWR = 2;
  private static final int FALLOC_FL_KEEP_SIZE = 1;

  @Test
  void aFullFileSystemIsReadableAndRecoversByDeleting() throws IOException {
    Client client = Client.of(10, 100);
    long one = client.mkfile(Client.ROOT, "one");
    long two = client.mkfile(Client.ROOT, "two");
    assertEquals(6 * CHUNK, client.write(one, Client.bytes(6 * CHUNK, 1), 0));
    assertEquals(4 * CHUNK, client.write(two, Client.bytes(6 * CHUNK, 2), 0));
    assertEquals(0, client.statfs().freeBlocks);
    assertEquals(
        Errno.ENOSPC, Client.errnoOf(() -> client.write(two, Client.bytes("x"), 4 * CHUNK)));
    assertEquals(4 * CHUNK, client.stat(two).size);
    assertEquals("\1\1", client.read(one, 6 * CHUNK - 2, 10));
    client.mkdir(Client.ROOT, "names still go in");
    client.unlink(Client.ROOT, "one");
    client.forget(one);
    assertEquals(6, client.statfs().freeBlocks);
    assertEquals(6 * CHUNK, client.write(two, Client.bytes(7 * CHUNK, 3), 4 * CHUNK));
    assertEquals("\2\3", client.read(two, 4 * CHUNK - 1, 2));
  }

  @Test
  void withoutDirectMemoryWritesFailAndTheRestGoesOn() throws IOException {
    boolean[] given = {false};
    ChunkStore store =
        new ChunkStore(
            4096L * CHUNK,
            size -> {
              if (given[0]) {
                throw new OutOfMemoryError("Cannot reserve direct buffer memory");
              }
              given[0] = true;
              return ByteBuffer.allocateDirect(size);
            });
    Client client =
        new Client(new MemoryFileSystem(new Limits(4096L * CHUNK, 10, 1 << 20), 0755, 0, 0, store));
    assertEquals(4096, client.statfs().totalBlocks);
    long file = client.mkfile(Client.ROOT, "file");
    assertEquals(512 * CHUNK, client.write(file, Client.bytes(600 * CHUNK, 1), 0));
    assertEquals(
        Errno.ENOSPC, Client.errnoOf(() -> client.write(file, Client.bytes("x"), 512 * CHUNK)));
    assertEquals(512, client.statfs().totalBlocks);
    assertEquals("\1", client.read(file, 512 * CHUNK - 1, 10));
    client.setattr(file, Change.of().size(0));
    assertEquals(512, client.statfs().freeBlocks);
    assertEquals(1, client.write(file, Client.bytes("x"), 0));
  }

  @Test
  void inodesAreLimitedAndComeBack() throws IOException {
    Client client = // the root is one of three inodes
        new Client(new MemoryFileSystem(new Limits(10 * CHUNK, 3, 4000), 0755, 0, 0));
    long dir = client.mkdir(Client.ROOT, "dir");
    client.mkfile(dir, "file");
    assertEquals(0, client.statfs().freeFiles);
    for (int i = 0; i < 20; i++) { // what is refused is not charged
      assertEquals(Errno.ENOSPC, Client.errnoOf(() -> client.mkfile(dir, "more")));
    }
    assertEquals(Errno.ENOSPC, Client.errnoOf(() -> client.mkdir(dir, "more")));
    assertEquals(Errno.ENOSPC, Client.errnoOf(() -> client.symlink(dir, "more", "x")));
    assertEquals(Errno.ENOSPC, Client.errnoOf(() -> client.create(dir, "more", O_RDWR)));
    assertEquals(Errno.ENOSPC, Client.errnoOf(() -> client.rename(dir, "file", dir, "new", 4)));
    assertEquals(0, client.lookup(dir, "more"));
    assertEquals(2, client.stat(dir).nlink);
    client.rename(dir, "file", dir, "new", 0);
    client.unlink(dir, "new");
    client.forgetAll();
    assertEquals(1, client.statfs().freeFiles);
    client.mkfile(dir, "more");
  }

  @Test
  void metadataIsLimitedAndComesBack() throws IOException {
    Client client =
        new Client(new MemoryFileSystem(new Limits(10 * CHUNK, 1000, 4000), 0755, 0, 0));
    for (int round = 0; round < 100; round++) { // a leak of one byte each would be fatal
      long file = client.mkfile(Client.ROOT, "file");
      client.setxattr(file, "user.a", Client.bytes(100, 1), 0);
      client.setxattr(file, "user.a", Client.bytes(500, 1), 0);
      client.setxattr(file, "user.b", Client.bytes(10, 1), 0);
      assertEquals(
          Errno.ENOSPC,
          Client.errnoOf(() -> client.setxattr(file, "user.c", Client.bytes(4000, 1), 0)));
      client.fs.removexattr(client.caller, file, Client.name("user.b"));
      client.link(file, Client.ROOT, "second");
      client.rename(Client.ROOT, "second", Client.ROOT, "a somewhat longer name", 0);
      client.rename(Client.ROOT, "a somewhat longer name", Client.ROOT, "x", 4);
      client.rename(Client.ROOT, "x", Client.ROOT, "a somewhat longer name", 0);
      long link = client.symlink(Client.ROOT, "link", "target".repeat(50));
      assertEquals(
          Errno.ENOSPC,
          Client.errnoOf(() -> client.symlink(Client.ROOT, "more", "target".repeat(500))));
      client.unlink(Client.ROOT, "link");
      client.unlink(Client.ROOT, "file");
      client.unlink(Client.ROOT, "a somewhat longer name");
      client.forget(file);
      client.forget(link);
    }
    int names = 0;
    long file = client.mkfile(Client.ROOT, "file");
    while (names < 100) {
      String name = "l" + names;
      try {
        client.link(file, Client.ROOT, name);
      } catch (FuseException e) {
        assertEquals(Errno.ENOSPC, e.errno());
        break;
      }
      names++;
    }
    assertTrue(names > 10 && names < 30, names + " names");
  }

  @Test
  void blocksCountAllocatedChunks() throws IOException {
    Client client = Client.small();
    long file = client.mkfile(Client.ROOT, "file");
    client.write(file, Client.bytes("x"), 100L * CHUNK);
    assertEquals(CHUNK / 512, client.stat(file).blocks);
    assertEquals(100L * CHUNK + 1, client.stat(file).size);
    FileHandle handle = client.open(file, O_RDWR);
    handle.fallocate(client.caller, FALLOC_FL_KEEP_SIZE, 200L * CHUNK, 3 * CHUNK);
    assertEquals(4 * CHUNK / 512, client.stat(file).blocks);
    assertEquals(100L * CHUNK + 1, client.stat(file).size);
    handle.release(client.caller);
  }

  @Test
  void aCopyTakesWhatFitsAndTheNextOneNothing() throws IOException {
    Client client = Client.of(10, 10);
    FileHandle from = client.create(Client.ROOT, "from", O_RDWR);
    client.write(client.lookup(Client.ROOT, "from"), Client.bytes(6 * CHUNK, 1), 0);
    FileHandle to = client.create(Client.ROOT, "to", O_RDWR);
    long node = client.lookup(Client.ROOT, "to");
    assertEquals(4 * CHUNK, to.copyFileRange(client.caller, from, 0, 0, 6 * CHUNK));
    assertEquals(4 * CHUNK, client.stat(node).size);
    assertEquals(
        Errno.ENOSPC,
        Client.errnoOf(
            () -> to.copyFileRange(client.caller, from, 4 * CHUNK, 4 * CHUNK, 2 * CHUNK)));
    assertEquals(0, to.copyFileRange(client.caller, from, 6 * CHUNK, 0, 1));
    assertEquals(0, to.copyFileRange(client.caller, from, 0, 0, 0));
    assertEquals(CHUNK, to.copyFileRange(client.caller, from, 5 * CHUNK, 0, Long.MAX_VALUE / 2));
  }

  @Test
  void fallocateKnowsItsModes() throws IOException {
    Client client = Client.small();
    FileHandle file = client.create(Client.ROOT, "file", O_RDWR);
    long node = client.lookup(Client.ROOT, "file");
    client.write(file, Client.bytes("abcdef"), 0);
    file.fallocate(client.caller, 0, 4, 6);
    assertEquals("abcdef\0\0\0\0", client.read(file, 0, 100));
    file.fallocate(client.caller, 3, 1, 2);
    assertEquals("a\0\0def\0\0\0\0", client.read(file, 0, 100));
    file.fallocate(client.caller, 0x11, 4, 100);
    assertEquals("a\0\0d\0\0\0\0\0\0", client.read(file, 0, 100));
    file.fallocate(client.caller, 0x10, 0, 12);
    assertEquals("\0".repeat(12), client.read(file, 0, 100));
    for (int mode : new int[] {2, 8, 0x12, 0x20, 0x40, 0x13}) {
      assertEquals(
          Errno.EOPNOTSUPP, Client.errnoOf(() -> file.fallocate(client.caller, mode, 0, 1)));
    }
    assertEquals(Errno.EINVAL, Client.errnoOf(() -> file.fallocate(client.caller, 0, 0, 0)));
    assertEquals(Errno.EINVAL, Client.errnoOf(() -> file.fallocate(client.caller, 0, -1, 5)));
    assertEquals(12, client.stat(node).size);
    assertEquals(Errno.EFBIG, Client.errnoOf(() -> client.setattr(node, Change.of().size(-1))));
    assertEquals(
        Errno.EISDIR, Client.errnoOf(() -> client.setattr(Client.ROOT, Change.of().size(0))));
  }

  @Test
  void theFactoryTakesItsOptionsAndLeavesTheOthers() throws IOException {
    FileSystemFactory factory =
        ServiceLoader.load(FileSystemFactory.class).stream()
            .map(ServiceLoader.Provider::get)
            .filter(found -> found.scheme().equals("memory"))
            .findFirst()
            .orElseThrow();
    Map<String, String> options =
        new HashMap<>(
            Map.of("capacity", "2m", "inodes", "1k", "mode", "1777", "noatime", "", "other", "x"));
    Client client = new Client((MemoryFileSystem) factory.create("", options));
    assertEquals(Map.of("other", "x"), options);
    assertEquals((2 << 20) / CHUNK, client.statfs().totalBlocks);
    assertEquals(1023, client.statfs().freeFiles);
    assertEquals(0041777, client.stat(Client.ROOT).mode);
    long created = client.stat(Client.ROOT).atime;
    client.list(Client.ROOT);
    assertEquals(created, client.stat(Client.ROOT).atime);
    assertThrows(IllegalArgumentException.class, () -> factory.create("x", new HashMap<>()));
    for (String wrong :
        new String[] {
          "capacity=", "capacity=x", "capacity=-1", "capacity=1", "capacity=1.5g",
          "capacity=99999999999999t", "inodes=0", "inodes=1t", "mode=8", "mode=17777"
        }) {
      String[] parts = wrong.split("=", -1);
      Map<String, String> one = new HashMap<>(Map.of(parts[0], parts[1]));
      String message =
          assertThrows(IllegalArgumentException.class, () -> factory.create("", one), wrong)
              .getMessage();
      assertTrue(message.contains(parts[0] + "="), message);
    }
  }

  @Test
  void aCapacityThatTheJvmCannotGiveNamesTheRemedy() {
    String message =
        assertThrows(IllegalArgumentException.class, () -> Limits.defaults().withCapacity(1L << 45))
            .getMessage();
    assertTrue(message.contains("-XX:MaxDirectMemorySize=33554448m"), message);
    assertTrue(Limits.defaults().capacity() <= Runtime.getRuntime().maxMemory());
  }

  @Test
  void afterDestroyTheMemoryIsGivenUp() throws IOException {
    Client client = Client.small();
    client.write(client.mkfile(Client.ROOT, "file"), Client.bytes("x"), 0);
    client.fs.destroy();
    assertEquals(0, client.statfs().totalBlocks);
    assertEquals(Errno.ESTALE, Client.errnoOf(() -> client.stat(Client.ROOT)));
  }

  @Test
  void keptContentsOutliveTheMountAndWhatHasNoNameDoesNot() throws IOException {
    Client client = Client.small();
    client.fs.keepContents();
    long kept = client.mkfile(client.mkdir(Client.ROOT, "dir"), "kept");
    client.write(kept, Client.bytes("x"), 0);
    long removed = client.mkfile(Client.ROOT, "removed");
    client.write(removed, Client.bytes("y"), 0);
    client.unlink(Client.ROOT, "removed");
    long free = client.statfs().freeBlocks;
    client.fs.destroy(); // the kernel forgets nothing one by one
    assertEquals(free + 1, client.statfs().freeBlocks);
    assertEquals(Errno.ESTALE, Client.errnoOf(() -> client.stat(removed)));

    Client next = new Client(client.fs);
    long dir = next.lookup(Client.ROOT, "dir");
    assertEquals("x", next.read(next.lookup(dir, "kept"), 0, 10));
    next.unlink(dir, "kept");
    next.forgetAll();
    assertEquals(Errno.ESTALE, Client.errnoOf(() -> next.stat(kept)));
    assertEquals(free + 2, next.statfs().freeBlocks);
  }
}
