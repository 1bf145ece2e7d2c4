package io.github.ferrofuse;

import io.github.ferrofuse.MountOptions.Builder;
import io.github.ferrofuse.MountOptions.Readdirplus;
import io.github.ferrofuse.MountOptions.Transport;
import java.time.Duration;
import java.util.Objects;

/**
 * What {@link Builder} inherits: the value of each option, its default, and the setter that checks
 * it. {@link MountOptions} reads the values; nobody changes them once they are built.
 */
abstract class MountSetters {
  private static final int MIN_TRANSFER = 4096;
  private static final int MAX_TRANSFER = 1 << 20;
  private static final int MAX_BACKGROUND = 65535;
  private static final int MAX_THREADS = 1024;
  private static final long MAX_IDLE_SPIN_NANOS = 1_000_000_000;
  private static final int MAX_PATH_CACHE = 1 << 20;
  private static final int MAX_MODE = 0777;

  String fsname = "ferrofuse";
  String subtype = "ferrofuse";
  boolean allowOther;
  boolean allowRoot;
  boolean defaultPermissions;
  boolean readOnly;
  boolean dev;
  boolean suid;
  int maxRead = MountOptions.UNSET;
  int maxWrite = MountOptions.UNSET;
  int maxBackground = MountOptions.UNSET;
  int threads = MountOptions.UNSET;
  int maxIdleThreads = MountOptions.UNSET;
  long attrTimeoutNanos = Duration.ofSeconds(1).toNanos();
  long entryTimeoutNanos = Duration.ofSeconds(1).toNanos();
  long negativeTimeoutNanos;
  int pathCache = 500;
  boolean directIo;
  boolean kernelCache;
  boolean autoCache;
  boolean cacheSymlinks;
  Readdirplus readdirplus = Readdirplus.AUTO;
  boolean writebackCache;
  boolean cloneFd = true;
  long idleSpinNanos;
  Transport transport = Transport.AUTO;
  boolean autoUnmount;
  int umask = MountOptions.UNSET;
  int uid = MountOptions.UNSET;
  int gid = MountOptions.UNSET;
  boolean metrics;
  long slowNanos;

  MountSetters() {}

  MountSetters(MountSetters other) {
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
    autoCache = other.autoCache;
    cacheSymlinks = other.cacheSymlinks;
    readdirplus = other.readdirplus;
    writebackCache = other.writebackCache;
    cloneFd = other.cloneFd;
    idleSpinNanos = other.idleSpinNanos;
    transport = other.transport;
    autoUnmount = other.autoUnmount;
    umask = other.umask;
    uid = other.uid;
    gid = other.gid;
    metrics = other.metrics;
    slowNanos = other.slowNanos;
  }

  /** The builder, which every setter answers. */
  abstract Builder self();

  /**
   * Source shown by mount(8) and df(1). Default "ferrofuse".
   *
   * @param name not empty, without NUL
   * @return the builder
   */
  public Builder fsname(String name) {
    require(
        !name.isEmpty() && name.indexOf(0) < 0,
        "fsname=" + name + ": needs a name that is not empty and has no NUL");
    fsname = name;
    return self();
  }

  /**
   * Type shown by mount(8) after "fuse.". Default "ferrofuse".
   *
   * @param name letters, digits, '-', '_' and '.', at least one
   * @return the builder
   */
  public Builder subtype(String name) {
    require(
        name.matches("[A-Za-z0-9_.-]+"),
        "subtype=" + name + ": may hold letters, digits, '-', '_' and '.' only");
    subtype = name;
    return self();
  }

  /**
   * Lets users other than the mounting one in. Excludes {@link #allowRoot}.
   *
   * @param on whether to
   * @return the builder
   */
  public Builder allowOther(boolean on) {
    allowOther = on;
    return self();
  }

  /**
   * Lets root in besides the mounting user. Excludes {@link #allowOther}.
   *
   * <p>The kernel lets everybody in, and the engine refuses the requests of others. What the kernel
   * has cached (names and attributes) it serves to them without a request; {@link
   * #defaultPermissions} makes it check the mode at least.
   *
   * @param on whether to
   * @return the builder
   */
  public Builder allowRoot(boolean on) {
    allowRoot = on;
    return self();
  }

  /**
   * Has the kernel check permissions by owner and mode.
   *
   * @param on whether to
   * @return the builder
   */
  public Builder defaultPermissions(boolean on) {
    defaultPermissions = on;
    return self();
  }

  /**
   * Mounts read-only.
   *
   * @param on whether to
   * @return the builder
   */
  public Builder readOnly(boolean on) {
    readOnly = on;
    return self();
  }

  /**
   * Lets device files work; root only.
   *
   * @param on whether to
   * @return the builder
   */
  public Builder dev(boolean on) {
    dev = on;
    return self();
  }

  /**
   * Lets setuid and setgid bits work; root only.
   *
   * @param on whether to
   * @return the builder
   */
  public Builder suid(boolean on) {
    suid = on;
    return self();
  }

  /**
   * Largest read that the kernel may send.
   *
   * @param bytes 4096 to 1048576
   * @return the builder
   */
  public Builder maxRead(int bytes) {
    maxRead = within("max_read", bytes, MIN_TRANSFER, MAX_TRANSFER);
    return self();
  }

  /**
   * Largest write that the kernel may send.
   *
   * @param bytes 4096 to 1048576
   * @return the builder
   */
  public Builder maxWrite(int bytes) {
    maxWrite = within("max_write", bytes, MIN_TRANSFER, MAX_TRANSFER);
    return self();
  }

  /**
   * How many background requests (read-ahead, write-back, asynchronous I/O) the kernel may have in
   * flight.
   *
   * @param requests 1 to 65535
   * @return the builder
   */
  public Builder maxBackground(int requests) {
    maxBackground = within("max_background", requests, 1, MAX_BACKGROUND);
    return self();
  }

  /**
   * How many threads serve requests at most. There are two at first, and one more whenever a
   * request leaves none idle. If this is not set, that goes on up to two per CPU, at least 4 and at
   * most 16, and beyond, up to 64, while all of them block for milliseconds.
   *
   * <p>Over io_uring each processor has threads of its own, as many as this number divided by the
   * processors, at least two, or one if this is 1. There are two at first, and one more whenever a
   * request leaves fewer than two idle; if this is not set, up to 4, and beyond, up to 64, while
   * all of them block. A request that waits for others on its file does not count. Together they
   * have 256 MiB of buffers at most, or one each.
   *
   * @param count 1 to 1024
   * @return the builder
   */
  public Builder threads(int count) {
    threads = within("threads", count, 1, MAX_THREADS);
    return self();
  }

  /**
   * How many threads stay when they are idle; those above end after some seconds in which they were
   * not needed. At least 1 stays, and one more thread stands by. If this is not set, as many stay
   * as there are before threads block.
   *
   * @param count 1 to 1024
   * @return the builder
   */
  public Builder maxIdleThreads(int count) {
    maxIdleThreads = within("max_idle_threads", count, 1, MAX_THREADS);
    return self();
  }

  /**
   * How long the kernel may remember attributes, unless the file system says otherwise. Default 1
   * s.
   *
   * @param timeout not negative
   * @return the builder
   */
  public Builder attrTimeout(Duration timeout) {
    attrTimeoutNanos = nanos("attr_timeout", timeout);
    return self();
  }

  /**
   * How long the kernel may remember a name, unless the file system says otherwise. Default 1 s.
   *
   * @param timeout not negative
   * @return the builder
   */
  public Builder entryTimeout(Duration timeout) {
    entryTimeoutNanos = nanos("entry_timeout", timeout);
    return self();
  }

  /**
   * How long the kernel may remember that a name does not exist. Default 0.
   *
   * @param timeout not negative
   * @return the builder
   */
  public Builder negativeTimeout(Duration timeout) {
    negativeTimeoutNanos = nanos("negative_timeout", timeout);
    return self();
  }

  /**
   * How many paths and names are kept as strings for a {@link FuseFileSystem}, so that one that is
   * used again makes no garbage. Default 500.
   *
   * @param count 0 to 1048576
   * @return the builder
   */
  public Builder pathCache(int count) {
    pathCache = within("path_cache", count, 0, MAX_PATH_CACHE);
    return self();
  }

  /**
   * Bypasses the page cache for every file, as {@link OpenReply#directIo} does for one.
   *
   * @param on whether to
   * @return the builder
   */
  public Builder directIo(boolean on) {
    directIo = on;
    return self();
  }

  /**
   * Keeps a file's page cache when it is opened again, even if the file's mtime has changed
   * meanwhile: for files that nobody changes but through this mount. Only a size that is seen to
   * have changed drops it. Excludes {@link #autoCache}.
   *
   * @param on whether to
   * @return the builder
   */
  public Builder kernelCache(boolean on) {
    kernelCache = on;
    return self();
  }

  /**
   * Keeps a file's page cache when it is opened again, until the file's size or mtime is seen to
   * have changed. The kernel looks before each read, at attributes that are no older than {@link
   * #attrTimeout}: so long a change made elsewhere may go unnoticed. Excludes {@link #kernelCache},
   * which looks at no mtime, and {@link #writebackCache}, under which the kernel believes its own
   * size and mtime.
   *
   * @param on whether to
   * @return the builder
   */
  public Builder autoCache(boolean on) {
    autoCache = on;
    return self();
  }

  /**
   * Lets the kernel remember the targets of symbolic links as long as it remembers the links
   * themselves, which may be much longer than any timeout: for links that are never changed in
   * place. A link that is removed and made anew through this mount is another one.
   *
   * @param on whether to
   * @return the builder
   */
  public Builder cacheSymlinks(boolean on) {
    cacheSymlinks = on;
    return self();
  }

  /**
   * When directories are listed with attributes. Default {@link Readdirplus#AUTO}.
   *
   * @param choice not null
   * @return the builder
   */
  public Builder readdirplus(Readdirplus choice) {
    readdirplus = Objects.requireNonNull(choice, "readdirplus");
    return self();
  }

  /**
   * Lets the kernel gather writes and send them later: at fsync, close, or when it sees fit. The
   * kernel then is the one who knows a file's size and mtime, and believes nobody else: what others
   * change of a file is not seen before the kernel has forgotten it. It has to read around a write
   * that covers part of a page, and finds the end of the file for O_APPEND itself: {@code open} and
   * {@code create} get O_RDWR in place of O_WRONLY, and no O_APPEND. An error of a late write
   * reaches fsync(2), once per open file, and close(2) if nobody has heard of it before. Excludes
   * {@link #autoCache}.
   *
   * @param on whether to
   * @return the builder
   */
  public Builder writebackCache(boolean on) {
    writebackCache = on;
    return self();
  }

  /**
   * Gives each thread a {@code /dev/fuse} descriptor of its own. Default on.
   *
   * @param on whether to
   * @return the builder
   */
  public Builder cloneFd(boolean on) {
    cloneFd = on;
    return self();
  }

  /**
   * How requests arrive. Default {@link Transport#AUTO}.
   *
   * @param choice not null
   * @return the builder
   */
  public Builder transport(Transport choice) {
    transport = Objects.requireNonNull(choice, "transport");
    return self();
  }

  /**
   * Has {@code fusermount3} unmount when the process ends in whatever way.
   *
   * @param on whether to
   * @return the builder
   */
  public Builder autoUnmount(boolean on) {
    autoUnmount = on;
    return self();
  }

  /**
   * Permission bits that every file is shown without.
   *
   * @param bits 0 to 0777 (octal)
   * @return the builder
   */
  public Builder umask(int bits) {
    require(
        bits >= 0 && bits <= MAX_MODE,
        "umask=" + Integer.toOctalString(bits) + ": needs an octal number from 0 to 777");
    umask = bits;
    return self();
  }

  /**
   * Owner that every file is shown with.
   *
   * @param owner an unsigned number; {@link MountOptions#UNSET} takes the file system's word
   * @return the builder
   */
  public Builder uid(int owner) {
    uid = owner;
    return self();
  }

  /**
   * Group that every file is shown with.
   *
   * @param group an unsigned number; {@link MountOptions#UNSET} takes the file system's word
   * @return the builder
   */
  public Builder gid(int group) {
    gid = group;
    return self();
  }

  /**
   * Counts and times operations, for {@link FuseMount#metrics} and Flight Recorder's event {@code
   * io.github.ferrofuse.Operations}. Default off; costs a fraction of a microsecond per request.
   *
   * @param on whether to
   * @return the builder
   */
  public Builder metrics(boolean on) {
    metrics = on;
    return self();
  }

  /**
   * Logs requests that take long: one line per operation in ten seconds at most, to the logger
   * {@code io.github.ferrofuse.engine}. Flight Recorder's event {@code
   * io.github.ferrofuse.SlowOperation} has each of them. A request is logged when it is answered;
   * {@link Metrics#longest} knows of one that never is. Default: none.
   *
   * @param limit time from receipt to answer from which on a request is slow; zero: none is
   * @return the builder
   */
  public Builder slow(Duration limit) {
    slowNanos = nanos("slow", limit);
    return self();
  }

  /**
   * Has one idle thread look for the next request for a moment before it sleeps. Some tens of
   * microseconds make a single client that asks again as soon as it is answered faster by a fifth
   * to a third, and take that time of a processor; if nothing comes several times in a row, it
   * looks less often. Default zero: at once asleep.
   *
   * @param time how long, up to a second; zero not at all
   * @return the builder
   */
  public Builder idleSpin(Duration time) {
    long nanos = nanos("idle_spin", time);
    require(nanos <= MAX_IDLE_SPIN_NANOS, "idle_spin=" + time + ": must not exceed a second");
    idleSpinNanos = nanos;
    return self();
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

  static void require(boolean right, String message) {
    if (!right) {
      throw new IllegalArgumentException(message);
    }
  }
}
