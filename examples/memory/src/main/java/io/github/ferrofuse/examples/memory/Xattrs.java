package io.github.ferrofuse.examples.memory;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.XattrSink;
import java.nio.ByteBuffer;
import java.util.HashMap;

/**
 * The extended attributes of one inode, with the limits of xattr(7). Guarded by the inode's lock.
 *
 * <p>Namespaces are {@code user.}, {@code trusted.} and {@code security.}; who may use which is
 * checked by the kernel. Of {@code system.} there are the POSIX ACLs, where the kernel obeys them:
 * one that is stored but not obeyed would only look like protection.
 */
final class Xattrs {
  /** The security label that says which capabilities a program gets. */
  static final Name CAPABILITY = Name.of("security.capability");

  private static final String TRUSTED = "trusted.";
  private static final String[] PREFIXES = {"user.", TRUSTED, "security."};
  private static final int MAX_NAME = 255;
  private static final int MAX_VALUE = 65536;
  private static final int MAX_LIST = 65536;

  private final HashMap<Name, byte[]> values = new HashMap<>();
  private final HeapBudget budget;
  private int listBytes;
  private long heap;

  /**
   * No attributes.
   *
   * @param budget what they will be charged to
   */
  Xattrs(HeapBudget budget) {
    this.budget = budget;
  }

  /** {@return what they take of the budget} */
  long heap() {
    return heap;
  }

  /**
   * Whether a name can be one at all.
   *
   * @param name the name, with its prefix
   * @throws FuseException ERANGE if it is too long, EINVAL if it is a bare prefix, EOPNOTSUPP for
   *     other namespaces
   */
  static void check(Name name) throws FuseException {
    if (name.length() > MAX_NAME) {
      throw Errno.ERANGE.exception();
    }
    for (String prefix : PREFIXES) {
      if (name.startsWith(prefix)) {
        if (name.length() == prefix.length()) {
          throw Errno.EINVAL.exception();
        }
        return;
      }
    }
    throw Errno.EOPNOTSUPP.exception();
  }

  /**
   * Sets one: setxattr(2).
   *
   * @param name a checked name; copied
   * @param value from position to limit; copied
   * @param flags 0, XATTR_CREATE or XATTR_REPLACE
   * @throws FuseException EEXIST, ENODATA, E2BIG, ENOSPC, EINVAL
   */
  void set(Name name, ByteBuffer value, int flags) throws FuseException {
    if ((flags & ~(InodeFileSystem.XATTR_CREATE | InodeFileSystem.XATTR_REPLACE)) != 0) {
      throw Errno.EINVAL.exception();
    }
    byte[] old = values.get(name);
    if (old != null && (flags & InodeFileSystem.XATTR_CREATE) != 0) {
      throw Errno.EEXIST.exception();
    }
    if (old == null && (flags & InodeFileSystem.XATTR_REPLACE) != 0) {
      throw Errno.ENODATA.exception();
    }
    if (value.remaining() > MAX_VALUE) {
      throw Errno.E2BIG.exception();
    }
    if (old == null && listBytes + name.length() + 1 > MAX_LIST) {
      throw Errno.ENOSPC.exception();
    }
    long more = value.remaining() - (old == null ? -cost(name) : old.length);
    budget.take(more);
    heap += more;
    byte[] bytes = new byte[value.remaining()];
    value.get(value.position(), bytes);
    if (old == null) {
      listBytes += name.length() + 1;
      values.put(name.copy(), bytes);
    } else {
      values.put(name, bytes);
    }
  }

  /** {@return the value of one, not to be changed; null if there is none} */
  byte[] get(Name name) {
    return values.get(name);
  }

  /**
   * Names of all that a user may see.
   *
   * @param trusted whether {@code trusted.} is among them
   * @param out takes them
   */
  void list(boolean trusted, XattrSink out) {
    for (Name name : values.keySet()) {
      if (trusted || !name.startsWith(TRUSTED)) {
        out.add(name);
      }
    }
  }

  /**
   * Removes one.
   *
   * @param name the name
   * @return false if there is none
   */
  boolean remove(Name name) {
    byte[] old = values.remove(name);
    if (old == null) {
      return false;
    }
    listBytes -= name.length() + 1;
    long less = cost(name) + old.length;
    heap -= less;
    budget.give(less);
    return true;
  }

  private static long cost(Name name) {
    return HeapBudget.XATTR + name.length();
  }
}
