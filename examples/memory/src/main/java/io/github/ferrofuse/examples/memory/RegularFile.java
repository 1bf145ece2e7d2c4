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
      due = updatesAccess && accessIsDue();
    } finally {
      lock.unlockRead(stamp);
    }
    if (due) {
      setAccessed(clock);
    }
    return count;
  }

  /** Writes: {@link FileData#write}. */
  int write(Request request, ByteBuffer src, long offset, Clock clock) throws FuseException {
    long stamp = lock.writeLock();
    try {
      int count = data.write(src, offset);
      if (count > 0) {
        changed(request.killsPrivileges(), clock);
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
      changed(request.killsPrivileges(), clock);
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
      changed(request.uid() != 0, clock);
    } finally {
      lock.unlockWrite(stamp);
    }
  }

  private void changed(boolean killsPrivileges, Clock clock) {
    if (killsPrivileges) {
      clearPrivileges();
    }
    times.modified(clock.now());
  }
}
