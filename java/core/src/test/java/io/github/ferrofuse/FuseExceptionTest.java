package io.github.ferrofuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

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
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.NotLinkException;
import java.nio.file.ReadOnlyFileSystemException;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

class FuseExceptionTest {

  @Test
  void everyErrnoHasOneExceptionWithoutStackAndIsFoundByItsNumber() {
    for (Errno errno : Errno.values()) {
      assertSame(errno.exception(), errno.exception());
      assertSame(errno, errno.exception().errno());
      assertSame(errno, FuseException.errnoOf(errno.exception()));
      assertEquals(0, errno.exception().getStackTrace().length);
      assertSame(errno, Errno.of(errno.code()));
    }
    assertSame(Errno.EIO, Errno.of(9999));
    assertSame(Errno.EIO, Errno.of(-1));
  }

  @Test
  void exceptionsOfTheJdkBecomeTheErrnoThatFits() {
    Map<Throwable, Errno> expected = new LinkedHashMap<>();
    expected.put(new NoSuchFileException("x"), Errno.ENOENT);
    expected.put(new FileNotFoundException("x"), Errno.ENOENT);
    expected.put(new FileAlreadyExistsException("x"), Errno.EEXIST);
    expected.put(new DirectoryNotEmptyException("x"), Errno.ENOTEMPTY);
    expected.put(new NotDirectoryException("x"), Errno.ENOTDIR);
    expected.put(new AccessDeniedException("x"), Errno.EACCES);
    expected.put(new FileSystemLoopException("x"), Errno.ELOOP);
    expected.put(new NotLinkException("x"), Errno.EINVAL);
    expected.put(new ReadOnlyFileSystemException(), Errno.EROFS);
    expected.put(new UnsupportedOperationException(), Errno.EOPNOTSUPP);
    expected.put(new OutOfMemoryError(), Errno.ENOMEM);
    expected.put(new ClosedChannelException(), Errno.EBADF);
    expected.put(new ClosedByInterruptException(), Errno.EINTR);
    expected.put(new FileLockInterruptionException(), Errno.EINTR);
    expected.put(new InterruptedIOException(), Errno.EINTR);
    expected.put(new InterruptedException(), Errno.EINTR);
    expected.put(new SocketTimeoutException(), Errno.ETIMEDOUT);
    expected.put(new IOException("No space left on device"), Errno.ENOSPC);
    expected.put(new IOException("no idea"), Errno.EIO);
    expected.put(new IOException(), Errno.EIO);
    expected.put(new IllegalStateException("No space left on device"), Errno.EIO);
    expected.forEach((thrown, errno) -> assertSame(errno, FuseException.errnoOf(thrown)));
  }

  @Test
  void aReasonsTextCountsWhereThereIsNothingElse() {
    Map<String, Errno> expected = new LinkedHashMap<>();
    expected.put("No space left on device", Errno.ENOSPC);
    expected.put("Disk quota exceeded", Errno.EDQUOT);
    expected.put("Read-only file system", Errno.EROFS);
    expected.put("Operation not permitted", Errno.EPERM);
    expected.put("Is a directory", Errno.EISDIR);
    expected.put("Not a directory", Errno.ENOTDIR);
    expected.put("Directory not empty", Errno.ENOTEMPTY);
    expected.put("File name too long", Errno.ENAMETOOLONG);
    expected.put("Invalid cross-device link", Errno.EXDEV);
    expected.put("Too many links", Errno.EMLINK);
    expected.put("Something else", Errno.EIO);
    expected.forEach(
        (reason, errno) ->
            assertSame(
                errno, FuseException.errnoOf(new FileSystemException("/x", null, reason)), reason));
    assertSame(Errno.EIO, FuseException.errnoOf(new FileSystemException("/no space left")));
  }
}
