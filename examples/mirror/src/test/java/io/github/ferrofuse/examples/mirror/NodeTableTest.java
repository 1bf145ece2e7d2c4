package io.github.ferrofuse.examples.mirror;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

class NodeTableTest {
  private final NodeTable table = new NodeTable();

  /** A file whose proof has some bytes, which differ by a seed. */
  private static Identity file(int mount, long ino, int length, long seed) {
    Identity file = new Identity();
    file.mount = mount;
    file.ino = ino;
    byte[] proof = new byte[length];
    new Random(seed).nextBytes(proof);
    System.arraycopy(proof, 0, file.proof, 0, length);
    file.length = length;
    return file;
  }

  @Test
  void theFirstNodeIsOne() {
    assertEquals(1, table.add(file(0, 128, 12, 0)));
  }

  @Test
  void behavesAsAMap() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    Map<List<Object>, Long> model = new HashMap<>();
    Set<Long> former = new HashSet<>();
    for (int step = 0; step < 200_000; step++) {
      String at = "seed " + seed + ", step " + step;
      int mount = random.nextInt(2);
      long ino = random.nextInt(500) + ((long) random.nextInt(2) << 40);
      int length = new int[] {8, 12, 24, 25, 40, 132}[random.nextInt(6)];
      long generation = random.nextInt(2);
      Identity file = file(mount, ino, length, generation);
      List<Object> key = List.of(mount, ino, length, generation);
      Long node = model.get(key);
      assertEquals(node == null ? NodeTable.NONE : node, table.find(file), at);
      if (node == null) {
        node = table.add(file);
        assertTrue(former.add(node), at + ": node " + node + " was another file");
        model.put(key, node);
      } else if (random.nextBoolean()) {
        table.remove(node);
        model.remove(key);
        assertFalse(table.contains(node), at);
        continue;
      }
      assertTrue(table.contains(node), at);
      assertEquals(ino, table.ino(node), at);
      assertEquals(mount, table.mount(node), at);
      Identity told = new Identity();
      table.identify(node, told);
      assertArrayEquals(Arrays.copyOf(file.proof, length), Arrays.copyOf(told.proof, told.length));
      assertEquals(model.size(), table.size(), at);
    }
  }

  @Test
  void filesOfOneNumberAreFoundOneAfterTheOther() {
    List<Long> nodes = new ArrayList<>();
    for (int generation = 0; generation < 5; generation++) {
      nodes.add(table.add(file(3, 77, 12, generation)));
      table.add(file(4, 77, 12, generation));
      table.add(file(3, 78, 12, generation));
    }
    List<Long> found = new ArrayList<>();
    for (long node = table.next(3, 77, NodeTable.NONE);
        node != NodeTable.NONE;
        node = table.next(3, 77, node)) {
      found.add(node);
    }
    assertEquals(nodes, found);
  }

  @Test
  void aNodeThatIsForgottenMeansNothingAfterItsPlaceIsTaken() {
    long node = table.add(file(0, 1, 12, 0));
    table.remove(node);
    long next = table.add(file(0, 2, 12, 0));
    assertNotEquals(node, next);
    assertFalse(table.contains(node));
    assertTrue(table.contains(next));
  }

  @Test
  void whatNobodyGaveOutIsNoNode() {
    table.add(file(0, 1, 12, 0));
    for (long node : new long[] {0, 2, -1, 1L << 32 | 1, Long.MAX_VALUE, Long.MIN_VALUE}) {
      assertFalse(table.contains(node), "node " + node);
    }
  }

  @Test
  void lookupsAreCountedAndNeverFewerThanNone() {
    long node = table.add(file(0, 1, 12, 0));
    assertEquals(3, table.addLookups(node, 3));
    assertEquals(1, table.addLookups(node, -2));
    assertThrows(IllegalStateException.class, () -> table.addLookups(node, -2));
  }
}
