package io.github.ferrofuse.internal;

import io.github.ferrofuse.Name;
import io.github.ferrofuse.XattrSink;
import java.nio.ByteBuffer;

/**
 * Writes names, each with a NUL behind it, to the start of the bulk area; what does not fit is
 * counted only.
 */
final class XattrWriter implements XattrSink {
  private final ByteBuffer bulk;
  private int limit;
  private long length;

  XattrWriter(ByteBuffer bulk) {
    this.bulk = bulk;
  }

  XattrWriter reset(int newLimit) {
    limit = newLimit;
    length = 0;
    return this;
  }

  /** Bytes of all names, whether or not they fitted. */
  long length() {
    return length;
  }

  @Override
  public void add(Name name) {
    int size = name.length();
    if (size == 0 || Names.indexOf(name, (byte) 0) >= 0) {
      throw new IllegalArgumentException(
          "attribute name '" + name + "': must not be empty and has no NUL");
    }
    if (length + size < limit) {
      NameAccess.get().get(name, bulk, (int) length);
      bulk.put((int) length + size, (byte) 0);
    }
    length += size + 1L;
  }
}
