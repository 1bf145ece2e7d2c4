package io.github.ferrofuse.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.FileSystemBase;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.Operation;
import io.github.ferrofuse.Request;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** An interrupt finds its request whenever it comes, and never another one. */
class InterruptionTest {
  private final List<String> ran = new ArrayList<>();

  @AfterEach
  void threadIsAsItWas() {
    assertFalse(Thread.interrupted());
  }

  private static Interrupts mount(boolean interruptsThreads) {
    return new Interrupts("of the test", interruptsThreads);
  }

  @Test
  void anInterruptReachesTheRequestThatIsServed() {
    Interrupts mount = mount(false);
    Interruption lease = mount.newInterruption();
    Interruption other = mount.newInterruption();
    lease.begin(10);
    other.begin(11);
    lease.onInterrupt(() -> ran.add("first"));
    lease.onInterrupt(() -> ran.add("second"));
    assertFalse(lease.isOf(10));
    mount.interrupt(10);
    assertTrue(lease.isOf(10));
    assertFalse(other.isOf(11));
    assertEquals(List.of("second"), ran);
    mount.interrupt(10);
    assertEquals(List.of("second"), ran, "once");
    assertFalse(mount.anyEarly());
  }

  @Test
  void anInterruptOfARequestThatHasEndedLeavesTheNextOnesAlone() {
    Interruption lease = mount(false).newInterruption();
    lease.begin(10);
    lease.begin(11);
    lease.interrupt(11);
    lease.interrupt(10);
    assertTrue(lease.isOf(11));
    assertFalse(lease.isOf(10));
  }

  @Test
  void anInterruptThatComesBeforeItsRequestIsRemembered() {
    Interrupts mount = mount(false);
    Interruption lease = mount.newInterruption();
    mount.interrupt(12);
    lease.begin(10);
    assertFalse(lease.isOf(10));
    lease.begin(12);
    assertTrue(lease.isOf(12));
    assertFalse(mount.anyEarly());
    lease.onInterrupt(() -> ran.add("at once"));
    assertEquals(List.of("at once"), ran);
    lease.onInterrupt(null);
    lease.disarm();
  }

  @Test
  void theOldestOfTooManyThatAreEarlyIsForgotten() {
    Interrupts mount = mount(false);
    Interruption lease = mount.newInterruption();
    for (int unique = 100; unique <= 132; unique++) {
      mount.interrupt(unique);
    }
    lease.begin(100);
    assertFalse(lease.isOf(100));
    lease.begin(101);
    assertTrue(lease.isOf(101));
  }

  @Test
  void aLateInterruptHitsNobody() {
    Interrupts mount = mount(true);
    Interruption lease = mount.newInterruption();
    lease.begin(10);
    lease.armThread();
    lease.onInterrupt(() -> ran.add("late"));
    lease.disarm();
    mount.interrupt(10);
    assertFalse(Thread.currentThread().isInterrupted(), "outside of an upcall");
    lease.begin(12);
    lease.armThread();
    mount.interrupt(10);
    assertFalse(Thread.currentThread().isInterrupted());
    assertFalse(lease.isOf(12));
    assertEquals(List.of(), ran);
    lease.disarm();
    mount.interrupt(0);
    lease.begin(0);
    assertFalse(lease.isOf(0), "a call of the engine's own");
  }

  @Test
  void theThreadThatServesIsInterruptedAndLeftClean() throws Exception {
    Interrupts mount = mount(true);
    Interruption lease = mount.newInterruption();
    CountDownLatch begun = new CountDownLatch(1);
    AtomicReference<Throwable> failure = new AtomicReference<>();
    Thread worker =
        new Thread(
            () -> {
              try {
                lease.begin(10);
                lease.armThread();
                begun.countDown();
                assertThrows(InterruptedException.class, () -> Thread.sleep(60_000));
                mount.interrupt(10);
                assertTrue(Thread.currentThread().isInterrupted());
                lease.disarm();
                assertFalse(Thread.currentThread().isInterrupted());
                mount.interrupt(14);
                lease.begin(14);
                assertFalse(Thread.currentThread().isInterrupted());
                lease.armThread();
                assertTrue(Thread.currentThread().isInterrupted(), "it was early");
                lease.disarm();
              } catch (Throwable thrown) {
                failure.set(thrown);
              }
            });
    worker.start();
    begun.await();
    mount.interrupt(10);
    worker.join();
    assertNull(failure.get());
  }

  @Test
  void theEndOfARequestWaitsForItsAction() throws Exception {
    Interrupts mount = mount(false);
    Interruption lease = mount.newInterruption();
    CountDownLatch running = new CountDownLatch(1);
    CountDownLatch leave = new CountDownLatch(1);
    AtomicInteger order = new AtomicInteger();
    lease.begin(10);
    lease.onInterrupt(
        () -> {
          running.countDown();
          try {
            leave.await();
          } catch (InterruptedException e) {
            throw new IllegalStateException(e);
          }
          order.compareAndSet(0, 1);
        });
    Thread interrupter = new Thread(() -> mount.interrupt(10));
    interrupter.start();
    running.await();
    Thread serving =
        new Thread(
            () -> {
              lease.disarm();
              order.compareAndSet(0, 2);
            });
    serving.start();
    while (serving.getState() != Thread.State.WAITING) {
      Thread.onSpinWait();
    }
    serving.interrupt();
    leave.countDown();
    serving.join();
    interrupter.join();
    assertEquals(1, order.get(), "the action was over first");
  }

  @Test
  void anActionThatThrowsHarmsNobody() {
    Interrupts mount = mount(false);
    Interruption lease = mount.newInterruption();
    lease.begin(10);
    lease.onInterrupt(
        () -> {
          throw new IllegalStateException("of the test");
        });
    mount.interrupt(10);
    lease.disarm();
    assertTrue(lease.isOf(10));
  }

  @Test
  void interruptsAtRandomMomentsAreNeitherLostNorMisdirected() throws Exception {
    Interrupts mount = mount(true);
    Interruption lease = mount.newInterruption();
    int rounds = 20_000;
    AtomicInteger serving = new AtomicInteger();
    AtomicReference<String> failure = new AtomicReference<>();
    Thread worker =
        new Thread(
            () -> {
              for (int unique = 1; unique <= rounds && failure.get() == null; unique++) {
                serving.set(unique);
                lease.begin(unique);
                lease.armThread();
                // Odd ones are interrupted, by somebody who does not wait for their begin.
                while (unique % 2 == 1 && !Thread.currentThread().isInterrupted()) {
                  Thread.onSpinWait();
                }
                if (unique % 2 == 0 && Thread.currentThread().isInterrupted()) {
                  failure.set(unique + " was hit");
                }
                if (unique % 2 == 1 != lease.isOf(unique)) {
                  failure.set(unique + " was not told");
                }
                lease.disarm();
                if (Thread.currentThread().isInterrupted()) {
                  failure.set(unique + " leaked");
                }
              }
              serving.set(rounds + 1);
            });
    worker.setDaemon(true);
    worker.start();
    for (int unique = 1; unique <= rounds; unique += 2) {
      while (serving.get() < unique) {
        Thread.onSpinWait();
      }
      mount.interrupt(unique);
      mount.interrupt(unique); // late, as a rule
      if (failure.get() != null) {
        break;
      }
    }
    worker.join(30_000);
    assertNull(failure.get());
    assertFalse(worker.isAlive());
  }

  /** A file system that registers something, or has its threads interrupted. */
  private static final class Fs implements InodeFileSystem {
    private final boolean threads;
    private Request kept;
    private Runnable action;

    Fs(boolean threads) {
      this.threads = threads;
    }

    @Override
    public boolean interruptsThreads() {
      return threads;
    }

    @Override
    public void access(Request request, long node, int mask) {
      kept = request.copy();
      if (action != null) {
        request.onInterrupt(action);
      }
    }
  }

  @Test
  void nativeCodeIsAskedToDisarmWhereSomethingIsArmed() {
    Fs plain = new Fs(false);
    Caller caller = new Caller(plain).operation(Operation.ACCESS);
    caller.page.putLong(Layout.REQUEST_UNIQUE, 10);
    caller.upcalls.access(1, 0);
    assertEquals(0, caller.page.getInt(Layout.REQUEST_FLAGS));
    plain.action = () -> ran.add("action");
    caller.upcalls.access(1, 0);
    assertEquals(Layout.FLAG_ARMED, caller.page.getInt(Layout.REQUEST_FLAGS));
    assertEquals(0, caller.upcalls.disarm());

    Caller threads = new Caller(new Fs(true)).operation(Operation.ACCESS);
    threads.upcalls.access(1, 0);
    assertEquals(Layout.FLAG_ARMED, threads.page.getInt(Layout.REQUEST_FLAGS));
    threads.page.putInt(Layout.REQUEST_FLAGS, 0);
    threads.operation(Operation.RELEASE).upcalls.release(0);
    assertEquals(0, threads.page.getInt(Layout.REQUEST_FLAGS), "a release is not interrupted");
  }

  @Test
  void aCopyKeepsHearingAndRegistersNothing() {
    Fs fs = new Fs(false);
    Door door = new Door(fs, MountOptions.defaults(), Path.of("/"));
    NodeUpcalls upcalls = (NodeUpcalls) door.lease(4096);
    upcalls.page().putLong(Layout.REQUEST_UNIQUE, 10);
    upcalls.access(1, 0);
    Request copy = fs.kept;
    assertFalse(copy.interrupted());
    assertEquals(0, door.interrupt(10));
    assertTrue(copy.interrupted());
    assertTrue(copy.copy().interrupted());
    assertThrows(IllegalStateException.class, () -> copy.onInterrupt(() -> {}));
    upcalls.page().putLong(Layout.REQUEST_UNIQUE, 12);
    upcalls.access(1, 0);
    assertFalse(fs.kept.interrupted());
  }

  @Test
  void threadsAreNotInterruptedUnlessAskedFor() {
    FileSystemBase fs = new InodeFileSystem() {};
    assertFalse(fs.interruptsThreads());
  }
}
