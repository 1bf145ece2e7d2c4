package io.github.ferrofuse;

import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * An open file of a {@link FuseFileSystem} that can answer for the file itself, without its path.
 *
 * <p>It is asked instead of the file system when the kernel names the handle in its request, as it
 * does for ftruncate and when it looks at a file's size before it reads or appends (fstat and
 * fchmod are about the file, and go by its path); and for any request about a file that has lost
 * its last name while it was open, or whose path has become too long. These methods may run at the
 * same time as any other of the handle, whatever its {@link #concurrency}; only {@link #release} is
 * always the last.
 */
public interface OpenFile extends FileHandle {

  /**
   * Attributes of the open file.
   *
   * @param request who asks
   * @param out takes the attributes; the link count of a file without a name is 0
   * @throws IOException EIO ...
   */
  void getattr(Request request, AttrSink out) throws IOException;

  /**
   * Changes attributes of the open file; {@link #getattr} is asked for the result.
   *
   * @param request who asks
   * @param change what to change
   * @throws IOException EPERM, EFBIG, ENOSPC, EINVAL ...
   */
  default void setattr(Request request, AttrChange change) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Opens the same file once more: open(2) of {@code /proc/self/fd/N} after its name is gone.
   *
   * @param request who asks
   * @param flags those of open(2), as {@link FuseFileSystem#open}
   * @param out how the kernel should treat the new handle
   * @return the new handle, never null
   * @throws IOException EACCES ...
   */
  default FileHandle reopen(Request request, int flags, OpenReply out) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Gives a file without a name its first one: linkat(2) of what {@link FuseFileSystem#tmpfile} has
   * made. The kernel does not ask it of a file that has lost its names. {@link #getattr} is asked
   * for the attributes.
   *
   * @param request who asks
   * @param newPath the name that it gets
   * @throws IOException EEXIST, ENOSPC ...
   */
  default void link(Request request, String newPath) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Sets an extended attribute, as {@link FuseFileSystem#setxattr}.
   *
   * @param request who asks
   * @param name the attribute
   * @param value its bytes
   * @param flags 0, {@link FileSystemBase#XATTR_CREATE} or {@link FileSystemBase#XATTR_REPLACE}
   * @throws IOException EEXIST, ENODATA, EOPNOTSUPP, ENOSPC ...
   */
  default void setxattr(Request request, String name, ByteBuffer value, int flags)
      throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Value of an extended attribute, as {@link FuseFileSystem#getxattr}.
   *
   * @param request who asks
   * @param name the attribute
   * @param out takes the value if it fits
   * @return the value's size in bytes
   * @throws IOException ENODATA, EOPNOTSUPP ...
   */
  default int getxattr(Request request, String name, ByteBuffer out) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Names of the extended attributes, as {@link FuseFileSystem#listxattr}.
   *
   * @param request who asks
   * @param out takes the names
   * @throws IOException EOPNOTSUPP ...
   */
  default void listxattr(Request request, XattrSink out) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Removes an extended attribute.
   *
   * @param request who asks
   * @param name the attribute
   * @throws IOException ENODATA, EPERM ...
   */
  default void removexattr(Request request, String name) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }
}
