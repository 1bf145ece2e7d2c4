import io.github.ferrofuse.FileSystemBase;
import io.github.ferrofuse.FileSystemFactory;
import io.github.ferrofuse.Fuse;
import io.github.ferrofuse.FuseMount;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.examples.memory.AccessTimes;
import io.github.ferrofuse.examples.memory.Limits;
import io.github.ferrofuse.examples.memory.MemoryFileSystem;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.ServiceLoader;

/**
 * File systems that keep their contents across mounts, as a disk would: xfstests.sh runs it, and
 * its mount helper asks it to mount. They are memory file systems, or what another scheme makes of a
 * directory with the source's name: a mirror of it, for example.
 *
 * <pre>java -cp ferrofuse.jar Keeper.java SOCKET memory CAPACITY
 *java -cp ferrofuse.jar Keeper.java SOCKET SCHEME:DIRECTORY</pre>
 *
 * <p>A connection brings one line, {@code SOURCE TAB DIRECTORY TAB OPTIONS}, and gets one: {@code
 * ok} once it is mounted, {@code at DIRECTORY} if that source is mounted there already, or {@code
 * error: TEXT}. Each source has a file system of its own, which is made when it is first mounted.
 * Every mount is a connection of its own to the kernel, which knows nothing from the one before.
 */
public final class Keeper {
  /** How long a mount that was taken out of the tree may take to end. */
  private static final Duration END = Duration.ofSeconds(20);

  private final Contents contents;
  private final Map<String, FuseMount> mounts = new HashMap<>();

  private Keeper(Contents contents) {
    this.contents = contents;
  }

  /** What is behind the sources. */
  private interface Contents {
    /** The file system of a source for one mount; takes options that are its own. */
    FileSystemBase open(String source, MountOptions.Parsed options) throws IOException;
  }

  /** Memory file systems of a capacity in bytes, each for all mounts of its source. */
  private static Contents memory(long capacity) {
    Map<String, MemoryFileSystem> all = new HashMap<>();
    Limits limits = Limits.defaults().withCapacity(capacity);
    return (source, options) -> {
      MemoryFileSystem found = all.get(source);
      if (found == null) {
        found = MemoryFileSystem.ownedByProcess(limits, 0755).keepContents().keepAcls().keepHandles();
        all.put(source, found);
      }
      found.accessTimes(accessTimes(options));
      return found;
    };
  }

  /** File systems of another scheme, made anew for each mount. */
  private static Contents madeOf(String scheme, String directory) {
    for (FileSystemFactory factory : ServiceLoader.load(FileSystemFactory.class)) {
      if (factory.scheme().equals(scheme)) {
        return (source, options) -> {
          accessTimes(options); // the directory's own file system has its way
          return factory.create(directory + "/" + source, options.rest());
        };
      }
    }
    throw new IllegalArgumentException("there is no file system " + scheme);
  }

  /**
   * Serves until it is ended by a signal.
   *
   * @param args as above
   */
  public static void main(String[] args) throws IOException {
    String[] what = args[1].split(":", 2);
    Keeper keeper =
        new Keeper(what.length == 1 ? memory(Long.parseLong(args[2])) : madeOf(what[0], what[1]));
    try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      server.bind(UnixDomainSocketAddress.of(args[0]));
      while (true) {
        try (SocketChannel client = server.accept()) {
          String answer = keeper.serve(line(client)) + "\n";
          client.write(ByteBuffer.wrap(answer.getBytes(StandardCharsets.UTF_8)));
        } catch (IOException e) {
          System.err.println("a client went away: " + e.getMessage());
        }
      }
    }
  }

  private static String line(SocketChannel client) throws IOException {
    String line = new BufferedReader(Channels.newReader(client, StandardCharsets.UTF_8)).readLine();
    if (line == null) {
      throw new IOException("no line");
    }
    return line;
  }

  private String serve(String line) {
    String[] words = line.split("\t", -1);
    try {
      return words.length == 3
          ? mount(words[0], Path.of(words[1]), words[2])
          : "error: not three words";
    } catch (IOException | RuntimeException | InterruptedException e) {
      return "error: " + e.getMessage();
    }
  }

  private String mount(String source, Path directory, String options)
      throws IOException, InterruptedException {
    FuseMount last = mounts.get(source);
    if (last != null && isMounted(last.mountPoint())) {
      return "at " + last.mountPoint();
    }
    if (last != null && !ends(last)) {
      return "error: " + source + " is still used where it was mounted before";
    }
    MountOptions.Parsed parsed = MountOptions.builder().fsname(source).parse(List.of(options));
    FileSystemBase fileSystem = contents.open(source, parsed);
    parsed.requireAllTaken();
    mounts.put(source, Fuse.mount(fileSystem, directory, parsed.options()));
    return "ok";
  }

  /** What the kernel does for other file systems, but not for this one. */
  private static AccessTimes accessTimes(MountOptions.Parsed parsed) {
    AccessTimes when = AccessTimes.RELATIME;
    for (AccessTimes one : AccessTimes.values()) {
      String value = parsed.rest().remove(one.name().toLowerCase(Locale.ROOT));
      when = value == null ? when : one;
    }
    return parsed.options().readOnly() ? AccessTimes.NOATIME : when;
  }

  private static boolean isMounted(Path directory) throws IOException {
    return Files.readString(Path.of("/proc/self/mountinfo")).contains(" " + directory + " ");
  }

  /** Waits for the file system to be destroyed, which the kernel lets happen after umount(8). */
  private static boolean ends(FuseMount mount) throws InterruptedException {
    Thread waiting =
        new Thread(
            () -> {
              try {
                mount.join();
              } catch (InterruptedException e) {
                // whoever waits for this thread has given up
              }
            });
    waiting.setDaemon(true);
    waiting.start();
    waiting.join(END.toMillis());
    boolean ended = !waiting.isAlive();
    waiting.interrupt();
    return ended;
  }
}
