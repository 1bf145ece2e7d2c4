package io.github.ferrofuse;

/** Takes a node that is handed to the kernel under a name. Valid during the call that got it. */
public interface EntrySink {

  /**
   * The node's number. Must be set, except in {@link DirSink#entry}, where {@link DirSink#add}
   * gives it.
   *
   * @param node the number, not 0
   * @return this
   */
  EntrySink node(long node);

  /**
   * Tells apart nodes that had the same number one after the other, for file handles that outlive
   * them (NFS).
   *
   * @param generation 0 unless set, and always for the root; the kernel compares its lower 32 bits
   * @return this
   */
  EntrySink generation(long generation);

  /**
   * How long the kernel may believe that the name leads to this node; or, where {@link
   * InodeFileSystem#lookup} answers false, that there is no such name.
   *
   * @param nanos in nanoseconds, 0 or more; the mount's {@code entry_timeout} unless set, or its
   *     {@code negative_timeout}
   * @return this
   */
  EntrySink entryTimeout(long nanos);

  /**
   * The node's attributes.
   *
   * @return their sink
   */
  AttrSink attr();
}
