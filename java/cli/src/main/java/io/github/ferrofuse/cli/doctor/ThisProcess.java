package io.github.ferrofuse.cli.doctor;

import com.sun.management.HotSpotDiagnosticMXBean;
import java.lang.management.ManagementFactory;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The JVM, its limits, and the native library as it is loaded. */
final class ThisProcess {
  private static final String MAPS = "/proc/self/maps";

  /** Open files that a server of many clients should be allowed. */
  private static final long MANY_FILES = 1024;

  /** Locked memory that io_uring may need for registered buffers. */
  private static final long LOCKED = 8L << 20;

  /** Memory of a request in flight: its largest transfer, and a page or two. */
  private static final long LEASE = (1 << 20) + 8192;

  private static final Pattern GLIBC =
      Pattern.compile("GNU C Library [^\\n]* release version (\\d+\\.\\d+)");
  private static final Pattern NEEDED = Pattern.compile("GLIBC_(\\d+)\\.(\\d+)");

  private ThisProcess() {}

  /** After the library was loaded, or could not be. */
  static List<Finding> examine(Machine machine) {
    return List.of(
        openFiles(machine),
        lockedMemory(machine),
        java(),
        directMemory(maxDirectMemory(), defaultThreads()),
        library(machine),
        cLibrary(machine));
  }

  /** As many as a mount has before its file system blocks: two per processor, 4 to 16. */
  private static int defaultThreads() {
    return Math.min(16, Math.max(4, 2 * Runtime.getRuntime().availableProcessors()));
  }

  static Finding openFiles(Machine machine) {
    return limit(
        machine, "RLIMIT_NOFILE", "Max open files", "files open at once", MANY_FILES, "ulimit -n");
  }

  static Finding lockedMemory(Machine machine) {
    return limit(
        machine,
        "RLIMIT_MEMLOCK",
        "Max locked memory",
        "bytes of memory locked, which io_uring will need",
        LOCKED,
        "ulimit -l");
  }

  private static Finding limit(
      Machine machine, String name, String row, String what, long enough, String command) {
    Optional<String> limit = machine.limit(row);
    if (limit.isEmpty()) {
      return Finding.unknown(name, "/proc/self/limits doesn't tell");
    }
    String text = limit.get() + " " + what;
    if (limit.get().equals("unlimited") || Long.parseUnsignedLong(limit.get()) >= enough) {
      return Finding.ok(name, text);
    }
    long argument = command.endsWith("-l") ? enough >> 10 : enough;
    return Finding.off(name, text + ": " + command + " " + argument + " before Java starts");
  }

  private static Finding java() {
    return Finding.ok(
        "Java", Runtime.version() + ", " + System.getProperty("java.vm.name", "unknown"));
  }

  /** Bytes that {@code ByteBuffer.allocateDirect} may take; by default as much as the heap. */
  private static long maxDirectMemory() {
    long option = 0;
    try {
      HotSpotDiagnosticMXBean bean =
          ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class);
      option = Long.parseLong(bean.getVMOption("MaxDirectMemorySize").getValue());
    } catch (RuntimeException | NoClassDefFoundError e) {
      // Another JVM, or a runtime without the module jdk.management.
    }
    return option > 0 ? option : Runtime.getRuntime().maxMemory();
  }

  static Finding directMemory(long most, int threads) {
    long needed = threads * LEASE;
    String text =
        String.format(
            "%d MiB, of which a mount with %d threads takes %d and 1 more for each call that waits",
            most >> 20, threads, needed + (1 << 20) - 1 >> 20);
    return most >= 2 * needed
        ? Finding.ok("direct memory", text)
        : Finding.off(
            "direct memory",
            text + ": java -XX:MaxDirectMemorySize=" + (2 * needed >> 20) + "m, or fewer threads=");
  }

  /** What is mapped is what was loaded. */
  static Finding library(Machine machine) {
    Optional<String> file = mapped(machine, "/libferrofuse[^/]*\\.so( \\(deleted\\))?");
    return file.map(path -> Finding.ok("native library", path))
        .orElseGet(() -> Finding.no("native library", "not loaded: see mounting"));
  }

  static Finding cLibrary(Machine machine) {
    String name = "C library";
    Optional<String> musl = mapped(machine, "/(ld-musl-[^/]*|libc\\.musl-[^/]*)");
    if (musl.isPresent()) {
      return Finding.ok(name, "musl, " + musl.get());
    }
    Optional<String> file = mapped(machine, "/libc[.-][^/]*");
    if (file.isEmpty()) {
      return Finding.unknown(name, "none is mapped into this process");
    }
    Matcher version = GLIBC.matcher(machine.text(file.get()).orElse(""));
    String text = version.find() ? "glibc " + version.group(1) : file.get();
    return Finding.ok(name, text + needs(machine));
  }

  /** The newest version whose symbols the native library refers to. */
  private static String needs(Machine machine) {
    return mapped(machine, "/libferrofuse[^/]*\\.so")
        .flatMap(machine::text)
        .flatMap(
            bytes ->
                NEEDED
                    .matcher(bytes)
                    .results()
                    .max(Comparator.comparingInt(ThisProcess::rank))
                    .map(newest -> ", the native library needs " + newest.group().substring(6)))
        .orElse("");
  }

  private static int rank(MatchResult version) {
    return Integer.parseInt(version.group(1)) * 1000 + Integer.parseInt(version.group(2));
  }

  /** The first file of that name (a pattern) that is mapped into this process. */
  private static Optional<String> mapped(Machine machine, String name) {
    // address perms offset dev inode path: proc_pid_maps(5)
    Pattern line = Pattern.compile("(?:\\S+ +){5}(/.*" + name + ")");
    return machine.lines(MAPS).stream()
        .map(line::matcher)
        .filter(Matcher::matches)
        .map(match -> match.group(1))
        .findFirst();
  }
}
