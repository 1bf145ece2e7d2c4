package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.MountOptions;
import java.io.IOException;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What an application sees of names and attributes that change behind the kernel's back. */
@Tag("mount")
@Tag("once")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class NameCachingTest {
  private static final long SHORT = 200;
  private static final Duration SHORTLY = Duration.ofMillis(SHORT);
  private static final Duration LONG = Duration.ofHours(1);

  @RegisterExtension final Mounts mounts = new Mounts();

  private final ChangingFileSystem fs = new ChangingFileSystem();
  private Client client;

  @BeforeEach
  void files() {
    fs.put("file", "old").put("other", "other");
  }

  @AfterEach
  void end() {
    if (client != null) {
      client.close();
    }
  }

  /** Mounts with timeouts for names and for attributes. */
  private void mount(Duration names, Duration attributes) throws IOException {
    mount(MountOptions.builder().entryTimeout(names).attrTimeout(attributes));
  }

  private void mount(MountOptions.Builder options) throws IOException {
    client = Client.in(mounts.mount(fs, options.build()).mountPoint());
  }

  // ---- attributes ----

  @Test
  void attributesAreNotAskedForAgainWithinTheirTimeout() throws Exception {
    mount(LONG, LONG);
    assertEquals("3", client.ask("size('file')"));
    int asked = fs.asked("getattr") + fs.asked("lookup");
    fs.change("file", "longer");
    for (int i = 0; i < 100; i++) {
      assertEquals("3", client.ask("size('file')"));
    }
    assertEquals(asked, fs.asked("getattr") + fs.asked("lookup"));
  }

  @Test
  void attributesAreNeverOlderThanTheirTimeout() throws Exception {
    mount(LONG, SHORTLY);
    assertEquals("3", client.ask("size('file')"));
    long changed = fs.change("file", "longer");
    assertEquals("6", client.whenFresh("size('file')", "3", changed, SHORT));
  }

  @Test
  void withoutATimeoutAttributesAreAskedForEachTime() throws Exception {
    mount(LONG, Duration.ZERO);
    assertEquals("3", client.ask("size('file')"));
    for (int length = 1; length <= 50; length++) {
      fs.change("file", "x".repeat(length));
      assertEquals("" + length, client.ask("size('file')"));
    }
  }

  @Test
  void aReplysTimeoutOfAttributesGoesBeforeTheMounts() throws Exception {
    mount(LONG, LONG);
    fs.attrTimeout = 0;
    assertEquals("3", client.ask("size('file')"));
    fs.change("file", "longer");
    assertEquals("6", client.ask("size('file')"));

    fs.attrTimeout = LONG.toNanos();
    assertEquals("5", client.ask("size('other')"));
    fs.change("other", "longer");
    assertEquals("5", client.ask("size('other')"));
  }

  @Test
  void whatIsChangedThroughTheMountIsSeenAtOnce() throws Exception {
    mount(LONG, LONG);
    assertEquals("3", client.ask("size('file')"));
    client.ask("os.truncate(p('file'), 10)");
    assertEquals("10", client.ask("size('file')"));
    client.ask("fd = rw('file')");
    client.ask("os.pwrite(fd, b'x' * 20, 0)");
    assertEquals("20", client.ask("size('file')"));
    client.ask("os.utime(p('file'), (5, 5))");
    assertEquals("5.0", client.ask("os.stat(p('file')).st_mtime"));
  }

  // ---- names ----

  @Test
  void namesAreNotLookedUpAgainWithinTheirTimeout() throws Exception {
    mount(LONG, Duration.ZERO);
    assertEquals("3", client.ask("size('file')"));
    int lookups = fs.asked("lookup");
    for (int i = 0; i < 100; i++) {
      assertEquals("3", client.ask("size('file')"));
    }
    assertEquals(lookups, fs.asked("lookup"));
  }

  @Test
  void aNameThatIsGoneIsSeenNoLongerThanItsTimeout() throws Exception {
    mount(SHORTLY, LONG);
    assertEquals("3", client.ask("size('file')"));
    fs.remove("file");
    assertEquals("ENOENT", client.whenFresh("size('file')", "3", System.nanoTime(), SHORT));
  }

  @Test
  void aNameLeadsToWhatItLedToNoLongerThanItsTimeout() throws Exception {
    mount(SHORTLY, LONG);
    assertEquals("3", client.ask("size('file')"));
    client.ask("fd = rw('file')");
    fs.put("file", "another");
    assertEquals("7", client.whenFresh("size('file')", "3", System.nanoTime(), SHORT));
    assertEquals("3", client.ask("os.fstat(fd).st_size"), "the open file is still the one before");
  }

  @Test
  void aReplysTimeoutOfANameGoesBeforeTheMounts() throws Exception {
    mount(LONG, LONG);
    fs.entryTimeout = 0;
    assertEquals("3", client.ask("size('file')"));
    fs.put("file", "another");
    assertEquals("7", client.ask("size('file')"));

    fs.entryTimeout = LONG.toNanos();
    assertEquals("5", client.ask("size('other')"));
    fs.put("other", "another");
    assertEquals("5", client.ask("size('other')"));
  }

  @Test
  void namesChangedThroughTheMountAreSeenAtOnce() throws Exception {
    mount(MountOptions.builder().entryTimeout(LONG).attrTimeout(LONG).negativeTimeout(LONG));
    assertEquals("ENOENT", client.ask("size('new')"));
    client.ask("os.close(rw('new', os.O_CREAT))");
    assertEquals("0", client.ask("size('new')"));
    client.ask("os.rename(p('file'), p('moved'))");
    assertEquals("ENOENT", client.ask("size('file')"));
    assertEquals("3", client.ask("size('moved')"));
    client.ask("os.unlink(p('other'))");
    assertEquals("ENOENT", client.ask("size('other')"));
  }

  // ---- names that do not exist ----

  @Test
  void theAbsenceOfANameIsNotRememberedUnlessItIsAskedFor() throws Exception {
    mount(LONG, LONG);
    assertEquals("ENOENT", client.ask("size('new')"));
    fs.put("new", "new");
    assertEquals("3", client.ask("size('new')"));
  }

  @Test
  void theAbsenceOfANameIsRememberedForTheMountsTimeout() throws Exception {
    mount(MountOptions.builder().negativeTimeout(LONG));
    assertEquals("ENOENT", client.ask("size('new')"));
    fs.put("new", "new");
    int lookups = fs.asked("lookup");
    for (int i = 0; i < 100; i++) {
      assertEquals("ENOENT", client.ask("size('new')"));
    }
    assertEquals(lookups, fs.asked("lookup"));
  }

  @Test
  void theAbsenceOfANameIsNeverBelievedLongerThanItsTimeout() throws Exception {
    mount(MountOptions.builder().negativeTimeout(SHORTLY));
    assertEquals("ENOENT", client.ask("size('new')"));
    fs.put("new", "new");
    assertEquals("3", client.whenFresh("size('new')", "ENOENT", System.nanoTime(), SHORT));
  }

  @Test
  void aReplysTimeoutOfAbsenceGoesBeforeTheMounts() throws Exception {
    mount(MountOptions.builder().negativeTimeout(LONG));
    fs.negativeTimeout = 0;
    assertEquals("ENOENT", client.ask("size('new')"));
    fs.put("new", "new");
    assertEquals("3", client.ask("size('new')"));

    fs.negativeTimeout = SHORTLY.toNanos();
    assertEquals("ENOENT", client.ask("size('newer')"));
    int lookups = fs.asked("lookup");
    fs.put("newer", "newer");
    long changed = System.nanoTime();
    assertEquals("5", client.whenFresh("size('newer')", "ENOENT", changed, SHORT));
    assertEquals(lookups + 1, fs.asked("lookup"), "it was looked up once, when that was over");
  }

  @Test
  void aReplyCanRememberAnAbsenceWhereTheMountDoesNot() throws Exception {
    mount(LONG, LONG);
    fs.negativeTimeout = LONG.toNanos();
    assertEquals("ENOENT", client.ask("size('new')"));
    fs.put("new", "new");
    int lookups = fs.asked("lookup");
    assertEquals("ENOENT", client.ask("size('new')"));
    assertEquals(lookups, fs.asked("lookup"));
  }

  // ---- symbolic links ----

  @Test
  void theTargetOfALinkIsReadEachTime() throws Exception {
    fs.link("link", "file");
    mount(LONG, LONG);
    assertEquals("old", client.ask("content('link')"));
    fs.changeUnseen("link", "other");
    assertEquals("other", client.ask("content('link')"));
    assertTrue(fs.asked("readlink") >= 2);
  }

  @Test
  void underCacheSymlinksATargetIsReadOnceAndNewLinksAreFollowed() throws Exception {
    fs.link("link", "file");
    mount(MountOptions.builder().entryTimeout(LONG).attrTimeout(LONG).cacheSymlinks(true));
    assertEquals("old", client.ask("content('link')"));
    fs.changeUnseen("link", "other");
    for (int i = 0; i < 100; i++) {
      assertEquals("old", client.ask("content('link')"));
    }
    assertEquals(1, fs.asked("readlink"));
    client.ask("os.unlink(p('link'))");
    client.ask("os.symlink('other', p('link'))");
    assertEquals("other", client.ask("content('link')"));
  }
}
