package io.github.ferrofuse.benches;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.reflect.Array;
import java.nio.ByteBuffer;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/**
 * What one call from native code into Java costs. Each benchmark makes one call into native code,
 * which makes {@link #CALLS} back.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@OperationsPerInvocation(Upcall.CALLS)
public class Upcall {
  static final int CALLS = 1000;
  private static final int SIZE = 4096;

  private final ByteBuffer buffer = ByteBuffer.allocateDirect(SIZE);
  private long stub;

  static {
    System.load(System.getProperty("ferrofuse.upcall"));
  }

  // Called from native code: as much as every read does before the file system's own method.

  int read(int slot, long offset, int size) {
    return readInto(buffer, slot, offset, size);
  }

  @SuppressWarnings("unused") // the parameters of a read
  int readInto(ByteBuffer dst, int slot, long offset, int size) {
    dst.clear().limit(size);
    return dst.remaining();
  }

  private static native void engine(Upcall target, int count);

  private static native void attachedAlready(Upcall target, int count);

  private static native void attachedEachTime(Upcall target, int count);

  private static native void newBuffer(Upcall target, int count);

  private static native void sameBuffer(Upcall target, ByteBuffer buffer, int count);

  private static native void stub(long address, int count);

  /** The foreign function interface came with Java 22: found by name, so that 17 runs the rest. */
  @Setup
  public void makeStub() throws ReflectiveOperationException {
    if (Runtime.version().feature() < 22) {
      return;
    }
    MethodHandle read =
        MethodHandles.lookup()
            .bind(this, "read", MethodType.methodType(int.class, int.class, long.class, int.class));
    Class<?> linkers = Class.forName("java.lang.foreign.Linker");
    Class<?> layouts = Class.forName("java.lang.foreign.MemoryLayout");
    Class<?> descriptors = Class.forName("java.lang.foreign.FunctionDescriptor");
    Class<?> arenas = Class.forName("java.lang.foreign.Arena");
    Class<?> options = Class.forName("java.lang.foreign.Linker$Option");
    Class<?> values = Class.forName("java.lang.foreign.ValueLayout");
    Object ofInt = values.getField("JAVA_INT").get(null);
    Object ofLong = values.getField("JAVA_LONG").get(null);
    Object parameters = Array.newInstance(layouts, 3);
    Array.set(parameters, 0, ofInt);
    Array.set(parameters, 1, ofLong);
    Array.set(parameters, 2, ofInt);
    Object descriptor =
        descriptors.getMethod("of", layouts, parameters.getClass()).invoke(null, ofInt, parameters);
    Object noOptions = Array.newInstance(options, 0);
    Object segment =
        linkers
            .getMethod("upcallStub", MethodHandle.class, descriptors, arenas, noOptions.getClass())
            .invoke(
                linkers.getMethod("nativeLinker").invoke(null),
                read,
                descriptor,
                arenas.getMethod("global").invoke(null),
                noOptions);
    Class<?> segments = Class.forName("java.lang.foreign.MemorySegment");
    stub = (long) segments.getMethod("address").invoke(segment);
  }

  @Benchmark
  public void theEnginesWay() {
    engine(this, CALLS);
  }

  @Benchmark
  public void attachOfAnAttachedThreadPerCall() {
    attachedAlready(this, CALLS);
  }

  @Benchmark
  public void attachAndDetachPerCall() {
    attachedEachTime(this, CALLS);
  }

  @Benchmark
  public void newDirectByteBufferPerCall() {
    newBuffer(this, CALLS);
  }

  @Benchmark
  public void sameDirectByteBuffer() {
    sameBuffer(this, buffer, CALLS);
  }

  @Benchmark
  public void foreignFunctionStub() {
    if (stub == 0) {
      throw new UnsupportedOperationException("the foreign function interface came with Java 22");
    }
    stub(stub, CALLS);
  }
}
