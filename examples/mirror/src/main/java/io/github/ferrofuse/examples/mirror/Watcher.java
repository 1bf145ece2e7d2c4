package io.github.ferrofuse.examples.mirror;

import io.github.ferrofuse.Name;
import io.github.ferrofuse.Notifier;
import io.github.ferrofuse.local.LocalChanges;
import io.github.ferrofuse.local.LocalFd;
import io.github.ferrofuse.local.LocalWatch;
import java.io.IOException;

/**
 * Has the kernel forget what others have changed in the directory: a thread that hears of it from
 * fanotify(7) and tells the mount. What this process changes, it does for the mount's users, and
 * the kernel knows it.
 *
 * <p>File systems are watched as a whole, and each change on them costs three system calls here,
 * also where it is of no file that the kernel knows.
 */
final class Watcher implements Runnable {
  private static final int BYTES = 64 << 10;
  private static final Name SELF = Name.of(".");

  private final Nodes nodes;
  private final Notifier notifier;
  private final LocalWatch watch;
  private final LocalChanges changes = new LocalChanges(BYTES);
  private final byte[] handle = new byte[LocalFd.MAX_HANDLE_BYTES];

  private Watcher(Nodes nodes, Notifier notifier, LocalWatch watch) {
    this.nodes = nodes;
    this.notifier = notifier;
    this.watch = watch;
  }

  /**
   * Starts watching the file systems of all files that are known or will be.
   *
   * @return what ends it when it is closed
   * @throws IOException EPERM without CAP_SYS_ADMIN ...
   */
  static LocalWatch start(Nodes nodes, Notifier notifier) throws IOException {
    LocalWatch watch = LocalWatch.open();
    try {
      nodes.watchedBy(watch);
    } catch (IOException | RuntimeException e) {
      watch.close();
      throw e;
    }
    Thread thread = new Thread(new Watcher(nodes, notifier, watch), "mirror-watch");
    thread.setDaemon(true);
    thread.start();
    return watch;
  }

  @Override
  public void run() {
    try {
      while (watch.await(changes)) {
        while (changes.next()) {
          tell();
        }
      }
    } catch (IOException e) {
      System.getLogger(Watcher.class.getName())
          .log(
              System.Logger.Level.ERROR,
              "changes made elsewhere show when timeouts end from now on: " + e.getMessage());
      watch.close();
    }
  }

  private void tell() throws IOException {
    if (changes.isLost()) {
      tellAll();
      return;
    }
    if (changes.isOwn()) {
      return;
    }
    long directory = nodes.find(changes.fileSystem(), handle, changes.directory(handle));
    if (directory != NodeTable.NONE) {
      boolean itself = changes.name().equals(SELF);
      if (changes.isEntry() && !itself) {
        tellEntry(directory);
      }
      if (changes.isEntry() || itself) {
        notifier.invalidateAttributes(directory);
      }
    }
    long file = nodes.find(changes.fileSystem(), handle, changes.file(handle));
    if (file == NodeTable.NONE) {
      return;
    }
    if (changes.isContent()) {
      notifier.invalidate(file);
    } else {
      notifier.invalidateAttributes(file);
    }
  }

  /** Without taking off what is mounted there, where the kernel can do without. */
  private void tellEntry(long directory) throws IOException {
    if (notifier.canExpire()) {
      notifier.expireEntry(directory, changes.name());
    } else {
      notifier.invalidateEntry(directory, changes.name());
    }
  }

  private void tellAll() throws IOException {
    if (notifier.canInvalidateAllEntries()) {
      notifier.invalidateAllEntries();
    }
    for (long node : nodes.known().all()) {
      notifier.invalidate(node);
    }
  }
}
