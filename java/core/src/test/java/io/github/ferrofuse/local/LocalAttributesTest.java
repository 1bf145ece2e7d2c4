package io.github.ferrofuse.local;

import static io.github.ferrofuse.local.LocalFlags.UTIME_NOW;
import static io.github.ferrofuse.local.LocalFlags.UTIME_OMIT;
import static io.github.ferrofuse.local.LocalFlags.XATTR_CREATE;
import static io.github.ferrofuse.local.LocalFlags.XATTR_REPLACE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.Name;
import java.nio.ByteBuffer;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

class LocalAttributesTest {
  private static final int FS_NODUMP_FL = 0x40;
  private static final int FS_APPEND_FL = 0x20;

  abstract static class Cases extends Scratch {
    @Test
    void attributesAreThoseOfStat() throws Exception {
      long before = System.currentTimeMillis() / 1000;
      Path file = path.resolve("file");
      Files.writeString(file, "x".repeat(5000));
      Files.createLink(path.resolve("second"), file);
      Files.setAttribute(file, "unix:mode", 0751);
      dir.statx(name("file"), stat);
      assertEquals(attribute(file, "mode"), stat.mode());
      assertEquals(FileType.REGULAR.bits() | 0751, stat.mode());
      assertEquals(attribute(file, "ino"), stat.ino());
      assertEquals(attribute(file, "nlink"), stat.nlink());
      assertEquals(attribute(file, "uid"), stat.uid());
      assertEquals(attribute(file, "gid"), stat.gid());
      assertEquals(5000, stat.size());
      long dev = (long) attribute(file, "dev");
      assertEquals(dev >> 8 & 0xfff, stat.device() >>> 32);
      assertEquals(dev & 0xff | dev >> 12 & 0xfff00, stat.device() & 0xffffffffL);
      assertEquals(16, stat.blocks());
      assertTrue(stat.blksize() >= 512, "block size " + stat.blksize());
      assertEquals(attribute(file, "lastModifiedTime"), time(true));
      assertEquals(attribute(file, "ctime"), time(false));
      assertTrue(stat.hasBtime());
      long birth = stat.btimeSeconds();
      assertTrue(birth >= before && birth <= stat.ctimeSeconds(), birth + " after " + before);
      assertTrue(stat.btimeNanos() >= 0 && stat.btimeNanos() < 1_000_000_000);
      assertTrue(stat.hasMountId());
      assertTrue(mountIds().contains(stat.mountId()), stat.mountId() + " " + mountIds());
    }

    @Test
    void attributesOfAPlaceAreItsOwn() throws Exception {
      dir.symlink(name("link"), name("target-of-21-letters!"), null);
      for (LocalFd fd : List.of(place("link"), create("file"), place("."))) {
        fd.statx(stat);
        long ino = stat.ino();
        fd.close();
        assertTrue(ino > 0);
      }
      try (LocalFd link = place("link")) {
        link.statx(stat);
        assertEquals(FileType.SYMLINK, FileType.ofMode(stat.mode()));
        assertEquals(21, stat.size());
      }
      dir.statx(name("link"), stat);
      assertEquals(FileType.SYMLINK, FileType.ofMode(stat.mode()));
      dir.statx(name("."), stat);
      assertEquals(attribute(path, "ino"), stat.ino());
      fails(Errno.ENOENT, () -> dir.statx(name("absent"), stat));
      try (LocalFd file = place("file")) {
        fails(Errno.ENOTDIR, () -> file.statx(name("x"), stat));
      }
    }

    @Test
    void permissionsChangeByPlaceAndByDescriptor() throws Exception {
      try (LocalFd file = create("file");
          LocalFd place = place("file")) {
        file.chmod(0600);
        assertEquals(0600, (int) attribute(path.resolve("file"), "mode") & 07777);
        place.chmod(FileType.REGULAR.bits() | 04711);
        assertEquals(04711, (int) attribute(path.resolve("file"), "mode") & 07777);
      }
      dir.symlink(name("link"), name("file"), null);
      try (LocalFd link = place("link")) {
        fails(Errno.EOPNOTSUPP, () -> link.chmod(0777));
        assertEquals(04711, (int) attribute(path.resolve("file"), "mode") & 07777);
      }
    }

    @Test
    void ownersChangeForWhoMay() throws Exception {
      dir.symlink(name("link"), name("file"), null);
      try (LocalFd file = create("file");
          LocalFd place = place("file");
          LocalFd link = place("link")) {
        file.chown(-1, -1);
        if (!isRoot()) {
          fails(Errno.EPERM, () -> file.chown(0, -1));
          return;
        }
        file.chown(1234, -1);
        place.chown(-1, 4321);
        link.chown(5, 6);
        assertEquals(1234, attribute(path.resolve("file"), "uid"));
        assertEquals(4321, attribute(path.resolve("file"), "gid"));
        assertEquals(5, attribute(path.resolve("link"), "uid"));
        assertEquals(6, attribute(path.resolve("link"), "gid"));
      }
    }

    @Test
    void timesAreSetOneByOne() throws Exception {
      dir.symlink(name("link"), name("file"), null);
      long before = System.currentTimeMillis() / 1000 - 1;
      try (LocalFd file = create("file");
          LocalFd place = place("file");
          LocalFd link = place("link")) {
        for (LocalFd fd : List.of(file, place, link)) {
          fd.utimens(-5, 123_456_789, 1L << 33, 999_999_999);
          fd.statx(stat);
          assertEquals(-5, stat.atimeSeconds());
          assertEquals(123_456_789, stat.atimeNanos());
          assertEquals(1L << 33, stat.mtimeSeconds());
          assertEquals(999_999_999, stat.mtimeNanos());
          fd.utimens(0, UTIME_OMIT, 0, UTIME_NOW);
          fd.statx(stat);
          assertEquals(-5, stat.atimeSeconds());
          assertTrue(stat.mtimeSeconds() > before && stat.mtimeSeconds() < 1L << 33);
          fails(Errno.EINVAL, () -> fd.utimens(0, 1_000_000_000, 0, 0));
          fails(Errno.EINVAL, () -> fd.utimens(0, 0, 0, -1));
        }
        // Those of the link are not its target's
        link.utimens(7, 0, 7, 0);
        file.statx(stat);
        assertEquals(-5, stat.atimeSeconds());
      }
    }

    @Test
    void figuresAreThoseOfTheFileSystem() throws Exception {
      FileStore store = Files.getFileStore(path);
      try (LocalFd place = place(".")) {
        for (LocalFd fd : List.of(dir, place)) {
          LocalStatfs found = fd.statfs();
          assertEquals(store.getTotalSpace(), found.blocks() * found.blockSize());
          assertTrue(found.blocksFree() <= found.blocks());
          assertTrue(found.blocksAvailable() <= found.blocksFree());
          assertTrue(found.filesFree() <= found.files());
          assertEquals(255, found.nameLength());
          assertEquals(where() == TMPFS ? 0x01021994 : 0xEF53, found.type());
        }
      }
      // Another file system's, so that no constant would do
      try (LocalFd proc = LocalFd.open(Path.of("/proc"), LocalFlags.O_PATH)) {
        assertEquals(0x9fa0, proc.statfs().type());
      }
    }

    @Test
    void inodeFlagsAreThoseOfChattr() throws Exception {
      try (LocalFd file = create("file");
          LocalFd place = place("file")) {
        int flags = file.inodeFlags();
        assertEquals(0, flags & FS_NODUMP_FL);
        file.setInodeFlags(flags | FS_NODUMP_FL);
        assertEquals(flags | FS_NODUMP_FL, file.inodeFlags());
        file.setInodeFlags(flags);
        assertEquals(flags, file.inodeFlags());
        if (!isRoot()) {
          fails(Errno.EPERM, () -> file.setInodeFlags(flags | FS_APPEND_FL));
        }
        fails(Errno.EBADF, place::inodeFlags);
      }
      try (LocalFd proc = LocalFd.open(Path.of("/proc/version"), LocalFlags.O_RDONLY)) {
        fails(Errno.ENOTTY, proc::inodeFlags);
      }
    }

    @Test
    void extendedAttributesAreKeptByPlaceAndByDescriptor() throws Exception {
      Name attribute = name(prefix() + "test");
      try (LocalFd file = create("file");
          LocalFd place = place("file")) {
        for (LocalFd fd : List.of(file, place)) {
          fails(Errno.ENODATA, () -> fd.getXattr(attribute, buffer, 0, 100));
          fails(Errno.ENODATA, () -> fd.removeXattr(attribute));
          fails(Errno.ENODATA, () -> fd.setXattr(attribute, buffer, 0, 1, XATTR_REPLACE));
          fd.setXattr(attribute, buffer, 0, put("value"), XATTR_CREATE);
          fails(Errno.EEXIST, () -> fd.setXattr(attribute, buffer, 0, 1, XATTR_CREATE));
          assertEquals(5, fd.getXattr(attribute, buffer, 10, 0), "asked for the size");
          buffer.put(10, (byte) 'x');
          assertEquals(5, fd.getXattr(attribute, buffer, 10, 5));
          assertEquals('v', buffer.get(10));
          assertEquals('e', buffer.get(14));
          fails(Errno.ERANGE, () -> fd.getXattr(attribute, buffer, 0, 4));
          assertTrue(fd.xattrNames().contains(attribute));
          int size = fd.listXattrs(buffer, 0, 0);
          assertEquals(size, fd.listXattrs(buffer, 0, 1000));
          assertTrue(text(size).contains(attribute + "\0"));
          fails(Errno.ERANGE, () -> fd.listXattrs(buffer, 0, size - 1));
          fd.setXattr(attribute, buffer, 0, 0, XATTR_REPLACE);
          assertEquals(0, fd.getXattr(attribute, buffer, 0, 100));
          fd.removeXattr(attribute);
        }
        assertEquals(List.of(), withPrefix(file));
      }
    }

    @Test
    void namesOfAttributesAndTheirBuffersAreChecked() throws Exception {
      try (LocalFd file = create("file")) {
        Name tooLong = name(prefix() + "x".repeat(300));
        fails(Errno.ERANGE, () -> file.getXattr(tooLong, buffer, 0, 10));
        fails(Errno.EINVAL, () -> file.getXattr(name("user.a\0b"), buffer, 0, 10));
        fails(Errno.EOPNOTSUPP, () -> file.getXattr(name("nonsense.x"), buffer, 0, 10));
        Name name = name(prefix() + "x");
        ByteBuffer heap = ByteBuffer.allocate(10);
        ByteBuffer readOnly = buffer.asReadOnlyBuffer();
        assertThrows(IllegalArgumentException.class, () -> file.getXattr(name, heap, 0, 1));
        assertThrows(IllegalArgumentException.class, () -> file.setXattr(name, heap, 0, 1, 0));
        assertThrows(IllegalArgumentException.class, () -> file.listXattrs(readOnly, 0, 1));
        assertThrows(IllegalArgumentException.class, () -> file.getXattr(name, readOnly, 0, 1));
        assertThrows(IndexOutOfBoundsException.class, () -> file.getXattr(name, buffer, 1, 65536));
      }
    }

    @Test
    void attributesOfASymbolicLinkAreItsOwn() throws Exception {
      create("file").close();
      dir.symlink(name("link"), name("file"), null);
      try (LocalFd file = place("file");
          LocalFd link = place("link")) {
        // Links have no user attributes: xattr(7)
        fails(Errno.EPERM, () -> link.setXattr(name("user.x"), buffer, 0, 1, 0));
        if (isRoot()) {
          link.setXattr(name("trusted.x"), buffer, 0, 1, 0);
          assertEquals(List.of(name("trusted.x")), withPrefix(link));
        }
        assertEquals(List.of(), withPrefix(file));
      }
    }

    @Test
    void listsGrowWithTheNames() throws Exception {
      try (LocalFd file = create("file")) {
        assertEquals(List.of(), withPrefix(file));
        Set<Name> names = new HashSet<>();
        for (int i = 0; i < 40; i++) {
          Name name = name(prefix() + "attribute-" + i);
          file.setXattr(name, buffer, 0, 0, 0);
          names.add(name);
        }
        assertEquals(names, new HashSet<>(withPrefix(file)));
      }
    }

    /** What this file system and user have: tmpfs got user attributes with Linux 6.6 only. */
    private static String prefix() throws Exception {
      return isRoot() ? "trusted." : "user.";
    }

    private static List<Name> withPrefix(LocalFd fd) throws Exception {
      return fd.xattrNames().stream()
          .filter(name -> name.startsWith("user.") || name.startsWith("trusted."))
          .toList();
    }

    private FileTime time(boolean modified) {
      long seconds = modified ? stat.mtimeSeconds() : stat.ctimeSeconds();
      int nanos = modified ? stat.mtimeNanos() : stat.ctimeNanos();
      return FileTime.from(
          TimeUnit.SECONDS.toNanos(seconds) + nanos, TimeUnit.NANOSECONDS); // until 2262
    }

    private static Set<Long> mountIds() throws Exception {
      Set<Long> ids = new HashSet<>();
      for (String line : Files.readAllLines(Path.of("/proc/self/mountinfo"))) {
        ids.add(Long.parseLong(line.substring(0, line.indexOf(' '))));
      }
      return ids;
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
