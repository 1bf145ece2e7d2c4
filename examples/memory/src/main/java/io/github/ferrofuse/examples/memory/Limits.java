package io.github.ferrofuse.examples.memory;

import com.sun.management.HotSpotDiagnosticMXBean;
import java.lang.management.ManagementFactory;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How much a memory file system may hold.
 *
 * @param capacity bytes of file contents, in direct memory, which is allocated as it is needed
 * @param inodes number of files of any type
 * @param metadata bytes of the Java heap for inodes, names, symbolic links' targets and extended
 *     attributes (an estimate)
 */
public record Limits(long capacity, long inodes, long metadata) {
  /** What is left of the JVM's direct memory for buffers of the binding and others. */
  private static final long HEADROOM = 16L << 20;

  private static final long DEFAULT_CAPACITY = 2L << 30;
  private static final long MAX_INODES = 1L << 29;
  private static final long HEAP_PER_FILE = 1024;
  private static final Pattern SIZE = Pattern.compile("(\\d{1,18})([kmgt]?)");

  /**
   * Checked limits.
   *
   * @param capacity bytes of file contents
   * @param inodes number of files
   * @param metadata bytes of the Java heap
   * @throws IllegalArgumentException if the capacity is less than one chunk or more than the JVM
   *     allows, or the others are out of range
   */
  public Limits {
    long largest = largestCapacity();
    if (capacity > largest) {
      throw new IllegalArgumentException(
          String.format(
              "capacity=%d is more than the %d bytes that this JVM leaves for it: start Java with"
                  + " -XX:MaxDirectMemorySize=%dm or more",
              capacity, largest, (capacity + HEADROOM + (1 << 20) - 1) >> 20));
    }
    if (capacity < ChunkStore.CHUNK) {
      throw new IllegalArgumentException(
          "capacity=" + capacity + " is less than one chunk: ask for at least " + ChunkStore.CHUNK);
    }
    if (inodes < 1 || inodes > MAX_INODES) {
      throw new IllegalArgumentException("inodes=" + inodes + " is not from 1 to " + MAX_INODES);
    }
    if (metadata < HeapBudget.INODE) {
      throw new IllegalArgumentException("metadata=" + metadata + " is not enough for one inode");
    }
  }

  /**
   * What this JVM allows: 2 GiB for contents, or half of its direct memory if that is more, or what
   * there is of it if that is less; half of the heap for metadata, and one inode for each KiB of
   * that.
   *
   * @return the limits
   */
  public static Limits defaults() {
    long metadata = Runtime.getRuntime().maxMemory() / 2;
    long capacity = Math.min(largestCapacity(), Math.max(DEFAULT_CAPACITY, directMemory() / 2));
    return new Limits(capacity, Math.min(metadata / HEAP_PER_FILE, MAX_INODES), metadata);
  }

  /**
   * These limits with another capacity.
   *
   * @param bytes the capacity
   * @return the limits
   */
  public Limits withCapacity(long bytes) {
    return new Limits(bytes, inodes, metadata);
  }

  /**
   * These limits with another number of inodes.
   *
   * @param count the number
   * @return the limits
   */
  public Limits withInodes(long count) {
    return new Limits(capacity, count, metadata);
  }

  /**
   * A number with a unit.
   *
   * @param option the option's name, for the message
   * @param text digits, maybe followed by k, m, g or t (powers of 1024)
   * @return the number
   * @throws IllegalArgumentException if it is none, or too large
   */
  static long parseSize(String option, String text) {
    Matcher matcher = SIZE.matcher(text.toLowerCase(Locale.ROOT));
    if (matcher.matches()) {
      long number = Long.parseLong(matcher.group(1));
      int shift = matcher.group(2).isEmpty() ? 0 : 10 * (1 + "kmgt".indexOf(matcher.group(2)));
      if (number <= Long.MAX_VALUE >> shift) {
        return number << shift;
      }
    }
    throw new IllegalArgumentException(
        option + "=" + text + " is no number: write digits, and k, m, g or t if you like");
  }

  /** The largest capacity in bytes: chunks are counted by int, and the direct memory is shared. */
  private static long largestCapacity() {
    long direct = directMemory();
    long countable = (long) Integer.MAX_VALUE << ChunkStore.CHUNK_SHIFT;
    return Math.min(countable, direct - Math.min(HEADROOM, direct / 4));
  }

  /**
   * How much direct memory the JVM allows; 0 as the option's value stands for the size of the heap.
   */
  private static long directMemory() {
    long limit = 0;
    try {
      limit =
          Long.parseLong(
              ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class)
                  .getVMOption("MaxDirectMemorySize")
                  .getValue());
    } catch (IllegalArgumentException e) {
      // another JVM than HotSpot: it has no such option
    }
    return limit > 0 ? limit : Runtime.getRuntime().maxMemory();
  }
}
