package io.github.ferrofuse.examples.hello;

import io.github.ferrofuse.*;
import java.nio.ByteBuffer;
import java.nio.file.Path;

/** One directory with one file, "hello". */
public class HelloFileSystem implements FuseFileSystem {
  private static final byte[] TEXT = "Hello from Java\n".getBytes();

  public void getattr(Request request, String path, AttrSink out) throws FuseException {
    switch (path) {
      case "/" -> out.mode(FileType.DIRECTORY.bits() | 0555).nlink(2);
      case "/hello" -> out.mode(FileType.REGULAR.bits() | 0444).size(TEXT.length);
      default -> throw Errno.ENOENT.exception();
    }
  }

  public void readdir(Request request, String path, DirList out) {
    out.add("hello", FileType.REGULAR);
  }

  public FileHandle open(Request request, String path, int flags, OpenReply out) {
    return new FileHandle() {
      public int read(Request request, ByteBuffer dst, long offset) {
        int start = (int) Math.min(offset, TEXT.length);
        int length = Math.min(dst.remaining(), TEXT.length - start);
        dst.put(TEXT, start, length);
        return length; // 0 at the end
      }
    };
  }

  public static void main(String[] args) throws Exception {
    FuseMount mount = Fuse.mount(new HelloFileSystem(), Path.of(args[0]), MountOptions.defaults());
    System.out.println("mounted on " + mount.mountPoint());
    mount.join(); // until it is unmounted
  }
}
