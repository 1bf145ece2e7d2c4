package io.github.ferrofuse.cli.doctor;

/**
 * What a kernel can offer when a file system is mounted: the {@code FUSE_} INIT flags of
 * &lt;linux/fuse.h&gt;, but for the reserved ones and those that only virtiofs has.
 */
enum Feature {
  ASYNC_READ(0, Use.ALWAYS, "reads of one file overlap"),
  POSIX_LOCKS(1, Use.BY_FILE_SYSTEM, "the file system decides about fcntl(2) locks"),
  ATOMIC_O_TRUNC(3, Use.BY_FILE_SYSTEM, "open(2) truncates in one request"),
  EXPORT_SUPPORT(4, Use.BY_FILE_SYSTEM, "export by NFS, with lookup of . and .."),
  BIG_WRITES(5, Use.ALWAYS, "writes larger than 4 KiB"),
  DONT_MASK(6, Use.BY_FILE_SYSTEM, "the file system applies the umask"),
  SPLICE_WRITE(7, Use.NEVER, "replies by splice(2)"),
  SPLICE_MOVE(8, Use.NEVER, "replies by moving pages"),
  SPLICE_READ(9, Use.NEVER, "requests by splice(2)"),
  FLOCK_LOCKS(10, Use.BY_FILE_SYSTEM, "the file system decides about flock(2) locks"),
  HAS_IOCTL_DIR(11, Use.BY_FILE_SYSTEM, "ioctl(2) on directories"),
  AUTO_INVAL_DATA(
      12, Use.BY_FILE_SYSTEM, "cached data goes when the mtime changes, where others change files"),
  DO_READDIRPLUS(13, Use.BY_FILE_SYSTEM, "directories are listed with attributes"),
  READDIRPLUS_AUTO(14, Use.BY_FILE_SYSTEM, "only where somebody looks at the attributes"),
  ASYNC_DIO(15, Use.ALWAYS, "requests of one direct read or write overlap"),
  WRITEBACK_CACHE(16, Use.BY_OPTION, "the kernel gathers writes"),
  NO_OPEN_SUPPORT(17, Use.BY_FILE_SYSTEM, "files need no open request"),
  PARALLEL_DIROPS(18, Use.ALWAYS, "lookups and listings of one directory overlap"),
  HANDLE_KILLPRIV(19, Use.NEVER, "the older form of HANDLE_KILLPRIV_V2"),
  POSIX_ACL(20, Use.BY_FILE_SYSTEM, "the kernel checks POSIX ACLs"),
  ABORT_ERROR(21, Use.ALWAYS, "an aborted connection is told from an unmounted one"),
  MAX_PAGES(22, Use.ALWAYS, "requests larger than 128 KiB"),
  CACHE_SYMLINKS(23, Use.BY_OPTION, "targets of symbolic links are cached"),
  NO_OPENDIR_SUPPORT(24, Use.BY_FILE_SYSTEM, "directories need no open request"),
  EXPLICIT_INVAL_DATA(25, Use.NOT_YET, "cached data goes only when the file system says so"),
  HANDLE_KILLPRIV_V2(28, 5, 11, Use.BY_FILE_SYSTEM, "the file system clears setuid and setgid"),
  SETXATTR_EXT(29, Use.ALWAYS, "setting an ACL can clear setgid"),
  INIT_EXT(30, 5, 17, Use.ALWAYS, "more than 32 features"),
  SECURITY_CTX(32, 5, 17, Use.NOT_YET, "new files come with a security context"),
  CREATE_SUPP_GROUP(34, 6, 2, Use.NEVER, "new files come with the caller's group that fits"),
  HAS_EXPIRE_ONLY(35, 6, 2, Use.BY_FILE_SYSTEM, "the file system can expire names"),
  DIRECT_IO_ALLOW_MMAP(36, 6, 6, Use.ALWAYS, "shared mappings under direct_io"),
  PASSTHROUGH(37, 6, 9, Use.BY_FILE_SYSTEM, "reads and writes that bypass the file system"),
  NO_EXPORT_SUPPORT(38, 6, 9, Use.NEVER, "the file system can refuse file handles"),
  HAS_RESEND(39, 6, 9, Use.NOT_YET, "requests are sent again to a new server"),
  ALLOW_IDMAP(40, 6, 12, Use.NOT_YET, "id-mapped mounts"),
  OVER_IO_URING(41, 6, 14, Use.BY_TRANSPORT, "requests travel over io_uring"),
  REQUEST_TIMEOUT(42, 6, 15, Use.NOT_YET, "requests that take too long end the connection");

  /** When this version uses what is offered. */
  enum Use {
    ALWAYS(State.OK, "in use"),
    BY_FILE_SYSTEM(State.OK, "in use if the file system says so"),
    BY_OPTION(State.OFF, "in use with the option of that name"),
    BY_TRANSPORT(State.OFF, "in use with transport=uring"),
    NOT_YET(State.OK, "offered, not used yet"),
    NEVER(State.OK, "offered, not used");

    final State state;
    final String text;

    Use(State state, String text) {
      this.state = state;
      this.text = text;
    }
  }

  final long flag;
  final Use use;
  private final int major;
  private final int minor;
  private final String meaning;

  Feature(int bit, Use use, String meaning) {
    this(bit, 0, 0, use, meaning);
  }

  /** A feature that came with a version of Linux later than the oldest that is served. */
  Feature(int bit, int major, int minor, Use use, String meaning) {
    this.flag = 1L << bit;
    this.major = major;
    this.minor = minor;
    this.use = use;
    this.meaning = meaning;
  }

  Finding finding(Trial.Outcome outcome, Machine machine) {
    if (outcome.failure() != null) {
      return Finding.unknown(name(), meaning);
    }
    if ((outcome.offered() & flag) != 0) {
      return new Finding(use.state, name(), meaning + ": " + use.text);
    }
    if (this == OVER_IO_URING && KernelSettings.uringOfFuse(machine).state() == State.OFF) {
      return Finding.off(name(), meaning + ": not offered, enable_uring (below) turns it on");
    }
    String remedy =
        machine.kernelSince(major, minor)
            ? "this kernel was built without it, or has it switched off"
            : "needs Linux " + major + "." + minor + " or later";
    return Finding.no(name(), meaning + ": not offered, " + remedy);
  }
}
