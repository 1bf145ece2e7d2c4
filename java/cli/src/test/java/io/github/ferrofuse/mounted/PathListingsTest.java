package io.github.ferrofuse.mounted;

import static io.github.ferrofuse.mounted.PathRenamesTest.UNCACHED;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.DirList;
import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.FuseFileSystem;
import io.github.ferrofuse.FuseMount;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.Request;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Directories that a path-based file system lists at once, and the strings of their paths. */
@Tag("mount")
@Tag("once")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class PathListingsTest {
  private static final int FILES = 10_000;

  /** Lists twice, with all attributes. */
  private static final String LIST =
      """
      import os, stat, sys
      root, count = sys.argv[1], int(sys.argv[2])
      assert sorted(os.listdir(root)) == [f"file-{i:05}" for i in range(count)]
      entries = list(os.scandir(root))
      assert len(entries) == count
      for entry in entries:
          i = int(entry.name[5:])
          said = entry.stat()
          assert entry.is_file() and stat.S_ISREG(said.st_mode)
          assert said.st_size == i, (entry.name, said)
          if sys.argv[3] != "BARE":
              assert said.st_ino == entry.inode() == i + 1000, (entry.name, said)
      assert os.path.exists(root + "/..") and stat.S_ISDIR(os.stat(root + "/.").st_mode)
      """;

  /** How much a listing says of its entries. */
  enum Form {
    BARE,
    NUMBERED,
    WITH_ATTRIBUTES
  }

  @RegisterExtension final Mounts mounts = new Mounts();

  @ParameterizedTest
  @EnumSource(Form.class)
  void tenThousandFilesAreListed(Form form) throws Exception {
    Numbered fs = new Numbered(form);
    Shell.python(LIST, mounts.mount(fs).mountPoint(), FILES, form);
    // The kernel wants attributes with the first entries, and goes on as long as somebody uses
    // them.
    if (form == Form.WITH_ATTRIBUTES) {
      assertTrue(fs.getattrs.get() < FILES + 100, fs.getattrs + " files were asked for");
    } else {
      assertTrue(fs.getattrs.get() >= FILES, fs.getattrs + " files were asked for");
    }
  }

  @Test
  void attributesOfAListingSpareTheQuestion() throws Exception {
    Numbered fs = new Numbered(Form.WITH_ATTRIBUTES);
    String names =
        Shell.python(
            """
            import os, sys
            entries = os.scandir(sys.argv[1])
            first = [next(entries) for i in range(5)]
            print(*[f"{entry.name}={entry.stat().st_size}" for entry in first])
            """,
            mounts.mount(fs).mountPoint());
    for (String said : names.trim().split(" ")) {
      String[] parts = said.split("=");
      assertEquals(Integer.parseInt(parts[0].substring(5)), Integer.parseInt(parts[1]));
    }
    assertEquals(0, fs.getattrs.get(), "files were asked for one by one");
  }

  @Test
  void beginningAnewShowsWhatCameSince() throws Exception {
    Shell.python(
        """
        import os, sys
        root = sys.argv[1]
        fd = os.open(root, os.O_RDONLY)
        def names():
            os.lseek(fd, 0, os.SEEK_SET)
            return sorted(os.listdir(fd))
        assert names() == []
        open(root + "/a", "w").close()
        os.mkdir(root + "/b")
        assert names() == ["a", "b"]
        os.unlink(root + "/a")
        assert names() == ["b"]
        os.rename(root + "/b", root + "/c")
        assert names() == ["c"]
        """,
        mounts.mount(new PathMemory(), UNCACHED).mountPoint());
  }

  @Test
  void aListingThatHasBegunKeepsItsEntries() throws Exception {
    Shell.python(
        """
        import os, sys
        root = sys.argv[1]
        before = {f"stays-{i}" for i in range(3000)}
        for name in before:
            open(f"{root}/{name}", "w").close()
        entries = os.scandir(root)
        seen = [next(entries).name for i in range(10)]
        for i in range(3000):
            open(f"{root}/comes-{i}", "w").close()
        seen += [entry.name for entry in entries]
        assert len(seen) == len(set(seen)) and before <= set(seen)
        """,
        mounts.mount(new PathMemory(), UNCACHED).mountPoint());
  }

  @Test
  void pathsThatComeAgainAreFoundInTheCache() throws Exception {
    FuseMount mount = mounts.mount(new PathMemory(), UNCACHED);
    Shell.python(
        """
        import os, sys
        os.mkdir(sys.argv[1] + "/directory")
        open(sys.argv[1] + "/directory/file", "w").close()
        for i in range(1000):
            os.stat(sys.argv[1] + "/directory/file")
        """,
        mount.mountPoint());
    assertEquals(500, mount.pathCache().capacity());
    assertTrue(mount.pathCache().hits() > 1900, mount.pathCache().toString());
    assertTrue(mount.pathCache().misses() < 100, mount.pathCache().toString());
    assertTrue(mount.pathCache().size() >= 2, mount.pathCache().toString());
  }

  @Test
  void aCacheOfOnePathIsEnough() throws Exception {
    MountOptions options = MountOptions.parse("path_cache=1,entry_timeout=0").options();
    Numbered fs = new Numbered(Form.BARE);
    FuseMount mount = mounts.mount(fs, options);
    Shell.python(LIST, mount.mountPoint(), FILES, Form.BARE);
    assertEquals(1, mount.pathCache().capacity());
    assertTrue(mount.pathCache().size() <= 1, mount.pathCache().toString());
    assertTrue(mount.pathCache().misses() >= FILES, mount.pathCache().toString());
  }

  /** Files "file-00000" and so on, each as large as its number says; counts what is asked. */
  private static final class Numbered implements FuseFileSystem {
    final AtomicInteger getattrs = new AtomicInteger();
    private final Form form;

    Numbered(Form form) {
      this.form = form;
    }

    @Override
    public void getattr(Request request, String path, AttrSink out) throws FuseException {
      if (path.equals("/")) {
        out.mode(FileType.DIRECTORY.bits() | 0755).nlink(2);
        return;
      }
      getattrs.incrementAndGet();
      if (!path.matches("/file-[0-9]{5}")) {
        throw Errno.ENOENT.exception();
      }
      fill(Integer.parseInt(path.substring(6)), out);
    }

    @Override
    public void readdir(Request request, String path, DirList out) {
      for (int i = 0; i < FILES; i++) {
        String name = String.format("file-%05d", i);
        switch (form) {
          case BARE -> out.add(name, FileType.UNKNOWN);
          case NUMBERED -> out.add(name, FileType.REGULAR, i + 1000);
          case WITH_ATTRIBUTES -> fill(i, out.add(name));
        }
      }
    }

    private void fill(int i, AttrSink out) {
      out.mode(FileType.REGULAR.bits() | 0644).size(i);
      if (form != Form.BARE) {
        out.ino(i + 1000);
      }
    }
  }
}
