package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;
import static org.junit.jupiter.api.parallel.ExecutionMode.CONCURRENT;

import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ResourceLock;

/** Names and listings, on a mount of the memory file system. */
@Tag("mount")
@ResourceLock("beside the others") // one test at a time
@Execution(CONCURRENT) // takes long
@Tag("once")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class DirectoriesTest {
  @RegisterExtension final Mounts mounts = new Mounts();

  private Path memory() throws IOException {
    return mounts.mount(Mounts.memory()).mountPoint();
  }

  /** Of a long listing. */
  int entries() {
    return 100_000;
  }

  @Test
  void aLongListingHasEachEntryOnce() throws Exception {
    String counts =
        Shell.python(
            """
            import os, sys
            root, entries = sys.argv[1], int(sys.argv[2])
            for i in range(entries):
                os.close(os.open(f"{root}/entry-{i}", os.O_CREAT | os.O_WRONLY))
            names = os.listdir(root)
            inodes = {entry.inode() for entry in os.scandir(root)}
            sized = sum(entry.stat().st_size == 0 for entry in os.scandir(root))
            print(len(names), len(set(names)), len(inodes), sized)
            """,
            memory(),
            entries());
    assertEquals("%1$d %1$d %1$d %1$d".formatted(entries()), counts.trim());
  }

  @Test
  void aListingIsRightWhileItsDirectoryChanges() throws Exception {
    Shell.python(
        """
        import os, sys
        root = sys.argv[1]
        for i in range(5000):
            open(f"{root}/stays-{i}", "w").close()
            open(f"{root}/goes-{i}", "w").close()
        seen = []
        for i, entry in enumerate(os.scandir(root)):
            seen.append(entry.name)
            if i < 5000:
                os.unlink(f"{root}/goes-{i}")
                open(f"{root}/comes-{i}", "w").close()
        stays = [name for name in seen if name.startswith("stays-")]
        assert len(stays) == len(set(stays)) == 5000, (len(stays), len(set(stays)))
        assert len(seen) == len(set(seen)), "an entry came twice"
        """,
        memory());
  }

  @Test
  void namesAreAnyBytes() throws Exception {
    Shell.python(
        """
        import errno, os, sys
        root = os.fsencode(sys.argv[1])
        names = {bytes([b]) for b in range(1, 256) if b not in b"/."}
        names |= {bytes([255, b]) for b in range(1, 256) if b != ord("/")}
        names |= {"\\U0001f980.rs".encode(), "\\u00e4".encode(), b"\\xe4", b"\\xed\\xa0\\x80"}
        names |= {b"\\xf0\\x9f\\xa6", b"\\xc0\\xaf", b"...", b" ", b"n" * 255, b"\\xff" * 255}
        for name in names:
            with open(root + b"/" + name, "wb") as file:
                file.write(name)
        assert set(os.listdir(root)) == names
        for name in names:
            with open(root + b"/" + name, "rb") as file:
                assert file.read() == name, name
            os.rename(root + b"/" + name, root + b"/x-" + name[:253])
        assert set(os.listdir(root)) == {b"x-" + name[:253] for name in names}
        try:
            open(root + b"/" + b"n" * 256, "w")
            raise AssertionError("a name of 256 bytes was taken")
        except OSError as e:
            assert e.errno == errno.ENAMETOOLONG, e
        """,
        memory());
  }
}
