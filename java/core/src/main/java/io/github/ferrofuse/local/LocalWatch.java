package io.github.ferrofuse.local;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.internal.LocalWatchNative;
import io.github.ferrofuse.internal.Native;

/**
 * Hears of changes on local file systems, whoever makes them: fanotify(7) with file handles. For
 * file systems that pass files on and have the kernel forget what has changed behind them.
 *
 * <p>Takes CAP_SYS_ADMIN and Linux 5.9. A file system is watched as a whole, so its every change is
 * told, also below other directories than those of interest. Writes to a mapped file are not told:
 * the kernel does not see them.
 *
 * <pre>{@code
 * try (LocalWatch watch = LocalWatch.open()) {
 *   watch.add(root);
 *   while (watch.await(changes)) {
 *     while (changes.next()) {
 *       if (!changes.isOwn()) {
 *         forget(changes);
 *       }
 *     }
 *   }
 * }
 * }</pre>
 *
 * <p><b>Threads.</b> Any thread may call any method; each change is told to one of those that wait.
 */
public final class LocalWatch implements AutoCloseable {
  private final Held queue;
  private final Held bell;

  private LocalWatch(Held queue, Held bell) {
    this.queue = queue;
    this.bell = bell;
  }

  /**
   * One that hears of nothing yet.
   *
   * @return the watch
   * @throws FuseException EPERM without CAP_SYS_ADMIN; EINVAL before Linux 5.9; EMFILE if there are
   *     too many, by descriptors or by /proc/sys/fs/fanotify
   * @throws UnsupportedOperationException if the kernel has no fanotify
   * @throws UnsatisfiedLinkError if the native library can't be loaded
   */
  public static LocalWatch open() throws FuseException {
    Native.load();
    Held queue = new Held(Descriptor.answer(LocalWatchNative.open(), "fanotify_init(2)", "5.9"));
    try {
      return new LocalWatch(queue, new Held(Descriptor.answer(LocalWatchNative.bell())));
    } catch (FuseException e) {
      queue.close();
      throw e;
    }
  }

  /**
   * Hears of a file system from now on, until {@link #close}. What happened before is not told, so
   * whoever looks at files does so afterwards.
   *
   * @param file any descriptor on it
   * @throws FuseException ENODEV or EXDEV if it has no id, EOPNOTSUPP if it has no file handles,
   *     EBADF after {@link #close}, ENOSPC if there are too many marks
   */
  public void add(LocalFd file) throws FuseException {
    int watch = queue.enter();
    try {
      int fd = file.enter();
      try {
        Descriptor.answer(LocalWatchNative.add(watch, fd, file.opaque));
      } finally {
        file.leave();
      }
    } finally {
      queue.leave();
    }
  }

  /**
   * Waits for changes, which {@link Thread#interrupt} doesn't end.
   *
   * @param out takes them, in place of what it has
   * @return false after {@link #close}
   * @throws FuseException EINVAL, ENOMEM
   */
  public boolean await(LocalChanges out) throws FuseException {
    out.end(0);
    try {
      int watch = queue.enter();
      try {
        int rung = bell.enter();
        try {
          int size = Descriptor.answer(LocalWatchNative.await(watch, rung, out.buffer()));
          out.end(size);
          return size > 0;
        } finally {
          bell.leave();
        }
      } finally {
        queue.leave();
      }
    } catch (FuseException e) {
      if (e.errno() == Errno.EBADF && queue.isClosed()) {
        return false;
      }
      throw e;
    }
  }

  /** Ends it, and every {@link #await}. Another close does nothing. */
  @Override
  public void close() {
    try {
      int rung = bell.enter();
      try {
        LocalWatchNative.ring(rung); // fails only after 2^64 times
      } finally {
        bell.leave();
      }
    } catch (FuseException e) {
      return; // closed already
    }
    queue.close();
    bell.close();
  }

  /** A descriptor that is nothing but held. */
  private static final class Held extends Descriptor {
    Held(int number) {
      super(number, false);
    }
  }
}
