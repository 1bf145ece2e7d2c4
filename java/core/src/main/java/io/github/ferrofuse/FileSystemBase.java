package io.github.ferrofuse;

import java.io.IOException;
import java.util.Set;

/**
 * What every file system has, whichever API it implements: {@link FuseFileSystem}, which names
 * files by path, or {@link InodeFileSystem}, which names them by number.
 *
 * <p>Methods of this interface are called once per mount; {@link #init} before the first request,
 * {@link #destroy} after the last one and after the last {@code release}.
 *
 * <p>A program that accesses its own mount from inside the same JVM can deadlock or be hard to
 * kill: see {@link FuseMount}.
 */
public interface FileSystemBase {

  /** {@code flags} of {@code rename}: fail with EEXIST if the new name exists. */
  int RENAME_NOREPLACE = 1;

  /** {@code flags} of {@code rename}: exchange the two, both of which must exist. */
  int RENAME_EXCHANGE = 2;

  /** {@code flags} of {@code rename}: leave a whiteout (character device 0:0) behind. */
  int RENAME_WHITEOUT = 4;

  /** {@code flags} of {@code setxattr}: fail with EEXIST if the attribute exists. */
  int XATTR_CREATE = 1;

  /** {@code flags} of {@code setxattr}: fail with ENODATA if it does not. */
  int XATTR_REPLACE = 2;

  /**
   * The operations that this file system has. The others are answered by the engine and never reach
   * Java. Asked once, when the file system is mounted.
   *
   * <p>The default finds them by reflection: an operation is present if a class overrides its
   * default method. A decorator, which overrides everything, answers with its delegate's set
   * instead.
   *
   * @return the operations, never null
   */
  default Set<Operation> operations() {
    return Operation.overriddenBy(getClass());
  }

  /**
   * Called before the kernel may send requests. The thread is the one that mounts.
   *
   * @param connection what the kernel offers, and where to ask for something; valid during this
   *     call only
   * @throws IOException to refuse the mount, which then fails with this exception as its cause
   */
  default void init(Connection connection) throws IOException {}

  /**
   * Called when no request is running and none can come any more. All nodes count as forgotten and
   * all handles have been released.
   */
  default void destroy() {}

  /**
   * Whether the thread that serves a request is interrupted ({@link Thread#interrupt}) when whoever
   * waits for the answer gets a signal, so that a handler that sleeps or waits in Java wakes up.
   * {@code Thread.interrupt} also closes any {@link java.nio.channels.FileChannel} that the thread
   * happens to use, for everybody: it is only for file systems that use none, or share none. A
   * request is never hit by an interrupt that was meant for another one, and releases are never
   * interrupted. Costs some hundred nanoseconds per request. Asked once, when it is mounted.
   *
   * @return true if it may be interrupted; false by default
   * @see Request#onInterrupt
   */
  default boolean interruptsThreads() {
    return false;
  }

  /**
   * Whether every operation checks the caller's permission itself. Without this, {@code
   * allow_other} is refused unless {@code default_permissions} makes the kernel check.
   *
   * @return true if {@link Request#uid()} and {@link Request#gid()} are checked by the file system
   */
  default boolean checksAccess() {
    return false;
  }
}
