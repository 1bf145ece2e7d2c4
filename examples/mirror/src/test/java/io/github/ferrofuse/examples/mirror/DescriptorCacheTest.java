package io.github.ferrofuse.examples.mirror;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class DescriptorCacheTest {
  /** None of these is open: the cache closes nothing. */
  private static Descriptor of(long node) {
    return new Descriptor(null, null, node);
  }

  @Test
  void whatWasNotTouchedGoesFirst() {
    DescriptorCache cache = new DescriptorCache(3);
    for (long node = 1; node <= 3; node++) {
      assertNull(cache.add(of(node)));
    }
    cache.get(1).touched = true;
    cache.get(3).touched = true;
    assertEquals(2, cache.add(of(4)).node);
    assertNull(cache.get(2));
    assertNotNull(cache.get(1));
  }

  @Test
  void whatIsInUseOrPinnedStays() {
    DescriptorCache cache = new DescriptorCache(2);
    cache.add(of(1));
    cache.get(1).uses++;
    cache.add(of(2));
    cache.pin(cache.get(2));
    assertNull(cache.add(of(3)));
    assertEquals(3, cache.add(of(4)).node);
    cache.get(4).uses++;
    assertNull(cache.add(of(5)), "both are in use, and it takes one more");
    for (long node : new long[] {1, 2, 4, 5}) {
      assertNotNull(cache.get(node), "node " + node);
    }
    assertEquals(5, cache.unpin(cache.get(2)).node);
  }

  @Test
  void aDescriptorIsNotThatOfAnotherUseOfItsSlot() {
    DescriptorCache cache = new DescriptorCache(2);
    cache.add(of(1L << 32 | 7));
    assertNull(cache.get(7));
    assertNull(cache.get(2L << 32 | 7));
  }

  @Test
  void whatShrinksClosesAQuarterAndNeverAll() {
    DescriptorCache cache = new DescriptorCache(100);
    for (long node = 1; node <= 8; node++) {
      cache.add(of(node));
    }
    for (int left : new int[] {6, 5, 4, 3, 2, 1, 1}) {
      cache.shrink();
      while (cache.isOverfull()) {
        assertNotNull(cache.evict());
      }
      assertEquals(left, cache.size());
    }
  }

  @Test
  void behavesAsABoundedMap() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    DescriptorCache cache = new DescriptorCache(50);
    Map<Long, Descriptor> model = new HashMap<>();
    for (int step = 0; step < 100_000; step++) {
      long node = random.nextInt(200);
      Descriptor present = model.get(node);
      assertSame(present, cache.get(node), "seed " + seed + ", step " + step);
      Descriptor evicted = null;
      if (present == null) {
        Descriptor added = of(node);
        model.put(node, added);
        evicted = cache.add(added);
      } else if (random.nextInt(4) == 0) {
        cache.remove(present);
        model.remove(node);
      } else if (present.pins == 0) {
        cache.pin(present);
      } else {
        evicted = cache.unpin(present);
      }
      if (evicted != null) {
        assertEquals(0, evicted.pins);
        model.remove(evicted.node);
      }
      assertTrue(cache.size() <= 50, "seed " + seed + ", step " + step);
      assertEquals(model.size(), cache.all().size());
    }
  }
}
