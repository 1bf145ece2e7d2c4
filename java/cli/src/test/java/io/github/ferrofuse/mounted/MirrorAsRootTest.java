package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.MountOptions;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A directory that is passed through to several users, or is on several devices. */
@Tag("mount")
@Tag("root")
@Timeout(value = 90, threadMode = SEPARATE_THREAD)
class MirrorAsRootTest {
  @RegisterExtension final Mirrors mirrors = new Mirrors();

  private static final String PROGRAM =
      """
      import errno, os, stat, subprocess, sys
      back, root = sys.argv[1:]
      os.chmod(back, 0o777)
      def as_user(uid, gid, groups, call):
          child = os.fork()
          if child == 0:
              try:
                  os.setgroups(groups)
                  os.setresgid(gid, gid, gid)
                  os.setresuid(uid, uid, uid)
                  call()
                  os._exit(0)
              except BaseException as e:
                  print(repr(e), flush=True)
                  os._exit(1)
          assert os.waitpid(child, 0)[1] == 0
      def fails(number, call, *arguments):
          try:
              call(*arguments)
          except OSError as e:
              assert e.errno == number, e
          else:
              raise AssertionError(f"no {errno.errorcode[number]}: {call} {arguments}")
      def make(at):
          os.close(os.open(f"{at}/file", os.O_CREAT | os.O_WRONLY, 0o666))
          os.mkdir(f"{at}/directory", 0o777)
          os.symlink("x", f"{at}/link")
          os.mkfifo(f"{at}/fifo", 0o666)
          os.close(os.open(f"{at}/read-only", os.O_CREAT | os.O_WRONLY, 0o444))
      MADE = "file directory link fifo read-only".split()
      def shape(path):
          s = os.lstat(path)
          return oct(s.st_mode), s.st_uid, s.st_gid
      """;

  /** What the kernel knows stays until it is told otherwise. */
  private static final MountOptions LASTING =
      MountOptions.builder()
          .attrTimeout(Duration.ofHours(1))
          .entryTimeout(Duration.ofHours(1))
          .build();

  private void run(Map<String, String> options, MountOptions mountOptions, String program)
      throws Exception {
    Path root = mirrors.mount(options, mountOptions);
    Shell.python(PROGRAM + program, mirrors.back(), root);
  }

  private void run(String program) throws Exception {
    run(Map.of(), Mirrors.forOthers(), program);
  }

  @Test
  void whatIsMadeBelongsToWhoMakesItAsInTheDirectoryItself() throws Exception {
    run(
        """
for case, (mode, group) in enumerate([(0o777, 0), (0o2777, 50), (0o770, 51)]):
    for at in (back, root):
        os.mkdir(f"{at}/{case}-{at == root}")
        os.chown(f"{at}/{case}-{at == root}", 0, group)
        os.chmod(f"{at}/{case}-{at == root}", mode)
    for umask in (0, 0o27):
        def both():
            os.umask(umask)
            make(f"{back}/{case}-False")
            make(f"{root}/{case}-True")
        as_user(1000, 1001, [51, 52], both)
        for name in MADE:
            a, b = shape(f"{back}/{case}-False/{name}"), shape(f"{back}/{case}-True/{name}")
            assert a == b and a[1] == 1000, (case, name, a, b)
            for at in (f"{back}/{case}-False", f"{back}/{case}-True"):
                os.rmdir(f"{at}/{name}") if name == "directory" else os.unlink(f"{at}/{name}")
""");
  }

  @Test
  void defaultAclsAreInheritedAndUmasksIgnoredAsInTheDirectoryItself() throws Exception {
    run(
        """
subprocess.run(["setfacl", "-m", "d:u:1002:rwx,d:g::r-x,d:o::---", back], check=True)
def both():
    os.umask(0o77)
    os.mkdir(f"{back}/a")
    os.mkdir(f"{root}/b")
    make(f"{back}/a")
    make(f"{root}/b")
as_user(1000, 1001, [], both)
acl = lambda path: subprocess.run(["getfacl", "-cpn", path], check=True, capture_output=True).stdout
for name in ["."] + MADE:
    a, b = f"{back}/a/{name}", f"{root}/b/{name}"
    assert shape(a) == shape(b), (name, shape(a), shape(b))
    assert name == "link" or acl(a) == acl(b), (name, acl(a), acl(b))
fd = os.open(f"{root}/b/file", os.O_WRONLY)
os.write(fd, b"text")
def allowed():
    assert open(f"{root}/b/file").read() == "text"
as_user(1002, 1003, [], allowed)
as_user(1003, 1003, [], lambda: fails(errno.EACCES, open, f"{root}/b/file"))
""");
  }

  @Test
  void permissionsHoldAlsoForANameThatCameIntoBeingMeanwhile() throws Exception {
    run(
        Map.of(),
        MountOptions.builder()
            .allowOther(true)
            .defaultPermissions(true)
            .negativeTimeout(java.time.Duration.ofHours(1))
            .build(),
        """
fails(errno.ENOENT, os.stat, f"{root}/file")
with open(f"{back}/file", "w") as file:
    file.write("secret")
os.chmod(f"{back}/file", 0o600)
as_user(1000, 1000, [], lambda: fails(errno.EACCES, os.open, f"{root}/file", os.O_CREAT | os.O_RDWR))
assert open(f"{back}/file").read() == "secret"
""");
  }

  @Test
  void writesCostSetuidAndSetgidAsInTheDirectoryItself() throws Exception {
    run(
        """
        def write(path):
            with open(path, "r+") as file:
                file.write("x")
        def give(path):
            os.chown(path, -1, 1001)
        changes = [write, lambda path: os.truncate(path, 0), give]
        for uid in (0, 1000):
            for mode in (0o6777, 0o2767, 0o4766):
                for number, change in enumerate(changes):
                    for at in (back, root):
                        path = f"{at}/{uid}-{mode}-{number}-{at == root}"
                        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
                        os.chown(path, 1000, 1002)
                        os.chmod(path, mode)
                        as_user(uid, 1001, [], lambda: change(path))
                    shapes = {shape(f"{back}/{uid}-{mode}-{number}-{it}") for it in (True, False)}
                    assert len(shapes) == 1, (uid, oct(mode), number, shapes)
        """);
  }

  @Test
  void aTrustedAttributeIsForRootAlone() throws Exception {
    run(
        """
        open(f"{root}/file", "w").close()
        os.setxattr(f"{root}/file", "trusted.x", b"1")
        assert os.listxattr(f"{root}/file") == ["trusted.x"]
        def others():
            assert os.listxattr(f"{root}/file") == []
            fails(errno.ENODATA, os.getxattr, f"{root}/file", "trusted.x")
        as_user(1000, 1000, [], others)
        """);
  }

  @Test
  void numbersOfSeveralDevicesDifferAndNothingIsLinkedAcross() throws Exception {
    Path back = mirrors.back();
    for (String device : new String[] {"one", "two"}) {
      Path point = java.nio.file.Files.createDirectory(back.resolve(device));
      Shell.succeed("mount", "-t", "tmpfs", "tmpfs", point.toString());
    }
    run(
        """
paths = [f"{root}/file"] + [f"{root}/{d}/{f}" for d in ("one", "two") for f in ("file", "other")]
for path in paths:
    with open(path, "w") as file:
        file.write(path)
natively = {os.stat(path.replace(root, back)).st_ino for path in paths}
numbers = {os.stat(path).st_ino for path in paths}
assert len(natively) < len(paths), "the devices have no numbers in common"
assert len(numbers) == len(paths) and len({os.stat(path).st_dev for path in paths}) == 1
for entry in os.scandir(f"{root}/one"):
    assert entry.inode() == entry.stat().st_ino
for path in paths:
    assert open(path).read() == path
fails(errno.EXDEV, os.rename, f"{root}/one/file", f"{root}/two/new")
fails(errno.EXDEV, os.link, f"{root}/one/file", f"{root}/two/new")
""");
  }

  @Test
  void whatIsMountedAndHasNoHandlesIsFoundFromItsMountPointWhichHas() throws Exception {
    Path inner = mirrors.back().resolve("one/inner");
    Shell.succeed(
        "sh",
        "-ec",
        "mkdir \"$1\"; mount -t tmpfs tmpfs \"$1\"; mkdir \"$0\"; mount -t ramfs ramfs \"$0\"",
        inner.toString(),
        inner.getParent().toString());
    run(
        Map.of("descriptors", "1"),
        MountOptions.builder().attrTimeout(Duration.ZERO).build(),
        """
        os.makedirs(f"{back}/one/inner/x/y")
        for i in range(40):
            os.mkdir(f"{back}/{i}")
        os.chdir(f"{root}/one/inner/x/y")
        for i in range(40):
            os.stat(f"{root}/{i}")
        assert os.stat(".").st_mtime_ns == os.stat(f"{back}/one/inner/x/y").st_mtime_ns
        """);
  }

  @Test
  void aDeviceThatIsMountedMeanwhileIsSeenAndComesOffWhenItsFilesAreForgotten() throws Exception {
    Path back = mirrors.back();
    Path point = java.nio.file.Files.createDirectory(back.resolve("point"));
    Path root = mirrors.mount(Map.of());
    try (Client client = Client.in(root)) {
      assertEquals("", client.ask("names('point')"));
      long changed = System.nanoTime();
      Shell.succeed("mount", "-t", "tmpfs", "tmpfs", point.toString());
      java.nio.file.Files.writeString(point.resolve("file"), "text");
      assertEquals("file", client.whenFresh("names('point')", "", changed, 1000));
      assertEquals("text", client.ask("content('point/file')"));
      Shell.succeed("sh", "-c", "echo 2 > /proc/sys/vm/drop_caches");
      Shell.succeed(
          "sh",
          "-c",
          "for i in $(seq 100); do umount $0 2>/dev/null && exit 0; sleep 0.1; done; exit 1",
          point.toString());
      assertEquals("", client.whenFresh("names('point')", "file", System.nanoTime(), 1000));
    }
  }

  @Test
  void flagsOfChattrPass() throws Exception {
    Shell.Ended has =
        Shell.run("sh", "-c", "touch $0/x && chattr +A $0/x; rm $0/x", mirrors.back().toString());
    org.junit.jupiter.api.Assumptions.assumeTrue(
        !has.output().contains("not supported"), "no such flags: " + has.output());
    run(
        Map.of(),
        LASTING,
        """
open(f"{root}/file", "w").close()
subprocess.run(["chattr", "+Ai", f"{root}/file"], check=True)
flags = lambda path: subprocess.run(["lsattr", path], check=True, capture_output=True, text=True).stdout.split()[0]
assert flags(f"{root}/file") == flags(f"{back}/file")
assert "A" in flags(f"{back}/file") and "i" in flags(f"{back}/file")
fails(errno.EPERM, os.unlink, f"{root}/file")
# that it has changed shows before attributes are asked for again by themselves
time = lambda of: os.stat(f"{of}/file").st_ctime_ns
while time(root) != time(back):
    pass
subprocess.run(["chattr", "-i", f"{root}/file"], check=True)
os.unlink(f"{root}/file")
""");
  }
}
