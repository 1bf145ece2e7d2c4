package io.github.ferrofuse.internal;

import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.Operation;
import java.nio.ByteBuffer;
import java.nio.file.Path;

/** Stands in for native code: fills the args page, makes upcalls, reads what they left. */
final class Caller {
  static final int BULK = 1 << 16;

  final NodeUpcalls upcalls;
  final ByteBuffer page;
  private final ByteBuffer bulk;

  Caller(InodeFileSystem fs) {
    this(new Door(fs, MountOptions.defaults(), Path.of("/")));
  }

  Caller(Door door) {
    upcalls = (NodeUpcalls) door.lease(BULK);
    page = upcalls.page();
    bulk = upcalls.bulk().duplicate().order(page.order());
  }

  Caller operation(Operation operation) {
    page.putInt(Layout.REQUEST_OPCODE, operation.opcode());
    return this;
  }

  /** Puts the name; answers its length. */
  int name(String text) {
    byte[] bytes = Name.of(text).toBytes();
    page.put(Layout.NAME, bytes);
    return bytes.length;
  }

  /** Puts the second name; answers its length. */
  int target(String text) {
    byte[] bytes = Name.of(text).toBytes();
    page.put(Layout.TARGET, bytes);
    return bytes.length;
  }

  long entryLong(int field) {
    return page.getLong(Layout.ENTRY + field);
  }

  int entryInt(int field) {
    return page.getInt(Layout.ENTRY + field);
  }

  int openFlags() {
    return page.getInt(Layout.OPENED_FLAGS);
  }

  /** The bulk area from its start, in the byte order of the machine. */
  ByteBuffer bulk() {
    bulk.clear();
    return bulk;
  }

  String text(int length) {
    byte[] bytes = new byte[length];
    bulk.get(0, bytes);
    return Name.of(bytes).toString();
  }
}
