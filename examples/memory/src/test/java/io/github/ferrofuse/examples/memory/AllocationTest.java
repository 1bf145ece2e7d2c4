package io.github.ferrofuse.examples.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.sun.management.ThreadMXBean;
import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.Name;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;

/** The paths that an application runs all the time make no object. */
class AllocationTest {
  private static final int CALLS = 20_000;

  private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
  private final Client client = Client.small();
  private final Attributes out = new Attributes();
  private final ByteBuffer buffer = ByteBuffer.allocateDirect(1 << 17);

  private interface Call {
    void run(int i) throws IOException;
  }

  /**
   * Interpreted code allocates no less than compiled code, so a short warm-up is enough: it loads
   * classes.
   */
  private void assertAllocatesNothing(Call call) throws IOException {
    long before = 0;
    for (int i = -1000; i < CALLS; i++) {
      if (i == 0) {
        threads.getCurrentThreadAllocatedBytes();
        before = threads.getCurrentThreadAllocatedBytes();
      }
      call.run(i);
    }
    assertEquals(0, threads.getCurrentThreadAllocatedBytes() - before);
  }

  @Test
  void theMeasurementSeesAnObject() {
    Object[] kept = new Object[1];
    assertThrows(AssertionError.class, () -> assertAllocatesNothing(i -> kept[0] = new long[1]));
  }

  @Test
  void readingAndWriting() throws IOException {
    FileHandle file = client.create(Client.ROOT, "file", 2);
    client.write(file, Client.bytes(1 << 17, 1), 0);
    assertAllocatesNothing(
        i -> {
          buffer.clear().limit(4096);
          file.read(client.caller, buffer, (i & 31) * 4096L);
        });
    assertAllocatesNothing(
        i -> {
          buffer.clear();
          file.read(client.caller, buffer, (i & 7) * 1000L); // several chunks, the end, holes
        });
    assertAllocatesNothing(
        i -> {
          buffer.clear().limit(4096);
          file.write(client.caller, buffer, (i & 31) * 4096L);
          buffer.clear().limit(1);
          file.read(client.caller, buffer, 0); // with an access time to update
        });
  }

  @Test
  void attributesAndLookups() throws IOException {
    Name[] names = new Name[1000];
    for (int i = 0; i < names.length - 100; i++) {
      names[i] = Client.name("some file " + i);
      client.fs.symlink(client.caller, Client.ROOT, names[i], names[i], out);
    }
    for (int i = names.length - 100; i < names.length; i++) {
      names[i] = Client.name("no file " + i);
    }
    assertAllocatesNothing(i -> client.fs.getattr(client.caller, 1 + (i & 511), null, out));
    assertAllocatesNothing(
        i -> {
          if (client.fs.lookup(client.caller, Client.ROOT, names[(i & 0xffff) % 1000], out)) {
            client.fs.forget(out.node, 1);
          }
        });
    Name absent = Client.name("security.capability");
    assertAllocatesNothing(
        i -> {
          try {
            client.fs.getxattr(client.caller, Client.ROOT, absent, buffer);
          } catch (FuseException e) {
            assertEquals(Errno.ENODATA, e.errno());
          }
        });
  }
}
