package io.github.ferrofuse.examples.memory;

import io.github.ferrofuse.AttrChange;
import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.PosixAcl;
import io.github.ferrofuse.Request;
import io.github.ferrofuse.XattrSink;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicLongFieldUpdater;
import java.util.concurrent.locks.StampedLock;
import java.util.stream.IntStream;

/**
 * One file of any type, whatever names it has: its attributes, and how long it is needed.
 *
 * <p>Everything but the references is guarded by {@link #lock}, which every method takes itself
 * unless it says "caller holds the lock". While it is held, no lock of the {@link Tree} and of no
 * other inode may be asked for.
 */
abstract class Inode {
  /** Runs with another user's rights. */
  static final int S_ISUID = 04000;

  /** Runs with another group's rights; on a directory: new files get its group. */
  static final int S_ISGID = 02000;

  private static final int S_IXGRP = 0010;
  private static final int PERMISSIONS = 07777;
  private static final AtomicLongFieldUpdater<Inode> REFERENCES =
      AtomicLongFieldUpdater.newUpdater(Inode.class, "references");

  final long number;
  final FileType type;
  final StampedLock lock = new StampedLock();
  final Times times;

  private int permissions;
  private int uid;
  private int gid;
  private int links;

  /** Has no name yet, but may get one. */
  private boolean awaitsName;

  /** Null until one is set. */
  private Xattrs xattrs;

  /**
   * One for each lookup and each open handle that the kernel has, and one while there is a name.
   */
  private volatile long references = 1;

  /**
   * An inode that is about to get its first name.
   *
   * @param number from {@link NodeTable#nextNumber}
   * @param mode its type and permissions
   * @param links how many names it is to have
   * @param uid owner
   * @param gid group, unless the directory gives it one
   * @param now {@link Clock#now}
   */
  Inode(long number, int mode, int links, int uid, int gid, long now) {
    this.number = number;
    this.type = FileType.ofMode(mode);
    this.permissions = mode & PERMISSIONS;
    this.links = links;
    this.uid = uid;
    this.gid = gid;
    this.times = new Times(now);
  }

  /** Size that stat(2) shows; caller holds the lock. */
  long size() {
    return 0;
  }

  /** Space taken, in units of 512 bytes; caller holds the lock. */
  long blocks() {
    return 0;
  }

  /** Device number; constant. */
  int rdev() {
    return 0;
  }

  /** Cuts or extends the content; caller holds the lock for writing. */
  void resize(long size) throws FuseException {
    throw Errno.EINVAL.exception();
  }

  /** What the inode takes of the {@link HeapBudget} without its extended attributes; constant. */
  long heap() {
    return HeapBudget.INODE;
  }

  /** Frees the content. Called once, when nothing refers to the inode any more. */
  void discardContent() {}

  // References.

  /** Adds a reference. The caller knows of another one that lasts during the call. */
  final void retain() {
    REFERENCES.getAndIncrement(this);
  }

  /**
   * Adds a reference, for a caller that knows of no other one.
   *
   * @return false if there is none any more
   */
  final boolean retainIfReferred() {
    return REFERENCES.getAndUpdate(this, count -> count == 0 ? 0 : count + 1) != 0;
  }

  /**
   * Gives references back.
   *
   * @param count how many
   * @return true, once, if that were the last ones
   */
  final boolean release(long count) {
    return REFERENCES.addAndGet(this, -count) == 0;
  }

  /** {@return how many references there are} */
  final long references() {
    return references;
  }

  /**
   * Frees what the inode has. Called once, when nothing refers to it any more.
   *
   * @param budget what it was charged to
   */
  final void discard(HeapBudget budget) {
    long stamp = lock.writeLock();
    try {
      discardContent();
      budget.give(heap() + (xattrs == null ? 0 : xattrs.heap()));
      xattrs = null;
    } finally {
      lock.unlockWrite(stamp);
    }
  }

  // Attributes.

  /** Tells the attributes. */
  final void fill(AttrSink out) {
    long stamp = lock.readLock();
    try {
      out.mode(type.bits() | permissions)
          .nlink(links)
          .uid(uid)
          .gid(gid)
          .rdev(rdev())
          .size(size())
          .blocks(blocks());
      times.fill(out);
    } finally {
      lock.unlockRead(stamp);
    }
  }

  /**
   * Changes attributes: all that are named, or none.
   *
   * @param request who asks
   * @param change what to change
   * @param clock the present
   * @throws FuseException EFBIG, EISDIR, EINVAL for a size that it cannot have
   */
  final void change(Request request, AttrChange change, Clock clock) throws FuseException {
    long stamp = lock.writeLock();
    try {
      if (change.hasSize()) {
        resize(change.size());
        clearCapabilities();
      }
      if (change.hasUid() || change.hasGid() || request.killsPrivileges()) {
        clearPrivileges(request);
      }
      if (change.hasMode()) {
        setMode(change.mode());
      }
      uid = change.hasUid() ? change.uid() : uid;
      gid = change.hasGid() ? change.gid() : gid;
      long now = clock.now();
      if (change.hasSize()) {
        times.modified(now);
      } else {
        times.changed(now);
      }
      times.set(change, now);
    } finally {
      lock.unlockWrite(stamp);
    }
  }

  /** Sets the permissions, and those in the access ACL if there is one; caller holds the lock. */
  private void setMode(int mode) throws FuseException {
    permissions = mode & PERMISSIONS;
    byte[] acl = xattrs == null ? null : xattrs.get(PosixAcl.ACCESS);
    if (acl != null) {
      setAccess(PosixAcl.parse(ByteBuffer.wrap(acl)).withMode(mode));
    }
  }

  /**
   * Clears setuid, setgid, and capabilities: what {@code FUSE_HANDLE_KILLPRIV_V2} asks for when the
   * content or the owner changes. Setgid of a file that its group may not execute is lost only to a
   * stranger, as on the kernel's own file systems. Does nothing to a directory. Caller holds the
   * lock for writing.
   */
  final void clearPrivileges(Request request) {
    if (type == FileType.DIRECTORY) {
      return;
    }
    permissions &= ~S_ISUID;
    if ((permissions & S_ISGID) != 0 && ((permissions & S_IXGRP) != 0 || isStranger(request))) {
      permissions &= ~S_ISGID;
    }
    clearCapabilities();
  }

  /** Whether the caller is neither root nor in the file's group; who is unknown is in no group. */
  private boolean isStranger(Request request) {
    if (request.uid() == 0 || request.gid() == gid) {
      return false;
    }
    try {
      return IntStream.of(request.groups()).noneMatch(group -> group == gid);
    } catch (IOException e) {
      return true;
    }
  }

  /**
   * Clears capabilities, which the content loses whoever changes it. Caller holds the lock for
   * writing.
   */
  final void clearCapabilities() {
    if (xattrs != null) {
      xattrs.remove(Xattrs.CAPABILITY);
    }
  }

  /** The content was read: updates the access time if that is due. */
  final void accessed(Clock clock) {
    long stamp = lock.readLock();
    boolean due;
    try {
      due = accessIsDue(clock);
    } finally {
      lock.unlockRead(stamp);
    }
    if (due) {
      setAccessed(clock);
    }
  }

  /** Whether reading should update the access time; caller holds the lock. */
  final boolean accessIsDue(Clock clock) {
    return switch (clock.accessTimes()) {
      case NOATIME -> false;
      case RELATIME -> times.accessIsDue(System.currentTimeMillis() / 1000);
      case STRICTATIME -> true;
    };
  }

  /** Updates the access time. */
  final void setAccessed(Clock clock) {
    long stamp = lock.writeLock();
    try {
      times.accessed(clock.now());
    } finally {
      lock.unlockWrite(stamp);
    }
  }

  // What the tree does.

  /**
   * Gives a new inode what it has from its directory. Of one that is setgid the group, and the bit
   * itself if it is a directory: inode(7). Of one with a default ACL the permissions and ACLs, of
   * others permissions without the umask: acl(5). Nobody knows the new inode yet.
   *
   * @param parent the directory that it is made in
   * @param umask permissions to leave out
   * @param budget what ACLs are charged to
   * @throws FuseException ENOSPC; the inode is then to be discarded
   */
  final void inherit(Inode parent, int umask, HeapBudget budget) throws FuseException {
    int mode;
    int group;
    byte[] inherited;
    long stamp = parent.lock.readLock();
    try {
      mode = parent.permissions;
      group = parent.gid;
      inherited = parent.xattrs == null ? null : parent.xattrs.get(PosixAcl.DEFAULT);
    } finally {
      parent.lock.unlockRead(stamp);
    }
    if ((mode & S_ISGID) != 0) {
      gid = group;
      permissions |= type == FileType.DIRECTORY ? S_ISGID : 0;
    }
    if (type == FileType.SYMLINK) {
      return;
    }
    if (inherited == null) {
      permissions &= ~umask;
      return;
    }
    xattrs = new Xattrs(budget);
    setAccess(PosixAcl.parse(ByteBuffer.wrap(inherited)).inherited(permissions));
    if (type == FileType.DIRECTORY) {
      xattrs.set(PosixAcl.DEFAULT, ByteBuffer.wrap(inherited), 0);
    }
  }

  /**
   * Makes an ACL and the permission bits that it stands for those of the inode. There are {@link
   * #xattrs}; caller holds the lock for writing, or is the only one that knows the inode.
   */
  private void setAccess(PosixAcl acl) throws FuseException {
    if (acl.isEquivalentToMode()) {
      xattrs.remove(PosixAcl.ACCESS);
    } else {
      xattrs.set(PosixAcl.ACCESS, ByteBuffer.wrap(acl.toBytes()), 0);
    }
    permissions = permissions & ~0777 | acl.permissions();
  }

  /**
   * The number of names changed; for a directory: of names and of subdirectories.
   *
   * @param difference what is added, may be 0 for a name that only changed
   * @param now {@link Clock#now}
   * @return how many there are now
   */
  final int addLinks(int difference, long now) {
    long stamp = lock.writeLock();
    try {
      links += difference;
      awaitsName &= links == 0;
      times.changed(now);
      return links;
    } finally {
      lock.unlockWrite(stamp);
    }
  }

  /**
   * A directory's entries changed.
   *
   * @param difference how many subdirectories came or went
   * @param now {@link Clock#now}
   */
  final void entriesChanged(int difference, long now) {
    long stamp = lock.writeLock();
    try {
      links += difference;
      times.modified(now);
    } finally {
      lock.unlockWrite(stamp);
    }
  }

  /** A file that was made without a name, which it may get later. */
  final void makeNameless() {
    long stamp = lock.writeLock();
    try {
      links = 0;
      awaitsName = true;
    } finally {
      lock.unlockWrite(stamp);
    }
  }

  /** {@return whether it was made without a name and has not got one yet} */
  final boolean awaitsName() {
    long stamp = lock.readLock();
    try {
      return awaitsName;
    } finally {
      lock.unlockRead(stamp);
    }
  }

  /** {@return how many names there are} */
  final int links() {
    long stamp = lock.readLock();
    try {
      return links;
    } finally {
      lock.unlockRead(stamp);
    }
  }

  // Extended attributes.

  /** Sets one: {@link Xattrs#set}. */
  final void setXattr(Name name, ByteBuffer value, int flags, HeapBudget budget, Clock clock)
      throws FuseException {
    long stamp = lock.writeLock();
    try {
      Xattrs present = xattrs == null ? new Xattrs(budget) : xattrs;
      present.set(name, value, flags);
      xattrs = present;
      times.changed(clock.now());
    } finally {
      lock.unlockWrite(stamp);
    }
  }

  /**
   * Sets an ACL: acl(5). The permission bits follow an access ACL, which is not kept if it says no
   * more than they do.
   *
   * @param request who asks
   * @param name {@link PosixAcl#ACCESS} or {@link PosixAcl#DEFAULT}
   * @param value the ACL
   * @throws FuseException EINVAL, EACCES for a default ACL of anything but a directory, ENOSPC
   */
  final void setAcl(Request request, Name name, ByteBuffer value, HeapBudget budget, Clock clock)
      throws FuseException {
    PosixAcl acl = PosixAcl.parse(value);
    boolean isDefault = name.equals(PosixAcl.DEFAULT);
    if (isDefault && type != FileType.DIRECTORY) {
      throw Errno.EACCES.exception();
    }
    long stamp = lock.writeLock();
    try {
      xattrs = xattrs == null ? new Xattrs(budget) : xattrs;
      if (isDefault) {
        xattrs.set(name, value, 0);
      } else {
        setAccess(acl);
        permissions &= request.killsPrivileges() ? ~S_ISGID : PERMISSIONS;
      }
      times.changed(clock.now());
    } finally {
      lock.unlockWrite(stamp);
    }
  }

  /** Removes an ACL, if there is one. The permission bits stay. */
  final void removeAcl(Name name, Clock clock) {
    long stamp = lock.writeLock();
    try {
      if (xattrs != null && xattrs.remove(name)) {
        times.changed(clock.now());
      }
    } finally {
      lock.unlockWrite(stamp);
    }
  }

  /**
   * Value of one.
   *
   * @param name the name
   * @param out takes it if there is room
   * @return its size
   * @throws FuseException ENODATA
   */
  final int getXattr(Name name, ByteBuffer out) throws FuseException {
    long stamp = lock.readLock();
    try {
      byte[] value = xattrs == null ? null : xattrs.get(name);
      if (value == null) {
        throw Errno.ENODATA.exception();
      }
      if (value.length <= out.remaining()) {
        out.put(value);
      }
      return value.length;
    } finally {
      lock.unlockRead(stamp);
    }
  }

  /** Names: {@link Xattrs#list}. */
  final void listXattrs(boolean trusted, XattrSink out) {
    long stamp = lock.readLock();
    try {
      if (xattrs != null) {
        xattrs.list(trusted, out);
      }
    } finally {
      lock.unlockRead(stamp);
    }
  }

  /** Removes one, ENODATA if there is none. */
  final void removeXattr(Name name, Clock clock) throws FuseException {
    long stamp = lock.writeLock();
    try {
      if (xattrs == null || !xattrs.remove(name)) {
        throw Errno.ENODATA.exception();
      }
      times.changed(clock.now());
    } finally {
      lock.unlockWrite(stamp);
    }
  }
}
