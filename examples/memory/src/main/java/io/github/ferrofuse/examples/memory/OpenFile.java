package io.github.ferrofuse.examples.memory;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.Request;
import java.nio.ByteBuffer;

/** One open of a regular file: keeps it alive and passes everything on to it. */
final class OpenFile implements FileHandle {
  private static final int O_NOATIME = 01000000;

  private final RegularFile file;
  private final Tree tree;
  private final Clock clock;
  private final boolean updatesAccess;

  /**
   * An open of a file that the caller has retained for it.
   *
   * @param file the file
   * @param flags those of open(2)
   * @param tree where the file is released
   * @param clock the time
   */
  OpenFile(RegularFile file, int flags, Tree tree, Clock clock) {
    this.file = file;
    this.tree = tree;
    this.clock = clock;
    this.updatesAccess = (flags & O_NOATIME) == 0;
  }

  /** No ordering: the file has a lock of its own. */
  @Override
  public Concurrency concurrency() {
    return Concurrency.CONCURRENT;
  }

  @Override
  public int read(Request request, ByteBuffer dst, long offset) {
    return file.read(dst, offset, updatesAccess, clock);
  }

  @Override
  public int write(Request request, ByteBuffer src, long offset) throws FuseException {
    return file.write(request, src, offset, clock);
  }

  @Override
  public void fallocate(Request request, int mode, long offset, long length) throws FuseException {
    file.fallocate(request, mode, offset, length, clock);
  }

  @Override
  public long lseek(Request request, long offset, int whence) throws FuseException {
    return file.seek(offset, whence == SEEK_HOLE);
  }

  @Override
  public long copyFileRange(
      Request request, FileHandle source, long sourceOffset, long offset, long length)
      throws FuseException {
    if (!(source instanceof OpenFile)) {
      throw Errno.EXDEV.exception(); // somebody's wrapping
    }
    RegularFile from = ((OpenFile) source).file;
    return file.copy(request, from, sourceOffset, offset, length, clock);
  }

  @Override
  public void release(Request request) {
    tree.release(file, 1);
  }
}
