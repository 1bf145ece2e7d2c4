package io.github.ferrofuse.examples.memory;

/** A fifo, a socket or a device. The kernel gives it its meaning; here it has attributes only. */
final class SpecialFile extends Inode {
  private final int rdev;

  /**
   * A special file of the mode's type; the arguments are those of {@link Inode}, and the device
   * number.
   */
  SpecialFile(long number, int mode, int uid, int gid, long now, int rdev) {
    super(number, mode, 1, uid, gid, now);
    this.rdev = rdev;
  }

  @Override
  int rdev() {
    return rdev;
  }
}
