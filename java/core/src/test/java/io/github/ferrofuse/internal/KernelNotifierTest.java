package io.github.ferrofuse.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.Notifier.Outcome;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** What a notifier answers without a kernel. */
class KernelNotifierTest {
  private static final Name NAME = Name.of("name");
  private static final ByteBuffer DATA = ByteBuffer.allocate(1);

  private final KernelNotifier byNode = new KernelNotifier(false, "test");
  private final KernelNotifier byPath = new KernelNotifier(true, "test");

  private static void refuses(Class<? extends Exception> type, String part, Executable call) {
    String message = assertThrows(type, call).getMessage();
    assertTrue(message.contains(part), message);
  }

  @Test
  void whatAnOlderKernelDoesNotKnowIsRefusedWithTheVersionThatDoes() throws Exception {
    byNode.offered(43, ~(1L << 35));
    assertFalse(byNode.canExpire() || byNode.canInvalidateAllEntries() || byNode.canPrune());
    Class<UnsupportedOperationException> unsupported = UnsupportedOperationException.class;
    refuses(unsupported, "Linux 6.2", () -> byNode.expireEntry(1, NAME));
    refuses(unsupported, "Linux 6.16", byNode::invalidateAllEntries);
    refuses(unsupported, "Linux 6.18", () -> byNode.prune(1));
    refuses(unsupported, "Linux 6.18", () -> byPath.prune("/"));
    assertEquals(Outcome.NOT_CACHED, byNode.invalidateEntry(1, NAME));
    byNode.offered(44, 1L << 35);
    assertTrue(byNode.canExpire() && byNode.canInvalidateAllEntries());
    assertFalse(byNode.canPrune());
    byNode.offered(45, 0);
    assertTrue(byNode.canPrune());
  }

  @Test
  void filesAreNamedAsTheFileSystemNamesThem() {
    for (Executable call :
        List.<Executable>of(
            () -> byPath.invalidate(1),
            () -> byPath.invalidateAttributes(1),
            () -> byPath.invalidateEntry(1, NAME),
            () -> byPath.deleteEntry(1, NAME, 2),
            () -> byPath.store(1, 0, DATA),
            () -> byPath.retrieve(1, 0, 1),
            () -> byNode.invalidate("/"),
            () -> byNode.invalidateAttributes("/"),
            () -> byNode.invalidateEntry("/a"),
            () -> byNode.deleteEntry("/a"),
            () -> byNode.store("/", 0, DATA),
            () -> byNode.retrieve("/", 0, 1))) {
      refuses(IllegalStateException.class, "names its files by", call);
    }
  }

  @Test
  void namesPathsAndRangesThatCanBeNoneAreRefused() {
    Class<IllegalArgumentException> illegal = IllegalArgumentException.class;
    for (String name : List.of("", ".", "..", "a/b", "/", "a\0b", "\0")) {
      refuses(illegal, "no slash", () -> byNode.invalidateEntry(1, Name.of(name)));
      refuses(illegal, "no slash", () -> byNode.deleteEntry(1, Name.of(name), 2));
    }
    for (String path : List.of("", "a", "a/b", "/a\0b")) {
      refuses(illegal, "begin with a slash", () -> byPath.invalidate(path));
      refuses(illegal, "begin with a slash", () -> byPath.invalidateEntry(path));
      refuses(illegal, "begin with a slash", () -> byPath.retrieve(path, 0, 1));
    }
    for (String path : List.of("/", "/a/", "/.", "/a/..")) {
      refuses(illegal, "neither empty", () -> byPath.deleteEntry(path));
    }
    long last = Long.MAX_VALUE;
    for (long[] range : new long[][] {{-1, 1}, {0, -1}, {last, 1}, {1, last}, {last, last}}) {
      refuses(illegal, "range", () -> byNode.invalidate(1, range[0], range[1]));
      refuses(illegal, "range", () -> byPath.invalidate("/", range[0], range[1]));
    }
    refuses(illegal, "range", () -> byNode.store(1, last, DATA));
    refuses(illegal, "range", () -> byNode.store(1, -1, DATA));
    refuses(illegal, "range", () -> byNode.retrieve(1, last, 1));
    refuses(illegal, "1 or more", () -> byNode.retrieve(1, 0, 0));
    refuses(illegal, "1 or more", () -> byNode.retrieve(1, 0, Integer.MIN_VALUE));
    assertEquals(0, byNode.retrieving());
  }

  @Test
  void beforeTheKernelHasAnythingThereIsNothingToDoAndAtTheEndNeither() throws Exception {
    assertEquals(Outcome.NOT_CACHED, byNode.invalidate(1));
    assertEquals(Outcome.NOT_CACHED, byPath.invalidate("/"));
    assertEquals(Outcome.NOT_CACHED, byNode.store(1, 0, DATA));
    assertEquals(0, byNode.retrieve(1, 0, 1).get().remaining());
    new PollWaiters(byNode, 5).wake();
    byNode.end();
    assertEquals(Outcome.ENDED, byNode.invalidate(1));
    CompletableFuture<ByteBuffer> late = byNode.retrieve(1, 0, 1);
    Throwable cause = assertThrows(ExecutionException.class, late::get).getCause();
    assertTrue(cause instanceof IOException && cause.getMessage().contains("ended"), "" + cause);
    assertEquals(0, byNode.retrieving());
    new PollWaiters(byNode, 5).wake();
  }

  @Test
  void whatIsQueuedForPruningTakesRoomByItsSize() {
    byPath.offered(45, 0);
    byPath.attach(1, () -> true);
    String[] paths = new String[17];
    Arrays.fill(paths, "/" + "n".repeat(4 << 20));
    FuseException full = assertThrows(FuseException.class, () -> byPath.prune(paths));
    assertEquals(Errno.EAGAIN, full.errno());
  }

  @Test
  void waitersOfOneOpenFileAreEqual() {
    assertEquals(new PollWaiters(byNode, 5), new PollWaiters(byNode, 5));
    assertNotEquals(new PollWaiters(byNode, 5), new PollWaiters(byNode, 6));
    assertNotEquals(new PollWaiters(byNode, 5), new PollWaiters(byPath, 5));
  }
}
