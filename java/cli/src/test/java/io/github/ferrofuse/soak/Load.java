package io.github.ferrofuse.soak;

import io.github.ferrofuse.FuseMount;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * A program: a memory file system under mixed load by several processes, which verify what they
 * read. Fails on any error of theirs, and if the JVM holds more at the end than at a third of the
 * time.
 *
 * <p>Each process first fills its share, so that the memory file system is as large as it gets
 * before anything is compared: PROCESSES * FILES * LARGEST bytes of content, in direct memory.
 *
 * <p>Arguments: how many seconds.
 */
final class Load {
  private static final int PROCESSES = 4;
  private static final int FILES = 40;
  private static final int LARGEST = 200_000;
  private static final int SAMPLES = 12;

  private static final String WORKER =
      """
import os, random, sys, time
root, progress, number, seconds, files, largest = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
rng = random.Random(number)
base = f"{root}/{number}"
os.mkdir(base)
known, serial, done = {}, 0, 0
def content(seed, size):
    return random.Random(seed).randbytes(1024) * (size // 1024 + 1)
def make(size):
    global serial
    serial += 1
    name = f"{base}/file-{serial}"
    data = bytearray(content(serial, size)[:size])
    with open(name, "xb", buffering=0) as out:
        assert out.write(data) == size
    known[name] = data
def check(name):
    with open(name, "rb", buffering=0) as io:
        assert io.read() == known[name], f"{name} has other content"
def patch(name):
    data = known[name]
    at = rng.randrange(len(data))
    part = content(done, 5000)[:min(5000, len(data) - at)]
    with open(name, "r+b", buffering=0) as io:
        assert os.pwrite(io.fileno(), part, at) == len(part)
        if rng.random() < 0.3:
            os.fsync(io.fileno())
    data[at:at + len(part)] = part
def shrink(name):
    size = rng.randrange(1, len(known[name]) + 1)
    os.truncate(name, size)
    del known[name][size:]
def rename(name):
    global serial
    serial += 1
    to = f"{base}/renamed-{serial}"
    os.rename(name, to)
    known[to] = known.pop(name)
def replace(name):
    os.unlink(name)
    del known[name]
    make(rng.randrange(1, largest + 1))
def listing(name):
    assert sorted(os.listdir(base)) == sorted(map(os.path.basename, known))
def stat(name):
    assert os.stat(name).st_size == len(known[name])
    assert not os.path.exists(name + "-absent")
def attribute(name):
    value = content(done, 300)[:300]
    os.setxattr(name, "user.soak", value)
    assert os.getxattr(name, "user.soak") == value and os.listxattr(name) == ["user.soak"]
    os.removexattr(name, "user.soak")
def directory(name):
    os.mkdir(base + "-d")
    os.symlink(name, base + "-d/link")
    assert os.readlink(base + "-d/link") == name
    os.unlink(base + "-d/link")
    os.rmdir(base + "-d")
for i in range(files):
    make(largest)
end, told = time.monotonic() + seconds, 0
work = [check, check, patch, patch, shrink, rename, replace, listing, stat, attribute, directory]
while time.monotonic() < end:
    rng.choice(work)(rng.choice(list(known)))
    done += 1
    if time.monotonic() - told > 0.5:
        told = time.monotonic()
        with open(progress + "-new", "w") as out:
            out.write(str(done))
        os.rename(progress + "-new", progress)
for name in known:
    check(name)
""";

  private Load() {}

  public static void main(String[] arguments) throws Exception {
    int seconds = Integer.parseInt(arguments[0]);
    Path point = Files.createTempDirectory("ferrofuse-soak-");
    Path progress = Files.createTempDirectory("ferrofuse-progress-");
    List<String> wrong = new ArrayList<>();
    FuseMount mount = MemoryMount.on(point, "48m");
    try {
      List<Process> workers = start(point, progress, seconds);
      wrong.addAll(watch(workers, progress, seconds));
    } finally {
      FuseMount.Unmount verdict = mount.unmount(Duration.ofSeconds(20));
      if (verdict != FuseMount.Unmount.CLEAN) {
        wrong.add("the mount came off " + verdict);
      }
      delete(progress);
      Files.deleteIfExists(point);
    }
    Verdict.end("load", wrong);
  }

  private static List<Process> start(Path point, Path progress, int seconds) throws IOException {
    List<Process> workers = new ArrayList<>();
    for (int i = 0; i < PROCESSES; i++) {
      List<String> command = new ArrayList<>(List.of("python3", "-c", WORKER, point.toString()));
      command.add(progress.resolve("" + i).toString());
      for (int number : new int[] {i, seconds, FILES, LARGEST}) {
        command.add("" + number);
      }
      workers.add(
          new ProcessBuilder(command)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .redirectError(ProcessBuilder.Redirect.INHERIT)
              .start());
    }
    return workers;
  }

  /** Samples until the workers end; answers what is wrong. */
  private static List<String> watch(List<Process> workers, Path progress, int seconds)
      throws Exception {
    System.out.printf("%8s %s %12s %7s%n", "second", Sample.HEADING, "operations", "errors");
    long began = System.nanoTime();
    long interval = TimeUnit.SECONDS.toNanos(seconds) / SAMPLES;
    Sample before = null;
    Sample last = null;
    for (int i = 1; i < SAMPLES; i++) {
      TimeUnit.NANOSECONDS.sleep(began + i * interval - System.nanoTime());
      last = Sample.take();
      before = i == SAMPLES / 3 ? last : before;
      long failed = workers.stream().filter(Load::hasFailed).count();
      long second = TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - began);
      System.out.printf("%8d %s %12d %7d%n", second, last, done(progress), failed);
    }
    List<String> wrong = last.growthSince(before);
    for (Process worker : workers) {
      // The last sample was taken one interval before they end.
      if (!worker.waitFor(interval + TimeUnit.SECONDS.toNanos(60), TimeUnit.NANOSECONDS)) {
        worker.destroyForcibly();
        wrong.add("a process hangs");
      } else if (worker.exitValue() != 0) {
        wrong.add("a process saw an error");
      }
    }
    if (done(progress) < seconds) {
      wrong.add("hardly anything was done");
    }
    return wrong;
  }

  private static boolean hasFailed(Process worker) {
    return !worker.isAlive() && worker.exitValue() != 0;
  }

  private static long done(Path progress) throws IOException {
    long sum = 0;
    for (int i = 0; i < PROCESSES; i++) {
      Path file = progress.resolve("" + i);
      sum += Files.exists(file) ? Long.parseLong(Files.readString(file)) : 0;
    }
    return sum;
  }

  private static void delete(Path directory) throws IOException {
    try (Stream<Path> all = Files.list(directory)) {
      for (Path file : all.toList()) {
        Files.delete(file);
      }
    }
    Files.delete(directory);
  }
}
