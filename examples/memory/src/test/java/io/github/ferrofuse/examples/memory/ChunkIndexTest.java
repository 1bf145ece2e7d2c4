package io.github.ferrofuse.examples.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Random;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

class ChunkIndexTest {
  private static final long[] BASES = {0, 0, 1L << 26, (1L << 48) - 300};

  @Test
  void behavesAsAMap() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    ChunkIndex index = new ChunkIndex();
    TreeMap<Long, Integer> model = new TreeMap<>();
    for (int step = 0; step < 20_000; step++) {
      String where = "seed " + seed + ", step " + step;
      long key = BASES[random.nextInt(BASES.length)] + random.nextInt(300);
      if (random.nextInt(20) > 0) {
        if (!model.containsKey(key)) {
          index.put(key, step);
          model.put(key, step);
        }
      } else {
        long to = to(random, key);
        SortedMap<Long, Integer> range = model.subMap(key, to);
        assertEquals(range.size(), index.count(key, to), where);
        TreeSet<Integer> removed = new TreeSet<>();
        index.remove(key, to, removed::add);
        assertEquals(new TreeSet<>(range.values()), removed, where);
        range.clear();
      }
      assertEquals(model.size(), index.size(), where);
      long probe = BASES[random.nextInt(BASES.length)] + random.nextInt(300);
      assertEquals(model.getOrDefault(probe, ChunkStore.NONE), index.get(probe), where);
      Long next = model.ceilingKey(probe);
      assertEquals(next == null ? Long.MAX_VALUE : next, index.next(probe), where);
      if (step % 500 == 0) {
        model.forEach((k, chunk) -> assertEquals(chunk, index.get(k), where));
      }
    }
  }

  private static long to(Random random, long key) {
    switch (random.nextInt(4)) {
      case 0:
        return Long.MAX_VALUE;
      case 1:
        return key + (1L << 40);
      default:
        return key + random.nextInt(50);
    }
  }
}
