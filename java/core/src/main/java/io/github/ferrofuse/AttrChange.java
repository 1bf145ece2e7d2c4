package io.github.ferrofuse;

/** The attributes that {@link InodeFileSystem#setattr} is to change. Valid during that call. */
public interface AttrChange {

  /** {@return whether the permissions change} */
  boolean hasMode();

  /** {@return type and permissions; the type is the node's own} */
  int mode();

  /** {@return whether the owner changes} */
  boolean hasUid();

  /** {@return the new owner} */
  int uid();

  /** {@return whether the group changes} */
  boolean hasGid();

  /** {@return the new group} */
  int gid();

  /** {@return whether the file is truncated or extended} */
  boolean hasSize();

  /** {@return the new size in bytes} */
  long size();

  /** {@return whether the access time is set} */
  boolean hasAtime();

  /**
   * {@return whether it is set to the present, by the file system's own clock, rather than to a
   * given time}
   */
  boolean atimeNow();

  /** {@return the access time's seconds since 1970} */
  long atimeSeconds();

  /** {@return its nanoseconds} */
  int atimeNanos();

  /** {@return whether the modification time is set} */
  boolean hasMtime();

  /** {@return whether it is set to the present} */
  boolean mtimeNow();

  /** {@return the modification time's seconds since 1970} */
  long mtimeSeconds();

  /** {@return its nanoseconds} */
  int mtimeNanos();

  /**
   * {@return whether the kernel dictates the change time, which it does under the writeback cache
   * only}
   */
  boolean hasCtime();

  /** {@return the change time's seconds since 1970} */
  long ctimeSeconds();

  /** {@return its nanoseconds} */
  int ctimeNanos();
}
