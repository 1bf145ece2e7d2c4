package io.github.ferrofuse.cli;

import io.github.ferrofuse.FileSystemBase;
import io.github.ferrofuse.Fuse;
import io.github.ferrofuse.FuseMount;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.MountOptions.Transport;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;

/** {@code mount}: serves one file system in the foreground until it is unmounted. */
final class MountCommand {
  /** How long a signal waits for the mount's users before it is taken out of the tree. */
  private static final Duration PATIENCE = Duration.ofSeconds(5);

  private MountCommand() {}

  /**
   * Mounts, says so, and waits for the end: unmounting by whomever, or a signal.
   *
   * @throws Failure if it cannot be mounted; nothing is then left mounted
   */
  static void run(Arguments arguments) throws Failure {
    FileSystems fileSystems = FileSystems.find(arguments.classPath);
    MountOptions.Parsed parsed;
    FileSystemBase fileSystem;
    try {
      parsed = MountOptions.builder().fsname(arguments.what).parse(arguments.options);
      fileSystem = fileSystems.create(arguments.what, parsed.rest());
      parsed.requireAllTaken();
    } catch (IllegalArgumentException e) {
      throw Failure.usage("-o: " + e.getMessage() + " (mount --help lists the options)");
    }
    MountPoint point = MountPoint.prepare(arguments.directory, fileSystems.classPath());
    Thread.currentThread().setContextClassLoader(fileSystems.loader());
    try (FuseMount mount = Fuse.mount(fileSystem, point.path(), parsed.options())) {
      AtomicBoolean ending = new AtomicBoolean();
      Runnable farewell = new Farewell(mount, parsed.options());
      for (String signal : new String[] {"TERM", "INT", "HUP"}) {
        Signals.handle(
            signal,
            () -> {
              if (ending.compareAndSet(false, true)) {
                int status = unmount(mount);
                farewell.run();
                System.exit(status);
              }
            });
      }
      announce(arguments.what, point, parsed.options(), mount.transport());
      mount.join();
      farewell.run();
    } catch (IOException | IllegalArgumentException | UnsatisfiedLinkError e) {
      throw Failure.failed(Failure.describe(e));
    } catch (InterruptedException e) {
      throw Failure.failed("interrupted");
    }
  }

  /** Answers the exit status. */
  private static int unmount(FuseMount mount) {
    try {
      if (mount.unmount(PATIENCE) != FuseMount.Unmount.CLEAN) {
        System.err.println(
            "ferrofuse: "
                + mount.mountPoint()
                + " was in use: it is unmounted, and what was open there is cut off");
      }
      return 0;
    } catch (IOException e) {
      System.err.println("ferrofuse: " + Failure.describe(e));
      return Failure.FAILED;
    }
  }

  /**
   * What the operations took, with {@code -o metrics}: once, and whoever else comes waits for it.
   */
  private static final class Farewell implements Runnable {
    private final FuseMount mount;
    private boolean due;

    Farewell(FuseMount mount, MountOptions options) {
      this.mount = mount;
      due = options.metrics();
    }

    @Override
    public synchronized void run() {
      if (due) {
        due = false;
        System.out.println(mount.metrics());
      }
    }
  }

  private static void announce(
      String what, MountPoint point, MountOptions options, Transport transport) {
    String directory = quoted(point.path().toString());
    StringBuilder text = new StringBuilder();
    if (point.created()) {
      text.append("created the directory ").append(directory).append('\n');
    }
    text.append(what).append(" is mounted on ").append(directory);
    text.append(transport == Transport.URING ? ", over io_uring" : "").append("\ntry it:  ");
    if (what.equals("memory") && !options.readOnly()) {
      String file = quoted(point.path().resolve("hello").toString());
      text.append("echo hello > ").append(file).append("; ");
    }
    text.append("ls -l ").append(directory).append("\nend it:  Ctrl-C here, or elsewhere: ");
    text.append("root".equals(System.getProperty("user.name")) ? "umount " : "fusermount3 -u ");
    text.append(directory);
    System.out.println(text);
  }

  /** As a shell reads it. */
  private static String quoted(String text) {
    return text.matches("[A-Za-z0-9_@%+=:,./-]+") ? text : "'" + text.replace("'", "'\\''") + "'";
  }
}
