package io.github.ferrofuse.examples.flat;

import io.github.ferrofuse.AttrSink;
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
import io.github.ferrofuse.StatfsSink;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.NavigableMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.AtomicLong;

/**
 * What the comparison benchmarks mount: one directory of files in memory.
 *
 * <ul>
 *   <li>{@code f0} to {@code f15}, 1 GiB each, whose bytes repeat every MiB: the byte at an offset
 *       is the one last written to that offset modulo 1 MiB, at first a letter.
 *   <li>{@code n0} to {@code n9999}, which are empty.
 *   <li>Files that can be made and removed, which stay empty.
 * </ul>
 *
 * <p>Reading and writing copy the bytes asked for and do nothing else: neither takes a lock,
 * allocates, or depends on what came before. So a measurement shows the way of a request and not
 * this class. Names and attributes are remembered for as long as the mount says. The programs below
 * {@code benches/peers} do the same work on other libraries: a change here belongs there too.
 */
public final class FlatFileSystem implements InodeFileSystem {
  /** How many files have data. */
  static final int FILES = 16;

  /** How many empty files there always are. */
  static final int EMPTY_FILES = 10_000;

  /** Size in bytes of a file that has data. */
  static final long FILE_SIZE = 1L << 30;

  /** The bytes of a file repeat after this many. A power of two. */
  private static final int PERIOD = 1 << 20;

  private static final long ROOT = 1;
  private static final long FIRST_FILE = 2;
  private static final long FIRST_EMPTY = FIRST_FILE + FILES;
  private static final long FIRST_CREATED = FIRST_EMPTY + EMPTY_FILES;
  private static final int MODE_DIRECTORY = FileType.DIRECTORY.bits() | 0755;
  private static final int MODE_FILE = FileType.REGULAR.bits() | 0666;

  private final FileHandle[] files = new FileHandle[FILES];
  private final FileHandle empty = new Empty();
  private final DirHandle directory = new Listing();

  /** Everything by name, and by node, which is also the order of a listing and its cookie. */
  private final Map<Name, Long> nodes = new ConcurrentHashMap<>();

  private final NavigableMap<Long, Name> names = new ConcurrentSkipListMap<>();
  private final AtomicLong nextNode = new AtomicLong(FIRST_CREATED);

  /** Makes the file system; one can be mounted any number of times. */
  public FlatFileSystem() {
    for (int i = 0; i < FILES; i++) {
      files[i] = new Flat(i);
      add(FIRST_FILE + i, Name.of("f" + i));
    }
    for (int i = 0; i < EMPTY_FILES; i++) {
      add(FIRST_EMPTY + i, Name.of("n" + i));
    }
  }

  @Override
  public boolean lookup(Request request, long parent, Name name, EntrySink out) throws IOException {
    requireRoot(parent);
    Long node = nodes.get(name);
    if (node == null) {
      return false;
    }
    attributes(node, out.node(node).attr());
    return true;
  }

  @Override
  public void getattr(Request request, long node, FileHandle handle, AttrSink out) {
    attributes(node, out);
  }

  @Override
  public FileHandle open(Request request, long node, int flags, OpenReply out) {
    return opened(node, out);
  }

  @Override
  public FileHandle create(
      Request request, long parent, Name name, int mode, int flags, EntrySink entry, OpenReply out)
      throws IOException {
    requireRoot(parent);
    long made = nextNode.getAndIncrement();
    Name kept = name.copy();
    if (nodes.putIfAbsent(kept, made) != null) {
      throw Errno.EEXIST.exception();
    }
    names.put(made, kept);
    attributes(made, entry.node(made).attr());
    return opened(made, out);
  }

  @Override
  public void unlink(Request request, long parent, Name name) throws IOException {
    requireRoot(parent);
    Long node = nodes.get(name);
    if (node == null) {
      throw Errno.ENOENT.exception();
    }
    if (node < FIRST_CREATED) {
      throw Errno.EPERM.exception();
    }
    nodes.remove(name, node);
    names.remove(node);
  }

  @Override
  public DirHandle opendir(Request request, long node, OpenReply out) throws IOException {
    requireRoot(node);
    return directory;
  }

  @Override
  public void statfs(Request request, long node, StatfsSink out) {
    out.blocks(FILES * FILE_SIZE / 4096, 0, 0).files(nodes.size() + 1, 0);
  }

  private void add(long node, Name name) {
    nodes.put(name, node);
    names.put(node, name);
  }

  private FileHandle opened(long node, OpenReply out) {
    out.directIo().parallelDirectWrites();
    return hasData(node) ? files[(int) (node - FIRST_FILE)] : empty;
  }

  private static void requireRoot(long node) throws IOException {
    if (node != ROOT) {
      throw Errno.ENOTDIR.exception();
    }
  }

  private static boolean hasData(long node) {
    return FIRST_FILE <= node && node < FIRST_EMPTY;
  }

  private static void attributes(long node, AttrSink out) {
    if (node == ROOT) {
      out.mode(MODE_DIRECTORY).nlink(2);
      return;
    }
    out.mode(MODE_FILE);
    if (hasData(node)) {
      out.size(FILE_SIZE).blocks(FILE_SIZE / 512);
    }
  }

  /** A file with data: it has no state of an open, so one handle serves every open. */
  private static final class Flat implements FileHandle {
    private final ByteBuffer data = ByteBuffer.allocateDirect(PERIOD);

    Flat(int number) {
      for (int i = 0; i < PERIOD; i++) {
        data.put(i, (byte) ('a' + (i + number) % 26));
      }
    }

    @Override
    public Concurrency concurrency() {
      return Concurrency.CONCURRENT;
    }

    @Override
    public int read(Request request, ByteBuffer dst, long offset) {
      int begin = dst.position();
      int count = (int) Math.min(dst.remaining(), Math.max(0, FILE_SIZE - offset));
      for (int done = 0; done < count; ) {
        int at = (int) (offset + done) & PERIOD - 1;
        int part = Math.min(count - done, PERIOD - at);
        dst.put(begin + done, data, at, part);
        done += part;
      }
      dst.position(begin + count);
      return count;
    }

    @Override
    public int write(Request request, ByteBuffer src, long offset) throws IOException {
      int begin = src.position();
      int count = (int) Math.min(src.remaining(), FILE_SIZE - offset);
      if (count <= 0) {
        throw Errno.EFBIG.exception();
      }
      for (int done = 0; done < count; ) {
        int at = (int) (offset + done) & PERIOD - 1;
        int part = Math.min(count - done, PERIOD - at);
        data.put(at, src, begin + done, part);
        done += part;
      }
      src.position(begin + count);
      return count;
    }
  }

  /** A file that stays empty. */
  private static final class Empty implements FileHandle {
    @Override
    public Concurrency concurrency() {
      return Concurrency.CONCURRENT;
    }

    @Override
    public int read(Request request, ByteBuffer dst, long offset) {
      return 0;
    }

    @Override
    public int write(Request request, ByteBuffer src, long offset) throws IOException {
      throw Errno.EFBIG.exception();
    }
  }

  /**
   * The root: an entry's cookie is its node, and later entries have higher ones. Names only, as not
   * all of the other libraries can give attributes with them.
   */
  private final class Listing implements DirHandle {
    @Override
    public void read(Request request, long cookie, DirSink out) {
      for (Map.Entry<Long, Name> entry : names.tailMap(cookie, false).entrySet()) {
        long node = entry.getKey();
        if (!out.add(entry.getValue(), node, FileType.REGULAR, node)) {
          return;
        }
      }
    }
  }
}
