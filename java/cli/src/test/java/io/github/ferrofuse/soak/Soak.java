package io.github.ferrofuse.soak;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Runs the soaks, each in a JVM of its own with little memory, and prints their tables.
 *
 * <p>{@code gradle soak -Pcycles=1000 -Pminutes=30} is the long form, with a load under each
 * collector; {@link SoakTest} the short one. Must run in a mount name space of its own.
 */
final class Soak {
  static final List<String> COLLECTORS =
      List.of("-XX:+UseG1GC", "-XX:+UseParallelGC", "-XX:+UseZGC");

  /** The heap is all there from the start, so that it is none of the growth that is looked for. */
  private static final List<String> SMALL =
      List.of(
          "-Xms64m",
          "-Xmx64m",
          "-XX:+AlwaysPreTouch",
          "-XX:MaxDirectMemorySize=96m",
          "-Dorg.slf4j.simpleLogger.defaultLogLevel=error");

  private Soak() {}

  /** Arguments: how many cycles, and how many minutes of load under each collector. */
  public static void main(String[] arguments) throws Exception {
    Map<String, Process> failed = new LinkedHashMap<>();
    Process cycles = inherit(cycles(Integer.parseInt(arguments[0])));
    if (cycles.waitFor() != 0) {
      failed.put("cycles", cycles);
    }
    for (String collector : COLLECTORS) {
      System.out.println("load under " + collector);
      Process load = inherit(load(collector, Integer.parseInt(arguments[1]) * 60));
      if (load.waitFor() != 0) {
        failed.put("load under " + collector, load);
      }
    }
    System.out.println(failed.isEmpty() ? "soak: passed" : "soak: failed: " + failed.keySet());
    System.exit(failed.isEmpty() ? 0 : 1);
  }

  static ProcessBuilder cycles(int cycles) {
    return program(Cycles.class, COLLECTORS.get(0), cycles);
  }

  static ProcessBuilder load(String collector, int seconds) {
    return program(Load.class, collector, seconds);
  }

  private static ProcessBuilder program(Class<?> program, String collector, int argument) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(SMALL);
    command.add(collector);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), program.getName()));
    command.add("" + argument);
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    // Once glibc has seen a large block freed, it puts such blocks into the heaps of single threads
    // and keeps what is free there: resident memory then follows the luck of the threads that
    // made the buffers. With a fixed threshold it goes back to the kernel, and only leaks are left.
    builder.environment().put("MALLOC_MMAP_THRESHOLD_", "131072");
    return builder;
  }

  private static Process inherit(ProcessBuilder builder) throws IOException {
    return builder.inheritIO().start();
  }
}
