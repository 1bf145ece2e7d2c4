package io.github.ferrofuse.internal;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.Notifier;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;

/**
 * The notifier of one mount. Calls of threads that serve it are left to a thread that is made for
 * the first of them and ends when it has had nothing to do for a while.
 */
public final class KernelNotifier implements Notifier {
  /** What waits to be told; data to store and nodes to prune count as one more per page. */
  private static final int ROOM = 16_384;

  private static final int PAGE = 4096;

  /** Data that is stored in one message, and the multiple at which one ends: of any page size. */
  private static final int PIECE = 1 << 20;

  private static final long IDLE_SECONDS = 5;
  private static final int HAS_EXPIRE_ONLY_BIT = 35;
  private static final int INC_EPOCH_MINOR = 44;
  private static final int PRUNE_MINOR = 45;

  /**
   * Far from the numbers that the kernel gives to its requests, and even as they are: an answer
   * that comes over a ring has its ticket for a number.
   */
  private static final long FIRST_TICKET = 1L << 62;

  private final boolean byPath;
  private final String name;
  private final Semaphore room = new Semaphore(ROOM);
  private final AtomicLong tickets = new AtomicLong(FIRST_TICKET);
  private final Map<Long, CompletableFuture<ByteBuffer>> retrievals = new ConcurrentHashMap<>();
  private volatile int minor;
  private volatile long offered;

  /** 0 until the kernel may have something cached. */
  private volatile long mount;

  private volatile BooleanSupplier isServing = () -> false;
  private volatile boolean ended;

  /** Null until something is queued. */
  private ThreadPoolExecutor queue;

  KernelNotifier(boolean byPath, String name) {
    this.byPath = byPath;
    this.name = name;
  }

  /** The kernel and the file system are coming to terms. */
  void offered(int minor, long flags) {
    this.minor = minor;
    offered = flags;
  }

  /**
   * The mount is about to be served.
   *
   * @param mount its number
   * @param isServing whether the thread that asks serves it
   */
  public void attach(long mount, BooleanSupplier isServing) {
    this.isServing = isServing;
    this.mount = mount;
  }

  /** The connection has ended: nothing is told any more, and no answer will come. */
  public void end() {
    ended = true;
    synchronized (this) {
      if (queue != null) {
        queue.shutdownNow();
      }
    }
    retrievals.keySet().forEach(ticket -> fail(ticket, over()));
  }

  @Override
  public void locksChanged() {
    NotifyNative.locksChanged(mount); // 0 and a mount that has ended are nobody's
  }

  // ---- telling ----

  /** One notification; answers as {@link NotifyNative} does. */
  private interface Notice {
    int tell(long mount) throws IOException;
  }

  private Outcome tell(Notice notice) throws IOException {
    return tell(1, notice);
  }

  private Outcome tell(int weight, Notice notice) throws IOException {
    if (ended) {
      return Outcome.ENDED;
    }
    if (mount == 0) {
      return Outcome.NOT_CACHED;
    }
    if (isServing.getAsBoolean()) {
      return enqueue(weight, notice);
    }
    return outcome(notice.tell(mount));
  }

  private static Outcome outcome(int answer) throws IOException {
    switch (answer) {
      case NotifyNative.DONE:
        return Outcome.DONE;
      case NotifyNative.NOT_CACHED:
        return Outcome.NOT_CACHED;
      case NotifyNative.ENDED:
        return Outcome.ENDED;
      default:
        throw Errno.of(-answer).exception();
    }
  }

  private Outcome enqueue(int weight, Notice notice) throws IOException {
    if (!room.tryAcquire(weight)) {
      throw Errno.EAGAIN.exception();
    }
    try {
      queue().execute(() -> tellQueued(weight, notice));
      return Outcome.QUEUED;
    } catch (RejectedExecutionException e) {
      room.release(weight);
      return Outcome.ENDED;
    } catch (Throwable thrown) {
      room.release(weight);
      throw thrown;
    }
  }

  private void tellQueued(int weight, Notice notice) {
    try {
      outcome(notice.tell(mount));
    } catch (Throwable thrown) {
      Failures.swallow(this, "a queued notification", thrown);
    } finally {
      room.release(weight);
    }
  }

  private synchronized ThreadPoolExecutor queue() {
    if (queue == null) {
      queue =
          new ThreadPoolExecutor(
              1,
              1,
              IDLE_SECONDS,
              TimeUnit.SECONDS,
              new LinkedBlockingQueue<>(),
              work -> {
                Thread thread = new Thread(null, work, "ferrofuse-" + name + "-notifier", 0, false);
                thread.setDaemon(true);
                return thread;
              });
      queue.allowCoreThreadTimeOut(true);
      if (ended) {
        queue.shutdownNow();
      }
    }
    return queue;
  }

  /** Wakes those who poll a file; on any thread, as the kernel waits for nobody to do it. */
  void wake(long poll) {
    if (mount == 0 || ended) {
      return;
    }
    int answer = NotifyNative.wake(mount, poll);
    if (answer < 0) {
      Failures.swallow(this, "a wake-up", Errno.of(-answer).exception());
    }
  }

  // ---- what is told ----

  @Override
  public boolean canExpire() {
    return (offered >> HAS_EXPIRE_ONLY_BIT & 1) != 0;
  }

  @Override
  public boolean canInvalidateAllEntries() {
    return minor >= INC_EPOCH_MINOR;
  }

  @Override
  public boolean canPrune() {
    return minor >= PRUNE_MINOR;
  }

  @Override
  public Outcome invalidate(long node) throws IOException {
    return invalidate(node, 0, 0);
  }

  @Override
  public Outcome invalidate(long node, long offset, long length) throws IOException {
    byNode();
    checkRange(offset, length);
    return tell(mount -> NotifyNative.inode(mount, node, offset, length));
  }

  @Override
  public Outcome invalidateAttributes(long node) throws IOException {
    byNode();
    return tell(mount -> NotifyNative.inode(mount, node, -1, 0));
  }

  @Override
  public Outcome invalidateEntry(long directory, Name name) throws IOException {
    return entry(directory, name, NotifyNative.INVALID, 0);
  }

  @Override
  public Outcome expireEntry(long directory, Name name) throws IOException {
    checkKnown(canExpire(), "expireEntry", "6.2");
    return entry(directory, name, NotifyNative.EXPIRED, 0);
  }

  @Override
  public Outcome deleteEntry(long directory, Name name, long node) throws IOException {
    return entry(directory, name, NotifyNative.DELETED, node);
  }

  private Outcome entry(long directory, Name name, int what, long node) throws IOException {
    byNode();
    byte[] bytes = name.toBytes();
    checkName(bytes);
    return tell(mount -> NotifyNative.entry(mount, directory, bytes, what, node));
  }

  @Override
  public Outcome invalidateAllEntries() throws IOException {
    checkKnown(canInvalidateAllEntries(), "invalidateAllEntries", "6.16");
    return tell(NotifyNative::epoch);
  }

  @Override
  public Outcome prune(long... nodes) throws IOException {
    byNode();
    checkKnown(canPrune(), "prune", "6.18");
    long[] copy = nodes.clone();
    return tell(1 + copy.length * Long.BYTES / PAGE, mount -> NotifyNative.prune(mount, copy));
  }

  @Override
  public Outcome store(long node, long offset, ByteBuffer data) throws IOException {
    byNode();
    return store(offset, data, mount -> node);
  }

  @Override
  public CompletableFuture<ByteBuffer> retrieve(long node, long offset, int size) {
    byNode();
    return retrieve(offset, size, mount -> node);
  }

  // ---- the same by path; paths are followed when their turn has come ----

  @Override
  public Outcome invalidate(String path) throws IOException {
    return invalidate(path, 0, 0);
  }

  @Override
  public Outcome invalidate(String path, long offset, long length) throws IOException {
    byte[] bytes = path(path);
    checkRange(offset, length);
    return tell(mount -> inode(mount, bytes, offset, length));
  }

  @Override
  public Outcome invalidateAttributes(String path) throws IOException {
    byte[] bytes = path(path);
    return tell(mount -> inode(mount, bytes, -1, 0));
  }

  private static int inode(long mount, byte[] path, long offset, long length) {
    return NotifyNative.inode(mount, NotifyNative.find(mount, path), offset, length);
  }

  @Override
  public Outcome invalidateEntry(String path) throws IOException {
    return entry(path, NotifyNative.INVALID);
  }

  @Override
  public Outcome expireEntry(String path) throws IOException {
    checkKnown(canExpire(), "expireEntry", "6.2");
    return entry(path, NotifyNative.EXPIRED);
  }

  @Override
  public Outcome deleteEntry(String path) throws IOException {
    return entry(path, NotifyNative.DELETED);
  }

  private Outcome entry(String path, int what) throws IOException {
    byte[] bytes = path(path);
    int slash = bytes.length - 1;
    while (bytes[slash] != '/') {
      slash--;
    }
    byte[] parent = Arrays.copyOf(bytes, slash + 1);
    byte[] last = Arrays.copyOfRange(bytes, slash + 1, bytes.length);
    checkName(last);
    return tell(
        mount -> {
          long child = what == NotifyNative.DELETED ? NotifyNative.find(mount, bytes) : 0;
          return NotifyNative.entry(mount, NotifyNative.find(mount, parent), last, what, child);
        });
  }

  @Override
  public Outcome prune(String... paths) throws IOException {
    checkKnown(canPrune(), "prune", "6.18");
    byte[][] all = new byte[paths.length][];
    long bytes = 0;
    for (int i = 0; i < paths.length; i++) {
      all[i] = path(paths[i]);
      bytes += all[i].length + Long.BYTES;
    }
    int weight = (int) Math.min(1 + bytes / PAGE, Integer.MAX_VALUE);
    return tell(
        weight,
        mount -> {
          long[] nodes = new long[all.length];
          for (int i = 0; i < all.length; i++) {
            nodes[i] = NotifyNative.find(mount, all[i]);
          }
          return NotifyNative.prune(mount, nodes);
        });
  }

  @Override
  public Outcome store(String path, long offset, ByteBuffer data) throws IOException {
    byte[] bytes = path(path);
    return store(offset, data, mount -> NotifyNative.find(mount, bytes));
  }

  @Override
  public CompletableFuture<ByteBuffer> retrieve(String path, long offset, int size) {
    byte[] bytes = path(path);
    return retrieve(offset, size, mount -> NotifyNative.find(mount, bytes));
  }

  // ---- data ----

  /** Finds the node that is meant. */
  private interface Node {
    long in(long mount);
  }

  private Outcome store(long offset, ByteBuffer data, Node node) throws IOException {
    int size = data.remaining();
    checkRange(offset, size);
    if (!isServing.getAsBoolean()) {
      ByteBuffer source = data.duplicate();
      return tell(mount -> store(mount, node.in(mount), offset, source));
    }
    int weight = 1 + size / PAGE;
    if (weight > ROOM) {
      throw Errno.EAGAIN.exception();
    }
    ByteBuffer copy = ByteBuffer.allocate(size).put(data.duplicate()).flip();
    return tell(weight, mount -> store(mount, node.in(mount), offset, copy));
  }

  /** Piece by piece, each ending at the end of a page, so that no page is given in two. */
  private static int store(long mount, long node, long offset, ByteBuffer data) {
    ByteBuffer piece = null;
    int answer;
    do {
      int size = (int) Math.min(PIECE - offset % PIECE, data.remaining());
      ByteBuffer part = data.slice().limit(size);
      if (!data.isDirect()) {
        piece =
            piece == null ? ByteBuffer.allocateDirect(Math.min(PIECE, data.remaining())) : piece;
        part = piece.clear().put(part);
      }
      answer = NotifyNative.store(mount, node, offset, part, size);
      data.position(data.position() + size);
      offset += size;
    } while (answer == NotifyNative.DONE && data.hasRemaining());
    return answer;
  }

  private CompletableFuture<ByteBuffer> retrieve(long offset, int size, Node node) {
    if (size <= 0) {
      throw new IllegalArgumentException("size " + size + ": 1 or more");
    }
    checkRange(offset, size);
    long ticket = tickets.getAndAdd(2);
    CompletableFuture<ByteBuffer> data = new CompletableFuture<>();
    retrievals.put(ticket, data);
    try {
      Outcome outcome = tell(mount -> retrieve(mount, ticket, node.in(mount), offset, size));
      if (outcome == Outcome.NOT_CACHED) {
        retrieved(ticket, ByteBuffer.allocate(0));
      }
    } catch (IOException | RuntimeException | Error thrown) {
      fail(ticket, thrown);
    }
    if (ended) {
      fail(ticket, over());
    }
    return data;
  }

  /** Sees to it that the future is completed, whatever the thread. */
  private int retrieve(long mount, long ticket, long node, long offset, int size) {
    int answer = NotifyNative.retrieve(mount, ticket, node, offset, size);
    if (answer == NotifyNative.NOT_CACHED) {
      retrieved(ticket, ByteBuffer.allocate(0));
    } else if (answer == NotifyNative.ENDED) {
      fail(ticket, over());
    } else if (answer != NotifyNative.DONE) {
      fail(ticket, Errno.of(-answer).exception());
    }
    return answer;
  }

  /** Data has come. */
  void retrieved(long ticket, ByteBuffer data) {
    CompletableFuture<ByteBuffer> waiting = retrievals.remove(ticket);
    if (waiting != null) {
      waiting.complete(data);
    }
  }

  /** No data will come. */
  void fail(long ticket, Throwable why) {
    CompletableFuture<ByteBuffer> waiting = retrievals.remove(ticket);
    if (waiting != null) {
      waiting.completeExceptionally(why);
    }
  }

  /** {@return how many retrievals wait for data} */
  int retrieving() {
    return retrievals.size();
  }

  private IOException over() {
    return new IOException("the mount of " + name + " has ended: there is no page cache any more");
  }

  // ---- arguments ----

  private void byNode() {
    if (byPath) {
      throw new IllegalStateException(
          "this file system names its files by path: call the method that takes a path");
    }
  }

  /** The bytes of a path. */
  private byte[] path(String path) {
    if (!byPath) {
      throw new IllegalStateException(
          "this file system names its files by number: call the method that takes a node");
    }
    byte[] bytes = NameAccess.get().encode(path);
    if (bytes.length == 0 || bytes[0] != '/' || contains(bytes, 0)) {
      throw new IllegalArgumentException(
          "path \"" + path + "\": it has to begin with a slash and must not have a NUL");
    }
    return bytes;
  }

  private static void checkName(byte[] name) {
    String text = Name.of(name).toString();
    boolean isNone = text.isEmpty() || text.equals(".") || text.equals("..");
    if (isNone || contains(name, '/') || contains(name, 0)) {
      throw new IllegalArgumentException(
          "name \"" + text + "\": neither empty nor . nor .., no slash, no NUL");
    }
  }

  private static boolean contains(byte[] bytes, int wanted) {
    for (byte b : bytes) {
      if (b == wanted) {
        return true;
      }
    }
    return false;
  }

  private static void checkRange(long offset, long length) {
    if (offset < 0 || length < 0 || offset + length < 0) {
      throw new IllegalArgumentException(
          "range of " + length + " bytes at " + offset + ": from 0 to 2^63 - 1");
    }
  }

  private static void checkKnown(boolean known, String method, String since) {
    if (!known) {
      throw new UnsupportedOperationException(
          method + ": unknown to this kernel, it needs Linux " + since + " or later");
    }
  }
}
