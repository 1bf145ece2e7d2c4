package io.github.ferrofuse.examples.memory;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.Request;
import java.nio.ByteBuffer;

/**
 * A regular file: {@link FileData} with the inode's lock, under which reads overlap each other and
 * a write is alone, and with the times and permissions that each operation changes.
 */
final class RegularFile extends Inode {
  private static final int FALLOC_FL_KEEP_SIZE = 0x01;
  private static final int FALLOC_FL_PUNCH_HOLE = 0x02;
  private static final int FALLOC_FL_ZERO_RANGE = 0x10;

  /** Bytes that are copied at once. */
  private static final int COPY_STEP = 1 << 20;

  private final FileData data;

  /** An empty file; the arguments are those of {@link Inode}, and where its content will lie. */
  RegularFile(long number, int mode, int uid, int gid, long now, ChunkStore store) {
    super(number, FileType.REGULAR.bits() | mode, 1, uid, gid, now);
    data = new FileData(store);
  }

  @Override
  long size() {
    return data.size();
  }

  @Override
  long blocks() {
    return (long) data.chunks() * (ChunkStore.CHUNK / 512);
  }

  @Override
  void resize(long size) throws FuseException {
    if (size < 0) {
      throw Errno.EFBIG.exception(); // the kernel's sizes are unsigned
    }
    data.truncate(size);
  }

  @Override
  void discardContent() {
    data.clear();
  }

  /**
   * Reads: {@link FileData#read}.
   *
   * @param updatesAccess whether the access time may be updated
   */
  int read(ByteBuffer dst, long offset, boolean updatesAccess, Clock clock) {
    int count;
    boolean due;
    long stamp = lock.readLock();
    try {
      count = data.read(dst, offset);
      due = updatesAccess && accessIsDue(clock);
    } finally {
      lock.unlockRead(stamp);
    }
    if (due) {
      setAccessed(clock);
    }
    return count;
  }

  /**
   * Where data or a hole begins: lseek(2).
   *
   * @param hole whether a hole is looked for
   * @throws FuseException ENXIO past the end, or if there is no more data
   */
  long seek(long offset, boolean hole) throws FuseException {
    long stamp = lock.readLock();
    try {
      long found = hole ? data.nextHole(offset) : data.nextData(offset);
      if (offset >= data.size() || !hole && found == data.size()) {
        throw Errno.ENXIO.exception();
      }
      return found;
    } finally {
      lock.unlockRead(stamp);
    }
  }

  /** Writes: {@link FileData#write}. */
  int write(Request request, ByteBuffer src, long offset, Clock clock) throws FuseException {
    long stamp = lock.writeLock();
    try {
      int count = data.write(src, offset);
      if (count > 0) {
        changed(request, request.killsPrivileges(), clock);
      }
      return count;
    } finally {
      lock.unlockWrite(stamp);
    }
  }

  /** Makes it empty, for an open with O_TRUNC. */
  void truncate(Request request, Clock clock) throws FuseException {
    long stamp = lock.writeLock();
    try {
      data.truncate(0);
      changed(request, request.killsPrivileges(), clock);
    } finally {
      lock.unlockWrite(stamp);
    }
  }

  /**
   * Allocates, punches or zeroes: fallocate(2). The request does not say whether privileges are to
   * be cleared: those of other callers than root are, as the kernel's own file systems do.
   *
   * @param mode 0, KEEP_SIZE, PUNCH_HOLE with KEEP_SIZE, ZERO_RANGE with or without KEEP_SIZE
   */
  void fallocate(Request request, int mode, long offset, long length, Clock clock)
      throws FuseException {
    if (offset < 0 || length <= 0) {
      throw Errno.EINVAL.exception();
    }
    long stamp = lock.writeLock();
    try {
      boolean keepSize = (mode & FALLOC_FL_KEEP_SIZE) != 0;
      if ((mode & ~FALLOC_FL_KEEP_SIZE) == 0) {
        data.allocate(offset, length, keepSize);
      } else if (mode == (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)) {
        data.punch(offset, length);
      } else if ((mode & ~FALLOC_FL_KEEP_SIZE) == FALLOC_FL_ZERO_RANGE) {
        data.zeroRange(offset, length, keepSize);
      } else {
        throw Errno.EOPNOTSUPP.exception();
      }
      changed(request, request.uid() != 0, clock);
    } finally {
      lock.unlockWrite(stamp);
    }
  }

  /**
   * Takes over what another file has: copy_file_range(2). Holes stay holes. Neither file is locked
   * during all of it, so that no two copies wait for each other; others may see it half done.
   *
   * @param source where it comes from, maybe this file
   * @param from where in the source to begin
   * @param to where in this file to begin
   * @param length how many bytes; ends at the end of the source
   * @return how many bytes were copied; fewer if there is no more room, or the caller is
   *     interrupted
   * @throws FuseException EINVAL for ranges of one file that overlap, ENOSPC, EFBIG
   */
  long copy(Request request, RegularFile source, long from, long to, long length, Clock clock)
      throws FuseException {
    if (source == this && Math.abs(from - to) < length) {
      throw Errno.EINVAL.exception();
    }
    ByteBuffer buffer = ByteBuffer.allocate((int) Math.min(length, COPY_STEP));
    long done = 0;
    while (done < length && !request.interrupted()) {
      buffer.clear();
      long step = source.nextPart(from + done, length - done, buffer);
      long put = step == 0 ? 0 : put(request, buffer.flip(), to + done, step, done == 0, clock);
      done += put;
      if (put < step || step == 0) {
        break;
      }
    }
    return done;
  }

  /**
   * A hole, or data as far as the buffer has room for it.
   *
   * @param buffer takes the data; stays empty for a hole
   * @return how long it is, 0 at the end of the file
   */
  private long nextPart(long offset, long length, ByteBuffer buffer) {
    long stamp = lock.readLock();
    try {
      long start = data.nextData(offset);
      if (start > offset) {
        return Math.min(length, start - offset);
      }
      long end = Math.min(data.nextHole(offset), offset + length);
      buffer.limit((int) Math.min(buffer.limit(), end - offset));
      return data.read(buffer, offset);
    } finally {
      lock.unlockRead(stamp);
    }
  }

  /**
   * Puts data, or a hole if there is none.
   *
   * @param orFails whether to fail if there is no room at all
   * @return how much there was room for
   */
  private long put(
      Request request, ByteBuffer src, long offset, long length, boolean orFails, Clock clock)
      throws FuseException {
    long stamp = lock.writeLock();
    try {
      long put = length;
      if (src.hasRemaining()) {
        put = data.write(src, offset);
      } else {
        data.punch(offset, length);
        if (offset + length > data.size()) {
          data.truncate(offset + length);
        }
      }
      changed(request, request.uid() != 0, clock);
      return put;
    } catch (FuseException e) {
      if (orFails) {
        throw e;
      }
      return 0;
    } finally {
      lock.unlockWrite(stamp);
    }
  }

  private void changed(Request request, boolean killsPrivileges, Clock clock) {
    if (killsPrivileges) {
      clearPrivileges(request);
    } else {
      clearCapabilities();
    }
    times.modified(clock.now());
  }
}
