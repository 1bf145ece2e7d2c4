package io.github.ferrofuse.internal;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.LongConsumer;

/**
 * The mounts of this JVM, and the shutdown hook that unmounts them; there is a hook only while
 * something is mounted.
 */
public final class OpenMounts {
  /**
   * For all mounts together. System.exit in a handler is why it is short: that handler never comes
   * back.
   */
  private static final long SHUTDOWN_NANOS = 3_000_000_000L;

  private static final Set<LongConsumer> OPEN = new LinkedHashSet<>();
  private static Thread hook;

  private OpenMounts() {}

  /**
   * Adds a mount.
   *
   * @param unmounter unmounts it within some nanoseconds; called at shutdown
   * @throws IllegalStateException if the JVM is shutting down
   */
  public static void add(LongConsumer unmounter) {
    synchronized (OPEN) {
      if (hook == null) {
        Thread fresh = new Thread(OpenMounts::unmountAll, "ferrofuse-shutdown");
        Runtime.getRuntime().addShutdownHook(fresh);
        hook = fresh;
      }
      OPEN.add(unmounter);
    }
  }

  /**
   * Removes a mount that has ended.
   *
   * @param unmounter what was added
   */
  public static void remove(LongConsumer unmounter) {
    synchronized (OPEN) {
      if (!OPEN.remove(unmounter) || !OPEN.isEmpty()) {
        return;
      }
      try {
        Runtime.getRuntime().removeShutdownHook(hook);
      } catch (IllegalStateException e) {
        // The JVM is shutting down: the hook is running.
      }
      hook = null;
    }
  }

  private static void unmountAll() {
    List<LongConsumer> open;
    synchronized (OPEN) {
      open = new ArrayList<>(OPEN);
    }
    long end = System.nanoTime() + SHUTDOWN_NANOS;
    List<Thread> threads = new ArrayList<>();
    for (LongConsumer unmounter : open) {
      Thread thread = new Thread(() -> unmounter.accept(end - System.nanoTime()), "ferrofuse-exit");
      thread.setDaemon(true);
      thread.start();
      threads.add(thread);
    }
    try {
      for (Thread thread : threads) {
        thread.join(Math.max(1, (end - System.nanoTime()) / 1_000_000 + 500));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
