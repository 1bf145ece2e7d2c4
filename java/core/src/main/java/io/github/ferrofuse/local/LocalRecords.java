package io.github.ferrofuse.local;

import io.github.ferrofuse.Name;
import io.github.ferrofuse.internal.NameAccess;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Memory that a system call fills with records of different lengths, gone through one by one. */
abstract class LocalRecords {
  final ByteBuffer bytes;

  /** That of the current record. */
  final Name name = NameAccess.get().reusable();

  /** Where the current record begins, and the next. */
  int start;

  private int following;
  private int end;

  /**
   * One without records.
   *
   * @param size its memory in bytes
   * @param least how many bytes it takes
   * @param what what the records are
   */
  LocalRecords(int size, int least, String what) {
    if (size < least) {
      throw new IllegalArgumentException(size + " bytes for " + what + ": it takes " + least);
    }
    bytes = ByteBuffer.allocateDirect(size).order(ByteOrder.nativeOrder());
  }

  final ByteBuffer buffer() {
    return bytes;
  }

  /** Says that it was filled anew, with so many bytes. */
  final void end(int size) {
    start = 0;
    following = 0;
    end = size;
  }

  /** Whether there is one more record; then it is the current one. */
  final boolean goOn() {
    if (following >= end) {
      return false;
    }
    start = following;
    following = start + length();
    return true;
  }

  /** {@return where the current record ends} */
  final int limit() {
    return following;
  }

  /** {@return how many bytes the current record has} */
  abstract int length();

  /** Takes the name from a place, up to a NUL or a limit. */
  final void readName(int from, int limit) {
    int length = 0;
    while (from + length < limit && bytes.get(from + length) != 0) {
      length++;
    }
    NameAccess.get().assign(name, bytes, from, length);
  }
}
