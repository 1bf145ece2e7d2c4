package io.github.ferrofuse.local;

import static io.github.ferrofuse.local.LocalFlags.O_CREAT;
import static io.github.ferrofuse.local.LocalFlags.O_DIRECTORY;
import static io.github.ferrofuse.local.LocalFlags.O_EXCL;
import static io.github.ferrofuse.local.LocalFlags.O_NOFOLLOW;
import static io.github.ferrofuse.local.LocalFlags.O_PATH;
import static io.github.ferrofuse.local.LocalFlags.O_RDONLY;
import static io.github.ferrofuse.local.LocalFlags.O_RDWR;
import static io.github.ferrofuse.local.LocalFlags.O_TMPFILE;
import static io.github.ferrofuse.local.LocalFlags.O_WRONLY;
import static io.github.ferrofuse.local.LocalFlags.RESOLVE_BENEATH;
import static io.github.ferrofuse.local.LocalFlags.RESOLVE_NO_SYMLINKS;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.Name;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class LocalOpeningTest {
  abstract static class Cases extends Scratch {
    private static final int SAFE = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;

    @Test
    void aPathBelowIsOpened() throws Exception {
      Files.createDirectory(path.resolve("sub"));
      Files.writeString(path.resolve("sub/file"), "content");
      try (LocalFd file = dir.openat2(name("sub/file"), O_RDONLY, 0, SAFE, null)) {
        assertEquals("content", text(file.pread(buffer, 0, 100, 0)));
      }
    }

    @Test
    void nothingAboveIsReachedBeneath() throws Exception {
      Files.createDirectory(path.resolve("sub"));
      Files.createSymbolicLink(path.resolve("up"), Path.of(".."));
      Files.createSymbolicLink(path.resolve("root"), Path.of("/"));
      Files.createSymbolicLink(path.resolve("down"), Path.of("sub"));
      for (String above : new String[] {"..", "sub/../..", "/", "/etc", "up", "up/x", "root/etc"}) {
        fails(Errno.EXDEV, () -> dir.openat2(name(above), O_PATH, 0, RESOLVE_BENEATH, null));
      }
      dir.openat2(name("down"), O_PATH, 0, RESOLVE_BENEATH, null).close();
      fails(Errno.ELOOP, () -> dir.openat2(name("down"), O_PATH, 0, SAFE, null));
      fails(Errno.ELOOP, () -> dir.openat2(name("down/x"), O_PATH, 0, SAFE, null));
      dir.openat2(name("sub/.."), O_PATH, 0, SAFE, null).close();
    }

    @Test
    void aSymbolicLinkItselfIsAPlace() throws Exception {
      Files.createSymbolicLink(path.resolve("link"), Path.of("nowhere"));
      try (LocalFd link = dir.openat2(name("link"), O_PATH | O_NOFOLLOW, 0, SAFE, null)) {
        assertEquals("nowhere", text(link.readlink(buffer, 0, 100)));
        assertEquals("now", text(link.readlink(buffer, 0, 3)));
        fails(Errno.ELOOP, () -> link.reopen(O_RDONLY));
      }
    }

    @Test
    void aFileIsMadeOnce() throws Exception {
      create("file").close();
      assertEquals(0644 & ~umask(), (int) attribute(path.resolve("file"), "mode") & 07777);
      fails(Errno.EEXIST, () -> create("file"));
      fails(Errno.EEXIST, () -> dir.openat2(name("."), O_RDWR | O_CREAT | O_EXCL, 0644, 0, null));
      fails(Errno.ENOENT, () -> dir.openat2(name("absent"), O_RDONLY, 0, SAFE, null));
      fails(Errno.ENOENT, () -> dir.openat2(name(""), O_RDONLY, 0, SAFE, null));
      fails(Errno.EINVAL, () -> dir.openat2(name("file"), O_RDONLY, 0644, SAFE, null));
      fails(Errno.EINVAL, () -> dir.openat2(name("file"), O_RDONLY, 0, 1 << 30, null));
      fails(Errno.EINVAL, () -> dir.openat2(name("fi\0le"), O_RDONLY, 0, SAFE, null));
      fails(Errno.ENAMETOOLONG, () -> create("x".repeat(256)));
      fails(Errno.ENAMETOOLONG, () -> create("x/".repeat(3000)));
      try (LocalFd file = place("file")) {
        fails(Errno.ENOTDIR, () -> file.openat2(name("x"), O_PATH, 0, SAFE, null));
      }
    }

    @Test
    void namesAreBytes() throws Exception {
      byte[] bytes = {'a', (byte) 0xff, (byte) 0xc3, 1, '\n'};
      Name name = Name.of(bytes);
      dir.openat2(name, O_RDWR | O_CREAT, 0600, 0, null).close();
      List<Name> found = new ArrayList<>();
      LocalEntries entries = new LocalEntries(LocalEntries.MIN_BYTES);
      while (dir.readEntries(entries)) {
        while (entries.next()) {
          found.add(entries.name().copy());
        }
      }
      assertTrue(found.contains(name), found.toString());
      dir.unlink(name);
    }

    @Test
    void aPathKeepsItsBytes() throws Exception {
      Path odd = path.resolve("a %41\nb?#");
      Files.createDirectory(odd);
      Files.createSymbolicLink(path.resolve("link"), odd);
      try (LocalFd byPath = LocalFd.open(odd, O_RDONLY | O_DIRECTORY);
          LocalFd byLink = LocalFd.open(path.resolve("link"), O_RDONLY | O_DIRECTORY)) {
        assertEquals(attribute(odd, "ino"), ino(byPath));
        assertEquals(attribute(odd, "ino"), ino(byLink));
      }
      fails(Errno.ENOTDIR, () -> LocalFd.open(path.resolve("link"), O_DIRECTORY | O_NOFOLLOW));
      fails(Errno.ENOENT, () -> LocalFd.open(path.resolve("absent"), O_RDONLY));
      fails(Errno.EINVAL, () -> LocalFd.open(path.resolve("absent"), O_RDWR | O_CREAT));
      fails(Errno.EINVAL, () -> LocalFd.open(path, O_RDWR | O_TMPFILE));
    }

    @Test
    void aPathThatIsNoTextKeepsItsBytes() throws Exception {
      byte[] bytes = {(byte) 0xff, (byte) 0xe4};
      dir.mkdir(Name.of(bytes), 0700, null);
      Path odd;
      try (var files = Files.list(path)) {
        odd = files.findFirst().orElseThrow();
      }
      try (LocalFd found = LocalFd.open(odd, O_RDONLY | O_DIRECTORY)) {
        dir.statx(Name.of(bytes), stat);
        long ino = stat.ino();
        assertEquals(ino, ino(found));
      }
    }

    @Test
    void aPlaceIsOpenedAsWhatItIs() throws Exception {
      Files.writeString(path.resolve("file"), "old");
      try (LocalFd place = place("file")) {
        fails(Errno.EBADF, () -> place.pread(buffer, 0, 1, 0));
        Files.move(path.resolve("file"), path.resolve("moved"));
        try (LocalFd file = place.reopen(O_RDWR)) {
          assertEquals(3, file.pwrite(buffer, 0, put("new"), 0));
        }
        try (LocalFd file = place.reopen(O_RDONLY)) {
          assertEquals("new", text(file.pread(buffer, 0, 10, 0)));
          fails(Errno.EBADF, () -> file.pwrite(buffer, 0, 1, 0));
        }
        fails(Errno.ENOTDIR, () -> place.reopen(O_RDONLY | O_DIRECTORY));
        fails(Errno.EINVAL, () -> place.reopen(O_RDONLY | O_CREAT));
        Files.delete(path.resolve("moved"));
        place.reopen(O_RDONLY).close(); // still there, without a name
      }
    }

    @Test
    void aHandleNamesAFileForAsLongAsItExists() throws Exception {
      assumeTrue(isRoot(), "open_by_handle_at takes CAP_DAC_READ_SEARCH");
      byte[] handle = new byte[10 + LocalFd.MAX_HANDLE_BYTES];
      byte[] again = new byte[LocalFd.MAX_HANDLE_BYTES];
      Files.writeString(path.resolve("file"), "content");
      int length;
      try (LocalFd place = place("file")) {
        length = place.handle(handle);
        assertTrue(length > 4 && length <= LocalFd.MAX_HANDLE_BYTES, "length " + length);
      }
      Files.move(path.resolve("file"), path.resolve("moved"));
      try (LocalFd moved = place("moved")) {
        assertEquals(length, moved.handle(again));
        assertArrayEquals(Arrays.copyOf(handle, length), Arrays.copyOf(again, length));
        fails(Errno.EOVERFLOW, () -> moved.handle(new byte[length - 1]));
        assertEquals(length, moved.handle(new byte[length]));
      }
      System.arraycopy(handle, 0, handle, 10, length);
      try (LocalFd file = LocalFd.byHandle(dir, handle, 10, length, O_RDONLY)) {
        assertEquals("content", text(file.pread(buffer, 0, 100, 0)));
      }
      try (LocalFd file = LocalFd.byHandle(dir, again, 0, length, O_PATH)) {
        assertEquals(attribute(path.resolve("moved"), "ino"), ino(file));
      }
      dir.unlink(name("moved"));
      fails(Errno.ESTALE, () -> LocalFd.byHandle(dir, again, 0, length, O_PATH));
    }

    @Test
    void aSymbolicLinkHasAHandle() throws Exception {
      assumeTrue(isRoot(), "open_by_handle_at takes CAP_DAC_READ_SEARCH");
      byte[] handle = new byte[LocalFd.MAX_HANDLE_BYTES];
      dir.symlink(name("link"), name("target"), null);
      int length;
      try (LocalFd link = place("link")) {
        length = link.handle(handle);
      }
      try (LocalFd link = LocalFd.byHandle(dir, handle, 0, length, O_PATH | O_NOFOLLOW)) {
        assertEquals("target", text(link.readlink(buffer, 0, 100)));
      }
      fails(Errno.ELOOP, () -> LocalFd.byHandle(dir, handle, 0, length, O_RDONLY));
    }

    @Test
    void whatIsNoHandleIsRefused() throws Exception {
      byte[] handle = new byte[200];
      fails(Errno.EINVAL, () -> LocalFd.byHandle(dir, handle, 0, 3, O_PATH));
      fails(Errno.EINVAL, () -> LocalFd.byHandle(dir, handle, 0, 133, O_PATH));
      assertThrows(
          IndexOutOfBoundsException.class, () -> LocalFd.byHandle(dir, handle, 190, 20, O_PATH));
      assertThrows(
          IndexOutOfBoundsException.class, () -> LocalFd.byHandle(dir, handle, -1, 20, O_PATH));
      try (LocalFd place = place(".")) {
        fails(Errno.EBADF, () -> LocalFd.byHandle(place, handle, 0, 20, O_PATH));
      }
    }

    @Test
    @Tag("user")
    void handlesAreForThosePrivileged() throws Exception {
      assumeTrue(!isRoot(), "root may");
      byte[] handle = new byte[LocalFd.MAX_HANDLE_BYTES];
      int length = dir.handle(handle);
      fails(Errno.EPERM, () -> LocalFd.byHandle(dir, handle, 0, length, O_PATH));
    }

    @Test
    void descriptorsAreNotPassedOn() throws Exception {
      byte[] handle = new byte[LocalFd.MAX_HANDLE_BYTES];
      List<LocalFd> open = new ArrayList<>(List.of(create("file"), place("file"), dir.reopen(0)));
      if (isRoot()) {
        open.add(LocalFd.byHandle(dir, handle, 0, dir.handle(handle), O_RDONLY));
      }
      int cloexec = 02000000;
      for (LocalFd fd : open) {
        String info = Files.readString(Path.of("/proc/self/fdinfo/" + fd.number()));
        String flags = info.lines().filter(line -> line.startsWith("flags:")).findFirst().get();
        int set = Integer.parseInt(flags.substring(6).strip(), 8);
        assertEquals(cloexec, set & cloexec, fd + ": " + info);
        fd.close();
      }
    }

    @Test
    void noDescriptorIsLeftByWhatFails() throws Exception {
      create("file").close();
      int before = descriptorsBelow().size();
      byte[] handle = new byte[LocalFd.MAX_HANDLE_BYTES];
      for (int i = 0; i < 50; i++) {
        fails(Errno.EEXIST, () -> create("file"));
        fails(Errno.ENOENT, () -> place("absent"));
        fails(Errno.EOVERFLOW, () -> dir.handle(new byte[2]));
        fails(Errno.EINVAL, () -> LocalFd.byHandle(dir, handle, 0, 0, O_RDONLY));
        fails(Errno.EISDIR, () -> dir.reopen(O_WRONLY));
        dir.flush();
      }
      assertEquals(before, descriptorsBelow().size());
    }

    @Test
    void aClosedDescriptorIsBad() throws Exception {
      LocalFd file = create("file");
      LocalFd other = create("other");
      int number = file.number();
      file.close();
      assertTrue(file.isClosed());
      // The number is somebody else's now, who is not to be worked on nor closed
      LocalFd next = place("other");
      assertEquals(number, next.number());
      fails(Errno.EBADF, file::number);
      fails(Errno.EBADF, () -> file.pread(buffer, 0, 1, 0));
      fails(Errno.EBADF, () -> file.statx(stat));
      fails(Errno.EBADF, () -> file.link(dir, name("x")));
      fails(Errno.EBADF, () -> other.copyRange(0, file, 0, 1));
      fails(Errno.EBADF, () -> dir.rename(name("a"), file, name("b"), 0));
      file.close();
      next.statx(stat);
      assertFalse(next.isClosed());
      next.close();
      other.close();
    }

    @Test
    void closingWaitsForNobodyAndTakesNothingAway() throws Exception {
      LocalFd holder = create("file");
      LocalFd waiter = dir.openat2(name("file"), O_RDWR, 0, 0, null);
      holder.flock(LocalFlags.LOCK_EX);
      AtomicReference<Throwable> failure = new AtomicReference<>();
      Thread thread =
          new Thread(
              () -> {
                try {
                  waiter.flock(LocalFlags.LOCK_EX);
                } catch (Throwable e) {
                  failure.set(e);
                }
              });
      thread.start();
      awaitWaiterFor(ino(holder));
      int number = waiter.number();
      waiter.close(); // at once, though its lock is waited for
      fails(Errno.EBADF, () -> waiter.statx(stat));
      assertTrue(Files.exists(Path.of("/proc/self/fd/" + number)));
      holder.flock(LocalFlags.LOCK_UN);
      thread.join(TimeUnit.SECONDS.toMillis(20));
      assertFalse(thread.isAlive());
      assertEquals(null, failure.get());
      assertEquals(2, descriptorsBelow().size(), "the directory and the holder");
      holder.close();
    }

    @Test
    void callsThatRaceWithCloseWorkOrFailAsBad() throws Exception {
      Files.writeString(path.resolve("file"), "mine");
      Files.writeString(path.resolve("other"), "other");
      AtomicInteger read = new AtomicInteger();
      AtomicReference<Throwable> failure = new AtomicReference<>();
      for (int round = 0; round < 200; round++) {
        LocalFd file = dir.openat2(name("file"), O_RDONLY, 0, 0, null);
        CountDownLatch begun = new CountDownLatch(2);
        Thread[] threads = new Thread[2];
        for (int i = 0; i < threads.length; i++) {
          var own = java.nio.ByteBuffer.allocateDirect(16);
          threads[i] =
              new Thread(
                  () -> {
                    try {
                      begun.countDown();
                      while (true) {
                        assertEquals(4, file.pread(own, 0, 16, 0));
                        assertEquals('m', own.get(0));
                        read.incrementAndGet();
                      }
                    } catch (io.github.ferrofuse.FuseException e) {
                      if (e.errno() != Errno.EBADF || !file.isClosed()) {
                        failure.set(e);
                      }
                    } catch (Throwable e) {
                      failure.set(e);
                    }
                  });
          threads[i].start();
        }
        begun.await();
        file.close();
        try (LocalFd next = dir.openat2(name("other"), O_RDONLY, 0, 0, null)) {
          for (Thread thread : threads) {
            thread.join();
          }
          assertEquals("other", text(next.pread(buffer, 0, 16, 0)));
        }
        assertEquals(null, failure.get());
      }
      assertTrue(read.get() > 0);
      assertEquals(1, descriptorsBelow().size(), "the directory");
    }

    /** Waits until somebody waits for a lock of the file: proc_locks(5). */
    private void awaitWaiterFor(Object ino) throws IOException {
      String file = ":" + ino + " ";
      while (Files.readAllLines(Path.of("/proc/locks")).stream()
          .noneMatch(line -> line.contains("-> FLOCK") && line.contains(file))) {
        Thread.onSpinWait();
      }
    }

    private Object ino(LocalFd fd) throws IOException {
      fd.statx(stat);
      return stat.ino();
    }

    private static int umask() throws IOException {
      String status = Files.readString(Path.of("/proc/self/status"));
      String line = status.lines().filter(l -> l.startsWith("Umask:")).findFirst().get();
      return Integer.parseInt(line.substring(6).strip(), 8);
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
