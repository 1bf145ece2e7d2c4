package io.github.ferrofuse.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.Name;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PathStringsTest {
  private static final int OFFSET = 3;

  private final ByteBuffer page = ByteBuffer.allocateDirect(8192).order(ByteOrder.nativeOrder());

  private String get(PathStrings strings, String text) {
    byte[] bytes = Name.of(text).toBytes();
    page.put(OFFSET, bytes);
    return strings.get(page, OFFSET, bytes.length);
  }

  @Test
  void theSameBytesAreTheSameString() {
    PathStrings strings = new PathStrings(500);
    String first = get(strings, "/a/b");
    assertEquals("/a/b", first);
    assertSame(first, get(strings, "/a/b"));
    assertEquals(1, strings.hits());
    assertEquals(1, strings.misses());
    assertEquals(1, strings.size());
  }

  @Test
  void pathsThatDifferInOneByteOrInLengthAreTold() {
    PathStrings strings = new PathStrings(500);
    String path = "/directory/file-number-0";
    get(strings, path);
    for (int i = 1; i < path.length(); i++) {
      String other = path.substring(0, i) + '#' + path.substring(i + 1);
      assertEquals(other, get(strings, other));
      assertEquals(path.substring(0, i), get(strings, path.substring(0, i)));
    }
    assertEquals(path, get(strings, path));
  }

  @Test
  void bytesThatAreNoTextComeBackAsThemselves() {
    byte[] bytes = {'/', (byte) 0xff, (byte) 0xc3, 'x'};
    page.put(OFFSET, bytes);
    String text = new PathStrings(1).get(page, OFFSET, bytes.length);
    assertEquals(Name.of(bytes), Name.of(text));
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 3, 4, 500})
  void noMoreAreKeptThanItsCapacity(int capacity) {
    PathStrings strings = new PathStrings(capacity);
    for (int round = 0; round < 3; round++) {
      for (int i = 0; i < 2000; i++) {
        assertEquals("/file" + i, get(strings, "/file" + i));
      }
    }
    assertTrue(strings.size() <= capacity, () -> strings.size() + " are kept");
    assertTrue(strings.capacity() <= capacity && strings.capacity() > capacity - 4);
    assertEquals(6000, strings.hits() + strings.misses());
  }

  @Test
  void withoutCapacityEachStringIsAnother() {
    PathStrings strings = new PathStrings(0);
    assertNotSame(get(strings, "/a"), get(strings, "/a"));
  }

  @Test
  void whatIsUsedTogetherStaysTogether() {
    PathStrings strings = new PathStrings(500);
    for (int round = 0; round < 10; round++) {
      for (int i = 0; i < 200; i++) {
        get(strings, "/dir/file" + i);
      }
    }
    assertTrue(strings.hits() > 1700, () -> strings.hits() + " hits of 2000");
  }

  @Test
  void threadsGetWhatTheyAskFor() throws InterruptedException {
    PathStrings strings = new PathStrings(8);
    AtomicInteger wrong = new AtomicInteger();
    Thread[] threads =
        IntStream.range(0, 4)
            .mapToObj(n -> new Thread(() -> wrong.addAndGet(wrongAnswers(strings, n))))
            .toArray(Thread[]::new);
    for (Thread thread : threads) {
      thread.start();
    }
    for (Thread thread : threads) {
      thread.join();
    }
    assertEquals(0, wrong.get());
  }

  private static int wrongAnswers(PathStrings strings, int seed) {
    ByteBuffer own = ByteBuffer.allocateDirect(64).order(ByteOrder.nativeOrder());
    int wrong = 0;
    for (int i = 0; i < 20_000; i++) {
      String path = "/file" + (i * 7 + seed) % 16;
      byte[] bytes = path.getBytes();
      own.put(0, bytes);
      wrong += path.equals(strings.get(own, 0, bytes.length)) ? 0 : 1;
    }
    return wrong;
  }
}
