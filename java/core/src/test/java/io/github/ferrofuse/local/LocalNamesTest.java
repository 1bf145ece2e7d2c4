package io.github.ferrofuse.local;

import static io.github.ferrofuse.local.LocalFlags.O_CREAT;
import static io.github.ferrofuse.local.LocalFlags.O_PATH;
import static io.github.ferrofuse.local.LocalFlags.O_RDWR;
import static io.github.ferrofuse.local.LocalFlags.O_TMPFILE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.Name;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeSet;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

class LocalNamesTest {
  abstract static class Cases extends Scratch {
    @Test
    void directoriesComeAndGo() throws Exception {
      dir.mkdir(name("d"), 0750, null);
      assertTrue(Files.isDirectory(path.resolve("d")));
      assertEquals(0750, (int) attribute(path.resolve("d"), "mode") & 0777);
      fails(Errno.EEXIST, () -> dir.mkdir(name("d"), 0750, null));
      create("d/f").close();
      fails(Errno.ENOTEMPTY, () -> dir.rmdir(name("d")));
      fails(Errno.EISDIR, () -> dir.unlink(name("d")));
      try (LocalFd d = place("d")) {
        fails(Errno.ENOTDIR, () -> d.rmdir(name("f")));
        d.unlink(name("f"));
        fails(Errno.ENOENT, () -> d.unlink(name("f")));
        dir.rmdir(name("d"));
        fails(Errno.ENOENT, () -> d.mkdir(name("x"), 0700, null));
      }
      assertFalse(Files.exists(path.resolve("d")));
    }

    @Test
    void aNameIsOneComponentThatDoesNotLeadUp() throws Exception {
      Files.createDirectory(path.resolve("d"));
      Files.writeString(path.resolve("d/f"), "");
      for (String bad : new String[] {"", "..", "d/f", "/etc", "f/", "a\0b"}) {
        Name name = name(bad);
        fails(Errno.EINVAL, () -> dir.mkdir(name, 0700, null));
        fails(Errno.EINVAL, () -> dir.mknod(name, FileType.FIFO.bits() | 0600, 0, null));
        fails(Errno.EINVAL, () -> dir.symlink(name, name("x"), null));
        fails(Errno.EINVAL, () -> dir.link(dir, name));
        fails(Errno.EINVAL, () -> dir.unlink(name));
        fails(Errno.EINVAL, () -> dir.rmdir(name));
        fails(Errno.EINVAL, () -> dir.rename(name, dir, name("x"), 0));
        fails(Errno.EINVAL, () -> dir.rename(name("d"), dir, name, 0));
        fails(Errno.EINVAL, () -> dir.statx(name, stat));
      }
      Name tooLong = name("x".repeat(256));
      fails(Errno.ENAMETOOLONG, () -> dir.mkdir(tooLong, 0700, null));
      fails(Errno.ENAMETOOLONG, () -> dir.unlink(tooLong));
      dir.mkdir(name("x".repeat(255)), 0700, null);
    }

    @Test
    void fifosAndSocketsAreMade() throws Exception {
      dir.mknod(name("fifo"), FileType.FIFO.bits() | 0640, 0, null);
      dir.mknod(name("socket"), FileType.SOCKET.bits() | 0600, 0, null);
      dir.mknod(name("file"), FileType.REGULAR.bits() | 0600, 0, null);
      dir.statx(name("fifo"), stat);
      assertEquals(FileType.FIFO.bits() | 0640, stat.mode());
      dir.statx(name("socket"), stat);
      assertEquals(FileType.SOCKET, FileType.ofMode(stat.mode()));
      dir.statx(name("file"), stat);
      assertEquals(FileType.REGULAR, FileType.ofMode(stat.mode()));
      fails(Errno.EEXIST, () -> dir.mknod(name("fifo"), FileType.FIFO.bits() | 0600, 0, null));
    }

    @Test
    void devicesAreForWhoMayMakeThem() throws Exception {
      int rdev = 0x12 | 0x345 << 8 | 0x67800000; // major 0x345, minor 0x67812
      int mode = FileType.CHARACTER_DEVICE.bits() | 0600;
      if (!isRoot()) {
        fails(Errno.EPERM, () -> dir.mknod(name("device"), mode, rdev, null));
        return;
      }
      dir.mknod(name("device"), mode, rdev, null);
      dir.statx(name("device"), stat);
      assertEquals(mode, stat.mode());
      assertEquals(Integer.toHexString(rdev), Integer.toHexString(stat.rdev()));
      String said = said("stat", "-c", "%t,%T", path.resolve("device").toString());
      assertEquals("345,67812", said);
    }

    @Test
    void symbolicLinksHaveAnyTarget() throws Exception {
      Name target = Name.of(new byte[] {'/', (byte) 0xff, '.', '.', '/', 'x'});
      dir.symlink(name("link"), target, null);
      try (LocalFd link = place("link")) {
        int length = link.readlink(buffer, 7, 100);
        byte[] read = new byte[length];
        buffer.get(7, read);
        assertEquals(target, Name.of(read));
        assertThrows(
            IllegalArgumentException.class, () -> link.readlink(ByteBuffer.allocate(9), 0, 9));
        assertThrows(
            IndexOutOfBoundsException.class, () -> link.readlink(buffer, buffer.limit(), 1));
        fails(Errno.EINVAL, () -> link.readlink(buffer, 0, 0));
      }
      fails(Errno.EEXIST, () -> dir.symlink(name("link"), target, null));
      fails(Errno.ENOENT, () -> dir.symlink(name("none"), name(""), null));
      fails(Errno.EINVAL, () -> dir.symlink(name("nul"), name("a\0"), null));
      dir.symlink(name("long"), name("y".repeat(4095)), null);
      fails(Errno.ENAMETOOLONG, () -> dir.symlink(name("longer"), name("y".repeat(4096)), null));
      try (LocalFd link = place("long")) {
        assertEquals(4095, link.readlink(buffer, 0, 5000));
      }
      try (LocalFd file = create("file")) {
        fails(Errno.ENOENT, () -> file.readlink(buffer, 0, 100));
      }
    }

    @Test
    void aFileGetsMoreNames() throws Exception {
      create("file").close();
      Files.createDirectory(path.resolve("d"));
      dir.symlink(name("link"), name("file"), null);
      try (LocalFd file = place("file");
          LocalFd link = place("link");
          LocalFd d = place("d")) {
        file.link(d, name("second"));
        assertEquals(2, attribute(path.resolve("file"), "nlink"));
        assertEquals(
            attribute(path.resolve("file"), "ino"), attribute(path.resolve("d/second"), "ino"));
        link.link(d, name("link"));
        assertTrue(Files.isSymbolicLink(path.resolve("d/link")), "the link, not its target");
        fails(Errno.EEXIST, () -> file.link(d, name("second")));
        fails(Errno.EPERM, () -> d.link(dir, name("no")));
        dir.unlink(name("file"));
        d.unlink(name("second"));
        fails(Errno.ENOENT, () -> file.link(d, name("late")));
      }
    }

    @Test
    void aFileWithoutANameGetsOne() throws Exception {
      try (LocalFd file = dir.openat2(name("."), O_RDWR | O_TMPFILE, 0600, 0, null)) {
        assertEquals(5, file.pwrite(buffer, 0, put("hello"), 0));
        file.statx(stat);
        assertEquals(0, stat.nlink());
        file.link(dir, name("named"));
      }
      assertEquals("hello", Files.readString(path.resolve("named")));
    }

    @Test
    void filesAreRenamedAsTheFlagsSay() throws Exception {
      Files.writeString(path.resolve("a"), "A");
      Files.writeString(path.resolve("b"), "B");
      Files.createDirectory(path.resolve("d"));
      try (LocalFd d = place("d")) {
        fails(
            Errno.EEXIST, () -> dir.rename(name("a"), dir, name("b"), LocalFlags.RENAME_NOREPLACE));
        dir.rename(name("a"), dir, name("b"), LocalFlags.RENAME_EXCHANGE);
        assertEquals("B", Files.readString(path.resolve("a")));
        assertEquals("A", Files.readString(path.resolve("b")));
        dir.rename(name("a"), d, name("c"), LocalFlags.RENAME_NOREPLACE);
        assertEquals("B", Files.readString(path.resolve("d/c")));
        d.rename(name("c"), dir, name("b"), 0);
        assertEquals("B", Files.readString(path.resolve("b")));
        fails(Errno.ENOENT, () -> dir.rename(name("a"), dir, name("b"), 0));
        fails(Errno.EINVAL, () -> dir.rename(name("b"), dir, name("c"), 1 << 20));
        fails(Errno.EINVAL, () -> dir.rename(name("d"), d, name("below"), 0));
        fails(Errno.ENOTDIR, () -> dir.rename(name("d"), dir, name("b"), 0));
        fails(Errno.EISDIR, () -> dir.rename(name("b"), dir, name("d"), 0));
        try (LocalFd elsewhere = LocalFd.open(Path.of("/proc"), O_PATH)) {
          fails(Errno.EXDEV, () -> dir.rename(name("b"), elsewhere, name("b"), 0));
        }
      }
    }

    @Test
    void entriesAreReadFromAnyCookie() throws Exception {
      Map<String, FileType> made = new HashMap<>();
      for (int i = 0; i < 300; i++) {
        String text = "entry-" + i + "-" + "x".repeat(i % 200);
        Files.createFile(path.resolve(text));
        made.put(text, FileType.REGULAR);
      }
      dir.mkdir(name("d"), 0700, null);
      made.put("d", FileType.DIRECTORY);
      dir.symlink(name("l"), name("x"), null);
      made.put("l", FileType.SYMLINK);
      made.put(".", FileType.DIRECTORY);
      made.put("..", FileType.DIRECTORY);
      LocalEntries entries = new LocalEntries(LocalEntries.MIN_BYTES);
      Map<String, FileType> found = new HashMap<>();
      Map<Long, String> after = new HashMap<>();
      long last = 0;
      while (dir.readEntries(entries)) {
        while (entries.next()) {
          String text = entries.name().toString();
          after.put(last, text);
          last = entries.cookie();
          found.put(text, entries.type());
          if (!text.equals("..")) {
            assertEquals(attribute(path.resolve(text), "ino"), entries.ino(), text);
          }
        }
      }
      assertEquals(made, found);
      assertFalse(dir.readEntries(entries), "still at the end");
      assertFalse(entries.next());
      for (Map.Entry<Long, String> place : after.entrySet()) {
        dir.seek(place.getKey(), LocalFlags.SEEK_SET);
        assertTrue(dir.readEntries(entries) && entries.next());
        assertEquals(place.getValue(), entries.name().toString());
      }
      assertEquals(made.keySet(), new TreeSet<>(after.values()));
    }

    @Test
    void entriesThatFailToComeLeaveNone() throws Exception {
      LocalEntries entries = new LocalEntries(1 << 12);
      assertTrue(dir.readEntries(entries));
      try (LocalFd file = create("file");
          LocalFd place = place(".")) {
        fails(Errno.ENOTDIR, () -> file.readEntries(entries));
        assertFalse(entries.next());
        fails(Errno.EBADF, () -> place.readEntries(entries));
      }
      assertThrows(IllegalArgumentException.class, () -> new LocalEntries(1023));
    }

    @Test
    void theUmaskIsTheProcessesUnlessACallerHasOne() throws Exception {
      int own = Integer.parseInt(said("sh", "-c", "umask"), 8);
      dir.mkdir(name("own"), 0777, null);
      assertEquals(0777 & ~own, (int) attribute(path.resolve("own"), "mode") & 0777);
      int uid = (int) attribute(path, "uid");
      int gid = (int) attribute(path, "gid");
      LocalCaller caller = LocalCaller.owner(uid, gid, 0);
      dir.mkdir(name("open"), 0777, caller);
      assertEquals(0777, (int) attribute(path.resolve("open"), "mode") & 0777);
      dir.openat2(name("file"), O_RDWR | O_CREAT, 0666, 0, LocalCaller.owner(uid, gid, 0135))
          .close();
      assertEquals(0642, (int) attribute(path.resolve("file"), "mode") & 0777);
      dir.mkdir(name("again"), 0777, null);
      assertEquals(0777 & ~own, (int) attribute(path.resolve("again"), "mode") & 0777);
      assertEquals(own, Integer.parseInt(said("sh", "-c", "umask"), 8));
    }

    private static String said(String... command) throws Exception {
      Process process = new ProcessBuilder(command).start();
      String output = new String(process.getInputStream().readAllBytes());
      assertEquals(0, process.waitFor());
      return output.strip();
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
