package io.github.ferrofuse.local;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.internal.LocalOpenNative;
import io.github.ferrofuse.internal.NameAccess;
import io.github.ferrofuse.internal.Native;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.util.Objects;

/**
 * A descriptor's number, and who is using it: the number is given back to the kernel by {@code
 * close}, or by the last call that was in progress then. So no call ever works on another file that
 * has got the number meanwhile.
 */
abstract class Descriptor implements AutoCloseable {
  /** Sign bit of {@link #users}: no more calls. */
  private static final int CLOSED = Integer.MIN_VALUE;

  private static final VarHandle USERS;

  static {
    Native.load();
    try {
      USERS = MethodHandles.lookup().findVarHandle(Descriptor.class, "users", int.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private final int number;

  /** Whether it was opened with O_PATH, and so is good for a place, not for what is there. */
  final boolean opaque;

  /** Calls in progress, and {@link #CLOSED}. */
  @SuppressWarnings("unused") // by its handle
  private volatile int users;

  Descriptor(int number, boolean opaque) {
    this.number = number;
    this.opaque = opaque;
  }

  /**
   * The number, for code outside that is to work on the file while this is open. Whoever uses it
   * sees to it that {@link #close} is not called meanwhile.
   *
   * @return the number, 0 or more
   * @throws FuseException EBADF if this is closed
   */
  public final int number() throws FuseException {
    if (isClosed()) {
      throw Errno.EBADF.exception();
    }
    return number;
  }

  /** {@return whether {@link #close} has been called} */
  public final boolean isClosed() {
    return users < 0;
  }

  /**
   * Closes it: close(2), at once, or at the end of the last call that is in progress on another
   * thread; this waits for none. Further calls fail with EBADF; another close does nothing. Errors
   * of earlier writes don't come out here: {@link LocalFd#flush} and {@link LocalFd#fsync} tell
   * them.
   */
  @Override
  public final void close() {
    if ((int) USERS.getAndBitwiseOr(this, CLOSED) == 0) {
      LocalOpenNative.close(number);
    }
  }

  @Override
  public String toString() {
    return "descriptor " + number + (isClosed() ? ", closed" : "");
  }

  /** The number, for one call, which {@link #leave} ends. */
  final int enter() throws FuseException {
    int found;
    do {
      found = users;
      if (found < 0) {
        throw Errno.EBADF.exception();
      }
    } while (!USERS.weakCompareAndSet(this, found, found + 1));
    return number;
  }

  final void leave() {
    if ((int) USERS.getAndAdd(this, -1) == CLOSED + 1) {
      LocalOpenNative.close(number);
    }
  }

  /** What native code has answered: a number, or a negative errno. */
  static int answer(int answered) throws FuseException {
    if (answered < 0) {
      throw Errno.of(-answered).exception();
    }
    return answered;
  }

  static long answer(long answered) throws FuseException {
    if (answered < 0) {
      throw Errno.of((int) -answered).exception();
    }
    return answered;
  }

  /** The same for a call that older kernels lack. */
  static int answer(int answered, String call, String since) throws FuseException {
    if (answered == -Errno.ENOSYS.code()) {
      throw new UnsupportedOperationException(
          call
              + " is not there: it takes Linux "
              + since
              + ", and a sandbox (seccomp) that does not forbid it");
    }
    return answer(answered);
  }

  static byte[] bytes(Name name) {
    return NameAccess.get().bytes(name);
  }

  /** Refuses what native code must not get. */
  static void check(ByteBuffer buffer, int position, int count) {
    if (!buffer.isDirect()) {
      throw new IllegalArgumentException(
          "a buffer on the heap: the kernel works on direct ones (ByteBuffer.allocateDirect)");
    }
    Objects.checkFromIndexSize(position, count, buffer.limit());
  }

  static void checkWritable(ByteBuffer buffer, int position, int count) {
    check(buffer, position, count);
    if (buffer.isReadOnly()) {
      throw new IllegalArgumentException("a read-only buffer takes no bytes");
    }
  }
}
