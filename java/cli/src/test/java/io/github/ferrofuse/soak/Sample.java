package io.github.ferrofuse.soak;

import java.io.IOException;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * What this process holds at one moment: everything that a mount takes and must give back.
 *
 * @param threads live threads of the JVM
 * @param descriptors open files
 * @param direct bytes of direct buffers
 * @param heap bytes of the heap that a collection left
 * @param rss bytes of memory that the kernel counts
 * @param connections of FUSE, in this mount name space
 */
record Sample(int threads, int descriptors, long direct, long heap, long rss, int connections) {
  private static final long MIB = 1 << 20;
  private static final Duration SETTLES = Duration.ofSeconds(10);

  /**
   * How much more there may be after a while: the threads of a mount and their leases, which come
   * as they are needed, what the JVM compiles and loads, and files that it happens to read.
   */
  static final Sample TOLERANCE = new Sample(4, 2, 6 * MIB, 6 * MIB, 32 * MIB, 0);

  /** Heading of {@link #toString}. */
  static final String HEADING =
      String.format(
          "%8s %8s %11s %9s %9s %12s",
          "threads", "files", "direct KiB", "heap KiB", "rss KiB", "connections");

  /** Collects garbage, so that only what is held counts, and looks. */
  static Sample take() throws IOException, InterruptedException {
    collect();
    return new Sample(
        ManagementFactory.getThreadMXBean().getThreadCount(),
        count(Path.of("/proc/self/fd")),
        directBytes(),
        ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed(),
        residentBytes(),
        fuseConnections());
  }

  /**
   * What is held once everything has settled: if there is more than before, it looks again for a
   * while, because threads end and buffers are freed some time after the mount has ended.
   */
  static Sample settled(Sample before) throws IOException, InterruptedException {
    long end = System.nanoTime() + SETTLES.toNanos();
    Sample now = take();
    while (!now.growthSince(before).isEmpty() && System.nanoTime() < end) {
      Thread.sleep(100);
      now = take();
    }
    return now;
  }

  /** Direct buffers are freed by a thread of their own after the collection that found them. */
  private static void collect() throws InterruptedException {
    int unchanged = 0;
    long before = directBytes();
    while (unchanged < 2) {
      System.gc();
      Thread.sleep(20);
      long now = directBytes();
      unchanged = now < before ? 0 : unchanged + 1;
      before = now;
    }
  }

  private static long directBytes() {
    for (BufferPoolMXBean pool : ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class)) {
      if (pool.getName().equals("direct")) {
        return pool.getMemoryUsed();
      }
    }
    throw new AssertionError("the JVM counts no direct buffers");
  }

  private static int count(Path directory) throws IOException {
    try (Stream<Path> all = Files.list(directory)) {
      return (int) all.count();
    }
  }

  private static long residentBytes() throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
      if (line.startsWith("VmRSS:")) {
        return Long.parseLong(line.replaceAll("\\D", "")) * 1024;
      }
    }
    throw new AssertionError("no VmRSS in /proc/self/status");
  }

  /**
   * Those with a mount here; one without would need an open file. Not by the control file system:
   * it shows those of other programs, too.
   */
  private static int fuseConnections() throws IOException {
    try (Stream<String> mounts = Files.lines(Path.of("/proc/self/mountinfo"))) {
      return (int) mounts.filter(line -> line.contains(" - fuse")).count();
    }
  }

  /** What there is more of than before, beyond the tolerance. */
  List<String> growthSince(Sample before) {
    List<String> grown = new ArrayList<>();
    compare("threads", threads, before.threads, TOLERANCE.threads, grown);
    compare("open files", descriptors, before.descriptors, TOLERANCE.descriptors, grown);
    compare("direct memory", direct, before.direct, TOLERANCE.direct, grown);
    compare("heap", heap, before.heap, TOLERANCE.heap, grown);
    compare("resident memory", rss, before.rss, TOLERANCE.rss, grown);
    compare("connections", connections, before.connections, TOLERANCE.connections, grown);
    return grown;
  }

  private static void compare(
      String what, long now, long before, long tolerance, List<String> grown) {
    if (now > before + tolerance) {
      grown.add(what + " grew from " + before + " to " + now + ", tolerated: " + tolerance);
    }
  }

  @Override
  public String toString() {
    return String.format(
        "%8d %8d %11d %9d %9d %12d",
        threads, descriptors, direct / 1024, heap / 1024, rss / 1024, connections);
  }
}
