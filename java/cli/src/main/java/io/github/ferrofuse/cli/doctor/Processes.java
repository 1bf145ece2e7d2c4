package io.github.ferrofuse.cli.doctor;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** Programs of this machine. */
final class Processes implements Programs {
  private static final long SECONDS = 5;

  @Override
  public Optional<String> output(String... command) {
    try {
      // A pipe would make a program that hangs hang its reader.
      Path said = Files.createTempFile("ferrofuse-doctor-", ".out");
      try {
        return run(command, said);
      } finally {
        Files.delete(said);
      }
    } catch (IOException e) {
      return Optional.empty();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return Optional.empty();
    }
  }

  private static Optional<String> run(String[] command, Path said)
      throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectInput(Path.of("/dev/null").toFile())
            .redirectOutput(said.toFile())
            .start();
    if (!process.waitFor(SECONDS, TimeUnit.SECONDS)) {
      process.destroyForcibly();
      return Optional.empty();
    }
    return process.exitValue() == 0
        ? Optional.of(Files.readString(said).strip())
        : Optional.empty();
  }
}
