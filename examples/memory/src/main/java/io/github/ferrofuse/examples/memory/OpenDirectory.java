package io.github.ferrofuse.examples.memory;

import io.github.ferrofuse.DirHandle;
import io.github.ferrofuse.DirSink;
import io.github.ferrofuse.Request;

/**
 * One open of a directory: keeps it alive and lists it.
 *
 * <p>A listing ends with the newest entry that there was when it began, so that it ends although
 * somebody renames each entry as it is read, which gives the entry a place at the end. Beginning
 * anew (rewinddir) shows what came since.
 */
final class OpenDirectory implements DirHandle {
  private final Directory directory;
  private final Tree tree;
  private final Clock clock;
  private long last;

  /**
   * An open of a directory that the caller has retained for it.
   *
   * @param directory the directory
   * @param tree its tree
   * @param clock the time
   */
  OpenDirectory(Directory directory, Tree tree, Clock clock) {
    this.directory = directory;
    this.tree = tree;
    this.clock = clock;
    this.last = tree.lastCookie(directory);
  }

  @Override
  public void read(Request request, long cookie, DirSink out) {
    if (cookie == 0) {
      last = tree.lastCookie(directory);
    }
    tree.list(directory, cookie, last, out);
    directory.accessed(clock);
  }

  @Override
  public void release(Request request) {
    tree.release(directory, 1);
  }
}
