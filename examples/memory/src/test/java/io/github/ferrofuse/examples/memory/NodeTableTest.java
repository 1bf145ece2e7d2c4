package io.github.ferrofuse.examples.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

class NodeTableTest {
  private static Inode inode(long number) {
    return new SpecialFile(number, 0010644, 0, 0, 0, 0);
  }

  @Test
  void behavesAsAMap() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    NodeTable table = new NodeTable(1000);
    Map<Long, Inode> model = new HashMap<>();
    for (int step = 0; step < 100_000; step++) {
      long number = random.nextInt(2000);
      Inode present = model.get(number);
      assertSame(present, table.get(number), "seed " + seed + ", step " + step);
      if (present != null) {
        table.remove(present);
        model.remove(number);
      } else {
        Inode added = inode(number);
        boolean fits = model.size() < 1000;
        assertEquals(fits, table.add(added));
        if (fits) {
          model.put(number, added);
        }
      }
      assertEquals(model.size(), table.size());
    }
  }

  @Test
  void findsWhatStaysWhileOthersComeAndGo() throws InterruptedException {
    NodeTable table = new NodeTable(100_000);
    for (long number = 0; number < 1000; number += 10) {
      table.add(inode(number));
    }
    AtomicReference<Throwable> failure = new AtomicReference<>();
    Thread reader =
        new Thread(
            () -> {
              while (!Thread.currentThread().isInterrupted()) {
                for (long number = 0; number < 1000; number += 10) {
                  Inode found = table.get(number);
                  if (found == null || found.number != number) {
                    failure.set(new AssertionError(number + " was found as " + found));
                    return;
                  }
                }
              }
            });
    reader.start();
    Random random = new Random(1);
    for (int round = 0; round < 300; round++) {
      Inode[] added = new Inode[random.nextInt(3000)];
      for (int i = 0; i < added.length; i++) {
        added[i] = inode(1001 + i);
        assertTrue(table.add(added[i]));
      }
      for (Inode inode : added) {
        table.remove(inode);
      }
    }
    reader.interrupt();
    reader.join();
    assertNull(failure.get());
    assertEquals(100, table.size());
    assertFalse(table.get(5) != null);
  }
}
