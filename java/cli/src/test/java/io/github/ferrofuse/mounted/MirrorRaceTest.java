package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Somebody exchanges directories and files of the mirrored directory for symbolic links to a place
 * outside, which only the mirror's process may enter, while others use the mirror.
 */
@Tag("mount")
@Tag("root")
@Timeout(value = 120, threadMode = SEPARATE_THREAD)
class MirrorRaceTest {
  @RegisterExtension final Mirrors mirrors = new Mirrors();

  private static final String PROGRAM =
      """
import ctypes, errno, os, sys, time
back, root, outside, seconds = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
EXCHANGE = 2
deadline = time.monotonic() + float(seconds)
def exchange(one, other):
    assert libc.renameat2(-100, one.encode(), -100, other.encode(), EXCHANGE) == 0, ctypes.get_errno()
def adversary():
    while True:
        for _ in range(50):
            exchange(f"{back}/directory", f"{back}/trap")
            exchange(f"{back}/file", f"{back}/file-trap")
def attempt(counts, call, *arguments):
    counts["tries"] += 1
    try:
        result = call(*arguments)
        counts["done"] += 1
        return result
    except OSError as e:
        assert e.errno not in (errno.EIO, errno.ENOTCONN), e
        return None
def user(number):
    os.setgid(1000)
    os.setuid(1000)
    counts = {"tries": 0, "done": 0, "escapes": 0}
    def content(path):
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            return os.read(fd, 100)
        finally:
            os.close(fd)
    def judge(found):
        if found is not None and b"outside" in found:
            counts["escapes"] += 1
    def below(name, flags=os.O_RDONLY):
        directory = os.open(f"{root}/directory", os.O_PATH | os.O_NOFOLLOW)
        try:
            fd = os.open(name, flags, 0o666, dir_fd=directory)
            try:
                return os.read(fd, 100) if flags == os.O_RDONLY else b""
            finally:
                os.close(fd)
        finally:
            os.close(directory)
    def listing():
        names = os.listdir(f"{root}/directory")
        return " ".join(names).encode()
    n = 0
    while time.monotonic() < deadline:
        n += 1
        new = f"new-{number}-{n}"
        judge(attempt(counts, content, f"{root}/directory/f"))
        judge(attempt(counts, content, f"{root}/file"))
        judge(attempt(counts, below, "f"))
        judge(attempt(counts, listing))
        judge(attempt(counts, lambda: os.readlink(f"{root}/directory/secret").encode()))
        attempt(counts, below, new, os.O_CREAT | os.O_WRONLY)
        attempt(counts, os.mkdir, f"{root}/directory/{new}.d")
        attempt(counts, os.rename, f"{root}/directory/{new}", f"{root}/directory/{new}.r")
        attempt(counts, os.link, f"{root}/directory/{new}.r", f"{root}/directory/{new}.l")
        attempt(counts, os.chmod, f"{root}/directory/mine", 0o666)
        attempt(counts, os.truncate, f"{root}/directory/mine", 3)
        attempt(counts, os.utime, f"{root}/directory/mine")
        attempt(counts, os.unlink, f"{root}/directory/{new}.l")
        attempt(counts, os.unlink, f"{root}/directory/{new}.r")
        attempt(counts, os.rmdir, f"{root}/directory/{new}.d")
        attempt(counts, os.unlink, f"{root}/directory/victim")
    return counts
def start(call, *arguments):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, repr(call(*arguments)).encode())
        except BaseException as e:
            os.write(write, repr(e).encode())
        os._exit(0)
    os.close(write)
    return child, read
villain, _ = start(adversary)
users = [start(user, number) for number in range(4)]
totals = {"tries": 0, "done": 0, "escapes": 0}
try:
    for child, pipe in users:
        answer = os.read(pipe, 10000).decode()
        os.waitpid(child, 0)
        assert answer.startswith("{"), answer
        for key, count in eval(answer).items():
            totals[key] += count
finally:
    os.kill(villain, 9)
    os.waitpid(villain, 0)
print(*totals.values())
""";

  @ParameterizedTest
  @ValueSource(strings = {"descriptors", "nohandles"})
  void nobodyGetsOutThroughWhatIsExchangedForSymbolicLinks(String option) throws Exception {
    Path back = mirrors.back();
    Path outside = Files.createTempDirectory("ferrofuse-outside-"); // 0700
    Path inner = Files.createDirectory(outside.resolve("inner"));
    try {
      prepare(back, inner);
      String before = fingerprint(outside);
      Path root =
          mirrors.mount(
              Map.of(option, option.equals("descriptors") ? "2" : ""),
              io.github.ferrofuse.MountOptions.builder()
                  .allowOther(true)
                  .defaultPermissions(true)
                  .entryTimeout(java.time.Duration.ZERO)
                  .attrTimeout(java.time.Duration.ZERO)
                  .build());
      String[] counts =
          Shell.python(PROGRAM, back, root, inner, Integer.getInteger("ferrofuse.race", 5))
              .trim()
              .split(" ");
      System.out.println(
          option + ": tries " + counts[0] + ", done " + counts[1] + ", escapes " + counts[2]);
      assertEquals("0", counts[2], "contents and names from outside");
      assertTrue(Long.parseLong(counts[1]) > 200, "attempts that succeeded: " + counts[1]);
      assertEquals(before, fingerprint(outside));
    } finally {
      Shell.succeed("rm", "-rf", outside.toString());
    }
  }

  private static void prepare(Path back, Path inner) throws Exception {
    Shell.succeed(
        "sh",
        "-ec",
        """
        chmod 755 "$0"; mkdir -m 777 "$0/directory"; echo inside > "$0/directory/f"
        echo inside > "$0/directory/mine"; chown 1000 "$0/directory/mine"
        ln -s "$1" "$0/trap"; echo inside > "$0/file"; ln -s "$1/f" "$0/file-trap"
        chmod 777 "$1"; cd "$1"; echo outside > f; ln -s outside secret; echo outside > mine
        chown 1000 mine; touch outside-name victim; chown 1000 victim
        """,
        back.toString(),
        inner.toString());
  }

  /** Everything about the place outside that a change would change. */
  private static String fingerprint(Path outside) throws Exception {
    return Shell.succeed(
        "sh",
        "-c",
        "find \"$0\" -printf '%p %i %m %U %s %T@ %C@\\n"
            + "' | sort; cat \"$0\"/inner/f \"$0\"/inner/mine",
        outside.toString());
  }
}
