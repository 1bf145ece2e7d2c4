package io.github.ferrofuse;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * How a file system is mounted. Immutable; made by {@link #builder()} or, from the text of {@code
 * -o}, by {@link #parse}.
 *
 * <p>A number that was not set is {@link #UNSET}: the engine or the kernel then chooses.
 *
 * <pre>{@code
 * MountOptions options = MountOptions.builder().fsname("backup").readOnly(true).build();
 * }</pre>
 */
public final class MountOptions {
  /** What a number is that was not set. */
  public static final int UNSET = -1;

  /** How requests reach the engine. */
  public enum Transport {
    /** The best one there is; today always {@link #DEV}. */
    AUTO,
    /** Reads and writes on {@code /dev/fuse}. */
    DEV
  }

  private static final int MIN_TRANSFER = 4096;
  private static final int MAX_TRANSFER = 1 << 20;
  private static final int MAX_BACKGROUND = 65535;
  private static final int MAX_THREADS = 1024;
  private static final int MAX_PATH_CACHE = 1 << 20;
  private static final int MAX_MODE = 0777;

  private final Builder set;

  private MountOptions(Builder set) {
    this.set = set;
  }

  /** {@return a builder that holds the defaults} */
  public static Builder builder() {
    return new Builder();
  }

  /** {@return the options of a mount that asks for nothing special} */
  public static MountOptions defaults() {
    return builder().build();
  }

  /**
   * Reads options as mount(8) writes them: {@code opt,opt=value}. A backslash takes the next
   * character literally, so {@code fsname=a\,b} is one option. Where two contradict each other (ro,
   * rw) the later one holds.
   *
   * @param lists the lists, one per {@code -o}
   * @return the mount's options and those that are not the mount's
   * @throws IllegalArgumentException naming the option, its value and what would be right
   */
  public static Parsed parse(String... lists) {
    return builder().parse(List.of(lists));
  }

  /**
   * What {@link #parse} understands, for a help text.
   *
   * @return each option as it is written ("max_read=BYTES") with a line that explains it, in the
   *     order to show
   */
  public static Map<String, String> help() {
    return MountOptionParser.help();
  }

  /** What the text of {@code -o} came to. */
  public static final class Parsed {
    private final MountOptions options;
    private final Map<String, String> rest;

    Parsed(MountOptions options, Map<String, String> rest) {
      this.options = options;
      this.rest = rest;
    }

    /** {@return the mount's own options} */
    public MountOptions options() {
      return options;
    }

    /**
     * The options that the mount does not know, for {@link FileSystemFactory#create}.
     *
     * @return name to value, the empty string where there was none; whoever takes an option removes
     *     it
     */
    public Map<String, String> rest() {
      return rest;
    }

    /**
     * Checks that every option was taken by somebody.
     *
     * @throws IllegalArgumentException naming an option left in {@link #rest} and known ones that
     *     look like it
     */
    public void requireAllTaken() {
      MountOptionParser.requireEmpty(rest);
    }
  }

  /** {@return the source shown by mount(8) and df(1)} */
  public String fsname() {
    return set.fsname;
  }

  /** {@return the type after "fuse." shown by mount(8)} */
  public String subtype() {
    return set.subtype;
  }

  /** {@return whether users other than the mounting one get in} */
  public boolean allowOther() {
    return set.allowOther;
  }

  /**
   * {@return whether root gets in besides the mounting user; see {@link Builder#allowRoot} for what
   * others get from the cache}
   */
  public boolean allowRoot() {
    return set.allowRoot;
  }

  /** {@return whether the kernel checks permissions by owner and mode} */
  public boolean defaultPermissions() {
    return set.defaultPermissions;
  }

  /** {@return whether nothing may be changed} */
  public boolean readOnly() {
    return set.readOnly;
  }

  /** {@return whether device files work; root only} */
  public boolean dev() {
    return set.dev;
  }

  /** {@return whether setuid and setgid bits work; root only} */
  public boolean suid() {
    return set.suid;
  }

  /** {@return the largest read in bytes, or {@link #UNSET}} */
  public int maxRead() {
    return set.maxRead;
  }

  /** {@return the largest write in bytes, or {@link #UNSET}} */
  public int maxWrite() {
    return set.maxWrite;
  }

  /** {@return how many background requests the kernel may have in flight, or {@link #UNSET}} */
  public int maxBackground() {
    return set.maxBackground;
  }

  /** {@return how many threads serve at most, or {@link #UNSET}} */
  public int threads() {
    return set.threads;
  }

  /** {@return how many threads stay when they are idle, or {@link #UNSET}} */
  public int maxIdleThreads() {
    return set.maxIdleThreads;
  }

  /**
   * {@return nanoseconds that the kernel may remember attributes, unless the file system says
   * otherwise}
   */
  public long attrTimeoutNanos() {
    return set.attrTimeoutNanos;
  }

  /**
   * {@return nanoseconds that the kernel may remember a name, unless the file system says
   * otherwise}
   */
  public long entryTimeoutNanos() {
    return set.entryTimeoutNanos;
  }

  /** {@return nanoseconds that the kernel may remember that a name does not exist} */
  public long negativeTimeoutNanos() {
    return set.negativeTimeoutNanos;
  }

  /** {@return how many paths are kept as strings, for a {@link FuseFileSystem}} */
  public int pathCache() {
    return set.pathCache;
  }

  /** {@return whether every file bypasses the page cache} */
  public boolean directIo() {
    return set.directIo;
  }

  /** {@return whether the page cache of a file survives its being opened again} */
  public boolean kernelCache() {
    return set.kernelCache;
  }

  /** {@return whether the kernel gathers writes in the page cache and sends them later} */
  public boolean writebackCache() {
    return set.writebackCache;
  }

  /** {@return whether each thread reads from a {@code /dev/fuse} descriptor of its own} */
  public boolean cloneFd() {
    return set.cloneFd;
  }

  /** {@return how requests arrive} */
  public Transport transport() {
    return set.transport;
  }

  /** {@return whether {@code fusermount3} unmounts when the process ends in whatever way} */
  public boolean autoUnmount() {
    return set.autoUnmount;
  }

  /** {@return permission bits that every file is shown without, or {@link #UNSET}} */
  public int umask() {
    return set.umask;
  }

  /** {@return the owner that every file is shown with, an unsigned number, or {@link #UNSET}} */
  public int uid() {
    return set.uid;
  }

  /** {@return the group that every file is shown with, an unsigned number, or {@link #UNSET}} */
  public int gid() {
    return set.gid;
  }

  /** {@return whether operations are counted and timed, for {@link FuseMount#metrics}} */
  public boolean metrics() {
    return set.metrics;
  }

  /** {@return nanoseconds from which on a request is logged as slow; 0 if none is} */
  public long slowNanos() {
    return set.slowNanos;
  }

  /** Collects options; every setter answers the builder. Used by one thread. */
  public static final class Builder {
    private String fsname = "ferrofuse";
    private String subtype = "ferrofuse";
    private boolean allowOther;
    private boolean allowRoot;
    private boolean defaultPermissions;
    private boolean readOnly;
    private boolean dev;
    private boolean suid;
    private int maxRead = UNSET;
    private int maxWrite = UNSET;
    private int maxBackground = UNSET;
    private int threads = UNSET;
    private int maxIdleThreads = UNSET;
    private long attrTimeoutNanos = Duration.ofSeconds(1).toNanos();
    private long entryTimeoutNanos = Duration.ofSeconds(1).toNanos();
    private long negativeTimeoutNanos;
    private int pathCache = 500;
    private boolean directIo;
    private boolean kernelCache;
    private boolean writebackCache;
    private boolean cloneFd = true;
    private Transport transport = Transport.AUTO;
    private boolean autoUnmount;
    private int umask = UNSET;
    private int uid = UNSET;
    private int gid = UNSET;
    private boolean metrics;
    private long slowNanos;

    private Builder() {}

    private Builder(Builder other) {
      fsname = other.fsname;
      subtype = other.subtype;
      allowOther = other.allowOther;
      allowRoot = other.allowRoot;
      defaultPermissions = other.defaultPermissions;
      readOnly = other.readOnly;
      dev = other.dev;
      suid = other.suid;
      maxRead = other.maxRead;
      maxWrite = other.maxWrite;
      maxBackground = other.maxBackground;
      threads = other.threads;
      maxIdleThreads = other.maxIdleThreads;
      attrTimeoutNanos = other.attrTimeoutNanos;
      entryTimeoutNanos = other.entryTimeoutNanos;
      negativeTimeoutNanos = other.negativeTimeoutNanos;
      pathCache = other.pathCache;
      directIo = other.directIo;
      kernelCache = other.kernelCache;
      writebackCache = other.writebackCache;
      cloneFd = other.cloneFd;
      transport = other.transport;
      autoUnmount = other.autoUnmount;
      umask = other.umask;
      uid = other.uid;
      gid = other.gid;
      metrics = other.metrics;
      slowNanos = other.slowNanos;
    }

    /**
     * Sets options from text, over those set so far.
     *
     * @param lists as for {@link MountOptions#parse}
     * @return the mount's options and those that are not the mount's
     * @throws IllegalArgumentException naming the option, its value and what would be right
     */
    public Parsed parse(Iterable<String> lists) {
      Map<String, String> rest = MountOptionParser.apply(lists, this);
      return new Parsed(build(), rest);
    }

    /**
     * The options set so far.
     *
     * @return the options; the builder stays usable
     * @throws IllegalArgumentException if two options exclude each other
     */
    public MountOptions build() {
      require(
          !(allowOther && allowRoot),
          "allow_other and allow_root exclude each other: choose one of them");
      return new MountOptions(new Builder(this));
    }

    /**
     * Source shown by mount(8) and df(1). Default "ferrofuse".
     *
     * @param name not empty, without NUL
     * @return this
     */
    public Builder fsname(String name) {
      require(
          !name.isEmpty() && name.indexOf(0) < 0,
          "fsname=" + name + ": needs a name that is not empty and has no NUL");
      fsname = name;
      return this;
    }

    /**
     * Type shown by mount(8) after "fuse.". Default "ferrofuse".
     *
     * @param name letters, digits, '-', '_' and '.', at least one
     * @return this
     */
    public Builder subtype(String name) {
      require(
          name.matches("[A-Za-z0-9_.-]+"),
          "subtype=" + name + ": may hold letters, digits, '-', '_' and '.' only");
      subtype = name;
      return this;
    }

    /**
     * Lets users other than the mounting one in. Excludes {@link #allowRoot}.
     *
     * @param on whether to
     * @return this
     */
    public Builder allowOther(boolean on) {
      allowOther = on;
      return this;
    }

    /**
     * Lets root in besides the mounting user. Excludes {@link #allowOther}.
     *
     * <p>The kernel lets everybody in, and the engine refuses the requests of others. What the
     * kernel has cached (names and attributes) it serves to them without a request; {@link
     * #defaultPermissions} makes it check the mode at least.
     *
     * @param on whether to
     * @return this
     */
    public Builder allowRoot(boolean on) {
      allowRoot = on;
      return this;
    }

    /**
     * Has the kernel check permissions by owner and mode.
     *
     * @param on whether to
     * @return this
     */
    public Builder defaultPermissions(boolean on) {
      defaultPermissions = on;
      return this;
    }

    /**
     * Mounts read-only.
     *
     * @param on whether to
     * @return this
     */
    public Builder readOnly(boolean on) {
      readOnly = on;
      return this;
    }

    /**
     * Lets device files work; root only.
     *
     * @param on whether to
     * @return this
     */
    public Builder dev(boolean on) {
      dev = on;
      return this;
    }

    /**
     * Lets setuid and setgid bits work; root only.
     *
     * @param on whether to
     * @return this
     */
    public Builder suid(boolean on) {
      suid = on;
      return this;
    }

    /**
     * Largest read that the kernel may send.
     *
     * @param bytes 4096 to 1048576
     * @return this
     */
    public Builder maxRead(int bytes) {
      maxRead = within("max_read", bytes, MIN_TRANSFER, MAX_TRANSFER);
      return this;
    }

    /**
     * Largest write that the kernel may send.
     *
     * @param bytes 4096 to 1048576
     * @return this
     */
    public Builder maxWrite(int bytes) {
      maxWrite = within("max_write", bytes, MIN_TRANSFER, MAX_TRANSFER);
      return this;
    }

    /**
     * How many background requests (read-ahead, write-back, asynchronous I/O) the kernel may have
     * in flight.
     *
     * @param requests 1 to 65535
     * @return this
     */
    public Builder maxBackground(int requests) {
      maxBackground = within("max_background", requests, 1, MAX_BACKGROUND);
      return this;
    }

    /**
     * How many threads serve requests at most. There are two at first, and one more whenever a
     * request leaves none idle. If this is not set, that goes on up to two per CPU, at least 4 and
     * at most 16, and beyond, up to 64, while all of them block for milliseconds.
     *
     * @param count 1 to 1024
     * @return this
     */
    public Builder threads(int count) {
      threads = within("threads", count, 1, MAX_THREADS);
      return this;
    }

    /**
     * How many threads stay when they are idle; those above end after some seconds in which they
     * were not needed. At least 1 stays, and one more thread stands by. If this is not set, as many
     * stay as there are before threads block.
     *
     * @param count 1 to 1024
     * @return this
     */
    public Builder maxIdleThreads(int count) {
      maxIdleThreads = within("max_idle_threads", count, 1, MAX_THREADS);
      return this;
    }

    /**
     * How long the kernel may remember attributes, unless the file system says otherwise. Default 1
     * s.
     *
     * @param timeout not negative
     * @return this
     */
    public Builder attrTimeout(Duration timeout) {
      attrTimeoutNanos = nanos("attr_timeout", timeout);
      return this;
    }

    /**
     * How long the kernel may remember a name, unless the file system says otherwise. Default 1 s.
     *
     * @param timeout not negative
     * @return this
     */
    public Builder entryTimeout(Duration timeout) {
      entryTimeoutNanos = nanos("entry_timeout", timeout);
      return this;
    }

    /**
     * How long the kernel may remember that a name does not exist. Default 0.
     *
     * @param timeout not negative
     * @return this
     */
    public Builder negativeTimeout(Duration timeout) {
      negativeTimeoutNanos = nanos("negative_timeout", timeout);
      return this;
    }

    /**
     * How many paths and names are kept as strings for a {@link FuseFileSystem}, so that one that
     * is used again makes no garbage. Default 500.
     *
     * @param count 0 to 1048576
     * @return this
     */
    public Builder pathCache(int count) {
      pathCache = within("path_cache", count, 0, MAX_PATH_CACHE);
      return this;
    }

    /**
     * Bypasses the page cache for every file.
     *
     * @param on whether to
     * @return this
     */
    public Builder directIo(boolean on) {
      directIo = on;
      return this;
    }

    /**
     * Keeps a file's page cache when it is opened again.
     *
     * @param on whether to
     * @return this
     */
    public Builder kernelCache(boolean on) {
      kernelCache = on;
      return this;
    }

    /**
     * Lets the kernel gather writes and send them later. It then has to read around a write that
     * covers part of a page, and finds the end of the file for O_APPEND itself: {@code open} and
     * {@code create} get O_RDWR in place of O_WRONLY, and no O_APPEND.
     *
     * @param on whether to
     * @return this
     */
    public Builder writebackCache(boolean on) {
      writebackCache = on;
      return this;
    }

    /**
     * Gives each thread a {@code /dev/fuse} descriptor of its own. Default on.
     *
     * @param on whether to
     * @return this
     */
    public Builder cloneFd(boolean on) {
      cloneFd = on;
      return this;
    }

    /**
     * How requests arrive. Default {@link Transport#AUTO}.
     *
     * @param choice not null
     * @return this
     */
    public Builder transport(Transport choice) {
      transport = Objects.requireNonNull(choice, "transport");
      return this;
    }

    /**
     * Has {@code fusermount3} unmount when the process ends in whatever way.
     *
     * @param on whether to
     * @return this
     */
    public Builder autoUnmount(boolean on) {
      autoUnmount = on;
      return this;
    }

    /**
     * Permission bits that every file is shown without.
     *
     * @param bits 0 to 0777 (octal)
     * @return this
     */
    public Builder umask(int bits) {
      require(
          bits >= 0 && bits <= MAX_MODE,
          "umask=" + Integer.toOctalString(bits) + ": needs an octal number from 0 to 777");
      umask = bits;
      return this;
    }

    /**
     * Owner that every file is shown with.
     *
     * @param owner an unsigned number; {@link MountOptions#UNSET} takes the file system's word
     * @return this
     */
    public Builder uid(int owner) {
      uid = owner;
      return this;
    }

    /**
     * Group that every file is shown with.
     *
     * @param group an unsigned number; {@link MountOptions#UNSET} takes the file system's word
     * @return this
     */
    public Builder gid(int group) {
      gid = group;
      return this;
    }

    /**
     * Counts and times operations, for {@link FuseMount#metrics} and Flight Recorder's event {@code
     * io.github.ferrofuse.Operations}. Default off; costs a fraction of a microsecond per request.
     *
     * @param on whether to
     * @return this
     */
    public Builder metrics(boolean on) {
      metrics = on;
      return this;
    }

    /**
     * Logs requests that take long: one line per operation in ten seconds at most, to the logger
     * {@code io.github.ferrofuse.engine}. Flight Recorder's event {@code
     * io.github.ferrofuse.SlowOperation} has each of them. A request is logged when it is answered;
     * {@link Metrics#longest} knows of one that never is. Default: none.
     *
     * @param limit time from receipt to answer from which on a request is slow; zero: none is
     * @return this
     */
    public Builder slow(Duration limit) {
      slowNanos = nanos("slow", limit);
      return this;
    }

    private static int within(String name, int value, int low, int high) {
      require(
          value >= low && value <= high,
          name + "=" + value + ": needs a number from " + low + " to " + high);
      return value;
    }

    private static long nanos(String name, Duration timeout) {
      try {
        require(!timeout.isNegative(), name + "=" + timeout + ": must not be negative");
        return timeout.toNanos();
      } catch (ArithmeticException tooLong) {
        return Long.MAX_VALUE;
      }
    }

    private static void require(boolean right, String message) {
      if (!right) {
        throw new IllegalArgumentException(message);
      }
    }
  }
}
