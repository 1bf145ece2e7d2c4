package io.github.ferrofuse;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.EnumSet;
import org.junit.jupiter.api.Test;

class OperationTest {

  private static class Attributes implements InodeFileSystem {
    @Override
    public void getattr(Request request, long node, FileHandle handle, AttrSink out) {}
  }

  private static class Files extends Attributes {
    @Override
    public FileHandle open(Request request, long node, int flags, OpenReply out) {
      return null;
    }

    /** Not the interface's method: other parameters. */
    public void unlink(String name) {}
  }

  private interface Directories extends InodeFileSystem {
    @Override
    default DirHandle opendir(Request request, long node, OpenReply out) {
      return null;
    }
  }

  private static class Both extends Files implements Directories {}

  @Test
  void whatAClassOverridesIsPresentInheritedOrNot() {
    assertEquals(EnumSet.of(Operation.GETATTR, Operation.STATX), new Attributes().operations());
    assertEquals(EnumSet.noneOf(Operation.class), Operation.overriddenBy(InodeFileSystem.class));
  }

  @Test
  void openBringsTheOperationsOfHandles() {
    assertEquals(
        EnumSet.of(
            Operation.GETATTR,
            Operation.OPEN,
            Operation.READ,
            Operation.WRITE,
            Operation.FLUSH,
            Operation.FSYNC,
            Operation.FALLOCATE,
            Operation.LSEEK,
            Operation.COPY_FILE_RANGE,
            Operation.IOCTL,
            Operation.GETLK,
            Operation.SETLK,
            Operation.SETLKW,
            Operation.STATX,
            Operation.RELEASE),
        new Files().operations());
  }

  @Test
  void anInterfacesDefaultMethodCounts() {
    EnumSet<Operation> expected = EnumSet.copyOf(new Files().operations());
    expected.addAll(
        EnumSet.of(
            Operation.OPENDIR,
            Operation.READDIR,
            Operation.READDIRPLUS,
            Operation.RELEASEDIR,
            Operation.FSYNCDIR));
    assertEquals(expected, new Both().operations());
  }

  private static class ByPath implements FuseFileSystem {
    @Override
    public void getattr(Request request, String path, AttrSink out) {}

    @Override
    public void readdir(Request request, String path, DirList out) {}
  }

  @Test
  void attributesByPathBringLookupAndListingBringsDirectories() {
    assertEquals(
        EnumSet.of(
            Operation.GETATTR,
            Operation.LOOKUP,
            Operation.STATX,
            Operation.IOCTL,
            Operation.OPENDIR,
            Operation.READDIR,
            Operation.READDIRPLUS,
            Operation.RELEASEDIR,
            Operation.FSYNCDIR),
        new ByPath().operations());
    assertEquals(EnumSet.noneOf(Operation.class), Operation.overriddenBy(FuseFileSystem.class));
  }

  private static class Unopened extends Attributes {
    @Override
    public FileHandle fileHandle(long node) {
      return null;
    }

    @Override
    public DirHandle dirHandle(long node) {
      return null;
    }

    @Override
    public FileHandle create(
        Request request,
        long parent,
        Name name,
        int mode,
        int flags,
        EntrySink entry,
        OpenReply out) {
      return null;
    }
  }

  private static class PathUnopened extends ByPath {
    @Override
    public DirHandle dirHandle(String path) {
      return null;
    }
  }

  private static class OpenedNevertheless extends Unopened implements Directories {
    @Override
    public FileHandle open(Request request, long node, int flags, OpenReply out) {
      return null;
    }
  }

  @Test
  void handlesOfWhatNobodyOpensBringTheirOperationsButNoneThatOpensOrEnds() {
    EnumSet<Operation> unopened =
        EnumSet.of(
            Operation.GETATTR,
            Operation.STATX,
            Operation.READ,
            Operation.WRITE,
            Operation.FSYNC,
            Operation.FALLOCATE,
            Operation.LSEEK,
            Operation.READDIR,
            Operation.READDIRPLUS,
            Operation.FSYNCDIR);
    assertEquals(unopened, new Unopened().operations());
    assertEquals(
        EnumSet.of(
            Operation.GETATTR,
            Operation.LOOKUP,
            Operation.STATX,
            Operation.READDIR,
            Operation.READDIRPLUS,
            Operation.FSYNCDIR),
        new PathUnopened().operations());
    unopened.addAll(
        EnumSet.of(
            Operation.OPEN,
            Operation.CREATE,
            Operation.FLUSH,
            Operation.RELEASE,
            Operation.COPY_FILE_RANGE,
            Operation.IOCTL,
            Operation.GETLK,
            Operation.SETLK,
            Operation.SETLKW,
            Operation.OPENDIR,
            Operation.RELEASEDIR));
    assertEquals(unopened, new OpenedNevertheless().operations(), "who opens, opens");
  }
}
