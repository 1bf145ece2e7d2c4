package io.github.ferrofuse.internal;

import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.EntrySink;
import io.github.ferrofuse.FileType;
import java.nio.ByteBuffer;

/** Writes the {@code fuse_entry_out} of the args page. */
final class EntryWriter implements EntrySink {
  private final ByteBuffer page;
  private final AttrWriter attr;
  private final long defaultTimeout;
  private boolean isTimed;

  EntryWriter(ByteBuffer page, long entryTimeoutNanos, long attrTimeoutNanos) {
    this.page = page;
    this.attr = AttrWriter.ofEntry(page, attrTimeoutNanos);
    this.defaultTimeout = entryTimeoutNanos;
  }

  EntryWriter reset() {
    node(0).generation(0).entryTimeout(defaultTimeout);
    isTimed = false;
    attr.reset();
    return this;
  }

  /** Checks what the file system put in, and completes it. */
  void finish() {
    long node = node();
    if (node == 0) {
      throw new IllegalStateException(
          "an entry has no node: set EntrySink.node, to any number but 0");
    }
    attr.finish(node);
  }

  /**
   * Completes the answer that there is no such name: an entry without a node. False if how long
   * that holds is the mount's to say.
   */
  boolean finishAbsent() {
    node(0);
    return isTimed;
  }

  /** {@link #finish} for an entry whose node native code knows. */
  void finishUnnumbered() {
    attr.finish(0);
  }

  /**
   * {@link #finish} for an entry of a directory whose nodes native code knows: its number only says
   * that it has attributes.
   */
  void finishListed(long ino) {
    node(1);
    attr.finish(ino);
  }

  /**
   * {@link #finish} for a file that was made and opened. The kernel answers EIO to any other type,
   * and never gives back the node and the handle.
   */
  void finishRegular() {
    finish();
    if (attr.type() != FileType.REGULAR) {
      throw new IllegalStateException(
          "create made node " + node() + " as " + attr.type() + ": only regular files are created");
    }
  }

  /** What the file system set, 0 if nothing. */
  long node() {
    return page.getLong(Layout.ENTRY + Layout.ENTRY_NODE);
  }

  /** Inode number that applications see, after {@link #finish}. */
  long ino() {
    return attr.ino();
  }

  @Override
  public EntrySink node(long node) {
    page.putLong(Layout.ENTRY + Layout.ENTRY_NODE, node);
    return this;
  }

  @Override
  public EntrySink generation(long generation) {
    page.putLong(Layout.ENTRY + Layout.ENTRY_GENERATION, generation);
    return this;
  }

  @Override
  public EntrySink entryTimeout(long nanos) {
    isTimed = true;
    AttrWriter.putTimeout(
        page, Layout.ENTRY + Layout.ENTRY_VALID, Layout.ENTRY + Layout.ENTRY_VALID_NSEC, nanos);
    return this;
  }

  @Override
  public AttrSink attr() {
    return attr;
  }
}
