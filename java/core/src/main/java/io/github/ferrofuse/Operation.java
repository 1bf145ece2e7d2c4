package io.github.ferrofuse;

import java.lang.reflect.Method;
import java.util.Collections;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.Set;

/**
 * What the kernel can ask of a file system, by the names of &lt;linux/fuse.h&gt;.
 *
 * <p>Operations on open files (read, write, flush, fsync, fallocate, lseek, copyFileRange, ioctl,
 * locks, release) come with {@link #OPEN} or {@link #CREATE}, those on open directories with {@link
 * #OPENDIR}: their handles answer them.
 *
 * <p>Operations on files that are never opened ({@link InodeFileSystem#fileHandle}) come without
 * {@link #OPEN}, {@link #CREATE} and {@link #TMPFILE}, those on such directories without {@link
 * #OPENDIR}: read, write, fsync, fallocate and lseek, and flush if it is declared.
 */
public enum Operation {
  /** {@link InodeFileSystem#lookup}. */
  LOOKUP(1),
  /** {@link InodeFileSystem#forget}. */
  FORGET(2),
  /** {@link InodeFileSystem#getattr}. */
  GETATTR(3),
  /** {@link InodeFileSystem#setattr}. */
  SETATTR(4),
  /** {@link InodeFileSystem#readlink}. */
  READLINK(5),
  /** {@link InodeFileSystem#symlink}. */
  SYMLINK(6),
  /** {@link InodeFileSystem#mknod}. */
  MKNOD(8),
  /** {@link InodeFileSystem#mkdir}. */
  MKDIR(9),
  /** {@link InodeFileSystem#unlink}. */
  UNLINK(10),
  /** {@link InodeFileSystem#rmdir}. */
  RMDIR(11),
  /** {@link InodeFileSystem#rename}. */
  RENAME(12),
  /** {@link InodeFileSystem#link}. */
  LINK(13),
  /** {@link InodeFileSystem#open}. */
  OPEN(14),
  /** {@link FileHandle#read}. */
  READ(15),
  /** {@link FileHandle#write}. */
  WRITE(16),
  /** {@link InodeFileSystem#statfs}. */
  STATFS(17),
  /** {@link FileHandle#release}. */
  RELEASE(18),
  /** {@link FileHandle#fsync}. */
  FSYNC(20),
  /** {@link InodeFileSystem#setxattr}. */
  SETXATTR(21),
  /** {@link InodeFileSystem#getxattr}. */
  GETXATTR(22),
  /** {@link InodeFileSystem#listxattr}. */
  LISTXATTR(23),
  /** {@link InodeFileSystem#removexattr}. */
  REMOVEXATTR(24),
  /** {@link FileHandle#flush}. */
  FLUSH(25),
  /** {@link InodeFileSystem#opendir}. */
  OPENDIR(27),
  /** {@link DirHandle#read}. */
  READDIR(28),
  /** {@link DirHandle#release}. */
  RELEASEDIR(29),
  /** {@link DirHandle#fsync}. */
  FSYNCDIR(30),
  /** {@link FileHandle#getLock}. */
  GETLK(31),
  /** {@link FileHandle#setLock}. */
  SETLK(32),
  /** {@link FileHandle#setLock}, for a caller that waits. */
  SETLKW(33),
  /** {@link InodeFileSystem#access}. */
  ACCESS(34),
  /** {@link InodeFileSystem#create}. */
  CREATE(35),
  /** {@link InodeFileSystem#bmap}. */
  BMAP(37),
  /** {@link FileHandle#ioctl}, {@link DirHandle#ioctl}. */
  IOCTL(39),
  /** {@link FileHandle#poll}, which has to be declared: see there. */
  POLL(40),
  /** {@link FileHandle#fallocate}. */
  FALLOCATE(43),
  /** {@link DirHandle#read}, with attributes. */
  READDIRPLUS(44),
  /** {@link FileHandle#lseek}. */
  LSEEK(46),
  /** {@link FileHandle#copyFileRange}. */
  COPY_FILE_RANGE(47),
  /** {@link InodeFileSystem#syncfs}. */
  SYNCFS(50),
  /** {@link InodeFileSystem#tmpfile}. */
  TMPFILE(51),
  /** {@link InodeFileSystem#getattr}, with {@link AttrSink#btime}. */
  STATX(52);

  private static final Set<Operation> OF_FILES =
      Collections.unmodifiableSet(
          EnumSet.of(
              READ,
              WRITE,
              RELEASE,
              FSYNC,
              FLUSH,
              FALLOCATE,
              LSEEK,
              COPY_FILE_RANGE,
              IOCTL,
              GETLK,
              SETLK,
              SETLKW));
  private static final Set<Operation> OF_UNOPENED_FILES =
      Collections.unmodifiableSet(EnumSet.of(READ, WRITE, FSYNC, FALLOCATE, LSEEK));
  private static final Set<Operation> OF_DIRECTORIES =
      Collections.unmodifiableSet(EnumSet.of(READDIR, RELEASEDIR, FSYNCDIR, READDIRPLUS, IOCTL));

  private static final Set<Operation> OF_UNOPENED_DIRECTORIES =
      Collections.unmodifiableSet(EnumSet.of(READDIR, FSYNCDIR, READDIRPLUS));

  private final int opcode;

  Operation(int opcode) {
    this.opcode = opcode;
  }

  /** {@return the kernel's number of it} */
  public int opcode() {
    return opcode;
  }

  /**
   * The operations whose default method a class overrides, with those that their handles bring
   * along.
   *
   * @param type a class of a file system
   * @return the set, which the caller may change
   */
  public static EnumSet<Operation> overriddenBy(Class<? extends FileSystemBase> type) {
    boolean byPath = FuseFileSystem.class.isAssignableFrom(type);
    Class<?> api = byPath ? FuseFileSystem.class : InodeFileSystem.class;
    EnumSet<Operation> found = EnumSet.noneOf(Operation.class);
    Set<String> others = new HashSet<>();
    for (Method declared : api.getMethods()) {
      if (isOverridden(api, type, declared)) {
        Operation operation = byMethodName(declared.getName());
        if (operation != null) {
          found.add(operation);
        } else {
          others.add(declared.getName());
        }
      }
    }
    if (byPath && found.contains(GETATTR)) {
      found.add(LOOKUP);
    }
    if (found.contains(GETATTR)) {
      found.add(STATX);
    }
    if (others.contains("fileHandle") && !found.contains(OPEN)) {
      found.removeAll(EnumSet.of(CREATE, TMPFILE)); // what they make would be open
      found.addAll(OF_UNOPENED_FILES);
    } else if (found.contains(OPEN) || found.contains(CREATE) || found.contains(TMPFILE)) {
      found.addAll(OF_FILES);
    }
    if (others.contains("dirHandle") && !found.contains(OPENDIR)) {
      found.addAll(OF_UNOPENED_DIRECTORIES);
    } else if (found.contains(OPENDIR) || found.contains(READDIR)) {
      found.add(OPENDIR);
      found.addAll(OF_DIRECTORIES);
    }
    return found;
  }

  private static Operation byMethodName(String name) {
    for (Operation operation : values()) {
      if (operation.name().equalsIgnoreCase(name)) {
        return operation;
      }
    }
    return null;
  }

  private static boolean isOverridden(Class<?> api, Class<?> type, Method declared) {
    try {
      Method found = type.getMethod(declared.getName(), declared.getParameterTypes());
      return found.getDeclaringClass() != api;
    } catch (NoSuchMethodException e) {
      return false;
    }
  }
}
