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
import java.util.List;

/**
 * The files that the kernel knows, and how each is got at again: by a descriptor that is still
 * open, else by its handle, else by its name in its directory. {@link MirrorFileSystem} and its
 * handles call it, from any thread.
 *
 * <p>A file is always entered by one component of a name below a directory's descriptor, through no
 * symbolic link and not upwards. So nothing outside the tree is ever entered, whatever is renamed
 * or replaced meanwhile.
 *
 * <p>One lock guards the tables. No system call is made with it held, but for closing directories
 * and mounts' anchors: closing a file that was removed can take long.
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
  private final NodeTable table = new NodeTable();
  private final Places places = new Places();
  private final DescriptorCache cache;
  private final Guesses guesses;
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
    cache = new DescriptorCache(descriptors);
    guesses = new Guesses(descriptors);
    mounts = new Mounts(wantsHandles);
    LocalStat stat = Scratch.get().stat;
    root.statx(stat);
    numbers = new InodeNumbers(stat.device());
    Mounts.Mount mount = identify(root, stat, Scratch.get().identity);
    long node = table.add(Scratch.get().identity);
    if (node != ROOT) {
      throw new IllegalStateException("the root is node " + node);
    }
    table.addLookups(node, 1);
    cached(root, node, stat);
    cache.pin(cache.get(node));
    rootHasHandles = mount.hasHandles();
  }

  /** {@return whether files of the root's mount are found by handles} */
  boolean hasHandles() {
    return rootHasHandles;
  }

  /** {@return whether there are nodes that are found by their names} */
  synchronized boolean usesNames() {
    return !places.isEmpty();
  }

  /** {@return all nodes that are known} */
  synchronized long[] all() {
    return table.all();
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

  // ---- using nodes

  /**
   * A descriptor of a node, which is given back by {@link #done}.
   *
   * @param node the node
   * @return its descriptor
   * @throws FuseException ESTALE if the file is gone, or can't be found any more
   */
  Descriptor use(long node) throws IOException {
    Descriptor open = useOpen(node);
    if (open != null) {
      return open;
    }
    Scratch scratch = Scratch.get();
    Mounts.Mount mount;
    synchronized (this) {
      if (!table.contains(node)) {
        throw Errno.ESTALE.exception();
      }
      mount = mounts.at(table.mount(node));
      table.identify(node, scratch.identity);
    }
    return mount.hasHandles() ? openByHandle(node, mount, scratch) : openByPlace(node, scratch);
  }

  /** Gives back what {@link #use} or {@link #known} gave. */
  void done(Descriptor descriptor) {
    boolean last;
    synchronized (this) {
      last = --descriptor.uses == 0 && descriptor.dropped;
    }
    if (last) {
      descriptor.fd.close();
    }
  }

  /**
   * Opens what a name leads to, as a place.
   *
   * @param directory where
   * @param name one component
   * @return a descriptor of its own
   * @throws FuseException ENOENT ...
   */
  LocalFd open(LocalFd directory, Name name) throws IOException {
    return withRoom(() -> directory.openat2(name, NAMED, 0, BENEATH, null));
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
        if (e.errno() != Errno.EMFILE && e.errno() != Errno.ENFILE || !shed()) {
          throw e;
        }
      }
    }
  }

  /**
   * Whether a file could be known and have an open descriptor, by its number alone.
   *
   * @param mount what {@link #mount} gave for its directory, on whose mount it is unless something
   *     is mounted on it
   * @param number its number
   */
  synchronized boolean mayBeOpen(int mount, long number) {
    long node = table.next(mount, number, NodeTable.NONE);
    while (node != NodeTable.NONE && cache.get(node) == null) {
      node = table.next(mount, number, node);
    }
    return node != NodeTable.NONE;
  }

  /** Whether a name may lead to a file that is known and has an open descriptor. */
  synchronized boolean mayBeOpen(long directory, Name name) {
    return cache.get(guesses.get(directory, name)) != null;
  }

  /** {@return the number of the mount of a node} */
  synchronized int mount(long node) throws FuseException {
    if (!table.contains(node)) {
      throw Errno.ESTALE.exception();
    }
    return table.mount(node);
  }

  // ---- counting lookups

  /**
   * Counts a lookup of a file that is known and has an open descriptor, which keeps its number from
   * being given to another. What it is found by: mount, number and time of birth.
   *
   * @param stat its attributes
   * @param directory where it was found
   * @param name by which name
   * @return its node; {@link NodeTable#NONE} if there is none such
   */
  long lookUpOpen(LocalStat stat, long directory, Name name) {
    Mounts.Mount mount = mounts.find(stat);
    if (mount == null) {
      return NodeTable.NONE;
    }
    synchronized (this) {
      Descriptor open = open(mount, stat);
      if (open == null) {
        return NodeTable.NONE;
      }
      open.touched = true;
      countLookup(mount, open.node, directory, name);
      return open.node;
    }
  }

  /**
   * Counts a lookup of a file.
   *
   * @param place opened with O_PATH; kept or closed
   * @param stat its attributes, got through it
   * @param directory where it was found
   * @param name by which name
   * @return its node
   */
  long lookUp(LocalFd place, LocalStat stat, long directory, Name name) throws IOException {
    Descriptor evicted = null;
    boolean taken = false;
    try {
      long node = lookUpOpen(stat, directory, name);
      if (node != NodeTable.NONE) {
        return node;
      }
      Identity identity = Scratch.get().identity;
      Mounts.Mount mount = identify(place, stat, identity);
      synchronized (this) {
        node = entered(mount, identity);
        countLookup(mount, node, directory, name);
        Descriptor open = cache.get(node);
        if (open == null) {
          evicted = cached(place, node, stat);
          taken = true;
        } else {
          open.born(stat);
        }
      }
      return node;
    } finally {
      if (!taken) {
        place.close();
      }
      close(evicted);
    }
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
    if (name == null && !mount.hasHandles()) {
      return lookUpNameless(file, stat, mount);
    }
    synchronized (this) {
      long node = entered(mount, identity);
      countLookup(mount, node, directory, name);
      return node;
    }
  }

  /**
   * Without handle and name a file is not found again: its descriptor stays until it is forgotten.
   */
  private long lookUpNameless(LocalFd file, LocalStat stat, Mounts.Mount mount) throws IOException {
    LocalFd place;
    try {
      place = withRoom(() -> file.reopen(LocalFlags.O_PATH));
    } catch (IOException e) {
      mounts.leave(mount);
      throw e;
    }
    Descriptor evicted;
    long node;
    synchronized (this) {
      node = entered(mount, Scratch.get().identity);
      table.addLookups(node, 1);
      evicted = cached(place, node, stat);
      cache.pin(cache.get(node));
    }
    close(evicted);
    return node;
  }

  /**
   * The node of a file that has got another name.
   *
   * @param descriptor of the file
   * @param directory where
   * @param name the name
   */
  void lookUpLinked(Descriptor descriptor, long directory, Name name) {
    synchronized (this) {
      long node = descriptor.node;
      countLookup(mounts.at(table.mount(node)), node, directory, name);
    }
  }

  /** Gives lookups back: {@link MirrorFileSystem#forget}. */
  void forget(long node, long lookups) {
    List<Descriptor> closing = new ArrayList<>(0);
    synchronized (this) {
      if (table.contains(node)) {
        release(node, lookups, closing);
      }
    }
    closing.forEach(Nodes::close);
  }

  /** Closes everything. No call may be in progress. */
  synchronized void close() {
    cache.all().forEach(descriptor -> descriptor.fd.close());
    mounts.close();
  }

  // ---- names that go and come

  /**
   * What a name leads to, if it is known; given back by {@link #done}.
   *
   * @param directory where
   * @param name the name
   * @return its descriptor; null if the kernel does not know it, or there is no such name
   */
  Descriptor known(Descriptor directory, Name name) throws IOException {
    return known(directory, name, false);
  }

  /**
   * What a name leads to, if it is known and can't be found any more when the name is gone; given
   * back by {@link #done}. The kernel locks a file whose names it changes, so what is its last name
   * stays that.
   *
   * @param directory where
   * @param name the name
   * @return its descriptor; null if there is no need for it
   */
  Descriptor knownByName(Descriptor directory, Name name) throws IOException {
    return known(directory, name, true);
  }

  private Descriptor known(Descriptor directory, Name name, boolean byNameOnly) throws IOException {
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
    if (mount == null || byNameOnly && mount.hasHandles() && hasOtherNames(stat)) {
      return null;
    }
    Descriptor open = useOpen(mount, stat);
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
      synchronized (this) {
        node = table.next(mount.number, number, node);
        if (node == NodeTable.NONE) {
          return null;
        }
        table.identify(node, scratch.identity);
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

  /**
   * Has a descriptor stay, since its file is about to lose the name that it is found by.
   *
   * @param descriptor of the file, which is being used
   * @return whether it stays, until the file is forgotten or {@link #unpin}
   */
  synchronized boolean pin(Descriptor descriptor) {
    if (descriptor.dropped) {
      return false;
    }
    cache.pin(descriptor);
    return true;
  }

  /** Takes back what {@link #pin} did. */
  void unpin(Descriptor descriptor) {
    Descriptor evicted;
    synchronized (this) {
      evicted = descriptor.dropped ? null : cache.unpin(descriptor);
    }
    close(evicted);
  }

  /** Says that what a name leads to has got another one, or has exchanged names. */
  synchronized void renamed(
      long directory, Name name, long newDirectory, Name newName, boolean exchange) {
    long node = guesses.get(directory, name);
    if (exchange) {
      guesses.put(directory, name, guesses.get(newDirectory, newName));
    }
    guesses.put(newDirectory, newName, node);
  }

  /** Says that a file has a name in a directory now, in place of another one. */
  synchronized void moved(Descriptor descriptor, long directory, Name name) {
    long node = descriptor.node;
    if (table.contains(node) && !mounts.at(table.mount(node)).hasHandles()) {
      put(node, directory, name);
    }
  }

  // ---- finding files again

  private Descriptor openByHandle(long node, Mounts.Mount mount, Scratch scratch)
      throws IOException {
    Identity identity = scratch.identity;
    LocalFd place =
        withRoom(
            () ->
                LocalFd.byHandle(
                    mount.anchor, identity.proof, 0, identity.length, LocalFlags.O_PATH));
    return install(place, node, null);
  }

  /** Walks down from the nearest directory above that is open, at the latest the root. */
  private Descriptor openByPlace(long node, Scratch scratch) throws IOException {
    while (true) {
      long changes;
      synchronized (this) {
        changes = places.changes();
      }
      try {
        return walk(node, scratch);
      } catch (FuseException e) {
        synchronized (this) {
          if (changes == places.changes()) {
            throw e.errno() == Errno.ENOENT || e.errno() == Errno.ENOTDIR
                ? Errno.ESTALE.exception()
                : e;
          }
        }
      }
    }
  }

  private Descriptor walk(long node, Scratch scratch) throws IOException {
    List<Places.Place> steps = new ArrayList<>();
    List<Long> nodes = new ArrayList<>();
    long above = node;
    Descriptor at = null;
    while (at == null) {
      synchronized (this) {
        Places.Place place = places.get(above);
        if (place == null) {
          throw Errno.ESTALE.exception();
        }
        nodes.add(above);
        steps.add(place);
        above = place.directory();
      }
      at = useOpen(above);
    }
    for (int i = steps.size() - 1; i >= 0; i--) {
      Descriptor next;
      try {
        next = step(at, steps.get(i).name(), nodes.get(i), scratch);
      } finally {
        done(at);
      }
      at = next;
    }
    return at;
  }

  private Descriptor step(Descriptor at, Name name, long node, Scratch scratch) throws IOException {
    LocalFd place = open(at.fd, name);
    boolean found = false;
    try {
      place.statx(scratch.stat);
      found = find(place, scratch.stat, scratch.identity) == node;
    } finally {
      if (!found) {
        place.close();
      }
    }
    if (!found) {
      throw Errno.ESTALE.exception();
    }
    return install(place, node, scratch.stat);
  }

  /**
   * Makes a descriptor that of its node, unless the node has got one meanwhile.
   *
   * @param stat the file's attributes, null if they are not known
   */
  private Descriptor install(LocalFd place, long node, LocalStat stat) throws FuseException {
    Descriptor evicted = null;
    Descriptor open;
    synchronized (this) {
      open = table.contains(node) ? cache.get(node) : null;
      if (open == null && table.contains(node)) {
        evicted = cached(place, node, stat);
        open = cache.get(node);
      }
      if (open != null) {
        open.uses++;
        open.touched = true;
      }
    }
    close(evicted);
    if (open == null || open.fd != place) {
      place.close();
    }
    if (open == null) {
      throw Errno.ESTALE.exception(); // forgotten
    }
    return open;
  }

  /** Closes some that are not in use; false if there are none. */
  private boolean shed() {
    List<Descriptor> closing = new ArrayList<>();
    synchronized (this) {
      cache.shrink();
      while (cache.isOverfull()) {
        Descriptor evicted = cache.evict();
        if (evicted == null) {
          break;
        }
        closing.add(evicted);
      }
    }
    closing.forEach(Nodes::close);
    return !closing.isEmpty();
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
      try (LocalFd place =
          withRoom(() -> LocalFd.byHandle(mount.anchor, handle, 0, length, LocalFlags.O_PATH))) {
        place.statx(scratch.stat);
        Identity identity = scratch.identity;
        identity.mount = mount.number;
        identity.ino = number(scratch.stat);
        identity.length = length;
        System.arraycopy(handle, 0, identity.proof, 0, length);
        synchronized (this) {
          long node = table.find(identity);
          if (node != NodeTable.NONE) {
            return node;
          }
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
    synchronized (this) {
      return table.find(identity);
    }
  }

  // ---- with the lock held

  private synchronized Descriptor useOpen(long node) throws FuseException {
    Descriptor open = cache.get(node);
    if (open != null) {
      open.uses++;
      open.touched = true;
    } else if (!table.contains(node)) {
      throw Errno.ESTALE.exception();
    }
    return open;
  }

  private synchronized Descriptor useOpen(Mounts.Mount mount, LocalStat stat) {
    Descriptor open = open(mount, stat);
    if (open != null) {
      open.uses++;
      open.touched = true;
    }
    return open;
  }

  private Descriptor open(Mounts.Mount mount, LocalStat stat) {
    long ino = number(stat);
    long node = table.next(mount.number, ino, NodeTable.NONE);
    while (node != NodeTable.NONE) {
      Descriptor open = cache.get(node);
      if (open != null && open.wasBorn(stat)) {
        return open;
      }
      node = table.next(mount.number, ino, node);
    }
    return null;
  }

  /** The node of a file whose mount was entered; a file that is known is counted once there. */
  private long entered(Mounts.Mount mount, Identity identity) {
    long node = table.find(identity);
    if (node == NodeTable.NONE) {
      return table.add(identity);
    }
    mounts.leave(mount);
    return node;
  }

  private void countLookup(Mounts.Mount mount, long node, long directory, Name name) {
    table.addLookups(node, 1);
    if (name != null) {
      guesses.put(directory, name, node);
    }
    if (!mount.hasHandles() && node != ROOT) {
      put(node, directory, name);
    }
  }

  /**
   * Says where a node is. A directory that is a node's place is kept like one that was looked up.
   */
  private void put(long node, long directory, Name name) {
    long old = places.put(node, directory, name);
    if (old != directory) {
      table.addLookups(directory, 1);
      if (old != NodeTable.NONE) {
        List<Descriptor> closing = new ArrayList<>(0);
        release(old, 1, closing);
        closing.forEach(Nodes::close);
      }
    }
  }

  private void release(long node, long lookups, List<Descriptor> closing) {
    long at = node;
    long count = lookups;
    while (at != NodeTable.NONE && table.addLookups(at, -count) == 0) {
      Mounts.Mount mount = mounts.at(table.mount(at));
      Descriptor open = cache.get(at);
      if (open != null) {
        cache.remove(open);
        if (open.uses == 0) {
          closing.add(open);
        } else {
          open.dropped = true;
        }
      }
      table.remove(at);
      mounts.leave(mount);
      at = places.remove(at);
      count = 1;
    }
  }

  private static void close(Descriptor unused) {
    if (unused != null) {
      unused.fd.close();
    }
  }

  /** Puts a descriptor into the cache; answers one that has to go for it, or null. */
  private Descriptor cached(LocalFd place, long node, LocalStat stat) {
    Descriptor descriptor = new Descriptor(place, node);
    if (stat != null) {
      descriptor.born(stat);
    }
    return cache.add(descriptor);
  }
}
