package io.github.ferrofuse.local;

import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.internal.LocalContentNative;
import io.github.ferrofuse.internal.LocalOpenNative;
import java.nio.ByteBuffer;

/** What is in an open file or directory. None of this takes a descriptor opened with O_PATH. */
abstract class LocalContent extends LocalAttributes {
  LocalContent(int number, boolean opaque) {
    super(number, opaque);
  }

  /**
   * Reads: pread(2), straight into the buffer's memory. Allocates and copies nothing.
   *
   * @param out direct; its own position and limit stay
   * @param position of the first byte in the buffer
   * @param count how many bytes at most, up to the limit
   * @param offset in the file, in bytes
   * @return how many were read, 0 at the end of the file; may be fewer than asked for
   * @throws FuseException EBADF if this is not open for reading, EISDIR, EINVAL for a negative
   *     offset, EIO ...
   * @throws IllegalArgumentException if the buffer isn't direct, or read-only
   * @throws IndexOutOfBoundsException if the range isn't below the buffer's limit
   */
  public final int pread(ByteBuffer out, int position, int count, long offset)
      throws FuseException {
    checkWritable(out, position, count);
    int fd = enter();
    try {
      return answer(LocalContentNative.read(fd, out, position, count, offset));
    } finally {
      leave();
    }
  }

  /**
   * Writes: pwrite(2), straight from the buffer's memory. Allocates and copies nothing. A file
   * opened with O_APPEND is written to at its end, whatever the offset (the man page's "BUGS").
   *
   * @param in direct; its own position and limit stay
   * @param position of the first byte in the buffer
   * @param count how many bytes, up to the limit
   * @param offset in the file, in bytes
   * @return how many were written; may be fewer
   * @throws FuseException EBADF if this is not open for writing, ENOSPC, EDQUOT, EFBIG, EINVAL for
   *     a negative offset, EIO ...
   * @throws IllegalArgumentException if the buffer isn't direct
   * @throws IndexOutOfBoundsException if the range isn't below the buffer's limit
   */
  public final int pwrite(ByteBuffer in, int position, int count, long offset)
      throws FuseException {
    check(in, position, count);
    int fd = enter();
    try {
      return answer(LocalContentNative.write(fd, in, position, count, offset));
    } finally {
      leave();
    }
  }

  /**
   * Reads entries of this directory from its position on: getdents64(2).
   *
   * @param out takes them, in place of what it has
   * @return false at the end of the directory
   * @throws FuseException ENOTDIR; EINVAL if not one entry fits; ENOENT if it was removed ...
   */
  public final boolean readEntries(LocalEntries out) throws FuseException {
    out.end(0);
    int fd = enter();
    try {
      int size = answer(LocalContentNative.list(fd, out.buffer()));
      out.end(size);
      return size > 0;
    } finally {
      leave();
    }
  }

  /**
   * Moves the position, or finds data and holes: lseek(2). The position is one for all who use this
   * descriptor; only {@link #readEntries} goes by it.
   *
   * @param offset in bytes, of a directory a {@linkplain LocalEntries#cookie cookie} or 0
   * @param whence {@link LocalFlags#SEEK_SET}, {@link LocalFlags#SEEK_DATA}, {@link
   *     LocalFlags#SEEK_HOLE} or another of lseek(2)
   * @return where the position is now
   * @throws FuseException ENXIO if there is no data there, EINVAL, ESPIPE
   */
  public final long seek(long offset, int whence) throws FuseException {
    int fd = enter();
    try {
      return answer(LocalContentNative.seek(fd, offset, whence));
    } finally {
      leave();
    }
  }

  /**
   * Cuts or extends the file: ftruncate(2).
   *
   * @param size in bytes
   * @throws FuseException EINVAL if this is not open for writing or no regular file, EFBIG, EPERM
   */
  public final void truncate(long size) throws FuseException {
    int fd = enter();
    try {
      answer(LocalContentNative.truncate(fd, size));
    } finally {
      leave();
    }
  }

  /**
   * Allocates, punches or zeroes a range: fallocate(2).
   *
   * @param mode 0 or FALLOC_FL_ flags of &lt;linux/falloc.h&gt;
   * @param offset in bytes
   * @param length in bytes, more than 0
   * @throws FuseException EOPNOTSUPP for a mode that the file system lacks, ENOSPC, EFBIG, EBADF,
   *     ETXTBSY ...
   */
  public final void fallocate(int mode, long offset, long length) throws FuseException {
    int fd = enter();
    try {
      answer(LocalContentNative.allocate(fd, mode, offset, length));
    } finally {
      leave();
    }
  }

  /**
   * Copies within the kernel, from this file to another: copy_file_range(2).
   *
   * @param offset in this file, in bytes
   * @param target the other; may be this
   * @param targetOffset in it, in bytes
   * @param length how many bytes at most
   * @return how many were copied, 0 at the end of this file; may be fewer
   * @throws FuseException EXDEV or EOPNOTSUPP if the file systems can't, EINVAL for overlapping
   *     ranges, EBADF, ENOSPC ...
   */
  public final long copyRange(long offset, LocalFd target, long targetOffset, long length)
      throws FuseException {
    int from = enter();
    try {
      int to = target.enter();
      try {
        return answer(LocalContentNative.copy(from, offset, to, targetOffset, length));
      } finally {
        target.leave();
      }
    } finally {
      leave();
    }
  }

  /**
   * Makes data and attributes durable: fsync(2).
   *
   * @throws FuseException EIO, ENOSPC, EDQUOT of earlier writes
   */
  public final void fsync() throws FuseException {
    sync(LocalContentNative.FSYNC);
  }

  /**
   * Makes data durable, and what is needed to read it: fdatasync(2).
   *
   * @throws FuseException as {@link #fsync}
   */
  public final void fdatasync() throws FuseException {
    sync(LocalContentNative.FDATASYNC);
  }

  /**
   * Makes everything durable that is on this file's file system: syncfs(2).
   *
   * @throws FuseException as {@link #fsync}
   */
  public final void syncfs() throws FuseException {
    sync(LocalContentNative.SYNCFS);
  }

  private void sync(int what) throws FuseException {
    int fd = enter();
    try {
      answer(LocalContentNative.sync(fd, what));
    } finally {
      leave();
    }
  }

  /**
   * Has the file system see a close, as each close(2) of an application's: it may tell errors of
   * earlier writes then (NFS, FUSE do). Closes a duplicate of this descriptor, which stays open.
   *
   * @throws FuseException EIO, ENOSPC, EDQUOT; EMFILE if there is no other descriptor
   */
  public final void flush() throws FuseException {
    int fd = enter();
    try {
      answer(LocalOpenNative.flush(fd));
    } finally {
      leave();
    }
  }

  /**
   * Takes or gives back the lock of this open file: flock(2). It is this descriptor's, not the
   * thread's or process's, and ends with {@link #close}. One that is waited for holds up the
   * thread, which nothing interrupts.
   *
   * @param operation {@link LocalFlags#LOCK_SH}, {@link LocalFlags#LOCK_EX} or {@link
   *     LocalFlags#LOCK_UN}, with {@link LocalFlags#LOCK_NB} not to wait
   * @throws FuseException EAGAIN if another has it and LOCK_NB is set, EINVAL, ENOLCK
   */
  public final void flock(int operation) throws FuseException {
    int fd = enter();
    try {
      answer(LocalContentNative.lock(fd, operation));
    } finally {
      leave();
    }
  }
}
