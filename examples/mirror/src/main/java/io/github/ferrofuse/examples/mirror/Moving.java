package io.github.ferrofuse.examples.mirror;

import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.Name;
import java.io.IOException;

/**
 * A rename that is about to happen: what is replaced may be kept as {@link Leaving} says, and files
 * that are found by their names are found by the new ones afterwards.
 */
final class Moving implements AutoCloseable {
  private final KnownFiles known;
  private final Descriptor from;
  private final Name name;
  private final Descriptor to;
  private final Name newName;
  private final boolean exchange;

  /** What is moved, and what is moved in exchange or replaced; null if it need not be known. */
  private Descriptor moved;

  private Descriptor exchanged;
  private Leaving replaced;

  private Moving(
      KnownFiles known, Descriptor from, Name name, Descriptor to, Name newName, int flags) {
    this.known = known;
    this.from = from;
    this.name = name;
    this.to = to;
    this.newName = newName;
    this.exchange = (flags & InodeFileSystem.RENAME_EXCHANGE) != 0;
  }

  /** To be made before the rename, and closed afterwards. */
  static Moving of(Nodes nodes, Descriptor from, Name name, Descriptor to, Name newName, int flags)
      throws IOException {
    Moving moving = new Moving(nodes.known(), from, name, to, newName, flags);
    try {
      if (nodes.known().usesNames()) {
        moving.moved = nodes.knownAt(from, name);
        moving.exchanged = moving.exchange ? nodes.knownAt(to, newName) : null;
      }
      if (!moving.exchange && (flags & InodeFileSystem.RENAME_NOREPLACE) == 0) {
        moving.replaced = Leaving.of(nodes, to, newName);
      }
      return moving;
    } catch (IOException | RuntimeException e) {
      moving.close();
      throw e;
    }
  }

  /** The files have their new names. */
  void succeeded() {
    known.renamed(from.node, name, to.node, newName, exchange);
    if (moved != null) {
      known.moved(moved, to.node, newName);
    }
    if (exchanged != null) {
      known.moved(exchanged, from.node, name);
    }
    if (replaced != null) {
      replaced.succeeded();
    }
  }

  @Override
  public void close() {
    if (moved != null) {
      moved.close();
    }
    if (exchanged != null) {
      exchanged.close();
    }
    if (replaced != null) {
      replaced.close();
    }
  }
}
