package io.github.ferrofuse.local;

import static io.github.ferrofuse.local.LocalFlags.O_CREAT;
import static io.github.ferrofuse.local.LocalFlags.O_RDONLY;
import static io.github.ferrofuse.local.LocalFlags.O_RDWR;
import static io.github.ferrofuse.local.LocalFlags.O_TMPFILE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileType;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class LocalCallerTest {
  private static final int UID = 61_001;
  private static final int GID = 61_002;
  private static final int OTHER = 61_003;

  abstract static class Cases extends Scratch {
    private final LocalCaller owner = LocalCaller.owner(UID, GID, 0);
    private final LocalCaller user = LocalCaller.user(UID, GID, 0);
    private List<String> before;

    @BeforeEach
    void lookAtTheThread() throws IOException {
      before = identity();
    }

    @AfterEach
    void theThreadIsItselfAgain() throws IOException {
      assertEquals(before, identity());
    }

    @Test
    void whatIsMadeBelongsToTheCaller() throws Exception {
      assumeTrue(isRoot(), "root alone makes files for others");
      dir.chmod(0777);
      for (LocalCaller caller : List.of(owner, user)) {
        dir.mkdir(name("d"), 0700, caller);
        dir.mknod(name("p"), FileType.FIFO.bits() | 0600, 0, caller);
        dir.symlink(name("l"), name("x"), caller);
        dir.openat2(name("f"), O_RDWR | O_CREAT, 0600, 0, caller).close();
        for (String made : List.of("d", "p", "l", "f")) {
          dir.statx(name(made), stat);
          assertEquals(UID, stat.uid(), made);
          assertEquals(GID, stat.gid(), made);
        }
        try (LocalFd file = dir.openat2(name("."), O_RDWR | O_TMPFILE, 0600, 0, caller)) {
          file.statx(stat);
          assertEquals(UID, stat.uid());
          assertEquals(GID, stat.gid());
        }
        dir.rmdir(name("d"));
        for (String made : List.of("p", "l", "f")) {
          dir.unlink(name(made));
        }
        dir.mkdir(name("own"), 0700, null);
        dir.statx(name("own"), stat);
        assertEquals(0, stat.uid());
        dir.rmdir(name("own"));
      }
    }

    @Test
    void theRightsThatCountAreTheCallersOrThisProcesses() throws Exception {
      assumeTrue(isRoot(), "root alone makes files for others");
      dir.chmod(0700);
      fails(Errno.EACCES, () -> dir.mkdir(name("d"), 0700, user));
      fails(Errno.EACCES, () -> dir.openat2(name("f"), O_RDWR | O_CREAT, 0600, 0, user));
      dir.mkdir(name("d"), 0700, owner);
      dir.chown(0, OTHER);
      dir.chmod(0070);
      fails(Errno.EACCES, () -> dir.mkdir(name("e"), 0700, user));
      dir.mkdir(name("e"), 0700, LocalCaller.user(UID, GID, 0, 7, OTHER));
      dir.mkdir(name("r"), 0700, LocalCaller.user(0, 0, 0));
      int device = FileType.CHARACTER_DEVICE.bits() | 0600;
      dir.chmod(0777);
      fails(Errno.EPERM, () -> dir.mknod(name("c"), device, 0x103, user));
      dir.mknod(name("c"), device, 0x103, owner);
      dir.statx(name("c"), stat);
      assertEquals(UID, stat.uid());
    }

    @Test
    void openingGoesByTheSameRights() throws Exception {
      assumeTrue(isRoot(), "root alone opens files for others");
      Files.writeString(path.resolve("secret"), "secret");
      dir.chmod(0777);
      Files.setAttribute(path.resolve("secret"), "unix:mode", 0600);
      fails(Errno.EACCES, () -> dir.openat2(name("secret"), O_RDONLY, 0, 0, user));
      dir.openat2(name("secret"), O_RDONLY, 0, 0, owner).close();
    }

    @Test
    void aSetgidDirectoryGivesItsGroup() throws Exception {
      assumeTrue(isRoot(), "root alone makes files for others");
      dir.chown(0, OTHER);
      dir.chmod(02777);
      dir.mkdir(name("d"), 0755, owner);
      dir.statx(name("d"), stat);
      assertEquals(UID, stat.uid());
      assertEquals(OTHER, stat.gid());
      assertEquals(02755, stat.mode() & 07777);
    }

    @Test
    void theUmaskYieldsToADefaultAcl() throws Exception {
      LocalCaller masked = LocalCaller.owner(own("uid"), own("gid"), 077);
      dir.openat2(name("plain"), O_RDWR | O_CREAT, 0666, 0, masked).close();
      assertEquals(0600, (int) attribute(path.resolve("plain"), "mode") & 0777);
      // rwx, rwx, r-x of acl(5), as xattrs have it: version 2, entries of tag, permissions, id
      ByteBuffer acl = ByteBuffer.allocateDirect(28).order(ByteOrder.LITTLE_ENDIAN).putInt(2);
      for (int[] entry : new int[][] {{0x01, 7}, {0x04, 7}, {0x20, 5}}) {
        acl.putShort((short) entry[0]).putShort((short) entry[1]).putInt(-1);
      }
      dir.setXattr(name("system.posix_acl_default"), acl, 0, 28, 0);
      dir.openat2(name("acl"), O_RDWR | O_CREAT, 0666, 0, masked).close();
      assertEquals(0664, (int) attribute(path.resolve("acl"), "mode") & 0777);
    }

    @Test
    @Tag("user")
    void othersAreForRootAlone() throws Exception {
      assumeTrue(!isRoot(), "root may");
      fails(Errno.EPERM, () -> dir.mkdir(name("d"), 0700, owner));
      fails(Errno.EPERM, () -> dir.mkdir(name("d"), 0700, user));
      fails(Errno.EPERM, () -> dir.mkdir(name("d"), 0700, LocalCaller.owner(own("uid"), GID, 0)));
      dir.mkdir(name("d"), 0700, LocalCaller.owner(own("uid"), own("gid"), 0));
    }

    @Test
    void noOtherThreadNotices() throws Exception {
      assumeTrue(isRoot(), "root alone makes files for others");
      dir.chmod(0777);
      LocalCaller caller = LocalCaller.user(UID, GID, 0123, OTHER);
      AtomicBoolean done = new AtomicBoolean();
      AtomicReference<List<String>> noticed = new AtomicReference<>();
      AtomicReference<Throwable> failure = new AtomicReference<>();
      Thread observer =
          new Thread(
              () -> {
                try {
                  List<String> own = identity();
                  while (!done.get()) {
                    List<String> now = identity();
                    if (!own.equals(now)) {
                      noticed.set(now);
                    }
                  }
                } catch (IOException e) {
                  failure.set(e);
                }
              });
      observer.start();
      for (int i = 0; i < 2000; i++) {
        dir.mkdir(name("d"), 0700, caller);
        dir.rmdir(name("d"));
      }
      done.set(true);
      observer.join();
      assertEquals(null, noticed.get());
      assertEquals(null, failure.get());
    }

    private int own(String attribute) throws IOException {
      return (int) attribute(path, attribute);
    }

    /** Ids, groups, capabilities and umask of the calling thread. */
    private static List<String> identity() throws IOException {
      return Files.readString(Path.of("/proc/thread-self/status"))
          .lines()
          .filter(line -> line.matches("(Uid|Gid|Groups|CapEff|Umask):.*"))
          .toList();
    }
  }

  @Nested
  class OnTmpfs extends Cases {
    @Override
    Path where() {
      return TMPFS;
    }
  }

  @Nested
  class OnDisk extends Cases {
    @Override
    Path where() {
      return DISK;
    }
  }
}
