package io.github.ferrofuse;

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
   * {@return the caller's umask, in requests that make something; it is already applied to their
   * mode}
   */
  int umask();

  /**
   * Whether the operation (write, truncate, truncating open) must clear setuid, and setgid of a
   * group-executable file. Only ever true after {@link Connection#clearsPrivileges}; otherwise the
   * kernel does it.
   *
   * @return true if they must be cleared
   */
  boolean killsPrivileges();

  /** {@return a copy that may be kept} */
  Request copy();
}
