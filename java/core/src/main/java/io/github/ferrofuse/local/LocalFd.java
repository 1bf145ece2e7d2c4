package io.github.ferrofuse.local;

import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.internal.LocalNamesNative;
import io.github.ferrofuse.internal.LocalOpenNative;
import io.github.ferrofuse.internal.PathBytes;
import java.nio.ByteBuffer;
import java.nio.file.FileSystems;
import java.nio.file.Path;
import java.util.Objects;

/**
 * A file descriptor of this process: a local file, directory or place (O_PATH), and what Linux does
 * with one.
 *
 * <pre>{@code
 * try (LocalFd root = LocalFd.open(Path.of("/srv/data"), LocalFlags.O_PATH | LocalFlags.O_DIRECTORY);
 *     LocalFd place =
 *         root.openat2(name, LocalFlags.O_PATH | LocalFlags.O_NOFOLLOW, 0, LocalFlags.RESOLVE_BENEATH, null);
 *     LocalFd file = place.reopen(LocalFlags.O_RDONLY)) {
 *   place.statx(stat);
 *   int read = file.pread(buffer, 0, buffer.capacity(), 0);
 * }
 * }</pre>
 *
 * <p><b>Threads.</b> Any thread may call any method at any time, {@link #close} too: see there. A
 * call that is in progress is not ended by it. All methods make their system call on the calling
 * thread and are not ended by {@link Thread#interrupt}; a call that a signal has ended (EINTR) is
 * made again.
 *
 * <p><b>Errors</b> are {@link FuseException} with the errno of the call, EBADF after {@link
 * #close}, EIO for an errno that {@link io.github.ferrofuse.Errno} doesn't have. A call that the
 * kernel lacks is {@link UnsupportedOperationException} with a line that says what it takes.
 *
 * <p>Descriptors are not passed on to programs that the process starts (O_CLOEXEC). One that is not
 * closed stays open until the process ends: nothing is collected.
 *
 * <p>/proc has to be mounted for {@link #reopen}, {@link #link}, and where they are called on a
 * place, for what {@link #chmod}, {@link #utimens} and attributes do; ENOENT if it is not.
 */
public final class LocalFd extends LocalContent {
  /** Most bytes that {@link #handle} gives. */
  public static final int MAX_HANDLE_BYTES = 4 + 128;

  private LocalFd(int number, int flags) {
    super(number, (flags & LocalFlags.O_PATH) != 0);
  }

  /**
   * Opens a path: open(2). Symbolic links on the way are followed, and at its end, too, unless
   * O_NOFOLLOW is set. For roots: what is below is opened by {@link #openat2}.
   *
   * @param path a path of the default file system, absolute or relative to the working directory
   * @param flags O_ flags of {@link LocalFlags}, without O_CREAT and O_TMPFILE
   * @return the descriptor
   * @throws FuseException ENOENT, EACCES, ENOTDIR, ELOOP, EMFILE ...; EINVAL for flags that make
   *     something
   * @throws UnsupportedOperationException if the path is of another provider
   */
  public static LocalFd open(Path path, int flags) throws FuseException {
    if (path.getFileSystem() != FileSystems.getDefault()) {
      throw new UnsupportedOperationException(
          path + " is no path of the default file system, which descriptors are for");
    }
    byte[] bytes = PathBytes.of(path);
    // A slash at the end would follow a symbolic link
    int length =
        bytes.length > 1 && bytes[bytes.length - 1] == '/' ? bytes.length - 1 : bytes.length;
    return new LocalFd(answer(LocalOpenNative.open(bytes, length, flags)), flags);
  }

  /**
   * Opens, or makes, what a path below this directory leads to: openat2(2).
   *
   * @param path relative; may have several components and "..", as far as {@code resolve} allows
   * @param flags O_ flags of {@link LocalFlags}
   * @param mode permissions of a file that O_CREAT or O_TMPFILE makes, less the umask; else 0
   * @param resolve RESOLVE_ flags of {@link LocalFlags}
   * @param caller in whose name it is opened and made; null for this process
   * @return the descriptor
   * @throws FuseException ENOENT, EEXIST, EACCES, EMFILE ...; EXDEV if the path leads out of this
   *     directory or to another mount and that is forbidden, ELOOP for a symbolic link that is;
   *     EAGAIN if something was renamed meanwhile, so that ".." could have led out: try again;
   *     EINVAL for unknown flags, or a path with a NUL
   * @throws UnsupportedOperationException before Linux 5.6
   */
  public LocalFd openat2(Name path, int flags, int mode, int resolve, LocalCaller caller)
      throws FuseException {
    int fd = enter();
    try {
      int opened =
          LocalOpenNative.openat2(
              fd, bytes(path), path.length(), flags, mode, resolve, LocalCaller.words(caller));
      return new LocalFd(answer(opened, "openat2(2)", "5.6"), flags);
    } finally {
      leave();
    }
  }

  /**
   * Opens the same file once more, by open(2) of /proc/self/fd: with other flags, and from a place
   * (O_PATH) what is there. Not for symbolic links: ELOOP.
   *
   * @param flags O_ flags of {@link LocalFlags}, without O_NOFOLLOW
   * @return a descriptor of its own
   * @throws FuseException EACCES, EROFS, ETXTBSY, ENXIO, EMFILE, ELOOP ...
   */
  public LocalFd reopen(int flags) throws FuseException {
    int fd = enter();
    try {
      return new LocalFd(answer(LocalOpenNative.reopen(fd, flags)), flags);
    } finally {
      leave();
    }
  }

  /**
   * The file's handle: name_to_handle_at(2). It names the file on its file system for as long as it
   * exists, whatever it is called, without anything being open: {@link #byHandle}. The bytes say
   * nothing to anybody else; equal handles are the same file.
   *
   * @param into takes it, at its start; {@link #MAX_HANDLE_BYTES} always suffice
   * @return how many bytes it has
   * @throws FuseException EOPNOTSUPP if the file system has no handles, EOVERFLOW if it does not
   *     fit
   */
  public int handle(byte[] into) throws FuseException {
    int fd = enter();
    try {
      return answer(LocalOpenNative.handle(fd, into));
    } finally {
      leave();
    }
  }

  /**
   * Opens a file by its handle: open_by_handle_at(2). Takes CAP_DAC_READ_SEARCH. No directory on
   * the way to the file is asked for permission, nor is it looked at whether it is still below some
   * root.
   *
   * @param mount any descriptor on the file system that the handle is of, not O_PATH
   * @param handle as {@link #handle} gave it
   * @param offset of its first byte in the array
   * @param length how many bytes it has
   * @param flags O_ flags of {@link LocalFlags}; O_PATH for a symbolic link
   * @return the descriptor
   * @throws FuseException ESTALE if the file is gone, EPERM without that capability, EINVAL if it
   *     is no handle, ELOOP for a symbolic link, EMFILE ...
   * @throws IndexOutOfBoundsException if the handle is not within the array
   */
  public static LocalFd byHandle(LocalFd mount, byte[] handle, int offset, int length, int flags)
      throws FuseException {
    Objects.checkFromIndexSize(offset, length, handle.length);
    int fd = mount.enter();
    try {
      int opened = LocalOpenNative.byHandle(fd, handle, offset, length, flags);
      return new LocalFd(answer(opened), flags);
    } finally {
      mount.leave();
    }
  }

  /**
   * Makes a directory in this one: mkdirat(2).
   *
   * @param name one path component; EINVAL if it is empty or "..", or has a slash or NUL, here and
   *     in the other methods
   * @param mode permissions, less the umask
   * @param caller in whose name; null for this process
   * @throws FuseException EEXIST, ENOENT if this directory was removed, ENOSPC, EACCES ...
   */
  public void mkdir(Name name, int mode, LocalCaller caller) throws FuseException {
    int fd = enter();
    try {
      answer(
          LocalNamesNative.mkdir(fd, bytes(name), name.length(), mode, LocalCaller.words(caller)));
    } finally {
      leave();
    }
  }

  /**
   * Makes a file of any other type in this directory: mknodat(2).
   *
   * @param name one path component
   * @param mode type and permissions, less the umask
   * @param rdev number of a device, as in {@code stat.st_rdev}
   * @param caller in whose name; null for this process
   * @throws FuseException EEXIST, EPERM for a device without CAP_MKNOD, ENOSPC, EACCES ...
   */
  public void mknod(Name name, int mode, int rdev, LocalCaller caller) throws FuseException {
    int fd = enter();
    try {
      answer(
          LocalNamesNative.mknod(
              fd, bytes(name), name.length(), mode, rdev, LocalCaller.words(caller)));
    } finally {
      leave();
    }
  }

  /**
   * Makes a symbolic link in this directory: symlinkat(2).
   *
   * @param name one path component
   * @param target where it leads to: any bytes but NUL, at most 4095
   * @param caller in whose name; null for this process
   * @throws FuseException EEXIST, ENAMETOOLONG, ENOENT for an empty target, EINVAL for one with a
   *     NUL, ENOSPC, EACCES ...
   */
  public void symlink(Name name, Name target, LocalCaller caller) throws FuseException {
    int fd = enter();
    try {
      answer(
          LocalNamesNative.symlink(
              fd,
              bytes(name),
              name.length(),
              bytes(target),
              target.length(),
              LocalCaller.words(caller)));
    } finally {
      leave();
    }
  }

  /**
   * Gives this file another name: linkat(2) of /proc/self/fd. A file made by O_TMPFILE so gets its
   * first; a symbolic link gets the name itself.
   *
   * @param dir the directory
   * @param name one path component
   * @throws FuseException EEXIST, EXDEV, EMLINK, EPERM for a directory, ENOENT if the file has lost
   *     its last name ...
   */
  public void link(LocalFd dir, Name name) throws FuseException {
    int fd = enter();
    try {
      int to = dir.enter();
      try {
        answer(LocalNamesNative.link(fd, to, bytes(name), name.length()));
      } finally {
        dir.leave();
      }
    } finally {
      leave();
    }
  }

  /**
   * Removes a name of this directory that is no directory's: unlinkat(2).
   *
   * @param name one path component
   * @throws FuseException ENOENT, EISDIR, EACCES, EPERM, EBUSY ...
   */
  public void unlink(Name name) throws FuseException {
    remove(name, false);
  }

  /**
   * Removes an empty directory of this one: unlinkat(2) with AT_REMOVEDIR.
   *
   * @param name one path component
   * @throws FuseException ENOENT, ENOTDIR, ENOTEMPTY, EACCES, EPERM, EBUSY ...
   */
  public void rmdir(Name name) throws FuseException {
    remove(name, true);
  }

  private void remove(Name name, boolean directory) throws FuseException {
    int fd = enter();
    try {
      answer(LocalNamesNative.unlink(fd, bytes(name), name.length(), directory));
    } finally {
      leave();
    }
  }

  /**
   * Renames a file of this directory: renameat2(2).
   *
   * @param name one path component
   * @param newDir where it is to be; may be this
   * @param newName one path component
   * @param flags 0, {@link LocalFlags#RENAME_NOREPLACE}, {@link LocalFlags#RENAME_EXCHANGE} or
   *     {@link LocalFlags#RENAME_WHITEOUT}
   * @throws FuseException ENOENT, EEXIST, EXDEV, ENOTEMPTY, EISDIR, ENOTDIR, EINVAL for flags that
   *     the file system lacks or a directory that is to be below itself ...
   */
  public void rename(Name name, LocalFd newDir, Name newName, int flags) throws FuseException {
    rename(name, newDir, newName, flags, null);
  }

  /**
   * Renames a file of this directory, and makes a whiteout in somebody's name: renameat2(2).
   *
   * @param name one path component
   * @param newDir where it is to be; may be this
   * @param newName one path component
   * @param flags as for the other {@code rename}
   * @param caller in whose name; null for this process
   * @throws FuseException as the other {@code rename}
   */
  public void rename(Name name, LocalFd newDir, Name newName, int flags, LocalCaller caller)
      throws FuseException {
    int from = enter();
    try {
      int to = newDir.enter();
      try {
        int answered =
            LocalNamesNative.rename(
                from,
                bytes(name),
                name.length(),
                to,
                bytes(newName),
                newName.length(),
                flags,
                LocalCaller.words(caller));
        answer(answered, "renameat2(2)", "3.15");
      } finally {
        newDir.leave();
      }
    } finally {
      leave();
    }
  }

  /**
   * Where this symbolic link leads to: readlinkat(2). It was opened with O_PATH and O_NOFOLLOW.
   *
   * @param out direct, takes the target; its own position and limit stay
   * @param position of the first byte
   * @param count how many bytes it may take, more than 0; what is longer is cut
   * @return how many bytes it took
   * @throws FuseException ENOENT or EINVAL if this is no symbolic link
   * @throws IllegalArgumentException if the buffer isn't direct, or read-only
   */
  public int readlink(ByteBuffer out, int position, int count) throws FuseException {
    checkWritable(out, position, count);
    int fd = enter();
    try {
      return answer(LocalNamesNative.readlink(fd, out, position, count));
    } finally {
      leave();
    }
  }
}
