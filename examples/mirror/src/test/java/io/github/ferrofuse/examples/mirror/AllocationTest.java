package io.github.ferrofuse.examples.mirror;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.management.ThreadMXBean;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.OpenReply;
import io.github.ferrofuse.Request;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What an application does all the time with files whose descriptors are open makes no object. */
class AllocationTest {
  private static final int CALLS = 5_000;
  private static final int ROUNDS = 10;
  private static final int FILES = 100;

  private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
  private final ByteBuffer buffer = ByteBuffer.allocateDirect(4096);
  private final Name[] names = new Name[FILES];
  private final long[] nodes = new long[FILES];
  private final Told told = new Told();
  private MirrorFileSystem fs;

  @TempDir Path directory;

  private interface Call {
    void run(int i) throws IOException;
  }

  @BeforeEach
  void makeFiles() throws IOException {
    for (int i = 0; i < FILES; i++) {
      Files.write(directory.resolve("file " + i), new byte[i]);
      names[i] = Name.of("file " + i);
    }
    fs = MirrorFileSystem.of(directory, 2 * FILES, true);
    for (int i = 0; i < FILES; i++) {
      assertTrue(fs.lookup(null, Nodes.ROOT, names[i], told));
      nodes[i] = told.node;
    }
  }

  @AfterEach
  void close() {
    fs.destroy();
  }

  /** In the least of some rounds: the JVM itself allocates on this thread when it compiles. */
  private void assertAllocatesNothing(Call call) throws IOException {
    long least = Long.MAX_VALUE;
    for (int round = 0; round < ROUNDS && least > 0; round++) {
      long before = threads.getCurrentThreadAllocatedBytes();
      for (int i = 0; i < CALLS; i++) {
        call.run(i);
      }
      least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
    }
    assertEquals(0, least);
  }

  @Test
  void theMeasurementSeesAnObject() {
    Object[] kept = new Object[1];
    assertThrows(AssertionError.class, () -> assertAllocatesNothing(i -> kept[0] = new long[1]));
  }

  @Test
  void attributes() throws IOException {
    assertAllocatesNothing(
        i -> {
          int file = i % FILES;
          fs.getattr(null, nodes[file], null, told);
          assertEquals(file, told.size);
        });
  }

  @Test
  void lookups() throws IOException {
    assumeTrue(fs.nodes().hasHandles(), "without handles a lookup looks where the file was last");
    assertAllocatesNothing(
        i -> {
          int file = i % FILES;
          assertTrue(fs.lookup(null, Nodes.ROOT, names[file], told));
          assertEquals(nodes[file], told.node);
        });
  }

  @Test
  void readingAndWriting() throws IOException {
    FileHandle file = fs.open(null, nodes[0], 2, anyReply());
    Request somebody = somebody();
    assertAllocatesNothing(
        i -> {
          buffer.clear();
          assertEquals(4096, file.write(somebody, buffer, (i & 7) * 4096L));
          buffer.clear();
          assertEquals(4096, file.read(somebody, buffer, (i & 7) * 4096L));
        });
    file.release(null);
  }

  private static OpenReply anyReply() {
    Class<?>[] type = {OpenReply.class};
    return (OpenReply)
        Proxy.newProxyInstance(
            OpenReply.class.getClassLoader(), type, (proxy, method, arguments) -> proxy);
  }

  /** Whose writes cost no privileges. */
  private static Request somebody() {
    Class<?>[] type = {Request.class};
    return (Request)
        Proxy.newProxyInstance(
            Request.class.getClassLoader(), type, (proxy, method, arguments) -> Boolean.FALSE);
  }
}
