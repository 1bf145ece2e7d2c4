package io.github.ferrofuse;

/**
 * What is settled with the kernel when a file system is mounted. Valid during {@link
 * FileSystemBase#init}.
 */
public interface Connection {

  /** {@return the minor version of the FUSE protocol in use; the major one is 7} */
  int protocolMinor();

  /**
   * Every feature the kernel offered, whether or not it is used.
   *
   * @return the {@code FUSE_} INIT flags of &lt;linux/fuse.h&gt;, {@code flags2} in the upper half
   */
  long offered();

  /**
   * Declares that the file system clears setuid, setgid and capabilities itself where {@link
   * Request#killsPrivileges} says so, and on every chown ({@code FUSE_HANDLE_KILLPRIV_V2}). It
   * spares the kernel two requests per write.
   */
  void clearsPrivileges();

  /**
   * Declares that {@code getattr} knows when files were made, and says so with {@link
   * AttrSink#btime}. Each statx(2) that asks for the time of birth then is a request of its own
   * ({@code STATX}); without this the kernel answers it from the attributes that it has, without
   * that time.
   */
  void birthTimes();
}
