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
import java.time.Duration;

/**
 * What the comparison benchmarks mount: a root directory with the files {@code f0} to {@code f15},
 * 1 GiB each, that do no more than copy the bytes asked for.
 *
 * <p>Reads copy out of one buffer, writes into another and are never read back; neither takes a
 * lock, allocates, or depends on what came before. So a measurement shows the way of a request and
 * not this class. {@code benches/peers/flat.c} does the same work on the C library: a change here
 * belongs there too.
 */
public final class FlatFileSystem implements InodeFileSystem {
  /** How many files there are. */
  static final int FILES = 16;

  /** Size of each in bytes. */
  static final long FILE_SIZE = 1L << 30;

  /** The content repeats after this many bytes; also the largest transfer. A power of two. */
  private static final int PERIOD = 1 << 20;

  private static final long ROOT = 1;
  private static final long FIRST_FILE = 2;
  private static final long FOREVER = Duration.ofHours(1).toNanos();
  private static final int MODE_DIRECTORY = FileType.DIRECTORY.bits() | 0755;
  private static final int MODE_FILE = FileType.REGULAR.bits() | 0666;

  /** Two periods, so that a transfer from anywhere in the first one is contiguous. */
  private final ByteBuffer content = ByteBuffer.allocateDirect(2 * PERIOD);

  private final ByteBuffer scratch = ByteBuffer.allocateDirect(2 * PERIOD);
  private final FileHandle file = new Flat();
  private final DirHandle directory = new Listing();
  private final Name[] names = new Name[FILES];

  /** Makes the file system; one can be mounted any number of times. */
  public FlatFileSystem() {
    for (int i = 0; i < FILES; i++) {
      names[i] = Name.of("f" + i);
    }
    for (int i = 0; i < content.capacity(); i++) {
      content.put(i, (byte) ('a' + i % 26));
    }
  }

  @Override
  public boolean lookup(Request request, long parent, Name name, EntrySink out) throws IOException {
    if (parent != ROOT) {
      throw Errno.ENOTDIR.exception();
    }
    for (int i = 0; i < FILES; i++) {
      if (names[i].equals(name)) {
        out.node(FIRST_FILE + i).entryTimeout(FOREVER);
        attributes(FIRST_FILE + i, out.attr());
        return true;
      }
    }
    return false;
  }

  @Override
  public void getattr(Request request, long node, FileHandle handle, AttrSink out) {
    attributes(node, out);
  }

  @Override
  public FileHandle open(Request request, long node, int flags, OpenReply out) {
    out.directIo().parallelDirectWrites();
    return file;
  }

  @Override
  public DirHandle opendir(Request request, long node, OpenReply out) throws IOException {
    if (node != ROOT) {
      throw Errno.ENOTDIR.exception();
    }
    return directory;
  }

  @Override
  public void statfs(Request request, long node, StatfsSink out) {
    out.blocks(FILES * FILE_SIZE / 4096, 0, 0).files(FILES + 1, 0);
  }

  private static void attributes(long node, AttrSink out) {
    out.timeout(FOREVER);
    if (node == ROOT) {
      out.mode(MODE_DIRECTORY).nlink(2);
    } else {
      out.mode(MODE_FILE).size(FILE_SIZE).blocks(FILE_SIZE / 512);
    }
  }

  /** Any of the files: it has no state, so one handle serves every open. */
  private final class Flat implements FileHandle {
    @Override
    public Concurrency concurrency() {
      return Concurrency.CONCURRENT;
    }

    @Override
    public int read(Request request, ByteBuffer dst, long offset) {
      int position = dst.position();
      int count = (int) Math.min(dst.remaining(), Math.max(0, FILE_SIZE - offset));
      dst.put(position, content, (int) offset & PERIOD - 1, count);
      dst.position(position + count);
      return count;
    }

    @Override
    public int write(Request request, ByteBuffer src, long offset) throws IOException {
      int position = src.position();
      int count = (int) Math.min(src.remaining(), FILE_SIZE - offset);
      if (count <= 0) {
        throw Errno.EFBIG.exception();
      }
      scratch.put((int) offset & PERIOD - 1, src, position, count);
      src.position(position + count);
      return count;
    }
  }

  /** The root: cookies count the entries, which never change. */
  private final class Listing implements DirHandle {
    @Override
    public void read(Request request, long cookie, DirSink out) {
      for (int i = (int) cookie; i < FILES; i++) {
        if (!out.add(names[i], FIRST_FILE + i, FileType.REGULAR, i + 1)) {
          return;
        }
      }
    }
  }
}
