package io.github.ferrofuse.mounted;

import io.github.ferrofuse.AttrChange;
import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.Connection;
import io.github.ferrofuse.EntrySink;
import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.OpenReply;
import io.github.ferrofuse.Request;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;

/**
 * The files of one directory, passed through as a test says. Notes the calls that come; its handles
 * read and write the same files.
 */
class PassingFileSystem implements InodeFileSystem {
  private static final long ROOT = 1;

  /** Names of the calls, in their order; attributes are asked for too often to be among them. */
  final List<String> calls = new CopyOnWriteArrayList<>();

  /** How files are opened from now on. */
  volatile Way way = (reply, fd) -> reply.passThrough(fd);

  private final Path directory;
  private final Map<String, Long> numbers = new ConcurrentHashMap<>();
  private final Map<Long, String> names = new ConcurrentHashMap<>();

  /** What an open answers. */
  interface Way {
    void answer(OpenReply reply, int fd) throws IOException;
  }

  PassingFileSystem(Path directory) {
    this.directory = directory;
  }

  /** The calls since the last time. */
  final List<String> newCalls() {
    List<String> now = List.copyOf(calls);
    calls.clear();
    return now;
  }

  @Override
  public void init(Connection connection) throws IOException {
    connection.passesThrough();
  }

  @Override
  public boolean lookup(Request request, long parent, Name name, EntrySink out) throws IOException {
    if (!Files.exists(directory.resolve(name.toString()), LinkOption.NOFOLLOW_LINKS)) {
      return false;
    }
    entry(name.toString(), out);
    return true;
  }

  private long entry(String name, EntrySink out) throws IOException {
    long node = numbers.computeIfAbsent(name, n -> ROOT + 1 + numbers.size());
    names.put(node, name);
    out.node(node);
    attributes(node, null, out.attr());
    return node;
  }

  private Path path(long node) {
    return node == ROOT ? directory : directory.resolve(names.get(node));
  }

  @Override
  public void getattr(Request request, long node, FileHandle handle, AttrSink out)
      throws IOException {
    attributes(node, handle, out);
  }

  private void attributes(long node, FileHandle handle, AttrSink out) throws IOException {
    Path file = handle == null ? path(node) : Path.of("/proc/self/fd/" + ((Open) handle).fd);
    Map<String, Object> found;
    try {
      found =
          Files.readAttributes(
              file, "unix:mode,nlink,size,uid,gid,lastModifiedTime,lastAccessTime");
    } catch (NoSuchFileException e) {
      throw Errno.ESTALE.exception();
    }
    FileTime changed = (FileTime) found.get("lastModifiedTime");
    FileTime read = (FileTime) found.get("lastAccessTime");
    out.mode((int) found.get("mode")).nlink((int) found.get("nlink"));
    out.size((long) found.get("size")).uid((int) found.get("uid")).gid((int) found.get("gid"));
    out.mtime(changed.to(TimeUnit.SECONDS), changed.toInstant().getNano());
    out.atime(read.to(TimeUnit.SECONDS), read.toInstant().getNano());
  }

  @Override
  public void setattr(
      Request request, long node, FileHandle handle, AttrChange change, AttrSink out)
      throws IOException {
    if (change.hasSize()) {
      calls.add("truncate " + change.size());
      try (RandomAccessFile file = new RandomAccessFile(path(node).toFile(), "rw")) {
        file.setLength(change.size());
      }
    }
    if (change.hasMode()) {
      calls.add("chmod " + Integer.toOctalString(change.mode() & 07777));
      Files.setAttribute(path(node), "unix:mode", change.mode() & 07777);
    }
    attributes(node, handle, out);
  }

  @Override
  public FileHandle create(
      Request request, long parent, Name name, int mode, int flags, EntrySink out, OpenReply reply)
      throws IOException {
    Files.createFile(directory.resolve(name.toString()));
    return open(request, entry(name.toString(), out), flags, reply);
  }

  @Override
  public FileHandle open(Request request, long node, int flags, OpenReply reply)
      throws IOException {
    Open open = new Open(path(node));
    way.answer(reply, open.fd);
    return open;
  }

  /** One open file. */
  final class Open implements FileHandle {
    private final FileChannel channel;
    private final int fd;

    Open(Path file) throws IOException {
      // Numbers of descriptors are what the JDK hides: the new one is the one that was not there.
      synchronized (PassingFileSystem.class) {
        Path real = file.toRealPath();
        Set<Integer> before = descriptorsOf(real);
        channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE);
        Set<Integer> after = descriptorsOf(real);
        after.removeAll(before);
        fd = after.iterator().next();
      }
    }

    private Set<Integer> descriptorsOf(Path file) throws IOException {
      Set<Integer> found = new HashSet<>();
      try (DirectoryStream<Path> all = Files.newDirectoryStream(Path.of("/proc/self/fd"))) {
        for (Path link : all) {
          if (isLinkTo(link, file)) {
            found.add(Integer.valueOf(link.getFileName().toString()));
          }
        }
      }
      return found;
    }

    private boolean isLinkTo(Path link, Path file) {
      try {
        return Files.readSymbolicLink(link).equals(file);
      } catch (IOException e) {
        return false; // closed meanwhile
      }
    }

    @Override
    public Concurrency concurrency() {
      return Concurrency.CONCURRENT;
    }

    @Override
    public int read(Request request, ByteBuffer dst, long offset) throws IOException {
      calls.add("read " + offset + "+" + dst.remaining());
      return channel.read(dst, offset);
    }

    @Override
    public int write(Request request, ByteBuffer src, long offset) throws IOException {
      calls.add("write " + offset + "+" + src.remaining());
      return channel.write(src, offset);
    }

    @Override
    public void flush(Request request) {
      calls.add("flush");
    }

    @Override
    public void fsync(Request request, boolean dataOnly) throws IOException {
      calls.add(dataOnly ? "fdatasync" : "fsync");
      channel.force(!dataOnly);
    }

    @Override
    public void fallocate(Request request, int mode, long offset, long length) throws IOException {
      calls.add("fallocate " + offset + "+" + length);
      channel.write(ByteBuffer.allocate(1), offset + length - 1);
    }

    @Override
    public long lseek(Request request, long offset, int whence) throws IOException {
      calls.add("lseek " + offset);
      return whence == SEEK_DATA ? offset : channel.size();
    }

    @Override
    public long copyFileRange(
        Request request, FileHandle source, long sourceOffset, long offset, long length)
        throws IOException {
      calls.add("copy " + sourceOffset + " to " + offset + ", " + length);
      FileChannel from = ((Open) source).channel;
      ByteBuffer some = ByteBuffer.allocate((int) Math.min(length, from.size() - sourceOffset));
      from.read(some, sourceOffset);
      return channel.write(some.flip(), offset);
    }

    @Override
    public void release(Request request) throws IOException {
      synchronized (PassingFileSystem.class) {
        channel.close();
      }
      calls.add("release");
    }
  }
}
