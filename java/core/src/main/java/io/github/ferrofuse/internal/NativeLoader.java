package io.github.ferrofuse.internal;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;

/**
 * Finds and loads {@code libferrofuse.so}. Called by the binding before its first native method.
 *
 * <p>The file that the property {@code ferrofuse.library.path} names is taken if there is one; else
 * the copy in the jar is written to the first directory that is private and may hold executable
 * code. Property {@code ferrofuse.cache.dir} chooses that directory. Nothing on {@code
 * java.library.path} is ever loaded.
 */
final class NativeLoader {
  static final String PATH_PROPERTY = "ferrofuse.library.path";
  static final String CACHE_PROPERTY = "ferrofuse.cache.dir";

  private static final String FILE = "libferrofuse.so";
  private static final List<String> PLATFORMS =
      List.of("linux-x86_64", "linux-aarch64", "linux-x86_64-musl", "linux-aarch64-musl");
  private static final String BUILD =
      "build it on such a machine with `gradle assemble`, or name a library that was: -D"
          + PATH_PROPERTY
          + "=FILE";
  private static final FileAttribute<Set<PosixFilePermission>> PRIVATE =
      PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"));

  /**
   * {@code S_IRWXG | S_IRWXO}, {@code S_IWGRP | S_IWOTH}, {@code S_ISVTX} of &lt;sys/stat.h&gt;.
   */
  private static final int OTHERS = 077;

  private static final int OTHERS_WRITE = 022;
  private static final int STICKY = 01000;

  private static boolean loaded;

  private NativeLoader() {}

  /**
   * Loads the library unless this class has done so.
   *
   * @throws UnsatisfiedLinkError saying what was tried and why each attempt failed
   */
  static synchronized void load() {
    if (loaded) {
      return;
    }
    String explicit = System.getProperty(PATH_PROPERTY);
    if (explicit != null) {
      loadFile(explicit);
    } else {
      byte[] library =
          bundled(platform(System.getProperty("os.name"), System.getProperty("os.arch")));
      loadFrom(places(System::getProperty, System.getenv(), effectiveUid()), library);
    }
    loaded = true;
  }

  private static void loadFile(String file) {
    try {
      System.load(Path.of(file).toAbsolutePath().toString());
    } catch (UnsatisfiedLinkError e) {
      throw failure("cannot load -D" + PATH_PROPERTY + "=" + file + ": " + e.getMessage(), e);
    }
  }

  /**
   * Loads {@code library} from the first of {@code places} that lets it.
   *
   * @param places directories, in the order to try
   * @param library content of the shared object
   */
  static void loadFrom(List<Path> places, byte[] library) {
    StringBuilder tried = new StringBuilder("cannot load " + FILE + "; tried");
    Throwable last = null;
    for (Path place : places) {
      try {
        loadFrom(place, library);
        return;
      } catch (IOException | UnsatisfiedLinkError e) {
        tried.append("\n  ").append(place).append(": ").append(reason(e));
        last = e;
        if (e instanceof UnsatisfiedLinkError && !isNoexec(e)) {
          break; // the library itself is unfit: it would be so everywhere
        }
      }
    }
    tried.append("\nname a directory of your own with -D").append(CACHE_PROPERTY).append("=DIR");
    throw failure(tried.toString(), last);
  }

  private static void loadFrom(Path place, byte[] library) throws IOException {
    Path file = store(place, library);
    try {
      System.load(file.toString());
    } catch (UnsatisfiedLinkError e) {
      if (!isLoadedElsewhere(e)) {
        throw e;
      }
      // The JVM ties a file to one class loader, dlopen(3) an inode to one image: a second loader
      // needs a copy.
      Path copy = write(file.getParent(), library);
      try {
        System.load(copy.toString());
      } finally {
        Files.delete(copy); // the mapping outlives the name
      }
    }
  }

  /**
   * Puts the library into a directory that nobody else can write to, or finds it there.
   *
   * @param place the directory, made if there is none
   * @param library the content
   * @return the file, whose content has been compared
   * @throws IOException if the place is not private or cannot be written to
   */
  static Path store(Path place, byte[] library) throws IOException {
    Path directory = privateDirectory(place);
    Path file = directory.resolve("libferrofuse-" + sha256(library).substring(0, 32) + ".so");
    if (Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)
        && Arrays.equals(Files.readAllBytes(file), library)) {
      return file;
    }
    Path temporary = write(directory, library);
    try {
      // A process that has the old file mapped keeps the old inode.
      return Files.move(
          temporary, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(temporary);
    }
  }

  private static Path write(Path directory, byte[] library) throws IOException {
    Path file = Files.createTempFile(directory, ".libferrofuse-", ".so", PRIVATE);
    try {
      return Files.write(file, library);
    } catch (IOException e) {
      Files.deleteIfExists(file);
      throw e;
    }
  }

  /**
   * Whoever can replace a directory on the way to the library can replace the library: each of them
   * must belong to this user or to whom "/" belongs (root, whatever its number in this user
   * namespace), and let nobody else rename in it.
   */
  private static Path privateDirectory(Path place) throws IOException {
    try {
      Files.createDirectories(place, PRIVATE);
    } catch (FileAlreadyExistsException e) {
      throw new IOException("is not a directory", e);
    }
    int me = effectiveUid();
    if (!Files.isDirectory(place, LinkOption.NOFOLLOW_LINKS)) {
      throw new IOException("is a symbolic link");
    }
    if (uid(place) != me) {
      throw new IOException("belongs to user " + uid(place) + ", not to " + me);
    }
    if ((mode(place) & OTHERS) != 0) {
      throw new IOException("is open to other users: chmod 700 " + place);
    }
    Path real = place.toRealPath();
    int root = uid(real.getRoot());
    for (Path above = real.getParent(); above != null; above = above.getParent()) {
      int owner = uid(above);
      boolean sticky = (mode(above) & STICKY) != 0;
      if (owner != me && owner != root && owner != 0) {
        throw new IOException("lies below " + above + ", which belongs to user " + owner);
      }
      if ((mode(above) & OTHERS_WRITE) != 0 && !sticky) {
        throw new IOException("lies below " + above + ", which other users can write to");
      }
    }
    return real;
  }

  /**
   * Directories that may hold the library, in the order to try.
   *
   * @param properties system properties
   * @param environment of the process
   * @param uid effective user
   * @return absolute paths, which need not exist
   */
  static List<Path> places(
      UnaryOperator<String> properties, Map<String, String> environment, int uid) {
    List<Path> places = new ArrayList<>();
    String chosen = properties.apply(CACHE_PROPERTY);
    if (chosen != null) {
      return List.of(Path.of(chosen).toAbsolutePath());
    }
    if (uid == 0) {
      places.add(Path.of("/run/ferrofuse"));
    }
    addIfAbsolute(places, environment.get("XDG_RUNTIME_DIR"), "ferrofuse");
    addIfAbsolute(places, environment.get("XDG_CACHE_HOME"), "ferrofuse");
    addIfAbsolute(places, properties.apply("user.home"), ".cache/ferrofuse");
    String own = "ferrofuse-" + Integer.toUnsignedString(uid);
    addIfAbsolute(places, properties.apply("java.io.tmpdir"), own);
    addIfAbsolute(places, "/var/tmp", own);
    return places;
  }

  private static void addIfAbsolute(List<Path> places, String base, String below) {
    if (base != null && base.startsWith("/")) {
      places.add(Path.of(base, below));
    }
  }

  /**
   * Name of a platform in the jar.
   *
   * @param system property {@code os.name}
   * @param architecture property {@code os.arch}
   * @return for example "linux-x86_64"
   */
  static String platform(String system, String architecture) {
    if (!system.equals("Linux")) {
      throw new UnsatisfiedLinkError("FerroFuse runs on Linux only, this is " + system);
    }
    String arch = architecture.toLowerCase(Locale.ROOT);
    String canonical =
        switch (arch) {
          case "amd64", "x86-64" -> "x86_64";
          case "arm64" -> "aarch64";
          default -> arch;
        };
    return "linux-" + canonical + (isMusl() ? "-musl" : "");
  }

  /** What is mapped tells the C library in use, what lies in /lib does not. */
  private static boolean isMusl() {
    try (Stream<String> maps = Files.lines(Path.of("/proc/self/maps"))) {
      return maps.anyMatch(line -> line.contains("/ld-musl-") || line.contains("/libc.musl-"));
    } catch (IOException | RuntimeException e) {
      return false;
    }
  }

  /**
   * The library in the jar.
   *
   * @param platform from {@link #platform}
   * @return its content
   */
  static byte[] bundled(String platform) {
    try (InputStream in = NativeLoader.class.getResourceAsStream(resource(platform))) {
      if (in != null) {
        return in.readAllBytes();
      }
    } catch (IOException e) {
      throw failure("cannot read " + resource(platform) + " in the jar: " + reason(e), e);
    }
    List<String> present = new ArrayList<>(PLATFORMS);
    present.removeIf(other -> NativeLoader.class.getResource(resource(other)) == null);
    throw new UnsatisfiedLinkError(
        "this jar has no native library for "
            + platform
            + " (it has "
            + (present.isEmpty() ? "none" : String.join(", ", present))
            + "): "
            + BUILD);
  }

  private static String resource(String platform) {
    return "/META-INF/native/" + platform + "/" + FILE;
  }

  /** The owner of /proc/self is the effective user; the property user.name can say anything. */
  static int effectiveUid() {
    try {
      return uid(Path.of("/proc/self"));
    } catch (IOException e) {
      throw failure("cannot tell the effective user: " + reason(e), e);
    }
  }

  private static int uid(Path path) throws IOException {
    return (Integer) Files.getAttribute(path, "unix:uid");
  }

  private static int mode(Path path) throws IOException {
    return (Integer) Files.getAttribute(path, "unix:mode");
  }

  private static String sha256(byte[] bytes) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every JDK has SHA-256", e);
    }
  }

  /** glibc's words; musl says "Operation not permitted" or "Permission denied" for the same. */
  private static boolean isNoexec(Throwable e) {
    String message = String.valueOf(e.getMessage());
    return message.contains("failed to map segment")
        || message.contains("not permitted")
        || message.contains("ermission denied");
  }

  private static boolean isLoadedElsewhere(UnsatisfiedLinkError e) {
    return String.valueOf(e.getMessage()).contains("already loaded in another classloader");
  }

  private static String reason(Throwable e) {
    String message = e.getMessage();
    if (e instanceof UnsatisfiedLinkError && isNoexec(e)) {
      return "is mounted noexec (" + message + ")";
    }
    if (message != null && message.contains("GLIBC_")) {
      return message + " (the library was built for a newer C library: " + BUILD + ")";
    }
    if (e instanceof UnsatisfiedLinkError || e.getClass() == IOException.class) {
      return message;
    }
    return e.getClass().getSimpleName() + " " + message;
  }

  private static UnsatisfiedLinkError failure(String message, Throwable cause) {
    UnsatisfiedLinkError error = new UnsatisfiedLinkError(message);
    error.initCause(cause);
    return error;
  }
}
