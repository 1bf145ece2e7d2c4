package io.github.ferrofuse;

import io.github.ferrofuse.internal.Bounded;
import io.github.ferrofuse.internal.Door;
import io.github.ferrofuse.internal.Native;
import io.github.ferrofuse.internal.OpenMounts;
import io.github.ferrofuse.internal.PathStrings;
import io.github.ferrofuse.internal.WorkerThreads;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongConsumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A mounted file system. Ends when {@link #unmount} or {@link #close} is called, or when it is
 * unmounted from outside ({@code umount}, {@code fusermount3 -u}).
 *
 * <p>Safe for threads. May be used from inside the file system, too: see {@link #unmount}.
 *
 * <p>A program that accesses its own mount from inside the same JVM can deadlock: its request needs
 * a worker, and all of them may be busy, maybe waiting for the thread that asks. And a JVM that is
 * killed while a request of its own is being served can't be reaped until the connection is
 * aborted. Where that matters, access a mount from another process.
 */
public final class FuseMount implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(FuseMount.class);
  private static final Duration CLOSE_DEADLINE = Duration.ofSeconds(10);
  private static final long WORKERS_LEAVE_NANOS = TimeUnit.SECONDS.toNanos(1);

  /** What the kernel is given to take a mount out of the tree; it takes milliseconds. */
  private static final long UNMOUNT_NANOS = TimeUnit.SECONDS.toNanos(1);

  /** How a mount came off. */
  public enum Unmount {
    /** Nobody used it any more: the mount is gone. Every request was answered. */
    CLEAN,
    /**
     * It is out of the directory tree; those who still have files open in it are served until they
     * close them.
     */
    DETACHED,
    /**
     * The connection to the kernel was cut, by {@link FuseMount#abort} or from outside ({@code
     * umount -f}), and whoever used it got errors.
     */
    ABORTED
  }

  private final long mount;
  private final Door door;
  private final Path point;
  private final AtomicInteger running = new AtomicInteger();
  private final Set<Thread> workers = ConcurrentHashMap.newKeySet();
  private final AtomicBoolean threadsAreShort = new AtomicBoolean();
  private final CountDownLatch ended = new CountDownLatch(1);
  private final LongConsumer atShutdown = this::unmountAtShutdown;

  /** Null without the option. */
  private final Measuring measuring;

  private FuseMount(long mount, Door door, Path point, MountOptions options) {
    this.mount = mount;
    this.door = door;
    this.point = point;
    door.notifier().attach(mount, this::onWorker);
    measuring = options.metrics() ? new Measuring(mount, point) : null;
  }

  /** Takes over a mount of {@link Native#mount} and serves it. */
  static FuseMount start(long mount, Door door, Path point, MountOptions options)
      throws IOException {
    FuseMount started = new FuseMount(mount, door, point, options);
    // The mounting thread counts as running, so that no worker ends the mount while others still
    // start.
    started.running.set(1);
    if (started.transport() == MountOptions.Transport.URING) {
      // It takes its size from the thread that uses it first, and one that serves has one
      // processor.
      ForkJoinPool.commonPool();
    }
    try {
      OpenMounts.add(started.atShutdown);
      WorkerThreads threads = new WorkerThreads(options.fsname(), started::work);
      door.startsWorkersBy(() -> started.startAnotherWorker(threads));
      started.startWorker(threads);
    } catch (IllegalStateException | OutOfMemoryError e) {
      throw new IOException("can't serve " + point + ": " + e.getMessage(), e);
    } finally {
      started.leave();
    }
    return started;
  }

  private void startWorker(WorkerThreads threads) {
    running.incrementAndGet();
    try {
      threads.start();
    } catch (Throwable thrown) {
      running.decrementAndGet();
      throw thrown;
    }
  }

  /** On a worker, which keeps the mount from ending meanwhile. */
  private boolean startAnotherWorker(WorkerThreads threads) {
    try {
      startWorker(threads);
      threadsAreShort.set(false);
      return true;
    } catch (Throwable thrown) {
      if (!threadsAreShort.getAndSet(true)) {
        LOG.warn("{}: no more threads can be made, it is served by those it has", point, thrown);
      }
      return false;
    }
  }

  private void work() {
    workers.add(Thread.currentThread());
    try {
      Native.serve(mount);
    } catch (Throwable thrown) {
      LOG.error("{}: a worker gave up", point, thrown);
    } finally {
      leave();
      workers.remove(Thread.currentThread());
    }
  }

  /** Whoever leaves last ends the mount. */
  private void leave() {
    if (running.decrementAndGet() > 0) {
      return;
    }
    try {
      // No answer will come: the file system may wait for its own threads that wait for one.
      door.notifier().end();
      Native.finish(mount);
      if (measuring != null) {
        measuring.end();
      }
    } catch (Throwable thrown) {
      LOG.error("{}: could not be finished", point, thrown);
    } finally {
      Native.close(mount);
      OpenMounts.remove(atShutdown);
      ended.countDown();
    }
  }

  /** {@return the directory, absolute and without symbolic links} */
  public Path mountPoint() {
    return point;
  }

  /** {@return the file system} */
  public FileSystemBase fileSystem() {
    return door.fileSystem();
  }

  /**
   * What tells the kernel of changes that it has not made itself. Usable from any thread, also
   * after the mount has ended.
   *
   * @return the notifier of this mount, always the same
   */
  public Notifier notifier() {
    return door.notifier();
  }

  /**
   * The paths and names that are kept as strings, for a {@link FuseFileSystem}.
   *
   * @return how many there are now, and how often they were used
   */
  public CacheStats pathCache() {
    PathStrings strings = door.pathStrings();
    return new CacheStats(strings.capacity(), strings.size(), strings.hits(), strings.misses());
  }

  /**
   * How requests arrive, which the option {@code transport=auto} leaves open. If the threads for
   * {@code URING} can't be had, it becomes {@code DEV} before the first request is served, and the
   * log says why.
   *
   * @return {@link MountOptions.Transport#DEV} or {@link MountOptions.Transport#URING}
   */
  public MountOptions.Transport transport() {
    return Native.overRings(mount) ? MountOptions.Transport.URING : MountOptions.Transport.DEV;
  }

  /**
   * Whether requests can still come. A detached mount is alive until its last user is gone.
   *
   * @return false once the file system was destroyed
   */
  public boolean isAlive() {
    return ended.getCount() > 0;
  }

  /**
   * What was asked of the file system until now, how it was answered and how long that took. A
   * request is in it once it was answered; a snapshot with nothing {@link Metrics#inFlight in
   * flight} has all. Callable from any thread, also from handlers, and after the mount has ended:
   * then it answers what there was in the end.
   *
   * @return a snapshot
   * @throws IllegalStateException if the mount was made without {@link
   *     MountOptions.Builder#metrics}
   */
  public Metrics metrics() {
    if (measuring == null) {
      throw new IllegalStateException(point + " is not measured: mount it with the option metrics");
    }
    return measuring.now();
  }

  /**
   * Waits until the mount has ended and the file system was destroyed.
   *
   * @throws InterruptedException if this thread is interrupted
   * @throws IllegalStateException on a thread that serves this mount, which would wait for itself
   */
  public void join() throws InterruptedException {
    if (onWorker()) {
      throw new IllegalStateException("a handler of " + point + " can't wait for the mount to end");
    }
    ended.await();
  }

  /**
   * Unmounts: as soon as nobody uses it, and at the deadline at the latest by taking it out of the
   * tree. {@link Unmount#CLEAN} says that the mount is gone. As a rule the file system was
   * destroyed then, too; but releases and {@code destroy} may still be running if they take longer
   * than the deadline, or come later if another mount name space still has the mount: {@link #join}
   * waits for them. Does nothing to a mount that has ended.
   *
   * <p>No handler holds this up, not even one that never returns: then its users keep waiting for
   * it, the mount is {@link Unmount#DETACHED}, and {@link #abort} is what ends it.
   *
   * <p>Called by a handler of this very mount, it leaves the work to another thread, which begins
   * at once, and returns {@link Unmount#DETACHED}: the request that the handler serves has to be
   * answered first.
   *
   * @param deadline how long to wait for its users; zero takes it out of the tree at once
   * @return how it came off
   * @throws IOException if the kernel does not let us, or another mount is on top of it; it is
   *     still mounted then
   */
  public Unmount unmount(Duration deadline) throws IOException {
    if (!isAlive()) {
      return Unmount.CLEAN;
    }
    if (onWorker()) {
      unmountElsewhere(deadline);
      return Unmount.DETACHED;
    }
    long nanos = nanos(deadline);
    long end = System.nanoTime() + nanos;
    long millis = TimeUnit.NANOSECONDS.toMillis(nanos);
    // The kernel takes it out of the tree first, and then waits for data to be written, if need be
    // for ever.
    int verdict =
        Bounded.call(
            "unmount " + point,
            nanos + UNMOUNT_NANOS,
            () -> Native.unmount(mount, millis),
            Native.DETACHED);
    if (verdict == Native.ABORTED) {
      awaitEnd(WORKERS_LEAVE_NANOS);
    } else if (verdict == Native.CLEAN) {
      awaitEnd(Math.max(WORKERS_LEAVE_NANOS, end - System.nanoTime()));
    }
    return Unmount.values()[verdict];
  }

  /**
   * Cuts the connection to the kernel and takes the mount out of the tree: the last resort where
   * handlers hang. Whoever waits for an answer gets an error ({@code ECONNABORTED}), whoever uses
   * what was open in it too ({@code ENOTCONN}), and what handlers still answer is lost, data of a
   * write-back cache included. Needs no privileges. Handlers are not ended: the mount {@link
   * #isAlive is alive}, and handles are released and the file system destroyed, when the last one
   * has returned. Does nothing to a mount that has ended. A handler may call it.
   *
   * <p>An {@link #unmount} in progress ends, with {@link Unmount#ABORTED}.
   *
   * @throws IOException if the mount can't be taken out of the tree because another one is on top
   *     of it; it is dead nevertheless
   */
  public void abort() throws IOException {
    if (!isAlive()) {
      return;
    }
    Bounded.call(
        "abort " + point,
        UNMOUNT_NANOS,
        () -> {
          Native.abort(mount);
          return 0;
        },
        0);
    door.notifier().end();
    if (!onWorker()) {
      awaitEnd(WORKERS_LEAVE_NANOS);
    }
  }

  /** Unmounts with a deadline of ten seconds. May be called again. */
  @Override
  public void close() {
    try {
      unmount(CLOSE_DEADLINE);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void unmountElsewhere(Duration deadline) {
    Thread thread =
        new Thread(
            () -> {
              try {
                unmount(deadline);
              } catch (IOException e) {
                LOG.error("{}: {}", point, e.getMessage());
              }
            },
            "ferrofuse-unmount");
    thread.setDaemon(true);
    thread.start();
  }

  private void unmountAtShutdown(long nanos) {
    long end = System.nanoTime() + nanos;
    try {
      // Leaves time for the answers that are still being made.
      unmount(Duration.ofNanos(Math.max(0, nanos / 2)));
    } catch (IOException e) {
      LOG.error("{}: {}", point, e.getMessage());
    }
    if (Native.drain(mount, Math.max(0, (end - System.nanoTime()) / 1_000_000))) {
      return;
    }
    try {
      // With a thread of this program in a call to its own mount, it could not even be killed.
      abort();
    } catch (IOException e) {
      LOG.error("{}: {}", point, e.getMessage());
    }
  }

  /** A day is as good as ever, and fits. */
  private static long nanos(Duration deadline) {
    Duration most = Duration.ofDays(1);
    return deadline.isNegative() ? 0 : (deadline.compareTo(most) < 0 ? deadline : most).toNanos();
  }

  private boolean onWorker() {
    return workers.contains(Thread.currentThread());
  }

  private void awaitEnd(long nanos) {
    Bounded.await(ended, nanos);
  }
}
