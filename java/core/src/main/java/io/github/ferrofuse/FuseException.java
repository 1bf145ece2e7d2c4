package io.github.ferrofuse;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.channels.ClosedChannelException;
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
import java.util.Locale;

/** An error with the errno that the application is to see. Made by {@link Errno#exception()}. */
public final class FuseException extends IOException {
  private static final long serialVersionUID = 1;

  /** Texts of strerror(3) that the JDK passes on without an exception class of its own. */
  private static final Object[][] REASONS = {
    {"no space left", Errno.ENOSPC},
    {"quota", Errno.EDQUOT},
    {"read-only", Errno.EROFS},
    {"permission denied", Errno.EACCES},
    {"operation not permitted", Errno.EPERM},
    {"file name too long", Errno.ENAMETOOLONG},
    {"too many open files", Errno.EMFILE},
    {"too many levels of symbolic links", Errno.ELOOP},
    {"too many links", Errno.EMLINK},
    {"is a directory", Errno.EISDIR},
    {"not a directory", Errno.ENOTDIR},
    {"directory not empty", Errno.ENOTEMPTY},
    {"file exists", Errno.EEXIST},
    {"no such file", Errno.ENOENT},
    {"file too large", Errno.EFBIG},
    {"invalid argument", Errno.EINVAL},
    {"invalid cross-device link", Errno.EXDEV},
    {"device or resource busy", Errno.EBUSY},
    {"text file busy", Errno.ETXTBSY},
    {"not supported", Errno.EOPNOTSUPP},
    {"no data available", Errno.ENODATA},
    {"stale file handle", Errno.ESTALE},
  };

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
   * {@link OutOfMemoryError}, EBADF for a closed channel; EIO for the rest.
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
    if (thrown instanceof ClosedChannelException) {
      return Errno.EBADF;
    }
    if (thrown instanceof InvalidPathException) {
      return Errno.EILSEQ;
    }
    if (thrown instanceof FileSystemException) {
      return errnoOfReason(((FileSystemException) thrown).getReason());
    }
    return thrown instanceof IOException ? errnoOfReason(thrown.getMessage()) : Errno.EIO;
  }

  private static Errno errnoOfReason(String reason) {
    if (reason != null) {
      String lower = reason.toLowerCase(Locale.ROOT);
      for (Object[] known : REASONS) {
        if (lower.contains((String) known[0])) {
          return (Errno) known[1];
        }
      }
    }
    return Errno.EIO;
  }
}
