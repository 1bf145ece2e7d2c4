package io.github.ferrofuse;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;

/**
 * Tells the kernel what has changed behind its back. What a file system changes when the kernel
 * asks it to, the kernel knows; what others change (another client of the same server, another
 * program in the same directory), it learns when its timeouts run out, or from here. With it,
 * {@code attr_timeout} and {@code entry_timeout} can be long.
 *
 * <p>A file system that names its files by number uses the methods that take nodes, one that names
 * them by path those that take paths; the others throw {@link IllegalStateException}. Paths begin
 * with a slash and are those that the file system was asked for; the file system is not asked in
 * turn. What the kernel does not know is {@link Outcome#NOT_CACHED}, which is as good as done.
 *
 * <p><b>Threads.</b> Safe for threads. The kernel may have to wait for locks that are held by those
 * whom a handler serves, and for data that handlers still have to write or read. So on a thread
 * that is serving a request of this mount nothing is waited for: what it asks for is {@link
 * Outcome#QUEUED}, and carried out by a thread of its own, in order, soon after. Nothing in the
 * queue is merged; it takes 16,384 notifications, where data to {@link #store} and lists to {@link
 * #prune} count as one more per 4 KiB, and refuses more with EAGAIN; what fails there is logged. On
 * any other thread the call returns when the kernel is done; a handler must not wait for such a
 * thread, nor for a queued notification, and nobody should call it with a lock held that handlers
 * take.
 *
 * <p><b>Life.</b> Usable from {@link FileSystemBase#init} on, where the kernel has nothing cached
 * yet. After the mount has ended every call answers {@link Outcome#ENDED}. A call that waits for a
 * handler that never returns ends when the connection does: by {@link FuseMount#abort}, if root
 * mounted or fusectl is there, {@code umount -f}, or fusectl's {@code abort}.
 *
 * <p><b>Errors.</b> {@link IllegalArgumentException} for a negative offset, a range that ends
 * beyond 2<sup>63</sup> - 1, a name that is empty, {@code .} or {@code ..} or has a slash or a NUL,
 * a path without a slash at its beginning; {@link UnsupportedOperationException} if the kernel is
 * too old; {@link FuseException} with what else the kernel says (ENOMEM, ENAMETOOLONG ...).
 *
 * <p>Source: the {@code FUSE_NOTIFY_} codes of &lt;linux/fuse.h&gt;.
 */
public interface Notifier {

  /** What became of a notification. */
  enum Outcome {
    /** The kernel has done it. */
    DONE,
    /** The kernel does not know the file or name: there was nothing to do. */
    NOT_CACHED,
    /** It is done soon: the call came from a handler. */
    QUEUED,
    /** The mount has ended: there was nothing to do. */
    ENDED
  }

  /** {@return whether the kernel knows {@link #expireEntry}: Linux 6.2 or later} */
  boolean canExpire();

  /** {@return whether the kernel knows {@link #invalidateAllEntries}: Linux 6.16 or later} */
  boolean canInvalidateAllEntries();

  /** {@return whether the kernel knows {@link #prune}: Linux 6.18 or later} */
  boolean canPrune();

  /**
   * Tells that a file system that keeps locks itself ({@link LockKeeper#FILE_SYSTEM}) has dropped
   * or weakened some by other means than {@link FileHandle#setLock}: everybody who waits for a lock
   * tries again. This is the engine's business, not the kernel's, so it waits for nobody: handlers
   * may call it, with any lock held. Does nothing where others keep the locks, or after the end.
   */
  void locksChanged();

  // ---- files by number ----

  /**
   * Drops all that is cached of a file: attributes, ACLs, and data, which is written first where a
   * write-back cache has changed it.
   *
   * @param node the file
   * @return what became of it
   * @throws IOException what the kernel says
   */
  Outcome invalidate(long node) throws IOException;

  /**
   * Drops a file's attributes and the cached data of a range.
   *
   * @param node the file
   * @param offset first byte of the range; whole pages are dropped
   * @param length bytes; 0 for all that follows
   * @return what became of it
   * @throws IOException what the kernel says
   */
  Outcome invalidate(long node, long offset, long length) throws IOException;

  /**
   * Drops a file's attributes and ACLs, not its data.
   *
   * @param node the file
   * @return what became of it
   * @throws IOException what the kernel says
   */
  Outcome invalidateAttributes(long node) throws IOException;

  /**
   * Drops a name, known to exist or not to exist, with all that is cached below it. A mount on it
   * or below it is taken off.
   *
   * @param directory the directory
   * @param name the name in it
   * @return what became of it
   * @throws IOException what the kernel says
   */
  Outcome invalidateEntry(long directory, Name name) throws IOException;

  /**
   * Has a name looked up again before it is used next, and leaves what is below it and who uses it
   * alone.
   *
   * @param directory the directory
   * @param name the name in it
   * @return what became of it
   * @throws IOException what the kernel says
   * @throws UnsupportedOperationException unless {@link #canExpire}
   */
  Outcome expireEntry(long directory, Name name) throws IOException;

  /**
   * Tells that a name was removed. As {@link #invalidateEntry}, and whoever watches the file by
   * inotify(7) hears of its end; it is kept for those who have it open, as after unlink(2).
   *
   * @param directory the directory
   * @param name the name that was in it
   * @param node the file that it led to; a name that leads to another one by now is left alone
   * @return what became of it
   * @throws IOException ENOTEMPTY if it is a directory in which names are cached: they are to be
   *     deleted first; EBUSY if something is mounted on it
   */
  Outcome deleteEntry(long directory, Name name, long node) throws IOException;

  /**
   * Has every name be looked up again before it is used next.
   *
   * @return what became of it
   * @throws IOException what the kernel says
   * @throws UnsupportedOperationException unless {@link #canInvalidateAllEntries}
   */
  Outcome invalidateAllEntries() throws IOException;

  /**
   * Has the kernel forget files that nobody uses, so that the file system may, too ({@link
   * InodeFileSystem#forget}). Files in use and directories that have something cached in them stay.
   *
   * @param nodes the files
   * @return what became of it
   * @throws IOException what the kernel says
   * @throws UnsupportedOperationException unless {@link #canPrune}
   */
  Outcome prune(long... nodes) throws IOException;

  /**
   * Puts data into the page cache of a regular file, as if it had been read. Readers get it without
   * a request; a page that is given in part is read nevertheless, unless the file ends in it. The
   * file becomes as long as the data reaches, until the kernel asks for its size, which it does
   * next.
   *
   * @param node the file
   * @param offset where the data lies in the file, in bytes
   * @param data its bytes between position and limit, which stay as they are; read before this
   *     returns
   * @return what became of it
   * @throws IOException EINVAL if it is not a regular file
   */
  Outcome store(long node, long offset, ByteBuffer data) throws IOException;

  /**
   * Gets back what the page cache has of a file: what was read, written or {@link #store stored},
   * from an offset on and without a gap.
   *
   * <p>The future is completed by a thread that serves requests: what takes time belongs on another
   * one ({@code thenApplyAsync}). It fails with an {@link IOException} if the mount ends before,
   * and with what {@link #store} throws for the same reasons.
   *
   * @param node the file
   * @param offset first byte, in bytes
   * @param size how many bytes at most, 1 or more; there are never more than {@code max_write} (1
   *     MiB by default)
   * @return the bytes between position and limit, none if the first one is not cached or the kernel
   *     does not know the file; the caller's to keep
   */
  CompletableFuture<ByteBuffer> retrieve(long node, long offset, int size);

  // ---- files by path ----

  /**
   * As {@link #invalidate(long)}.
   *
   * @param path the file, by any of its names
   * @return what became of it
   * @throws IOException what the kernel says
   */
  Outcome invalidate(String path) throws IOException;

  /**
   * As {@link #invalidate(long, long, long)}.
   *
   * @param path the file, by any of its names
   * @param offset first byte of the range; whole pages are dropped
   * @param length bytes; 0 for all that follows
   * @return what became of it
   * @throws IOException what the kernel says
   */
  Outcome invalidate(String path, long offset, long length) throws IOException;

  /**
   * As {@link #invalidateAttributes(long)}.
   *
   * @param path the file, by any of its names
   * @return what became of it
   * @throws IOException what the kernel says
   */
  Outcome invalidateAttributes(String path) throws IOException;

  /**
   * As {@link #invalidateEntry(long, Name)}.
   *
   * @param path the name, with those of the directories above it
   * @return what became of it
   * @throws IOException what the kernel says
   */
  Outcome invalidateEntry(String path) throws IOException;

  /**
   * As {@link #expireEntry(long, Name)}.
   *
   * @param path the name, with those of the directories above it
   * @return what became of it
   * @throws IOException what the kernel says
   * @throws UnsupportedOperationException unless {@link #canExpire}
   */
  Outcome expireEntry(String path) throws IOException;

  /**
   * As {@link #deleteEntry(long, Name, long)}. The path is free for another file from then on.
   *
   * @param path the name, with those of the directories above it
   * @return what became of it
   * @throws IOException ENOTEMPTY, EBUSY ...
   */
  Outcome deleteEntry(String path) throws IOException;

  /**
   * As {@link #prune(long...)}.
   *
   * @param paths the files
   * @return what became of it
   * @throws IOException what the kernel says
   * @throws UnsupportedOperationException unless {@link #canPrune}
   */
  Outcome prune(String... paths) throws IOException;

  /**
   * As {@link #store(long, long, ByteBuffer)}.
   *
   * @param path the file, by any of its names
   * @param offset where the data lies in the file, in bytes
   * @param data its bytes between position and limit, which stay as they are; read before this
   *     returns
   * @return what became of it
   * @throws IOException EINVAL if it is not a regular file
   */
  Outcome store(String path, long offset, ByteBuffer data) throws IOException;

  /**
   * As {@link #retrieve(long, long, int)}.
   *
   * @param path the file, by any of its names
   * @param offset first byte, in bytes
   * @param size how many bytes at most, 1 or more
   * @return the bytes between position and limit
   */
  CompletableFuture<ByteBuffer> retrieve(String path, long offset, int size);
}
