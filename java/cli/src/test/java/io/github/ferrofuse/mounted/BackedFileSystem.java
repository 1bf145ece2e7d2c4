package io.github.ferrofuse.mounted;

import io.github.ferrofuse.AttrChange;
import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.Connection;
import io.github.ferrofuse.DirHandle;
import io.github.ferrofuse.EntrySink;
import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.Notifier;
import io.github.ferrofuse.OpenReply;
import io.github.ferrofuse.Operation;
import io.github.ferrofuse.Request;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A file system whose files a test changes behind the kernel's back. Counts what the kernel asks.
 * Safe for threads.
 */
class BackedFileSystem implements InodeFileSystem {
  static final long ROOT = 1;

  final AtomicInteger lookups = new AtomicInteger();
  final AtomicInteger getattrs = new AtomicInteger();
  final AtomicInteger reads = new AtomicInteger();
  final AtomicInteger writes = new AtomicInteger();
  final AtomicInteger polls = new AtomicInteger();
  final Set<Long> forgotten = ConcurrentHashMap.newKeySet();

  /** What the mount was given at init. */
  volatile Notifier notifier;

  private final Map<Long, Node> nodes = new ConcurrentHashMap<>();

  /** A directory if it has no data. */
  private static final class Node {
    final Map<String, Long> names = new ConcurrentHashMap<>();
    volatile byte[] data;
  }

  private volatile boolean hasNumbers = true;

  BackedFileSystem() {
    nodes.put(ROOT, new Node());
  }

  /** Sets a file's content; makes it if it isn't there. */
  final BackedFileSystem content(long node, String text) {
    nodes.computeIfAbsent(node, n -> new Node()).data = text.getBytes(StandardCharsets.US_ASCII);
    return this;
  }

  final BackedFileSystem directory(long node) {
    nodes.put(node, new Node());
    return this;
  }

  final BackedFileSystem name(long directory, String name, long node) {
    nodes.get(directory).names.put(name, node);
    return this;
  }

  final BackedFileSystem remove(long directory, String name) {
    nodes.get(directory).names.remove(name);
    return this;
  }

  /** Tells the engine no inode numbers from now on. */
  final void withoutNumbers() {
    hasNumbers = false;
  }

  private Node node(long node) throws IOException {
    Node found = nodes.get(node);
    if (found == null) {
      throw Errno.ENOENT.exception();
    }
    return found;
  }

  @Override
  public Set<Operation> operations() {
    EnumSet<Operation> operations = Operation.overriddenBy(getClass());
    operations.add(Operation.POLL);
    return operations;
  }

  @Override
  public void init(Connection connection) throws IOException {
    notifier = connection.notifier();
  }

  @Override
  public boolean lookup(Request request, long parent, Name name, EntrySink out) throws IOException {
    lookups.getAndIncrement();
    Long found = node(parent).names.get(name.toString());
    if (found == null) {
      return false;
    }
    out.node(found);
    attributes(found, out.attr());
    return true;
  }

  @Override
  public void forget(long node, long lookups) {
    forgotten.add(node);
  }

  @Override
  public void getattr(Request request, long node, FileHandle handle, AttrSink out)
      throws IOException {
    getattrs.getAndIncrement();
    attributes(node, out);
  }

  @Override
  public void setattr(
      Request request, long node, FileHandle handle, AttrChange change, AttrSink out)
      throws IOException {
    attributes(node, out);
  }

  private void attributes(long number, AttrSink out) throws IOException {
    Node node = node(number);
    out.ino(hasNumbers ? number : 0).nlink(1);
    if (node.data == null) {
      out.mode(FileType.DIRECTORY.bits() | 0777);
    } else {
      out.mode(FileType.REGULAR.bits() | 0666).size(node.data.length);
    }
  }

  @Override
  public FileHandle open(Request request, long node, int flags, OpenReply out) throws IOException {
    return new Open(node);
  }

  @Override
  public DirHandle opendir(Request request, long node, OpenReply out) {
    return (r, cookie, sink) -> {};
  }

  @Override
  public void unlink(Request request, long parent, Name name) throws IOException {
    node(parent).names.remove(name.toString());
  }

  /** One open file. */
  class Open implements FileHandle {
    final long node;

    Open(long node) {
      this.node = node;
    }

    @Override
    public Concurrency concurrency() {
      return Concurrency.CONCURRENT;
    }

    @Override
    public int read(Request request, ByteBuffer dst, long offset) throws IOException {
      reads.getAndIncrement();
      byte[] data = node(node).data;
      int count = (int) Math.max(0, Math.min(dst.remaining(), data.length - offset));
      dst.put(data, (int) Math.min(offset, data.length), count);
      return count;
    }

    @Override
    public int write(Request request, ByteBuffer src, long offset) throws IOException {
      writes.getAndIncrement();
      int count = src.remaining();
      src.position(src.limit());
      return count;
    }
  }
}
