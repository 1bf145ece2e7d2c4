package io.github.ferrofuse.examples.mirror;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.local.LocalFd;
import io.github.ferrofuse.local.LocalFlags;
import io.github.ferrofuse.local.LocalStat;
import io.github.ferrofuse.local.LocalWatch;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;

/**
 * The mounts that the tree consists of: the one that its root is on, and those that were met below.
 * {@link Nodes} and {@link KnownFiles} call it. Safe for threads.
 *
 * <p>A file is found by its handle through a descriptor of its mount, so that names below it lead
 * where they do on that mount. One such descriptor is kept for as long as files of the mount are
 * known; until then the mount is busy and can be taken away only lazily (umount -l).
 */
final class Mounts {
  private static final int OPENING =
      LocalFlags.O_RDONLY | LocalFlags.O_NONBLOCK | LocalFlags.O_NOCTTY;

  /** One mount, known by its number. */
  static final class Mount {
    final int number;
    private final long id;

    /** What handles are opened through; null if files of this mount can't be found by handles. */
    final LocalFd anchor;

    /** How many files are known or about to be. */
    private int files;

    /** Number of the file system, if it is watched. */
    private long fileSystem;

    private Mount(int number, long id, LocalFd anchor) {
      this.number = number;
      this.id = id;
      this.anchor = anchor;
    }

    boolean hasHandles() {
      return anchor != null;
    }
  }

  private final boolean wantsHandles;
  private Mount[] mounts = {};
  private LocalWatch watch;

  /** The mirror's own device. */
  private long leftOut = OwnMount.NONE;

  /**
   * No mounts yet.
   *
   * @param wantsHandles whether to use handles where there are any
   */
  Mounts(boolean wantsHandles) {
    this.wantsHandles = wantsHandles;
  }

  /**
   * The mount of a file, which counts one file more until {@link #leave}.
   *
   * @param file any descriptor of it
   * @param stat its attributes
   * @param identity room for a handle
   * @return the mount
   * @throws FuseException ELOOP if its device is left out ...
   */
  synchronized Mount enter(LocalFd file, LocalStat stat, Identity identity) throws IOException {
    Mount found = find(stat);
    if (found == null) {
      if (stat.device() == leftOut) {
        throw Errno.ELOOP.exception();
      }
      int number = freeNumber();
      found = new Mount(number, idOf(stat), wantsHandles ? anchor(file, stat, identity) : null);
      try {
        watch(found);
      } catch (FuseException e) {
        found.fileSystem = 0; // its changes are not heard of
      }
      mounts[number] = found;
    }
    found.files++;
    return found;
  }

  /**
   * Has files of a device answer ELOOP: those of the mirror itself, if somebody mounts it into the
   * tree. Working on them it would wait for itself.
   */
  synchronized void leaveOut(long device) {
    leftOut = device;
  }

  /**
   * Has the mounts that are known watched, and those to come where they can be.
   *
   * @param by what is to hear of changes; closed by somebody else
   */
  synchronized void watchedBy(LocalWatch by) throws IOException {
    watch = by;
    for (Mount mount : mounts) {
      watch(mount);
    }
  }

  /** {@return the mounts that are watched of a file system} */
  synchronized List<Mount> watched(long fileSystem) {
    return Arrays.stream(mounts)
        .filter(mount -> mount != null && mount.hasHandles() && mount.fileSystem == fileSystem)
        .toList();
  }

  private void watch(Mount mount) throws IOException {
    if (watch != null && mount != null && mount.hasHandles()) {
      watch.add(mount.anchor);
      mount.fileSystem = mount.anchor.statfs().id();
    }
  }

  /**
   * The mount of a file, if it is known.
   *
   * @param stat the file's attributes
   * @return the mount, null if no file of it is known
   */
  synchronized Mount find(LocalStat stat) {
    long id = idOf(stat);
    for (Mount mount : mounts) {
      if (mount != null && mount.id == id) {
        return mount;
      }
    }
    return null;
  }

  /** {@return the mount with a number that is in use} */
  synchronized Mount at(int number) {
    return mounts[number];
  }

  /** Counts a file of a mount less; the last one's going closes the anchor. */
  synchronized void leave(Mount mount) {
    if (--mount.files == 0) {
      mounts[mount.number] = null;
      if (mount.anchor != null) {
        mount.anchor.close();
      }
    }
  }

  /** Closes all anchors. */
  synchronized void close() {
    for (Mount mount : mounts) {
      if (mount != null && mount.anchor != null) {
        mount.anchor.close();
      }
    }
    mounts = new Mount[0];
  }

  /** Before Linux 5.8 mounts have no number to go by, and devices have to do. */
  private static long idOf(LocalStat stat) {
    return stat.hasMountId() ? stat.mountId() : stat.device();
  }

  private int freeNumber() throws IOException {
    for (int i = 0; i < mounts.length; i++) {
      if (mounts[i] == null) {
        return i;
      }
    }
    if (mounts.length == NodeTable.MAX_MOUNTS) {
      throw Errno.ENOMEM.exception();
    }
    mounts = Arrays.copyOf(mounts, mounts.length + 1);
    return mounts.length - 1;
  }

  /**
   * A descriptor through which handles of a mount can be opened; null if there are no handles, or
   * this process may not open them (CAP_DAC_READ_SEARCH).
   */
  private static LocalFd anchor(LocalFd file, LocalStat stat, Identity identity)
      throws IOException {
    FileType type = FileType.ofMode(stat.mode());
    if (type != FileType.DIRECTORY && type != FileType.REGULAR) {
      return null; // opening it could do something
    }
    LocalFd anchor = null;
    try {
      int length = file.handle(identity.proof);
      anchor = file.reopen(OPENING);
      LocalFd.byHandle(anchor, identity.proof, 0, length, LocalFlags.O_PATH).close();
      return anchor;
    } catch (FuseException e) {
      if (anchor != null) {
        anchor.close();
      }
      if (e.errno() == Errno.EMFILE || e.errno() == Errno.ENFILE) {
        throw e; // says nothing about handles
      }
      return null;
    }
  }
}
