package io.github.ferrofuse.internal;

import io.github.ferrofuse.DirHandle;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.Name;
import java.io.IOException;

/** One lease's way into a file system that names its files by number. */
final class NodeUpcalls extends Upcalls {
  private final InodeFileSystem fs;

  NodeUpcalls(Door door, InodeFileSystem fs, int bulkSize) {
    super(door, bulkSize, false);
    this.fs = fs;
  }

  // ---- names and attributes ----

  /**
   * Answers 1 with an entry, which has no node if there is no such name for as long as the entry
   * says; or 0 if there is none for as long as the mount says.
   */
  int lookup(long parent, int nameLength) {
    begin();
    try {
      if (!fs.lookup(request, parent, name(nameLength), entry.reset())) {
        return entry.finishAbsent() ? 1 : 0;
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
      checkTarget(bulk.position());
      return bulk.position();
    } catch (Throwable thrown) {
      return failed(fs, thrown);
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

  int syncfs(long node) {
    begin();
    try {
      fs.syncfs(request, node);
      return 0;
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  /** Answers 0 and the block. */
  int bmap(long node, int blockSize, long block) {
    begin();
    try {
      return answer("bmap", fs.bmap(request, node, blockSize, block));
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
      return sizeOfValue(needed, size, room);
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
      return sizeOfNames(size, room);
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

  // ---- files and directories ----

  int open(long node, int flags, int slot) {
    begin();
    try {
      return keepOrRelease(slot, fs.open(request, node, flags, opened.reset()));
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  int create(long parent, int nameLength, int mode, int flags, int slot) {
    begin();
    try {
      OpenReplyWriter reply = opened.reset();
      return keepMade(
          slot, fs.create(request, parent, name(nameLength), mode, flags, entry.reset(), reply));
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  int tmpfile(long parent, int mode, int flags, int slot) {
    begin();
    try {
      OpenReplyWriter reply = opened.reset();
      return keepMade(slot, fs.tmpfile(request, parent, mode, flags, entry.reset(), reply));
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  /** Completes the entry of a file that was made and opened, and files its handle. */
  private int keepMade(int slot, FileHandle handle) {
    try {
      entry.finishRegular();
      return keep(slot, handle);
    } catch (Throwable thrown) {
      releaseQuietly(handle);
      takeBack();
      throw thrown;
    }
  }

  int opendir(long node, int slot) {
    begin();
    try {
      return keep(slot, fs.opendir(request, node, opened.reset()));
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  /** Answers how many bytes of records there are; 0 at the end of the directory. */
  int readdir(int slot, long cookie, int size, int plus) {
    begin();
    DirHandle handle;
    try {
      handle = directory(slot);
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
    return list(handle, cookie, size, plus);
  }

  private Name name(int length) {
    NameAccess.get().assign(name, page, Layout.NAME, length);
    return name;
  }

  @Override
  FileHandle unopenedFile(long node) throws IOException {
    return fs.fileHandle(node);
  }

  @Override
  DirHandle unopenedDirectory(long node) throws IOException {
    return fs.dirHandle(node);
  }
}
