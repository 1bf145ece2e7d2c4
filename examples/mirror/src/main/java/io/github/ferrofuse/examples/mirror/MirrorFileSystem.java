package io.github.ferrofuse.examples.mirror;

import io.github.ferrofuse.AttrChange;
import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.Connection;
import io.github.ferrofuse.DirHandle;
import io.github.ferrofuse.EntrySink;
import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.OpenReply;
import io.github.ferrofuse.PosixAcl;
import io.github.ferrofuse.Request;
import io.github.ferrofuse.StatfsSink;
import io.github.ferrofuse.XattrSink;
import io.github.ferrofuse.local.LocalCaller;
import io.github.ferrofuse.local.LocalFd;
import io.github.ferrofuse.local.LocalFlags;
import io.github.ferrofuse.local.LocalStat;
import io.github.ferrofuse.local.LocalWatch;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A directory of this machine, passed through: what is below it is seen and changed below the mount
 * point, with the inode numbers, links, times, attributes and errors of the file system that it is
 * on. See docs/mirror.md for what holds and what does not.
 *
 * <p><b>Nothing outside</b> the directory is ever reached, whoever renames and replaces what in it
 * meanwhile: {@link Nodes}.
 *
 * <p><b>Permissions</b> are the kernel's to check, as for the files themselves: mount it with
 * {@code default_permissions}, as {@code allow_other} requires. Where the directory's file system
 * has POSIX ACLs they hold here, too, and the kernel checks in any case. What is made belongs to
 * who makes it, if this process may do that (CAP_SETUID, CAP_SETGID), else to this process.
 *
 * <p><b>Locks</b> of fcntl(2) and flock(2) are the kernel's, so they are between users of the
 * mount: a lock that is taken below the directory itself is not seen here. Passing them on is no
 * use, since those of fcntl(2) are one process's, and all that the mount's users do is done by this
 * one.
 *
 * <p><b>Threads</b>: any method may run at any time.
 */
public final class MirrorFileSystem implements InodeFileSystem {
  /** Flags of open(2) that are passed on to the file itself. */
  private static final int PASSED_ON =
      LocalFlags.O_ACCMODE
          | LocalFlags.O_APPEND
          | LocalFlags.O_SYNC
          | LocalFlags.O_DSYNC
          | LocalFlags.O_NOATIME
          | LocalFlags.O_TRUNC;

  private static final int MAKING =
      LocalFlags.O_CREAT | LocalFlags.O_EXCL | LocalFlags.O_NOFOLLOW | LocalFlags.O_NOCTTY;
  private static final int IN_DIRECTORY =
      LocalFlags.RESOLVE_BENEATH
          | LocalFlags.RESOLVE_NO_SYMLINKS
          | LocalFlags.RESOLVE_NO_MAGICLINKS;
  private static final int PERMISSIONS = 07777;
  private static final Name DOT = Name.of(".");

  private final Nodes nodes;
  private final LocalFd root;
  private final Path directory;
  private final int uid;
  private final int gid;
  private final EntriesPool entries = new EntriesPool();
  private boolean wantsAcls = true;
  private boolean shared;
  private boolean passesThrough;
  private boolean watches;

  /** What ends the watching; null where nothing is watched. */
  private LocalWatch watch;

  private InodeFlags inodeFlags;

  /** Set before the first request. */
  private boolean keepsAcls;

  private MirrorFileSystem(
      LocalFd root, Path directory, int descriptors, boolean handles, int uid, int gid)
      throws IOException {
    this.nodes = new Nodes(root, descriptors, handles);
    this.root = root;
    this.directory = directory;
    this.uid = uid;
    this.gid = gid;
  }

  /**
   * The mirror of a directory, to be mounted once.
   *
   * @param directory the directory; symbolic links that lead to it are followed, now and never
   *     again
   * @param descriptors how many descriptors may stay open for files that are known and not in use,
   *     1 or more
   * @param handles whether files are found by file handles, where they have some and this process
   *     may open them; otherwise by their names
   * @return the file system
   * @throws IOException if it is no directory, or /proc is not there
   */
  public static MirrorFileSystem of(Path directory, int descriptors, boolean handles)
      throws IOException {
    Path process = Path.of("/proc/self");
    int uid = (Integer) Files.getAttribute(process, "unix:uid");
    int gid = (Integer) Files.getAttribute(process, "unix:gid");
    LocalFd root = LocalFd.open(directory, LocalFlags.O_PATH | LocalFlags.O_DIRECTORY);
    try {
      return new MirrorFileSystem(root, directory.toRealPath(), descriptors, handles, uid, gid);
    } catch (IOException | RuntimeException e) {
      root.close();
      throw e;
    }
  }

  /**
   * Leaves POSIX ACLs alone: they are neither obeyed nor shown. It spares the kernel a request for
   * the ACL of each file that others than its owner use; but whoever is in a file's group gets what
   * the ACL's mask gives, since that is what the mode says.
   *
   * @return this
   */
  public MirrorFileSystem withoutAcls() {
    wantsAcls = false;
    return this;
  }

  /**
   * Has the kernel drop what it has cached of an open file when it sees that somebody else has
   * changed the file, by its mtime. Off by default, because it may then lose writes that processes
   * make at the same time to one page: {@link Connection#sharesFiles}. Without it such changes show
   * when the file is opened again, or has another size.
   *
   * @return this
   */
  public MirrorFileSystem sharingOpenFiles() {
    shared = true;
    return this;
  }

  /**
   * Has the kernel read, write and map the directory's files by itself, where it can: {@link
   * Connection#passesThrough}.
   *
   * @return this
   */
  public MirrorFileSystem passThrough() {
    passesThrough = true;
    return this;
  }

  /**
   * Has the kernel forget what others change in the directory as soon as they have done it, so that
   * timeouts may be long. Takes CAP_SYS_ADMIN and file handles: {@link LocalWatch}.
   *
   * @return this
   */
  public MirrorFileSystem watchChanges() {
    watches = true;
    return this;
  }

  /** {@return the files that are known} */
  Nodes nodes() {
    return nodes;
  }

  InodeFlags inodeFlags() {
    return inodeFlags;
  }

  @Override
  public long root() {
    return Nodes.ROOT;
  }

  @Override
  public void init(Connection connection) throws IOException {
    nodes.leaveOut(OwnMount.outside(directory, connection.mountPoint()));
    inodeFlags = new InodeFlags(connection.notifier());
    connection.clearsPrivileges();
    connection.knowsBirthTimes();
    if (shared) {
      connection.sharesFiles();
    }
    if (passesThrough) {
      connection.passesThrough();
    }
    if (watches) {
      startWatching(connection);
    }
    keepsAcls = wantsAcls && hasAcls() && connection.keepsAcls();
  }

  private void startWatching(Connection connection) throws IOException {
    if (!nodes.hasHandles()) {
      throw new IOException(
          "watch takes file handles, which the directory's file system lacks or this process may"
              + " not open (CAP_DAC_READ_SEARCH), or which nohandles has turned off");
    }
    try {
      watch = Watcher.start(nodes, connection.notifier());
    } catch (FuseException e) {
      throw new IOException("watch takes CAP_SYS_ADMIN and Linux 5.9: " + e.getMessage(), e);
    }
  }

  private boolean hasAcls() throws IOException {
    try {
      root.getXattr(PosixAcl.ACCESS, ByteBuffer.allocateDirect(0), 0, 0);
      return true;
    } catch (FuseException e) {
      return e.errno() != Errno.EOPNOTSUPP;
    }
  }

  @Override
  public void destroy() {
    if (watch != null) {
      watch.close();
    }
    nodes.close();
  }

  // Names.

  @Override
  public boolean lookup(Request request, long parent, Name name, EntrySink out) throws IOException {
    try (Descriptor directory = nodes.use(parent)) {
      handOut(directory, name, nodes.known().mayBeOpen(parent, name), out);
      return true;
    } catch (FuseException e) {
      if (e.errno() == Errno.ENOENT) {
        return false;
      }
      throw e;
    }
  }

  @Override
  public void forget(long node, long lookups) {
    nodes.known().forget(node, lookups);
  }

  @Override
  public void symlink(Request request, long parent, Name name, Name target, EntrySink out)
      throws IOException {
    try (Descriptor directory = nodes.use(parent)) {
      directory.fd.symlink(name, target, caller(request));
      handOut(directory, name, false, out);
    }
  }

  @Override
  public void mknod(Request request, long parent, Name name, int mode, int rdev, EntrySink out)
      throws IOException {
    try (Descriptor directory = nodes.use(parent)) {
      directory.fd.mknod(name, mode, rdev, caller(request));
      handOut(directory, name, false, out);
    }
  }

  @Override
  public void mkdir(Request request, long parent, Name name, int mode, EntrySink out)
      throws IOException {
    try (Descriptor directory = nodes.use(parent)) {
      directory.fd.mkdir(name, mode & PERMISSIONS, caller(request));
      handOut(directory, name, false, out);
    }
  }

  @Override
  public void link(Request request, long node, long newParent, Name newName, EntrySink out)
      throws IOException {
    try (Descriptor file = nodes.use(node)) {
      try (Descriptor directory = nodes.use(newParent)) {
        file.fd.link(directory.fd, newName);
      }
      LocalStat stat = Scratch.get().stat;
      file.fd.statx(stat);
      nodes.known().countLinked(file, newParent, newName);
      out.node(node);
      fill(stat, out.attr());
    }
  }

  @Override
  public void unlink(Request request, long parent, Name name) throws IOException {
    remove(parent, name, false);
  }

  @Override
  public void rmdir(Request request, long parent, Name name) throws IOException {
    remove(parent, name, true);
  }

  private void remove(long parent, Name name, boolean isDirectory) throws IOException {
    try (Descriptor directory = nodes.use(parent);
        Leaving leaving = Leaving.of(nodes, directory, name)) {
      if (isDirectory) {
        directory.fd.rmdir(name);
      } else {
        directory.fd.unlink(name);
      }
      leaving.succeeded();
    }
  }

  @Override
  public void rename(
      Request request, long parent, Name name, long newParent, Name newName, int flags)
      throws IOException {
    LocalCaller maker = (flags & RENAME_WHITEOUT) == 0 ? null : caller(request);
    try (Descriptor from = nodes.use(parent);
        Descriptor to = nodes.use(newParent);
        Moving moving = Moving.of(nodes, from, name, to, newName, flags)) {
      from.fd.rename(name, to.fd, newName, flags, maker);
      moving.succeeded();
    }
  }

  @Override
  public void readlink(Request request, long node, ByteBuffer out) throws IOException {
    try (Descriptor link = nodes.use(node)) {
      int length = link.fd.readlink(out, out.position(), out.remaining());
      out.position(out.position() + length);
    }
  }

  // Attributes.

  @Override
  public void getattr(Request request, long node, FileHandle handle, AttrSink out)
      throws IOException {
    LocalStat stat = Scratch.get().stat;
    if (handle instanceof OpenFile) {
      ((OpenFile) handle).fd.statx(stat);
    } else {
      try (Descriptor file = nodes.use(node)) {
        file.fd.statx(stat);
      }
    }
    fill(stat, out);
  }

  @Override
  public void setattr(
      Request request, long node, FileHandle handle, AttrChange change, AttrSink out)
      throws IOException {
    LocalStat stat = Scratch.get().stat;
    try (Descriptor file = nodes.use(node)) {
      Attributes.change(request, nodes, file.fd, handle, change);
      file.fd.statx(stat);
    }
    fill(stat, out);
  }

  @Override
  public void setxattr(Request request, long node, Name name, ByteBuffer value, int flags)
      throws IOException {
    checkAcl(name);
    try (Descriptor file = nodes.use(node)) {
      file.fd.setXattr(name, value, value.position(), value.remaining(), flags);
      if (request.killsPrivileges() && name.equals(PosixAcl.ACCESS)) {
        Attributes.clearSetgid(file.fd);
      }
    }
  }

  @Override
  public int getxattr(Request request, long node, Name name, ByteBuffer out) throws IOException {
    checkAcl(name);
    try (Descriptor file = nodes.use(node)) {
      int room = out.remaining();
      int size = file.fd.getXattr(name, out, out.position(), room);
      if (room > 0) {
        out.position(out.position() + size);
      }
      return size;
    }
  }

  @Override
  public void listxattr(Request request, long node, XattrSink out) throws IOException {
    try (Descriptor file = nodes.use(node)) {
      for (Name name : file.fd.xattrNames()) {
        boolean shown = keepsAcls || !isAcl(name);
        if (shown && (request.uid() == 0 || !name.startsWith("trusted."))) {
          out.add(name);
        }
      }
    }
  }

  @Override
  public void removexattr(Request request, long node, Name name) throws IOException {
    checkAcl(name);
    try (Descriptor file = nodes.use(node)) {
      file.fd.removeXattr(name);
    }
  }

  @Override
  public void statfs(Request request, long node, StatfsSink out) throws IOException {
    try (Descriptor file = nodes.use(node)) {
      file.fd.statfs().copyTo(out);
    }
  }

  @Override
  public void syncfs(Request request, long node) throws IOException {
    try (LocalFd open = nodes.withRoom(() -> root.reopen(LocalFlags.O_RDONLY))) {
      open.syncfs();
    }
  }

  // Handles.

  @Override
  public FileHandle open(Request request, long node, int flags, OpenReply out) throws IOException {
    try (Descriptor file = nodes.use(node)) {
      int passed = flags & PASSED_ON | LocalFlags.O_NOCTTY;
      return handle(node, nodes.withRoom(() -> file.fd.reopen(passed)), passed, out);
    }
  }

  /**
   * Makes a file, never opens one that is there: the kernel believed that there was none, and has
   * not looked who may open it. ESTALE has it look again.
   */
  @Override
  public FileHandle create(
      Request request, long parent, Name name, int mode, int flags, EntrySink entry, OpenReply out)
      throws IOException {
    int passed = flags & PASSED_ON & ~LocalFlags.O_TRUNC | MAKING;
    LocalCaller caller = caller(request);

    try (Descriptor directory = nodes.use(parent)) {
      LocalFd file =
          nodes.withRoom(
              () -> directory.fd.openat2(name, passed, mode & PERMISSIONS, IN_DIRECTORY, caller));
      return made(file, parent, name, flags, entry, out);
    } catch (FuseException e) {
      if (e.errno() == Errno.EEXIST && (flags & LocalFlags.O_EXCL) == 0) {
        throw Errno.ESTALE.exception();
      }
      throw e;
    }
  }

  @Override
  public FileHandle tmpfile(
      Request request, long parent, int mode, int flags, EntrySink entry, OpenReply out)
      throws IOException {
    int passed = flags & (PASSED_ON | LocalFlags.O_EXCL) | LocalFlags.O_TMPFILE;
    LocalCaller caller = caller(request);
    try (Descriptor directory = nodes.use(parent)) {
      LocalFd file =
          nodes.withRoom(
              () -> directory.fd.openat2(DOT, passed, mode & PERMISSIONS, IN_DIRECTORY, caller));
      return made(file, parent, null, flags, entry, out);
    }
  }

  private FileHandle made(
      LocalFd file, long parent, Name name, int flags, EntrySink entry, OpenReply out)
      throws IOException {
    try {
      LocalStat stat = Scratch.get().stat;
      file.statx(stat);
      long node = nodes.lookUpMade(file, stat, parent, name);
      entry.node(node);
      fill(stat, entry.attr());
      return handle(node, file, flags & PASSED_ON, out);
    } catch (IOException | RuntimeException e) {
      file.close();
      throw e;
    }
  }

  @Override
  public DirHandle opendir(Request request, long node, OpenReply out) throws IOException {
    try (Descriptor directory = nodes.use(node)) {
      LocalFd open =
          nodes.withRoom(() -> directory.fd.reopen(LocalFlags.O_RDONLY | LocalFlags.O_DIRECTORY));
      try {
        return new OpenDirectory(this, node, open, entries);
      } catch (IOException | RuntimeException e) {
        open.close();
        throw e;
      }
    }
  }

  // Helpers.

  /** Writes that overlap may come: the file's own file system orders them. */
  private FileHandle handle(long node, LocalFd file, int flags, OpenReply out) throws IOException {
    out.parallelDirectWrites();
    if (passesThrough) {
      out.passThrough(file.number());
    }
    return new OpenFile(this, node, file, flags);
  }

  /** Who is to own what is made. */
  private LocalCaller caller(Request request) {
    int umask = keepsAcls ? request.umask() : 0;
    return uid == 0
        ? LocalCaller.owner(request.uid(), request.gid(), umask)
        : LocalCaller.owner(uid, gid, umask);
  }

  private void handOut(Descriptor directory, Name name, boolean mayBeOpen, EntrySink out)
      throws IOException {
    out.node(nodes.lookUp(directory.fd, directory.node, name, mayBeOpen));
    fill(Scratch.get().stat, out.attr());
  }

  void fill(LocalStat stat, AttrSink out) {
    stat.copyTo(out);
    out.ino(nodes.number(stat));
  }

  private static boolean isAcl(Name name) {
    return name.equals(PosixAcl.ACCESS) || name.equals(PosixAcl.DEFAULT);
  }

  private void checkAcl(Name name) throws FuseException {
    if (!keepsAcls && isAcl(name)) {
      throw Errno.EOPNOTSUPP.exception();
    }
  }
}
