package io.github.ferrofuse.examples.mirror;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.Name;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class GuessesTest {
  private final Guesses guesses = new Guesses(1000);

  @Test
  void aNameLeadsWhereItLedLastInItsDirectory() {
    guesses.put(1, Name.of("name"), 7);
    guesses.put(2, Name.of("name"), 8);
    guesses.put(1, Name.of("other"), 9);
    assertEquals(7, guesses.get(1, Name.of("name")));
    assertEquals(8, guesses.get(2, Name.of("name")));
    assertEquals(NodeTable.NONE, guesses.get(3, Name.of("name")));
    guesses.put(1, Name.of("name"), 10);
    assertEquals(10, guesses.get(1, Name.of("name")));
  }

  @Test
  void mostOfAsManyNamesAsItIsForAreFound() {
    for (int i = 0; i < 1000; i++) {
      guesses.put(1 + i / 100, Name.of("file" + i), 1 + i);
    }
    long found =
        IntStream.range(0, 1000)
            .filter(i -> guesses.get(1 + i / 100, Name.of("file" + i)) == 1 + i)
            .count();
    assertTrue(found > 500, "only " + found);
  }

  @Test
  void thereIsRoomForOneEvenWhereNoneIsWanted() {
    Guesses few = new Guesses(0);
    few.put(1, Name.of("name"), 7);
    assertEquals(7, few.get(1, Name.of("name")));
  }
}
