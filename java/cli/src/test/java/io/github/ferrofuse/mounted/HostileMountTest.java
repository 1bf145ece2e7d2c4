package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import io.github.ferrofuse.Connection;
import io.github.ferrofuse.Fuse;
import io.github.ferrofuse.FuseMount;
import io.github.ferrofuse.FuseMount.Unmount;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.Operation;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** File systems that fail while they are mounted or unmounted: nothing stays behind. */
@Tag("mount")
@Tag("once")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class HostileMountTest {
  private static final Duration DEADLINE = Duration.ofSeconds(10);

  @RegisterExtension final Mounts mounts = new Mounts();

  @TempDir Path directory;

  private static final class Defect extends Error {
    private static final long serialVersionUID = 1;

    Defect() {
      super("a defect, for the test");
    }
  }

  private static <T> T fail() {
    throw new Defect();
  }

  /** One file called "file", and what a test overrides. */
  private static class Plain extends ScriptedFileSystem {
    Plain() {
      file("file", (flags, out) -> null);
    }
  }

  @Test
  void whatThrowsBeforeTheMountIsThrownToTheMountingThread() throws Exception {
    refusedWith(
        Defect.class,
        "FileSystemBase.operations",
        "throws",
        new Plain() {
          @Override
          public Set<Operation> operations() {
            return fail();
          }
        });
    refusedWith(
        IllegalArgumentException.class,
        "FileSystemBase.operations",
        "returns null",
        new Plain() {
          @Override
          public Set<Operation> operations() {
            return null;
          }
        });
    refusedWith(
        IllegalArgumentException.class,
        "FileSystemBase.operations",
        "has null in it",
        new Plain() {
          @Override
          public Set<Operation> operations() {
            return Collections.singleton(null);
          }
        });
    refusedWith(
        Defect.class,
        "InodeFileSystem.root",
        "throws",
        new Plain() {
          @Override
          public long root() {
            return fail();
          }
        });
    refusedWith(
        IllegalArgumentException.class,
        "InodeFileSystem.root",
        "returns 0",
        new Plain() {
          @Override
          public long root() {
            return 0;
          }
        });
    Plain unchecked =
        new Plain() {
          @Override
          public boolean checksAccess() {
            return fail();
          }
        };
    MountOptions options = MountOptions.builder().allowOther(true).build();
    assertThrows(Defect.class, () -> Fuse.mount(unchecked, directory, options));
    HostileRun.write("FileSystemBase.checksAccess", "throws", "Fuse.mount throws the same");
    Plain uninterruptible =
        new Plain() {
          @Override
          public boolean interruptsThreads() {
            return fail();
          }
        };
    assertThrows(
        Defect.class, () -> Fuse.mount(uninterruptible, directory, MountOptions.defaults()));
    HostileRun.write("FileSystemBase.interruptsThreads", "throws", "Fuse.mount throws the same");
  }

  private void refusedWith(
      Class<? extends Throwable> expected, String method, String what, Plain fs) throws Exception {
    Throwable thrown =
        assertThrows(expected, () -> Fuse.mount(fs, directory, MountOptions.defaults()));
    assertNothingIsLeft(fs);
    HostileRun.write(method, what, "Fuse.mount throws " + thrown.getClass().getSimpleName());
  }

  private void assertNothingIsLeft(ScriptedFileSystem fs) throws IOException {
    assertFalse(Mounts.isMounted(directory), "still mounted");
    assertEquals(1, fs.destroyed.getCount(), "destroyed without having been made");
  }

  @Test
  void anInitThatThrowsRefusesTheMountAndIsItsCause() throws Exception {
    for (Throwable thrown : new Throwable[] {new Defect(), new IOException("no backend")}) {
      Plain fs =
          new Plain() {
            @Override
            public void init(Connection connection) throws IOException {
              if (thrown instanceof IOException) {
                throw (IOException) thrown;
              }
              throw (Defect) thrown;
            }
          };
      IOException refused =
          assertThrows(IOException.class, () -> Fuse.mount(fs, directory, MountOptions.defaults()));
      assertSame(thrown, refused.getCause());
      assertNothingIsLeft(fs);
      String name = thrown.getClass().getSimpleName();
      HostileRun.write("FileSystemBase.init", name, "Fuse.mount throws IOException with it");
    }
  }

  @Test
  void aConnectionThatIsKeptSaysNothingNew() throws Exception {
    Connection[] kept = new Connection[1];
    Plain fs =
        new Plain() {
          @Override
          public void init(Connection connection) {
            kept[0] = connection;
          }
        };
    FuseMount mount = mounts.mount(fs);
    kept[0].clearsPrivileges();
    kept[0].resolvesDots();
    assertTrue(kept[0].protocolMinor() > 0);
    Shell.succeed("stat", mount.mountPoint().resolve("file").toString());
    assertEquals(Unmount.CLEAN, mount.unmount(DEADLINE));
    HostileRun.write("FileSystemBase.init", "keeps the connection, uses it later", "ignored");
  }

  @Test
  void aDestroyThatThrowsIsLoggedAndTheMountIsGone() throws Exception {
    FuseMount mount =
        mounts.mount(
            new Plain() {
              @Override
              public void destroy() {
                fail();
              }
            });
    assertEquals(Unmount.CLEAN, mount.unmount(DEADLINE));
    mount.join();
    assertFalse(Mounts.isMounted(mount.mountPoint()));
    HostileRun.write("FileSystemBase.destroy", "throws", "logged; unmount answers CLEAN");
  }

  @Test
  void nobodyAsksAFileSystemForItsNameOrIdentity() throws Exception {
    FuseMount mount =
        mounts.mount(
            new Plain() {
              @Override
              public String toString() {
                return fail();
              }

              @Override
              public int hashCode() {
                return HostileMountTest.<Integer>fail();
              }

              @Override
              public boolean equals(Object other) {
                return HostileMountTest.<Boolean>fail();
              }
            });
    Path file = mount.mountPoint().resolve("file");
    Shell.succeed("stat", file.toString());
    assertTrue(Shell.run("cat", file.toString()).output().contains("Input/output error"));
    assertEquals(Unmount.CLEAN, mount.unmount(DEADLINE));
    HostileRun.write("Object", "toString, hashCode, equals throw", "ok");
  }

  @Test
  void whatThisProgramLivesOnIsNotMountedOver() throws Exception {
    Map<String, String> needed = new LinkedHashMap<>();
    needed.put("java.home", System.getProperty("java.home"));
    needed.put("working directory", System.getProperty("user.dir"));
    needed.put("temporary directory", System.getProperty("java.io.tmpdir"));
    for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
      if (Files.isDirectory(Path.of(entry))) {
        needed.put("class path", entry);
      }
    }
    needed.put("/", "/");
    needed.put("/proc", "/proc/self");
    for (Map.Entry<String, String> entry : needed.entrySet()) {
      Path point = Path.of(entry.getValue());
      Plain fs = new Plain();
      IOException refused =
          assertThrows(IOException.class, () -> Fuse.mount(fs, point, MountOptions.defaults()));
      assertTrue(refused.getMessage().contains("can't be mounted on"), refused.getMessage());
      HostileRun.write("Fuse.mount", "over " + entry.getKey(), "IOException");
    }
  }
}
