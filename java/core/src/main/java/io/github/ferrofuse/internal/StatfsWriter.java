package io.github.ferrofuse.internal;

import io.github.ferrofuse.StatfsSink;
import java.nio.ByteBuffer;

/** Writes the {@code fuse_kstatfs} of the args page. */
final class StatfsWriter implements StatfsSink {
  private static final int DEFAULT_BLOCK_SIZE = 4096;
  private static final int DEFAULT_NAME_LENGTH = 255;

  private final ByteBuffer page;

  StatfsWriter(ByteBuffer page) {
    this.page = page;
  }

  StatfsWriter reset() {
    for (int i = 0; i < Layout.STATFS_LENGTH; i += Long.BYTES) {
      page.putLong(Layout.STATFS + i, 0);
    }
    blockSize(DEFAULT_BLOCK_SIZE);
    nameLength(DEFAULT_NAME_LENGTH);
    return this;
  }

  @Override
  public StatfsSink blocks(long total, long free, long available) {
    page.putLong(Layout.STATFS + Layout.STATFS_BLOCKS, total);
    page.putLong(Layout.STATFS + Layout.STATFS_BFREE, free);
    page.putLong(Layout.STATFS + Layout.STATFS_BAVAIL, available);
    return this;
  }

  @Override
  public StatfsSink files(long total, long free) {
    page.putLong(Layout.STATFS + Layout.STATFS_FILES, total);
    page.putLong(Layout.STATFS + Layout.STATFS_FFREE, free);
    return this;
  }

  @Override
  public StatfsSink blockSize(int bytes) {
    if (bytes <= 0) {
      throw new IllegalArgumentException("block size of " + bytes + " bytes: 1 or more");
    }
    page.putInt(Layout.STATFS + Layout.STATFS_BSIZE, bytes);
    page.putInt(Layout.STATFS + Layout.STATFS_FRSIZE, bytes);
    return this;
  }

  @Override
  public StatfsSink nameLength(int bytes) {
    if (bytes <= 0) {
      throw new IllegalArgumentException("name length of " + bytes + " bytes: 1 or more");
    }
    page.putInt(Layout.STATFS + Layout.STATFS_NAMELEN, bytes);
    return this;
  }
}
