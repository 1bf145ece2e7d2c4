package io.github.ferrofuse;

/**
 * Takes directory entries, in the kernel's own form, until it is full. Valid during {@link
 * DirHandle#read} only.
 *
 * <p>For each entry: {@code if (out.wantsAttr()) fill(out.entry()); if (!out.add(...)) return;}
 */
public interface DirSink {

  /**
   * Whether the kernel would like attributes with the entries (readdirplus), which saves it a
   * lookup for each. They may be left out entry by entry.
   *
   * @return true if {@link #entry} may be called
   */
  boolean wantsAttr();

  /**
   * The entry that the next {@link #add} adds, cleared, to be given attributes. Calling it makes
   * that entry a lookup of its node, if it is added: see {@link InodeFileSystem}. Not to be called
   * for "." and "..", whose attributes nobody takes.
   *
   * @return the sink of the entry; its node is set by {@link #add}
   * @throws IllegalStateException if {@link #wantsAttr} is false
   */
  EntrySink entry();

  /**
   * Adds an entry.
   *
   * @param name one path component
   * @param node the file's number, not 0 if {@link #entry} was called for it; an application sees 0
   *     as inode number 0xffffffff, because readdir(3) hides entries whose number is 0
   * @param type its type
   * @param nextCookie where reading goes on after this entry; positive, and not the cookie of any
   *     other entry
   * @return false if it did not fit: it was not added, its attributes were not counted, and reading
   *     will go on with it
   * @throws IllegalArgumentException if the name is empty or has a '/' or NUL, or the cookie is not
   *     positive
   */
  boolean add(Name name, long node, FileType type, long nextCookie);
}
