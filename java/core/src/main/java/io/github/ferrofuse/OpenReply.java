package io.github.ferrofuse;

/** How the kernel should treat a handle that is being opened. Everything is off unless set. */
public interface OpenReply {

  /**
   * Bypasses the page cache: each read and write is a request with the application's own offset and
   * size. Mappings go through the cache nevertheless, and agree with reads and writes through this
   * mount (shared mappings need Linux 6.6).
   *
   * @return this
   */
  OpenReply directIo();

  /**
   * Keeps what the page cache has of the file, or of the directory, from earlier opens. Without it
   * opening drops that. What is kept of a file goes when the kernel sees that its size has changed,
   * under {@code auto_cache} and with {@link Connection#sharesFiles} its mtime, too, by attributes
   * that may be as old as their timeout; under {@code writeback_cache} neither counts.
   *
   * @return this
   */
  OpenReply keepCache();

  /**
   * Lets direct writes to the file overlap, which the kernel otherwise orders.
   *
   * @return this
   */
  OpenReply parallelDirectWrites();

  /**
   * Sends no {@link FileHandle#flush} on close. The binding sets it by itself for handle classes
   * without one. Without effect under {@code writeback_cache}, and where the kernel doesn't keep
   * locks ({@link LockKeeper}): a close may have to end some.
   *
   * @return this
   */
  OpenReply noFlush();

  /**
   * Makes lseek(2), pread(2) and pwrite(2) fail with ESPIPE. Reads and writes still come with the
   * descriptor's own position, which they advance.
   *
   * @return this
   */
  OpenReply nonSeekable();

  /**
   * Makes the file a stream, as a pipe is one: it has no position at all. lseek(2), pread(2) and
   * pwrite(2) fail with ESPIPE, and every read and write comes with offset 0. Usually together with
   * {@link #directIo}, without which the page cache answers from the file's beginning.
   *
   * @return this
   */
  OpenReply stream();

  /**
   * Lets the kernel cache a directory's entries. They last until the next open, or with {@link
   * #keepCache} until a name in the directory is changed through this mount or its mtime is seen to
   * have changed: when somebody looks at the directory, as glibc's opendir(3) does, and before each
   * listing under {@code auto_cache} and with {@link Connection#sharesFiles}. A directory's mtime
   * must tell of changes made elsewhere.
   *
   * @return this
   */
  OpenReply cacheDir();

  /**
   * Passes the file through to another: the kernel reads, writes and maps that one by itself, at
   * its speed, and none of it comes to the {@link FileHandle}. To be answered by every open of a
   * file, or by none. Without effect unless the file system has declared {@link
   * Connection#passesThrough}, for directories, and together with {@link #nonSeekable} or {@link
   * #stream}; takes the effect from {@link #keepCache}. With {@link #directIo} reads and writes
   * come to the handle, and only mappings are passed through.
   *
   * <p>The handle must be able to read and write all the same. The file is not passed through if
   * the kernel refuses it (it is no regular file, or lies on a stacked file system such as
   * overlayfs; each reason is logged once), and while it is open in another way. An open that does
   * not ask for it, while others are passed through, gets its reads and writes as with {@link
   * #directIo}.
   *
   * <p>Everything but reads, writes and mappings comes to the file system as ever, which has to do
   * it to the other file:
   *
   * <ul>
   *   <li>{@link FileHandle#fsync}: the kernel syncs nothing by itself, and what was written is not
   *       durable before;
   *   <li>{@link FileHandle#flush}, {@link FileHandle#fallocate}, {@link FileHandle#lseek}, {@link
   *       FileHandle#copyFileRange}, {@link FileHandle#ioctl}, locks;
   *   <li>{@code getattr}: a write has the kernel ask again for size and times, a read for the time
   *       of access; what a mapping changes shows when the attributes' timeout is over;
   *   <li>{@code setattr} with a size, also for an open with O_TRUNC.
   * </ul>
   *
   * <p>The kernel opens the other file anew, with the flags of the application and the rights of
   * this process: the descriptor itself is neither read nor written, may be open for anything, and
   * stays the file system's. It has to be open until {@link FileHandle#release}. A mapping may
   * outlive the release. What keeps the kernel from opening it then is EIO to the application, such
   * as O_DIRECT where the other file system has none.
   *
   * <p>A file system whose files are written to by others than root declares {@link
   * Connection#clearsPrivileges}, too: otherwise the kernel asks for the extended attribute {@code
   * security.capability} before each write. The writes then clear setuid and setgid of the other
   * file, root's as well.
   *
   * @param fd number of a descriptor of this process that has the other file open (since Linux 6.16
   *     also with O_PATH)
   * @return this
   * @throws IllegalArgumentException if the number is negative
   */
  OpenReply passThrough(int fd);
}
