package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.FuseMount;
import io.github.ferrofuse.Metrics;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.Operation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Locks that the engine keeps are as those of any file system to the processes that use them. */
@Tag("mount")
@Tag("once")
@Timeout(value = 100, threadMode = SEPARATE_THREAD)
class LocksTest {
  /** Has a file open, evaluates each line, answers "ok", a value, or the name of an errno. */
  static final String LOCKER =
      """
import ctypes, errno, fcntl, os, signal, struct, sys, threading
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN, flock, lockf
libc = ctypes.CDLL(None, use_errno=True)
signal.signal(signal.SIGINT, lambda *ignored: None)
path = sys.argv[1]
fd = os.open(path, os.O_RDWR)
F_LOCK = 1
def raw(call, *arguments):
    # Python tries again where a system call was interrupted.
    return None if call(fd, *arguments) == 0 else errno.errorcode[ctypes.get_errno()]
def owner(how=fcntl.F_WRLCK, start=0, length=0):
    wanted = struct.pack('hhqqi', how, 0, start, length, 0)
    kind, _, start, length, pid = struct.unpack_from('hhqqi', fcntl.fcntl(fd, fcntl.F_GETLK, wanted))
    return None if kind == fcntl.F_UNLCK else (kind, start, length, pid)
def count(lock, unlock, times):
    for i in range(times):
        lock()
        number = int(os.pread(fd, 20, 0) or b'0')
        os.pwrite(fd, b'%d' % (number + 1), 0)
        unlock()
def crowd(size):
    # Each thread has an open file, and so a flock lock, of its own.
    order = []
    def one():
        own = os.open(path, os.O_RDWR)
        flock(own, LOCK_EX)
        order.append(own)
        os.close(own)
    threads = [threading.Thread(target=one) for i in range(size)]
    for thread in threads: thread.start()
    return threads
print('open', flush=True)
for line in sys.stdin:
    try:
        value = eval(line)
        print('ok' if value is None else value, flush=True)
    except OSError as e:
        print(errno.errorcode[e.errno], flush=True)
""";

  private static final String WAITING = "request_wait_answer";

  @RegisterExtension final Mounts mounts = new Mounts();

  /** A file in a mount whose locks the engine keeps. */
  private Path file(int threads) throws IOException {
    return file(mount("engine", threads));
  }

  private static Path file(FuseMount mount) throws IOException {
    return Files.createFile(mount.mountPoint().resolve("file"));
  }

  private FuseMount mount(String keeper, int threads) throws IOException {
    MountOptions options = MountOptions.builder().threads(threads).metrics(true).build();
    return mounts.mount(Mounts.memory(Map.of("locks", keeper)), options);
  }

  static Shell.Talk locker(Path file) throws IOException {
    Shell.Talk talk = Shell.talk(LOCKER, file);
    assertEquals("open", talk.hear());
    return talk;
  }

  private static void answers(String expected, Shell.Talk who, String what) throws IOException {
    assertEquals(expected, who.ask(what), what);
  }

  /** How often; those of clients that wait for nothing have been counted. */
  private static long asked(FuseMount mount, Operation operation) {
    Metrics metrics = mount.metrics();
    while (metrics.inFlight() > 0) {
      Thread.onSpinWait();
      metrics = mount.metrics();
    }
    return metrics.of(operation).count();
  }

  @Test
  void onlyWhereItIsWishedIsAnybodyAskedForLocks() throws Exception {
    for (String keeper : List.of("kernel", "engine")) {
      FuseMount mount = mount(keeper, 2);
      try (Shell.Talk one = locker(file(mount))) {
        answers("ok", one, "lockf(fd, LOCK_EX)");
        answers("ok", one, "flock(fd, LOCK_EX)");
        answers("None", one, "str(owner())");
      }
      boolean engine = keeper.equals("engine");
      assertEquals(engine ? 2 : 0, asked(mount, Operation.SETLKW), keeper);
      assertEquals(engine ? 1 : 0, asked(mount, Operation.GETLK), keeper);
    }
  }

  @Test
  void eightProcessesThatCountLoseNothing() throws Exception {
    Path file = file(4);
    for (String lock : List.of("lockf", "flock")) {
      Files.writeString(file, "");
      String count =
          "count(lambda: %s(fd, LOCK_EX), lambda: %s(fd, LOCK_UN), 25)".formatted(lock, lock);
      List<Shell.Talk> all = new ArrayList<>();
      try {
        for (int i = 0; i < 8; i++) {
          all.add(locker(file));
        }
        for (Shell.Talk one : all) {
          one.say(count);
        }
        for (Shell.Talk one : all) {
          assertEquals("ok", one.hear());
        }
      } finally {
        all.forEach(Shell.Talk::close);
      }
      assertEquals("200", Files.readString(file), lock);
    }
  }

  @Test
  void aWaitEndsWhenTheHolderUnlocksClosesOrIsKilled() throws Exception {
    Path file = file(1);
    for (String lock : List.of("lockf", "flock")) {
      for (String end : List.of("unlock", "close", "kill")) {
        try (Shell.Talk holder = locker(file);
            Shell.Talk waiter = locker(file)) {
          answers("ok", holder, lock + "(fd, LOCK_EX)");
          answers("EAGAIN", waiter, lock + "(fd, LOCK_EX | LOCK_NB)");
          waiter.say(lock + "(fd, LOCK_EX)");
          waiter.awaitSleepIn(WAITING);
          switch (end) {
            case "unlock" -> answers("ok", holder, lock + "(fd, LOCK_UN)");
            case "close" -> answers("ok", holder, "os.close(fd)");
            default -> holder.signal("KILL");
          }
          assertEquals("ok", waiter.hear(), lock + " " + end);
        }
      }
    }
  }

  @Test
  void aSignalEndsAWaitAndAKillToo() throws Exception {
    Path file = file(1);
    for (String wait : List.of("raw(libc.lockf, F_LOCK, 0)", "raw(libc.flock, LOCK_EX)")) {
      try (Shell.Talk holder = locker(file);
          Shell.Talk waiter = locker(file);
          Shell.Talk victim = locker(file)) {
        answers("ok", holder, wait);
        waiter.say(wait);
        victim.say(wait);
        waiter.awaitSleepIn(WAITING);
        victim.awaitSleepIn(WAITING);
        waiter.signal("INT");
        assertEquals("EINTR", waiter.hear(), wait);
        victim.signal("KILL");
        assertTrue(victim.isGone(10), wait);
        answers("ok", holder, "os.close(fd)");
        answers("ok", waiter, wait);
      }
    }
  }

  @Test
  void processesThatWouldWaitForEachOtherAreTold() throws Exception {
    Path file = file(1);
    try (Shell.Talk one = locker(file);
        Shell.Talk other = locker(file)) {
      answers("ok", one, "lockf(fd, LOCK_EX, 10, 0)");
      answers("ok", other, "lockf(fd, LOCK_EX, 10, 10)");
      one.say("lockf(fd, LOCK_EX, 10, 10)");
      one.awaitSleepIn(WAITING);
      // EDEADLK has two names, and this is Python's.
      answers("EDEADLOCK", other, "lockf(fd, LOCK_EX, 10, 0)");
      answers("ok", other, "lockf(fd, LOCK_UN)");
      assertEquals("ok", one.hear());
    }
  }

  @Test
  void rangesAreSharedUpgradedSplitAndTold() throws Exception {
    Path file = file(1);
    try (Shell.Talk one = locker(file);
        Shell.Talk other = locker(file)) {
      String pid = one.ask("os.getpid()");
      answers("ok", one, "lockf(fd, LOCK_SH)");
      answers("ok", other, "lockf(fd, LOCK_SH)");
      answers("EAGAIN", one, "lockf(fd, LOCK_EX | LOCK_NB)");
      answers("ok", other, "lockf(fd, LOCK_UN)");
      answers("ok", one, "lockf(fd, LOCK_EX | LOCK_NB)");
      answers("ok", one, "lockf(fd, LOCK_UN, 10, 100)");
      answers("(1, 0, 100, " + pid + ")", other, "owner()");
      answers("ok", other, "lockf(fd, LOCK_EX | LOCK_NB, 10, 100)");
      answers("(1, 110, 0, " + pid + ")", other, "owner(fcntl.F_RDLCK, 105)");
      answers("ok", one, "lockf(fd, LOCK_SH, 0, 110)");
      answers("None", other, "str(owner(fcntl.F_RDLCK, 105))");
      answers("(0, 110, 0, " + pid + ")", other, "owner(fcntl.F_WRLCK, 105)");
      // Any close of the file ends them, whichever descriptor it was.
      answers("ok", one, "os.close(os.open(path, os.O_RDONLY))");
      answers("None", other, "str(owner())");
    }
  }

  @Test
  void locksOfFcntlAndFlockAndOpenFilesEndEachInTheirOwnWay() throws Exception {
    Path file = file(1);
    try (Shell.Talk one = locker(file);
        Shell.Talk other = locker(file)) {
      answers("ok", one, "flock(fd, LOCK_EX)");
      answers("ok", other, "lockf(fd, LOCK_EX | LOCK_NB)");
      answers("EAGAIN", other, "flock(fd, LOCK_SH | LOCK_NB)");
      answers("ok", one, "os.close(os.dup(fd))");
      answers("EAGAIN", other, "flock(fd, LOCK_SH | LOCK_NB)");
      answers("ok", other, "lockf(fd, LOCK_UN)");
      // F_OFD_SETLK of an open file of its own.
      answers("ok", one, "globals().update(own=os.open(path, os.O_RDWR))");
      String set =
          "fcntl.fcntl(own, 37, struct.pack('hhqqixxxx', fcntl.F_WRLCK, 0, 0, 0, 0)) and None";
      answers("ok", one, set);
      answers("EAGAIN", other, "lockf(fd, LOCK_EX | LOCK_NB)");
      answers("ok", one, "os.close(os.open(path, os.O_RDONLY))");
      answers("EAGAIN", other, "lockf(fd, LOCK_EX | LOCK_NB)");
      answers("ok", one, "os.close(own)");
      // The release comes after the answer to close(2).
      answers("ok", other, "lockf(fd, LOCK_EX)");
      assertTrue(one.ends(20), "the holder is gone");
      answers("ok", other, "flock(fd, LOCK_EX)");
    }
  }

  @Test
  void aCrowdThatWaitsLeavesTheOnlyWorkerFree() throws Exception {
    Path file = file(1);
    try (Shell.Talk holder = locker(file);
        Shell.Talk crowd = locker(file)) {
      answers("ok", holder, "flock(fd, LOCK_EX)");
      answers("ok", crowd, "globals().update(threads=crowd(60))");
      answers("ok", holder, "os.pwrite(fd, b'served', 0) and None");
      answers("60", crowd, "sum(thread.is_alive() for thread in threads)");
      answers("ok", holder, "flock(fd, LOCK_UN)");
      answers("ok", crowd, "[thread.join() for thread in threads] and None");
    }
  }

  @Test
  void whoWaitsHoldsNoUnmountUpAndIsFreedByAnAbort() throws Exception {
    FuseMount mount = mount("engine", 2);
    Path file = file(mount);
    try (Shell.Talk holder = locker(file);
        Shell.Talk waiter = locker(file)) {
      answers("ok", holder, "lockf(fd, LOCK_EX)");
      waiter.say("lockf(fd, LOCK_EX)");
      waiter.awaitSleepIn(WAITING);
      // The release of the file that was made may still be on its way.
      while (mount.metrics().inFlight() != 1) {
        Thread.onSpinWait();
      }
      assertEquals(FuseMount.Unmount.DETACHED, mount.unmount(Duration.ofMillis(100)));
      // Those who still use it are served.
      answers("ok", holder, "lockf(fd, LOCK_UN)");
      assertEquals("ok", waiter.hear());
      holder.say("lockf(fd, LOCK_EX)");
      holder.awaitSleepIn(WAITING);
      mount.abort();
      assertEquals("ECONNABORTED", holder.hear());
    }
    mount.join();
  }
}
