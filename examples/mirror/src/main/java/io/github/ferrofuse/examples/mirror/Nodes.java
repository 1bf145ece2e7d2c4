package io.github.ferrofuse.examples.mirror;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.local.LocalFd;
import io.github.ferrofuse.local.LocalFlags;
import io.github.ferrofuse.local.LocalStat;
import io.github.ferrofuse.local.LocalWatch;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * How the files that the kernel knows are got at: by a descriptor that is still open, else by a
 * file's handle, else by its name in its directory; and how a file that is found is recognised.
 * {@link MirrorFileSystem} and its handles call it, from any thread. What it finds it enters in
 * {@link KnownFiles}.
 *
 * <p>A file is always entered by one component of a name below a directory's descriptor, through no
 * symbolic link and not upwards. So nothing outside the tree is ever entered, whatever is renamed
 * or replaced meanwhile.
 */
final class Nodes {
  /** The root's node. */
  static final long ROOT = 1;

  private static final int NAMED = LocalFlags.O_PATH | LocalFlags.O_NOFOLLOW;
  private static final int BENEATH =
      LocalFlags.RESOLVE_BENEATH
          | LocalFlags.RESOLVE_NO_SYMLINKS
          | LocalFlags.RESOLVE_NO_MAGICLINKS;

  private final InodeNumbers numbers;
  private final Mounts mounts;
  private final KnownFiles known;
  private final boolean rootHasHandles;

  /**
   * A tree of which nothing is known but its root.
   *
   * @param root a directory, opened with O_PATH; closed by {@link #close}
   * @param descriptors how many may stay open for nodes that nobody is using
   * @param wantsHandles whether to find files by handles where they have some
   * @throws IOException what statx(2) says
   */
  Nodes(LocalFd root, int descriptors, boolean wantsHandles) throws IOException {
    mounts = new Mounts(wantsHandles);
    known = new KnownFiles(mounts, descriptors);
    Scratch scratch = Scratch.get();
    root.statx(scratch.stat);
    numbers = new InodeNumbers(scratch.stat.device());
    Mounts.Mount mount = identify(root, scratch.stat, scratch.identity);
    known.countRoot(mount, scratch.identity, root, scratch.stat);
    rootHasHandles = mount.hasHandles();
  }

  /** {@return what is kept of the files that the kernel knows} */
  KnownFiles known() {
    return known;
  }

  /** {@return whether files of the root's mount are found by handles} */
  boolean hasHandles() {
    return rootHasHandles;
  }

  /** Has files of a device answer ELOOP: {@link Mounts#leaveOut}. */
  void leaveOut(long device) {
    mounts.leaveOut(device);
  }

  /** Has the file systems of all files watched: {@link Mounts#watchedBy}. */
  void watchedBy(LocalWatch watch) throws IOException {
    mounts.watchedBy(watch);
  }

  /** {@return the number that applications see for a file} */
  long number(LocalStat stat) {
    return numbers.of(stat.device(), stat.ino());
  }

  /** {@return the number that applications see for a file of a device} */
  long number(long device, long ino) {
    return numbers.of(device, ino);
  }

  /** Closes everything. No call may be in progress. */
  void close() {
    known.close();
    mounts.close();
  }

  // ---- using nodes

  /**
   * A descriptor of a node.
   *
   * @param node the node
   * @return its descriptor, to be closed when this use of it ends
   * @throws FuseException ESTALE if the file is gone, or can't be found any more
   */
  Descriptor use(long node) throws IOException {
    Descriptor open = known.use(node);
    if (open != null) {
      return open;
    }
    Scratch scratch = Scratch.get();
    open = openByHandle(node, scratch);
    return open != null ? open : openByPlace(node, scratch);
  }

  /** Something that takes a descriptor. */
  interface Opening {
    LocalFd open() throws IOException;
  }

  /** Opens something, for which others are closed if there are no descriptors left. */
  LocalFd withRoom(Opening opening) throws IOException {
    while (true) {
      try {
        return opening.open();
      } catch (FuseException e) {
        if (e.errno() != Errno.EMFILE && e.errno() != Errno.ENFILE || !known.shed()) {
          throw e;
        }
      }
    }
  }

  /** Opens what a name leads to as a place, and asks for its attributes. */
  private LocalFd open(LocalFd directory, Name name, LocalStat stat) throws IOException {
    LocalFd place = withRoom(() -> directory.openat2(name, NAMED, 0, BENEATH, null));
    try {
      place.statx(stat);
      return place;
    } catch (IOException | RuntimeException e) {
      place.close();
      throw e;
    }
  }

  // ---- counting lookups

  /**
   * Finds a name and counts the lookup.
   *
   * @param directory where
   * @param parent the directory's node
   * @param name one component
   * @param mayBeOpen false if the file is not known or has no open descriptor, for all one knows
   * @return the node; its attributes are in {@link Scratch#stat} then
   * @throws FuseException ENOENT ...
   */
  long lookUp(LocalFd directory, long parent, Name name, boolean mayBeOpen) throws IOException {
    Scratch scratch = Scratch.get();
    LocalStat stat = scratch.stat;
    if (mayBeOpen) {
      directory.statx(name, stat);
      long node = lookUpOpen(stat, parent, name);
      if (node != NodeTable.NONE) {
        return node;
      }
    }
    LocalFd place = open(directory, name, stat);
    boolean taken = false;
    try {
      long node = lookUpOpen(stat, parent, name);
      if (node == NodeTable.NONE) {
        Mounts.Mount mount = identify(place, stat, scratch.identity);
        taken = true;
        node = known.count(mount, scratch.identity, place, stat, parent, name);
      }
      return node;
    } finally {
      if (!taken) {
        place.close();
      }
    }
  }

  private long lookUpOpen(LocalStat stat, long parent, Name name) {
    Mounts.Mount mount = mounts.find(stat);
    return mount == null
        ? NodeTable.NONE
        : known.countOpen(mount, number(stat), stat, parent, name);
  }

  /**
   * Counts a lookup of a file that was just made and is open.
   *
   * @param file its descriptor, left to the caller
   * @param stat its attributes
   * @param directory where it was made
   * @param name by which name; null if it has none yet
   * @return its node
   */
  long lookUpMade(LocalFd file, LocalStat stat, long directory, Name name) throws IOException {
    Identity identity = Scratch.get().identity;
    Mounts.Mount mount = identify(file, stat, identity);
    if (name != null || mount.hasHandles()) {
      return known.count(mount, identity, directory, name);
    }
    // Without handle and name it is not found again
    LocalFd place;
    try {
      place = withRoom(() -> file.reopen(LocalFlags.O_PATH));
    } catch (IOException | RuntimeException e) {
      mounts.leave(mount);
      throw e;
    }
    return known.countAndPin(mount, identity, place, stat);
  }

  // ---- names that go and come

  /**
   * What a name leads to, if it is known.
   *
   * @param directory where
   * @param name the name
   * @return its descriptor, to be closed when this use of it ends; null if the kernel does not know
   *     it, or there is no such name
   */
  Descriptor knownAt(Descriptor directory, Name name) throws IOException {
    return knownAt(directory, name, false);
  }

  /**
   * What a name leads to, if it is known and can't be found any more when the name is gone. The
   * kernel locks a file whose names it changes, so what is its last name stays that.
   *
   * @param directory where
   * @param name the name
   * @return its descriptor, to be closed when this use of it ends; null if there is no need for it
   */
  Descriptor knownOnlyAt(Descriptor directory, Name name) throws IOException {
    return knownAt(directory, name, true);
  }

  private Descriptor knownAt(Descriptor directory, Name name, boolean only) throws IOException {
    Scratch scratch = Scratch.get();
    LocalStat stat = scratch.stat;
    try {
      directory.fd.statx(name, stat);
    } catch (FuseException e) {
      if (e.errno() == Errno.ENOENT) {
        return null;
      }
      throw e;
    }
    Mounts.Mount mount = mounts.find(stat);
    if (mount == null || only && mount.hasHandles() && hasOtherNames(stat)) {
      return null;
    }
    Descriptor open = known.use(mount, number(stat), stat);
    return open != null ? open : knownClosed(directory, name, mount, scratch);
  }

  private static boolean hasOtherNames(LocalStat stat) {
    return FileType.ofMode(stat.mode()) != FileType.DIRECTORY && stat.nlink() > 1;
  }

  /**
   * Of all that have ever had a number one file has it now: the one that can be opened by its
   * handle, or is found where it was.
   */
  private Descriptor knownClosed(
      Descriptor directory, Name name, Mounts.Mount mount, Scratch scratch) throws IOException {
    long number = number(scratch.stat);
    long node = NodeTable.NONE;
    while (true) {
      node = known.next(mount, number, node, scratch.identity);
      if (node == NodeTable.NONE) {
        return null;
      }
      try {
        return mount.hasHandles()
            ? openByHandle(node, mount, scratch)
            : step(directory, name, node, scratch);
      } catch (FuseException e) {
        Errno errno = e.errno();
        if (errno != Errno.ESTALE && errno != Errno.ENOENT && errno != Errno.EBADF) {
          throw e; // all else but that it is gone, or its mount
        }
      }
    }
  }

  // ---- finding files again

  /** Null if the node's mount has no handles. */
  private Descriptor openByHandle(long node, Scratch scratch) throws IOException {
    Mounts.Mount mount = known.identify(node, scratch.identity);
    return mount.hasHandles() ? openByHandle(node, mount, scratch) : null;
  }

  private Descriptor openByHandle(long node, Mounts.Mount mount, Scratch scratch)
      throws IOException {
    Identity identity = scratch.identity;
    LocalFd place = openByHandle(mount, identity.proof, identity.length);
    return known.install(place, node, null);
  }

  private LocalFd openByHandle(Mounts.Mount mount, byte[] handle, int length) throws IOException {
    return withRoom(() -> LocalFd.byHandle(mount.anchor, handle, 0, length, LocalFlags.O_PATH));
  }

  /**
   * Walks down from the nearest directory above that is open or is found by its handle, being on
   * another mount; at the latest the root.
   */
  private Descriptor openByPlace(long node, Scratch scratch) throws IOException {
    while (true) {
      long changes = known.placeChanges();
      try {
        return walk(node, scratch);
      } catch (FuseException e) {
        if (changes == known.placeChanges()) {
          throw e.errno() == Errno.ENOENT || e.errno() == Errno.ENOTDIR
              ? Errno.ESTALE.exception()
              : e;
        }
      }
    }
  }

  private Descriptor walk(long node, Scratch scratch) throws IOException {
    List<Places.Place> steps = new ArrayList<>();
    List<Long> nodes = new ArrayList<>();
    Set<Long> met = new HashSet<>();
    long above = node;
    Descriptor at = null;
    while (at == null) {
      if (!met.add(above)) {
        throw Errno.ESTALE.exception(); // places are changing on the way
      }
      Places.Place place = known.place(above);
      nodes.add(above);
      steps.add(place);
      above = place.directory();
      at = known.use(above);
      if (at == null) {
        at = openByHandle(above, scratch);
      }
    }
    for (int i = steps.size() - 1; i >= 0; i--) {
      try (Descriptor directory = at) {
        at = step(directory, steps.get(i).name(), nodes.get(i), scratch);
      }
    }
    return at;
  }

  private Descriptor step(Descriptor at, Name name, long node, Scratch scratch) throws IOException {
    LocalFd place = open(at.fd, name, scratch.stat);
    boolean found = false;
    try {
      found = find(place, scratch.stat, scratch.identity) == node;
    } finally {
      if (!found) {
        place.close();
      }
    }
    if (!found) {
      throw Errno.ESTALE.exception();
    }
    return known.install(place, node, scratch.stat);
  }

  /**
   * Finds a node by a handle.
   *
   * @param fileSystem the number of its file system, which is watched
   * @param handle the handle
   * @param length how many bytes it has, 0 for none
   * @return the node, {@link NodeTable#NONE} if it is not known, or the file is gone
   */
  long find(long fileSystem, byte[] handle, int length) throws IOException {
    Scratch scratch = Scratch.get();
    for (Mounts.Mount mount : length == 0 ? List.<Mounts.Mount>of() : mounts.watched(fileSystem)) {
      try (LocalFd place = openByHandle(mount, handle, length)) {
        place.statx(scratch.stat);
        Identity identity = scratch.identity;
        identity.mount = mount.number;
        identity.ino = number(scratch.stat);
        identity.length = length;
        System.arraycopy(handle, 0, identity.proof, 0, length);
        long node = known.find(identity);
        if (node != NodeTable.NONE) {
          return node;
        }
      } catch (FuseException e) {
        if (e.errno() != Errno.ESTALE && e.errno() != Errno.EBADF) {
          throw e;
        }
      }
    }
    return NodeTable.NONE;
  }

  // ---- which file it is

  /** Fills in which file a descriptor is of, and enters its mount. */
  private Mounts.Mount identify(LocalFd file, LocalStat stat, Identity out) throws IOException {
    Mounts.Mount mount = mounts.enter(file, stat, out);
    try {
      prove(file, stat, mount, out);
      return mount;
    } catch (IOException | RuntimeException e) {
      mounts.leave(mount);
      throw e;
    }
  }

  private void prove(LocalFd file, LocalStat stat, Mounts.Mount mount, Identity out)
      throws IOException {
    out.mount = mount.number;
    out.ino = number(stat);
    if (mount.hasHandles()) {
      out.length = file.handle(out.proof);
    } else {
      out.bornAt(stat.btimeSeconds(), stat.btimeNanos());
    }
  }

  /** The node of a file, {@link NodeTable#NONE} if it is not known. */
  private long find(LocalFd file, LocalStat stat, Identity identity) throws IOException {
    Mounts.Mount mount = mounts.find(stat);
    if (mount == null) {
      return NodeTable.NONE;
    }
    prove(file, stat, mount, identity);
    return known.find(identity);
  }
}
