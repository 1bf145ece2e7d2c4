package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.Connection;
import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FuseMount;
import io.github.ferrofuse.LockKeeper;
import io.github.ferrofuse.LockRequest;
import io.github.ferrofuse.LockSink;
import io.github.ferrofuse.LockType;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.Notifier;
import io.github.ferrofuse.Request;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A file system that keeps locks itself decides, and nobody waits for it in vain. */
@Tag("mount")
@Tag("once")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class FileSystemLocksTest {
  private static final String WAITING = "request_wait_answer";

  @RegisterExtension final Mounts mounts = new Mounts();

  /** One lock for the whole file, whoever asks for whatever part of it. */
  private static final class OneLock extends ScriptedFileSystem {
    private static final long NOBODY = 0;
    private static final long ELSEWHERE = 1;

    final List<String> told = new CopyOnWriteArrayList<>();
    private long owner = NOBODY;
    private Notifier notifier;

    OneLock() {
      file("file", (flags, out) -> new Handle());
    }

    @Override
    public void init(Connection connection) {
      connection.locks(LockKeeper.FILE_SYSTEM);
      notifier = connection.notifier();
    }

    synchronized void lockedElsewhere(boolean locked) {
      owner = locked ? ELSEWHERE : NOBODY;
    }

    private final class Handle implements FileHandle {
      @Override
      public boolean setLock(Request request, LockRequest lock) throws IOException {
        told.add(request.operation() + " " + lock.type() + (lock.isFlock() ? " flock" : ""));
        if (lock.type() == LockType.READ) {
          throw Errno.ENOLCK.exception();
        }
        synchronized (OneLock.this) {
          boolean free = owner == NOBODY || owner == lock.owner();
          if (free) {
            owner = lock.type() == LockType.UNLOCK ? NOBODY : lock.owner();
          }
          return free;
        }
      }

      @Override
      public void getLock(Request request, LockRequest wanted, LockSink out) {
        synchronized (OneLock.this) {
          if (owner != NOBODY && owner != wanted.owner()) {
            out.inTheWay(LockType.WRITE, wanted.start(), Long.MAX_VALUE, 0);
          }
        }
      }
    }
  }

  private static void answers(String expected, Shell.Talk who, String what) throws IOException {
    assertEquals(expected, who.ask(what), what);
  }

  @Test
  void itIsAskedAndAskedAgainWhenALockIsGivenUp() throws Exception {
    OneLock fs = new OneLock();
    FuseMount mount = mounts.mount(fs, MountOptions.builder().threads(1).build());
    Path file = mount.mountPoint().resolve("file");
    try (Shell.Talk one = LocksTest.locker(file);
        Shell.Talk other = LocksTest.locker(file)) {
      answers("ENOLCK", one, "lockf(fd, LOCK_SH)");
      answers("ok", one, "lockf(fd, LOCK_EX)");
      answers("EAGAIN", other, "lockf(fd, LOCK_EX | LOCK_NB, 10, 5)");
      answers("(1, 5, 0, 0)", other, "owner(fcntl.F_RDLCK, 5)");
      other.say("lockf(fd, LOCK_EX)");
      other.awaitSleepIn(WAITING);
      answers("ok", one, "os.close(os.dup(fd))");
      assertEquals("ok", other.hear());
      one.say("flock(fd, LOCK_EX)");
      one.awaitSleepIn(WAITING);
      other.signal("KILL");
      assertEquals("ok", one.hear());
      answers("ok", one, "os.close(fd)");
    }
    assertEquals(FuseMount.Unmount.CLEAN, mount.unmount(Duration.ofSeconds(10)));
    assertTrue(fs.told.contains("FLUSH UNLOCK"), fs.told::toString);
    assertEquals("RELEASE UNLOCK flock", fs.told.get(fs.told.size() - 1));
  }

  @Test
  void aLockThatIsGivenUpElsewhereIsHadWhenTheMountIsTold() throws Exception {
    OneLock fs = new OneLock();
    fs.lockedElsewhere(true);
    FuseMount mount = mounts.mount(fs);
    Path file = mount.mountPoint().resolve("file");
    try (Shell.Talk one = LocksTest.locker(file);
        Shell.Talk victim = LocksTest.locker(file)) {
      one.say("lockf(fd, LOCK_EX)");
      victim.say("raw(libc.lockf, F_LOCK, 0)");
      one.awaitSleepIn(WAITING);
      victim.awaitSleepIn(WAITING);
      fs.notifier.locksChanged();
      victim.signal("INT");
      assertEquals("EINTR", victim.hear());
      fs.lockedElsewhere(false);
      fs.notifier.locksChanged();
      assertEquals("ok", one.hear());
    }
  }
}
