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

/**
 * Memory file systems that keep their contents across mounts, as a disk would: xfstests.sh runs it,
 * and its mount helper asks it to mount.
 *
 * <pre>java -cp ferrofuse.jar Keeper.java SOCKET CAPACITY</pre>
 *
 * <p>A connection brings one line, {@code SOURCE TAB DIRECTORY TAB OPTIONS}, and gets one: {@code
 * ok} once it is mounted, {@code at DIRECTORY} if that source is mounted there already, or {@code
 * error: TEXT}. Each source has a file system of its own, which is made when it is first mounted.
 * Every mount is a connection of its own to the kernel, which knows nothing from the one before.
 */
public final class Keeper {
  /** How long a mount that was taken out of the tree may take to end. */
  private static final Duration END = Duration.ofSeconds(20);

  private final long capacity;
  private final Map<String, MemoryFileSystem> contents = new HashMap<>();
  private final Map<String, FuseMount> mounts = new HashMap<>();

  private Keeper(long capacity) {
    this.capacity = capacity;
  }

  /**
   * Serves until it is ended by a signal.
   *
   * @param args the socket's path; the capacity of each file system in bytes
   */
  public static void main(String[] args) throws IOException {
    Keeper keeper = new Keeper(Long.parseLong(args[1]));
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
    MemoryFileSystem fileSystem = contents.get(source);
    if (fileSystem == null) {
      Limits limits = Limits.defaults().withCapacity(capacity);
      fileSystem = MemoryFileSystem.ownedByProcess(limits, 0755).keepContents().keepAcls().keepHandles();
      contents.put(source, fileSystem);
    }
    MountOptions.Parsed parsed = MountOptions.builder().fsname(source).parse(List.of(options));
    fileSystem.accessTimes(accessTimes(parsed));
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
