package io.github.ferrofuse.examples.mirror;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * The files that the kernel refers to, as records of numbers in pages: six words each, and two
 * entries of a hash index. {@link KnownFiles} calls it, one thread at a time; it knows nothing of
 * descriptors.
 *
 * <p>A node is the slot of its record in the lower half and, in the upper half, how often the slot
 * had been used before, so that a node that was forgotten never means another file. The first node
 * is 1, which is the root's.
 */
final class NodeTable {
  /** What no node is. */
  static final long NONE = 0;

  private static final int PAGE_BITS = 10;
  private static final int PAGE = 1 << PAGE_BITS;

  // The words of a record.
  private static final int INO = 0;
  private static final int LOOKUPS = 1;
  private static final int PROOF = 2;
  private static final int META = 5;
  private static final int WORDS = 6;

  /** Bytes of a proof that lie in the record; longer ones are kept apart. */
  private static final int INLINE = (META - PROOF) * Long.BYTES;

  // META: uses of the slot (31 bits), length of the proof (8), mount (24); of a free record the
  // lower half is the next free one.
  private static final int USES_SHIFT = 32;
  private static final int LENGTH_SHIFT = 24;
  private static final int MOUNT_MASK = (1 << LENGTH_SHIFT) - 1;

  /** Most mounts that there can be. */
  static final int MAX_MOUNTS = MOUNT_MASK + 1;

  private long[][] pages = new long[4][];
  private final Map<Integer, byte[]> longProofs = new HashMap<>();
  private int[] index = new int[256];
  private int slots = 1; // slot 0 is nobody's
  private int firstFree;
  private int size;

  /** {@return how many nodes there are} */
  int size() {
    return size;
  }

  /**
   * Finds a file.
   *
   * @param file which
   * @return its node, {@link #NONE} if it is not known
   */
  long find(Identity file) {
    int mask = index.length - 1;
    for (int i = home(file.ino, mask); index[i] != 0; i = i + 1 & mask) {
      if (isOf(index[i], file)) {
        return nodeOf(index[i]);
      }
    }
    return NONE;
  }

  /**
   * Finds some file by its mount and inode number alone; whether it is the one that is meant has to
   * be known otherwise.
   *
   * @param mount the mount's number
   * @param ino the inode number
   * @param after what this answered before, or {@link #NONE} to begin
   * @return a node, {@link #NONE} if there are no more
   */
  long next(int mount, long ino, long after) {
    int mask = index.length - 1;
    boolean passed = after == NONE;
    for (int i = home(ino, mask); index[i] != 0; i = i + 1 & mask) {
      int slot = index[i];
      if (passed && word(slot, INO) == ino && (word(slot, META) & MOUNT_MASK) == mount) {
        return nodeOf(slot);
      }
      passed |= slot == (int) after;
    }
    return NONE;
  }

  /**
   * Makes a file known, with no lookups yet.
   *
   * @param file one that is not
   * @return its node
   */
  long add(Identity file) {
    if (size + 1 > index.length / 2) {
      rehash(index.length * 2);
    }
    int slot = freeSlot();
    long uses = word(slot, META) >>> USES_SHIFT;
    set(slot, INO, file.ino);
    set(slot, LOOKUPS, 0);
    if (file.length <= INLINE) {
      for (int i = 0; i < META - PROOF; i++) {
        set(slot, PROOF + i, file.word(i * Long.BYTES));
      }
    } else {
      longProofs.put(slot, Arrays.copyOf(file.proof, file.length));
    }
    set(slot, META, uses << USES_SHIFT | (long) file.length << LENGTH_SHIFT | file.mount);
    insert(index, slot);
    size++;
    return nodeOf(slot);
  }

  /**
   * Whether a node is known.
   *
   * @param node any number
   * @return true if {@link #add} gave it and {@link #remove} did not take it
   */
  boolean contains(long node) {
    int slot = (int) node;
    return slot > 0
        && slot < slots
        && word(slot, META) >>> USES_SHIFT == node >>> USES_SHIFT
        && word(slot, LOOKUPS) >= 0;
  }

  /**
   * Counts lookups.
   *
   * @param node one that is known
   * @param change how many more or, if negative, fewer
   * @return how many there are now
   */
  long addLookups(long node, long change) {
    long lookups = word((int) node, LOOKUPS) + change;
    if (lookups < 0) {
      throw new IllegalStateException("node " + node + " has " + lookups + " lookups");
    }
    set((int) node, LOOKUPS, lookups);
    return lookups;
  }

  /** {@return the inode number of a node that is known} */
  long ino(long node) {
    return word((int) node, INO);
  }

  /** {@return the number of the mount of a node that is known} */
  int mount(long node) {
    return (int) word((int) node, META) & MOUNT_MASK;
  }

  /**
   * Tells which file a node is.
   *
   * @param node one that is known
   * @param out takes it
   */
  void identify(long node, Identity out) {
    int slot = (int) node;
    out.ino = word(slot, INO);
    out.mount = mount(node);
    out.length = proofLength(slot);
    if (out.length <= INLINE) {
      for (int i = 0; i < META - PROOF; i++) {
        out.putWord(i * Long.BYTES, word(slot, PROOF + i));
      }
    } else {
      byte[] proof = longProofs.get(slot);
      System.arraycopy(proof, 0, out.proof, 0, proof.length);
    }
  }

  /** {@return all nodes, in no order} */
  long[] all() {
    return IntStream.range(1, slots)
        .filter(slot -> word(slot, LOOKUPS) >= 0)
        .mapToLong(this::nodeOf)
        .toArray();
  }

  /**
   * Forgets a node.
   *
   * @param node one that is known
   */
  void remove(long node) {
    int slot = (int) node;
    unindex(slot);
    longProofs.remove(slot);
    set(slot, LOOKUPS, -1);
    long uses = (node >>> USES_SHIFT) + 1 & Integer.MAX_VALUE;
    set(slot, META, uses << USES_SHIFT | firstFree);
    firstFree = slot;
    size--;
  }

  private boolean isOf(int slot, Identity file) {
    if (word(slot, INO) != file.ino
        || (word(slot, META) & MOUNT_MASK) != file.mount
        || proofLength(slot) != file.length) {
      return false;
    }
    if (file.length > INLINE) {
      return file.isProvenBy(longProofs.get(slot));
    }
    for (int i = 0; i < META - PROOF; i++) {
      if (word(slot, PROOF + i) != file.word(i * Long.BYTES)) {
        return false;
      }
    }
    return true;
  }

  private int proofLength(int slot) {
    return (int) word(slot, META) >>> LENGTH_SHIFT;
  }

  private long nodeOf(int slot) {
    return word(slot, META) >>> USES_SHIFT << USES_SHIFT | slot;
  }

  private long word(int slot, int word) {
    return pages[slot >> PAGE_BITS][(slot & PAGE - 1) * WORDS + word];
  }

  private void set(int slot, int word, long value) {
    pages[slot >> PAGE_BITS][(slot & PAGE - 1) * WORDS + word] = value;
  }

  private int freeSlot() {
    if (firstFree != 0) {
      int slot = firstFree;
      firstFree = (int) word(slot, META);
      return slot;
    }
    int page = slots >> PAGE_BITS;
    if (page == pages.length) {
      pages = Arrays.copyOf(pages, page * 2);
    }
    if (pages[page] == null) {
      pages[page] = new long[PAGE * WORDS];
    }
    return slots++;
  }

  private static int home(long ino, int mask) {
    return (int) (ino * 0x9E3779B97F4A7C15L >>> 32) & mask;
  }

  private void insert(int[] table, int slot) {
    int mask = table.length - 1;
    int i = home(word(slot, INO), mask);
    while (table[i] != 0) {
      i = i + 1 & mask;
    }
    table[i] = slot;
  }

  private void rehash(int length) {
    int[] larger = new int[length];
    for (int slot : index) {
      if (slot != 0) {
        insert(larger, slot);
      }
    }
    index = larger;
  }

  private void unindex(int slot) {
    int mask = index.length - 1;
    int gap = home(word(slot, INO), mask);
    while (index[gap] != slot) {
      gap = gap + 1 & mask;
    }
    for (int i = gap + 1 & mask; index[i] != 0; i = i + 1 & mask) {
      int distance = i - home(word(index[i], INO), mask) & mask;
      if (distance >= (i - gap & mask)) {
        index[gap] = index[i];
        gap = i;
      }
    }
    index[gap] = 0;
  }
}
