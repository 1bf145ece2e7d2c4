package io.github.ferrofuse.mounted;

import io.github.ferrofuse.AttrChange;
import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.Connection;
import io.github.ferrofuse.DirHandle;
import io.github.ferrofuse.DirSink;
import io.github.ferrofuse.EntrySink;
import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.OpenReply;
import io.github.ferrofuse.Request;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * One directory whose files the test changes behind the kernel's back, and which tells what it was
 * asked. What the kernel may remember, and what fails, is the test's choice, too.
 *
 * <p>Every public call of the file system and of its handles holds its lock; {@link Hooks} run
 * outside of it.
 */
class ChangingFileSystem implements InodeFileSystem {
  private static final long ROOT = 1;

  /** Leaves a timeout to the mount. */
  static final long MOUNTS_OWN = -1;

  /** Nanoseconds that the kernel may remember what is answered. */
  volatile long entryTimeout = MOUNTS_OWN;

  volatile long attrTimeout = MOUNTS_OWN;
  volatile long negativeTimeout = MOUNTS_OWN;

  /** Whether who has a file open is to see that it changes. */
  volatile boolean shares;

  /** How files and directories are opened. */
  volatile Opening opening = out -> {};

  volatile Opening dirOpening = out -> {};

  /** What runs at the beginning of each call on an open file. */
  volatile Hooks hooks = (what, offset) -> {};

  /** Each call on an open file, and setattr, in the order in which they began. */
  final List<String> calls = new CopyOnWriteArrayList<>();

  private final Map<String, Integer> asked = new ConcurrentHashMap<>();
  private final Map<Long, Node> nodes = new ConcurrentHashMap<>();
  private final TreeMap<String, Node> names = new TreeMap<>();
  private long nextNode = ROOT + 1;
  private long rootMtime = 1;

  /** How something is opened. */
  interface Opening {
    void open(OpenReply out);
  }

  /** May hold a call up, or have it fail. */
  interface Hooks {
    void begin(String what, long offset) throws IOException;
  }

  private static final class Node {
    final long number;
    final FileType type;
    byte[] content;
    long mtime = 1;

    Node(long number, FileType type, byte[] content) {
      this.number = number;
      this.type = type;
      this.content = content;
    }
  }

  // ---- behind the kernel's back ----

  /** Makes a file, or puts another one in the place of the one that has the name. */
  synchronized ChangingFileSystem put(String name, String content) {
    names.put(name, node(FileType.REGULAR, content));
    return this;
  }

  /** Makes a symbolic link. */
  synchronized ChangingFileSystem link(String name, String target) {
    names.put(name, node(FileType.SYMLINK, target));
    return this;
  }

  private Node node(FileType type, String content) {
    Node node = new Node(nextNode++, type, content.getBytes(StandardCharsets.ISO_8859_1));
    nodes.put(node.number, node);
    rootMtime++;
    return node;
  }

  synchronized void remove(String name) {
    names.remove(name);
    rootMtime++;
  }

  /** Changes a file's content, and with it its modification time; answers when that was done. */
  synchronized long change(String name, String content) {
    names.get(name).mtime++;
    return changeUnseen(name, content);
  }

  /** Changes a file's content, and not its modification time. */
  synchronized long changeUnseen(String name, String content) {
    names.get(name).content = content.getBytes(StandardCharsets.ISO_8859_1);
    return System.nanoTime();
  }

  /** Makes a name in the directory without a new modification time of the directory. */
  synchronized void putUnseen(String name, String content) {
    put(name, content);
    rootMtime--;
  }

  synchronized String content(String name) {
    return new String(names.get(name).content, StandardCharsets.ISO_8859_1);
  }

  synchronized long mtime(String name) {
    return names.get(name).mtime;
  }

  /** How often something was asked, by the name of the method. */
  int asked(String what) {
    return asked.getOrDefault(what, 0);
  }

  private void count(String what) {
    asked.merge(what, 1, Integer::sum);
  }

  private void begin(String what, long offset, String detail) throws IOException {
    count(what);
    calls.add(detail.isEmpty() ? what : what + " " + detail);
    hooks.begin(what, offset);
  }

  @Override
  public void init(Connection connection) {
    if (shares) {
      connection.sharesFiles();
    }
  }

  // ---- names and attributes ----

  @Override
  public boolean lookup(Request request, long parent, Name name, EntrySink out) {
    count("lookup");
    Node node;
    synchronized (this) {
      node = names.get(name.toString());
    }
    if (node == null) {
      if (negativeTimeout != MOUNTS_OWN) {
        out.entryTimeout(negativeTimeout);
      }
      return false;
    }
    handOut(node, out);
    return true;
  }

  private synchronized void handOut(Node node, EntrySink out) {
    out.node(node.number);
    if (entryTimeout != MOUNTS_OWN) {
      out.entryTimeout(entryTimeout);
    }
    attributes(node, out.attr());
  }

  private synchronized void attributes(Node node, AttrSink out) {
    out.mode(node.type.bits() | 0644).size(node.content.length).mtime(node.mtime, 0);
    if (attrTimeout != MOUNTS_OWN) {
      out.timeout(attrTimeout);
    }
  }

  @Override
  public synchronized void getattr(Request request, long node, FileHandle handle, AttrSink out) {
    count(node == ROOT ? "getattr of the root" : "getattr");
    if (node == ROOT) {
      out.mode(FileType.DIRECTORY.bits() | 0755).nlink(2).mtime(rootMtime, 0);
      if (attrTimeout != MOUNTS_OWN) {
        out.timeout(attrTimeout);
      }
    } else {
      attributes(nodes.get(node), out);
    }
  }

  @Override
  public void setattr(
      Request request, long number, FileHandle handle, AttrChange change, AttrSink out)
      throws IOException {
    begin("setattr", 0, change.hasSize() ? "size " + change.size() : "times");
    synchronized (this) {
      Node node = nodes.get(number);
      if (change.hasSize()) {
        node.content = Arrays.copyOf(node.content, (int) change.size());
      }
      if (change.hasMtime()) {
        node.mtime = change.mtimeSeconds();
      }
      attributes(node, out);
    }
  }

  @Override
  public synchronized void readlink(Request request, long node, ByteBuffer out) {
    count("readlink");
    out.put(nodes.get(node).content);
  }

  @Override
  public synchronized void symlink(
      Request request, long parent, Name name, Name target, EntrySink out) {
    link(name.toString(), target.toString());
    handOut(names.get(name.toString()), out);
  }

  @Override
  public synchronized void unlink(Request request, long parent, Name name) {
    remove(name.toString());
  }

  @Override
  public synchronized void rename(
      Request request, long parent, Name name, long newParent, Name newName, int flags) {
    names.put(newName.toString(), names.remove(name.toString()));
    rootMtime++;
  }

  // ---- open files ----

  @Override
  public synchronized FileHandle open(Request request, long node, int flags, OpenReply out) {
    count("open");
    if ((flags & 01000) != 0) { // O_TRUNC
      nodes.get(node).content = new byte[0];
    }
    opening.open(out);
    return new Handle(nodes.get(node));
  }

  @Override
  public synchronized FileHandle create(
      Request request,
      long parent,
      Name name,
      int mode,
      int flags,
      EntrySink entry,
      OpenReply open) {
    count("create");
    put(name.toString(), "");
    Node node = names.get(name.toString());
    handOut(node, entry);
    opening.open(open);
    return new Handle(node);
  }

  /** One open of a file. Its calls may overlap. */
  private final class Handle implements FileHandle {
    private final Node node;

    Handle(Node node) {
      this.node = node;
    }

    @Override
    public Concurrency concurrency() {
      return Concurrency.CONCURRENT;
    }

    @Override
    public int read(Request request, ByteBuffer dst, long offset) throws IOException {
      begin("read", offset, offset + " " + dst.remaining());
      synchronized (ChangingFileSystem.this) {
        int start = (int) Math.min(offset, node.content.length);
        int length = Math.min(dst.remaining(), node.content.length - start);
        dst.put(node.content, start, length);
        return length;
      }
    }

    @Override
    public int write(Request request, ByteBuffer src, long offset) throws IOException {
      int length = src.remaining();
      begin("write", offset, offset + " " + length);
      synchronized (ChangingFileSystem.this) {
        int end = (int) offset + length;
        if (end > node.content.length) {
          node.content = Arrays.copyOf(node.content, end);
        }
        src.get(node.content, (int) offset, length);
        return length;
      }
    }

    @Override
    public void flush(Request request) throws IOException {
      begin("flush", 0, "");
    }

    @Override
    public void fsync(Request request, boolean dataOnly) throws IOException {
      begin("fsync", 0, "");
    }

    @Override
    public void release(Request request) throws IOException {
      begin("release", 0, "");
    }
  }

  // ---- listings ----

  @Override
  public DirHandle opendir(Request request, long node, OpenReply out) {
    count("opendir");
    dirOpening.open(out);
    return this::list;
  }

  private synchronized void list(Request request, long cookie, DirSink out) {
    count(out.wantsAttr() ? "readdirplus" : "readdir");
    List<Map.Entry<String, Node>> all = new ArrayList<>(names.entrySet());
    for (int i = (int) cookie; i < all.size(); i++) {
      Node node = all.get(i).getValue();
      if (out.wantsAttr()) {
        handOut(node, out.entry());
      }
      if (!out.add(Name.of(all.get(i).getKey()), node.number, node.type, i + 1)) {
        return;
      }
    }
  }

  /** An errno for {@link Hooks}. */
  static void fail(Errno errno) throws IOException {
    throw errno.exception();
  }
}
