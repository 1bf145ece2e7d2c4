package io.github.ferrofuse.examples.memory;

import io.github.ferrofuse.DirSink;
import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.Name;
import java.util.concurrent.locks.StampedLock;

/**
 * The names of the file system: everything that reads or changes directories' entries, with the
 * link counts and times that go with it. {@link MemoryFileSystem} and {@link OpenDirectory} call
 * it; contents and attributes are none of its business.
 *
 * <p>One lock guards all entries: looking up and listing share it, changes have it alone. Order of
 * locks: this one, then one inode's at a time, then those inside {@link NodeTable} and {@link
 * ChunkStore}. Freeing, which takes time in proportion to a file's size, happens after this lock is
 * released.
 */
final class Tree {
  /** Longest name in bytes. */
  static final int MAX_NAME = 255;

  /** Most names of a file. Directories may have any number of subdirectories. */
  static final int MAX_LINKS = 65000;

  static final Name NAME_OF_DOT = Name.of(".");
  static final Name NAME_OF_DOT_DOT = Name.of("..");

  private final StampedLock lock = new StampedLock();
  private final NodeTable nodes;
  private final HeapBudget budget;
  private final Clock clock;

  /**
   * A tree of one directory.
   *
   * @param nodes gets every inode
   * @param budget what inodes and names are charged to
   * @param clock the time
   * @param root the root directory
   */
  Tree(NodeTable nodes, HeapBudget budget, Clock clock, Directory root) {
    this.nodes = nodes;
    this.budget = budget;
    this.clock = clock;
    root.setParent(root);
    nodes.add(root);
  }

  /**
   * Finds a name.
   *
   * @param directory where
   * @param name the name
   * @return what it leads to, retained for the caller; null if it does not exist
   * @throws FuseException ENAMETOOLONG
   */
  Inode lookup(Directory directory, Name name) throws FuseException {
    checkLength(name);
    long stamp = lock.readLock();
    try {
      Directory.Entry entry = directory.get(name);
      if (entry == null) {
        return null;
      }
      entry.inode().retain();
      return entry.inode();
    } finally {
      lock.unlockRead(stamp);
    }
  }

  /**
   * The directory that has a directory.
   *
   * @param directory which
   * @return its parent, retained for the caller; the root is its own
   * @throws FuseException ESTALE if it was removed
   */
  Inode parent(Directory directory) throws FuseException {
    long stamp = lock.readLock();
    try {
      if (directory.parent() == null) {
        throw Errno.ESTALE.exception();
      }
      directory.parent().retain();
      return directory.parent();
    } finally {
      lock.unlockRead(stamp);
    }
  }

  /**
   * Lists entries.
   *
   * @param directory which
   * @param cookie of the entry after which to begin, 0 for the beginning
   * @param last cookie of the last entry to list
   * @param out takes the entries; those that it took with attributes are retained
   */
  void list(Directory directory, long cookie, long last, DirSink out) {
    long stamp = lock.readLock();
    try {
      if (directory.parent() == null
          || cookie < Directory.DOT && !addDot(out, NAME_OF_DOT, directory, Directory.DOT)
          || cookie < Directory.DOT_DOT
              && !addDot(out, NAME_OF_DOT_DOT, directory.parent(), Directory.DOT_DOT)) {
        return;
      }
      int end = directory.placeAfter(last);
      for (int i = directory.placeAfter(cookie); i < end; i++) {
        Directory.Entry entry = directory.at(i);
        if (entry.inode() != null && !add(out, entry)) {
          return;
        }
      }
    } finally {
      lock.unlockRead(stamp);
    }
  }

  /** {@return the cookie of the newest entry of a directory} */
  long lastCookie(Directory directory) {
    long stamp = lock.readLock();
    try {
      return directory.lastCookie();
    } finally {
      lock.unlockRead(stamp);
    }
  }

  /**
   * Gives a new inode its name.
   *
   * @param directory where
   * @param name the name; copied
   * @param inode the inode, which nobody knows yet; retained for the caller
   * @param umask permissions that it is not to have, unless the directory has a default ACL
   * @throws FuseException EEXIST, ENOENT if the directory was removed, ENAMETOOLONG, ENOSPC
   */
  void insert(Directory directory, Name name, Inode inode, int umask) throws FuseException {
    checkLength(name);
    long stamp = lock.writeLock();
    try {
      checkAbsent(directory, name);
      register(inode, directory, cost(name), umask);
      directory.add(name.copy(), inode);
      if (inode.type == FileType.DIRECTORY) {
        ((Directory) inode).setParent(directory);
      }
      directory.entriesChanged(subdirectories(inode), clock.now());
      inode.retain();
    } finally {
      lock.unlockWrite(stamp);
    }
  }

  /**
   * Makes a new inode known that has no name yet: {@link #link} may give it one.
   *
   * @param directory whose group and default ACL it may inherit
   * @param umask as for {@link #insert}
   * @param inode the inode, which nobody knows yet; retained for the caller
   * @throws FuseException ENOENT if the directory was removed, ENOSPC
   */
  void addNameless(Directory directory, Inode inode, int umask) throws FuseException {
    long stamp = lock.writeLock();
    try {
      if (directory.parent() == null) {
        throw Errno.ENOENT.exception();
      }
      register(inode, directory, 0, umask);
      // The reference that its name would have is the caller's.
      inode.makeNameless();
    } finally {
      lock.unlockWrite(stamp);
    }
  }

  /**
   * Gives an inode one more name.
   *
   * @param inode anything but a directory; retained for the caller
   * @param directory where
   * @param name the name; copied
   * @throws FuseException EPERM, ENOENT if the inode has no name left or the directory was removed,
   *     EEXIST, EMLINK, ENAMETOOLONG, ENOSPC
   */
  void link(Inode inode, Directory directory, Name name) throws FuseException {
    checkLength(name);
    if (inode.type == FileType.DIRECTORY) {
      throw Errno.EPERM.exception();
    }
    long stamp = lock.writeLock();
    try {
      checkAbsent(directory, name);
      int links = inode.links();
      if (links == 0 && !inode.awaitsName()) {
        throw Errno.ENOENT.exception();
      }
      if (links >= MAX_LINKS) {
        throw Errno.EMLINK.exception();
      }
      budget.take(cost(name));
      long now = clock.now();
      directory.add(name.copy(), inode);
      directory.entriesChanged(0, now);
      inode.addLinks(1, now);
      inode.retain();
      if (links == 0) {
        inode.retain(); // for having a name
      }
    } finally {
      lock.unlockWrite(stamp);
    }
  }

  /**
   * Removes a name that does not lead to a directory.
   *
   * @throws FuseException ENOENT, EISDIR, ENAMETOOLONG
   */
  void unlink(Directory directory, Name name) throws FuseException {
    Inode nameless;
    long stamp = lock.writeLock();
    try {
      Directory.Entry entry = existing(directory, name);
      if (entry.inode().type == FileType.DIRECTORY) {
        throw Errno.EISDIR.exception();
      }
      nameless = remove(directory, entry);
    } finally {
      lock.unlockWrite(stamp);
    }
    dropName(nameless);
  }

  /**
   * Removes an empty directory.
   *
   * @throws FuseException ENOENT, ENOTDIR, ENOTEMPTY, ENAMETOOLONG
   */
  void rmdir(Directory directory, Name name) throws FuseException {
    Inode nameless;
    long stamp = lock.writeLock();
    try {
      Directory.Entry entry = existing(directory, name);
      if (entry.inode().type != FileType.DIRECTORY) {
        throw Errno.ENOTDIR.exception();
      }
      checkEmpty(entry.inode());
      nameless = remove(directory, entry);
    } finally {
      lock.unlockWrite(stamp);
    }
    dropName(nameless);
  }

  /**
   * Renames: rename(2).
   *
   * @param whiteout takes the old name, null if nothing does
   * @param mayReplace whether the new name may exist
   * @throws FuseException ENOENT, EEXIST, EINVAL for a directory into itself, EISDIR, ENOTDIR,
   *     ENOTEMPTY, ENOSPC, ENAMETOOLONG
   */
  void rename(
      Directory from, Name name, Directory to, Name newName, Inode whiteout, boolean mayReplace)
      throws FuseException {
    checkLength(newName);
    Inode nameless;
    long stamp = lock.writeLock();
    try {
      Directory.Entry source = existing(from, name);
      Directory.Entry target = to.get(newName);
      Inode moved = source.inode();
      checkRename(moved, to, target, mayReplace);
      if (target != null && target.inode() == moved) {
        return; // two names of one file: both stay
      }
      long cost = target == null ? cost(newName) : 0;
      if (whiteout == null) {
        budget.take(cost);
      } else {
        register(whiteout, from, cost, 0);
      }
      nameless = move(from, source, to, newName, target, whiteout);
    } finally {
      lock.unlockWrite(stamp);
    }
    dropName(nameless);
  }

  /**
   * Exchanges what two names lead to: renameat2(2) with RENAME_EXCHANGE.
   *
   * @throws FuseException ENOENT, EINVAL for a directory into itself, ENAMETOOLONG
   */
  void exchange(Directory one, Name name, Directory other, Name otherName) throws FuseException {
    long stamp = lock.writeLock();
    try {
      Directory.Entry first = existing(one, name);
      Directory.Entry second = existing(other, otherName);
      Inode toOther = first.inode();
      Inode toOne = second.inode();
      if (toOther == toOne) {
        return;
      }
      if (other.isWithin(toOther) || one.isWithin(toOne)) {
        throw Errno.EINVAL.exception();
      }
      long now = clock.now();
      int difference = subdirectories(toOne) - subdirectories(toOther);
      first.replace(toOne);
      second.replace(toOther);
      setParent(toOne, one);
      setParent(toOther, other);
      one.entriesChanged(difference, now);
      other.entriesChanged(-difference, now);
      toOne.addLinks(0, now);
      toOther.addLinks(0, now);
    } finally {
      lock.unlockWrite(stamp);
    }
  }

  /**
   * Gives references back, and frees the inode if they were the last ones. Takes no lock of the
   * tree.
   *
   * @param inode the inode
   * @param references how many
   */
  void release(Inode inode, long references) {
    if (inode.release(references)) {
      nodes.remove(inode);
      inode.discard(budget);
    }
  }

  /**
   * Gives all references back but that of the names. Nobody may use the inode meanwhile.
   *
   * @param inode the inode
   */
  void forgetAll(Inode inode) {
    release(inode, inode.references() - (inode.links() == 0 ? 0 : 1));
  }

  // The rest is called with the lock held, for writing unless it is about listing.

  private static boolean addDot(DirSink out, Name name, Directory directory, long cookie) {
    return out.add(name, directory.number, FileType.DIRECTORY, cookie);
  }

  private static boolean add(DirSink out, Directory.Entry entry) {
    Inode inode = entry.inode();
    boolean withAttributes = out.wantsAttr();
    if (withAttributes) {
      inode.fill(out.entry().attr());
    }
    boolean added = out.add(entry.name, inode.number, inode.type, entry.cookie);
    if (added && withAttributes) {
      inode.retain();
    }
    return added;
  }

  /** Charges a new inode and its name, and makes it known; changes nothing if that fails. */
  private void register(Inode inode, Directory directory, long nameCost, int umask)
      throws FuseException {
    budget.take(inode.heap() + nameCost);
    try {
      inode.inherit(directory, umask, budget);
      if (!nodes.add(inode)) {
        throw Errno.ENOSPC.exception();
      }
    } catch (FuseException e) {
      inode.discard(budget);
      budget.give(nameCost);
      throw e;
    }
  }

  private static void checkRename(
      Inode moved, Directory to, Directory.Entry target, boolean mayReplace) throws FuseException {
    if (to.parent() == null) {
      throw Errno.ENOENT.exception();
    }
    if (target != null && !mayReplace) {
      throw Errno.EEXIST.exception();
    }
    boolean directory = moved.type == FileType.DIRECTORY;
    if (directory && to.isWithin(moved)) {
      throw Errno.EINVAL.exception();
    }
    if (target == null || target.inode() == moved) {
      return;
    }
    if (target.inode().type != FileType.DIRECTORY) {
      if (directory) {
        throw Errno.ENOTDIR.exception();
      }
    } else if (directory) {
      checkEmpty(target.inode());
    } else {
      throw Errno.EISDIR.exception();
    }
  }

  /**
   * The change itself, which cannot fail; answers the inode that lost its last name, if one did.
   */
  private Inode move(
      Directory from,
      Directory.Entry source,
      Directory to,
      Name newName,
      Directory.Entry target,
      Inode whiteout) {
    long now = clock.now();
    Inode moved = source.inode();
    if (whiteout == null) {
      budget.give(cost(source.name));
      from.remove(source);
    } else {
      source.replace(whiteout);
    }
    Inode replaced = null;
    if (target == null) {
      to.add(newName.copy(), moved);
    } else {
      replaced = target.inode();
      target.replace(moved);
    }
    setParent(moved, to);
    from.entriesChanged(-subdirectories(moved), now);
    to.entriesChanged(subdirectories(moved) - subdirectories(replaced), now);
    moved.addLinks(0, now);
    return replaced == null ? null : unnamed(replaced, now);
  }

  /** Removes an entry; answers the inode if that was its last name. */
  private Inode remove(Directory directory, Directory.Entry entry) {
    long now = clock.now();
    Inode inode = entry.inode();
    directory.remove(entry);
    budget.give(cost(entry.name));
    directory.entriesChanged(-subdirectories(inode), now);
    return unnamed(inode, now);
  }

  /** Counts a name less; answers the inode if that was its last one. */
  private static Inode unnamed(Inode inode, long now) {
    setParent(inode, null);
    return inode.addLinks(inode.type == FileType.DIRECTORY ? -2 : -1, now) == 0 ? inode : null;
  }

  private void dropName(Inode nameless) {
    if (nameless != null) {
      release(nameless, 1);
    }
  }

  private static void setParent(Inode inode, Directory parent) {
    if (inode.type == FileType.DIRECTORY) {
      ((Directory) inode).setParent(parent);
    }
  }

  /** How many subdirectories an inode is. */
  private static int subdirectories(Inode inode) {
    return inode != null && inode.type == FileType.DIRECTORY ? 1 : 0;
  }

  private static Directory.Entry existing(Directory directory, Name name) throws FuseException {
    checkLength(name);
    Directory.Entry entry = directory.get(name);
    if (entry == null) {
      throw Errno.ENOENT.exception();
    }
    return entry;
  }

  private static void checkAbsent(Directory directory, Name name) throws FuseException {
    if (directory.parent() == null) {
      throw Errno.ENOENT.exception();
    }
    if (directory.get(name) != null) {
      throw Errno.EEXIST.exception();
    }
  }

  private static void checkEmpty(Inode directory) throws FuseException {
    if (!((Directory) directory).isEmpty()) {
      throw Errno.ENOTEMPTY.exception();
    }
  }

  private static void checkLength(Name name) throws FuseException {
    if (name.length() > MAX_NAME) {
      throw Errno.ENAMETOOLONG.exception();
    }
  }

  private static long cost(Name name) {
    return HeapBudget.ENTRY + name.length();
  }
}
