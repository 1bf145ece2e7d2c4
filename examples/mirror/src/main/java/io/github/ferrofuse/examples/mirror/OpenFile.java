package io.github.ferrofuse.examples.mirror;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.Request;
import io.github.ferrofuse.local.LocalFd;
import io.github.ferrofuse.local.LocalFlags;
import java.io.IOException;
import java.nio.ByteBuffer;

/** One open of a regular file: a descriptor of it, on which everything is done. */
final class OpenFile implements FileHandle {
  final LocalFd fd;
  private final MirrorFileSystem fs;
  private final long node;
  private final int flags;

  /** Opened without O_APPEND, for a file that was opened with it; null until it is needed. */
  private LocalFd anywhere;

  /**
   * An open file.
   *
   * @param fs whose it is
   * @param node its node
   * @param fd its descriptor, closed with it
   * @param flags those of open(2) that the descriptor was opened with
   */
  OpenFile(MirrorFileSystem fs, long node, LocalFd fd, int flags) {
    this.fs = fs;
    this.node = node;
    this.fd = fd;
    this.flags = flags;
  }

  boolean isWritable() {
    return (flags & LocalFlags.O_ACCMODE) != LocalFlags.O_RDONLY;
  }

  /** No ordering: the file's own file system has one. */
  @Override
  public Concurrency concurrency() {
    return Concurrency.CONCURRENT;
  }

  @Override
  public int read(Request request, ByteBuffer dst, long offset) throws IOException {
    return fd.pread(dst, dst.position(), dst.remaining(), offset);
  }

  @Override
  public int write(Request request, ByteBuffer src, long offset) throws IOException {
    if (request.killsPrivileges()) {
      Attributes.clearPrivileges(request, fd);
    }
    return target(request).pwrite(src, src.position(), src.remaining(), offset);
  }

  /**
   * What an application appends goes to the end that the file has by now, though somebody else may
   * have appended to it behind the kernel's back. What the kernel writes back from a mapping goes
   * where it was; that comes from nobody.
   */
  private LocalFd target(Request request) throws IOException {
    if ((flags & LocalFlags.O_APPEND) == 0 || request.pid() != 0) {
      return fd;
    }
    synchronized (this) {
      if (anywhere == null) {
        anywhere = fs.nodes().withRoom(() -> fd.reopen(flags & ~LocalFlags.O_APPEND));
      }
      return anywhere;
    }
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
  public void fallocate(Request request, int mode, long offset, long length) throws IOException {
    clearForStranger(request);
    fd.fallocate(mode, offset, length);
  }

  @Override
  public long lseek(Request request, long offset, int whence) throws IOException {
    return fd.seek(offset, whence);
  }

  @Override
  public long copyFileRange(
      Request request, FileHandle source, long sourceOffset, long offset, long length)
      throws IOException {
    if (!(source instanceof OpenFile)) {
      throw Errno.EXDEV.exception(); // somebody's wrapping
    }
    clearForStranger(request);
    return ((OpenFile) source).fd.copyRange(sourceOffset, fd, offset, length);
  }

  @Override
  public int ioctl(Request request, int command, long argument, ByteBuffer in, ByteBuffer out)
      throws IOException {
    return fs.inodeFlags().ioctl(node, fd, command, in, out);
  }

  @Override
  public void release(Request request) {
    fd.close();
    if (anywhere != null) {
      anywhere.close();
    }
  }

  /** Of these requests the kernel does not say whether privileges are to be cleared. */
  private void clearForStranger(Request request) throws IOException {
    if (request.uid() != 0) {
      Attributes.clearPrivileges(request, fd);
    }
  }
}
