package io.github.ferrofuse;

import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * A file system that names its files by number: the interface closest to what the kernel asks.
 *
 * <p>A <em>node</em> is any {@code long} but 0 of the file system's choice; {@link #root()} is the
 * root directory. Two nodes with the same number are the same file, and share one cache in the
 * kernel. It is also the file's inode number unless {@link AttrSink#ino} says otherwise.
 *
 * <p><b>Lookup counts.</b> Each entry handed out ({@code lookup}, {@code mkdir}, {@code mknod},
 * {@code create}, {@code symlink}, {@code link} that return normally, and each {@link DirSink#add}
 * that took attributes) is one lookup of that node. {@link #forget} gives back the exact sum. A
 * file system keeps a node, even one without a name, until its lookups are forgotten and its
 * handles released.
 *
 * <p><b>Threads.</b> Any worker thread calls any method at any time, several at once, also for the
 * same node; only the methods of one {@link FileHandle} or {@link DirHandle} are ordered, as its
 * policy says. A worker is a daemon thread that must come back: a method may block, but other
 * requests then need other workers.
 *
 * <p><b>Arguments are borrowed.</b> {@link Request}, {@link Name}, sinks and buffers belong to the
 * worker and are reused for its next request: none may be kept after the method returns. {@link
 * Request#copy}, {@link Name#copy} make keepable ones.
 *
 * <p><b>Errors.</b> Throw {@code Errno.ENOENT.exception()} to answer with that errno. Other
 * exceptions become the errno that fits them, as {@link FuseException#errnoOf} documents, in the
 * end {@code EIO}. A method that throws must not have handed anything out: its sinks are ignored,
 * except in {@link DirHandle#read}. {@code ENOSYS} reaches the application as {@code EOPNOTSUPP},
 * because the kernel would take it for the whole mount and never ask again.
 *
 * <p>Every operation has a default, which throws {@code EOPNOTSUPP}. Operations that are absent
 * altogether are declared by {@link #operations()}.
 */
public interface InodeFileSystem extends FileSystemBase {

  /**
   * The root directory's number.
   *
   * @return the node, asked once per mount
   */
  default long root() {
    return 1;
  }

  /**
   * Finds a name in a directory: {@code LOOKUP}.
   *
   * @param request who asks
   * @param parent the directory
   * @param name the name; "." or ".." only after {@link Connection#resolvesDots}
   * @param out takes the node and its attributes
   * @return false if there is no such name, which the kernel may then remember for the {@link
   *     EntrySink#entryTimeout} that was set, or else for the mount's {@code negative_timeout}
   * @throws IOException ENOTDIR, EACCES, ENAMETOOLONG ...
   */
  default boolean lookup(Request request, long parent, Name name, EntrySink out)
      throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * The kernel no longer refers to a node. It may come back with another lookup, which can even run
   * at the same time: only a count that is zero after subtracting says that the node is unused.
   *
   * @param node the node
   * @param lookups how many entries had been handed out for it and are now given back, at least 1
   */
  default void forget(long node, long lookups) {}

  /**
   * Attributes of a node: {@code GETATTR}.
   *
   * @param request who asks
   * @param node the node
   * @param handle the open file through which they are asked, or null; may be in use on another
   *     thread at the same time, whatever its {@link FileHandle#concurrency}
   * @param out takes the attributes
   * @throws IOException ESTALE, EIO ...
   */
  default void getattr(Request request, long node, FileHandle handle, AttrSink out)
      throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Changes attributes: chmod, chown, truncate, utimensat in one operation.
   *
   * @param request who asks; {@link Request#killsPrivileges} if setuid and setgid are to be cleared
   *     with it
   * @param node the node
   * @param handle the open file through which they are changed (ftruncate), or null
   * @param change what to change
   * @param out takes the attributes after the change
   * @throws IOException EPERM, EFBIG, ENOSPC, EINVAL ...
   */
  default void setattr(
      Request request, long node, FileHandle handle, AttrChange change, AttrSink out)
      throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Target of a symbolic link.
   *
   * @param request who asks
   * @param node the link
   * @param out takes the target's bytes, without NUL
   * @throws IOException EINVAL if the node is no symbolic link
   */
  default void readlink(Request request, long node, ByteBuffer out) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Makes a symbolic link owned by the caller.
   *
   * @param request who asks
   * @param parent the directory
   * @param name the new name
   * @param target the target, any bytes but NUL, up to 4095
   * @param out takes the new node and its attributes
   * @throws IOException EEXIST, ENOSPC, EDQUOT ...
   */
  default void symlink(Request request, long parent, Name name, Name target, EntrySink out)
      throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Makes a regular file, a fifo, a socket or a device.
   *
   * @param request who asks
   * @param parent the directory
   * @param name the new name
   * @param mode type and permissions; the caller's {@link Request#umask} is already applied, unless
   *     ACLs are kept
   * @param rdev device number as in {@code stat.st_rdev}, 0 unless the type is a device
   * @param out takes the new node and its attributes
   * @throws IOException EEXIST, EPERM, ENOSPC ...
   */
  default void mknod(Request request, long parent, Name name, int mode, int rdev, EntrySink out)
      throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Makes a directory.
   *
   * @param request who asks
   * @param parent the directory that gets it
   * @param name the new name
   * @param mode permissions; the caller's {@link Request#umask} is already applied, unless ACLs are
   *     kept
   * @param out takes the new node and its attributes
   * @throws IOException EEXIST, EMLINK, ENOSPC ...
   */
  default void mkdir(Request request, long parent, Name name, int mode, EntrySink out)
      throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Removes the name of something that is not a directory. Open handles stay usable.
   *
   * @param request who asks
   * @param parent the directory
   * @param name the name
   * @throws IOException ENOENT, EISDIR, EACCES ...
   */
  default void unlink(Request request, long parent, Name name) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Removes an empty directory.
   *
   * @param request who asks
   * @param parent the directory that has it
   * @param name the name
   * @throws IOException ENOENT, ENOTDIR, ENOTEMPTY ...
   */
  default void rmdir(Request request, long parent, Name name) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Renames, replacing the new name if that is allowed: renameat2(2).
   *
   * @param request who asks
   * @param parent the directory
   * @param name the name
   * @param newParent the directory that gets it, maybe the same
   * @param newName the new name
   * @param flags 0 or a combination of the {@code RENAME_} constants
   * @throws IOException ENOENT, EXDEV, ENOTEMPTY; EINVAL for flags that are not supported ...
   */
  default void rename(
      Request request, long parent, Name name, long newParent, Name newName, int flags)
      throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Gives a file one more name.
   *
   * @param request who asks
   * @param node the file
   * @param newParent the directory that gets the name
   * @param newName the new name
   * @param out takes the node and its attributes, with the new link count
   * @throws IOException EEXIST, EPERM for a directory, EMLINK ...
   */
  default void link(Request request, long node, long newParent, Name newName, EntrySink out)
      throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Opens a file.
   *
   * @param request who asks; {@link Request#killsPrivileges} if a truncating open is to clear
   *     setuid and setgid
   * @param node the file
   * @param flags those of open(2) without O_CREAT, O_EXCL, O_NOCTTY; O_TRUNC means: truncate it
   *     here, and comes only after {@link Connection#truncatesOnOpen} or if there is no {@code
   *     setattr}, which is called otherwise
   * @param out how the kernel should treat the handle
   * @return the handle, never null; the engine calls its {@code release} exactly once
   * @throws IOException EACCES, EISDIR, ETXTBSY ...
   */
  default FileHandle open(Request request, long node, int flags, OpenReply out) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Makes a regular file and opens it, in one step. Also called when the name has come into being
   * meanwhile; then it is opened, unless {@code flags} has O_EXCL (EEXIST).
   *
   * @param request who asks
   * @param parent the directory
   * @param name the name
   * @param mode type and permissions; the caller's {@link Request#umask} is already applied, unless
   *     ACLs are kept
   * @param flags those of open(2)
   * @param entry takes the node and its attributes
   * @param out how the kernel should treat the handle
   * @return the handle, never null
   * @throws IOException EEXIST, EACCES, ENOSPC ...
   */
  default FileHandle create(
      Request request, long parent, Name name, int mode, int flags, EntrySink entry, OpenReply out)
      throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Makes a regular file without a name and opens it: open(2) with O_TMPFILE. {@link #link} may
   * give it a name later, unless {@code flags} has O_EXCL; the kernel sees to that. Without a name
   * it is gone when it is released and forgotten.
   *
   * @param request who asks
   * @param parent the directory that it is to be near, with its group if that is inherited
   * @param mode type and permissions; the caller's {@link Request#umask} is already applied, unless
   *     ACLs are kept
   * @param flags those of open(2)
   * @param entry takes the node and its attributes, with a link count of 0
   * @param out how the kernel should treat the handle
   * @return the handle, never null
   * @throws IOException EACCES, ENOSPC ...
   */
  default FileHandle tmpfile(
      Request request, long parent, int mode, int flags, EntrySink entry, OpenReply out)
      throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Opens a directory for reading.
   *
   * @param request who asks
   * @param node the directory
   * @param out how the kernel should treat the handle
   * @return the handle, never null
   * @throws IOException ENOTDIR, EACCES ...
   */
  default DirHandle opendir(Request request, long node, OpenReply out) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * The handle that serves a file which is never opened. For file systems where opening means
   * nothing, such as archives: one that has this method and leaves {@link Operation#OPEN} out of
   * {@link #operations()}, as the default does if {@link #open} is not overridden, is spared two
   * requests per open(2).
   *
   * <p>The kernel then asks neither OPEN nor RELEASE nor {@link #create} (it makes a file by {@link
   * #mknod}), truncates by {@link #setattr}, and keeps a file's cached data from one open to the
   * next. This method is asked for each request that works on an open file, so it should find what
   * it returns without making an object. Calls on the handle are never ordered, whatever {@link
   * FileHandle#concurrency} says, and none is the last: {@link FileHandle#release} is not called,
   * {@link FileHandle#flush} only if {@link #operations()} has {@link Operation#FLUSH}, and never
   * {@link FileHandle#copyFileRange}, {@link FileHandle#ioctl}, {@link FileHandle#poll} and those
   * of locks, for which the kernel does what it does for files that have none of their own; {@link
   * Operation#COPY_FILE_RANGE} and {@link Operation#POLL} in {@link #operations()} are refused when
   * mounting. {@link #getattr} and {@link #setattr} get null as their handle. Nobody is asked who
   * may open a file but the kernel, under {@code default_permissions}; {@code allow_root} is
   * refused.
   *
   * @param node the file
   * @return what serves it, never null
   * @throws IOException ESTALE, EISDIR ...
   */
  default FileHandle fileHandle(long node) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * The handle that serves a directory which is never opened, as {@link #fileHandle} does a file:
   * for file systems without {@link Operation#OPENDIR}. The kernel caches the directory's entries
   * until its mtime changes.
   *
   * @param node the directory
   * @return what serves it, never null; its reads may overlap
   * @throws IOException ESTALE, ENOTDIR ...
   */
  default DirHandle dirHandle(long node) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Figures of the file system: statvfs(3).
   *
   * @param request who asks
   * @param node any node of it
   * @param out takes the figures
   * @throws IOException EIO ...
   */
  default void statfs(Request request, long node, StatfsSink out) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Makes everything durable: syncfs(2), sync(2). Linux asks this only of file systems that are
   * mounted on a block device or by virtiofs.
   *
   * @param request who asks
   * @param node the root
   * @throws IOException EIO ...
   */
  default void syncfs(Request request, long node) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Where on the device a block of a file lies: the {@code FIBMAP} of swap files and boot loaders.
   * Linux asks this only of file systems that are mounted on a block device.
   *
   * @param request who asks
   * @param node the file
   * @param blockSize unit of both numbers in bytes
   * @param block number in the file
   * @return number on the device, 0 for a hole
   * @throws IOException EINVAL ...
   */
  default long bmap(Request request, long node, int blockSize, long block) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Sets an extended attribute.
   *
   * @param request who asks
   * @param node the node
   * @param name the attribute, with its prefix ("user.")
   * @param value its bytes, from position to limit; dies when the method returns
   * @param flags 0, {@link #XATTR_CREATE} or {@link #XATTR_REPLACE}
   * @throws IOException EEXIST, ENODATA, EOPNOTSUPP, ENOSPC ...
   */
  default void setxattr(Request request, long node, Name name, ByteBuffer value, int flags)
      throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Value of an extended attribute.
   *
   * @param request who asks
   * @param node the node
   * @param name the attribute
   * @param out takes the value if it fits; has no room at all when only the size is asked
   * @return the value's size in bytes, whether or not it fitted: the engine answers ERANGE when it
   *     did not
   * @throws IOException ENODATA, EOPNOTSUPP ...
   */
  default int getxattr(Request request, long node, Name name, ByteBuffer out) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Names of the extended attributes.
   *
   * @param request who asks
   * @param node the node
   * @param out takes the names
   * @throws IOException EOPNOTSUPP ...
   */
  default void listxattr(Request request, long node, XattrSink out) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Removes an extended attribute.
   *
   * @param request who asks
   * @param node the node
   * @param name the attribute
   * @throws IOException ENODATA, EPERM ...
   */
  default void removexattr(Request request, long node, Name name) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Whether the caller may do something: access(2), and chdir. Not asked where the kernel checks
   * permissions: under {@code default_permissions}, and where {@linkplain Connection#keepsAcls ACLs
   * are kept}.
   *
   * @param request who asks
   * @param node the node
   * @param mask a combination of 4 (read), 2 (write), 1 (execute); 0 asks for existence
   * @throws IOException EACCES if it may not
   */
  default void access(Request request, long node, int mask) throws IOException {
    throw Errno.EOPNOTSUPP.exception();
  }
}
