package io.github.ferrofuse.internal;

import io.github.ferrofuse.DirHandle;
import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FileSystemBase;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.Operation;
import io.github.ferrofuse.PollHandle;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * One lease's way into a file system: its two buffers, and a method per operation that native code
 * calls. Here are the operations on open handles; those on files are in {@link NodeUpcalls} and
 * {@link PathUpcalls}.
 *
 * <p>Arguments are integers; names and small structs lie in the args page, file data at the start
 * of the bulk area. The answer is 0 or more, or a negative errno; nothing is thrown but what can't
 * be caught (a second overflow of the stack). One thread uses it at a time. It allocates nothing
 * for a read, write, getattr or lookup.
 */
abstract class Upcalls {
  private static final int PAGE_ALIGNMENT = 4096;

  /** What the kernel takes as the target of a symbolic link: {@code PATH_MAX} without its NUL. */
  static final int LONGEST_TARGET = 4095;

  /** All that poll(2) has, {@code POLLRDHUP} the last. */
  private static final int POLL_BITS = 0x3fff;

  private static final ByteOrder NATIVE = ByteOrder.nativeOrder();

  /** The slot of what nobody opened. */
  static final int UNOPENED = -1;

  final Door door;
  private final FileSystemBase fs;
  final SlotTable<FileHandle> files;
  final SlotTable<DirHandle> directories;

  final ByteBuffer page;

  /** The bulk area as file systems get it. */
  final ByteBuffer bulk;

  final RequestView request;
  final Name name = NameAccess.get().reusable();
  final Name secondName = NameAccess.get().reusable();
  final EntryWriter entry;
  final AttrWriter attr;
  final AttrChangeView change;
  final OpenReplyWriter opened;
  final StatfsWriter statfs;
  final XattrWriter xattrs;
  private final LockView lockView = new LockView();
  private final LockWriter lockWriter;
  private final DirWriter entries;

  /**
   * Makes the memory of a lease.
   *
   * @param door the mount's
   * @param bulkSize size of the bulk area in bytes
   * @param byPath whether directories give inode numbers instead of nodes
   */
  Upcalls(Door door, int bulkSize, boolean byPath) {
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
    lockWriter = new LockWriter(page);
    entries = new DirWriter(page, records, entry, byPath);
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

  // ---- files ----

  /** Files a handle under its slot; answers 0. */
  final int keep(int slot, FileHandle handle) {
    if (handle == null) {
      throw new IllegalStateException(request.operation() + " returned no handle");
    }
    opened.finish(handle);
    files.put(slot, handle);
    return 0;
  }

  /** As {@link #keep(int, FileHandle)}; a handle that can't be filed is released. */
  final int keepOrRelease(int slot, FileHandle handle) {
    try {
      return keep(slot, handle);
    } catch (Throwable thrown) {
      releaseQuietly(handle);
      throw thrown;
    }
  }

  final void releaseQuietly(FileHandle handle) {
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
  int read(int slot, long offset, int size) {
    begin();
    FileHandle handle = null;
    try {
      handle = file(slot);
      return Transfers.read(handle, request, bulk, offset, size);
    } catch (Throwable thrown) {
      return failed(handle, thrown);
    }
  }

  /** Answers how many bytes were taken. */
  int write(int slot, long offset, int size) {
    begin();
    FileHandle handle = null;
    try {
      handle = file(slot);
      return Transfers.write(handle, request, bulk, offset, size);
    } catch (Throwable thrown) {
      return failed(handle, thrown);
    }
  }

  int flush(int slot) {
    begin();
    FileHandle handle = null;
    try {
      handle = file(slot);
      handle.flush(request);
      return 0;
    } catch (Throwable thrown) {
      return failed(handle, thrown);
    }
  }

  int fsync(int slot, int dataOnly) {
    begin();
    FileHandle handle = null;
    try {
      handle = file(slot);
      handle.fsync(request, dataOnly != 0);
      return 0;
    } catch (Throwable thrown) {
      return failed(handle, thrown);
    }
  }

  int fallocate(int slot, int mode, long offset, long length) {
    begin();
    FileHandle handle = null;
    try {
      handle = file(slot);
      handle.fallocate(request, mode, offset, length);
      return 0;
    } catch (Throwable thrown) {
      return failed(handle, thrown);
    }
  }

  /** Answers 0 and the offset. */
  int lseek(int slot, long offset, int whence) {
    begin();
    FileHandle handle = null;
    try {
      handle = file(slot);
      return answer("lseek", handle.lseek(request, offset, whence));
    } catch (Throwable thrown) {
      return failed(handle, thrown);
    }
  }

  /** Answers 0 and how many bytes were copied. */
  int copy(int source, long sourceOffset, int slot, long offset, long length) {
    begin();
    FileHandle handle = files.get(slot);
    try {
      FileHandle from = opened(files.get(source));
      long copied = opened(handle).copyFileRange(request, from, sourceOffset, offset, length);
      return answer("copyFileRange", copied);
    } catch (Throwable thrown) {
      return failed(handle, thrown);
    }
  }

  /** Answers what ioctl(2) returns. */
  int ioctl(int slot) {
    begin();
    FileHandle handle = files.get(slot);
    try {
      ByteBuffer out = ioctlOut();
      int result = opened(handle).ioctl(request, ioctlCommand(), ioctlArgument(), ioctlIn(), out);
      return answerIoctl(result, out);
    } catch (Throwable thrown) {
      return failed(handle, thrown);
    }
  }

  /** Answers 1 if a lock is in the way, which lies in the args page then. */
  int getlk(int slot, int type, long start, long end, long owner, int pid) {
    begin();
    FileHandle handle = files.get(slot);
    try {
      lockView.set(type, start, end, owner, pid, false);
      opened(handle).getLock(request, lockView, lockWriter.reset());
      return lockWriter.found() ? 1 : 0;
    } catch (Throwable thrown) {
      return failed(handle, thrown);
    }
  }

  /** Answers what is ready; {@code wakes} is 0 if nobody waits for more. */
  int poll(int slot, int events, long number, int wakes) {
    begin();
    FileHandle handle = files.get(slot);
    try {
      PollHandle waiters = wakes == 0 ? null : new PollWaiters(door.notifier(), number);
      int ready = opened(handle).poll(request, events, waiters);
      if ((ready & ~POLL_BITS) != 0) {
        throw new IllegalStateException("poll returned " + ready + ": bits of PollHandle only");
      }
      return ready;
    } catch (Throwable thrown) {
      return failed(handle, thrown);
    }
  }

  /** Answers 1 if the lock was set or cleared, 0 if others are in the way. */
  int setlk(int slot, int type, long start, long end, long owner, int pid, int flock) {
    begin();
    FileHandle handle = files.get(slot);
    try {
      lockView.set(type, start, end, owner, pid, flock != 0);
      return opened(handle).setLock(request, lockView) ? 1 : 0;
    } catch (Throwable thrown) {
      return failed(handle, thrown);
    }
  }

  /** What the page cache had of a file, or a negative errno. Answers 0. */
  int retrieved(long ticket, int size) {
    try {
      if (size < 0) {
        door.notifier().fail(ticket, Errno.of(-size).exception());
      } else {
        ByteBuffer data = ByteBuffer.allocate(size);
        door.notifier().retrieved(ticket, data.put(0, bulk.clear(), 0, size));
      }
    } catch (Throwable thrown) {
      door.notifier().fail(ticket, thrown);
    }
    return 0;
  }

  int release(int slot) {
    begin();
    releaseQuietly(files.remove(slot));
    return 0;
  }

  // ---- directories ----

  /** Files a handle under its slot; answers 0. */
  final int keep(int slot, DirHandle handle) {
    if (handle == null) {
      throw new IllegalStateException("OPENDIR returned no handle");
    }
    directories.put(slot, handle);
    return 0;
  }

  /**
   * Answers how many bytes of records there are; 0 at the end of the directory. Entries that were
   * added before the handle threw are answered: they may be counted lookups. An error that lasts
   * comes with the next call.
   */
  final int list(DirHandle handle, long cookie, int size, int plus) {
    try {
      entries.reset(Math.min(size, bulk.capacity()), plus != 0);
      handle.read(request, cookie, entries);
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
    DirHandle handle = null;
    try {
      handle = directory(slot);
      handle.fsync(request, dataOnly != 0);
      return 0;
    } catch (Throwable thrown) {
      return failed(handle, thrown);
    }
  }

  /** Answers what ioctl(2) returns. */
  int ioctldir(int slot) {
    begin();
    DirHandle handle = directories.get(slot);
    try {
      ByteBuffer out = ioctlOut();
      int result = opened(handle).ioctl(request, ioctlCommand(), ioctlArgument(), ioctlIn(), out);
      return answerIoctl(result, out);
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

  // ---- ioctl ----

  private int ioctlCommand() {
    return page.getInt(Layout.IOCTL_COMMAND);
  }

  private long ioctlArgument() {
    return page.getLong(Layout.IOCTL_ARGUMENT);
  }

  private ByteBuffer ioctlIn() {
    return ioctlArea(Layout.IOCTL_IN_START, Layout.IOCTL_IN_END).asReadOnlyBuffer().order(NATIVE);
  }

  private ByteBuffer ioctlOut() {
    return ioctlArea(Layout.IOCTL_OUT_START, Layout.IOCTL_OUT_END);
  }

  private ByteBuffer ioctlArea(int startAt, int endAt) {
    int start = page.getInt(startAt);
    return bulk.duplicate().clear().slice(start, page.getInt(endAt) - start).order(NATIVE);
  }

  private int answerIoctl(int result, ByteBuffer out) {
    if (result < 0) {
      throw new IllegalStateException("ioctl returned " + result + ": 0 or more");
    }
    page.putInt(Layout.IOCTL_OUT_LENGTH, out.position());
    return result;
  }

  // ---- shared ----

  /** Answers 0, and a number that has more bits than an answer. */
  final int answer(String method, long number) {
    if (number < 0) {
      throw new IllegalStateException(method + " returned " + number + ": 0 or more");
    }
    page.putLong(Layout.NUMBER, number);
    return 0;
  }

  /**
   * A handler that left its thread interrupted must not close the channels of the next request's.
   */
  final void begin() {
    Thread.interrupted();
    request.begin();
  }

  /** After a request that armed something. Answers 0. */
  int disarm() {
    request.disarm();
    return 0;
  }

  /** The bytes of the second area as a name, a symbolic link's target for example. */
  final Name secondName(int length) {
    NameAccess.get().assign(secondName, page, Layout.TARGET, length);
    return secondName;
  }

  /** The kernel takes a target for a C string; a longer one than it takes, the engine refuses. */
  final void checkTarget(int length) {
    boolean valid = length > 0;
    for (int i = 0; i < length && valid; i++) {
      valid = bulk.get(i) != 0;
    }
    if (!valid) {
      throw new IllegalStateException(
          "readlink answered " + length + " bytes: 1 or more, none of them NUL");
    }
  }

  /** The answer to getxattr: what the value needs, of which {@code room} bytes were there. */
  final int sizeOfValue(int needed, int asked, int room) {
    if (needed < 0) {
      throw new IllegalStateException("getxattr returned a size of " + needed);
    }
    // What lies behind the value is another request's.
    int put = bulk.position();
    if (needed <= room && put != 0 && put != needed) {
      throw new IllegalStateException(
          "getxattr put " + put + " bytes and returned a size of " + needed);
    }
    return asked > 0 && needed > room ? -Errno.ERANGE.code() : needed;
  }

  /** The answer to listxattr: what the names that were added need. */
  final int sizeOfNames(int asked, int room) {
    long needed = xattrs.length();
    return needed > (asked > 0 ? room : Integer.MAX_VALUE) ? -Errno.ERANGE.code() : (int) needed;
  }

  static <T> T opened(T handle) throws IOException {
    if (handle == null) {
      throw Errno.EBADF.exception();
    }
    return handle;
  }

  /** The open file of a slot, or what serves the one that nobody opened. */
  final FileHandle file(int slot) throws IOException {
    return slot == UNOPENED
        ? served(unopenedFile(page.getLong(Layout.UNOPENED)), "fileHandle")
        : opened(files.get(slot));
  }

  /** The open directory of a slot, or what serves the one that nobody opened. */
  final DirHandle directory(int slot) throws IOException {
    return slot == UNOPENED
        ? served(unopenedDirectory(page.getLong(Layout.UNOPENED)), "dirHandle")
        : opened(directories.get(slot));
  }

  private static <T> T served(T handle, String method) {
    if (handle == null) {
      throw new IllegalStateException(method + " returned no handle");
    }
    return handle;
  }

  /** Asks the file system for it; {@code subject} is what native code says that it is about. */
  abstract FileHandle unopenedFile(long subject) throws IOException;

  /** Asks the file system for it, as {@link #unopenedFile}. */
  abstract DirHandle unopenedDirectory(long subject) throws IOException;

  final int failed(Object culprit, Throwable thrown) {
    return Failures.answer(culprit == null ? fs : culprit, request.operation(), thrown);
  }
}
