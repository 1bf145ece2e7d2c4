package io.github.ferrofuse.examples.mirror;

import java.util.Arrays;

/**
 * What tells one backing file from all others that there are and were: the mount that it is reached
 * through, its inode number, and a proof of the inode's generation. The proof is the file's handle,
 * or its time of birth where handles are not to be had. Filled anew for each file; of one thread.
 */
final class Identity {
  /** MAX_HANDLE_SZ of name_to_handle_at(2), behind four bytes for the handle's type. */
  static final int MAX_PROOF = Integer.BYTES + 128;

  /** Number of the mount in {@link Mounts}. */
  int mount;

  /** Inode number as applications see it: {@link InodeNumbers}. */
  long ino;

  /** The proof: type and bytes of the handle, or seconds and nanoseconds. */
  final byte[] proof = new byte[MAX_PROOF];

  /** How many bytes of the proof count. */
  int length;

  /** Sets the proof to a time of birth. */
  void bornAt(long seconds, int nanos) {
    for (int i = 0; i < Long.BYTES; i++) {
      proof[i] = (byte) (seconds >>> 8 * i);
    }
    for (int i = 0; i < Integer.BYTES; i++) {
      proof[Long.BYTES + i] = (byte) (nanos >>> 8 * i);
    }
    length = Long.BYTES + Integer.BYTES;
  }

  /** Whether these are the bytes of the proof. */
  boolean isProvenBy(byte[] bytes) {
    return Arrays.equals(proof, 0, length, bytes, 0, bytes.length);
  }

  /** Up to 8 bytes of the proof from an offset on, as a number. */
  long word(int offset) {
    long word = 0;
    for (int i = Math.min(length, offset + Long.BYTES) - 1; i >= offset; i--) {
      word = word << 8 | proof[i] & 0xff;
    }
    return word;
  }

  /** Puts up to 8 bytes of the proof. */
  void putWord(int offset, long word) {
    for (int i = offset; i < Math.min(length, offset + Long.BYTES); i++) {
      proof[i] = (byte) (word >>> 8 * (i - offset));
    }
  }
}
