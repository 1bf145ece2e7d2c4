package io.github.ferrofuse.local;

import static io.github.ferrofuse.local.LocalFlags.O_APPEND;
import static io.github.ferrofuse.local.LocalFlags.O_RDONLY;
import static io.github.ferrofuse.local.LocalFlags.O_RDWR;
import static io.github.ferrofuse.local.LocalFlags.O_WRONLY;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.github.ferrofuse.Errno;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

class LocalContentTest {
  private static final int FALLOC_FL_KEEP_SIZE = 1;
  private static final int FALLOC_FL_PUNCH_HOLE = 2;

  abstract static class Cases extends Scratch {
    @Test
    void bytesAreReadAndWrittenAtAnyPlace() throws Exception {
      try (LocalFd file = create("file")) {
        buffer.put(100, "hello".getBytes());
        assertEquals(5, file.pwrite(buffer, 100, 5, 3));
        assertEquals("\0\0\0hello", Files.readString(path.resolve("file")));
        assertEquals(4, file.pread(buffer, 7, 100, 4));
        byte[] read = new byte[5];
        buffer.get(7, read);
        assertEquals("ello\0", new String(read));
        assertEquals(2, file.pread(buffer, 0, 2, 3));
        assertEquals("he", text(2));
        assertEquals(0, file.pread(buffer, 0, 10, 8));
        assertEquals(0, file.pread(buffer, 0, 10, Long.MAX_VALUE - 10));
        assertEquals(0, file.pread(buffer, buffer.limit(), 0, 0));
        assertEquals(0, buffer.position());
        assertEquals(buffer.capacity(), buffer.limit());
      }
    }

    @Test
    void aSliceIsAPlaceOfItsOwn() throws Exception {
      Files.writeString(path.resolve("file"), "0123456789");
      try (LocalFd file = dir.openat2(name("file"), O_RDONLY, 0, 0, null)) {
        ByteBuffer slice = buffer.slice(10, 8);
        assertEquals(3, file.pread(slice, 2, 3, 5));
        assertEquals('5', buffer.get(12));
        assertEquals('7', buffer.get(14));
        assertEquals(0, buffer.get(15));
        assertThrows(IndexOutOfBoundsException.class, () -> file.pread(slice, 2, 7, 0));
      }
    }

    @Test
    void buffersThatTheKernelCannotUseAreRefused() throws Exception {
      try (LocalFd file = create("file")) {
        ByteBuffer heap = ByteBuffer.allocate(10);
        ByteBuffer readOnly = buffer.asReadOnlyBuffer();
        assertThrows(IllegalArgumentException.class, () -> file.pread(heap, 0, 1, 0));
        assertThrows(IllegalArgumentException.class, () -> file.pwrite(heap, 0, 1, 0));
        assertThrows(IllegalArgumentException.class, () -> file.pread(readOnly, 0, 1, 0));
        assertEquals(1, file.pwrite(readOnly, 0, 1, 0));
        buffer.limit(100);
        for (int[] range : new int[][] {{-1, 1}, {0, -1}, {0, 101}, {101, 0}, {99, 2}}) {
          assertThrows(
              IndexOutOfBoundsException.class, () -> file.pread(buffer, range[0], range[1], 0));
          assertThrows(
              IndexOutOfBoundsException.class, () -> file.pwrite(buffer, range[0], range[1], 0));
        }
        int most = Integer.MAX_VALUE;
        assertThrows(IndexOutOfBoundsException.class, () -> file.pread(buffer, most, most, 0));
        fails(Errno.EINVAL, () -> file.pread(buffer, 0, 1, -1));
        fails(Errno.EINVAL, () -> file.pwrite(buffer, 0, 1, -1));
        assertEquals(1, Files.size(path.resolve("file")));
      }
    }

    @Test
    void aDescriptorIsGoodForWhatItWasOpenedFor() throws Exception {
      create("file").close();
      try (LocalFd reader = dir.openat2(name("file"), O_RDONLY, 0, 0, null);
          LocalFd writer = dir.openat2(name("file"), O_WRONLY, 0, 0, null);
          LocalFd appender = dir.openat2(name("file"), O_WRONLY | O_APPEND, 0, 0, null);
          LocalFd place = place("file")) {
        fails(Errno.EBADF, () -> reader.pwrite(buffer, 0, 1, 0));
        fails(Errno.EBADF, () -> writer.pread(buffer, 0, 1, 0));
        fails(Errno.EINVAL, () -> reader.truncate(1));
        fails(Errno.EBADF, () -> reader.fallocate(0, 0, 1));
        fails(Errno.EBADF, () -> place.truncate(1));
        fails(Errno.EBADF, place::fsync);
        fails(Errno.EBADF, () -> place.flock(LocalFlags.LOCK_SH));
        fails(Errno.EISDIR, () -> dir.pread(buffer, 0, 1, 0));
        writer.pwrite(buffer, 0, put("abc"), 0);
        appender.pwrite(buffer, 0, put("d"), 0);
        assertEquals("abcd", text(reader.pread(buffer, 0, 10, 0)));
      }
    }

    @Test
    void filesAreCutAndExtended() throws Exception {
      try (LocalFd file = create("file")) {
        file.pwrite(buffer, 0, put("hello"), 0);
        file.truncate(2);
        file.truncate(4);
        assertEquals("he\0\0", Files.readString(path.resolve("file")));
        fails(Errno.EINVAL, () -> file.truncate(-1));
      }
    }

    @Test
    void dataAndHolesAreFound() throws Exception {
      try (LocalFd file = create("file")) {
        file.truncate(1 << 20);
        file.pwrite(buffer, 0, 1, 1 << 19);
        assertEquals(1 << 19, file.seek(0, LocalFlags.SEEK_DATA));
        assertEquals((1 << 19) + 4096, file.seek(1 << 19, LocalFlags.SEEK_HOLE));
        fails(Errno.ENXIO, () -> file.seek((1 << 19) + 4096, LocalFlags.SEEK_DATA));
        fails(Errno.ENXIO, () -> file.seek(1 << 20, LocalFlags.SEEK_DATA));
        fails(Errno.EINVAL, () -> file.seek(0, 99));
        file.fallocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1 << 19, 4096);
        fails(Errno.ENXIO, () -> file.seek(0, LocalFlags.SEEK_DATA));
        file.truncate(1L << 40);
        assertEquals(1L << 40, file.seek(0, 2)); // SEEK_END, more than an int
      }
    }

    @Test
    void spaceIsAllocated() throws Exception {
      try (LocalFd file = create("file")) {
        file.fallocate(0, 0, 1 << 16);
        file.statx(stat);
        assertEquals(1 << 16, stat.size());
        assertEquals(128, stat.blocks());
        file.fallocate(FALLOC_FL_KEEP_SIZE, 0, 1 << 17);
        file.statx(stat);
        assertEquals(1 << 16, stat.size());
        fails(Errno.EINVAL, () -> file.fallocate(0, 0, 0));
        fails(Errno.EINVAL, () -> file.fallocate(0, -1, 1));
        fails(Errno.EOPNOTSUPP, () -> file.fallocate(1 << 20, 0, 1));
      }
      fails(Errno.EBADF, () -> dir.fallocate(0, 0, 1));
    }

    @Test
    void rangesAreCopiedByTheKernel() throws Exception {
      Files.writeString(path.resolve("from"), "0123456789");
      try (LocalFd from = dir.openat2(name("from"), O_RDWR, 0, 0, null);
          LocalFd to = create("to")) {
        assertEquals(4, from.copyRange(3, to, 1, 4));
        assertEquals("\0003456", Files.readString(path.resolve("to")));
        assertEquals(2, from.copyRange(8, to, 0, 1000));
        assertEquals(0, from.copyRange(10, to, 0, 1000));
        assertEquals("89456", Files.readString(path.resolve("to")));
        assertEquals(3, from.copyRange(0, from, 5, 3));
        assertEquals("0123401289", Files.readString(path.resolve("from")));
        fails(Errno.EINVAL, () -> from.copyRange(0, from, 1, 5));
        fails(Errno.EINVAL, () -> from.copyRange(0, to, 0, -1));
        fails(Errno.EINVAL, () -> from.copyRange(-5, to, 0, 1));
        fails(Errno.EISDIR, () -> from.copyRange(0, dir, 0, 1));
        assertEquals(0, from.seek(0, 1), "positions stay");
      }
    }

    @Test
    void everythingCanBeMadeDurable() throws Exception {
      try (LocalFd file = create("file")) {
        file.pwrite(buffer, 0, 100, 0);
        file.fsync();
        file.fdatasync();
        file.flush();
        file.syncfs();
        dir.fsync();
        file.flush();
        assertEquals(100, file.pread(buffer, 0, 200, 0), "still open");
      }
    }

    @Test
    void aLockIsOneOpenFiles() throws Exception {
      try (LocalFd one = create("file");
          LocalFd other = dir.openat2(name("file"), O_RDONLY, 0, 0, null)) {
        int tryExclusive = LocalFlags.LOCK_EX | LocalFlags.LOCK_NB;
        one.flock(LocalFlags.LOCK_EX);
        fails(Errno.EAGAIN, () -> other.flock(tryExclusive));
        fails(Errno.EAGAIN, () -> other.flock(LocalFlags.LOCK_SH | LocalFlags.LOCK_NB));
        one.flock(LocalFlags.LOCK_SH);
        other.flock(LocalFlags.LOCK_SH | LocalFlags.LOCK_NB);
        fails(Errno.EAGAIN, () -> other.flock(tryExclusive));
        one.flock(LocalFlags.LOCK_UN);
        other.flock(tryExclusive);
        fails(Errno.EINVAL, () -> one.flock(0));
      }
    }
  }

  @Nested
  class OnTmpfs extends Cases {
    @Override
    Path where() {
      return TMPFS;
    }
  }

  @Nested
  class OnDisk extends Cases {
    @Override
    Path where() {
      return DISK;
    }
  }
}
