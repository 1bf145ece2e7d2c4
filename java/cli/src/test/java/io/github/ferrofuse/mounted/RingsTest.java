package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FileSystemBase;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.FuseMount;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.MountOptions.Transport;
import io.github.ferrofuse.Request;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ForkJoinPool;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Mounts whose requests come over io_uring, on a kernel that can be told to offer it. */
@Tag("mount")
@Tag("root")
class RingsTest {
  private static final Path SWITCH = Path.of("/sys/module/fuse/parameters/enable_uring");
  private static final MountOptions URING =
      MountOptions.builder().transport(Transport.URING).build();

  @RegisterExtension final Mounts mounts = new Mounts();

  /** Mounts while the kernel's switch is set; others who set it, too, wait meanwhile. */
  private FuseMount mountWhile(String value, FileSystemBase fs) throws IOException {
    assumeTrue(Files.isWritable(SWITCH), "this kernel has no FUSE over io_uring");
    try (FileChannel file =
            FileChannel.open(SWITCH, StandardOpenOption.READ, StandardOpenOption.WRITE);
        FileLock alone = file.lock()) {
      assertTrue(alone.isValid());
      String before = Files.readString(SWITCH);
      Files.writeString(SWITCH, value);
      try {
        return mounts.mount(fs, URING);
      } finally {
        Files.writeString(SWITCH, before);
      }
    }
  }

  @Test
  void aKernelThatDoesNotOfferItIsARefusalThatNamesTheSwitch() {
    IOException refusal = assertThrows(IOException.class, () -> mountWhile("N", Mounts.memory()));
    assertTrue(refusal.getMessage().contains("echo Y > " + SWITCH), refusal.getMessage());
    assertTrue(refusal.getMessage().contains("transport=dev"), refusal.getMessage());
  }

  @Test
  void filesAreWhatWasWrittenAndUnmountingUnderLoadIsClean() throws Exception {
    FuseMount mount = mountWhile("Y", Mounts.memory());
    assertEquals(Transport.URING, mount.transport());
    String done =
        Shell.python(
            """
            import concurrent.futures, hashlib, os, sys
            def work(n):
                name, total = f"{sys.argv[1]}/{n}", b""
                for size in (1, 4096, 100_000, 3_000_000):
                    data = os.urandom(size)
                    with open(name, "ab") as file:
                        file.write(data)
                    total += data
                    with open(name, "rb") as file:
                        assert file.read() == total, (n, size)
                os.mkdir(name + ".d")
                for m in range(50):
                    os.close(os.open(f"{name}.d/{m}", os.O_CREAT))
                assert len(os.listdir(name + ".d")) == 50
                return 1
            with concurrent.futures.ThreadPoolExecutor(16) as pool:
                print(sum(pool.map(work, range(16))))
            """,
            mount.mountPoint());
    assertEquals("16", done.strip());
    assertEquals(FuseMount.Unmount.CLEAN, mount.unmount(Duration.ofSeconds(10)));
    assertTrue(!mount.isAlive());
  }

  @Test
  void threadsThatAHandlerStartsRunWhereverTheProcessMay() throws Exception {
    assumeTrue(Runtime.getRuntime().availableProcessors() > 1, "one processor");
    Starting fs = new Starting();
    FuseMount mount = mountWhile("Y", fs);
    Shell.succeed("stat", mount.mountPoint().toString());
    Map<String, String> seen = fs.seen.get();
    String everywhere = processors(Path.of("/proc/self/status"));
    assertNotEquals(everywhere, seen.remove("handler"), "it is on its processor");
    for (String who : seen.keySet()) {
      assertEquals(everywhere, seen.get(who), who);
    }
    assertEquals(3, seen.size());
  }

  /** Where a thread, that of the status file, may run. */
  private static String processors(Path status) {
    try {
      return Files.readAllLines(status).stream()
          .filter(line -> line.startsWith("Cpus_allowed_list:"))
          .findAny()
          .orElseThrow();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A root directory whose attributes cost threads. */
  private static final class Starting implements InodeFileSystem {
    private final CompletableFuture<Map<String, String>> seen = new CompletableFuture<>();

    @Override
    public void getattr(Request request, long node, FileHandle handle, AttrSink out) {
      if (!seen.isDone()) {
        seen.complete(look());
      }
      out.mode(FileType.DIRECTORY.bits() | 0755).nlink(2);
    }

    private static Map<String, String> look() {
      Map<String, String> found = new TreeMap<>();
      found.put("handler", here());
      CompletableFuture<String> plain = new CompletableFuture<>();
      new Thread(() -> plain.complete(here())).start();
      found.put("a thread", plain.join());
      ExecutorService lazy = Executors.newFixedThreadPool(1);
      found.put("a pool", CompletableFuture.supplyAsync(Starting::here, lazy).join());
      lazy.shutdown();
      ForkJoinPool forks = new ForkJoinPool(2);
      found.put("a fork-join pool", forks.submit(Starting::here).join());
      forks.shutdown();
      return found;
    }

    private static String here() {
      return processors(Path.of("/proc/thread-self/status"));
    }
  }
}
