import alluxio.jnifuse.AbstractFuseFileSystem;
import alluxio.jnifuse.FuseFillDir;
import alluxio.jnifuse.LibFuse;
import alluxio.jnifuse.struct.FileStat;
import alluxio.jnifuse.struct.FuseFileInfo;
import alluxio.jnifuse.utils.LibfuseVersion;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Set;

/**
 * The flat file system on Alluxio's JNI-FUSE, for compare.py: {@code JniFlat DIRECTORY OPTIONS}.
 */
final class JniFlat extends AbstractFuseFileSystem {
  private final Flat flat = new Flat();

  private JniFlat(Path directory) {
    super(directory);
  }

  public static void main(String[] arguments) {
    LibFuse.loadLibrary(LibfuseVersion.VERSION_3);
    new JniFlat(Path.of(arguments[0])).mount(true, false, Set.of(arguments[1]));
    System.exit(0);
  }

  @Override
  public String getFileSystemName() {
    return "flat";
  }

  @Override
  public int getattr(String path, FileStat out) {
    if (Flat.isRoot(path)) {
      out.st_mode.set(Flat.MODE_DIRECTORY);
      out.st_nlink.set(2);
      return 0;
    }
    int file = flat.fileAt(path);
    if (file == Flat.NONE) {
      return -Flat.ENOENT;
    }
    out.st_mode.set(Flat.MODE_FILE);
    out.st_nlink.set(1);
    out.st_size.set(Flat.sizeOf(file));
    out.st_blocks.set(Flat.sizeOf(file) / 512);
    return 0;
  }

  @Override
  public int open(String path, FuseFileInfo open) {
    int file = flat.fileAt(path);
    if (file == Flat.NONE) {
      return -Flat.ENOENT;
    }
    open.fh.set(file);
    return 0;
  }

  @Override
  public int create(String path, long mode, FuseFileInfo open) {
    open.fh.set(Flat.EMPTY);
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
  public int read(String path, ByteBuffer out, long size, long offset, FuseFileInfo open) {
    return flat.read(open.fh.intValue(), out, size, offset);
  }

  @Override
  public int write(String path, ByteBuffer in, long size, long offset, FuseFileInfo open) {
    return flat.write(open.fh.intValue(), in, size, offset);
  }

  @Override
  public int flush(String path, FuseFileInfo open) {
    return 0; // the library fails the close of a file system that has none
  }

  @Override
  public int release(String path, FuseFileInfo open) {
    return 0;
  }

  @Override
  public int readdir(String path, long out, long add, long offset, FuseFileInfo open) {
    flat.list(name -> FuseFillDir.apply(add, out, name, null, 0) == 0);
    return 0;
  }
}
