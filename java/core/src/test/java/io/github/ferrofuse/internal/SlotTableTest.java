package io.github.ferrofuse.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
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
  void growthLosesNothingThatOthersPut() throws InterruptedException {
    int threads = 4;
    int slots = 50_000;
    CountDownLatch start = new CountDownLatch(1);
    AtomicReference<Throwable> failure = new AtomicReference<>();
    Thread[] workers = new Thread[threads];
    for (int t = 0; t < threads; t++) {
      int first = t;
      workers[t] =
          new Thread(
              () -> {
                try {
                  start.await();
                  for (int slot = first; slot < slots; slot += threads) {
                    table.put(slot, slot);
                    assertEquals(slot, table.get(slot));
                  }
                } catch (Throwable e) {
                  failure.set(e);
                }
              });
      workers[t].start();
    }
    start.countDown();
    for (Thread worker : workers) {
      worker.join();
    }
    assertNull(failure.get());
    for (int slot = 0; slot < slots; slot++) {
      assertEquals(slot, table.get(slot));
    }
  }
}
