package io.github.ferrofuse.internal;

import io.github.ferrofuse.AttrChange;
import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.DirHandle;
import io.github.ferrofuse.DirSink;
import io.github.ferrofuse.EntrySink;
import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.OpenReply;
import io.github.ferrofuse.Request;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/**
 * One directory of files in memory: just enough to mount. Allocates nothing to look up, read or
 * overwrite.
 */
class FlatFileSystem implements InodeFileSystem {
  private static final long ROOT = 1;

  private final Map<Name, File> names = new ConcurrentHashMap<>();
  private final File[] nodes = new File[1 << 10];
  private final AtomicLong lastNode = new AtomicLong(ROOT);
  final AtomicLong lookups = new AtomicLong();

  /** One file, and its only handle. */
  static final class File implements FileHandle {
    final long node;
    final Name name;
    private byte[] data = {};
    private volatile int size;

    File(long node, Name name) {
      this.node = node;
      this.name = name;
    }

    @Override
    public Concurrency concurrency() {
      return Concurrency.SHARED_READS;
    }

    @Override
    public int read(Request request, ByteBuffer dst, long offset) {
      if (offset >= size) {
        return -1;
      }
      int count = (int) Math.min(dst.remaining(), size - offset);
      dst.put(data, (int) offset, count);
      return count;
    }

    @Override
    public synchronized int write(Request request, ByteBuffer src, long offset)
        throws FuseException {
      int count = src.remaining();
      if (offset + count > 1 << 26) {
        throw Errno.EFBIG.exception();
      }
      int end = (int) offset + count;
      if (end > data.length) {
        data = Arrays.copyOf(data, Math.max(end, data.length * 2));
      }
      src.get(data, (int) offset, count);
      size = Math.max(size, end);
      return count;
    }

    synchronized void truncate(int newSize) {
      if (newSize > data.length) {
        data = Arrays.copyOf(data, newSize);
      } else {
        Arrays.fill(data, newSize, data.length, (byte) 0);
      }
      size = newSize;
    }
  }

  File add(Name name) {
    File file = new File(lastNode.incrementAndGet(), name.copy());
    nodes[(int) file.node] = file;
    names.put(file.name, file);
    return file;
  }

  private File file(long node) throws FuseException {
    File file = node < nodes.length ? nodes[(int) node] : null;
    if (file == null) {
      throw Errno.ESTALE.exception();
    }
    return file;
  }

  private static void fill(File file, AttrSink out) {
    out.mode(0100644).size(file.size).blocks((file.size + 511) / 512).mtime(1_000_000_000, 7);
  }

  private EntrySink handOut(File file, EntrySink out) {
    fill(file, out.node(file.node).attr());
    lookups.incrementAndGet();
    return out;
  }

  @Override
  public boolean lookup(Request request, long parent, Name name, EntrySink out) {
    File file = names.get(name);
    if (file == null) {
      return false;
    }
    handOut(file, out);
    return true;
  }

  @Override
  public void forget(long node, long count) {
    lookups.addAndGet(-count);
  }

  @Override
  public void getattr(Request request, long node, FileHandle handle, AttrSink out)
      throws FuseException {
    if (node == ROOT) {
      out.mode(040755).nlink(2);
    } else {
      fill(file(node), out);
    }
  }

  @Override
  public void setattr(
      Request request, long node, FileHandle handle, AttrChange change, AttrSink out)
      throws FuseException {
    if (node != ROOT && change.hasSize()) {
      file(node).truncate((int) change.size());
    }
    getattr(request, node, handle, out);
  }

  @Override
  public FileHandle open(Request request, long node, int flags, OpenReply out)
      throws FuseException {
    return file(node);
  }

  @Override
  public FileHandle create(
      Request request,
      long parent,
      Name name,
      int mode,
      int flags,
      EntrySink entry,
      OpenReply open) {
    File file = add(name);
    handOut(file, entry);
    return file;
  }

  @Override
  public void unlink(Request request, long parent, Name name) throws FuseException {
    if (names.remove(name) == null) {
      throw Errno.ENOENT.exception();
    }
  }

  @Override
  public DirHandle opendir(Request request, long node, OpenReply out) {
    return this::list;
  }

  private void list(Request request, long cookie, DirSink out) {
    for (long node = Math.max(cookie, ROOT) + 1; node <= lastNode.get(); node++) {
      File file = nodes[(int) node];
      if (names.get(file.name) != file) {
        continue;
      }
      if (out.wantsAttr()) {
        fill(file, out.entry().attr());
      }
      if (!out.add(file.name, node, FileType.REGULAR, node)) {
        return;
      }
      if (out.wantsAttr()) {
        lookups.incrementAndGet();
      }
    }
  }
}
