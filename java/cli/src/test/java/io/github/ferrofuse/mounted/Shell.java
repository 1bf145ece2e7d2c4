package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Runs other programs, which use a mount as applications do and can't stop this JVM's threads. */
final class Shell {
  private static final long SECONDS = 60;

  private Shell() {}

  /** How a program ended, with what it printed to both of its outputs. */
  record Ended(int exit, String output) {}

  /** Runs a program to its end; kills it after a minute. */
  static Ended run(String... command) throws IOException, InterruptedException {
    return run(List.of(command), SECONDS);
  }

  /** Runs a program to its end; kills it after some seconds. */
  static Ended run(List<String> command, long seconds) throws IOException, InterruptedException {
    Path log = Files.createTempFile("ferrofuse-shell-", ".log");
    try {
      Process process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(log.toFile())
              .redirectInput(Path.of("/dev/null").toFile())
              .start();
      boolean inTime = process.waitFor(seconds, TimeUnit.SECONDS);
      process.destroyForcibly();
      String output = new String(Files.readAllBytes(log), StandardCharsets.UTF_8);
      if (!inTime) {
        throw new AssertionError(command + " still ran after " + seconds + " s:\n" + output);
      }
      return new Ended(process.exitValue(), output);
    } finally {
      Files.delete(log);
    }
  }

  /** Whether this JVM may do what only root may, in its user name space at least. */
  static boolean isRoot() throws IOException {
    return Files.getAttribute(Path.of("/proc/self"), "unix:uid").equals(0);
  }

  /** Unmounts from outside, as the JVM's user does. */
  static void unmount(Path point) throws IOException, InterruptedException {
    if (isRoot()) {
      succeed("umount", point.toString());
    } else {
      succeed("fusermount3", "-u", point.toString());
    }
  }

  /**
   * Cuts the connection of a mount from outside, which frees everybody who waits for an answer. A
   * busy mount stays.
   *
   * @return false if a user can't do that, because fusectl is not mounted
   */
  static boolean abort(Path point) throws IOException, InterruptedException {
    if (isRoot()) {
      run("umount", "-f", point.toString()); // MNT_FORCE; says that the mount is busy
      return true;
    }
    Path abort = Path.of("/sys/fs/fuse/connections", connection(point), "abort");
    if (Files.exists(abort)) {
      Files.writeString(abort, "1");
      return true;
    }
    return false;
  }

  /** Takes a mount out of the tree, whoever uses it. */
  static void detach(Path point) throws IOException, InterruptedException {
    if (isRoot()) {
      run("umount", "-l", point.toString());
    } else {
      run("fusermount3", "-u", "-z", point.toString());
    }
  }

  /** The minor number of the mount's device, which is the number of its connection. */
  private static String connection(Path point) throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/self/mountinfo"))) {
      String[] fields = line.split(" ");
      if (fields[4].equals(point.toString())) {
        return fields[2].substring(fields[2].indexOf(':') + 1);
      }
    }
    throw new AssertionError(point + " is not mounted");
  }

  /** Runs a program that must succeed; answers what it printed. */
  static String succeed(String... command) throws IOException, InterruptedException {
    Ended ended = run(command);
    assertEquals(0, ended.exit, () -> String.join(" ", command) + "\n" + ended.output);
    return ended.output;
  }

  /** Runs a Python program, which must succeed; {@code sys.argv[1:]} are the arguments. */
  static String python(String program, Object... arguments)
      throws IOException, InterruptedException {
    return succeed(pythonCommand(program, arguments).toArray(new String[0]));
  }

  /** Starts a Python program that talks with the test line by line. */
  static Talk talk(String program, Object... arguments) throws IOException {
    return start(pythonCommand(program, arguments).toArray(new String[0]));
  }

  /** Starts any program that talks with the test line by line. */
  static Talk start(String... command) throws IOException {
    ProcessBuilder builder = new ProcessBuilder(command);
    return new Talk(builder.redirectError(ProcessBuilder.Redirect.INHERIT).start());
  }

  private static List<String> pythonCommand(String program, Object... arguments) {
    List<String> command = new ArrayList<>(List.of("python3", "-c", program));
    for (Object argument : arguments) {
      command.add(argument.toString());
    }
    return command;
  }

  /** A program that answers each line with a line. */
  static final class Talk implements AutoCloseable {
    private final Process process;
    private final BufferedReader answers;
    private final OutputStream questions;

    private Talk(Process process) {
      this.process = process;
      this.questions = process.getOutputStream();
      this.answers =
          new BufferedReader(
              new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
    }

    /** Says a line. */
    void say(String line) throws IOException {
      questions.write((line + "\n").getBytes(StandardCharsets.UTF_8));
      questions.flush();
    }

    /** Waits for a line; null when the program has ended. */
    String hear() throws IOException {
      return answers.readLine();
    }

    /** Says a line and waits for the answer. */
    String ask(String line) throws IOException {
      say(line);
      return hear();
    }

    /** Sends a signal, by its name without SIG. */
    void signal(String name) throws IOException, InterruptedException {
      succeed("kill", "-" + name, Long.toString(process.pid()));
    }

    /** Waits until the program sleeps in the kernel, in a function whose name contains a text. */
    void awaitSleepIn(String function) throws IOException, InterruptedException {
      Path state = Path.of("/proc/" + process.pid() + "/wchan");
      while (!Files.readString(state).contains(function)) {
        Thread.sleep(1);
      }
    }

    /** Waits until the program is gone and reaped; answers whether that came in time. */
    boolean isGone(long seconds) throws InterruptedException {
      return process.waitFor(seconds, TimeUnit.SECONDS);
    }

    /** Waits for the end of the program; answers whether it came in time. */
    boolean ends(long seconds) throws IOException, InterruptedException {
      questions.close();
      return process.waitFor(seconds, TimeUnit.SECONDS);
    }

    @Override
    public void close() {
      process.destroyForcibly();
    }
  }
}
