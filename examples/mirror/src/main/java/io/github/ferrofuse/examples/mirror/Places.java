package io.github.ferrofuse.examples.mirror;

import io.github.ferrofuse.Name;
import java.util.HashMap;
import java.util.Map;

/**
 * By which name in which directory a node was seen last, for nodes that can't be found by handles.
 * {@link KnownFiles} calls it, one thread at a time.
 */
final class Places {
  /** A directory's node and a name in it. */
  record Place(long directory, Name name) {}

  private final Map<Long, Place> places = new HashMap<>();
  private long changes;

  /** {@return the place of a node, null if it has none} */
  Place get(long node) {
    return places.get(node);
  }

  /** {@return whether no node has a place} */
  boolean isEmpty() {
    return places.isEmpty();
  }

  /** {@return how often a place has changed so far} */
  long changes() {
    return changes;
  }

  /**
   * Says where a node is.
   *
   * @param name copied if it is new
   * @return the directory that it was in so far; {@link NodeTable#NONE} if it had no place
   */
  long put(long node, long directory, Name name) {
    Place old = places.get(node);
    if (old != null && old.directory == directory && old.name.equals(name)) {
      return directory;
    }
    changes++;
    places.put(node, new Place(directory, name.copy()));
    return old == null ? NodeTable.NONE : old.directory;
  }

  /**
   * The node below another on the way up from a directory. Where the other one is in that directory
   * now, the node has been moved away, whatever its place says.
   *
   * @return it; {@link NodeTable#NONE} if the way up does not lead past the other one
   */
  long below(long node, long directory) {
    long at = directory;
    Place place = places.get(at);
    while (place != null && place.directory != node) {
      at = place.directory;
      place = places.get(at);
    }
    return place == null ? NodeTable.NONE : at;
  }

  /**
   * Forgets where a node is.
   *
   * @return the directory that it was in; {@link NodeTable#NONE} if it had no place
   */
  long remove(long node) {
    Place old = places.remove(node);
    return old == null ? NodeTable.NONE : old.directory;
  }
}
