package io.github.ferrofuse.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** The runnable jar as a process. Closing ends it and whatever it has mounted. */
final class Jar implements AutoCloseable {
  private static final long SECONDS = 60;

  private final Process process;
  private final BufferedReader output;
  private final Path errors;
  private final Path directory;

  private Jar(Process process, Path errors, Path directory) {
    this.process = process;
    this.output = new BufferedReader(new InputStreamReader(process.getInputStream()));
    this.errors = errors;
    this.directory = directory;
  }

  static Path file() {
    return Path.of(System.getProperty("ferrofuse.jar")).toAbsolutePath();
  }

  /** Command line that starts the jar. */
  static List<String> command(String... words) {
    List<String> command = new ArrayList<>();
    command.add(System.getProperty("java.home") + "/bin/java");
    command.add("-jar");
    command.add(file().toString());
    command.addAll(List.of(words));
    return command;
  }

  /**
   * Starts a command.
   *
   * @param directory what it may mount on, unmounted in the end
   * @param command all of it
   */
  static Jar start(Path directory, List<String> command) throws IOException {
    Path errors = Files.createTempFile("ferrofuse-test", ".err");
    Process process = new ProcessBuilder(command).redirectError(errors.toFile()).start();
    process.getOutputStream().close();
    return new Jar(process, errors, directory);
  }

  /** Mounts, and comes back when the process says so. */
  static Jar mount(Path directory, String... words) throws IOException {
    List<String> all = new ArrayList<>(List.of("mount"));
    all.addAll(List.of(words));
    all.add(directory.toString());
    Jar jar = start(directory, command(all.toArray(String[]::new)));
    try {
      jar.awaitLine("end it:");
    } catch (Throwable e) {
      jar.close();
      throw e;
    }
    return jar;
  }

  /** Reads lines up to one that begins so; answers all of them. */
  List<String> awaitLine(String beginning) throws IOException {
    List<String> lines = new ArrayList<>();
    for (String line = output.readLine(); line != null; line = output.readLine()) {
      lines.add(line);
      if (line.startsWith(beginning)) {
        return lines;
      }
    }
    return fail("ended without a line \"" + beginning + "\": " + lines + errors());
  }

  /** Reads all lines that are left. */
  List<String> rest() {
    return output.lines().toList();
  }

  void signal(String name) throws IOException, InterruptedException {
    run("kill", "-" + name, pid());
  }

  String pid() {
    return Long.toString(process.pid());
  }

  /** Exit status. */
  int await() throws InterruptedException {
    assertTrue(process.waitFor(SECONDS, TimeUnit.SECONDS), "the process does not end");
    return process.exitValue();
  }

  String errors() throws IOException {
    return Files.readString(errors);
  }

  /** Whether this JVM may do what only root may, in its user name space at least. */
  static boolean isRoot() throws IOException {
    return Files.getAttribute(Path.of("/proc/self"), "unix:uid").equals(0);
  }

  static void run(String... words) throws IOException, InterruptedException {
    Process process = new ProcessBuilder(words).redirectErrorStream(true).start();
    String said = new String(process.getInputStream().readAllBytes());
    assertEquals(0, process.waitFor(), () -> String.join(" ", words) + ": " + said);
  }

  /** Whether something is mounted there; asks the kernel's table, not the file system. */
  static boolean isMounted(Path directory) throws IOException {
    String point = " " + directory.toAbsolutePath().normalize() + " ";
    return Files.readAllLines(Path.of("/proc/self/mounts")).stream()
        .anyMatch(line -> line.contains(point));
  }

  @Override
  public void close() throws IOException {
    process.destroyForcibly();
    try {
      process.waitFor();
      while (isMounted(directory)) {
        if (isRoot()) {
          run("umount", "-l", directory.toString());
        } else {
          run("fusermount3", "-u", "-z", directory.toString());
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    output.close();
    Files.delete(errors);
  }
}
