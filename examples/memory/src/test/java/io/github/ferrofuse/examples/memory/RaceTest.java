package io.github.ferrofuse.examples.memory;

import static io.github.ferrofuse.examples.memory.ChunkStore.CHUNK;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FuseException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Two calls meet at the same moment, many times. */
class RaceTest {
  private static final int ROUNDS = 5_000;

  private final ExecutorService pool = Executors.newFixedThreadPool(3);
  private final Client client = Client.of(100, 100);

  private interface Side {
    void act(int round) throws IOException;
  }

  @AfterEach
  void stop() {
    pool.shutdownNow();
  }

  /**
   * Runs both sides once in each round, as nearly at once as two processors can, with checks around
   * it.
   */
  private void race(Side before, Side left, Side right, Side after) throws Exception {
    AtomicInteger arrived = new AtomicInteger();
    Future<?> other = pool.submit(() -> run(right, arrived));
    for (int round = 0; round < ROUNDS; round++) {
      before.act(round);
      await(arrived, 4 * round + 1); // the other side waits for this one
      arrived.incrementAndGet();
      left.act(round);
      await(arrived, 4 * round + 3);
      after.act(round);
      arrived.incrementAndGet();
      if (other.isDone()) {
        break; // it failed
      }
    }
    other.get();
  }

  private static Void run(Side side, AtomicInteger arrived) throws IOException {
    for (int round = 0; round < ROUNDS; round++) {
      await(arrived, 4 * round);
      arrived.incrementAndGet();
      await(arrived, 4 * round + 2);
      try {
        side.act(round);
      } finally {
        arrived.incrementAndGet();
      }
    }
    return null;
  }

  private static void await(AtomicInteger arrived, int count) {
    for (int spins = 0; arrived.get() < count; spins++) {
      if (spins < 2000) {
        Thread.onSpinWait();
      } else {
        Thread.yield(); // there may be one processor only
      }
    }
  }

  private static boolean succeeds(Side side, Errno otherwise) throws IOException {
    try {
      side.act(0);
      return true;
    } catch (FuseException e) {
      assertEquals(otherwise, e.errno());
      return false;
    }
  }

  private static long make(Client client, String name) throws IOException {
    Attributes out = new Attributes();
    client.fs.mknod(Caller.ROOT, Client.ROOT, Client.name(name), 0100644, 0, out);
    return out.node;
  }

  @Test
  void ofTwoThatMakeANameOneWins() throws Exception {
    AtomicInteger winners = new AtomicInteger();
    Side side =
        round -> {
          if (succeeds(again -> make(client, "file"), Errno.EEXIST)) {
            winners.incrementAndGet();
          }
        };
    race(
        round -> winners.set(0),
        side,
        side,
        round -> {
          assertEquals(1, winners.get());
          assertEquals(List.of("file"), client.list(Client.ROOT));
          long node = client.lookup(Client.ROOT, "file");
          client.unlink(Client.ROOT, "file");
          client.fs.forget(node, 1); // the winner's
          client.forgetAll();
          assertEquals(99, client.statfs().freeFiles, "round " + round);
        });
  }

  @Test
  void twoThatForgetFreeOnce() throws Exception {
    long[] node = new long[1];
    Side forgetsTen =
        round -> {
          for (int i = 0; i < 10; i++) {
            client.fs.forget(node[0], 1);
          }
        };
    race(
        round -> {
          node[0] = make(client, "file");
          client.write(node[0], Client.bytes("x"), 0);
          for (int i = 1; i < 20; i++) {
            client.lookup(Client.ROOT, "file");
          }
          client.unlink(Client.ROOT, "file");
        },
        forgetsTen,
        forgetsTen,
        round -> {
          assertEquals(99, client.statfs().freeFiles, "round " + round);
          assertEquals(100, client.statfs().freeBlocks, "round " + round);
        });
  }

  @Test
  void whatIsLookedUpStaysAlthoughItIsUnlinked() throws Exception {
    race(
        round -> client.fs.forget(make(client, "file"), 1),
        round -> client.unlink(Client.ROOT, "file"),
        round -> {
          Attributes out = new Attributes();
          if (client.fs.lookup(Caller.ROOT, Client.ROOT, Client.name("file"), out)) {
            client.fs.getattr(Caller.ROOT, out.node, null, out);
            client.fs.forget(out.node, 1);
          }
        },
        round -> assertEquals(99, client.statfs().freeFiles, "round " + round));
  }

  @Test
  void oneOfTwoRenamesOfANameWins() throws Exception {
    AtomicInteger winners = new AtomicInteger();
    race(
        round -> {
          winners.set(0);
          client.fs.forget(make(client, "file"), 1);
        },
        round -> winners.addAndGet(renames("left") ? 1 : 0),
        round -> winners.addAndGet(renames("right") ? 1 : 0),
        round -> {
          assertEquals(1, winners.get());
          List<String> names = client.list(Client.ROOT);
          assertEquals(1, names.size());
          client.unlink(Client.ROOT, names.get(0));
          assertEquals(99, client.statfs().freeFiles);
        });
  }

  private boolean renames(String newName) throws IOException {
    return succeeds(
        again ->
            client.fs.rename(
                Caller.ROOT,
                Client.ROOT,
                Client.name("file"),
                Client.ROOT,
                Client.name(newName),
                0),
        Errno.ENOENT);
  }

  @Test
  void bothThatCreateOpenOneFile() throws Exception {
    FileHandle[] handles = new FileHandle[2];
    Attributes[] out = {new Attributes(), new Attributes()};
    race(
        round -> {},
        round -> handles[0] = create(out[0]),
        round -> handles[1] = create(out[1]),
        round -> {
          assertEquals(out[0].node, out[1].node);
          client.unlink(Client.ROOT, "file");
          client.fs.forget(out[0].node, 2);
          handles[0].release(Caller.ROOT);
          assertEquals(98, client.statfs().freeFiles);
          handles[1].release(Caller.ROOT);
          assertEquals(99, client.statfs().freeFiles);
        });
  }

  private FileHandle create(Attributes out) throws IOException {
    return client.fs.create(
        Caller.ROOT, Client.ROOT, Client.name("file"), 0100644, 2, out, Reply.IGNORED);
  }

  /** Each write fills a whole range with one value, so a reader never sees two. */
  @Test
  void aReadSeesAllOfAWriteOrNothing() throws Exception {
    FileHandle file = client.create(Client.ROOT, "file", 2);
    int length = 3 * CHUNK;
    client.write(file, Client.bytes(length, 1), 100);
    AtomicBoolean done = new AtomicBoolean();
    AtomicInteger writes = new AtomicInteger();
    for (int value = 2; value < 4; value++) {
      ByteBuffer data = Client.bytes(length, value);
      Callable<Void> writer =
          () -> {
            while (!done.get()) {
              file.write(Caller.ROOT, data.clear(), 100);
              writes.incrementAndGet();
            }
            return null;
          };
      pool.submit(writer);
    }
    ByteBuffer data = ByteBuffer.allocateDirect(length);
    byte[] expected = new byte[length];
    for (int reads = 0; reads < ROUNDS || writes.get() < ROUNDS; reads++) {
      assertEquals(length, file.read(Caller.ROOT, data.clear(), 100));
      Arrays.fill(expected, data.get(0));
      assertEquals(-1, ByteBuffer.wrap(expected).mismatch(data.flip()));
    }
    done.set(true);
    assertTrue(pool.shutdownNow().isEmpty());
  }
}
