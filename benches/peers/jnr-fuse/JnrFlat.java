import java.nio.file.Path;
import jnr.ffi.Pointer;
import ru.serce.jnrfuse.FuseFillDir;
import ru.serce.jnrfuse.FuseStubFS;
import ru.serce.jnrfuse.struct.FileStat;
import ru.serce.jnrfuse.struct.FuseFileInfo;

/** The flat file system on jnr-fuse, for compare.py: {@code JnrFlat DIRECTORY OPTIONS}. */
final class JnrFlat extends FuseStubFS {
  private final Flat flat = new Flat();

  public static void main(String[] arguments) {
    new JnrFlat().mount(Path.of(arguments[0]), true, false, new String[] {"-o", arguments[1]});
    System.exit(0);
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
  public int read(String path, Pointer out, long size, long offset, FuseFileInfo open) {
    int file = open.fh.intValue();
    int count = Flat.bytesToRead(file, size, offset);
    for (int done = 0, part; done < count; done += part) {
      int at = (int) (offset + done) & Flat.PERIOD - 1;
      part = Math.min(count - done, Flat.PERIOD - at);
      out.put(done, flat.dataOf(file), at, part);
    }
    return count;
  }

  @Override
  public int write(String path, Pointer in, long size, long offset, FuseFileInfo open) {
    int file = open.fh.intValue();
    int count = Flat.bytesToWrite(file, size, offset);
    for (int done = 0, part; done < count; done += part) {
      int at = (int) (offset + done) & Flat.PERIOD - 1;
      part = Math.min(count - done, Flat.PERIOD - at);
      in.get(done, flat.dataOf(file), at, part);
    }
    return count;
  }

  @Override
  public int readdir(String path, Pointer out, FuseFillDir add, long offset, FuseFileInfo open) {
    flat.list(name -> add.apply(out, name, null, 0) == 0);
    return 0;
  }
}
