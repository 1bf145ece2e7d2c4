package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.FuseMount;
import io.github.ferrofuse.Metrics;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.MountOptions.Readdirplus;
import io.github.ferrofuse.OpenReply;
import io.github.ferrofuse.Operation;
import java.io.IOException;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What listings ask for, and what the kernel keeps of them. */
@Tag("mount")
@Tag("once")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class ListingCacheTest {
  private static final int FILES = 1000;
  private static final long SHORT = 200;
  private static final Duration SHORTLY = Duration.ofMillis(SHORT);
  private static final Duration LONG = Duration.ofHours(1);

  @RegisterExtension final Mounts mounts = new Mounts();

  private final ChangingFileSystem fs = new ChangingFileSystem();
  private FuseMount mount;
  private Client client;

  @AfterEach
  void end() {
    if (client != null) {
      client.close();
    }
  }

  private void mount(Duration attributes, MountOptions.Builder options) throws IOException {
    mount = mounts.mount(fs, options.entryTimeout(LONG).attrTimeout(attributes).build());
    client = Client.in(mount.mountPoint());
  }

  // ---- readdirplus ----

  private void mountMany(Readdirplus choice) throws IOException {
    for (int i = 0; i < FILES; i++) {
      fs.put("file-" + i, "");
    }
    mount(LONG, MountOptions.builder().readdirplus(choice).metrics(true));
  }

  private void list() throws IOException {
    assertEquals("" + FILES, client.ask("len(os.listdir(root))"));
  }

  /** Lists, and looks at each entry as it comes. */
  private void listInFull() throws IOException {
    assertEquals("0", client.ask("sum(entry.stat().st_size for entry in os.scandir(root))"));
  }

  /** How many requests there were; those of a client that waits for nothing have been counted. */
  private long count(Operation operation) throws InterruptedException {
    Metrics metrics = mount.metrics();
    while (metrics.inFlight() > 0) {
      Thread.sleep(1);
      metrics = mount.metrics();
    }
    return metrics.of(operation).count();
  }

  @Test
  void readdirplusAlwaysAsksForNothingElse() throws Exception {
    mountMany(Readdirplus.ALWAYS);
    list();
    long listing = count(Operation.READDIRPLUS);
    assertTrue(listing >= 2, "requests: " + listing);
    assertEquals(0, count(Operation.READDIR));
    listInFull();
    assertEquals(2 * listing, count(Operation.READDIRPLUS), "the same once more");
    assertEquals(0, count(Operation.READDIR));
    assertEquals(0, count(Operation.LOOKUP));
    assertEquals(0, fs.asked("getattr"), "but for the root's");
  }

  @Test
  void readdirplusNeverLooksUpEachNameThatIsLookedAt() throws Exception {
    mountMany(Readdirplus.NEVER);
    list();
    assertEquals(0, count(Operation.LOOKUP));
    long listing = count(Operation.READDIR);
    listInFull();
    assertEquals(0, count(Operation.READDIRPLUS));
    assertEquals(2 * listing, count(Operation.READDIR));
    assertEquals(FILES, count(Operation.LOOKUP));
  }

  @Test
  void readdirplusAutoStopsAfterTheFirstRequestWhereNobodyLooks() throws Exception {
    mountMany(Readdirplus.AUTO);
    list();
    assertEquals(1, count(Operation.READDIRPLUS));
    assertTrue(count(Operation.READDIR) >= 2);
  }

  @Test
  void readdirplusAutoGoesOnWhereSomebodyLooks() throws Exception {
    mountMany(Readdirplus.AUTO);
    listInFull();
    long plus = count(Operation.READDIRPLUS);
    long lookups = count(Operation.LOOKUP);
    assertTrue(plus >= 2, "READDIRPLUS: " + plus);
    assertTrue(lookups < FILES / 2, "LOOKUP: " + lookups);
  }

  // ---- cached listings ----

  private void mountCached(Duration attributes, MountOptions.Builder options) throws IOException {
    fs.dirOpening = out -> out.cacheDir().keepCache();
    fs.put("a", "").put("b", "");
    mount(attributes, options);
    assertEquals("a b", client.ask("names()"));
  }

  private int listings() {
    return fs.asked("readdir") + fs.asked("readdirplus");
  }

  @Test
  void aListingIsReadEachTime() throws Exception {
    fs.put("a", "");
    mount(LONG, MountOptions.builder());
    assertEquals("a", client.ask("names()"));
    fs.putUnseen("b", "");
    assertEquals("a b", client.ask("names()"));
  }

  @Test
  void aCachedListingIsReadOnce() throws Exception {
    mountCached(Duration.ZERO, MountOptions.builder());
    int listings = listings();
    fs.putUnseen("c", "");
    for (int i = 0; i < 100; i++) {
      assertEquals("a b", client.ask("names()"));
    }
    assertEquals(listings, listings());
  }

  @Test
  void aCachedListingIsDroppedByChangesThroughTheMount() throws Exception {
    mountCached(LONG, MountOptions.builder());
    client.ask("os.close(rw('new', os.O_CREAT))");
    assertEquals("a b new", client.ask("names()"));
    client.ask("os.unlink(p('a'))");
    assertEquals("b new", client.ask("names()"));
    client.ask("os.rename(p('b'), p('z'))");
    assertEquals("new z", client.ask("names()"));
    int listings = listings();
    assertEquals("new z", client.ask("names()"));
    assertEquals(listings, listings(), "the fresh listing is cached, too");
  }

  @Test
  void aCachedListingFollowsTheDirectorysMtimeWithinTheTimeoutOfAttributes() throws Exception {
    mountCached(SHORTLY, MountOptions.builder());
    fs.put("c", "");
    long changed = System.nanoTime();
    assertEquals("a b c", client.whenFresh("names()", "a b", changed, SHORT));
  }

  @Test
  void aCachedListingFollowsTheDirectorysMtimeAtOnceWithoutATimeout() throws Exception {
    mountCached(Duration.ZERO, MountOptions.builder());
    StringBuilder all = new StringBuilder("a b");
    for (char name = 'c'; name < 'z'; name++) {
      fs.put("" + name, "");
      all.append(' ').append(name);
      assertEquals(all.toString(), client.ask("names()"));
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void whoRewindsACachedListingSeesChangesWhereTheKernelLooks(boolean shares) throws Exception {
    fs.shares = shares;
    mountCached(Duration.ZERO, MountOptions.builder());
    client.ask("fd = os.open(root, os.O_RDONLY)");
    assertEquals("a b", client.ask("relisted(fd)"));
    fs.put("c", "");
    assertEquals(shares ? "a b c" : "a b", client.ask("relisted(fd)"));
    client.ask("os.fstat(fd)");
    assertEquals("a b c", client.ask("relisted(fd)"));
  }

  @Test
  void aCachedListingThatIsNotKeptEndsWithTheNextOpen() throws Exception {
    fs.dirOpening = OpenReply::cacheDir;
    fs.put("a", "");
    mount(LONG, MountOptions.builder());
    assertEquals("a", client.ask("names()"));
    fs.putUnseen("b", "");
    assertEquals("a b", client.ask("names()"));
  }
}
