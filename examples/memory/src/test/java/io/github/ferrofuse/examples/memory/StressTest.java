package io.github.ferrofuse.examples.memory;

import static io.github.ferrofuse.examples.memory.ChunkStore.CHUNK;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.DirHandle;
import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FuseException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

/** Threads do everything at once; afterwards the tree is one, and what is removed is freed. */
class StressTest {
  private static final int THREADS = 6;
  private static final int STEPS = 30_000;
  private static final int CHUNKS = 200;
  private static final int INODES = 120;
  private static final EnumSet<Errno> EXPECTED =
      EnumSet.of(
          Errno.ENOENT,
          Errno.EEXIST,
          Errno.ENOTEMPTY,
          Errno.ENOTDIR,
          Errno.EISDIR,
          Errno.EINVAL,
          Errno.ENOSPC,
          Errno.EPERM,
          Errno.ENXIO,
          Errno.ELOOP,
          Errno.EOPNOTSUPP,
          Errno.ENODATA);

  private final MemoryFileSystem fs =
      new MemoryFileSystem(new Limits((long) CHUNKS * CHUNK, INODES, 1 << 20), 0755, 0, 0);

  /** A kernel's part: its lookups are its own, so a node that it uses cannot be freed. */
  private final class Worker implements Callable<Void> {
    private final Random random;
    private final Client client = new Client(fs);
    private final List<Long> nodes = new ArrayList<>(List.of(Client.ROOT));
    private final List<FileHandle> files = new ArrayList<>();
    private final List<DirHandle> directories = new ArrayList<>();

    Worker(long seed) {
      random = new Random(seed);
    }

    @Override
    public Void call() throws Exception {
      for (int step = 0; step < STEPS; step++) {
        try {
          act(random.nextInt(20));
        } catch (FuseException e) {
          assertTrue(EXPECTED.contains(e.errno()), e.toString());
        }
      }
      for (FileHandle file : files) {
        file.release(client.caller);
      }
      for (DirHandle directory : directories) {
        directory.release(client.caller);
      }
      client.forgetAll();
      return null;
    }

    private long node() {
      return nodes.get(random.nextInt(nodes.size()));
    }

    private String name() {
      return "n" + random.nextInt(12);
    }

    private void know(long node) {
      if (node != 0) {
        nodes.add(node);
      }
    }

    private void act(int action) throws IOException {
      switch (action) {
        case 0:
          know(client.mkdir(node(), name()));
          break;
        case 1:
          know(client.mkfile(node(), name()));
          break;
        case 2:
          know(client.symlink(node(), name(), "target"));
          break;
        case 3:
          know(client.link(node(), node(), name()));
          break;
        case 4:
          client.unlink(node(), name());
          break;
        case 5:
          client.rmdir(node(), name());
          break;
        case 6:
        case 7:
          client.rename(node(), name(), node(), name(), random.nextInt(5));
          break;
        case 8:
          keep(client.create(node(), name(), 2));
          break;
        case 9:
          keep(client.open(node(), random.nextInt(4) == 0 ? 01002 : 2));
          break;
        case 10:
          client.setattr(node(), Change.of().size(random.nextInt(8 * CHUNK)));
          break;
        case 11:
          client.setattr(node(), Change.of().mode(random.nextInt()).uid(3));
          break;
        case 12:
          client.setxattr(node(), "user.x", Client.bytes(random.nextInt(200), 1), 0);
          break;
        case 13:
          client.fs.removexattr(client.caller, node(), Client.name("user.x"));
          break;
        case 14:
          list();
          break;
        case 15:
          forgetSome();
          break;
        case 16:
          know(client.lookup(node(), name()));
          client.stat(node());
          break;
        default:
          useFile();
      }
    }

    private void keep(FileHandle file) throws IOException {
      files.add(file);
      if (files.size() > 8) {
        files.remove(random.nextInt(files.size())).release(client.caller);
      }
    }

    private void useFile() throws IOException {
      if (files.isEmpty()) {
        return;
      }
      FileHandle file = files.get(random.nextInt(files.size()));
      long offset = random.nextInt(8 * CHUNK);
      int length = 1 + random.nextInt(2 * CHUNK);
      switch (random.nextInt(4)) {
        case 0:
          file.write(client.caller, Client.bytes(length, 1 + random.nextInt(100)), offset);
          break;
        case 1:
          int[] modes = {0, 1, 3, 0x10, 0x11, 2};
          file.fallocate(client.caller, modes[random.nextInt(modes.length)], offset, length);
          break;
        default:
          file.read(client.caller, ByteBuffer.allocateDirect(length), offset);
      }
    }

    private void list() throws IOException {
      DirHandle directory = fs.opendir(client.caller, node(), Reply.IGNORED);
      Listing listing = new Listing(true).room(random.nextInt(20));
      directory.read(client.caller, 0, listing);
      assertEquals(new HashSet<>(listing.names).size(), listing.names.size());
      for (long node : listing.lookups) {
        client.stat(node);
        fs.forget(node, 1);
      }
      directories.add(directory);
      if (directories.size() > 4) {
        directories.remove(0).release(client.caller);
      }
    }

    private void forgetSome() {
      while (nodes.size() > 30) {
        long node = nodes.remove(1 + random.nextInt(nodes.size() - 1));
        nodes.removeIf(same -> same == node);
        client.forget(node);
      }
    }
  }

  @Test
  void leavesOneTreeAndNoLeak() throws Exception {
    long seed = System.nanoTime();
    ExecutorService pool = Executors.newFixedThreadPool(THREADS);
    try {
      List<Future<Void>> running = new ArrayList<>();
      for (int i = 0; i < THREADS; i++) {
        running.add(pool.submit(new Worker(seed + i)));
      }
      for (Future<Void> worker : running) {
        worker.get();
      }
    } catch (ExecutionException e) {
      throw new AssertionError("seed " + seed, e.getCause());
    } finally {
      pool.shutdownNow();
    }
    Client client = new Client(fs);
    Map<Long, Integer> names = new HashMap<>();
    Set<Long> directories = new HashSet<>();
    check(client, Client.ROOT, Client.ROOT, names, directories);
    long chunks = 0;
    for (Map.Entry<Long, Integer> file : names.entrySet()) {
      Attributes attributes = client.stat(file.getKey());
      assertEquals(file.getValue(), attributes.nlink);
      chunks += attributes.blocks * 512 / CHUNK;
    }
    assertEquals(CHUNKS - chunks, client.statfs().freeBlocks, "only files with names take space");
    assertEquals(INODES - names.size() - directories.size(), client.statfs().freeFiles);
    removeAll(client, Client.ROOT);
    client.forgetAll();
    assertEquals(CHUNKS, client.statfs().freeBlocks);
    assertEquals(INODES - 1, client.statfs().freeFiles);
  }

  private void check(
      Client client, long node, long parent, Map<Long, Integer> names, Set<Long> directories)
      throws IOException {
    assertTrue(directories.add(node), "a directory has one name");
    Listing listing = new Listing(false).room(Integer.MAX_VALUE);
    DirHandle handle = fs.opendir(client.caller, node, Reply.IGNORED);
    handle.read(client.caller, 0, listing);
    handle.release(client.caller);
    assertEquals(List.of(node, parent), listing.nodes.subList(0, 2));
    int subdirectories = 0;
    for (int i = 2; i < listing.names.size(); i++) {
      long child = client.lookup(node, listing.names.get(i));
      assertEquals(listing.nodes.get(i), child);
      if ((client.stat(child).mode & 0170000) == 0040000) {
        subdirectories++;
        check(client, child, node, names, directories);
      } else {
        names.merge(child, 1, Integer::sum);
      }
    }
    assertEquals(2 + subdirectories, client.stat(node).nlink);
  }

  private void removeAll(Client client, long node) throws IOException {
    for (String name : client.list(node)) {
      long child = client.lookup(node, name);
      if ((client.stat(child).mode & 0170000) == 0040000) {
        removeAll(client, child);
        client.rmdir(node, name);
      } else {
        client.unlink(node, name);
      }
    }
  }
}
