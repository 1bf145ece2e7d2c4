package io.github.ferrofuse.examples.mirror;

import java.util.Arrays;

/**
 * Inode numbers that are unique within the mount, though those of several backing devices are not.
 * The numbers of the root's device are left alone; of every other device, the order in which it was
 * met goes into the upper 16 bits. Numbers below 2<sup>48</sup>, which is all that ext4, XFS, Btrfs
 * and tmpfs give in practice, so stay apart. Safe for threads.
 */
final class InodeNumbers {
  private static final int SHIFT = 48;

  /** Most devices that are told apart; those that come later share numbers. */
  private static final int MAX_DEVICES = 1 << 16;

  /** In the order of their being met; replaced, never changed. */
  private volatile long[] devices;

  /**
   * Numbers for a tree.
   *
   * @param rootDevice the device of its root
   */
  InodeNumbers(long rootDevice) {
    devices = new long[] {rootDevice};
  }

  /**
   * A file's number.
   *
   * @param device its device
   * @param ino its number there
   * @return its number in the mount
   */
  long of(long device, long ino) {
    long[] known = devices;
    for (int i = 0; i < known.length; i++) {
      if (known[i] == device) {
        return ino ^ (long) i << SHIFT;
      }
    }
    return ino ^ (long) add(device) << SHIFT;
  }

  private synchronized int add(long device) {
    long[] known = devices;
    for (int i = 0; i < known.length; i++) {
      if (known[i] == device) {
        return i;
      }
    }
    if (known.length == MAX_DEVICES) {
      return MAX_DEVICES - 1;
    }
    long[] more = Arrays.copyOf(known, known.length + 1);
    more[known.length] = device;
    devices = more;
    return known.length;
  }
}
