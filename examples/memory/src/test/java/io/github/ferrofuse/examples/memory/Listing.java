package io.github.ferrofuse.examples.memory;

import io.github.ferrofuse.DirSink;
import io.github.ferrofuse.EntrySink;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.Name;
import java.util.ArrayList;
import java.util.List;

/** A sink for directory entries with room for some at a time. */
final class Listing implements DirSink {
  final List<String> names = new ArrayList<>();
  final List<Long> nodes = new ArrayList<>();
  final List<FileType> types = new ArrayList<>();

  /** Attributes of the entry that was asked for last. */
  final Attributes attributes = new Attributes();

  /** Nodes that were added with attributes: lookups to forget. */
  final List<Long> lookups = new ArrayList<>();

  /** Cookie of the last entry. */
  long cookie;

  private final boolean wantsAttr;
  private int room;
  private boolean asked;

  Listing(boolean wantsAttr) {
    this.wantsAttr = wantsAttr;
  }

  /** Makes room for some more entries. */
  Listing room(int entries) {
    room = entries;
    return this;
  }

  @Override
  public boolean wantsAttr() {
    return wantsAttr;
  }

  @Override
  public EntrySink entry() {
    if (!wantsAttr) {
      throw new IllegalStateException("no attributes are wanted");
    }
    asked = true;
    return attributes;
  }

  @Override
  public boolean add(Name name, long node, FileType type, long nextCookie) {
    if (nextCookie == 0) {
      throw new IllegalArgumentException("cookie 0");
    }
    boolean attributed = asked;
    asked = false;
    if (room == 0) {
      return false;
    }
    room--;
    names.add(name.toString());
    nodes.add(node);
    types.add(type);
    cookie = nextCookie;
    if (attributed) {
      lookups.add(node);
    }
    return true;
  }
}
