package io.github.ferrofuse.soak;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Nothing grows with the number of mounts and with time: the short form of {@link Soak}. */
@Tag("soak")
@Timeout(value = 90, threadMode = SEPARATE_THREAD)
class SoakTest {
  private static final int CYCLES = 60;
  private static final int SECONDS = 12;

  @Test
  void nothingIsLeftOfMountsThatWereUsedAndUnmounted() throws Exception {
    assertSucceeds(Soak.cycles(CYCLES));
  }

  @ParameterizedTest
  @ValueSource(strings = {"-XX:+UseG1GC", "-XX:+UseParallelGC", "-XX:+UseZGC"})
  void aMountUnderLoadStaysAsItIs(String collector) throws Exception {
    assertSucceeds(Soak.load(collector, SECONDS));
  }

  private static void assertSucceeds(ProcessBuilder builder)
      throws IOException, InterruptedException {
    Process process = builder.start();
    try {
      String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      System.out.print(output);
      assertEquals(0, process.waitFor(), output);
    } finally {
      process.destroy(); // Its shutdown hook unmounts.
      process.waitFor(10, TimeUnit.SECONDS);
      process.destroyForcibly();
    }
  }
}
