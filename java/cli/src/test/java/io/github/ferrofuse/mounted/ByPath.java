package io.github.ferrofuse.mounted;

import io.github.ferrofuse.AttrChange;
import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.Connection;
import io.github.ferrofuse.DirHandle;
import io.github.ferrofuse.DirList;
import io.github.ferrofuse.DirSink;
import io.github.ferrofuse.EntrySink;
import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.FuseFileSystem;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.LockRequest;
import io.github.ferrofuse.LockSink;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.OpenFile;
import io.github.ferrofuse.OpenReply;
import io.github.ferrofuse.Operation;
import io.github.ferrofuse.PollHandle;
import io.github.ferrofuse.Request;
import io.github.ferrofuse.StatfsSink;
import io.github.ferrofuse.XattrSink;
import java.io.IOException;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.util.Set;

/**
 * The path-based form of an inode-based file system: walks to each path by lookups, which it gives
 * back when the method is done. Keeps nothing, so it knows no path but those it is given.
 */
class ByPath implements FuseFileSystem {
  private static final int LONGEST_TARGET = 4096;

  /** For attributes that nobody asked for. */
  private static final AttrSink NOWHERE = ignoring(AttrSink.class);

  /** For a directory that only {@link #readdir} opens. */
  private static final OpenReply NO_REPLY = ignoring(OpenReply.class);

  private final InodeFileSystem inner;

  /** The form of a file system, to which it belongs from now on. */
  ByPath(InodeFileSystem inner) {
    this.inner = inner;
  }

  /** Something whose methods all answer itself. */
  private static <T> T ignoring(Class<T> type) {
    return type.cast(
        Proxy.newProxyInstance(
            type.getClassLoader(), new Class<?>[] {type}, (self, method, arguments) -> self));
  }

  // What a test may have otherwise.

  /** Says which file it is: by its node's number. */
  void identify(long node, AttrSink out) {
    out.ino(node);
  }

  /** An open of a node: one that answers for itself. */
  FileHandle handle(long node, FileHandle opened) {
    return new Handle(node, opened);
  }

  // The file system as a whole.

  @Override
  public Set<Operation> operations() {
    return inner.operations();
  }

  @Override
  public void init(Connection connection) throws IOException {
    inner.init(connection);
  }

  @Override
  public void destroy() {
    inner.destroy();
  }

  @Override
  public boolean checksAccess() {
    return inner.checksAccess();
  }

  @Override
  public void statfs(Request request, String path, StatfsSink out) throws IOException {
    try (Held file = walk(request, path)) {
      inner.statfs(request, file.node, out);
    }
  }

  // Attributes.

  @Override
  public void getattr(Request request, String path, AttrSink out) throws IOException {
    try (Held file = walk(request, path)) {
      inner.getattr(request, file.node, null, out);
      identify(file.node, out);
    }
  }

  @Override
  public void setattr(Request request, String path, AttrChange change) throws IOException {
    try (Held file = walk(request, path)) {
      inner.setattr(request, file.node, null, change, NOWHERE);
    }
  }

  @Override
  public void access(Request request, String path, int mask) throws IOException {
    try (Held file = walk(request, path)) {
      inner.access(request, file.node, mask);
    }
  }

  @Override
  public void setxattr(Request request, String path, String name, ByteBuffer value, int flags)
      throws IOException {
    try (Held file = walk(request, path)) {
      inner.setxattr(request, file.node, Name.of(name), value, flags);
    }
  }

  @Override
  public int getxattr(Request request, String path, String name, ByteBuffer out)
      throws IOException {
    try (Held file = walk(request, path)) {
      return inner.getxattr(request, file.node, Name.of(name), out);
    }
  }

  @Override
  public void listxattr(Request request, String path, XattrSink out) throws IOException {
    try (Held file = walk(request, path)) {
      inner.listxattr(request, file.node, out);
    }
  }

  @Override
  public void removexattr(Request request, String path, String name) throws IOException {
    try (Held file = walk(request, path)) {
      inner.removexattr(request, file.node, Name.of(name));
    }
  }

  // Names.

  @Override
  public String readlink(Request request, String path) throws IOException {
    try (Held link = walk(request, path)) {
      ByteBuffer target = ByteBuffer.allocate(LONGEST_TARGET);
      inner.readlink(request, link.node, target);
      byte[] bytes = new byte[target.flip().remaining()];
      target.get(bytes);
      return Name.of(bytes).toString();
    }
  }

  @Override
  public void symlink(Request request, String path, String target) throws IOException {
    try (Held parent = walk(request, parent(path))) {
      Held made = new Held();
      inner.symlink(request, parent.node, last(path), Name.of(target), made);
      made.close();
    }
  }

  @Override
  public void mknod(Request request, String path, int mode, int rdev) throws IOException {
    try (Held parent = walk(request, parent(path))) {
      Held made = new Held();
      inner.mknod(request, parent.node, last(path), mode, rdev, made);
      made.close();
    }
  }

  @Override
  public void mkdir(Request request, String path, int mode) throws IOException {
    try (Held parent = walk(request, parent(path))) {
      Held made = new Held();
      inner.mkdir(request, parent.node, last(path), mode, made);
      made.close();
    }
  }

  @Override
  public void unlink(Request request, String path) throws IOException {
    try (Held parent = walk(request, parent(path))) {
      inner.unlink(request, parent.node, last(path));
    }
  }

  @Override
  public void rmdir(Request request, String path) throws IOException {
    try (Held parent = walk(request, parent(path))) {
      inner.rmdir(request, parent.node, last(path));
    }
  }

  @Override
  public void rename(Request request, String path, String newPath, int flags) throws IOException {
    try (Held parent = walk(request, parent(path));
        Held newParent = walk(request, parent(newPath))) {
      inner.rename(request, parent.node, last(path), newParent.node, last(newPath), flags);
    }
  }

  @Override
  public void link(Request request, String path, String newPath) throws IOException {
    try (Held file = walk(request, path);
        Held newParent = walk(request, parent(newPath))) {
      Held again = new Held();
      inner.link(request, file.node, newParent.node, last(newPath), again);
      again.close();
    }
  }

  @Override
  public void readdir(Request request, String path, DirList out) throws IOException {
    try (Held directory = walk(request, path)) {
      DirHandle opened = inner.opendir(request, directory.node, NO_REPLY);
      try {
        Lister lister = new Lister(out);
        do {
          lister.added = false;
          opened.read(request, lister.cookie, lister);
        } while (lister.added);
      } finally {
        opened.release(request);
      }
    }
  }

  // Handles.

  @Override
  public FileHandle open(Request request, String path, int flags, OpenReply out)
      throws IOException {
    try (Held file = walk(request, path)) {
      return open(request, file.node, flags, out);
    }
  }

  @Override
  public FileHandle create(Request request, String path, int mode, int flags, OpenReply out)
      throws IOException {
    try (Held parent = walk(request, parent(path))) {
      Held made = new Held();
      FileHandle opened = inner.create(request, parent.node, last(path), mode, flags, made, out);
      made.close();
      return handle(made.node, opened);
    }
  }

  /** To be overridden together with {@link #handle}, unless that answers for itself. */
  @Override
  public OpenFile tmpfile(Request request, String directory, int mode, int flags, OpenReply out)
      throws IOException {
    try (Held parent = walk(request, directory)) {
      Held made = new Held();
      FileHandle opened = inner.tmpfile(request, parent.node, mode, flags, made, out);
      // Its open keeps the node.
      made.close();
      return new Handle(made.node, opened);
    }
  }

  private FileHandle open(Request request, long node, int flags, OpenReply out) throws IOException {
    FileHandle opened = inner.open(request, node, flags, out);
    return opened == null ? null : handle(node, opened);
  }

  // Walking.

  /** The node of a path, 0 if there is none. */
  long nodeOf(String path) throws IOException {
    try (Held found = walk(null, path)) {
      return found.node;
    } catch (IOException e) {
      if (e == Errno.ENOENT.exception() || e == Errno.ENOTDIR.exception()) {
        return 0;
      }
      throw e;
    }
  }

  static String parent(String path) {
    int slash = path.lastIndexOf('/');
    return slash == 0 ? "/" : path.substring(0, slash);
  }

  private static Name last(String path) {
    return Name.of(path.substring(path.lastIndexOf('/') + 1));
  }

  private Held walk(Request request, String path) throws IOException {
    Held at = new Held().node(inner.root());
    for (String name : path.split("/")) {
      if (!name.isEmpty()) {
        try (Held parent = at) {
          at = lookup(request, parent.node, Name.of(name));
        }
      }
    }
    return at;
  }

  private Held lookup(Request request, long parent, Name name) throws IOException {
    Held found = new Held();
    if (!inner.lookup(request, parent, name, found)) {
      throw Errno.ENOENT.exception();
    }
    return found;
  }

  /** A node that was looked up, until it is closed. */
  private final class Held implements EntrySink, AutoCloseable {
    private long node;

    @Override
    public Held node(long value) {
      node = value;
      return this;
    }

    @Override
    public EntrySink generation(long generation) {
      return this;
    }

    @Override
    public EntrySink entryTimeout(long nanos) {
      return this;
    }

    @Override
    public AttrSink attr() {
      return NOWHERE;
    }

    @Override
    public void close() {
      if (node != inner.root()) {
        inner.forget(node, 1);
      }
    }
  }

  /** Passes entries on. */
  private static final class Lister implements DirSink {
    private final DirList out;
    private long cookie;
    private boolean added;

    Lister(DirList out) {
      this.out = out;
    }

    @Override
    public boolean wantsAttr() {
      return false;
    }

    @Override
    public EntrySink entry() {
      throw new IllegalStateException("no attributes are wanted");
    }

    @Override
    public boolean add(Name name, long node, FileType type, long nextCookie) {
      out.add(name.toString(), type, node);
      cookie = nextCookie;
      added = true;
      return true;
    }
  }

  /** An open file; what it asks of its node needs no lookup, as the open keeps the node. */
  private final class Handle implements OpenFile {
    private final long node;
    private final FileHandle opened;

    Handle(long node, FileHandle opened) {
      this.node = node;
      this.opened = opened;
    }

    @Override
    public Concurrency concurrency() {
      return opened.concurrency();
    }

    @Override
    public int read(Request request, ByteBuffer dst, long offset) throws IOException {
      return opened.read(request, dst, offset);
    }

    @Override
    public int write(Request request, ByteBuffer src, long offset) throws IOException {
      return opened.write(request, src, offset);
    }

    @Override
    public void flush(Request request) throws IOException {
      opened.flush(request);
    }

    @Override
    public void fsync(Request request, boolean dataOnly) throws IOException {
      opened.fsync(request, dataOnly);
    }

    @Override
    public void fallocate(Request request, int mode, long offset, long length) throws IOException {
      opened.fallocate(request, mode, offset, length);
    }

    @Override
    public long lseek(Request request, long offset, int whence) throws IOException {
      return opened.lseek(request, offset, whence);
    }

    @Override
    public long copyFileRange(
        Request request, FileHandle source, long sourceOffset, long offset, long length)
        throws IOException {
      FileHandle from = source instanceof Handle ? ((Handle) source).opened : source;
      return opened.copyFileRange(request, from, sourceOffset, offset, length);
    }

    @Override
    public int ioctl(Request request, int command, long argument, ByteBuffer in, ByteBuffer out)
        throws IOException {
      return opened.ioctl(request, command, argument, in, out);
    }

    @Override
    public void link(Request request, String newPath) throws IOException {
      try (Held newParent = walk(request, parent(newPath))) {
        Held again = new Held();
        inner.link(request, node, newParent.node, last(newPath), again);
        again.close();
      }
    }

    @Override
    public boolean setLock(Request request, LockRequest lock) throws IOException {
      return opened.setLock(request, lock);
    }

    @Override
    public void getLock(Request request, LockRequest wanted, LockSink out) throws IOException {
      opened.getLock(request, wanted, out);
    }

    @Override
    public int poll(Request request, int events, PollHandle waiters) throws IOException {
      return opened.poll(request, events, waiters);
    }

    @Override
    public void release(Request request) throws IOException {
      opened.release(request);
    }

    @Override
    public void getattr(Request request, AttrSink out) throws IOException {
      inner.getattr(request, node, opened, out);
      identify(node, out);
    }

    @Override
    public void setattr(Request request, AttrChange change) throws IOException {
      inner.setattr(request, node, opened, change, NOWHERE);
    }

    @Override
    public FileHandle reopen(Request request, int flags, OpenReply out) throws IOException {
      return open(request, node, flags, out);
    }

    @Override
    public void setxattr(Request request, String name, ByteBuffer value, int flags)
        throws IOException {
      inner.setxattr(request, node, Name.of(name), value, flags);
    }

    @Override
    public int getxattr(Request request, String name, ByteBuffer out) throws IOException {
      return inner.getxattr(request, node, Name.of(name), out);
    }

    @Override
    public void listxattr(Request request, XattrSink out) throws IOException {
      inner.listxattr(request, node, out);
    }

    @Override
    public void removexattr(Request request, String name) throws IOException {
      inner.removexattr(request, node, Name.of(name));
    }
  }
}
