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
import io.github.ferrofuse.Request;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A small tree of files by number in which nothing is ever opened: each node is served as it is.
 * Answers look-ups of "." and ".." if it is made so. One lock guards it all.
 */
class Store implements InodeFileSystem {
  private static final long ROOT = 1;
  private static final Name DOT = Name.of(".");
  private static final Name DOT_DOT = Name.of("..");

  private final boolean resolvesDots;
  private final Map<Long, Node> nodes = new HashMap<>();
  private final Map<Long, Long> lookups = new HashMap<>();
  private long lastNumber = ROOT;

  /** How often a size was set. */
  int truncations;

  private final class Node implements FileHandle {
    private final long number;
    private final long generation;
    private final Node parent;
    private final FileType type;
    private final Map<Name, Node> entries = new LinkedHashMap<>();
    private byte[] data = {};
    private long changes = 1;
    private boolean removed;

    Node(long number, long generation, Node parent, FileType type) {
      this.number = number;
      this.generation = generation;
      this.parent = parent;
      this.type = type;
    }

    void fill(AttrSink out) {
      out.mode(type.bits() | 0755).nlink(1).size(data.length);
      out.mtime(changes, 0).ctime(changes, 0);
    }

    @Override
    public int read(Request request, ByteBuffer dst, long offset) {
      synchronized (Store.this) {
        if (offset >= data.length) {
          return -1;
        }
        int length = (int) Math.min(dst.remaining(), data.length - offset);
        dst.put(data, (int) offset, length);
        return length;
      }
    }

    @Override
    public int write(Request request, ByteBuffer src, long offset) {
      synchronized (Store.this) {
        int length = src.remaining();
        int end = (int) offset + length;
        if (end > data.length) {
          data = Arrays.copyOf(data, end);
        }
        src.get(data, (int) offset, length);
        changes++;
        return length;
      }
    }

    @Override
    public void fallocate(Request request, int mode, long offset, long length) throws IOException {
      if (mode != 0) {
        throw Errno.EOPNOTSUPP.exception();
      }
      synchronized (Store.this) {
        data = Arrays.copyOf(data, (int) Math.max(data.length, offset + length));
        changes++;
      }
    }

    void list(Request request, long cookie, DirSink out) {
      synchronized (Store.this) {
        List<Map.Entry<Name, Node>> all = new ArrayList<>(entries.entrySet());
        for (int i = (int) cookie; i < all.size(); i++) {
          Node node = all.get(i).getValue();
          boolean attributes = out.wantsAttr();
          if (attributes) {
            node.fill(out.entry().generation(node.generation).attr());
          }
          if (!out.add(all.get(i).getKey(), node.number, node.type, i + 1)) {
            return;
          }
          if (attributes) {
            lookups.merge(node.number, 1L, Long::sum);
          }
        }
      }
    }
  }

  Store(boolean resolvesDots) {
    this.resolvesDots = resolvesDots;
    nodes.put(ROOT, new Node(ROOT, 0, null, FileType.DIRECTORY));
  }

  /** Makes a file or, without content, a directory; answers its number. */
  final synchronized long make(String path, String content) {
    return make(path, content, ++lastNumber, 0);
  }

  /** Makes a file with the number of one that is gone. */
  final synchronized long make(String path, String content, long number, long generation) {
    int slash = path.lastIndexOf('/');
    Node parent = node(path.substring(0, slash));
    FileType type = content == null ? FileType.DIRECTORY : FileType.REGULAR;
    Node made = new Node(number, generation, parent, type);
    if (content != null) {
      made.data = content.getBytes(StandardCharsets.UTF_8);
    }
    nodes.put(number, made);
    parent.entries.put(Name.of(path.substring(slash + 1)), made);
    parent.changes++;
    return number;
  }

  final synchronized String content(String path) {
    return new String(node(path).data, StandardCharsets.UTF_8);
  }

  /** Whether the kernel refers to a node. */
  final synchronized boolean isKnown(long number) {
    return lookups.getOrDefault(number, 0L) > 0;
  }

  private Node node(String path) {
    Node at = nodes.get(ROOT);
    for (String name : path.split("/")) {
      at = name.isEmpty() ? at : at.entries.get(Name.of(name));
    }
    return at;
  }

  private Node node(long number) throws IOException {
    Node node = nodes.get(number);
    if (node == null) {
      throw Errno.ESTALE.exception();
    }
    return node;
  }

  private void handOut(Node node, EntrySink out) {
    lookups.merge(node.number, 1L, Long::sum);
    node.fill(out.node(node.number).generation(node.generation).attr());
  }

  @Override
  public void init(Connection connection) {
    if (resolvesDots) {
      connection.resolvesDots();
    }
  }

  @Override
  public synchronized boolean lookup(Request request, long parent, Name name, EntrySink out)
      throws IOException {
    Node node = node(parent);
    Node found = node.entries.get(name);
    if (name.equals(DOT)) {
      found = node;
    } else if (name.equals(DOT_DOT)) {
      found = node.parent == null ? node : node.parent;
    }
    if (found != null) {
      handOut(found, out);
    }
    return found != null;
  }

  @Override
  public synchronized void forget(long node, long count) {
    if (lookups.merge(node, -count, Long::sum) == 0 && nodes.get(node).removed) {
      nodes.remove(node);
    }
  }

  @Override
  public synchronized void getattr(Request request, long node, FileHandle handle, AttrSink out)
      throws IOException {
    node(node).fill(out);
  }

  @Override
  public synchronized void setattr(
      Request request, long number, FileHandle handle, AttrChange change, AttrSink out)
      throws IOException {
    Node node = node(number);
    if (handle != null) {
      throw new IllegalStateException("a handle of what nobody opened");
    }
    if (change.hasSize()) {
      node.data = Arrays.copyOf(node.data, (int) change.size());
      node.changes++;
      truncations++;
    }
    node.fill(out);
  }

  @Override
  public synchronized void mknod(
      Request request, long parent, Name name, int mode, int rdev, EntrySink out)
      throws IOException {
    Node directory = node(parent);
    Node made = new Node(++lastNumber, 0, directory, FileType.ofMode(mode));
    nodes.put(made.number, made);
    directory.entries.put(name.copy(), made);
    directory.changes++;
    handOut(made, out);
  }

  @Override
  public synchronized void unlink(Request request, long parent, Name name) throws IOException {
    Node directory = node(parent);
    directory.entries.remove(name).removed = true;
    directory.changes++;
  }

  @Override
  public synchronized FileHandle fileHandle(long node) throws IOException {
    return node(node);
  }

  @Override
  public synchronized DirHandle dirHandle(long node) throws IOException {
    return node(node)::list;
  }
}
