package io.github.ferrofuse;

import java.io.IOException;

/** Who asks for what. Belongs to the worker: see {@link #copy}. */
public interface Request {

  /** {@return the kernel's id of the request, unique among those in flight} */
  long unique();

  /** {@return what is asked} */
  Operation operation();

  /** {@return the caller's effective user id} */
  int uid();

  /** {@return the caller's effective group id} */
  int gid();

  /**
   * {@return the caller's thread id, 0 if it is in another pid namespace or nobody's (write-back)}
   */
  int pid();

  /**
   * {@return the caller's umask in MKNOD, MKDIR, CREATE and TMPFILE, else 0; it is already applied
   * to their mode, unless the file system {@linkplain Connection#keepsAcls keeps ACLs}: then it is
   * applied by the file system, where a directory has no default ACL}
   */
  int umask();

  /**
   * Whether the operation (write, truncation, truncating open) must clear setuid, and setgid of a
   * group-executable file. Only ever true after {@link Connection#clearsPrivileges}, which says
   * when else they must be cleared; otherwise the kernel does it. The kernel's own file systems
   * then also take setgid of a file that its group may not execute, if the caller is not in that
   * group, which {@link #gid} and {@link #groups} tell: such a request is always the caller's own.
   *
   * <p>Of a {@code setxattr} that sets an access ACL it says that setgid, and only that, must be
   * cleared, of any kind of file: the caller is neither in the file's group nor privileged. Only
   * ever true after {@link Connection#keepsAcls}; it means nothing for other attributes.
   *
   * @return true if they must be cleared
   */
  boolean killsPrivileges();

  /**
   * Whether whoever waits for the answer got a signal. A killed application is not gone before it
   * has its answer, so a handler that works long looks now and then, and gives up with {@code
   * EINTR}: {@code throw Errno.EINTR.exception()}. A request that still waits for its handle, other
   * than a flush or release, is answered so by the engine and never comes here. The news takes a
   * worker that is free: a file system that keeps all of them busy does not hear it. Of reads and
   * writes that go through the page cache the kernel tells nothing: it makes them in its own name.
   *
   * <p>The signal need not be deadly: programs that use timers or profile themselves get many. An
   * operation that has changed something had better be finished.
   *
   * @return true from the signal on; any thread may ask. The default, for doubles in tests: false
   */
  default boolean interrupted() {
    return false;
  }

  /**
   * Has something done when {@link #interrupted} becomes true: wakes whatever the handler waits
   * for. It runs once at most: on another of the mount's threads while the handler goes on, or at
   * once on this one if the request is interrupted already. It never runs after the request: the
   * answer waits for it. So it must be quick, and must not take locks that the handler holds. What
   * it throws is logged.
   *
   * <p>To be called by the handler, on the thread that it was called on. A copy refuses.
   *
   * <pre>{@code
   * CompletableFuture<Integer> answer = remote.read(offset);
   * request.onInterrupt(() -> answer.cancel(false));
   * }</pre>
   *
   * <p>The default, for doubles in tests, does nothing.
   *
   * @param action what to do, in place of what was registered before; null for nothing
   * @throws IllegalStateException if this is a copy
   */
  default void onInterrupt(Runnable action) {}

  /**
   * The caller's supplementary groups, for file systems that check access themselves. The kernel
   * does not send them: they are read from /proc/&lt;pid&gt;/status, which takes some ten
   * microseconds; so {@link #gid} is worth a look first. They are as they are now. The caller waits
   * for the answer, so they are those that it asked with, unless a signal has freed it meanwhile
   * and another process has got its number, or another of its threads has made the request
   * (asynchronous input and output). They are seen in the user namespace of this process, in which
   * 65534 stands for whatever has no number there; {@link #uid} and {@link #gid} are seen in that
   * of the mount.
   *
   * @return the groups, {@link #gid} may be among them or not
   * @throws IOException if they can't be known, because the caller has ended, is in another pid
   *     namespace or is nobody ({@link #pid} is 0), or /proc is not readable; one that answers
   *     EACCES if it is passed on
   */
  default int[] groups() throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /** {@return a copy that may be kept, and whose {@link #interrupted} stays up to date} */
  Request copy();
}
