package io.github.ferrofuse.examples.flat;

import io.github.ferrofuse.FileSystemBase;
import io.github.ferrofuse.FileSystemFactory;
import java.util.Map;

/** Makes {@link FlatFileSystem}s for {@code mount flat}. */
public final class FlatFileSystemFactory implements FileSystemFactory {

  /** For {@link java.util.ServiceLoader}. */
  public FlatFileSystemFactory() {}

  @Override
  public String scheme() {
    return "flat";
  }

  @Override
  public String help() {
    return "flat: one directory of files in memory that only copy bytes, for benchmarks; no"
        + " options";
  }

  @Override
  public FileSystemBase create(String spec, Map<String, String> options) {
    if (!spec.isEmpty()) {
      throw new IllegalArgumentException("flat:" + spec + ": takes nothing after \"flat\"");
    }
    return new FlatFileSystem();
  }
}
