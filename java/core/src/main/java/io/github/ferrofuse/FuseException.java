package io.github.ferrofuse;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.SocketTimeoutException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileLockInterruptionException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.FileSystemLoopException;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.NotLinkException;
import java.nio.file.ReadOnlyFileSystemException;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/** An error with the errno that the application is to see. Made by {@link Errno#exception()}. */
public final class FuseException extends IOException {
  private static final long serialVersionUID = 1;

  /** What the application sees. */
  private final Errno errno;

  FuseException(Errno errno) {
    super(errno.name() + " (" + errno.text() + ")");
    this.errno = errno;
  }

  /** {@return the error that the application sees} */
  public Errno errno() {
    return errno;
  }

  /** Does nothing: the exception is shared, and a stack trace would cost more than the request. */
  @Override
  public synchronized Throwable fillInStackTrace() {
    return this;
  }

  /**
   * The errno of any exception: that of a {@code FuseException}; the obvious one for the exceptions
   * of {@code java.nio.file}; by the reason's text where a {@link FileSystemException} has nothing
   * else (no space, quota ...); EOPNOTSUPP for {@link UnsupportedOperationException}, ENOMEM for
   * {@link OutOfMemoryError}, EBADF for a closed channel, EINTR for one that an interrupt closed
   * and for other exceptions of an interrupted thread; EIO for the rest.
   *
   * @param thrown what a file system threw
   * @return the error, never null
   */
  public static Errno errnoOf(Throwable thrown) {
    if (thrown instanceof FuseException) {
      return ((FuseException) thrown).errno;
    }
    if (thrown instanceof NoSuchFileException || thrown instanceof FileNotFoundException) {
      return Errno.ENOENT;
    }
    if (thrown instanceof FileAlreadyExistsException) {
      return Errno.EEXIST;
    }
    if (thrown instanceof DirectoryNotEmptyException) {
      return Errno.ENOTEMPTY;
    }
    if (thrown instanceof NotDirectoryException) {
      return Errno.ENOTDIR;
    }
    if (thrown instanceof AccessDeniedException) {
      return Errno.EACCES;
    }
    if (thrown instanceof FileSystemLoopException) {
      return Errno.ELOOP;
    }
    if (thrown instanceof NotLinkException) {
      return Errno.EINVAL;
    }
    if (thrown instanceof ReadOnlyFileSystemException) {
      return Errno.EROFS;
    }
    if (thrown instanceof UnsupportedOperationException) {
      return Errno.EOPNOTSUPP;
    }
    if (thrown instanceof OutOfMemoryError) {
      return Errno.ENOMEM;
    }
    if (isInterruption(thrown)) {
      return Errno.EINTR;
    }
    if (thrown instanceof SocketTimeoutException) {
      return Errno.ETIMEDOUT;
    }
    if (thrown instanceof ClosedChannelException) {
      return Errno.EBADF;
    }
    if (thrown instanceof InvalidPathException) {
      return Errno.EILSEQ;
    }
    if (thrown instanceof FileSystemException) {
      return Reasons.errnoOf(((FileSystemException) thrown).getReason());
    }
    return thrown instanceof IOException ? Reasons.errnoOf(thrown.getMessage()) : Errno.EIO;
  }

  /** Exceptions of a thread that was interrupted. A time-out counts as one in java.io only. */
  private static boolean isInterruption(Throwable thrown) {
    return thrown instanceof InterruptedException
        || thrown instanceof ClosedByInterruptException
        || thrown instanceof FileLockInterruptionException
        || thrown instanceof InterruptedIOException && !(thrown instanceof SocketTimeoutException);
  }

  /**
   * Texts of strerror(3) that the JDK passes on without an exception class of its own. In a class
   * of its own because each {@link Errno} makes an exception before all of them exist.
   */
  private static final class Reasons {
    private static final Map<String, Errno> KNOWN = new LinkedHashMap<>();

    static {
      KNOWN.put("no space left", Errno.ENOSPC);
      KNOWN.put("quota", Errno.EDQUOT);
      KNOWN.put("read-only", Errno.EROFS);
      KNOWN.put("permission denied", Errno.EACCES);
      KNOWN.put("operation not permitted", Errno.EPERM);
      KNOWN.put("file name too long", Errno.ENAMETOOLONG);
      KNOWN.put("too many open files", Errno.EMFILE);
      KNOWN.put("too many levels of symbolic links", Errno.ELOOP);
      KNOWN.put("too many links", Errno.EMLINK);
      KNOWN.put("is a directory", Errno.EISDIR);
      KNOWN.put("not a directory", Errno.ENOTDIR);
      KNOWN.put("directory not empty", Errno.ENOTEMPTY);
      KNOWN.put("file exists", Errno.EEXIST);
      KNOWN.put("no such file", Errno.ENOENT);
      KNOWN.put("file too large", Errno.EFBIG);
      KNOWN.put("invalid argument", Errno.EINVAL);
      KNOWN.put("invalid cross-device link", Errno.EXDEV);
      KNOWN.put("device or resource busy", Errno.EBUSY);
      KNOWN.put("text file busy", Errno.ETXTBSY);
      KNOWN.put("not supported", Errno.EOPNOTSUPP);
      KNOWN.put("no data available", Errno.ENODATA);
      KNOWN.put("stale file handle", Errno.ESTALE);
    }

    static Errno errnoOf(String reason) {
      if (reason != null) {
        String lower = reason.toLowerCase(Locale.ROOT);
        for (Map.Entry<String, Errno> known : KNOWN.entrySet()) {
          if (lower.contains(known.getKey())) {
            return known.getValue();
          }
        }
      }
      return Errno.EIO;
    }
  }
}
