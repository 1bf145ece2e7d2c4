package io.github.ferrofuse.internal;

import io.github.ferrofuse.DirHandle;
import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.Operation;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * One lease's way into a file system: its two buffers, and a method per operation that native code
 * calls.
 *
 * <p>Arguments are integers; names and small structs lie in the args page, file data at the start
 * of the bulk area. The answer is 0 or more, or a negative errno; nothing is thrown but what can't
 * be caught (a second overflow of the stack). One thread uses it at a time. It allocates nothing
 * for a read, write, getattr or lookup.
 */
final class Upcalls {
  private static final int PAGE_ALIGNMENT = 4096;

  /** What the kernel takes as the target of a symbolic link: {@code PATH_MAX} without its NUL. */
  private static final int LONGEST_TARGET = 4095;

  private final Door door;
  private final InodeFileSystem fs;
  private final SlotTable<FileHandle> files;
  private final SlotTable<DirHandle> directories;

  private final ByteBuffer page;

  /** The bulk area as file systems get it. */
  private final ByteBuffer bulk;

  private final RequestView request;
  private final Name name = NameAccess.get().reusable();
  private final Name secondName = NameAccess.get().reusable();
  private final EntryWriter entry;
  private final AttrWriter attr;
  private final AttrChangeView change;
  private final OpenReplyWriter opened;
  private final StatfsWriter statfs;
  private final XattrWriter xattrs;
  private final DirWriter entries;

  /**
   * Makes the memory of a lease.
   *
   * @param door the mount's
   * @param bulkSize size of the bulk area in bytes
   */
  Upcalls(Door door, int bulkSize) {
    this.door = door;
    fs = door.fileSystem();
    files = door.files();
    directories = door.directories();
    page = allocate(Layout.PAGE_SIZE).order(ByteOrder.nativeOrder());
    bulk = allocate(bulkSize);
    ByteBuffer records = bulk.duplicate().order(ByteOrder.nativeOrder());
    request = new RequestView(page, door.interrupts().newInterruption());
    entry = new EntryWriter(page, door.entryTimeoutNanos(), door.attrTimeoutNanos());
    attr = AttrWriter.ofGetattr(page, door.attrTimeoutNanos());
    change = new AttrChangeView(page);
    opened = new OpenReplyWriter(page);
    statfs = new StatfsWriter(page);
    xattrs = new XattrWriter(records);
    entries = new DirWriter(page, records, entry);
  }

  private static ByteBuffer allocate(int size) {
    return ByteBuffer.allocateDirect(size + PAGE_ALIGNMENT)
        .alignedSlice(PAGE_ALIGNMENT)
        .slice(0, size);
  }

  /** The args page; native code takes its address once. */
  ByteBuffer page() {
    return page;
  }

  /** The bulk area; native code takes its address once. */
  ByteBuffer bulk() {
    return bulk;
  }

  // ---- names and attributes ----

  /** Answers 1 with an entry, or 0 if there is no such name. */
  int lookup(long parent, int nameLength) {
    begin();
    try {
      if (!fs.lookup(request, parent, name(nameLength), entry.reset())) {
        return 0;
      }
      handOut();
      return 1;
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  int getattr(long node, int slot) {
    begin();
    try {
      fs.getattr(request, node, slot < 0 ? null : file(slot), attr.reset());
      attr.finish(node);
      return 0;
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  int setattr(long node, int slot) {
    begin();
    try {
      fs.setattr(request, node, slot < 0 ? null : file(slot), change, attr.reset());
      attr.finish(node);
      return 0;
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  /** Answers the target's length. */
  int readlink(long node) {
    begin();
    try {
      fs.readlink(request, node, Transfers.lend(bulk, Math.min(LONGEST_TARGET, bulk.capacity())));
      checkTarget(node, bulk.position());
      return bulk.position();
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  /** The kernel takes a target for a C string; a longer one than it takes, the engine refuses. */
  private void checkTarget(long node, int length) {
    boolean valid = length > 0;
    for (int i = 0; i < length && valid; i++) {
      valid = bulk.get(i) != 0;
    }
    if (!valid) {
      throw new IllegalStateException(
          "readlink of node " + node + " put " + length + " bytes: 1 or more, none of them NUL");
    }
  }

  int symlink(long parent, int nameLength, int targetLength) {
    begin();
    try {
      fs.symlink(request, parent, name(nameLength), secondName(targetLength), entry.reset());
      handOut();
      return 0;
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  int mknod(long parent, int nameLength, int mode, int rdev) {
    begin();
    try {
      fs.mknod(request, parent, name(nameLength), mode, rdev, entry.reset());
      handOut();
      return 0;
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  int mkdir(long parent, int nameLength, int mode) {
    begin();
    try {
      fs.mkdir(request, parent, name(nameLength), mode, entry.reset());
      handOut();
      return 0;
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  int unlink(long parent, int nameLength) {
    begin();
    try {
      fs.unlink(request, parent, name(nameLength));
      return 0;
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  int rmdir(long parent, int nameLength) {
    begin();
    try {
      fs.rmdir(request, parent, name(nameLength));
      return 0;
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  int rename(long parent, int nameLength, long newParent, int newNameLength, int flags) {
    begin();
    try {
      fs.rename(request, parent, name(nameLength), newParent, secondName(newNameLength), flags);
      return 0;
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  int link(long node, long newParent, int newNameLength) {
    begin();
    try {
      fs.link(request, node, newParent, name(newNameLength), entry.reset());
      handOut();
      return 0;
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  int statfs(long node) {
    begin();
    try {
      fs.statfs(request, node, statfs.reset());
      return 0;
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  int access(long node, int mask) {
    begin();
    try {
      fs.access(request, node, mask);
      return 0;
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  /** Completes the entry of an upcall that returned normally, and so has counted a lookup. */
  private void handOut() {
    try {
      entry.finish();
    } catch (Throwable thrown) {
      takeBack();
      throw thrown;
    }
  }

  /** The file system counted a lookup that the kernel never hears of. */
  private void takeBack() {
    long node = entry.node();
    if (node != 0) {
      door.forget(node, 1);
    }
  }

  // ---- extended attributes ----

  int setxattr(long node, int nameLength, int valueStart, int valueEnd, int flags) {
    begin();
    try {
      Transfers.lend(bulk, valueStart, valueEnd);
      fs.setxattr(request, node, name(nameLength), bulk, flags);
      return 0;
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  /** Answers the value's size; a size of 0 asks for it alone. */
  int getxattr(long node, int nameLength, int size) {
    begin();
    try {
      int room = Math.min(size, bulk.capacity());
      int needed = fs.getxattr(request, node, name(nameLength), Transfers.lend(bulk, room));
      if (needed < 0) {
        throw new IllegalStateException("getxattr returned a size of " + needed);
      }
      // What lies behind the value is another request's.
      int put = bulk.position();
      if (needed <= room && put != 0 && put != needed) {
        throw new IllegalStateException(
            "getxattr put " + put + " bytes and returned a size of " + needed);
      }
      return size > 0 && needed > room ? -Errno.ERANGE.code() : needed;
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  /** Answers the size of all names; a size of 0 asks for it alone. */
  int listxattr(long node, int size) {
    begin();
    try {
      int room = Math.min(size, bulk.capacity());
      fs.listxattr(request, node, xattrs.reset(room));
      if (xattrs.length() > (size > 0 ? room : Integer.MAX_VALUE)) {
        return -Errno.ERANGE.code();
      }
      return (int) xattrs.length();
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  int removexattr(long node, int nameLength) {
    begin();
    try {
      fs.removexattr(request, node, name(nameLength));
      return 0;
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  // ---- files ----

  int open(long node, int flags, int slot) {
    begin();
    try {
      FileHandle handle = fs.open(request, node, flags, opened.reset());
      try {
        return keep(slot, handle);
      } catch (Throwable thrown) {
        releaseQuietly(handle);
        throw thrown;
      }
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  int create(long parent, int nameLength, int mode, int flags, int slot) {
    begin();
    try {
      OpenReplyWriter reply = opened.reset();
      FileHandle handle =
          fs.create(request, parent, name(nameLength), mode, flags, entry.reset(), reply);
      try {
        entry.finishRegular();
        return keep(slot, handle);
      } catch (Throwable thrown) {
        releaseQuietly(handle);
        takeBack();
        throw thrown;
      }
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  private int keep(int slot, FileHandle handle) {
    if (handle == null) {
      throw new IllegalStateException(request.operation() + " returned no handle");
    }
    opened.finish(handle);
    files.put(slot, handle);
    return 0;
  }

  private void releaseQuietly(FileHandle handle) {
    if (handle == null) {
      return;
    }
    try {
      handle.release(request);
    } catch (Throwable thrown) {
      Failures.swallow(handle, Operation.RELEASE, thrown);
    }
  }

  /** Answers how many bytes there are; fewer than asked at the end of the file only. */
  int read(long node, int slot, long offset, int size) {
    begin();
    FileHandle handle = files.get(slot);
    try {
      return Transfers.read(opened(handle), request, bulk, offset, size);
    } catch (Throwable thrown) {
      return failed(handle, thrown);
    }
  }

  /** Answers how many bytes were taken. */
  int write(long node, int slot, long offset, int size) {
    begin();
    FileHandle handle = files.get(slot);
    try {
      return Transfers.write(opened(handle), request, bulk, offset, size);
    } catch (Throwable thrown) {
      return failed(handle, thrown);
    }
  }

  int flush(int slot) {
    begin();
    FileHandle handle = files.get(slot);
    try {
      opened(handle).flush(request);
      return 0;
    } catch (Throwable thrown) {
      return failed(handle, thrown);
    }
  }

  int fsync(int slot, int dataOnly) {
    begin();
    FileHandle handle = files.get(slot);
    try {
      opened(handle).fsync(request, dataOnly != 0);
      return 0;
    } catch (Throwable thrown) {
      return failed(handle, thrown);
    }
  }

  int fallocate(int slot, int mode, long offset, long length) {
    begin();
    FileHandle handle = files.get(slot);
    try {
      opened(handle).fallocate(request, mode, offset, length);
      return 0;
    } catch (Throwable thrown) {
      return failed(handle, thrown);
    }
  }

  int release(int slot) {
    begin();
    releaseQuietly(files.remove(slot));
    return 0;
  }

  // ---- directories ----

  int opendir(long node, int slot) {
    begin();
    try {
      DirHandle handle = fs.opendir(request, node, opened.reset());
      if (handle == null) {
        throw new IllegalStateException("OPENDIR returned no handle");
      }
      directories.put(slot, handle);
      return 0;
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  /**
   * Answers how many bytes of records there are; 0 at the end of the directory. Entries that were
   * added before the handle threw are answered: they may be counted lookups. An error that lasts
   * comes with the next call.
   */
  int readdir(int slot, long cookie, int size, int plus) {
    begin();
    DirHandle handle = directories.get(slot);
    try {
      entries.reset(Math.min(size, bulk.capacity()), plus != 0);
      opened(handle).read(request, cookie, entries);
      // An empty answer would say that the directory ends here.
      return entries.length() == 0 && entries.isFull() ? -Errno.EINVAL.code() : entries.length();
    } catch (Throwable thrown) {
      if (entries.length() > 0) {
        Failures.passOver(handle, request.operation(), thrown);
        return entries.length();
      }
      return failed(handle, thrown);
    }
  }

  int fsyncdir(int slot, int dataOnly) {
    begin();
    DirHandle handle = directories.get(slot);
    try {
      opened(handle).fsync(request, dataOnly != 0);
      return 0;
    } catch (Throwable thrown) {
      return failed(handle, thrown);
    }
  }

  int releasedir(int slot) {
    begin();
    DirHandle handle = directories.remove(slot);
    if (handle != null) {
      try {
        handle.release(request);
      } catch (Throwable thrown) {
        Failures.swallow(handle, Operation.RELEASEDIR, thrown);
      }
    }
    return 0;
  }

  // ---- shared ----

  /**
   * A handler that left its thread interrupted must not close the channels of the next request's.
   */
  private void begin() {
    Thread.interrupted();
    request.begin();
  }

  /** After a request that armed something. Answers 0. */
  int disarm() {
    request.disarm();
    return 0;
  }

  private Name name(int length) {
    NameAccess.get().assign(name, page, Layout.NAME, length);
    return name;
  }

  private Name secondName(int length) {
    NameAccess.get().assign(secondName, page, Layout.TARGET, length);
    return secondName;
  }

  private FileHandle file(int slot) throws IOException {
    return opened(files.get(slot));
  }

  private static <T> T opened(T handle) throws IOException {
    if (handle == null) {
      throw Errno.EBADF.exception();
    }
    return handle;
  }

  private int failed(Object culprit, Throwable thrown) {
    return Failures.answer(culprit == null ? fs : culprit, request.operation(), thrown);
  }
}
