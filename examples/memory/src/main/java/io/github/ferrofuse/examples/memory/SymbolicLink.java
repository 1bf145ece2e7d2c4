package io.github.ferrofuse.examples.memory;

import io.github.ferrofuse.FileType;
import io.github.ferrofuse.Name;

/** A symbolic link. Its target never changes. */
final class SymbolicLink extends Inode {
  private final byte[] target;

  /** A link to some bytes; the other arguments are those of {@link Inode}. */
  SymbolicLink(long number, int uid, int gid, long now, Name target) {
    super(number, FileType.SYMLINK.bits() | 0777, 1, uid, gid, now);
    this.target = target.toBytes();
  }

  @Override
  long size() {
    return target.length;
  }

  @Override
  long heap() {
    return super.heap() + target.length;
  }

  /** {@return the target's bytes, not to be changed} */
  byte[] target() {
    return target;
  }
}
