package io.github.ferrofuse;

/**
 * Who keeps the locks of fcntl(2) and flock(2) on the files of a mount: {@link Connection#locks}.
 *
 * <p>Locks on directories, which only flock(2) can make, leases, and all locks on files that are
 * never opened ({@link InodeFileSystem#fileHandle}) are always the kernel's.
 */
public enum LockKeeper {
  /**
   * The kernel, as for a local disk: the default. Right wherever everybody who locks a file goes
   * through this mount, and costs the file system nothing: it never hears of locks.
   */
  KERNEL,
  /**
   * The engine, in a table of its own with the same rules: owners, ranges that split and join,
   * {@code EDEADLK} for a circle of processes that wait for each other's fcntl(2) locks. (So is one
   * of open files, {@code F_OFD_SETLKW}, whose owners the protocol does not tell apart.) For mounts
   * whose locks the kernel is not to keep. At most 2^20 locks at once, then {@code ENOLCK}.
   */
  ENGINE,
  /**
   * The file system, by {@link FileHandle#setLock} and {@link FileHandle#getLock}: for files that
   * others lock, too, on other machines for example.
   */
  FILE_SYSTEM
}
