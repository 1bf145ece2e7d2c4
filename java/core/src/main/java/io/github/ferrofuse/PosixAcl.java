package io.github.ferrofuse;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.IntUnaryOperator;

/**
 * A POSIX access control list, acl(5), and what a file system has to work out about it. For file
 * systems that declare {@link Connection#keepsAcls}.
 *
 * <p>It knows the list and the permission bits of a mode, nothing of files: who may do what is
 * decided by the kernel. Immutable; any thread may use it.
 */
public final class PosixAcl {
  /** The extended attribute that holds the access ACL: who may do what to the file. */
  public static final Name ACCESS = Name.of("system.posix_acl_access");

  /** The extended attribute that holds a directory's default ACL: what is inherited in it. */
  public static final Name DEFAULT = Name.of("system.posix_acl_default");

  private static final int VERSION = 2;
  private static final int HEADER_BYTES = 4;
  private static final int ENTRY_BYTES = 8;
  private static final int NO_ID = -1;

  /** What an entry is about, in the order in which entries come. */
  public enum Tag {
    /** The owner of the file. */
    USER_OBJ(0x01),
    /** A user named by id. */
    USER(0x02),
    /** The group of the file. */
    GROUP_OBJ(0x04),
    /** A group named by id. */
    GROUP(0x08),
    /** The most that entries of users and groups, but the owner's, can give. */
    MASK(0x10),
    /** Everybody else. */
    OTHER(0x20);

    private final int code;

    Tag(int code) {
      this.code = code;
    }

    private boolean isNamed() {
      return this == USER || this == GROUP;
    }

    private static Tag of(int code) throws FuseException {
      for (Tag tag : values()) {
        if (tag.code == code) {
          return tag;
        }
      }
      throw Errno.EINVAL.exception();
    }
  }

  /**
   * One entry.
   *
   * @param tag what it is about
   * @param permissions a combination of 4 (read), 2 (write), 1 (execute)
   * @param id the user or group of {@link Tag#USER} and {@link Tag#GROUP}, else -1
   */
  public record Entry(Tag tag, int permissions, int id) {}

  private final List<Entry> entries;

  private PosixAcl(List<Entry> entries) {
    this.entries = List.copyOf(entries);
  }

  /**
   * Reads the value of {@link #ACCESS} or {@link #DEFAULT}, as &lt;linux/posix_acl_xattr.h&gt; has
   * it, and checks that the list is valid in the sense of acl(5).
   *
   * @param value the value, from position to limit; the position stays
   * @return the list
   * @throws FuseException EINVAL for anything else, EOPNOTSUPP for another version of the form
   */
  public static PosixAcl parse(ByteBuffer value) throws FuseException {
    ByteBuffer bytes = value.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    if (bytes.remaining() < HEADER_BYTES || (bytes.remaining() - HEADER_BYTES) % ENTRY_BYTES != 0) {
      throw Errno.EINVAL.exception();
    }
    if (bytes.getInt() != VERSION) {
      throw Errno.EOPNOTSUPP.exception();
    }
    List<Entry> entries = new ArrayList<>(bytes.remaining() / ENTRY_BYTES);
    while (bytes.hasRemaining()) {
      Tag tag = Tag.of(Short.toUnsignedInt(bytes.getShort()));
      int permissions = Short.toUnsignedInt(bytes.getShort());
      int id = bytes.getInt();
      entries.add(new Entry(tag, permissions, tag.isNamed() ? id : NO_ID));
    }
    check(entries);
    return new PosixAcl(entries);
  }

  /**
   * Each kind in its place, those without a name once, a mask where somebody is named, and nobody
   * named twice.
   */
  private static void check(List<Entry> entries) throws FuseException {
    Set<Tag> tags = new HashSet<>();
    Set<Entry> named = new HashSet<>();
    Tag last = Tag.USER_OBJ;
    boolean valid = true;
    for (Entry entry : entries) {
      boolean first = tags.add(entry.tag);
      valid &= entry.tag.compareTo(last) >= 0 && (entry.permissions & ~7) == 0;
      if (entry.tag.isNamed()) {
        valid &= entry.id != NO_ID && named.add(new Entry(entry.tag, 0, entry.id));
      } else {
        valid &= first;
      }
      last = entry.tag;
    }
    valid &= tags.containsAll(Set.of(Tag.USER_OBJ, Tag.GROUP_OBJ, Tag.OTHER));
    valid &= named.isEmpty() || tags.contains(Tag.MASK);
    if (!valid) {
      throw Errno.EINVAL.exception();
    }
  }

  /** {@return the value of the extended attribute, which {@link #parse} reads} */
  public byte[] toBytes() {
    ByteBuffer bytes = ByteBuffer.allocate(HEADER_BYTES + ENTRY_BYTES * entries.size());
    bytes.order(ByteOrder.LITTLE_ENDIAN).putInt(VERSION);
    for (Entry entry : entries) {
      bytes.putShort((short) entry.tag.code).putShort((short) entry.permissions).putInt(entry.id);
    }
    return bytes.array();
  }

  /** {@return the entries, in the order of their tags} */
  public List<Entry> entries() {
    return entries;
  }

  /**
   * The permission bits of a file that has this access ACL: those of the owner, of the mask, or of
   * the file's group where there is no mask, and of everybody else.
   *
   * @return bits of 0777
   */
  public int permissions() {
    int bits = 0;
    for (Entry entry : entries) {
      int shift = shift(entry.tag);
      if (shift >= 0) {
        bits |= entry.permissions << shift;
      }
    }
    return bits;
  }

  /**
   * Whether the permission bits say all that the list says. A file system then keeps no list.
   *
   * @return true if nobody is named and there is no mask
   */
  public boolean isEquivalentToMode() {
    return entries.size() == 3;
  }

  /**
   * What chmod(2) makes of an access ACL: the owner, the mask or else the group, and everybody else
   * get the permissions of the mode; those who are named keep theirs.
   *
   * @param mode the new mode; other bits than 0777 are ignored
   * @return the new list
   */
  public PosixAcl withMode(int mode) {
    return map(bits -> mode);
  }

  /**
   * The access ACL of what is made in a directory that has this default ACL: the same, without
   * permissions that the mode doesn't give. The umask has no part in it. The file's permission bits
   * are the new list's {@link #permissions}.
   *
   * @param mode the mode that was asked for; other bits than 0777 are ignored
   * @return the new list, to be kept unless {@link #isEquivalentToMode}
   */
  public PosixAcl inherited(int mode) {
    return map(bits -> bits & mode);
  }

  /** The list with other permission bits. */
  private PosixAcl map(IntUnaryOperator change) {
    int bits = change.applyAsInt(permissions());
    List<Entry> changed = new ArrayList<>(entries.size());
    for (Entry entry : entries) {
      int shift = shift(entry.tag);
      changed.add(shift < 0 ? entry : new Entry(entry.tag, bits >> shift & 7, entry.id));
    }
    return new PosixAcl(changed);
  }

  /** Where in a mode an entry's permissions are, -1 if they are not. */
  private int shift(Tag tag) {
    switch (tag) {
      case USER_OBJ:
        return 6;
      case GROUP_OBJ:
        return hasMask() ? -1 : 3;
      case MASK:
        return 3;
      case OTHER:
        return 0;
      default:
        return -1;
    }
  }

  private boolean hasMask() {
    return entries.get(entries.size() - 2).tag == Tag.MASK;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof PosixAcl && entries.equals(((PosixAcl) other).entries);
  }

  @Override
  public int hashCode() {
    return entries.hashCode();
  }

  /** {@return the short text form of acl(5), such as "u::rw-,u:1000:r--,g::r--,m::r--,o::---"} */
  @Override
  public String toString() {
    StringBuilder text = new StringBuilder();
    for (Entry entry : entries) {
      text.append(text.length() == 0 ? "" : ",")
          .append(Character.toLowerCase(entry.tag.name().charAt(0)))
          .append(':')
          .append(entry.tag.isNamed() ? Integer.toUnsignedString(entry.id) : "")
          .append(':')
          .append((entry.permissions & 4) != 0 ? 'r' : '-')
          .append((entry.permissions & 2) != 0 ? 'w' : '-')
          .append((entry.permissions & 1) != 0 ? 'x' : '-');
    }
    return text.toString();
  }
}
