package io.github.ferrofuse.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class SlotTableTest {
  private final SlotTable<Integer> table = new SlotTable<>();

  @Test
  void anEmptyTableHasNothingAnywhere() {
    assertNull(table.get(0));
    assertNull(table.get(1 << 20));
    assertNull(table.remove(7));
  }

  @Test
  void whatWasPutStaysUntilRemoved() {
    int[] slots = {0, 255, 256, 100_000};
    for (int slot : slots) {
      table.put(slot, slot);
    }
    for (int slot : slots) {
      assertEquals(slot, table.get(slot));
      assertEquals(slot, table.remove(slot));
      assertNull(table.get(slot));
    }
  }

  @Test
  void aSlotIsReused() {
    table.put(5, 1);
    table.remove(5);
    table.put(5, 2);
    assertEquals(2, table.get(5));
  }

  @Test
  void aNegativeSlotIsRefused() {
    assertThrows(IllegalArgumentException.class, () -> table.put(-1, 1));
  }

  @Test
  void growthLosesNothingThatOthersPut() throws Exception {
    int threads = 4;
    int rounds = 2_000;
    int spread = 256; // each thread needs a chunk of its own, in the same moment
    CyclicBarrier together = new CyclicBarrier(threads);
    List<SlotTable<Integer>> tables =
        Stream.generate(() -> new SlotTable<Integer>()).limit(rounds).collect(Collectors.toList());
    ExecutorService pool = Executors.newFixedThreadPool(threads);
    try {
      List<Future<?>> all = new ArrayList<>();
      for (int t = 0; t < threads; t++) {
        int slot = t * spread;
        all.add(
            pool.submit(
                () -> {
                  for (SlotTable<Integer> shared : tables) {
                    together.await();
                    shared.put(slot, slot);
                  }
                  return null;
                }));
      }
      for (Future<?> one : all) {
        one.get();
      }
    } finally {
      pool.shutdownNow();
    }
    for (SlotTable<Integer> shared : tables) {
      for (int t = 0; t < threads; t++) {
        assertEquals(t * spread, shared.get(t * spread));
      }
    }
  }
}
