package io.github.ferrofuse.internal;

import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.OpenReply;
import io.github.ferrofuse.Request;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;

/**
 * Writes how a handle is to be treated: {@code FOPEN_} flags and concurrency, into the args page.
 */
final class OpenReplyWriter implements OpenReply {
  static final int FOPEN_DIRECT_IO = 1;
  static final int FOPEN_KEEP_CACHE = 1 << 1;
  static final int FOPEN_NONSEEKABLE = 1 << 2;
  static final int FOPEN_CACHE_DIR = 1 << 3;
  static final int FOPEN_STREAM = 1 << 4;
  static final int FOPEN_NOFLUSH = 1 << 5;
  static final int FOPEN_PARALLEL_DIRECT_WRITES = 1 << 6;

  private static final ClassValue<Boolean> HAS_FLUSH =
      new ClassValue<>() {
        @Override
        protected Boolean computeValue(Class<?> type) {
          return overridesFlush(type);
        }
      };

  private final ByteBuffer page;

  OpenReplyWriter(ByteBuffer page) {
    this.page = page;
  }

  OpenReplyWriter reset() {
    page.putInt(Layout.OPENED_FLAGS, 0);
    page.putInt(Layout.OPENED_CONCURRENCY, FileHandle.Concurrency.SERIALIZED.ordinal());
    page.putInt(Layout.BACKING, -1);
    return this;
  }

  /** Adds what the handle itself tells. */
  void finish(FileHandle handle) {
    page.putInt(Layout.OPENED_CONCURRENCY, handle.concurrency().ordinal());
    if (!HAS_FLUSH.get(handle.getClass())) {
      noFlush();
    }
  }

  private static boolean overridesFlush(Class<?> type) {
    try {
      Method flush = type.getMethod("flush", Request.class);
      return flush.getDeclaringClass() != FileHandle.class;
    } catch (NoSuchMethodException e) {
      throw new AssertionError("every FileHandle has flush", e);
    }
  }

  private OpenReply set(int flag) {
    page.putInt(Layout.OPENED_FLAGS, page.getInt(Layout.OPENED_FLAGS) | flag);
    return this;
  }

  @Override
  public OpenReply directIo() {
    return set(FOPEN_DIRECT_IO);
  }

  @Override
  public OpenReply keepCache() {
    return set(FOPEN_KEEP_CACHE);
  }

  @Override
  public OpenReply parallelDirectWrites() {
    return set(FOPEN_PARALLEL_DIRECT_WRITES);
  }

  @Override
  public OpenReply noFlush() {
    return set(FOPEN_NOFLUSH);
  }

  @Override
  public OpenReply nonSeekable() {
    return set(FOPEN_NONSEEKABLE);
  }

  @Override
  public OpenReply stream() {
    return set(FOPEN_STREAM);
  }

  @Override
  public OpenReply cacheDir() {
    return set(FOPEN_CACHE_DIR);
  }

  @Override
  public OpenReply passThrough(int fd) {
    if (fd < 0) {
      throw new IllegalArgumentException("a descriptor is 0 or more, not " + fd);
    }
    page.putInt(Layout.BACKING, fd);
    return this;
  }
}
