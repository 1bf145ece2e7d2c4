package io.github.ferrofuse.examples.mirror;

import io.github.ferrofuse.DirHandle;
import io.github.ferrofuse.DirSink;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.Request;
import io.github.ferrofuse.local.LocalEntries;
import io.github.ferrofuse.local.LocalFd;
import io.github.ferrofuse.local.LocalFlags;
import io.github.ferrofuse.local.LocalStat;
import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * One open of a directory. Its entries come in the order and with the cookies of the directory's
 * own file system, so what that promises for directories that change meanwhile holds here.
 */
final class OpenDirectory implements DirHandle {
  private static final Name DOT = Name.of(".");
  private static final Name DOT_DOT = Name.of("..");

  private final MirrorFileSystem fs;
  private final long node;
  private final LocalFd fd;
  private final EntriesPool pool;
  private final Nodes nodes;
  private final int mount;
  private final long device;

  /** Entries that were read and not yet handed out; null for none. */
  private LocalEntries entries;

  /** Whether the current one of these did not fit. */
  private boolean waiting;

  /** Cookie of the entry that was handed out last. */
  private long position;

  /**
   * An open directory.
   *
   * @param fs whose it is
   * @param node its node
   * @param fd its descriptor, closed with it
   * @param pool where memory for entries comes from
   */
  OpenDirectory(MirrorFileSystem fs, long node, LocalFd fd, EntriesPool pool) throws IOException {
    this.fs = fs;
    this.node = node;
    this.fd = fd;
    this.pool = pool;
    this.nodes = fs.nodes();
    this.mount = nodes.known().mount(node);
    LocalStat stat = Scratch.get().stat;
    fd.statx(stat);
    this.device = stat.device();
  }

  @Override
  public void read(Request request, long cookie, DirSink out) throws IOException {
    if (entries == null || cookie == 0 || cookie != position) {
      fd.seek(cookie, LocalFlags.SEEK_SET);
      drop();
      entries = pool.take();
    }
    position = cookie;
    while (waiting || entries.next() || readOn()) {
      waiting = false;
      if (!add(out)) {
        waiting = true;
        return;
      }
      position = entries.cookie();
    }
    drop();
  }

  private boolean readOn() throws IOException {
    return fd.readEntries(entries) && entries.next();
  }

  private boolean add(DirSink out) throws IOException {
    Name name = entries.name();
    if (out.wantsAttr() && !name.equals(DOT) && !name.equals(DOT_DOT)) {
      return addWithAttributes(name, out);
    }
    return addPlain(name, out);
  }

  private boolean addPlain(Name name, DirSink out) {
    long ino = nodes.number(device, entries.ino());
    return out.add(name, ino, entries.type(), entries.cookie());
  }

  /** An entry whose attributes can't be had, as it may be gone meanwhile, is listed without. */
  private boolean addWithAttributes(Name name, DirSink out) throws IOException {
    long found;
    try {
      boolean mayBeOpen = nodes.known().mayBeOpen(mount, nodes.number(device, entries.ino()));
      found = nodes.lookUp(fd, node, name, mayBeOpen);
    } catch (FuseException e) {
      return addPlain(name, out);
    }
    LocalStat stat = Scratch.get().stat;
    fs.fill(stat, out.entry().attr());
    boolean added = out.add(name, found, FileType.ofMode(stat.mode()), entries.cookie());
    if (!added) {
      fs.forget(found, 1);
    }
    return added;
  }

  private void drop() {
    pool.give(entries);
    entries = null;
    waiting = false;
  }

  @Override
  public void fsync(Request request, boolean dataOnly) throws IOException {
    if (dataOnly) {
      fd.fdatasync();
    } else {
      fd.fsync();
    }
  }

  @Override
  public int ioctl(Request request, int command, long argument, ByteBuffer in, ByteBuffer out)
      throws IOException {
    return fs.inodeFlags().ioctl(node, fd, command, in, out);
  }

  @Override
  public void release(Request request) {
    drop();
    fd.close();
  }
}
