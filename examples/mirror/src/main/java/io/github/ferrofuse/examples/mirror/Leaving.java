package io.github.ferrofuse.examples.mirror;

import io.github.ferrofuse.Name;
import java.io.IOException;

/**
 * A name that is about to lose its file: a descriptor of the file is kept if it could not be found
 * again without that name, because it is somebody's open file or working directory.
 */
final class Leaving implements AutoCloseable {
  private final KnownFiles known;
  private final Descriptor file;
  private final boolean pinned;
  private boolean succeeded;

  private Leaving(KnownFiles known, Descriptor file) {
    this.known = known;
    this.file = file;
    this.pinned = file != null && known.pin(file);
  }

  /**
   * To be made before the name goes, and closed afterwards.
   *
   * @param directory where
   * @param name the name, which need not exist
   */
  static Leaving of(Nodes nodes, Descriptor directory, Name name) throws IOException {
    return new Leaving(nodes.known(), nodes.knownOnlyAt(directory, name));
  }

  /** The name is gone, or leads to another file. */
  void succeeded() {
    succeeded = true;
  }

  @Override
  public void close() {
    if (pinned && !succeeded) {
      known.unpin(file);
    }
    if (file != null) {
      file.close();
    }
  }
}
