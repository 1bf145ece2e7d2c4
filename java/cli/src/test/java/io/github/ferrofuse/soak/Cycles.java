package io.github.ferrofuse.soak;

import io.github.ferrofuse.Connection;
import io.github.ferrofuse.Fuse;
import io.github.ferrofuse.FuseMount;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.MountOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * A program: mounts, uses and unmounts again and again in one JVM, eight at once now and then, and
 * one that is refused each time. Fails if the JVM holds more at the end than after warming up.
 *
 * <p>Arguments: how many cycles.
 */
final class Cycles {
  private static final int AT_ONCE = 8;
  private static final int EVERY = 10;
  private static final int ROWS = 10;
  private static final Duration DEADLINE = Duration.ofSeconds(20);

  private static final String USE =
      "cd \"$1\" && mkdir d && echo fine > d/f && ln d/f g && mv g h && grep -q fine h && ls d"
          + " && rm h && cd /";

  private Cycles() {}

  public static void main(String[] arguments) throws Exception {
    int cycles = Integer.parseInt(arguments[0]);
    int warm = Math.max(cycles / 5, EVERY);
    List<Path> points = new ArrayList<>();
    for (int i = 0; i < AT_ONCE; i++) {
      points.add(Files.createTempDirectory("ferrofuse-soak-"));
    }
    System.out.printf("%8s %s%n", "cycle", Sample.HEADING);
    Sample before = null;
    try {
      for (int i = 1; i <= cycles; i++) {
        refuse(points.get(0));
        cycle(i % EVERY == 0 ? points : points.subList(0, 1));
        if (i == warm || i == cycles || i % Math.max(1, cycles / ROWS) == 0) {
          Sample now = Sample.take();
          before = i == warm ? now : before;
          System.out.printf("%8d %s%n", i, now);
        }
      }
    } finally {
      for (Path point : points) {
        Files.delete(point);
      }
    }
    Verdict.end("cycles", Sample.settled(before).growthSince(before));
  }

  private static void cycle(List<Path> points) throws Exception {
    List<FuseMount> mounts = new ArrayList<>();
    List<Process> users = new ArrayList<>();
    for (Path point : points) {
      mounts.add(MemoryMount.on(point, "4m"));
    }
    for (Path point : points) {
      users.add(
          new ProcessBuilder("sh", "-c", USE, "sh", point.toString())
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .redirectError(ProcessBuilder.Redirect.INHERIT)
              .start());
    }
    for (Process user : users) {
      if (user.waitFor() != 0) {
        throw new AssertionError("a user of the mount failed");
      }
    }
    for (FuseMount mount : mounts) {
      FuseMount.Unmount verdict = mount.unmount(DEADLINE);
      mount.join();
      if (verdict != FuseMount.Unmount.CLEAN) {
        throw new AssertionError(mount.mountPoint() + " came off " + verdict);
      }
    }
  }

  private static void refuse(Path point) {
    InodeFileSystem refusing =
        new InodeFileSystem() {
          @Override
          public void init(Connection connection) throws IOException {
            throw new IOException("refused, for the soak");
          }
        };
    try {
      Fuse.mount(refusing, point, MountOptions.defaults()).close();
    } catch (IOException e) {
      return;
    }
    throw new AssertionError("mounted what refused it");
  }
}
