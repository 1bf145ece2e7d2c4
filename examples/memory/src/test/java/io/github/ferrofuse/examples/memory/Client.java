package io.github.ferrofuse.examples.memory;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.DirHandle;
import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.Name;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.function.Executable;

/** Calls a file system as the kernel would, and keeps count of the lookups. For one thread. */
final class Client {
  static final long ROOT = 1;
  static final int CHUNK = ChunkStore.CHUNK;

  final MemoryFileSystem fs;
  Caller caller = Caller.ROOT;
  private final Map<Long, Long> lookups = new HashMap<>();

  Client(MemoryFileSystem fs) {
    this.fs = fs;
  }

  /** A file system of some chunks and inodes. */
  static Client of(int chunks, int inodes) {
    return new Client(
        new MemoryFileSystem(new Limits((long) chunks * CHUNK, inodes, 64 << 20), 0755, 0, 0));
  }

  static Client small() {
    return of(1024, 1000);
  }

  Client as(Caller other) {
    caller = other;
    return this;
  }

  static Name name(String text) {
    return Name.of(text);
  }

  static ByteBuffer bytes(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    return ByteBuffer.allocateDirect(bytes.length).put(bytes).flip();
  }

  static ByteBuffer bytes(int count, int value) {
    ByteBuffer buffer = ByteBuffer.allocateDirect(count);
    while (buffer.hasRemaining()) {
      buffer.put((byte) value);
    }
    return buffer.flip();
  }

  static Errno errnoOf(Executable call) {
    return assertThrows(FuseException.class, call).errno();
  }

  private long handedOut(Attributes out) {
    assertTrue(out.node > 0, "a node was handed out");
    lookups.merge(out.node, 1L, Long::sum);
    return out.node;
  }

  /** The node of a name, 0 if there is none. */
  long lookup(long parent, String name) throws IOException {
    Attributes out = new Attributes();
    return fs.lookup(caller, parent, name(name), out) ? handedOut(out) : 0;
  }

  long mkdir(long parent, String name) throws IOException {
    return mkdir(parent, name, 0755);
  }

  long mkdir(long parent, String name, int mode) throws IOException {
    Attributes out = new Attributes();
    fs.mkdir(caller, parent, name(name), mode, out);
    return handedOut(out);
  }

  /** Makes a regular file without opening it. */
  long mkfile(long parent, String name) throws IOException {
    return mknod(parent, name, 0100644, 0);
  }

  long mknod(long parent, String name, int mode, int rdev) throws IOException {
    Attributes out = new Attributes();
    fs.mknod(caller, parent, name(name), mode, rdev, out);
    return handedOut(out);
  }

  long symlink(long parent, String name, String target) throws IOException {
    Attributes out = new Attributes();
    fs.symlink(caller, parent, name(name), name(target), out);
    return handedOut(out);
  }

  long link(long node, long parent, String name) throws IOException {
    Attributes out = new Attributes();
    fs.link(caller, node, parent, name(name), out);
    return handedOut(out);
  }

  FileHandle create(long parent, String name, int flags) throws IOException {
    Attributes out = new Attributes();
    FileHandle handle = fs.create(caller, parent, name(name), 0100644, flags, out, Reply.IGNORED);
    handedOut(out);
    return handle;
  }

  FileHandle open(long node, int flags) throws IOException {
    return fs.open(caller, node, flags, Reply.IGNORED);
  }

  int write(FileHandle handle, ByteBuffer data, long offset) throws IOException {
    return handle.write(caller, data, offset);
  }

  /** Writes to a file that is opened for it. */
  int write(long node, ByteBuffer data, long offset) throws IOException {
    FileHandle handle = open(node, 2);
    try {
      return write(handle, data, offset);
    } finally {
      handle.release(caller);
    }
  }

  String read(FileHandle handle, long offset, int length) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocateDirect(length);
    int count = handle.read(caller, buffer, offset);
    byte[] found = new byte[count];
    buffer.get(0, found);
    return new String(found, StandardCharsets.UTF_8);
  }

  String read(long node, long offset, int length) throws IOException {
    FileHandle handle = open(node, 0);
    try {
      return read(handle, offset, length);
    } finally {
      handle.release(caller);
    }
  }

  void unlink(long parent, String name) throws IOException {
    fs.unlink(caller, parent, name(name));
  }

  void rmdir(long parent, String name) throws IOException {
    fs.rmdir(caller, parent, name(name));
  }

  void rename(long parent, String name, long newParent, String newName, int flags)
      throws IOException {
    fs.rename(caller, parent, name(name), newParent, name(newName), flags);
  }

  Attributes stat(long node) throws IOException {
    Attributes out = new Attributes();
    fs.getattr(caller, node, null, out);
    return out;
  }

  Attributes setattr(long node, Change change) throws IOException {
    Attributes out = new Attributes();
    fs.setattr(caller, node, null, change, out);
    return out;
  }

  Attributes statfs() {
    Attributes out = new Attributes();
    fs.statfs(caller, ROOT, out);
    return out;
  }

  void setxattr(long node, String name, ByteBuffer value, int flags) throws IOException {
    fs.setxattr(caller, node, name(name), value, flags);
  }

  String getxattr(long node, String name) throws IOException {
    ByteBuffer out = ByteBuffer.allocateDirect(1 << 17);
    int size = fs.getxattr(caller, node, name(name), out);
    byte[] value = new byte[size];
    out.get(0, value);
    return new String(value, StandardCharsets.UTF_8);
  }

  List<String> listxattr(long node) throws IOException {
    List<String> names = new ArrayList<>();
    fs.listxattr(caller, node, name -> names.add(name.toString()));
    return names;
  }

  /** Names in a directory, without "." and "..". */
  List<String> list(long node) throws IOException {
    DirHandle handle = fs.opendir(caller, node, Reply.IGNORED);
    Listing listing = new Listing(false).room(Integer.MAX_VALUE);
    handle.read(caller, 0, listing);
    handle.release(caller);
    return listing.names.isEmpty() ? listing.names : listing.names.subList(2, listing.names.size());
  }

  /** Forgets every lookup of a node. */
  void forget(long node) {
    Long count = lookups.remove(node);
    if (count != null) {
      fs.forget(node, count);
    }
  }

  void forgetAll() {
    lookups.forEach(fs::forget);
    lookups.clear();
  }
}
