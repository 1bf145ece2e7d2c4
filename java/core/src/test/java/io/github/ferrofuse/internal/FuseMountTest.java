package io.github.ferrofuse.internal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.Connection;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.Fuse;
import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.FuseMount;
import io.github.ferrofuse.FuseMount.Unmount;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.OpenReply;
import io.github.ferrofuse.Request;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Real mounts: how they begin, serve and end. */
@Tag("mount")
class FuseMountTest {
  private static final Duration SOON = Duration.ofSeconds(20);

  private Path directory;
  private final AtomicInteger destroyed = new AtomicInteger();
  private FuseMount mount;

  /** Tells when it is destroyed, and forgets attributes at once. */
  private class Fs extends FlatFileSystem {
    @Override
    public void destroy() {
      destroyed.incrementAndGet();
    }
  }

  @BeforeEach
  void makeDirectory() throws IOException {
    directory = Files.createTempDirectory("ferrofuse-mount").toRealPath();
  }

  @AfterEach
  void cleanUp() throws Exception {
    if (mount != null && mount.isAlive()) {
      mount.unmount(Duration.ZERO);
    }
    if (isMounted()) {
      boolean root = Files.getAttribute(Path.of("/proc/self"), "unix:uid").equals(0);
      List<String> detach = root ? List.of("umount", "-l") : List.of("fusermount3", "-u", "-z");
      run(Stream.concat(detach.stream(), Stream.of(directory.toString())).toArray(String[]::new));
    }
    Files.delete(directory);
  }

  private FuseMount mount(FlatFileSystem fs) throws IOException {
    MountOptions options =
        MountOptions.builder().attrTimeout(Duration.ZERO).threads(3).fsname("of test").build();
    mount = Fuse.mount(fs, directory, options);
    return mount;
  }

  private boolean isMounted() throws IOException {
    try (Stream<String> lines = Files.lines(Path.of("/proc/self/mounts"))) {
      return lines.anyMatch(line -> line.contains(" " + directory + " "));
    }
  }

  private static int run(String... command) throws Exception {
    return new ProcessBuilder(command).inheritIO().start().waitFor();
  }

  @Test
  void aMountIsUsableAtOnceAndGoneAfterClose() throws Exception {
    byte[] data = new byte[3_000_001];
    new Random(1).nextBytes(data);
    try (FuseMount mounted = mount(new Fs())) {
      assertEquals(directory, mounted.mountPoint());
      assertTrue(mounted.isAlive());
      Path file = directory.resolve("ä 😀");
      Files.write(file, data);
      assertArrayEquals(data, Files.readAllBytes(file));
      try (Stream<Path> names = Files.list(directory)) {
        assertEquals(List.of(file), names.collect(Collectors.toList()));
      }
      Files.delete(file);
      assertThrows(NoSuchFileException.class, () -> Files.size(file));
    }
    assertFalse(isMounted());
    assertFalse(mount.isAlive());
    assertEquals(1, destroyed.get());
    mount.close();
    mount.join();
    assertEquals(Unmount.CLEAN, mount.unmount(Duration.ZERO));
    assertEquals(1, destroyed.get());
  }

  @Test
  void anOpenFileIsServedAfterTheMountIsDetached() throws Exception {
    Fs fs = new Fs();
    mount(fs);
    Path file = directory.resolve("file");
    Files.write(file, new byte[] {7, 8});
    try (InputStream in = Files.newInputStream(file)) {
      assertEquals(Unmount.DETACHED, mount.unmount(Duration.ofMillis(50)));
      assertFalse(isMounted());
      assertTrue(mount.isAlive());
      assertEquals(7, in.read());
      assertEquals(0, destroyed.get());
    }
    mount.join();
    assertEquals(1, destroyed.get());
  }

  @Test
  void unmountingFromOutsideEndsTheMount() throws Exception {
    mount(new Fs());
    assertEquals(0, run("umount", directory.toString()));
    mount.join();
    assertEquals(1, destroyed.get());
  }

  @Test
  void aHandlerMayUnmountItsOwnMount() throws Exception {
    AtomicReference<Object> verdict = new AtomicReference<>();
    AtomicReference<Throwable> joined = new AtomicReference<>();
    Fs fs =
        new Fs() {
          @Override
          public FileHandle open(Request request, long node, int flags, OpenReply out)
              throws FuseException {
            try {
              verdict.set(mount.unmount(SOON));
              mount.join();
            } catch (Throwable thrown) {
              joined.set(thrown);
            }
            return super.open(request, node, flags, out);
          }
        };
    fs.add(Name.of("file"));
    mount(fs);
    // By another process: one that waits for itself could not even be killed.
    assertEquals(0, run("cat", directory.resolve("file").toString()));
    mount.join();
    assertSame(Unmount.DETACHED, verdict.get());
    assertTrue(joined.get() instanceof IllegalStateException, String.valueOf(joined.get()));
    assertFalse(isMounted());
  }

  @Test
  void aRefusalOfTheFileSystemIsTheCause() throws Exception {
    IOException refusal = new IOException("no quorum");
    Fs fs =
        new Fs() {
          @Override
          public void init(Connection connection) throws IOException {
            assertTrue(connection.protocolMinor() >= 31);
            throw refusal;
          }
        };
    IOException error = assertThrows(IOException.class, () -> mount(fs));
    assertSame(refusal, error.getCause());
    assertTrue(error.getMessage().contains("no quorum"), error.getMessage());
    assertFalse(isMounted());
    assertEquals(0, destroyed.get());
  }

  @Test
  void theRootIsAskedOnce() throws Exception {
    AtomicInteger asked = new AtomicInteger();
    Fs fs =
        new Fs() {
          @Override
          public long root() {
            asked.incrementAndGet();
            return super.root();
          }
        };
    mount(fs).close();
    assertEquals(1, asked.get());
  }

  /** Its class loader can't be had as soon as the mount is to be served. */
  private final class Mounting extends Thread {
    private final AssertionError error = new AssertionError("of the test");
    private volatile boolean initialized;
    private volatile Throwable thrown;

    @Override
    public void run() {
      Fs fs =
          new Fs() {
            @Override
            public void init(Connection connection) {
              initialized = true;
            }
          };
      try {
        mount(fs);
      } catch (Throwable caught) {
        thrown = caught;
      }
    }

    @Override
    public ClassLoader getContextClassLoader() {
      if (initialized) {
        throw error;
      }
      return super.getContextClassLoader();
    }
  }

  @Test
  void aMountThatCannotBeServedIsGone() throws Exception {
    Mounting mounting = new Mounting();
    mounting.start();
    mounting.join();
    assertSame(mounting.error, mounting.thrown);
    assertFalse(isMounted());
    assertEquals(1, destroyed.get());
  }

  @Test
  void whatCannotBeMountedIsSaidInOneLine() throws Exception {
    Path absent = directory.resolve("absent");
    IOException error =
        assertThrows(
            IOException.class, () -> Fuse.mount(new Fs(), absent, MountOptions.defaults()));
    assertTrue(error.getMessage().contains(absent.toString()), error.getMessage());
    assertFalse(error.getMessage().contains("\n"), error.getMessage());
    MountOptions others = MountOptions.builder().allowOther(true).build();
    assertThrows(IllegalArgumentException.class, () -> Fuse.mount(new Fs(), directory, others));
  }

  @Test
  void whatAHandlerThrowsEndsNothing() throws Exception {
    Fs fs =
        new Fs() {
          @Override
          public void getattr(Request request, long node, FileHandle handle, AttrSink out)
              throws FuseException {
            if (node == 2) {
              getattr(request, node, handle, out);
              out.mode(0);
            } else if (node == 3) {
              throw new OutOfMemoryError("of the test");
            }
            super.getattr(request, node, handle, out);
          }
        };
    fs.add(Name.of("deep"));
    fs.add(Name.of("large"));
    fs.add(Name.of("fine"));
    mount(fs);
    for (int i = 0; i < 20; i++) {
      assertErrno("Input/output error", "deep");
      assertErrno("Cannot allocate memory", "large");
    }
    assertEquals(0, Files.size(directory.resolve("fine")));
    assertEquals(Unmount.CLEAN, mount.unmount(SOON));
  }

  private void assertErrno(String text, String name) {
    // The lookup comes with attributes that are valid for no time at all.
    IOException error = assertThrows(IOException.class, () -> Files.size(directory.resolve(name)));
    assertTrue(error.getMessage().contains(text), error.getMessage());
  }

  @Test
  void workersAreDaemonsWithTheMountersClassLoader() throws Exception {
    InheritableThreadLocal<String> inherited = new InheritableThreadLocal<>();
    inherited.set("of the application");
    AtomicReference<Thread> worker = new AtomicReference<>();
    AtomicReference<ClassLoader> loader = new AtomicReference<>();
    AtomicReference<String> local = new AtomicReference<>();
    Fs fs =
        new Fs() {
          @Override
          public void getattr(Request request, long node, FileHandle handle, AttrSink out)
              throws FuseException {
            worker.set(Thread.currentThread());
            loader.set(Thread.currentThread().getContextClassLoader());
            local.set(inherited.get());
            super.getattr(request, node, handle, out);
          }
        };
    ClassLoader before = Thread.currentThread().getContextClassLoader();
    try (URLClassLoader own = new URLClassLoader(new URL[0], before)) {
      Thread.currentThread().setContextClassLoader(own);
      mount(fs);
      Files.getLastModifiedTime(directory);
      assertTrue(worker.get().getName().startsWith("ferrofuse-of test-"));
      assertTrue(worker.get().isDaemon());
      assertSame(own, loader.get());
      assertEquals(null, local.get());
    } finally {
      Thread.currentThread().setContextClassLoader(before);
    }
    assertEquals(Unmount.CLEAN, mount.unmount(SOON));
    worker.get().join();
  }

  @Test
  void manyMountsLeaveNothingBehind() throws Exception {
    for (int i = 0; i < 3; i++) {
      mountAndUnmount();
    }
    List<String> before = descriptors();
    for (int i = 0; i < 30; i++) {
      mountAndUnmount();
    }
    // A thread of the crew that came too late to serve may still be on its way out, and holds some.
    long deadline = System.nanoTime() + SOON.toNanos();
    while (!more(before).isEmpty() && System.nanoTime() < deadline) {
      Thread.sleep(10);
    }
    assertEquals(List.of(), more(before), "open descriptors");
    assertEquals(33, destroyed.get());
  }

  private void mountAndUnmount() throws IOException {
    mount(new Fs());
    Files.write(directory.resolve("file"), new byte[10]);
    assertEquals(Unmount.CLEAN, mount.unmount(SOON));
    assertFalse(mount.isAlive());
  }

  /** What is open now and was not before. */
  private static List<String> more(List<String> before) {
    List<String> open = descriptors();
    before.forEach(open::remove);
    return open;
  }

  /** What each descriptor leads to. */
  private static List<String> descriptors() {
    List<String> open = new ArrayList<>();
    for (String number : new File("/proc/self/fd").list()) {
      try {
        open.add(Files.readSymbolicLink(Path.of("/proc/self/fd", number)).toString());
      } catch (IOException gone) {
        continue; // the one that read the directory
      }
    }
    return open;
  }

  @Test
  void exitInsideAHandlerUnmountsAndEnds() throws Exception {
    Process program = start();
    Process victim = new ProcessBuilder("stat", directory + "/exit").start();
    assertTrue(program.waitFor(SOON.toSeconds(), TimeUnit.SECONDS), "exit hangs");
    assertEquals(3, program.exitValue());
    assertTrue(victim.waitFor(SOON.toSeconds(), TimeUnit.SECONDS), "the caller hangs");
    assertFalse(isMounted());
  }

  @Test
  void aSignalUnmountsAndEnds() throws Exception {
    Process program = start();
    program.destroy();
    assertTrue(program.waitFor(SOON.toSeconds(), TimeUnit.SECONDS), "the hook hangs");
    assertEquals(128 + 15, program.exitValue());
    assertFalse(isMounted());
  }

  /** The program in a JVM of its own, mounted. */
  private Process start() throws Exception {
    String java = System.getProperty("java.home") + "/bin/java";
    String library = System.getProperty(NativeLoader.PATH_PROPERTY);
    List<String> command =
        Stream.of(
                java,
                "-Xcheck:jni",
                library == null ? "-Da=b" : "-D" + NativeLoader.PATH_PROPERTY + "=" + library,
                "-cp",
                System.getProperty("java.class.path"),
                ExitingProgram.class.getName(),
                directory.toString())
            .collect(Collectors.toList());
    Process program =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    assertEquals("mounted", program.inputReader().readLine());
    return program;
  }
}
