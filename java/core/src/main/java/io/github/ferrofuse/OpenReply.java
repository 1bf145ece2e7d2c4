package io.github.ferrofuse;

/** How the kernel should treat a handle that is being opened. Everything is off unless set. */
public interface OpenReply {

  /**
   * Bypasses the page cache: each read and write is a request with the application's own offset and
   * size.
   *
   * @return this
   */
  OpenReply directIo();

  /**
   * Keeps what the page cache has of the file from earlier opens.
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
   * without one.
   *
   * @return this
   */
  OpenReply noFlush();

  /**
   * Makes lseek(2) fail with ESPIPE.
   *
   * @return this
   */
  OpenReply nonSeekable();

  /**
   * Lets the kernel cache a directory's entries.
   *
   * @return this
   */
  OpenReply cacheDir();
}
