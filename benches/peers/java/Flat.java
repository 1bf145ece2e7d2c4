import java.nio.ByteBuffer;
import java.util.Map;
import java.util.NavigableMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.function.Predicate;

/**
 * The files of examples/flat by path, for the bindings that hand over paths as strings: the files
 * {@code f0} to {@code f15}, 1 GiB each, whose bytes repeat every MiB; the empty files {@code n0}
 * to {@code n9999}; and empty files that can be made and removed. The peers on Java libraries use
 * it; it knows none of them. What FlatFileSystem does: a change there belongs here too.
 */
final class Flat {
  static final int FILES = 16;
  static final int EMPTY_FILES = 10_000;
  static final long FILE_SIZE = 1L << 30;
  static final int PERIOD = 1 << 20;

  /** The number of every file without data. */
  static final int EMPTY = FILES;

  static final int NONE = -1;
  static final int MODE_DIRECTORY = 0040755;
  static final int MODE_FILE = 0100666;

  /** Errno values of Linux, the same on every machine that the peers run on. */
  static final int ENOENT = 2, EPERM = 1, EEXIST = 17, EFBIG = 27;

  private final byte[][] data = new byte[FILES][PERIOD];
  private final Map<String, Integer> files = new ConcurrentHashMap<>();
  private final NavigableMap<Integer, String> created = new ConcurrentSkipListMap<>();
  private int nextCreated = EMPTY + 1;

  Flat() {
    for (int file = 0; file < FILES; file++) {
      for (int i = 0; i < PERIOD; i++) {
        data[file][i] = (byte) ('a' + (i + file) % 26);
      }
      files.put("/f" + file, file);
    }
    for (int i = 0; i < EMPTY_FILES; i++) {
      files.put("/n" + i, EMPTY);
    }
  }

  /** The number of a file: below FILES one with data, EMPTY or above one without, or NONE. */
  int fileAt(String path) {
    Integer file = files.get(path);
    return file == null ? NONE : file;
  }

  /** Whether a path is the directory. */
  static boolean isRoot(String path) {
    return path.equals("/");
  }

  static long sizeOf(int file) {
    return file < FILES ? FILE_SIZE : 0;
  }

  /** Where the bytes of a file are, at an offset modulo PERIOD. */
  byte[] dataOf(int file) {
    return data[file];
  }

  /** How many bytes a transfer moves, or negative an errno. */
  static int bytesToRead(int file, long size, long offset) {
    return file >= FILES ? 0 : (int) Math.min(size, Math.max(0, FILE_SIZE - offset));
  }

  static int bytesToWrite(int file, long size, long offset) {
    return file >= FILES || offset >= FILE_SIZE ? -EFBIG : (int) Math.min(size, FILE_SIZE - offset);
  }

  /** What a read answers; copies to the beginning of a buffer. */
  int read(int file, ByteBuffer out, long size, long offset) {
    int count = bytesToRead(file, size, offset);
    for (int done = 0, part; done < count; done += part) {
      int at = (int) (offset + done) & PERIOD - 1;
      part = Math.min(count - done, PERIOD - at);
      out.put(done, data[file], at, part);
    }
    return count;
  }

  /** What a write answers; copies from the beginning of a buffer. */
  int write(int file, ByteBuffer in, long size, long offset) {
    int count = bytesToWrite(file, size, offset);
    for (int done = 0, part; done < count; done += part) {
      int at = (int) (offset + done) & PERIOD - 1;
      part = Math.min(count - done, PERIOD - at);
      in.get(done, data[file], at, part);
    }
    return count;
  }

  /** Makes an empty file; answers 0 or negative an errno. */
  synchronized int create(String path) {
    if (files.putIfAbsent(path, nextCreated) != null) {
      return -EEXIST;
    }
    created.put(nextCreated++, path);
    return 0;
  }

  /** Removes a file that was made; answers 0 or negative an errno. */
  synchronized int unlink(String path) {
    Integer file = files.get(path);
    if (file == null) {
      return -ENOENT;
    }
    if (file <= EMPTY) {
      return -EPERM;
    }
    files.remove(path);
    created.remove(file);
    return 0;
  }

  /**
   * Gives a file that was made another name; answers 0 or negative an errno. libfuse 3 calls it for
   * a file that is removed before its last close has arrived, and its Java bindings can't tell it
   * not to.
   */
  synchronized int rename(String from, String to) {
    Integer file = files.get(from);
    if (file == null) {
      return -ENOENT;
    }
    if (file <= EMPTY || files.containsKey(to)) {
      return -EPERM;
    }
    files.remove(from);
    files.put(to, file);
    created.put(file, to);
    return 0;
  }

  /** Hands all names over until one is refused. */
  void list(Predicate<String> add) {
    for (int i = 0; i < FILES; i++) {
      if (!add.test("f" + i)) {
        return;
      }
    }
    for (int i = 0; i < EMPTY_FILES; i++) {
      if (!add.test("n" + i)) {
        return;
      }
    }
    for (String path : created.values()) {
      if (!add.test(path.substring(1))) {
        return;
      }
    }
  }
}
