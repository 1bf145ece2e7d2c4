package io.github.ferrofuse.examples.mirror;

import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/**
 * Which descriptors of nodes are open: at most so many, and those that have not been used for the
 * longest time go first, approximately (a hand goes round and takes what was not touched since it
 * came by last). Descriptors that are pinned or in use are passed over. {@link KnownFiles} calls
 * it, one thread at a time; it closes nothing itself.
 */
final class DescriptorCache {
  private Descriptor[] ring;
  private int capacity;
  private int size;
  private int hand;

  /** Those of nodes by slot, as pages that grow. */
  private Descriptor[] bySlot = new Descriptor[64];

  /**
   * An empty cache.
   *
   * @param capacity how many there may be that are neither pinned nor in use
   */
  DescriptorCache(int capacity) {
    this.capacity = capacity;
    this.ring = new Descriptor[capacity];
  }

  /** {@return how many descriptors it has} */
  int size() {
    return size;
  }

  /**
   * Finds a node's descriptor.
   *
   * @param node the node
   * @return it, null if there is none
   */
  Descriptor get(long node) {
    int slot = (int) node;
    Descriptor found = slot < bySlot.length ? bySlot[slot] : null;
    return found == null || found.node != node ? null : found;
  }

  /**
   * Adds a descriptor.
   *
   * @param descriptor one of a node that has none; not used and not pinned by anybody else
   * @return one that is no longer in it, to be closed; null if there is room
   */
  Descriptor add(Descriptor descriptor) {
    int slot = (int) descriptor.node;
    if (slot >= bySlot.length) {
      bySlot = Arrays.copyOf(bySlot, Math.max(slot + 1, bySlot.length * 2));
    }
    bySlot[slot] = descriptor;
    return enter(descriptor);
  }

  /** Lets a descriptor stay, whatever comes. */
  void pin(Descriptor descriptor) {
    if (descriptor.pins++ == 0) {
      leave(descriptor);
    }
  }

  /**
   * Takes back one {@link #pin}.
   *
   * @return one that is no longer in it, to be closed; null if there is room
   */
  Descriptor unpin(Descriptor descriptor) {
    return --descriptor.pins == 0 ? enter(descriptor) : null;
  }

  /** Takes a descriptor out, pinned or not. */
  void remove(Descriptor descriptor) {
    leave(descriptor);
    bySlot[(int) descriptor.node] = null;
  }

  /**
   * Takes one out that was not used for long.
   *
   * @return it, to be closed; null if all are pinned or in use
   */
  Descriptor evict() {
    for (int i = 0; i < 2 * size; i++) {
      hand = hand + 1 < size ? hand + 1 : 0;
      Descriptor candidate = ring[hand];
      if (candidate.uses == 0 && !candidate.touched) {
        remove(candidate);
        return candidate;
      }
      candidate.touched = false;
    }
    return null;
  }

  /** Has it take a quarter less than it has: the process has no descriptors left. */
  void shrink() {
    capacity = Math.max(1, size - Math.max(1, size / 4));
  }

  /** {@return all descriptors, pinned or not, in no order} */
  List<Descriptor> all() {
    return Arrays.stream(bySlot).filter(Objects::nonNull).toList();
  }

  /** Whether there are more than there may be. */
  boolean isOverfull() {
    return size > capacity;
  }

  private Descriptor enter(Descriptor descriptor) {
    Descriptor evicted = size < capacity ? null : evict();
    if (size == ring.length) { // all are in use
      ring = Arrays.copyOf(ring, size * 2);
    }
    descriptor.place = size;
    ring[size++] = descriptor;
    return evicted;
  }

  private void leave(Descriptor descriptor) {
    if (descriptor.place >= 0) {
      Descriptor last = ring[--size];
      ring[descriptor.place] = last;
      last.place = descriptor.place;
      ring[size] = null;
      descriptor.place = -1;
    }
  }
}
