package io.github.ferrofuse.mounted;

import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/** A process that provokes the calls of each method of a file system, and tells what it got. */
final class HostileClient implements AutoCloseable {
  /** Method of the file system -> Python that makes the kernel call it. */
  static final Map<String, String> PROVOCATIONS =
      Map.ofEntries(
          Map.entry("InodeFileSystem.lookup", "os.stat(p('file'))"),
          Map.entry("InodeFileSystem.forget", "os.unlink(p('victim'))"),
          Map.entry("InodeFileSystem.getattr", "os.fstat(fd)"),
          Map.entry("InodeFileSystem.setattr", "os.chmod(p('file'), 0o600)"),
          Map.entry("InodeFileSystem.readlink", "os.readlink(p('link'))"),
          Map.entry("InodeFileSystem.symlink", "os.symlink('target', p('new'))"),
          Map.entry("InodeFileSystem.mknod", "os.mkfifo(p('new'))"),
          Map.entry("InodeFileSystem.mkdir", "os.mkdir(p('new'))"),
          Map.entry("InodeFileSystem.unlink", "os.unlink(p('victim'))"),
          Map.entry("InodeFileSystem.rmdir", "os.rmdir(p('victims'))"),
          Map.entry("InodeFileSystem.rename", "os.rename(p('victim'), p('new'))"),
          Map.entry("InodeFileSystem.link", "os.link(p('file'), p('new'))"),
          Map.entry("InodeFileSystem.open", "os.close(os.open(p('file'), os.O_RDWR))"),
          Map.entry(
              "InodeFileSystem.create",
              "os.close(os.open(p('new'), os.O_RDWR | os.O_CREAT | os.O_EXCL))"),
          Map.entry("InodeFileSystem.tmpfile", "os.close(os.open(root, os.O_TMPFILE | 2))"),
          Map.entry("InodeFileSystem.opendir", "os.close(os.open(p('dir'), os.O_DIRECTORY))"),
          Map.entry("InodeFileSystem.statfs", "os.statvfs(p(''))"),
          Map.entry("InodeFileSystem.setxattr", "os.setxattr(p('file'), 'user.new', b'v')"),
          Map.entry("InodeFileSystem.getxattr", "os.getxattr(p('file'), 'user.x')"),
          Map.entry("InodeFileSystem.listxattr", "os.listxattr(p('file'))"),
          Map.entry("InodeFileSystem.removexattr", "os.removexattr(p('file'), 'user.x')"),
          Map.entry("InodeFileSystem.access", "os.chdir(p('dir'))"),
          Map.entry("FileHandle.concurrency", "os.close(os.open(p('file'), os.O_RDWR))"),
          Map.entry("FileHandle.read", "os.pread(fd, 100, 0)"),
          Map.entry("FileHandle.write", "os.pwrite(fd, b'data', 0)"),
          Map.entry("FileHandle.flush", "os.close(os.dup(fd))"),
          Map.entry("FileHandle.fsync", "os.fsync(fd)"),
          Map.entry("FileHandle.poll", "polled(fd)"),
          Map.entry("FileHandle.fallocate", "os.posix_fallocate(fd, 0, 100)"),
          Map.entry("FileHandle.lseek", "os.lseek(fd, 0, os.SEEK_DATA) and None"),
          Map.entry("FileHandle.copyFileRange", "os.copy_file_range(fd, fd, 2, 0, 2)"),
          Map.entry("FileHandle.ioctl", "fcntl.ioctl(fd, 0x6601)"),
          Map.entry("FileHandle.setLock", "fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)"),
          Map.entry("FileHandle.getLock", "fcntl.fcntl(fd, fcntl.F_GETLK, LOCK)"),
          Map.entry("FileHandle.release", "os.close(os.open(p('file'), os.O_RDWR))"),
          Map.entry("DirHandle.read", "os.listdir(p('dir'))"),
          Map.entry("DirHandle.fsync", "os.fsync(dirfd)"),
          Map.entry("DirHandle.ioctl", "fcntl.ioctl(dirfd, 0x6601)"),
          Map.entry("DirHandle.release", "os.close(os.open(p('dir'), os.O_DIRECTORY))"));

  /** What a path-based file system and its open files have otherwise, or alone. */
  private static final Map<String, String> BY_PATH_ALONE =
      Map.ofEntries(
          Map.entry("FuseFileSystem.getattr", "os.stat(p('file'))"),
          Map.entry("FuseFileSystem.readdir", "os.listdir(p('dir'))"),
          Map.entry("OpenFile.link", "named(os.open(root, os.O_TMPFILE | 2))"),
          Map.entry("OpenFile.getattr", "nameless(os.fstat)"),
          Map.entry("OpenFile.setattr", "os.ftruncate(fd, 2)"),
          Map.entry("OpenFile.reopen", "nameless(reopen)"),
          Map.entry("OpenFile.setxattr", "nameless(lambda f: os.setxattr(f, 'user.x', b'v'))"),
          Map.entry("OpenFile.getxattr", "nameless(lambda f: os.getxattr(f, 'user.x'))"),
          Map.entry("OpenFile.listxattr", "nameless(os.listxattr)"),
          Map.entry("OpenFile.removexattr", "nameless(lambda f: os.removexattr(f, 'user.x'))"));

  /** The same for a path-based file system. */
  static final Map<String, String> PATH_PROVOCATIONS = byPath();

  /** What both APIs have is provoked in the same way; only nodes have lookups. */
  private static Map<String, String> byPath() {
    Map<String, String> provocations = new HashMap<>();
    PROVOCATIONS.forEach(
        (method, python) -> {
          String path =
              method
                  .replace("InodeFileSystem.", "FuseFileSystem.")
                  .replace("FileHandle.", "OpenFile.");
          provocations.put(path, python);
        });
    provocations
        .keySet()
        .removeIf(
            method ->
                method.startsWith("DirHandle.")
                    || method.equals("FuseFileSystem.lookup")
                    || method.equals("FuseFileSystem.forget"));
    provocations.putAll(BY_PATH_ALONE);
    return Map.copyOf(provocations);
  }

  private static final String PROGRAM =
      """
      import errno, fcntl, os, select, struct, sys
      LOCK = struct.pack('hhqqi', fcntl.F_WRLCK, 0, 0, 10, 0)
      root = sys.argv[1]
      p = lambda name: root + '/' + name
      fd = dirfd = -1
      def prepare():
          # What the provocations need; nothing misbehaves meanwhile.
          global fd, dirfd
          if os.path.lexists(p('new')):
              (os.rmdir if os.path.isdir(p('new')) else os.unlink)(p('new'))
          for name in ('file', 'victim', 'dir/a', 'dir/b'):
              os.makedirs(os.path.dirname(p(name)), exist_ok=True)
              with open(p(name), 'wb') as out:
                  out.write(b'fine')
          os.makedirs(p('victims'), exist_ok=True)
          if not os.path.lexists(p('link')):
              os.symlink('target', p('link'))
          for name in ('file', 'victim'):
              os.setxattr(p(name), 'user.x', b'value')
          fd = os.open(p('file'), os.O_RDWR)
          dirfd = os.open(p('dir'), os.O_DIRECTORY)
      def clean():
          os.chdir('/')
          os.close(fd)
          os.close(dirfd)
          check()
      def check():
          # Everybody is still served.
          with open(p('file'), 'r+b', buffering=0) as io:
              io.write(b'fine')
              assert io.read(0) == b'' and os.pread(io.fileno(), 4, 0) == b'fine'
          assert sorted(os.listdir(p('dir'))) == ['a', 'b']
          assert os.readlink(p('link')) == 'target'
          os.statvfs(root)
      def polled(file):
          poll = select.poll()
          poll.register(file, select.POLLIN)
          ready = dict(poll.poll(0)).get(file, 0)
          if ready & select.POLLERR:
              raise OSError(errno.EIO, 'POLLERR')
          return ready
      def nameless(use):
          lost = os.open(p('victim'), os.O_RDWR)
          try:
              os.unlink(p('victim'))
              return use(lost)
          finally:
              os.close(lost)
      def reopen(lost):
          os.close(os.open(f'/proc/self/fd/{lost}', os.O_RDWR))
      def named(made):
          try:
              os.link(f'/proc/self/fd/{made}', p('new'), src_dir_fd=0, follow_symlinks=True)
          finally:
              os.close(made)
      def statfs_fails(times):
          for i in range(times):
              try:
                  os.statvfs(root)
              except OSError as e:
                  assert e.errno == errno.EIO
      for line in sys.stdin:
          try:
              value = eval(line, globals())
              print('ok' if value is None else 'ok ' + repr(value)[:200], flush=True)
          except OSError as e:
              print(errno.errorcode[e.errno], flush=True)
          except Exception as e:
              print('client:', repr(e).replace(chr(10), ' '), flush=True)
      """;

  private final Shell.Talk talk;

  /** What makes the kernel call a method of either form. */
  static String provocation(String method) {
    return PATH_PROVOCATIONS.getOrDefault(method, PROVOCATIONS.get(method));
  }

  HostileClient(Path root) throws IOException {
    talk = Shell.talk(PROGRAM, root);
  }

  /** Evaluates Python; answers "ok", maybe with a value behind it, or the name of an errno. */
  String ask(String python) throws IOException {
    String answer = talk.ask(python);
    if (answer == null) {
      throw new IOException("the client died of " + python);
    }
    return answer;
  }

  /** Evaluates Python that must succeed. */
  void must(String python) throws IOException {
    String answer = ask(python);
    if (!answer.startsWith("ok")) {
      throw new AssertionError(python + ": " + answer);
    }
  }

  /** Answers whether the client ended when it was told to. */
  boolean ends() throws IOException, InterruptedException {
    return talk.ends(20);
  }

  @Override
  public void close() {
    talk.close();
  }
}
