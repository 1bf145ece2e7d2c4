package io.github.ferrofuse.examples.mirror;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.local.LocalFd;
import io.github.ferrofuse.local.LocalStat;
import java.util.ArrayList;
import java.util.List;

/**
 * What is kept of the files that the kernel knows: which they are, how often each was looked up,
 * the descriptors that are open, and names where a file is found by its name. {@link Nodes} fills
 * it, and all who have a node or a {@link Descriptor} ask it, from any thread.
 *
 * <p>One lock guards it. It makes no system call with the lock held, but for closing directories
 * and mounts' anchors: closing a file that was removed can take long.
 */
final class KnownFiles {
  private final Mounts mounts;
  private final NodeTable table = new NodeTable();
  private final Places places = new Places();
  private final DescriptorCache cache;
  private final Guesses guesses;

  /**
   * Nothing is known yet.
   *
   * @param mounts in which files are entered and left
   * @param descriptors how many may stay open for nodes that nobody is using
   */
  KnownFiles(Mounts mounts, int descriptors) {
    this.mounts = mounts;
    cache = new DescriptorCache(descriptors);
    guesses = new Guesses(descriptors);
  }

  // ---- asking

  /** {@return whether there are nodes that are found by their names} */
  synchronized boolean usesNames() {
    return !places.isEmpty();
  }

  /** {@return all nodes that are known} */
  synchronized long[] all() {
    return table.all();
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

  /** {@return the mount of a node, and, in {@code out}, which file it is} */
  synchronized Mounts.Mount identify(long node, Identity out) throws FuseException {
    Mounts.Mount mount = mounts.at(mount(node));
    table.identify(node, out);
    return mount;
  }

  /** {@return the node of a file, {@link NodeTable#NONE} if it is not known} */
  synchronized long find(Identity identity) {
    return table.find(identity);
  }

  /**
   * A file that has, or had, a number.
   *
   * @param after what this answered before, or {@link NodeTable#NONE} to begin
   * @param out takes which it is
   * @return a node, {@link NodeTable#NONE} if there are no more
   */
  synchronized long next(Mounts.Mount mount, long number, long after, Identity out) {
    long node = table.next(mount.number, number, after);
    if (node != NodeTable.NONE) {
      table.identify(node, out);
    }
    return node;
  }

  /** {@return where a node was seen last} */
  synchronized Places.Place place(long node) throws FuseException {
    Places.Place place = places.get(node);
    if (place == null) {
      throw Errno.ESTALE.exception();
    }
    return place;
  }

  /** {@return how often any node's place has changed so far} */
  synchronized long placeChanges() {
    return places.changes();
  }

  // ---- open descriptors

  /**
   * A node's descriptor, for one use.
   *
   * @return it, null if there is none open
   * @throws FuseException ESTALE if the node is not known
   */
  synchronized Descriptor use(long node) throws FuseException {
    Descriptor open = cache.get(node);
    if (open != null) {
      use(open);
    } else if (!table.contains(node)) {
      throw Errno.ESTALE.exception();
    }
    return open;
  }

  /**
   * The descriptor of the file that has a number and some attributes, for one use.
   *
   * @return it, null if there is none open
   */
  synchronized Descriptor use(Mounts.Mount mount, long number, LocalStat stat) {
    Descriptor open = open(mount, number, stat);
    if (open != null) {
      use(open);
    }
    return open;
  }

  /** Ends one use of a descriptor. */
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
   * Makes a descriptor that of its node, unless the node has got one meanwhile, for one use.
   *
   * @param place kept or closed
   * @param stat the file's attributes, null if they are not known
   * @throws FuseException ESTALE if the node was forgotten
   */
  Descriptor install(LocalFd place, long node, LocalStat stat) throws FuseException {
    Descriptor evicted = null;
    Descriptor open;
    synchronized (this) {
      open = table.contains(node) ? cache.get(node) : null;
      if (open == null && table.contains(node)) {
        evicted = add(place, node, stat);
        open = cache.get(node);
      }
      if (open != null) {
        use(open);
      }
    }
    close(evicted);
    if (open == null || open.fd != place) {
      place.close();
    }
    if (open == null) {
      throw Errno.ESTALE.exception();
    }
    return open;
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

  /** Closes some that are not in use; false if there are none. */
  boolean shed() {
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
    closing.forEach(KnownFiles::close);
    return !closing.isEmpty();
  }

  /** Closes all. No call may be in progress. */
  synchronized void close() {
    cache.all().forEach(descriptor -> descriptor.fd.close());
  }

  // ---- counting lookups: the mount of a file was entered for it

  /**
   * The first node, which keeps its descriptor.
   *
   * @param place of the root, kept
   */
  synchronized void countRoot(
      Mounts.Mount mount, Identity identity, LocalFd place, LocalStat stat) {
    long node = countAndPin(mount, identity, place, stat);
    if (node != Nodes.ROOT) {
      throw new IllegalStateException("the root is node " + node);
    }
  }

  /**
   * Counts a lookup of a file that has a number and some attributes, and an open descriptor, which
   * keeps its number from being given to another.
   *
   * @param directory where it was found
   * @param name by which name
   * @return its node; {@link NodeTable#NONE} if there is none such
   */
  synchronized long countOpen(
      Mounts.Mount mount, long number, LocalStat stat, long directory, Name name) {
    Descriptor open = open(mount, number, stat);
    if (open == null) {
      return NodeTable.NONE;
    }
    open.touched = true;
    count(mount, open.node, directory, name);
    return open.node;
  }

  /**
   * Counts a lookup of a file.
   *
   * @param place kept or closed
   * @return its node
   */
  long count(
      Mounts.Mount mount,
      Identity identity,
      LocalFd place,
      LocalStat stat,
      long directory,
      Name name) {
    long node;
    Descriptor open;
    Descriptor evicted = null;
    synchronized (this) {
      node = entered(mount, identity);
      count(mount, node, directory, name);
      open = cache.get(node);
      if (open == null) {
        evicted = add(place, node, stat);
      } else {
        open.born(stat);
      }
    }
    if (open != null) {
      place.close();
    }
    close(evicted);
    return node;
  }

  /** The same for a file of which no descriptor is to be kept; it may have no name yet: null. */
  synchronized long count(Mounts.Mount mount, Identity identity, long directory, Name name) {
    long node = entered(mount, identity);
    count(mount, node, directory, name);
    return node;
  }

  /** The same for a file whose descriptor stays until it is forgotten. */
  long countAndPin(Mounts.Mount mount, Identity identity, LocalFd place, LocalStat stat) {
    Descriptor evicted;
    long node;
    synchronized (this) {
      node = entered(mount, identity);
      table.addLookups(node, 1);
      evicted = add(place, node, stat);
      cache.pin(cache.get(node));
    }
    close(evicted);
    return node;
  }

  /** Counts a lookup of a file that has got another name. */
  synchronized void countLinked(Descriptor descriptor, long directory, Name name) {
    long node = descriptor.node;
    count(mounts.at(table.mount(node)), node, directory, name);
  }

  /** Gives lookups back: {@link MirrorFileSystem#forget}. */
  void forget(long node, long lookups) {
    List<Descriptor> closing = new ArrayList<>(0);
    synchronized (this) {
      if (table.contains(node)) {
        release(node, lookups, closing);
      }
    }
    closing.forEach(KnownFiles::close);
  }

  // ---- names that change

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

  // ---- with the lock held

  private static void use(Descriptor open) {
    open.uses++;
    open.touched = true;
  }

  private Descriptor open(Mounts.Mount mount, long number, LocalStat stat) {
    long node = table.next(mount.number, number, NodeTable.NONE);
    while (node != NodeTable.NONE) {
      Descriptor open = cache.get(node);
      if (open != null && open.wasBorn(stat)) {
        return open;
      }
      node = table.next(mount.number, number, node);
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

  private void count(Mounts.Mount mount, long node, long directory, Name name) {
    table.addLookups(node, 1);
    if (name != null) {
      guesses.put(directory, name, node);
    }
    if (!mount.hasHandles() && node != Nodes.ROOT) {
      put(node, directory, name);
    }
  }

  /**
   * Says where a node is. A directory that is a node's place is kept like one that was looked up.
   * No node is ever above itself: nodes of a circle would keep each other for good.
   */
  private void put(long node, long directory, Name name) {
    if (node == directory) {
      return; // its directory bound onto a name in it, on a kernel that does not number mounts
    }
    long old = places.put(node, directory, name);
    if (old != directory) {
      List<Descriptor> closing = new ArrayList<>(0);
      table.addLookups(directory, 1);
      if (old != NodeTable.NONE) {
        release(old, 1, closing);
      }
      long stale = places.below(node, directory);
      if (stale != NodeTable.NONE) {
        places.remove(stale);
        release(node, 1, closing);
      }
      closing.forEach(KnownFiles::close);
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

  /** Puts a descriptor into the cache; answers one that has to go for it, or null. */
  private Descriptor add(LocalFd place, long node, LocalStat stat) {
    Descriptor descriptor = new Descriptor(this, place, node);
    if (stat != null) {
      descriptor.born(stat);
    }
    return cache.add(descriptor);
  }

  // ---- without it

  private static void close(Descriptor unused) {
    if (unused != null) {
      unused.fd.close();
    }
  }
}
