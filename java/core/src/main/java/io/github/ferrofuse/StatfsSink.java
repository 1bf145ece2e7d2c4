package io.github.ferrofuse;

/**
 * Takes the figures of statvfs(3). All are 0 until set, but block size 4096 and name length 255.
 */
public interface StatfsSink {

  /**
   * Space.
   *
   * @param total blocks in all
   * @param free blocks that are free
   * @param available blocks that an ordinary user may take
   * @return this
   */
  StatfsSink blocks(long total, long free, long available);

  /**
   * Inodes.
   *
   * @param total inodes in all
   * @param free inodes that are free
   * @return this
   */
  StatfsSink files(long total, long free);

  /**
   * Size of a block.
   *
   * @param bytes 1 or more; 4096 unless set
   * @return this
   */
  StatfsSink blockSize(int bytes);

  /**
   * Longest name.
   *
   * @param bytes 1 or more; 255 unless set
   * @return this
   */
  StatfsSink nameLength(int bytes);
}
