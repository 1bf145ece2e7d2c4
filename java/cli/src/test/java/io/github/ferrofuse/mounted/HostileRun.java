package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.FileSystemBase;
import io.github.ferrofuse.FuseMount;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.MountOptions;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;

/**
 * A mount of a {@link HostileFileSystem} over the memory file system, and a client that provokes
 * it. Writes what each case answered to {@code hostile.txt} among the test results.
 */
final class HostileRun implements AutoCloseable {
  private static final Path TABLE = Path.of(System.getProperty("ferrofuse.results"), "hostile.txt");
  private static final AtomicBoolean BEGUN = new AtomicBoolean();
  private static final Path DROP_CACHES = Path.of("/proc/sys/vm/drop_caches");
  private static final Duration LATE = Duration.ofSeconds(20);

  private final HostileFileSystem hostile;
  private final LookupLedger ledger;
  private final FuseMount mount;
  private final HostileClient client;

  HostileRun(Mounts mounts) throws IOException {
    this(mounts, false);
  }

  /** Mounts the inode-based or the path-based form of memory. */
  HostileRun(Mounts mounts, boolean byPath) throws IOException {
    FileSystemBase mounted;
    if (byPath) {
      ledger = new LookupLedger(Mounts.memory());
      hostile = new HostileFileSystem(new ByPath(ledger.fileSystem()));
      mounted = hostile.fileSystem();
    } else {
      hostile = new HostileFileSystem(Mounts.memory());
      ledger = new LookupLedger((InodeFileSystem) hostile.fileSystem());
      mounted = ledger.fileSystem();
    }
    MountOptions options =
        MountOptions.builder()
            .attrTimeout(Duration.ZERO)
            .entryTimeout(Duration.ZERO)
            .threads(4)
            .build();
    mount = mounts.mount(mounted, options);
    client = new HostileClient(mount.mountPoint());
  }

  FuseMount mount() {
    return mount;
  }

  HostileFileSystem hostile() {
    return hostile;
  }

  HostileClient client() {
    return client;
  }

  /** Has a method misbehave once provoked; answers what the client got. */
  String provoke(String method, String what, HostileFileSystem.Misdeed misdeed) {
    return provoke(method, what, misdeed, HostileClient.provocation(method));
  }

  /** Has a method misbehave while the client does something; answers what the client got. */
  String provoke(String method, String what, HostileFileSystem.Misdeed misdeed, String python) {
    try {
      client.must("prepare()");
      hostile.arm(method, misdeed);
      String answer = client.ask(python);
      await(() -> hostile.committed() > 0, method + " was not called by " + python);
      // Releases come after the answer.
      client.ask("1");
      hostile.disarm();
      client.must("clean()");
      await(
          () -> hostile.openHandles() == 0,
          method + ", " + what + ": a handle was not released, or twice");
      write(method, what, answer);
      return answer;
    } catch (IOException e) {
      throw new UncheckedIOException(method + ", " + what, e);
    }
  }

  /** {@link #provoke} that the mount does not survive. */
  String provokeLast(String method, String what, HostileFileSystem.Misdeed misdeed)
      throws IOException {
    hostile.arm(method, misdeed);
    String answer = client.ask(HostileClient.provocation(method));
    write(method, what, answer);
    return answer;
  }

  /** The client ends, the mount comes off clean, and no lookup or handle is left. */
  void ends() throws Exception {
    assertTrue(client.ends(), "the client hangs");
    if (Files.isWritable(DROP_CACHES)) {
      long end = System.nanoTime() + LATE.toNanos();
      while (ledger.outstanding() > 0 && System.nanoTime() < end) {
        Files.writeString(DROP_CACHES, "2");
        ledger.awaitForget(Duration.ofMillis(200));
      }
      assertEquals(Map.of(), ledger.balances(), "lookups not forgotten, by node");
    }
    assertEquals(FuseMount.Unmount.CLEAN, mount.unmount(Duration.ofSeconds(10)));
    assertEquals(0, hostile.openHandles(), "handles not released");
    assertEquals(0, ledger.overdrawn(), "nodes forgotten more often than looked up");
  }

  /** Adds a line to the table. */
  static void write(String method, String what, String answer) throws IOException {
    int shown = Math.min(answer.length(), 40);
    String line = String.format("%-28s %-44s %s%n", method, what, answer.substring(0, shown));
    Files.createDirectories(TABLE.getParent());
    StandardOpenOption how =
        BEGUN.getAndSet(true) ? StandardOpenOption.APPEND : StandardOpenOption.TRUNCATE_EXISTING;
    Files.writeString(TABLE, line, StandardOpenOption.CREATE, StandardOpenOption.WRITE, how);
  }

  private static void await(BooleanSupplier event, String otherwise) {
    long end = System.nanoTime() + LATE.toNanos();
    while (!event.getAsBoolean()) {
      assertTrue(System.nanoTime() < end, otherwise);
      Thread.onSpinWait();
    }
  }

  @Override
  public void close() {
    client.close();
  }
}
