package io.github.ferrofuse.cli.doctor;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** A directory with the files of a machine that exists in a test only. */
final class FakeMachine {
  private final Path root;

  FakeMachine(Path root) {
    this.root = root;
  }

  FakeMachine file(String absolute, String text) {
    return file(absolute, text.getBytes(StandardCharsets.ISO_8859_1));
  }

  FakeMachine file(String absolute, byte[] bytes) {
    Path file = root.resolve(absolute.substring(1));
    try {
      Files.createDirectories(file.getParent());
      Files.write(file, bytes);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return this;
  }

  FakeMachine kernel(String release) {
    return file("/proc/sys/kernel/osrelease", release + "\n");
  }

  /** The process belongs to root, with all capabilities or with none. */
  FakeMachine root(boolean capable) {
    return status(0, capable ? "000001ffffffffff" : "0000000000000000");
  }

  FakeMachine user() {
    return status(1000, "0000000000000000");
  }

  private FakeMachine status(int uid, String capabilities) {
    String ids = "Uid:\t1000\t" + uid + "\t" + uid + "\t" + uid + "\n";
    return file("/proc/self/status", "Name:\tjava\n" + ids + "CapEff:\t" + capabilities + "\n");
  }

  Machine machine() {
    return new Machine(root);
  }
}
