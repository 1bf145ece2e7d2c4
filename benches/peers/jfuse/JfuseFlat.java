import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.Set;
import org.cryptomator.jfuse.api.DirFiller;
import org.cryptomator.jfuse.api.Errno;
import org.cryptomator.jfuse.api.FileInfo;
import org.cryptomator.jfuse.api.Fuse;
import org.cryptomator.jfuse.api.FuseBuilder;
import org.cryptomator.jfuse.api.FuseOperations;
import org.cryptomator.jfuse.api.Stat;

/** The flat file system on jfuse, for compare.py: {@code JfuseFlat DIRECTORY OPTIONS}. */
final class JfuseFlat implements FuseOperations {
  private final Flat flat = new Flat();
  private final Errno errno;

  private JfuseFlat(Errno errno) {
    this.errno = errno;
  }

  public static void main(String[] arguments) throws Exception {
    FuseBuilder builder = Fuse.builder();
    builder
        .build(new JfuseFlat(builder.errno()))
        .mount("flat", Path.of(arguments[0]), "-o", arguments[1]);
    while (isMounted(arguments[0])) { // nothing of the binding waits for an unmount or tells of it
      Thread.sleep(500);
    }
    System.exit(0);
  }

  private static boolean isMounted(String directory) throws IOException {
    return Files.readString(Path.of("/proc/self/mountinfo")).contains(" " + directory + " ");
  }

  @Override
  public Errno errno() {
    return errno;
  }

  @Override
  public Set<Operation> supportedOperations() {
    return EnumSet.of(
        Operation.GET_ATTR,
        Operation.OPEN,
        Operation.CREATE,
        Operation.UNLINK,
        Operation.RENAME,
        Operation.READ,
        Operation.WRITE,
        Operation.READ_DIR);
  }

  @Override
  public int getattr(String path, Stat out, FileInfo open) {
    if (Flat.isRoot(path)) {
      out.setMode(Flat.MODE_DIRECTORY);
      out.setNLink((short) 2);
      return 0;
    }
    int file = flat.fileAt(path);
    if (file == Flat.NONE) {
      return -Flat.ENOENT;
    }
    out.setMode(Flat.MODE_FILE);
    out.setNLink((short) 1);
    out.setSize(Flat.sizeOf(file));
    return 0;
  }

  @Override
  public int open(String path, FileInfo open) {
    int file = flat.fileAt(path);
    if (file == Flat.NONE) {
      return -Flat.ENOENT;
    }
    open.setFh(file);
    return 0;
  }

  @Override
  public int create(String path, int mode, FileInfo open) {
    open.setFh(Flat.EMPTY);
    return flat.create(path);
  }

  @Override
  public int unlink(String path) {
    return flat.unlink(path);
  }

  @Override
  public int rename(String from, String to, int flags) {
    return flat.rename(from, to);
  }

  @Override
  public int read(String path, ByteBuffer out, long size, long offset, FileInfo open) {
    return flat.read((int) open.getFh(), out, size, offset);
  }

  @Override
  public int write(String path, ByteBuffer in, long size, long offset, FileInfo open) {
    return flat.write((int) open.getFh(), in, size, offset);
  }

  @Override
  public int readdir(String path, DirFiller add, long offset, FileInfo open, int flags) {
    flat.list(name -> add.fill(name, stat -> {}, 0, 0) == 0);
    return 0;
  }
}
