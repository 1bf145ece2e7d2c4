package io.github.ferrofuse;

/**
 * The errors that a file system answers: errno(3), with the numbers that Linux has on x86 and ARM.
 *
 * <pre>{@code
 * throw Errno.ENOENT.exception();
 * }</pre>
 */
public enum Errno {
  /** Operation not permitted. */
  EPERM(1, "operation not permitted"),
  /** No such file or directory. */
  ENOENT(2, "no such file or directory"),
  /** Interrupted. */
  EINTR(4, "interrupted"),
  /** Input/output error. */
  EIO(5, "input/output error"),
  /** No such device or address. */
  ENXIO(6, "no such device or address"),
  /** Too long. */
  E2BIG(7, "too long"),
  /** Bad file handle. */
  EBADF(9, "bad file handle"),
  /** Try again. */
  EAGAIN(11, "try again"),
  /** Out of memory. */
  ENOMEM(12, "out of memory"),
  /** Permission denied. */
  EACCES(13, "permission denied"),
  /** Busy. */
  EBUSY(16, "busy"),
  /** File exists. */
  EEXIST(17, "file exists"),
  /** Across devices. */
  EXDEV(18, "across devices"),
  /** No such device. */
  ENODEV(19, "no such device"),
  /** Not a directory. */
  ENOTDIR(20, "not a directory"),
  /** Is a directory. */
  EISDIR(21, "is a directory"),
  /** Invalid argument. */
  EINVAL(22, "invalid argument"),
  /** Too many open files in the system. */
  ENFILE(23, "too many open files in the system"),
  /** Too many open files. */
  EMFILE(24, "too many open files"),
  /** Inappropriate ioctl. */
  ENOTTY(25, "inappropriate ioctl"),
  /** Text file busy. */
  ETXTBSY(26, "text file busy"),
  /** File too large. */
  EFBIG(27, "file too large"),
  /** No space left. */
  ENOSPC(28, "no space left"),
  /** Illegal seek. */
  ESPIPE(29, "illegal seek"),
  /** Read-only file system. */
  EROFS(30, "read-only file system"),
  /** Too many links. */
  EMLINK(31, "too many links"),
  /** Broken pipe. */
  EPIPE(32, "broken pipe"),
  /** Result too large. */
  ERANGE(34, "result too large"),
  /** Deadlock avoided. */
  EDEADLK(35, "deadlock avoided"),
  /** Name too long. */
  ENAMETOOLONG(36, "name too long"),
  /** No locks available. */
  ENOLCK(37, "no locks available"),
  /** Not implemented. */
  ENOSYS(38, "not implemented"),
  /** Directory not empty. */
  ENOTEMPTY(39, "directory not empty"),
  /** Too many symbolic links. */
  ELOOP(40, "too many symbolic links"),
  /** No such attribute. */
  ENODATA(61, "no such attribute"),
  /** Communication error. */
  ECOMM(70, "communication error"),
  /** Protocol error. */
  EPROTO(71, "protocol error"),
  /** Value too large. */
  EOVERFLOW(75, "value too large"),
  /** Invalid byte sequence. */
  EILSEQ(84, "invalid byte sequence"),
  /** Too many users. */
  EUSERS(87, "too many users"),
  /** Not supported. */
  EOPNOTSUPP(95, "not supported"),
  /** Connection aborted. */
  ECONNABORTED(103, "connection aborted"),
  /** Connection reset. */
  ECONNRESET(104, "connection reset"),
  /** Timed out. */
  ETIMEDOUT(110, "timed out"),
  /** Host unreachable. */
  EHOSTUNREACH(113, "host unreachable"),
  /** Stale file handle. */
  ESTALE(116, "stale file handle"),
  /** Remote input/output error. */
  EREMOTEIO(121, "remote input/output error"),
  /** Quota exceeded. */
  EDQUOT(122, "quota exceeded"),
  /** No medium. */
  ENOMEDIUM(123, "no medium"),
  /** Canceled. */
  ECANCELED(125, "canceled"),
  /** Key expired. */
  EKEYEXPIRED(127, "key expired");

  private static final Errno[] BY_CODE = new Errno[128];

  static {
    for (Errno errno : values()) {
      BY_CODE[errno.code] = errno;
    }
  }

  private final int code;
  private final String text;
  private final FuseException exception;

  Errno(int code, String text) {
    this.code = code;
    this.text = text;
    this.exception = new FuseException(this);
  }

  /** {@return the number, positive} */
  public int code() {
    return code;
  }

  /** {@return what it means, in a few words} */
  public String text() {
    return text;
  }

  /**
   * The exception that answers with this error. Always the same one, without a stack trace:
   * throwing it costs nothing.
   *
   * @return the exception
   */
  public FuseException exception() {
    return exception;
  }

  /**
   * The error of a number.
   *
   * @param code the number
   * @return the error, {@link #EIO} if it is none of these
   */
  public static Errno of(int code) {
    Errno errno = code >= 0 && code < BY_CODE.length ? BY_CODE[code] : null;
    return errno == null ? EIO : errno;
  }
}
