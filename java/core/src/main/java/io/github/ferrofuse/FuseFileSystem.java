package io.github.ferrofuse;

import io.github.ferrofuse.internal.Listing;
import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * A file system that names its files by path: the interface that most implement.
 *
 * <p>A path begins with "/", which alone is the root, and has no "." or ".." in it. It is a name as
 * {@link Name} turns it into a string, so every name survives, whatever its bytes.
 *
 * <p>Only {@link #getattr} is needed for something to be seen, {@link #readdir} to list it, {@link
 * #open} to read it. Every operation has a default, which throws {@code EOPNOTSUPP}; operations
 * that are absent altogether are declared by {@link #operations()}.
 *
 * <p><b>Paths are true.</b> While a method runs, the names it got stay what they are: a rename or
 * removal through this mount waits for the methods that run on that path or below it, and holds new
 * ones back until it is done. What a file system changes behind the kernel's back is its own
 * business.
 *
 * <p><b>Files without a name.</b> A file that was removed while it was open has no path. Its reads
 * and writes go on through its {@link FileHandle}; whoever asks for its attributes is answered by
 * the handle, too, if that is an {@link OpenFile}, and gets {@code ESTALE} otherwise. The page
 * cache asks before it reads: without {@link OpenReply#directIo} such a file is readable only if
 * its handle is an {@code OpenFile}.
 *
 * <p><b>Hard links.</b> Names whose attributes have the same {@link AttrSink#ino} and a link count
 * above 1 are one file for the kernel, with one cache, and so are those made by {@link #link}. A
 * file system that does not set inode numbers gets them from the engine; a file then keeps its
 * number as long as the kernel remembers it.
 *
 * <p><b>Threads.</b> Any worker thread calls any method at any time, several at once, also for the
 * same path; only the methods of one {@link FileHandle} are ordered, as its policy says. A method
 * may block; other requests then need other workers.
 *
 * <p><b>Arguments are borrowed</b>, all but strings: {@link Request}, sinks and buffers are reused
 * for the worker's next request. {@link Request#copy} makes a keepable one.
 *
 * <p><b>Errors.</b> Throw {@code Errno.ENOENT.exception()} to answer with that errno. Other
 * exceptions become the errno that fits them, as {@link FuseException#errnoOf} documents, in the
 * end {@code EIO}.
 */
public interface FuseFileSystem extends FileSystemBase {

  /**
   * Attributes of a file: stat(2), and what the kernel finds out about each name it meets.
   *
   * @param request who asks
   * @param path the file
   * @param out takes the attributes; at least {@link AttrSink#mode} must be set
   * @throws IOException ENOENT if there is no such file, which the kernel may then remember for the
   *     mount's {@code negative_timeout} ...
   */
  default void getattr(Request request, String path, AttrSink out) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Changes attributes: chmod, chown, truncate, utimensat in one operation. {@link #getattr} is
   * asked for the result.
   *
   * @param request who asks; {@link Request#killsPrivileges} if setuid and setgid are to be cleared
   *     with it
   * @param path the file
   * @param change what to change
   * @throws IOException EPERM, EFBIG, ENOSPC, EINVAL ...
   */
  default void setattr(Request request, String path, AttrChange change) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Target of a symbolic link.
   *
   * @param request who asks
   * @param path the link
   * @return the target, at most 4095 bytes
   * @throws IOException EINVAL if the file is no symbolic link
   */
  default String readlink(Request request, String path) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Makes a symbolic link owned by the caller.
   *
   * @param request who asks
   * @param path the new link
   * @param target where it points to, any text without NUL
   * @throws IOException EEXIST, ENOSPC, EDQUOT ...
   */
  default void symlink(Request request, String path, String target) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Makes a regular file, a fifo, a socket or a device.
   *
   * @param request who asks
   * @param path the new file
   * @param mode type and permissions; the caller's {@link Request#umask} is already applied, unless
   *     ACLs are kept
   * @param rdev device number as in {@code stat.st_rdev}, 0 unless the type is a device
   * @throws IOException EEXIST, EPERM, ENOSPC ...
   */
  default void mknod(Request request, String path, int mode, int rdev) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Makes a directory.
   *
   * @param request who asks
   * @param path the new directory
   * @param mode permissions; the caller's {@link Request#umask} is already applied, unless ACLs are
   *     kept
   * @throws IOException EEXIST, EMLINK, ENOSPC ...
   */
  default void mkdir(Request request, String path, int mode) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Removes the name of something that is not a directory. Open handles stay usable.
   *
   * @param request who asks
   * @param path the name
   * @throws IOException ENOENT, EISDIR, EACCES ...
   */
  default void unlink(Request request, String path) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Removes an empty directory.
   *
   * @param request who asks
   * @param path the directory
   * @throws IOException ENOENT, ENOTDIR, ENOTEMPTY ...
   */
  default void rmdir(Request request, String path) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Renames, replacing the new name if that is allowed: renameat2(2).
   *
   * @param request who asks
   * @param path what is renamed
   * @param newPath its new name
   * @param flags 0 or a combination of the {@code RENAME_} constants
   * @throws IOException ENOENT, EXDEV, ENOTEMPTY; EINVAL for flags that are not supported ...
   */
  default void rename(Request request, String path, String newPath, int flags) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Gives a file one more name.
   *
   * @param request who asks
   * @param path the file
   * @param newPath the name that it gets
   * @throws IOException EEXIST, EPERM for a directory, EMLINK ...
   */
  default void link(Request request, String path, String newPath) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Opens a file.
   *
   * @param request who asks; {@link Request#killsPrivileges} if a truncating open is to clear
   *     setuid and setgid
   * @param path the file
   * @param flags those of open(2) without O_CREAT, O_EXCL, O_NOCTTY; O_TRUNC means: truncate it
   *     here, and comes only after {@link Connection#truncatesOnOpen} or if there is no {@code
   *     setattr}, which is called otherwise
   * @param out how the kernel should treat the handle
   * @return the handle, never null; the engine calls its {@code release} exactly once
   * @throws IOException EACCES, EISDIR, ETXTBSY ...
   */
  default FileHandle open(Request request, String path, int flags, OpenReply out)
      throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Makes a regular file and opens it, in one step. Also called when the name has come into being
   * meanwhile; then it is opened, unless {@code flags} has O_EXCL (EEXIST). Without this method the
   * kernel calls {@link #mknod} and {@link #open}.
   *
   * @param request who asks
   * @param path the file
   * @param mode type and permissions; the caller's {@link Request#umask} is already applied, unless
   *     ACLs are kept
   * @param flags those of open(2)
   * @param out how the kernel should treat the handle
   * @return the handle, never null
   * @throws IOException EEXIST, EACCES, ENOSPC ...
   */
  default FileHandle create(Request request, String path, int mode, int flags, OpenReply out)
      throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Makes a regular file without a name and opens it: open(2) with O_TMPFILE. All requests about it
   * go to its handle; {@link OpenFile#link} may give it a name later, unless {@code flags} has
   * O_EXCL; the kernel sees to that. Without a name it is gone when it is released.
   *
   * @param request who asks
   * @param directory the directory that it is to be near, with its group if that is inherited
   * @param mode type and permissions; the caller's {@link Request#umask} is already applied, unless
   *     ACLs are kept
   * @param flags those of open(2)
   * @param out how the kernel should treat the handle
   * @return the handle, never null
   * @throws IOException EACCES, ENOSPC ...
   */
  default OpenFile tmpfile(Request request, String directory, int mode, int flags, OpenReply out)
      throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Lists a directory, all of it. The engine hands the entries out as the application reads them,
   * and asks again when it starts anew.
   *
   * @param request who asks
   * @param path the directory
   * @param out takes the entries in any order; "." and ".." need not be added
   * @throws IOException ENOTDIR, EACCES ...
   */
  default void readdir(Request request, String path, DirList out) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Opens a directory for reading. The default serves what {@link #readdir} lists; override it for
   * a directory that is too large to be listed at once, or that needs {@link DirHandle#fsync}. A
   * decorator with a {@code readdir} of its own must not pass this on: its delegate's default would
   * list the delegate.
   *
   * @param request who asks
   * @param path the directory
   * @param out how the kernel should treat the handle
   * @return the handle, never null; the nodes that it gives its {@link DirSink} are inode numbers,
   *     0 where there is none
   * @throws IOException ENOTDIR, EACCES ...
   */
  default DirHandle opendir(Request request, String path, OpenReply out) throws IOException {
    return new Listing(this, path);
  }

  /**
   * The handle that serves a file which is never opened, as {@link InodeFileSystem#fileHandle}. A
   * file that has lost its name has none: whoever still has it open gets {@code ESTALE}.
   *
   * @param path the file, which keeps this name during the call on the handle, too
   * @return what serves it, never null
   * @throws IOException ENOENT, EISDIR ...
   */
  default FileHandle fileHandle(String path) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * The handle that serves a directory which is never opened, as {@link InodeFileSystem#dirHandle}.
   * With {@link #readdir} a directory is listed once when it is opened; a file system without
   * {@link Operation#OPENDIR} answers each request from where it is to go on.
   *
   * @param path the directory, which keeps this name during the call on the handle, too
   * @return what serves it, never null; its reads may overlap
   * @throws IOException ENOENT, ENOTDIR ...
   */
  default DirHandle dirHandle(String path) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Figures of the file system: statvfs(3).
   *
   * @param request who asks
   * @param path any file of it
   * @param out takes the figures
   * @throws IOException EIO ...
   */
  default void statfs(Request request, String path, StatfsSink out) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Makes everything durable, as {@link InodeFileSystem#syncfs}.
   *
   * @param request who asks
   * @throws IOException EIO ...
   */
  default void syncfs(Request request) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Where on the device a block of a file lies, as {@link InodeFileSystem#bmap}.
   *
   * @param request who asks
   * @param path the file
   * @param blockSize unit of both numbers in bytes
   * @param block number in the file
   * @return number on the device, 0 for a hole
   * @throws IOException EINVAL ...
   */
  default long bmap(Request request, String path, int blockSize, long block) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Sets an extended attribute.
   *
   * @param request who asks
   * @param path the file
   * @param name the attribute, with its prefix ("user.")
   * @param value its bytes, from position to limit; dies when the method returns
   * @param flags 0, {@link #XATTR_CREATE} or {@link #XATTR_REPLACE}
   * @throws IOException EEXIST, ENODATA, EOPNOTSUPP, ENOSPC ...
   */
  default void setxattr(Request request, String path, String name, ByteBuffer value, int flags)
      throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Value of an extended attribute.
   *
   * @param request who asks
   * @param path the file
   * @param name the attribute
   * @param out takes the value if it fits; has no room at all when only the size is asked
   * @return the value's size in bytes, whether or not it fitted: the engine answers ERANGE when it
   *     did not
   * @throws IOException ENODATA, EOPNOTSUPP ...
   */
  default int getxattr(Request request, String path, String name, ByteBuffer out)
      throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Names of the extended attributes.
   *
   * @param request who asks
   * @param path the file
   * @param out takes the names
   * @throws IOException EOPNOTSUPP ...
   */
  default void listxattr(Request request, String path, XattrSink out) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Removes an extended attribute.
   *
   * @param request who asks
   * @param path the file
   * @param name the attribute
   * @throws IOException ENODATA, EPERM ...
   */
  default void removexattr(Request request, String path, String name) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Whether the caller may do something: access(2), and chdir. Not asked where the kernel checks
   * permissions: under {@code default_permissions}, and where {@linkplain Connection#keepsAcls ACLs
   * are kept}.
   *
   * @param request who asks
   * @param path the file
   * @param mask a combination of 4 (read), 2 (write), 1 (execute); 0 asks for existence
   * @throws IOException EACCES if it may not
   */
  default void access(Request request, String path, int mask) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }
}
