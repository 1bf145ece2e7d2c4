package io.github.ferrofuse.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.AttrChange;
import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.DirList;
import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.FuseFileSystem;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.OpenFile;
import io.github.ferrofuse.OpenReply;
import io.github.ferrofuse.Operation;
import io.github.ferrofuse.Request;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class PathUpcallsTest {
  private static final int BULK = 1 << 16;
  private static final int SLOT = 4;
  private static final int SYMLINK = FileType.SYMLINK.bits() | 0777;

  private final List<String> calls = new ArrayList<>();
  private final FuseFileSystem fs = new Recorder();
  private final PathUpcalls upcalls =
      (PathUpcalls) new Door(fs, MountOptions.defaults(), Path.of("/")).lease(BULK);
  private final ByteBuffer page = upcalls.page();

  private int path(String path) {
    return put(Layout.NAME, path);
  }

  private int second(String text) {
    return put(Layout.TARGET, text);
  }

  private int put(int at, String text) {
    byte[] bytes = Name.of(text).toBytes();
    page.put(at, bytes);
    return bytes.length;
  }

  private int entryMode() {
    return page.getInt(Layout.ENTRY + Layout.ENTRY_ATTR + Layout.ATTR_MODE);
  }

  private PathUpcalls during(Operation operation) {
    page.putInt(Layout.REQUEST_OPCODE, operation.opcode());
    return upcalls;
  }

  @Test
  void aLookUpIsAQuestionForAttributesAndLeavesTheNodeOpen() {
    assertEquals(0, during(Operation.LOOKUP).lookup(path("/file")));
    assertEquals(FileType.REGULAR.bits() | 0644, entryMode());
    assertEquals(0, page.getLong(Layout.ENTRY + Layout.ENTRY_NODE));
    assertEquals(0, page.getLong(Layout.ENTRY + Layout.ENTRY_ATTR + Layout.ATTR_INO));
    assertEquals(-Errno.ENOENT.code(), upcalls.lookup(path("/none")));
  }

  @Test
  void whatIsMadeIsAskedForItsAttributes() {
    assertEquals(0, during(Operation.SYMLINK).symlink(path("/link"), second("the target")));
    assertEquals(SYMLINK, entryMode());
    assertEquals(List.of("symlink /link the target", "getattr /link"), calls);
    calls.clear();
    assertEquals(0, during(Operation.LINK).link(path("/file"), -1, second("/other")));
    assertEquals(List.of("link /file /other", "getattr /other"), calls);
  }

  @Test
  void aRenameGetsBothPaths() {
    assertEquals(0, during(Operation.RENAME).rename(path("/a"), second("/b"), 1));
    assertEquals(List.of("rename /a /b 1"), calls);
  }

  @Test
  void aHandleThatKnowsItsFileAnswersForIt() {
    during(Operation.CREATE).create(path("/open"), 0644, 0, SLOT);
    assertEquals(List.of("create /open", "handle.getattr"), calls);
    calls.clear();
    assertEquals(0, during(Operation.GETATTR).getattr(path("/open"), SLOT));
    assertEquals(0, during(Operation.SETATTR).setattr(-1, SLOT));
    assertEquals(List.of("handle.getattr", "handle.setattr", "handle.getattr"), calls);
    assertEquals(7, page.getLong(Layout.GETATTR + Layout.GETATTR_ATTR + Layout.ATTR_SIZE));
  }

  @Test
  void aFileWithoutANameIsStaleForWhoeverNeedsOne() {
    during(Operation.OPEN).open(path("/file"), -1, 0, SLOT);
    calls.clear();
    int stale = -Errno.ESTALE.code();
    assertEquals(stale, during(Operation.GETATTR).getattr(-1, SLOT));
    assertEquals(stale, during(Operation.SETATTR).setattr(-1, SLOT));
    assertEquals(stale, during(Operation.OPEN).open(-1, SLOT, 0, SLOT + 1));
    assertEquals(stale, during(Operation.GETXATTR).getxattr(-1, SLOT, second("user.a"), 100));
    assertEquals(stale, during(Operation.ACCESS).access(-1, 4));
    assertEquals(List.of(), calls);
  }

  @Test
  void aTargetMayBeAnyBytes() {
    assertEquals(2, during(Operation.READLINK).readlink(path("/link")));
    assertEquals((byte) 0xff, upcalls.bulk().get(1));
  }

  @Test
  void aDirectoryIsListedAnewFromItsBeginningAndWhereItIsThen() {
    during(Operation.OPENDIR).opendir(path("/dir"), SLOT);
    int all = during(Operation.READDIR).readdir(path("/moved"), SLOT, 0, BULK, 0);
    assertTrue(all > 0);
    assertEquals(0, upcalls.readdir(path("/again"), SLOT, 5, BULK, 0), "the end");
    assertEquals(all, upcalls.readdir(path("/again"), SLOT, 0, BULK, 0));
    assertEquals(List.of("readdir /moved", "readdir /again"), calls);
    int dots = upcalls.readdir(-1, SLOT, 0, BULK, 0);
    assertTrue(dots > 0 && dots < all, "removed: " + dots);
  }

  @Test
  void onlyTheCallThatListedGivesAttributes() {
    during(Operation.OPENDIR).opendir(path("/dir"), SLOT);
    during(Operation.READDIRPLUS).readdir(path("/dir"), SLOT, 0, BULK, 1);
    int dots = 2 * (Layout.ENTRY_SIZE + Layout.DIRENT_LENGTH + 8);
    ByteBuffer records = upcalls.bulk().duplicate().order(page.order());
    assertEquals(1, records.getLong(dots + Layout.ENTRY_NODE));
    assertEquals(99, records.getLong(dots + Layout.ENTRY_ATTR + Layout.ATTR_INO));
    upcalls.readdir(path("/dir"), SLOT, 2, BULK, 1);
    assertEquals(0, records.getLong(Layout.ENTRY_NODE));
  }

  @Test
  void aNameThatIsNoneIsRefusedAndDotsAreOurs() {
    for (String wrong : new String[] {"", "a/b", "nul\0"}) {
      FuseFileSystem bad =
          new Recorder() {
            @Override
            public void readdir(Request request, String path, DirList out) {
              out.add("good", FileType.REGULAR).add(wrong, FileType.REGULAR);
            }
          };
      PathUpcalls asked =
          (PathUpcalls) new Door(bad, MountOptions.defaults(), Path.of("/")).lease(BULK);
      asked.page().putInt(Layout.REQUEST_OPCODE, Operation.READDIR.opcode());
      asked.page().put(Layout.NAME, new byte[] {'/'});
      asked.opendir(1, SLOT);
      assertEquals(-Errno.EIO.code(), asked.readdir(1, SLOT, 0, BULK, 0), wrong);
    }
  }

  private class Recorder implements FuseFileSystem {
    @Override
    public void getattr(Request request, String path, AttrSink out) throws IOException {
      calls.add("getattr " + path);
      if (path.equals("/none")) {
        throw Errno.ENOENT.exception();
      }
      out.mode(path.equals("/link") ? SYMLINK : FileType.REGULAR.bits() | 0644);
    }

    @Override
    public String readlink(Request request, String path) {
      return "a\udcff";
    }

    @Override
    public void symlink(Request request, String path, String target) {
      calls.add("symlink " + path + " " + target);
    }

    @Override
    public void link(Request request, String path, String newPath) {
      calls.add("link " + path + " " + newPath);
    }

    @Override
    public void rename(Request request, String path, String newPath, int flags) {
      calls.add("rename " + path + " " + newPath + " " + flags);
    }

    @Override
    public FileHandle open(Request request, String path, int flags, OpenReply out) {
      return new FileHandle() {};
    }

    @Override
    public FileHandle create(Request request, String path, int mode, int flags, OpenReply out) {
      calls.add("create " + path);
      return new Knowing();
    }

    @Override
    public void readdir(Request request, String path, DirList out) {
      calls.add("readdir " + path);
      out.add("f").mode(FileType.REGULAR.bits()).ino(99);
      out.add(".", FileType.DIRECTORY).add("g", FileType.REGULAR).add("h", FileType.UNKNOWN);
    }
  }

  private final class Knowing implements OpenFile {
    @Override
    public void getattr(Request request, AttrSink out) {
      calls.add("handle.getattr");
      out.mode(FileType.REGULAR.bits() | 0600).size(7);
    }

    @Override
    public void setattr(Request request, AttrChange change) {
      calls.add("handle.setattr");
    }
  }
}
