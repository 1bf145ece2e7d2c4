package io.github.ferrofuse;

import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * One open of a file. {@code open}, {@code create} and {@code tmpfile} make it; {@link #release}
 * ends it. Or what serves a file that is never opened: see {@link InodeFileSystem#fileHandle}.
 *
 * <p>Calls on one handle overlap only as {@link #concurrency()} allows; the engine sees to it,
 * without letting a worker wait. Calls on different handles always overlap. Arguments are borrowed:
 * buffers die when the method returns.
 */
public interface FileHandle {

  /** Which calls on one handle may run at the same time. */
  enum Concurrency {
    /**
     * One at a time, in order of arrival: right for anything that has a position, such as a
     * seek-then-read stream.
     */
    SERIALIZED,
    /** Reads overlap each other; any other call is alone. */
    SHARED_READS,
    /** No ordering: the handle is safe for threads. {@link #release} is still the last call. */
    CONCURRENT
  }

  /**
   * The policy, asked once, right after the handle was made.
   *
   * @return the policy; serialized unless overridden
   */
  default Concurrency concurrency() {
    return Concurrency.SERIALIZED;
  }

  /**
   * Reads at an offset. May return short: the engine calls again with the rest until the buffer is
   * full or the answer is not positive, so a plain {@code channel.read(dst, offset)} is right.
   *
   * @param request who asks
   * @param dst takes bytes between position and limit (at most {@code max_write}, 1 MiB by
   *     default); big endian, direct; dies when the method returns
   * @param offset in bytes from the start of the file, 0 or more
   * @return how many bytes were put, -1 or 0 at the end of the file
   * @throws IOException EBADF, EIO ...
   */
  default int read(Request request, ByteBuffer dst, long offset) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Writes at an offset. May return short, as {@link #read}.
   *
   * @param request who asks; {@link Request#killsPrivileges} if setuid and setgid are to be cleared
   * @param src the bytes between position and limit; dies when the method returns
   * @param offset in bytes from the start of the file, 0 or more; with O_APPEND the kernel has
   *     already made it the end
   * @return how many bytes were taken
   * @throws IOException ENOSPC, EFBIG, EDQUOT ...
   */
  default int write(Request request, ByteBuffer src, long offset) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * A descriptor of this handle is being closed; close(2) returns what this answers. Called once
   * per close, so several times when the descriptor was duplicated. A class that does not override
   * it spares the kernel the request, unless a close has to end locks ({@link LockKeeper}).
   *
   * @param request who asks
   * @throws IOException an error of earlier writes: EIO, ENOSPC, EDQUOT
   */
  default void flush(Request request) throws IOException {}

  /**
   * Makes written data durable: fsync(2). The default does nothing, which is right where nothing
   * outlives the mount.
   *
   * @param request who asks
   * @param dataOnly fdatasync(2): metadata that is not needed to read the data back may stay behind
   * @throws IOException EIO, ENOSPC, EDQUOT
   */
  default void fsync(Request request, boolean dataOnly) throws IOException {}

  /**
   * Allocates, punches or zeroes a range: fallocate(2). After {@link Connection#clearsPrivileges}
   * it also clears setuid and setgid, unless root asks.
   *
   * @param request who asks
   * @param mode 0 or a combination of the {@code FALLOC_FL_} flags of &lt;linux/falloc.h&gt;
   * @param offset start of the range in bytes
   * @param length its length in bytes, more than 0
   * @throws IOException EOPNOTSUPP for a mode that is not supported, ENOSPC, EFBIG ...
   */
  default void fallocate(Request request, int mode, long offset, long length) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /** {@code whence} of {@link #lseek}: the next data at or after the offset. */
  int SEEK_DATA = 3;

  /** {@code whence} of {@link #lseek}: the next hole at or after the offset. */
  int SEEK_HOLE = 4;

  /**
   * Tells data from holes: lseek(2) with SEEK_DATA or SEEK_HOLE; all other seeking is the kernel's.
   * The default lets the file be all data, with a hole at its end. Never called under {@code
   * writeback_cache}, where every file is all data.
   *
   * @param request who asks
   * @param offset in bytes from the start of the file, 0 or more
   * @param whence {@link #SEEK_DATA} or {@link #SEEK_HOLE}
   * @return where it begins, {@code offset} or more; the end of the file is a hole
   * @throws IOException ENXIO if there is none up to the end of the file, or that lies before
   *     {@code offset}
   */
  default long lseek(Request request, long offset, int whence) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Copies into this file from another one, or from another place of the same: copy_file_range(2),
   * which cp(1) uses. May copy less than asked. The default, EOPNOTSUPP, has the kernel read and
   * write instead, and so has EXDEV. After {@link Connection#clearsPrivileges} it also clears
   * setuid and setgid of this file, unless root asks.
   *
   * @param request who asks
   * @param source an open file of this file system; its other methods may run at the same time,
   *     whatever its {@link #concurrency}, but not its {@link #release}
   * @param sourceOffset where in the source to begin, in bytes
   * @param offset where in this file to begin, in bytes
   * @param length how many bytes, 0 or more, maybe more than the source has
   * @return how many bytes were copied; 0 at the end of the source
   * @throws IOException ENOSPC, EFBIG, EINVAL for ranges of one file that overlap ...
   */
  default long copyFileRange(
      Request request, FileHandle source, long sourceOffset, long offset, long length)
      throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Anything else: ioctl(2). The kernel copies what goes in and comes out by the size and direction
   * that are part of the command ({@code _IOR}, {@code _IOW}, {@code _IOWR} of
   * &lt;asm-generic/ioctl.h&gt;), up to 16383 bytes; commands that point to more memory can't be
   * served. {@code FS_IOC_GETFLAGS} (lsattr(1)) and {@code FS_IOC_SETFLAGS} (chattr(1)) come this
   * way, too. The default is ENOTTY: no such command.
   *
   * @param request who asks
   * @param command the request code
   * @param argument the third argument as a number; if it was a pointer, it means nothing here
   * @param in what the caller passed; in the machine's byte order, dies when the method returns
   * @param out takes what the caller gets, from its beginning up to the position that it is left
   *     with; as {@code in}
   * @return what ioctl(2) returns, 0 or more
   * @throws IOException ENOTTY for an unknown command, EINVAL, EPERM ...
   */
  default int ioctl(Request request, int command, long argument, ByteBuffer in, ByteBuffer out)
      throws IOException {
    throw Errno.ENOTTY.exception();
  }

  /**
   * Sets or clears a lock if nobody else's is in the way, for a file system that keeps locks itself
   * ({@link LockKeeper#FILE_SYSTEM}). Never waits: if the caller is to wait, the engine keeps the
   * request and asks again whenever a lock of this file was cleared or weakened by this method or
   * by the end of a handle, and when {@link Notifier#locksChanged} is called. It is therefore for
   * the file system to find out that processes wait for each other, if it wants to.
   *
   * <p>Over the range the owner then has what was asked for, whatever it had there before; if it is
   * refused, what it had. (Whoever lets a conversion of a flock(2) lock lose the old one, which is
   * allowed, calls {@link Notifier#locksChanged}.) Also called to clear: at each {@link #flush},
   * after it, what the closing process has in the file by fcntl(2), through whichever handle, also
   * where there is nothing; and before {@link #release} the handle's flock(2) lock. Nobody hears of
   * an error then. A release ends all that was set through the handle, which is how locks of {@code
   * F_OFD_SETLK} end.
   *
   * <p>May run at the same time as any other call of the handle, whatever its {@link #concurrency}:
   * an unlock waits for nobody, and nobody for a lock.
   *
   * @param request who asks; {@link Operation#FLUSH} or {@link Operation#RELEASE} where they clear
   * @param lock what is to be set or cleared
   * @return false if another owner's lock is in the way; the answer to {@link LockType#UNLOCK} does
   *     not matter
   * @throws IOException ENOLCK for too many locks, EDEADLK ...
   */
  default boolean setLock(Request request, LockRequest lock) throws IOException {
    throw Errno.ENOLCK.exception();
  }

  /**
   * Tells which lock would keep {@link #setLock} from setting one: {@code F_GETLK} of fcntl(2). May
   * run at any time, as it.
   *
   * @param request who asks
   * @param wanted the lock that is asked about
   * @param out takes the first lock of another owner in the range that is in the way; untouched if
   *     there is none
   * @throws IOException ENOLCK ...
   */
  default void getLock(Request request, LockRequest wanted, LockSink out) throws IOException {
    throw Errno.ENOLCK.exception();
  }

  /**
   * Tells whether the file is ready: poll(2), select(2), epoll_wait(2). Called only if {@link
   * FileSystemBase#operations} has {@link Operation#POLL}, which is found by no class of the file
   * system and has to be added:
   *
   * <pre>{@code
   * public Set<Operation> operations() {
   *   EnumSet<Operation> operations = Operation.overriddenBy(getClass());
   *   operations.add(Operation.POLL);
   *   return operations;
   * }
   * }</pre>
   *
   * <p>Without it the kernel is told once for the whole mount that files are always ready, as
   * regular files are, and never asks. With it, handles that don't override this method are always
   * ready.
   *
   * <p>Runs at the same time as any other call of the handle, whatever its {@link #concurrency}:
   * who polls must not wait for a read that waits for the same data. Only {@link #release} is
   * always the last.
   *
   * @param request who asks
   * @param events what is of interest, bits of {@link PollHandle}
   * @param waiters to be woken when the answer changes, for which they wait now; to be kept before
   *     the answer is found out, lest a change between is missed. Null if nobody waits
   * @return which of the events hold; {@link PollHandle#ERR} and {@link PollHandle#HUP} may be
   *     added
   * @throws IOException whatever it is, the file is {@link PollHandle#ERR} to whoever polls
   */
  default int poll(Request request, int events, PollHandle waiters) throws IOException {
    return events & PollHandle.READY;
  }

  /**
   * The last call: nothing else of this handle runs or will run. What it throws is logged only,
   * since nobody waits for it; errors that an application should see belong into {@link #flush}.
   *
   * @param request the request; all ids 0 when the session ends and the handle was still open
   * @throws IOException to have it logged
   */
  default void release(Request request) throws IOException {}
}
