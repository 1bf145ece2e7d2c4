package io.github.ferrofuse.local;

import io.github.ferrofuse.StatfsSink;

/**
 * Figures of a file system, from fstatfs(2).
 *
 * @param type its magic number, see the man page
 * @param blockSize the unit of what follows, in bytes
 * @param blocks in all
 * @param blocksFree that are free
 * @param blocksAvailable that an ordinary user may take
 * @param files inodes in all
 * @param filesFree inodes that are free
 * @param nameLength longest name in bytes
 * @param flags ST_ flags of the mount
 * @param id the file system's id, as {@link LocalChanges#fileSystem} has it; 0 if it has none
 */
public record LocalStatfs(
    long type,
    long blockSize,
    long blocks,
    long blocksFree,
    long blocksAvailable,
    long files,
    long filesFree,
    long nameLength,
    long flags,
    long id) {

  static LocalStatfs of(long[] n) {
    return new LocalStatfs(n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8], n[9]);
  }

  /**
   * Passes on everything that {@link StatfsSink} takes.
   *
   * @param out takes it
   */
  public void copyTo(StatfsSink out) {
    out.blocks(blocks, blocksFree, blocksAvailable)
        .files(files, filesFree)
        .blockSize((int) blockSize)
        .nameLength((int) nameLength);
  }
}
