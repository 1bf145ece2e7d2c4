package io.github.ferrofuse.internal;

import java.util.concurrent.atomic.AtomicInteger;

/**
 * Makes the threads that serve a mount: daemons with the context class loader of the thread that
 * mounted, numbered in the order in which they are made.
 *
 * <p>Safe for threads.
 */
public final class WorkerThreads {
  private final String prefix;
  private final Runnable work;
  private final ClassLoader loader = Thread.currentThread().getContextClassLoader();
  private final AtomicInteger made = new AtomicInteger();

  /**
   * For a mount; on the thread that mounts.
   *
   * @param name what the threads are called after
   * @param work what each of them does
   */
  public WorkerThreads(String name, Runnable work) {
    prefix = "ferrofuse-" + name + "-";
    this.work = work;
  }

  /**
   * Starts one more.
   *
   * @throws OutOfMemoryError if the system has no thread left
   */
  public void start() {
    Thread worker = new Thread(null, work, prefix + made.getAndIncrement(), 0, false);
    worker.setDaemon(true);
    worker.setContextClassLoader(loader);
    worker.start();
  }
}
