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
}
