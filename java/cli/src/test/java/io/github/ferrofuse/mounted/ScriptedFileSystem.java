package io.github.ferrofuse.mounted;

import io.github.ferrofuse.AttrChange;
import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.DirHandle;
import io.github.ferrofuse.DirSink;
import io.github.ferrofuse.EntrySink;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.OpenReply;
import io.github.ferrofuse.Request;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A root directory with a few files of 1 MiB whose opens the test decides. Allocates nothing per
 * lookup, getattr, read and write, and counts the first two.
 */
class ScriptedFileSystem implements InodeFileSystem {
  /** Size of every file in bytes. */
  static final int SIZE = 1 << 20;

  private static final long ROOT = 1;
  private static final long FIRST = 2;

  final AtomicLong lookups = new AtomicLong();
  final AtomicLong getattrs = new AtomicLong();
  final CountDownLatch destroyed = new CountDownLatch(1);

  private final List<Name> names = new ArrayList<>();
  private final List<Open> opens = new ArrayList<>();

  /** What opening a file does. */
  interface Open {
    FileHandle open(int flags, OpenReply out) throws IOException;
  }

  /** Adds a file; before mounting. */
  final ScriptedFileSystem file(String name, Open open) {
    names.add(Name.of(name));
    opens.add(open);
    return this;
  }

  @Override
  public boolean lookup(Request request, long parent, Name name, EntrySink out) throws IOException {
    lookups.getAndIncrement();
    for (int i = 0; i < names.size(); i++) {
      if (names.get(i).equals(name)) {
        out.node(FIRST + i);
        attributes(FIRST + i, out.attr());
        return true;
      }
    }
    return false;
  }

  @Override
  public void getattr(Request request, long node, FileHandle handle, AttrSink out) {
    getattrs.getAndIncrement();
    attributes(node, out);
  }

  @Override
  public void setattr(
      Request request, long node, FileHandle handle, AttrChange change, AttrSink out) {
    attributes(node, out);
  }

  @Override
  public FileHandle open(Request request, long node, int flags, OpenReply out) throws IOException {
    return opens.get((int) (node - FIRST)).open(flags, out);
  }

  @Override
  public DirHandle opendir(Request request, long node, OpenReply out) {
    return this::list;
  }

  @Override
  public void destroy() {
    destroyed.countDown();
  }

  private void list(Request request, long cookie, DirSink out) {
    for (int i = (int) cookie; i < names.size(); i++) {
      if (!out.add(names.get(i), FIRST + i, FileType.REGULAR, i + 1)) {
        return;
      }
    }
  }

  private static void attributes(long node, AttrSink out) {
    if (node == ROOT) {
      out.mode(FileType.DIRECTORY.bits() | 0755).nlink(2);
    } else {
      out.mode(FileType.REGULAR.bits() | 0644).size(SIZE).blocks(SIZE / 512);
    }
  }
}
