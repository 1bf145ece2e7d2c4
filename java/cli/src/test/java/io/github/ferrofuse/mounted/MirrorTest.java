package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.MountOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What docs/mirror.md promises of a directory that is passed through: the same by its names. */
@Tag("mount")
@Timeout(value = 90, threadMode = SEPARATE_THREAD)
class MirrorTest {
  @RegisterExtension final Mirrors mirrors = new Mirrors();

  /** What the mirrors of this class are made with. */
  Map<String, String> options() {
    return Map.of();
  }

  Map<String, String> with(String name, String value) {
    Map<String, String> options = new HashMap<>(options());
    options.put(name, value);
    return options;
  }

  /** Runs a program in a new mirror; {@code back} and {@code root} are directory and mount. */
  private void run(String program) throws Exception {
    run(options(), MountOptions.defaults(), program);
  }

  void run(Map<String, String> options, MountOptions mountOptions, String program)
      throws Exception {
    Path root = mirrors.mount(options, mountOptions);
    Shell.python(
        """
import errno, os, socket, stat, subprocess, sys
back, root = sys.argv[1:]
def fails(number, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except OSError as e:
        assert e.errno == number, e
    else:
        raise AssertionError(f"no {errno.errorcode[number]}: {call} {arguments}")
def write(path, text):
    with open(path, "w") as file:
        file.write(text)
def read(path):
    with open(path) as file:
        return file.read()
def same(name):
    a, b = os.lstat(f"{back}/{name}"), os.lstat(f"{root}/{name}")
    for field in "st_mode st_ino st_nlink st_uid st_gid st_size st_rdev st_mtime_ns st_ctime_ns".split():
        assert getattr(a, field) == getattr(b, field), (name, field, a, b)
"""
            + program,
        mirrors.back(),
        root);
  }

  @Test
  void whatIsMadeHereIsMadeInTheDirectoryWithItsNumbersLinksAndTimes() throws Exception {
    run(
        """
        os.chdir(root)
        write("file", "text")
        os.link("file", "other")
        os.mkdir("directory", 0o750)
        write("directory/inner", "inner")
        os.symlink("no/such\\udcff", "link")
        os.link("link", "link2", follow_symlinks=False)
        os.mkfifo("fifo")
        socket.socket(socket.AF_UNIX).bind("socket")
        os.rename("directory", "renamed")
        os.setxattr("file", "user.colour", b"red")
        os.utime("file", ns=(1, 1234567891))
        os.chmod("file", 0o4751)
        for name in "file other renamed renamed/inner link link2 fifo socket".split():
            same(name)
        assert os.stat("file").st_nlink == 2 and os.stat("file").st_ino == os.stat("other").st_ino
        assert read(f"{back}/renamed/inner") == "inner"
        assert os.readlink("link") == os.readlink(f"{back}/link") == "no/such\\udcff"
        assert os.getxattr(f"{back}/file", "user.colour") == b"red"
        assert os.listxattr("file") == ["user.colour"]
        os.truncate("file", 2)
        assert read(f"{back}/other") == "te"
        assert sorted(os.listdir(root)) == sorted(os.listdir(back))
        for entry in list(os.scandir(root)) + list(os.scandir("renamed")):
            assert entry.inode() == entry.stat(follow_symlinks=False).st_ino, entry
        fails(errno.ENOTEMPTY, os.rmdir, "renamed")
        fails(errno.EEXIST, os.mkdir, "fifo")
        for name in "other link2 fifo socket renamed/inner".split():
            os.unlink(name)
        os.rmdir("renamed")
        assert sorted(os.listdir(back)) == ["file", "link"]
        a, b = os.statvfs(back), os.statvfs(root)
        assert (a.f_blocks, a.f_bsize, a.f_files) == (b.f_blocks, b.f_bsize, b.f_files)
        """);
  }

  @Test
  void namesThatAreNoTextAndLongOnesPass() throws Exception {
    run(
        """
        names = [b"\\xff\\xfe", b"a" * 255, "\\U0001f980".encode(), b" ", b"..."]
        for name in names:
            os.close(os.open(os.fsencode(root) + b"/" + name, os.O_CREAT | os.O_WRONLY))
        assert sorted(os.listdir(os.fsencode(back))) == sorted(names)
        assert sorted(os.listdir(os.fsencode(root))) == sorted(names)
        fails(errno.ENAMETOOLONG, os.mkdir, root + "/" + "a" * 256)
        """);
  }

  @Test
  void whoHasAFileOpenOrWorksInADirectoryKeepsItAfterItWasRemoved() throws Exception {
    run(
        with("descriptors", "1"),
        MountOptions.builder().attrTimeout(java.time.Duration.ZERO).build(),
        """
        os.chdir(root)
        os.mkdir("directory")
        os.chdir("directory")
        fd = os.open("../file", os.O_CREAT | os.O_RDWR, 0o644)
        os.write(fd, b"text")
        kept = os.open("../file", os.O_PATH)
        write("../replaced", "old")
        old = os.open("../replaced", os.O_RDONLY)
        write("../replacing", "new")
        os.rename("../replacing", "../replaced")
        os.unlink("../file")
        os.rmdir(f"{root}/directory")
        for i in range(10):
            write(f"{root}/{i}", "x") # takes the only descriptor
            os.stat(f"{root}/{i}")
        assert os.fstat(fd).st_nlink == 0 and os.fstat(kept).st_nlink == 0
        os.chmod(f"/proc/self/fd/{kept}", 0o600)
        assert stat.S_IMODE(os.fstat(fd).st_mode) == 0o600
        assert os.pread(fd, 10, 0) == b"text"
        os.truncate(f"/proc/self/fd/{kept}", 2)
        assert os.fstat(fd).st_size == 2
        assert os.pread(old, 10, 0) == b"old" and os.fstat(old).st_nlink == 0
        assert os.stat(".").st_nlink == 0 and os.listdir(".") == []
        fails(errno.ENOENT, os.mkdir, "new")
        assert read("/proc/self/fd/%d" % old) == "old"
        """);
  }

  @Test
  void aFileWithoutANameGetsOne() throws Exception {
    run(
        """
        fd = os.open(root, os.O_TMPFILE | os.O_RDWR, 0o640)
        os.write(fd, b"text")
        assert os.listdir(back) == [] and os.fstat(fd).st_nlink == 0
        os.link(f"/proc/self/fd/{fd}", f"{root}/named", src_dir_fd=fd)
        same("named")
        assert read(f"{back}/named") == "text"
        os.unlink(f"{root}/named")
        assert os.pread(fd, 9, 0) == b"text"
        """);
  }

  @Test
  void manyFilesTakeFewDescriptors() throws Exception {
    Path root = mirrors.mount(with("descriptors", "50"));
    for (int i = 0; i < 20; i++) {
      Path directory = Files.createDirectory(mirrors.back().resolve("d" + i));
      for (int k = 0; k < 100; k++) {
        Files.createFile(directory.resolve("f" + k));
      }
    }
    long before = descriptors();
    String program =
        """
        import os, sys
        files = [f"{at}/{name}" for at, _, names in os.walk(sys.argv[1]) for name in names]
        print(len(files), len({os.stat(file).st_ino for file in files}), flush=True)
        places = [os.open(file, os.O_PATH) for file in files[:500]]
        sys.stdin.readline()
        """;
    try (Shell.Talk talk = Shell.talk(program, root)) {
      assertEquals("2000 2000", talk.hear());
      long now = descriptors();
      assertTrue(now < before + 50 + 20, before + " descriptors before, now " + now);
      talk.say("");
    }
  }

  private static long descriptors() throws IOException {
    try (Stream<Path> all = Files.list(Path.of("/proc/self/fd"))) {
      return all.count();
    }
  }

  @Test
  void appendingGoesToTheEndThatTheFileHasByNow() throws Exception {
    run(
        """
        fd = os.open(f"{root}/log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.write(fd, b"one ")
        with open(f"{back}/log", "a") as file:
            file.write("two ")
        os.write(fd, b"three ")
        assert read(f"{back}/log") == "one two three ", read(f"{back}/log")
        """);
  }

  @Test
  void mappingsOfAFileThatIsOpenForAppendingAreWrittenWhereTheyAre() throws Exception {
    run(
        """
        import mmap
        write(f"{root}/log", "0123456789")
        fd = os.open(f"{root}/log", os.O_RDWR | os.O_APPEND)
        mapping = mmap.mmap(fd, 10)
        mapping[2] = ord("x")
        mapping.flush()
        os.write(fd, b"end")
        assert read(f"{back}/log") == "01x3456789end", read(f"{back}/log")
        """);
  }

  @Test
  void changesMadeInTheDirectoryShowWhenTimeoutsEndAndWhenFilesAreOpened() throws Exception {
    Path root = mirrors.mount(options());
    Path back = mirrors.back();
    Files.writeString(back.resolve("file"), "old");
    try (Client client = Client.in(root)) {
      assertEquals("old", client.ask("content('file')"));
      assertEquals("file", client.ask("names()"));
      long changed = System.nanoTime();
      Files.writeString(back.resolve("file"), "new");
      Files.writeString(back.resolve("other"), "");
      assertEquals("new", client.ask("content('file')"), "of a file that is opened");
      assertEquals("file other", client.ask("names()"), "of a directory that is opened");
      Files.writeString(back.resolve("file"), "longer");
      client.whenFresh("size('file')", "3", changed, 1000 + 1000);
      Files.delete(back.resolve("file"));
      changed = System.nanoTime();
      assertEquals("ENOENT", client.whenFresh("size('file')", "6", changed, 1000));
    }
  }

  @Test
  void aNameThatCameIntoBeingMeanwhileIsOpenedAsWhatItIs() throws Exception {
    MountOptions lasting =
        MountOptions.builder().negativeTimeout(java.time.Duration.ofHours(1)).build();
    run(
        options(),
        lasting,
        """
        fails(errno.ENOENT, os.stat, f"{root}/file")
        write(f"{back}/file", "text")
        fd = os.open(f"{root}/file", os.O_CREAT | os.O_RDWR)
        assert os.read(fd, 9) == b"text"
        fails(errno.ENOENT, os.stat, f"{root}/file2")
        write(f"{back}/file2", "text")
        fails(errno.EEXIST, os.open, f"{root}/file2", os.O_CREAT | os.O_EXCL | os.O_RDWR)
        fails(errno.ENOENT, os.stat, f"{root}/link")
        write(f"{back}/target", "text")
        os.symlink("target", f"{back}/link")
        fd = os.open(f"{root}/link", os.O_CREAT | os.O_RDWR)
        assert os.read(fd, 9) == b"text"
        """);
  }

  @Test
  void holesRangesAndCopiesAreTheFilesOwn() throws Exception {
    run(
        """
        fd = os.open(f"{root}/sparse", os.O_CREAT | os.O_RDWR)
        os.pwrite(fd, b"x", 1 << 20)
        assert os.lseek(fd, 0, os.SEEK_DATA) == 1 << 20 and os.lseek(fd, 0, os.SEEK_HOLE) == 0
        fails(errno.ENXIO, os.lseek, fd, 2 << 20, os.SEEK_DATA)
        copy = os.open(f"{root}/copy", os.O_CREAT | os.O_RDWR)
        assert os.copy_file_range(fd, copy, 10, 1 << 20, 3) == 1
        assert os.pread(copy, 9, 3) == b"x"
        os.posix_fallocate(copy, 0, 8192)
        assert os.stat(f"{back}/copy").st_size == 8192 and os.stat(f"{back}/copy").st_blocks >= 16
        os.fsync(fd)
        os.fdatasync(fd)
        directory = os.open(root, os.O_RDONLY)
        os.fsync(directory)
        """);
  }

  @Test
  void whoGoesBackInAListingFindsWhatCameThere() throws Exception {
    run(
        """
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        libc.opendir.restype = libc.readdir.restype = ctypes.c_void_p
        libc.telldir.restype = ctypes.c_long
        for i in range(3000):
            write(f"{back}/{i}", "")
        directory = ctypes.c_void_p(libc.opendir(root.encode()))
        def entry():
            position = libc.telldir(directory)
            found = libc.readdir(directory)
            # struct dirent: inode number, offset, length, type, name
            return None if found is None else (position, ctypes.string_at(found + 19))
        all = list(iter(entry, None))
        assert len(all) == 3002
        for position, name in all[::-97] + all[::101]:
            libc.seekdir(directory, ctypes.c_long(position))
            assert entry() == (position, name), name
        """);
  }
}
