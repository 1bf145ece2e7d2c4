package io.github.ferrofuse;

import java.nio.file.Path;

/**
 * What is settled with the kernel when a file system is mounted. Valid during {@link
 * FileSystemBase#init}.
 */
public interface Connection {

  /**
   * Where the file system is being mounted, for file systems that mustn't lie below some directory.
   * Nothing may be asked of it yet, and {@link Path#toUri} asks: nobody would answer.
   *
   * @return the mount point, absolute and without symbolic links
   */
  Path mountPoint();

  /** {@return the minor version of the FUSE protocol in use; the major one is 7} */
  int protocolMinor();

  /**
   * Every feature the kernel offered, whether or not it is used.
   *
   * @return the {@code FUSE_} INIT flags of &lt;linux/fuse.h&gt;, {@code flags2} in the upper half
   */
  long offered();

  /**
   * Declares that the file system clears setuid, setgid and capabilities itself ({@code
   * FUSE_HANDLE_KILLPRIV_V2}): setuid and setgid where {@link Request#killsPrivileges} says so, on
   * every chown, and in {@link FileHandle#fallocate} and {@link FileHandle#copyFileRange}, of which
   * the kernel says nothing, unless root asks; capabilities (the extended attribute {@code
   * security.capability}) whenever the content or the owner changes. It spares the kernel two
   * requests per write.
   */
  void clearsPrivileges();

  /**
   * Declares that {@code open} truncates where its flags have O_TRUNC ({@code
   * FUSE_ATOMIC_O_TRUNC}): one request in place of an open and a {@code setattr}, for stores that
   * replace a file as a whole. The kernel then sends the open before it looks whether the file is a
   * program that runs: {@code open(O_RDONLY | O_TRUNC)} answers ETXTBSY for one, and empties it all
   * the same. A file system without {@code setattr} needs not declare it.
   */
  void truncatesOnOpen();

  /**
   * Declares that others change what files contain, and that who has one open is to see it: the
   * kernel looks at a file's attributes before each read, and drops its pages when it sees another
   * mtime ({@code FUSE_AUTO_INVAL_DATA}, as {@link MountOptions.Builder#autoCache} has it); before
   * a listing that is cached it looks at the directory. Without this a change of the same size is
   * seen by those who open the file later.
   *
   * <p>It has a price. The kernel drops a file's pages after its own writes, too, and may fetch a
   * page again while another write to it is on its way: it then shows what was there before, and
   * where processes write records of one page under locks, some get lost. {@code direct_io} shows
   * every change and loses nothing.
   */
  void sharesFiles();

  /**
   * Declares that {@code getattr} knows when files were made, and says so with {@link
   * AttrSink#btime}. Each statx(2) that asks for the time of birth then is a request of its own
   * ({@code STATX}); without this the kernel answers it from the attributes that it has, without
   * that time.
   */
  void knowsBirthTimes();

  /**
   * Declares that the file system keeps POSIX ACLs, acl(5), for the kernel to check ({@code
   * FUSE_POSIX_ACL} with {@code FUSE_DONT_MASK}). The kernel then checks the permissions of every
   * operation, as with the mount option {@code default_permissions}: by the ACL where there is one,
   * else by the mode. It reads the ACLs as the extended attributes {@link PosixAcl#ACCESS} and
   * {@link PosixAcl#DEFAULT}, and caches them with the attributes. Only the owner may set them, and
   * default ACLs only on directories: the kernel sees to that, too.
   *
   * <p>The file system promises, with the help of {@link PosixAcl}, that
   *
   * <ul>
   *   <li>what is made in a directory that has a default ACL gets {@link PosixAcl#inherited} as its
   *       access ACL and the permissions of that as its own; a directory also gets the default ACL
   *       itself. Symbolic links get neither;
   *   <li>what is made in any other directory gets the mode without {@link Request#umask}, which is
   *       not applied yet;
   *   <li>an access ACL that is set sets the permission bits of the mode to {@link
   *       PosixAcl#permissions}, and is kept only if it says more than they do: {@link
   *       PosixAcl#isEquivalentToMode}. Where {@link Request#killsPrivileges} says so, setgid is
   *       cleared;
   *   <li>a change of the mode changes the access ACL to {@link PosixAcl#withMode}.
   * </ul>
   *
   * @return false if this kernel can't do it: then nothing is declared, umasks are applied by the
   *     kernel, and ACLs had better be refused with EOPNOTSUPP
   */
  boolean keepsAcls();

  /**
   * Declares who keeps the locks of fcntl(2) and flock(2). Without a call the kernel does. Whoever
   * it is, a call that waits for a lock keeps no thread of the mount busy, and a signal ends it.
   *
   * <p>The kernel keeps them nevertheless if it does not offer to leave it to others, and where
   * files are never opened ({@link InodeFileSystem#fileHandle}): nothing would end a lock there.
   *
   * @param keeper who does; the last call counts
   */
  void locks(LockKeeper keeper);

  /**
   * What tells the kernel of changes that it has not made itself. To be kept: it is valid as long
   * as the mount, and the same as {@link FuseMount#notifier}.
   *
   * @return the notifier of this mount
   */
  Notifier notifier();

  /**
   * Declares that {@link InodeFileSystem#lookup} answers "." (the node itself) and ".." (the
   * directory that has it), of every node that exists, whether or not the kernel still knows it
   * ({@code FUSE_EXPORT_SUPPORT}). The file handles of open_by_handle_at(2) and NFS then stay good
   * for as long as their files, and across mounts if the nodes' numbers do; without it they are
   * good while the kernel happens to remember the file, and {@code ESTALE} afterwards.
   *
   * <p>What a handle consists of is the node's number and {@link EntrySink#generation}: a number
   * that is given to another file must come with another generation. Numbers in handles come from
   * outside; look-ups of "." and ".." throw {@code ESTALE} for those that are nobody's. What they
   * answer counts as a lookup like any other, but for the root's, which are never forgotten.
   *
   * @throws UnsupportedOperationException if the file system is a {@link FuseFileSystem}
   */
  void resolvesDots();

  /**
   * Declares that files are opened with {@link OpenReply#passThrough}: the kernel then reads,
   * writes and maps another file in their place ({@code FUSE_PASSTHROUGH}). What is not passed
   * through goes on as ever.
   *
   * <p>Meant for an option of file systems whose files are those of another one, named {@code
   * passthrough}. A file system that lets the exception through is not mounted, and its message
   * says why; one that catches it does without.
   *
   * @throws UnsupportedOperationException if it can't be had, with the reason and the remedy: the
   *     kernel doesn't offer it (Linux 6.9), the process lacks CAP_SYS_ADMIN outside of any user
   *     namespace, or the mount has {@code writeback_cache} or {@code direct_io}
   */
  void passesThrough();
}
