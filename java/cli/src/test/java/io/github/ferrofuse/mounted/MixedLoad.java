package io.github.ferrofuse.mounted;

import io.github.ferrofuse.Accounts;
import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileSystemBase;
import io.github.ferrofuse.Fuse;
import io.github.ferrofuse.FuseMount;
import io.github.ferrofuse.MountOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;

/** A program of its own: mounts, is used in every way there is, unmounts. */
final class MixedLoad {
  /** What is printed when everything went well. */
  static final String DONE = "mixed load: done";

  private static final String LOAD =
      """
      import os, sys, threading
      root = sys.argv[1]
      def load(number):
          base = f"{root}/{number}"
          os.mkdir(base)
          for i in range(60):
              name = f"{base}/{i}"
              fd = os.open(name, os.O_CREAT | os.O_RDWR)
              os.pwrite(fd, os.urandom(200_000), i)
              os.fsync(fd)
              assert len(os.pread(fd, 200_000, i)) == 200_000
              os.posix_fallocate(fd, 0, 300_000)
              os.ftruncate(fd, 1000)
              os.close(fd)
              os.setxattr(name, "user.name", b"value" * 100)
              assert len(os.getxattr(name, "user.name")) == 500
              assert os.listxattr(name) == ["user.name"]
              os.removexattr(name, "user.name")
              os.chmod(name, 0o600)
              os.utime(name, ns=(1, 2))
              os.link(name, name + "-link")
              os.symlink(name, name + "-symlink")
              assert os.readlink(name + "-symlink") == name
              os.rename(name + "-link", name + "-renamed")
              os.unlink(name)
              os.path.exists(name)
              os.access(base, os.R_OK)
              os.statvfs(base)
              assert len(list(os.scandir(base))) == 2 * (i + 1)
      threads = [threading.Thread(target=load, args=(number,)) for number in range(4)]
      [thread.start() for thread in threads]
      [thread.join() for thread in threads]
      """;

  private static final String ERRORS =
      """
import errno, os, sys
for i in range(100):
    for name, expected in (("errno", errno.EPERM), ("defect", errno.EIO), ("none", errno.ENOENT)):
        try:
            open(f"{sys.argv[1]}/{name}").close()
        except OSError as e:
            assert e.errno == expected, (name, e)
""";

  private MixedLoad() {}

  /** Mounts on the two directories given, file systems of both kinds, one after the other. */
  public static void main(String[] directories) throws Exception {
    MountOptions options = MountOptions.builder().attrTimeout(Duration.ZERO).build();
    for (FileSystemBase memory : List.of(Mounts.memory(), new PathMemory())) {
      try (FuseMount mount = Fuse.mount(memory, Path.of(directories[0]), options)) {
        use(mount.mountPoint());
      }
    }
    for (FileSystemBase failing : List.of(failing(), new ByPath(failing()))) {
      try (FuseMount mount = Fuse.mount(failing, Path.of(directories[1]), options)) {
        Shell.python(ERRORS, mount.mountPoint());
      }
    }
    askForAccounts();
    System.out.println(DONE);
  }

  private static void use(Path root) throws Exception {
    Shell.python(LOAD, root);
    try (Stream<Path> all = Files.walk(root)) {
      all.forEach(path -> {});
    }
    System.gc();
    Shell.python(LOAD.replace("{number}", "again-{number}"), root);
  }

  private static ScriptedFileSystem failing() {
    return new ScriptedFileSystem()
        .file(
            "errno",
            (flags, out) -> {
              throw Errno.EPERM.exception();
            })
        .file(
            "defect",
            (flags, out) -> {
              throw new IllegalStateException("a defect, for the test");
            });
  }

  private static void askForAccounts() throws IOException {
    Accounts accounts = new Accounts(1, Duration.ZERO);
    for (int id = 0; id < 100; id++) {
      accounts.userId(accounts.userName(id).orElse("nobody of " + id));
      accounts.groupId(accounts.groupName(id).orElse("nobody of " + id));
    }
  }
}
