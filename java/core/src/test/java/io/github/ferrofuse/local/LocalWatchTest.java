package io.github.ferrofuse.local;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.FuseException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class LocalWatchTest {
  abstract static class Cases extends Scratch {
    final LocalChanges changes = new LocalChanges(1 << 16);
    final byte[] handle = new byte[LocalFd.MAX_HANDLE_BYTES];
    private byte[] own;

    /** The next change in the directory of the test; those of other programs are passed over. */
    private void awaitChange(LocalWatch watch, Predicate<LocalChanges> wanted)
        throws FuseException {
      while (true) {
        while (changes.next()) {
          assertFalse(changes.isLost());
          byte[] directory = Arrays.copyOf(handle, changes.directory(handle));
          if (Arrays.equals(own, directory) && wanted.test(changes)) {
            return;
          }
        }
        assertTrue(watch.await(changes));
      }
    }

    LocalWatch watch() throws IOException {
      assumeTrue(isRoot(), "watching a file system takes CAP_SYS_ADMIN");
      own = handle(dir);
      LocalWatch watch = LocalWatch.open();
      watch.add(dir);
      return watch;
    }

    private byte[] handle(LocalFd fd) throws FuseException {
      return Arrays.copyOf(handle, fd.handle(handle));
    }

    private byte[] file() {
      return Arrays.copyOf(handle, changes.file(handle));
    }

    @Test
    void namesThatComeAndGoAreTold() throws Exception {
      try (LocalWatch watch = watch()) {
        LocalFd file = create("file");
        byte[] made = handle(file);
        file.close();
        awaitChange(watch, LocalChanges::isEntry);
        assertEquals(name("file"), changes.name());
        assertArrayEquals(made, file());
        assertEquals(dir.statfs().id(), changes.fileSystem());
        assertTrue(changes.fileSystem() != 0);
        assertTrue(changes.isOwn());
        dir.mkdir(name("d"), 0700, null);
        awaitChange(watch, change -> change.isEntry() && change.name().equals(name("d")));
        dir.rename(name("file"), dir, name("new"), 0);
        awaitChange(watch, change -> change.isEntry() && change.name().equals(name("file")));
        awaitChange(watch, change -> change.isEntry() && change.name().equals(name("new")));
        assertArrayEquals(made, file());
        dir.unlink(name("new"));
        awaitChange(watch, change -> change.isEntry() && change.name().equals(name("new")));
      }
    }

    @Test
    void contentAndAttributesAreToldApart() throws Exception {
      try (LocalFd file = create("file");
          LocalFd place = place(".");
          LocalWatch watch = watch()) {
        byte[] made = handle(file);
        file.pwrite(buffer, 0, 1, 0);
        awaitChange(watch, LocalChanges::isContent);
        assertEquals(name("file"), changes.name());
        assertArrayEquals(made, file());
        assertFalse(changes.isEntry());
        watch.add(place); // the same once more
        file.chmod(0600);
        awaitChange(watch, LocalChanges::isAttributes);
        assertArrayEquals(made, file());
        dir.chmod(0711);
        awaitChange(watch, change -> change.isAttributes() && change.name().equals(name(".")));
      }
    }

    @Test
    void othersChangesAreNotOwn() throws Exception {
      try (LocalWatch watch = watch()) {
        Process other = new ProcessBuilder("touch", path.resolve("file").toString()).start();
        assertEquals(0, other.waitFor());
        awaitChange(watch, LocalChanges::isEntry);
        assertFalse(changes.isOwn());
      }
    }

    @Test
    void aCloseEndsTheWait() throws Exception {
      LocalWatch watch = LocalWatch.open(); // of nothing, so nothing else ends it
      LocalChanges others = new LocalChanges(1 << 16);
      FutureTask<Boolean> waiter = new FutureTask<>(() -> watch.await(others));
      Thread thread = new Thread(waiter);
      thread.start();
      while (!isWaiting(thread)) {
        Thread.onSpinWait();
      }
      watch.close();
      assertFalse(waiter.get(20, TimeUnit.SECONDS));
      assertFalse(watch.await(changes));
      assertFalse(changes.next());
      watch.close();
      fails(Errno.EBADF, () -> watch.add(dir));
    }

    /** From here on the descriptors stay open until it returns. */
    private boolean isWaiting(Thread thread) {
      StackTraceElement[] calls = thread.getStackTrace();
      return calls.length > 0
          && calls[0].isNativeMethod()
          && calls[0].getMethodName().equals("await");
    }

    @Test
    void aBufferHasRoomForOneChangeAtLeast() {
      assertThrows(IllegalArgumentException.class, () -> new LocalChanges(4095));
    }

    @Test
    @Tag("user")
    void whoMayNotWatchIsTold() throws Exception {
      assumeTrue(!isRoot(), "root may");
      try (LocalWatch watch = LocalWatch.open()) {
        fails(Errno.EPERM, () -> watch.add(dir));
      } catch (FuseException e) {
        assertEquals(Errno.EPERM, e.errno()); // before Linux 5.13
      }
    }

    @Test
    void whatHasNoHandlesIsNotWatched() throws Exception {
      try (LocalWatch watch = watch();
          LocalFd proc = LocalFd.open(Path.of("/proc"), LocalFlags.O_RDONLY)) {
        FuseException refused = assertThrows(FuseException.class, () -> watch.add(proc));
        assertTrue(
            refused.errno() == Errno.ENODEV || refused.errno() == Errno.EOPNOTSUPP,
            refused.toString());
      }
    }
  }

  @Nested
  class OnTmpfs extends Cases {
    @Override
    Path where() {
      return TMPFS;
    }

    @Test
    void changesThatNobodyTakesAreToldAsLost() throws Exception {
      Path limit = Path.of("/proc/sys/fs/fanotify/max_queued_events");
      // By lines, in one read: a second one finds the end of such a file
      int most = Integer.parseInt(Files.readAllLines(limit).get(0));
      assumeTrue(most < 1 << 16, most + " changes wait in a queue here: too many for a test");
      try (LocalWatch watch = watch()) {
        for (int i = 0; i <= most; i++) {
          dir.mknod(name("file-" + i), FileType.REGULAR.bits() | 0600, 0, null);
        }
        boolean lost = false;
        int told = 0;
        while (!lost) {
          assertTrue(watch.await(changes));
          while (changes.next()) {
            told++;
            if (changes.isLost()) {
              lost = true;
              assertEquals(0, changes.fileSystem());
              assertEquals(0, changes.directory(handle));
              assertEquals(0, changes.file(handle));
              assertEquals(name(""), changes.name());
            }
          }
        }
        assertTrue(told > most, "told " + told);
      }
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
