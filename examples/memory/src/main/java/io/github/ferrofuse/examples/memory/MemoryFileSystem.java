package io.github.ferrofuse.examples.memory;

import io.github.ferrofuse.AttrChange;
import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.Connection;
import io.github.ferrofuse.DirHandle;
import io.github.ferrofuse.EntrySink;
import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.LockKeeper;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.OpenReply;
import io.github.ferrofuse.PosixAcl;
import io.github.ferrofuse.Request;
import io.github.ferrofuse.StatfsSink;
import io.github.ferrofuse.XattrSink;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A complete file system in memory, which is gone when it is unmounted unless it was told to {@link
 * #keepContents}: files of every type, hard links, sparse files, extended attributes, and the times
 * and link counts that POSIX asks for.
 *
 * <p>Contents lie in direct memory, everything else in the Java heap; {@link Limits} bounds both.
 * What does not fit is refused with ENOSPC, and what is there stays readable and removable.
 *
 * <p><b>Permissions</b> are stored, and left to the kernel to check, sticky directories and setgid
 * on chmod included: mount it with {@code default_permissions}, as {@code allow_other} requires.
 * With {@link #keepAcls} there are POSIX ACLs, too, and the kernel checks in any case; without,
 * they are refused (EOPNOTSUPP). Setuid, setgid and capabilities are cleared here when a file is
 * written or given away.
 *
 * <p><b>Limits</b>: files up to {@value FileData#MAX_SIZE} bytes, names up to {@value
 * Tree#MAX_NAME} bytes, {@value Tree#MAX_LINKS} names for a file. The access time follows the rule
 * of relatime unless {@link #accessTimes} says otherwise, for reads that reach the file system;
 * those that the page cache serves do not.
 *
 * <p><b>Threads</b>: any method may run at any time. Reading, writing, looking up and getting
 * attributes make no object.
 */
public final class MemoryFileSystem implements InodeFileSystem {
  private static final int O_EXCL = 0200;
  private static final int O_TRUNC = 01000;

  private final HeapBudget budget;
  private final NodeTable nodes;
  private final ChunkStore store;
  private final Clock clock = new Clock();
  private final Tree tree;
  private LockKeeper lockKeeper = LockKeeper.KERNEL;
  private boolean keepsContents;
  private boolean keepsHandles;

  private boolean wantsAcls;

  /** Set before the first request. */
  private boolean keepsAcls;

  /**
   * An empty file system.
   *
   * @param limits how much it may hold
   * @param rootMode permissions of the root directory
   * @param rootUid its owner
   * @param rootGid its group
   */
  public MemoryFileSystem(Limits limits, int rootMode, int rootUid, int rootGid) {
    this(limits, rootMode, rootUid, rootGid, new ChunkStore(limits.capacity()));
  }

  /** An empty file system whose contents lie in a store of the caller's. */
  MemoryFileSystem(Limits limits, int rootMode, int rootUid, int rootGid, ChunkStore store) {
    this.budget = new HeapBudget(limits.metadata());
    this.nodes = new NodeTable(limits.inodes());
    this.store = store;
    Directory root = new Directory(nodes.nextNumber(), rootMode, rootUid, rootGid, clock.now());
    this.tree = new Tree(nodes, budget, clock, root);
  }

  /**
   * An empty file system whose root directory belongs to the effective user and group of this
   * process.
   *
   * @param limits how much it may hold
   * @param rootMode permissions of the root directory
   * @return the file system
   * @throws IOException if /proc does not tell who the user is
   */
  public static MemoryFileSystem ownedByProcess(Limits limits, int rootMode) throws IOException {
    Path process = Path.of("/proc/self");
    int uid = (Integer) Files.getAttribute(process, "unix:uid");
    int gid = (Integer) Files.getAttribute(process, "unix:gid");
    return new MemoryFileSystem(limits, rootMode, uid, gid);
  }

  /**
   * Keeps the contents when it is unmounted, so that it can be mounted again, by one mount at a
   * time. The memory is free when nothing refers to the object any more. To be called before it is
   * mounted for the first time.
   *
   * @return this
   */
  public MemoryFileSystem keepContents() {
    keepsContents = true;
    return this;
  }

  /**
   * Says when reading updates the access time: {@link AccessTimes#RELATIME} unless told otherwise.
   * To be called while it is not mounted.
   *
   * @param when one of them
   * @return this
   */
  public MemoryFileSystem accessTimes(AccessTimes when) {
    clock.accessTimes(when);
    return this;
  }

  /**
   * Has others than the kernel keep locks; before it is mounted.
   *
   * @param keeper the kernel or the engine: it keeps none itself
   * @return this
   */
  MemoryFileSystem lockedBy(LockKeeper keeper) {
    lockKeeper = keeper;
    return this;
  }

  /**
   * Has it keep POSIX ACLs, where the kernel can check them. Off by default: the kernel then asks
   * for the ACLs of all that others than its owner walk through or open, most of which have none.
   *
   * @return this
   */
  public MemoryFileSystem keepAcls() {
    wantsAcls = true;
    return this;
  }

  /**
   * Has the handles of open_by_handle_at(2) and NFS last as long as their files; by inode only.
   *
   * @return this
   */
  public MemoryFileSystem keepHandles() {
    keepsHandles = true;
    return this;
  }

  @Override
  public void init(Connection connection) {
    connection.clearsPrivileges();
    if (keepsHandles) {
      connection.resolvesDots();
    }
    connection.knowsBirthTimes();
    keepsAcls = wantsAcls && connection.keepsAcls();
    connection.locks(lockKeeper);
  }

  @Override
  public void destroy() {
    if (keepsContents) {
      nodes.all().forEach(tree::forgetAll);
    } else {
      nodes.clear();
      store.close();
    }
  }

  // Names.

  @Override
  public boolean lookup(Request request, long parent, Name name, EntrySink out) throws IOException {
    Inode found;
    if (name.equals(Tree.NAME_OF_DOT)) {
      found = inode(parent);
      if (!found.retainIfReferred()) {
        throw Errno.ESTALE.exception();
      }
    } else if (name.equals(Tree.NAME_OF_DOT_DOT)) {
      found = tree.parent(directory(parent));
    } else {
      found = tree.lookup(directory(parent), name);
    }
    if (found == null) {
      return false;
    }
    fill(found, out);
    return true;
  }

  @Override
  public void forget(long node, long lookups) {
    Inode inode = nodes.get(node);
    if (inode != null) {
      tree.release(inode, lookups);
    }
  }

  @Override
  public void symlink(Request request, long parent, Name name, Name target, EntrySink out)
      throws IOException {
    insert(
        request,
        parent,
        name,
        new SymbolicLink(nodes.nextNumber(), request.uid(), request.gid(), clock.now(), target),
        out);
  }

  @Override
  public void mknod(Request request, long parent, Name name, int mode, int rdev, EntrySink out)
      throws IOException {
    switch (FileType.ofMode(mode)) {
      case REGULAR:
        insert(request, parent, name, newFile(request, mode), out);
        break;
      case FIFO:
      case SOCKET:
        insert(request, parent, name, newSpecial(request, mode, 0), out);
        break;
      case CHARACTER_DEVICE:
      case BLOCK_DEVICE:
        insert(request, parent, name, newSpecial(request, mode, rdev), out);
        break;
      default:
        throw Errno.EINVAL.exception();
    }
  }

  @Override
  public void mkdir(Request request, long parent, Name name, int mode, EntrySink out)
      throws IOException {
    insert(
        request,
        parent,
        name,
        new Directory(nodes.nextNumber(), mode, request.uid(), request.gid(), clock.now()),
        out);
  }

  @Override
  public void link(Request request, long node, long newParent, Name newName, EntrySink out)
      throws IOException {
    Inode inode = inode(node);
    tree.link(inode, directory(newParent), newName);
    fill(inode, out);
  }

  @Override
  public void unlink(Request request, long parent, Name name) throws IOException {
    tree.unlink(directory(parent), name);
  }

  @Override
  public void rmdir(Request request, long parent, Name name) throws IOException {
    tree.rmdir(directory(parent), name);
  }

  @Override
  public void rename(
      Request request, long parent, Name name, long newParent, Name newName, int flags)
      throws IOException {
    Directory from = directory(parent);
    Directory to = directory(newParent);
    if (flags == RENAME_EXCHANGE) {
      tree.exchange(from, name, to, newName);
    } else if ((flags & ~(RENAME_NOREPLACE | RENAME_WHITEOUT)) == 0) {
      Inode whiteout = null;
      if ((flags & RENAME_WHITEOUT) != 0) {
        whiteout = newSpecial(request, FileType.CHARACTER_DEVICE.bits(), 0);
      }
      tree.rename(from, name, to, newName, whiteout, (flags & RENAME_NOREPLACE) == 0);
    } else {
      throw Errno.EINVAL.exception();
    }
  }

  @Override
  public void readlink(Request request, long node, ByteBuffer out) throws IOException {
    Inode inode = inode(node);
    if (inode.type != FileType.SYMLINK) {
      throw Errno.EINVAL.exception();
    }
    out.put(((SymbolicLink) inode).target());
    inode.accessed(clock);
  }

  // Attributes.

  @Override
  public void getattr(Request request, long node, FileHandle handle, AttrSink out)
      throws IOException {
    inode(node).fill(out);
  }

  @Override
  public void setattr(
      Request request, long node, FileHandle handle, AttrChange change, AttrSink out)
      throws IOException {
    Inode inode = inode(node);
    inode.change(request, change, clock);
    inode.fill(out);
  }

  @Override
  public void setxattr(Request request, long node, Name name, ByteBuffer value, int flags)
      throws IOException {
    if (isAcl(name)) {
      inode(node).setAcl(request, name, value, budget, clock);
      return;
    }
    Xattrs.check(name);
    inode(node).setXattr(name, value, flags, budget, clock);
  }

  @Override
  public int getxattr(Request request, long node, Name name, ByteBuffer out) throws IOException {
    if (!isAcl(name)) {
      Xattrs.check(name);
    }
    return inode(node).getXattr(name, out);
  }

  @Override
  public void listxattr(Request request, long node, XattrSink out) throws IOException {
    inode(node).listXattrs(request.uid() == 0, out);
  }

  @Override
  public void removexattr(Request request, long node, Name name) throws IOException {
    if (isAcl(name)) {
      inode(node).removeAcl(name, clock);
      return;
    }
    Xattrs.check(name);
    inode(node).removeXattr(name, clock);
  }

  /** In blocks of one chunk, the unit in which contents are allocated. */
  @Override
  public void statfs(Request request, long node, StatfsSink out) {
    long free = store.free();
    out.blockSize(ChunkStore.CHUNK)
        .blocks(store.total(), free, free)
        .files(nodes.limit(), nodes.limit() - nodes.size())
        .nameLength(Tree.MAX_NAME);
  }

  // Handles.

  @Override
  public FileHandle open(Request request, long node, int flags, OpenReply out) throws IOException {
    RegularFile file = openable(inode(node));
    truncate(request, file, flags);
    file.retain();
    return handle(file, flags, out);
  }

  @Override
  public FileHandle create(
      Request request, long parent, Name name, int mode, int flags, EntrySink entry, OpenReply out)
      throws IOException {
    Directory directory = directory(parent);
    while (true) {
      Inode found = tree.lookup(directory, name);
      RegularFile file;
      if (found != null) {
        file = reopened(request, found, flags);
      } else {
        file = newFile(request, mode);
        try {
          tree.insert(directory, name, file, umask(request));
        } catch (FuseException e) {
          if (e.errno() == Errno.EEXIST) {
            continue; // somebody was faster
          }
          throw e;
        }
      }
      file.retain();
      fill(file, entry);
      return handle(file, flags, out);
    }
  }

  @Override
  public FileHandle tmpfile(
      Request request, long parent, int mode, int flags, EntrySink entry, OpenReply out)
      throws IOException {
    RegularFile file = newFile(request, mode);
    tree.addNameless(directory(parent), file, umask(request));
    file.retain();
    fill(file, entry);
    return handle(file, flags, out);
  }

  @Override
  public DirHandle opendir(Request request, long node, OpenReply out) throws IOException {
    Directory directory = directory(node);
    directory.retain();
    return new OpenDirectory(directory, tree, clock);
  }

  // Helpers.

  private Inode inode(long node) throws FuseException {
    Inode inode = nodes.get(node);
    if (inode == null) {
      throw Errno.ESTALE.exception();
    }
    return inode;
  }

  private Directory directory(long node) throws FuseException {
    Inode inode = inode(node);
    if (inode.type != FileType.DIRECTORY) {
      throw Errno.ENOTDIR.exception();
    }
    return (Directory) inode;
  }

  /** The kernel opens fifos and devices itself, and follows symbolic links. */
  private static RegularFile openable(Inode inode) throws FuseException {
    switch (inode.type) {
      case REGULAR:
        return (RegularFile) inode;
      case DIRECTORY:
        throw Errno.EISDIR.exception();
      case SYMLINK:
        throw Errno.ELOOP.exception();
      default:
        throw Errno.ENXIO.exception();
    }
  }

  private RegularFile newFile(Request request, int mode) {
    return new RegularFile(
        nodes.nextNumber(), mode, request.uid(), request.gid(), clock.now(), store);
  }

  private SpecialFile newSpecial(Request request, int mode, int rdev) {
    return new SpecialFile(
        nodes.nextNumber(), mode, request.uid(), request.gid(), clock.now(), rdev);
  }

  private void insert(Request request, long parent, Name name, Inode inode, EntrySink out)
      throws FuseException {
    tree.insert(directory(parent), name, inode, umask(request));
    fill(inode, out);
  }

  /** What is still to be taken from the permissions of something made. */
  private int umask(Request request) {
    return keepsAcls ? request.umask() : 0;
  }

  /** Whether an extended attribute is an ACL that is kept. */
  private boolean isAcl(Name name) {
    return keepsAcls && (name.equals(PosixAcl.ACCESS) || name.equals(PosixAcl.DEFAULT));
  }

  /**
   * For create on a name that exists. The inode is retained; if it cannot be opened it is released.
   */
  private RegularFile reopened(Request request, Inode found, int flags) throws FuseException {
    try {
      if ((flags & O_EXCL) != 0) {
        throw Errno.EEXIST.exception();
      }
      RegularFile file = openable(found);
      truncate(request, file, flags);
      return file;
    } catch (FuseException e) {
      tree.release(found, 1);
      throw e;
    }
  }

  private void truncate(Request request, RegularFile file, int flags) throws FuseException {
    if ((flags & O_TRUNC) != 0) {
      file.truncate(request, clock);
    }
  }

  /**
   * All changes go through the kernel, so what it has cached stays true; the file orders
   * overlapping writes.
   */
  private FileHandle handle(RegularFile file, int flags, OpenReply out) {
    out.parallelDirectWrites();
    if (clock.accessTimes() != AccessTimes.STRICTATIME) {
      out.keepCache();
    }
    return new OpenFile(file, flags, tree, clock);
  }

  private static void fill(Inode inode, EntrySink out) {
    out.node(inode.number);
    inode.fill(out.attr());
  }
}
