package io.github.ferrofuse.internal;

import io.github.ferrofuse.DirHandle;
import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FuseFileSystem;
import io.github.ferrofuse.OpenFile;
import java.io.IOException;

/**
 * One lease's way into a file system that names its files by path.
 *
 * <p>Native code resolves paths and pins them during the upcall; it gives each as the length of
 * bytes in the args page. A length of -1 stands for a file without a name, which one of its open
 * handles answers for. What is made here is asked for its attributes at once: nodes and their
 * lookups are native code's business.
 */
final class PathUpcalls extends Upcalls {
  private final FuseFileSystem fs;
  private final PathStrings strings;

  PathUpcalls(Door door, FuseFileSystem fs, int bulkSize) {
    super(door, bulkSize, true);
    this.fs = fs;
    this.strings = door.pathStrings();
  }

  // ---- names and attributes ----

  int lookup(int path) {
    begin();
    try {
      return answerEntry(path(path));
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  int getattr(int path, int slot) {
    begin();
    try {
      return answerAttr(path, openFile(slot));
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  int setattr(int path, int slot) {
    begin();
    try {
      OpenFile file = openFile(slot);
      if (file != null) {
        file.setattr(request, change);
      } else {
        fs.setattr(request, path(path), change);
      }
      return answerAttr(path, file);
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  /** Answers the target's length. */
  int readlink(int path) {
    begin();
    try {
      byte[] target = NameAccess.get().encode(fs.readlink(request, path(path)));
      if (target.length > LONGEST_TARGET) {
        throw Errno.ENAMETOOLONG.exception();
      }
      Transfers.lend(bulk, bulk.capacity()).put(target);
      checkTarget(target.length);
      return target.length;
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  int symlink(int path, int targetLength) {
    begin();
    try {
      String link = path(path);
      fs.symlink(request, link, secondName(targetLength).toString());
      return answerEntry(link);
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  int mknod(int path, int mode, int rdev) {
    begin();
    try {
      String file = path(path);
      fs.mknod(request, file, mode, rdev);
      return answerEntry(file);
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  int mkdir(int path, int mode) {
    begin();
    try {
      String directory = path(path);
      fs.mkdir(request, directory, mode);
      return answerEntry(directory);
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  int unlink(int path) {
    begin();
    try {
      fs.unlink(request, path(path));
      return 0;
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  int rmdir(int path) {
    begin();
    try {
      fs.rmdir(request, path(path));
      return 0;
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  int rename(int path, int newPath, int flags) {
    begin();
    try {
      fs.rename(request, path(path), second(newPath), flags);
      return 0;
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  /** {@code slot} is an open handle of a file without a name, -1 for one with a path. */
  int link(int path, int slot, int newPath) {
    begin();
    try {
      OpenFile file = nameless(path, slot);
      String made = second(newPath);
      if (file != null) {
        file.link(request, made);
      } else {
        fs.link(request, path(path), made);
      }
      return answerEntry(made);
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  int statfs(int path) {
    begin();
    try {
      fs.statfs(request, path(path), statfs.reset());
      return 0;
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  int syncfs() {
    begin();
    try {
      fs.syncfs(request);
      return 0;
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  /** Answers 0 and the block. */
  int bmap(int path, int blockSize, long block) {
    begin();
    try {
      return answer("bmap", fs.bmap(request, path(path), blockSize, block));
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  int access(int path, int mask) {
    begin();
    try {
      fs.access(request, path(path), mask);
      return 0;
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  private int answerEntry(String path) throws IOException {
    fs.getattr(request, path, entry.reset().attr());
    entry.finishUnnumbered();
    return 0;
  }

  private int answerAttr(int path, OpenFile file) throws IOException {
    if (file != null) {
      file.getattr(request, attr.reset());
    } else {
      fs.getattr(request, path(path), attr.reset());
    }
    attr.finish(0);
    return 0;
  }

  // ---- extended attributes ----

  int setxattr(int path, int slot, int nameLength, int valueStart, int valueEnd, int flags) {
    begin();
    try {
      OpenFile file = nameless(path, slot);
      String name = second(nameLength);
      Transfers.lend(bulk, valueStart, valueEnd);
      if (file != null) {
        file.setxattr(request, name, bulk, flags);
      } else {
        fs.setxattr(request, path(path), name, bulk, flags);
      }
      return 0;
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  /** Answers the value's size; a size of 0 asks for it alone. */
  int getxattr(int path, int slot, int nameLength, int size) {
    begin();
    try {
      OpenFile file = nameless(path, slot);
      String name = second(nameLength);
      int room = Math.min(size, bulk.capacity());
      Transfers.lend(bulk, room);
      int needed =
          file != null
              ? file.getxattr(request, name, bulk)
              : fs.getxattr(request, path(path), name, bulk);
      return sizeOfValue(needed, size, room);
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  /** Answers the size of all names; a size of 0 asks for it alone. */
  int listxattr(int path, int slot, int size) {
    begin();
    try {
      OpenFile file = nameless(path, slot);
      int room = Math.min(size, bulk.capacity());
      if (file != null) {
        file.listxattr(request, xattrs.reset(room));
      } else {
        fs.listxattr(request, path(path), xattrs.reset(room));
      }
      return sizeOfNames(size, room);
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  int removexattr(int path, int slot, int nameLength) {
    begin();
    try {
      OpenFile file = nameless(path, slot);
      String name = second(nameLength);
      if (file != null) {
        file.removexattr(request, name);
      } else {
        fs.removexattr(request, path(path), name);
      }
      return 0;
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  // ---- files and directories ----

  /**
   * {@code from} is an open handle of a file without a name, -1 for one with a path. Answers 1 if
   * the new handle can answer for its file itself.
   */
  int open(int path, int from, int flags, int slot) {
    begin();
    try {
      OpenFile file = nameless(path, from);
      FileHandle handle =
          file != null
              ? file.reopen(request, flags, opened.reset())
              : fs.open(request, path(path), flags, opened.reset());
      keepOrRelease(slot, handle);
      return answersItself(handle);
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  /** Answers as {@link #open}. */
  int create(int path, int mode, int flags, int slot) {
    begin();
    try {
      String file = path(path);
      FileHandle handle = fs.create(request, file, mode, flags, opened.reset());
      try {
        if (handle instanceof OpenFile) {
          ((OpenFile) handle).getattr(request, entry.reset().attr());
          entry.finishUnnumbered();
        } else if (handle != null) {
          answerEntry(file);
        }
        keep(slot, handle); // refuses null
        return answersItself(handle);
      } catch (Throwable thrown) {
        releaseQuietly(handle);
        throw thrown;
      }
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  int tmpfile(int directory, int mode, int flags, int slot) {
    begin();
    try {
      OpenFile handle = fs.tmpfile(request, path(directory), mode, flags, opened.reset());
      try {
        if (handle != null) {
          handle.getattr(request, entry.reset().attr());
          entry.finishUnnumbered();
        }
        return keep(slot, handle); // refuses null
      } catch (Throwable thrown) {
        releaseQuietly(handle);
        throw thrown;
      }
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  private static int answersItself(FileHandle handle) {
    return handle instanceof OpenFile ? 1 : 0;
  }

  int opendir(int path, int slot) {
    begin();
    try {
      return keep(slot, fs.opendir(request, path(path), opened.reset()));
    } catch (Throwable thrown) {
      return failed(fs, thrown);
    }
  }

  /** Answers how many bytes of records there are; 0 at the end of the directory. */
  int readdir(int path, int slot, long cookie, int size, int plus) {
    begin();
    DirHandle handle = null;
    try {
      handle = directory(slot);
      if (handle instanceof Listing) {
        ((Listing) handle).isAt(path < 0 ? null : path(path));
      }
    } catch (Throwable thrown) {
      return failed(handle, thrown);
    }
    return list(handle, cookie, size, plus);
  }

  // ---- shared ----

  @Override
  FileHandle unopenedFile(long path) throws IOException {
    return fs.fileHandle(path((int) path));
  }

  @Override
  DirHandle unopenedDirectory(long path) throws IOException {
    return fs.dirHandle(path((int) path));
  }

  /** The path in the first area. A file without one is stale for whoever needs it. */
  private String path(int length) throws IOException {
    if (length < 0) {
      throw Errno.ESTALE.exception();
    }
    return strings.get(page, Layout.NAME, length);
  }

  /** The path or the name in the second area. */
  private String second(int length) {
    return strings.get(page, Layout.TARGET, length);
  }

  /** The handle that a request came through, if it answers for its file itself. */
  private OpenFile openFile(int slot) {
    FileHandle handle = slot < 0 ? null : files.get(slot);
    return handle instanceof OpenFile ? (OpenFile) handle : null;
  }

  /** The handle that answers for a file without a name; null for one that has a path. */
  private OpenFile nameless(int path, int slot) {
    return path < 0 ? openFile(slot) : null;
  }
}
