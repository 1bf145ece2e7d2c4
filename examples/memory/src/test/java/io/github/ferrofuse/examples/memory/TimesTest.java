package io.github.ferrofuse.examples.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.FileHandle;
import java.io.IOException;
import java.nio.ByteBuffer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Which operation changes which time: those that POSIX marks for update, and no others. */
class TimesTest {
  private static final int O_RDWR = 2;
  private static final int O_TRUNC = 01000;
  private static final int O_NOATIME = 01000000;
  private static final long PAST = 1_000_000L;

  private final Client client = Client.small();
  private long dir;
  private long other;
  private long file;

  private interface Action {
    void run() throws IOException;
  }

  @BeforeEach
  void files() throws IOException {
    dir = client.mkdir(Client.ROOT, "dir");
    other = client.mkdir(Client.ROOT, "other");
    file = client.mkfile(dir, "file");
    client.write(file, Client.bytes("content"), 0);
  }

  /** Asserts which of a node's times an action changes: letters of "amc". */
  private void assertChanges(long node, String expected, Action action) throws IOException {
    client.setattr(node, Change.of().times(PAST, PAST));
    Attributes before = client.stat(node);
    waitForTick(before.ctime);
    action.run();
    Attributes after = client.stat(node);
    String changed =
        (after.atime != before.atime ? "a" : "")
            + (after.mtime != before.mtime ? "m" : "")
            + (after.ctime != before.ctime ? "c" : "");
    assertEquals(expected, changed);
    long now = new Clock().now();
    assertTrue(Math.abs(now - after.ctime) < 60_000_000_000L, "the present");
  }

  private static void waitForTick(long past) {
    Clock clock = new Clock();
    while (clock.now() <= past + 1_000_000) {
      Thread.onSpinWait();
    }
  }

  @Test
  void aNewFileHasOneTimeAndItsDirectoryChanges() throws IOException {
    Attributes made = client.stat(client.mkfile(dir, "new"));
    assertEquals(made.atime, made.mtime);
    assertEquals(made.atime, made.ctime);
    assertChanges(dir, "mc", () -> client.mkfile(dir, "f"));
    assertChanges(dir, "mc", () -> client.mkdir(dir, "d"));
    assertChanges(dir, "mc", () -> client.symlink(dir, "s", "x"));
    assertChanges(dir, "mc", () -> client.mknod(dir, "n", 0010644, 0));
    assertChanges(dir, "mc", () -> client.create(dir, "c", O_RDWR));
    assertChanges(dir, "mc", () -> client.link(file, dir, "l"));
    assertChanges(dir, "", () -> client.lookup(dir, "f"));
    assertChanges(dir, "", () -> client.create(dir, "f", O_RDWR));
  }

  @Test
  void removingANameChangesTheDirectoryAndTheLinkCountsTime() throws IOException {
    client.link(file, dir, "a");
    client.link(file, dir, "b");
    assertChanges(dir, "mc", () -> client.unlink(dir, "a"));
    assertChanges(file, "c", () -> client.unlink(dir, "b"));
    assertChanges(file, "c", () -> client.link(file, dir, "c"));
    client.mkdir(dir, "d");
    assertChanges(dir, "mc", () -> client.rmdir(dir, "d"));
  }

  @Test
  void renamingChangesBothDirectoriesAndTheFilesChangeTime() throws IOException {
    assertChanges(dir, "mc", () -> client.rename(dir, "file", other, "file", 0));
    assertChanges(dir, "mc", () -> client.rename(other, "file", dir, "file", 0));
    assertChanges(file, "c", () -> client.rename(dir, "file", dir, "x", 0));
    client.mkfile(other, "y");
    assertChanges(file, "c", () -> client.rename(dir, "x", other, "y", 2));
    assertChanges(dir, "mc", () -> client.rename(other, "y", dir, "x", 2));
    assertChanges(file, "c", () -> client.rename(other, "y", dir, "x", 2));
    assertChanges(file, "c", () -> client.rename(other, "y", dir, "x", 2));
    long replaced = client.lookup(other, "y");
    client.link(replaced, other, "z");
    assertChanges(replaced, "c", () -> client.rename(dir, "x", other, "y", 0));
  }

  @Test
  void writingChangesContentAndAttributes() throws IOException {
    assertChanges(file, "mc", () -> client.write(file, Client.bytes("x"), 0));
    assertChanges(file, "", () -> client.write(file, Client.bytes(""), 0));
    assertChanges(file, "mc", () -> client.setattr(file, Change.of().size(3)));
    assertChanges(file, "mc", () -> client.setattr(file, Change.of().size(3)));
    assertChanges(file, "mc", () -> client.open(file, O_RDWR | O_TRUNC));
    FileHandle handle = client.open(file, O_RDWR);
    assertChanges(file, "mc", () -> handle.fallocate(client.caller, 0, 0, 10));
    assertChanges(file, "mc", () -> handle.fallocate(client.caller, 3, 0, 10));
    assertChanges(dir, "", () -> client.write(file, Client.bytes("x"), 0));
  }

  @Test
  void attributesChangeTheChangeTime() throws IOException {
    assertChanges(file, "c", () -> client.setattr(file, Change.of().mode(0100600)));
    assertChanges(file, "c", () -> client.setattr(file, Change.of().uid(5)));
    assertChanges(file, "c", () -> client.setattr(file, Change.of().gid(5)));
    assertChanges(file, "c", () -> client.setxattr(file, "user.a", Client.bytes("x"), 0));
    assertChanges(
        file, "c", () -> client.fs.removexattr(client.caller, file, Client.name("user.a")));
    assertChanges(file, "", () -> client.open(file, O_RDWR));
    assertChanges(file, "amc", () -> client.setattr(file, Change.of().timesNow()));
    assertEquals(client.stat(file).ctime, client.stat(file).atime);
    assertEquals(client.stat(file).ctime, client.stat(file).mtime);
    assertChanges(file, "amc", () -> client.setattr(file, Change.of().times(-5, 5)));
    assertEquals(-5_000_000_000L + 7, client.stat(file).atime);
    assertEquals(5_000_000_007L, client.stat(file).mtime);
  }

  @Test
  void readingUpdatesTheAccessTimeOnceUntilTheFileChanges() throws IOException {
    assertChanges(file, "a", () -> client.read(file, 0, 10));
    waitForTick(client.stat(file).atime);
    long access = client.stat(file).atime;
    client.read(file, 0, 10);
    assertEquals(access, client.stat(file).atime);
    client.write(file, Client.bytes("x"), 0);
    client.read(file, 0, 10);
    assertTrue(client.stat(file).atime > access);
    assertChanges(dir, "a", () -> client.list(dir));
    long link = client.symlink(dir, "link", "x");
    assertChanges(
        link, "a", () -> client.fs.readlink(client.caller, link, ByteBuffer.allocate(10)));
  }

  @Test
  void anAccessTimeOfADayAgoIsUpdated() {
    long day = 24L * 60 * 60;
    Times times = new Times(0);
    times.accessed(1); // after the last change
    assertTrue(!times.accessIsDue(day - 1));
    assertTrue(times.accessIsDue(day));
  }

  @Test
  void openingWithoutAccessTimeDoesNotUpdateIt() throws IOException {
    FileHandle handle = client.open(file, O_NOATIME);
    assertChanges(file, "", () -> client.read(handle, 0, 10));
  }

  @Test
  void readingUpdatesTheAccessTimeAsTheOptionSays() throws IOException {
    Action read = () -> client.read(file, 0, 10);
    Action list = () -> client.list(dir);
    client.fs.accessTimes(AccessTimes.NOATIME);
    assertChanges(file, "", read);
    assertChanges(dir, "", list);
    client.fs.accessTimes(AccessTimes.RELATIME);
    assertChanges(file, "a", read);
    assertChanges(dir, "a", list);
    long first = client.stat(file).atime;
    waitForTick(first);
    read.run();
    assertEquals(first, client.stat(file).atime);
    client.fs.accessTimes(AccessTimes.STRICTATIME);
    read.run();
    assertTrue(client.stat(file).atime > first);
  }
}
