package io.github.ferrofuse;

import java.util.List;
import java.util.Map;

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
    DEV,
    /**
     * FUSE over io_uring, in Linux since 6.14, if an administrator has switched it on; without it
     * there is no mount. Requests are served on the processor that made them, by threads that stay
     * there and keep a buffer each: of each processor two at first, more as they are needed. On
     * such a thread {@link Runtime#availableProcessors} is 1, which a pool that is made in a
     * handler may take for its size; threads that a handler starts run on all processors.
     */
    URING
  }

  /** When the kernel asks for a directory's entries together with their attributes. */
  public enum Readdirplus {
    /** At the beginning of a listing, and further on while somebody looks at the attributes. */
    AUTO,
    /** Every time. */
    ALWAYS,
    /** Never: each entry that somebody looks at is looked up by itself. */
    NEVER
  }

  private final Builder set;

  private MountOptions(Builder set) {
    this.set = set;
  }

  /** {@return a builder that holds the defaults} */
  public static Builder builder() {
    return new Builder();
  }

  /** {@return a builder that holds these options; they stay as they are} */
  public Builder toBuilder() {
    return new Builder(set);
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

  /** {@return whether it survives that until the file is seen to have changed} */
  public boolean autoCache() {
    return set.autoCache;
  }

  /** {@return whether the targets of symbolic links are remembered} */
  public boolean cacheSymlinks() {
    return set.cacheSymlinks;
  }

  /** {@return when directories are listed with attributes} */
  public Readdirplus readdirplus() {
    return set.readdirplus;
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

  /** {@return nanoseconds for which an idle thread looks for requests before it sleeps} */
  public long idleSpinNanos() {
    return set.idleSpinNanos;
  }

  /** {@return nanoseconds from which on a request is logged as slow; 0 if none is} */
  public long slowNanos() {
    return set.slowNanos;
  }

  /** Collects options; every setter answers the builder. Used by one thread. */
  public static final class Builder extends MountSetters {
    private Builder() {}

    private Builder(Builder other) {
      super(other);
    }

    @Override
    Builder self() {
      return this;
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
      require(
          !(kernelCache && autoCache),
          "kernel_cache and auto_cache exclude each other: auto_cache for files that change"
              + " elsewhere");
      require(
          !(writebackCache && autoCache),
          "writeback_cache and auto_cache exclude each other: under writeback_cache the kernel"
              + " sees no changes made elsewhere");
      return new MountOptions(new Builder(this));
    }
  }
}
