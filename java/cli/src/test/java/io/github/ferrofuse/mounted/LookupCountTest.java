package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.FuseMount;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Every entry handed out is forgotten exactly once. */
@Tag("mount")
@Tag("once")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class LookupCountTest {
  private static final Path DROP_CACHES = Path.of("/proc/sys/vm/drop_caches");
  private static final Duration LATE = Duration.ofSeconds(20);

  /** Hands out entries in all the ways there are, from several threads. */
  private static final String LOAD =
      """
      import os, sys, threading
      def load(root):
          os.mkdir(root)
          for i in range(200):
              name = f"{root}/file-{i}"
              open(name, "w").close()
              os.stat(name)
              os.path.exists(f"{root}/absent-{i}")
              if i % 4 == 0:
                  os.link(name, name + "-link")
              if i % 4 == 1:
                  os.symlink(name, name + "-symlink")
                  os.stat(name + "-symlink")
              if i % 4 == 2:
                  os.rename(name, name + "-renamed")
              if i % 4 == 3:
                  os.unlink(name)
              if i % 10 == 0:
                  os.mkdir(name + "-directory")
                  os.mkfifo(name + "-fifo")
          for i in range(3):
              for entry in os.scandir(root):
                  entry.stat(follow_symlinks=False)
      threads = [threading.Thread(target=load, args=(f"{sys.argv[1]}/{i}",)) for i in range(4)]
      [thread.start() for thread in threads]
      [thread.join() for thread in threads]
      """;

  @RegisterExtension final Mounts mounts = new Mounts();

  @Test
  @Tag("root")
  void whatTheKernelDropsFromItsCachesIsForgotten() throws Exception {
    assumeTrue(
        Files.isWritable(DROP_CACHES),
        "needs root outside a user name space, to have the kernel drop its caches");
    LookupLedger ledger = new LookupLedger(Mounts.memory());
    FuseMount mount = mounts.mount(ledger.fileSystem());
    Shell.python(LOAD, mount.mountPoint());
    long handedOut = ledger.handedOut();
    assertTrue(handedOut > 2000, "only " + handedOut + " entries were handed out");

    long end = System.nanoTime() + LATE.toNanos();
    while (ledger.outstanding() > 0 && System.nanoTime() < end) {
      // Directories go when what is in them has gone: one pass of the kernel may not be enough.
      Files.writeString(DROP_CACHES, "2");
      ledger.awaitForget(Duration.ofMillis(200));
    }
    assertEquals(0, ledger.outstanding(), "lookups not forgotten");
    assertEquals(0, ledger.overdrawn(), "nodes forgotten more often than looked up");
    Path made = mount.mountPoint().resolve("0/file-1");
    assertTrue(Files.isRegularFile(made), "what was forgotten can be looked up again");
  }

  @Test
  void unmountingForgetsNothingTwice() throws Exception {
    LookupLedger ledger = new LookupLedger(Mounts.memory());
    FuseMount mount = mounts.mount(ledger.fileSystem());
    Shell.python(LOAD, mount.mountPoint());
    assertEquals(FuseMount.Unmount.CLEAN, mount.unmount(LATE));
    assertTrue(ledger.handedOut() > 2000);
    assertEquals(0, ledger.overdrawn(), "nodes forgotten more often than looked up");
  }
}
