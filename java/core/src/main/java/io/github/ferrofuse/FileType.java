package io.github.ferrofuse;

/** Type of a file, as in the upper bits of {@code stat.st_mode}. */
public enum FileType {
  /** Not told; the application will ask. */
  UNKNOWN(0),
  /** Named pipe. */
  FIFO(1),
  /** Character device. */
  CHARACTER_DEVICE(2),
  /** Directory. */
  DIRECTORY(4),
  /** Block device. */
  BLOCK_DEVICE(6),
  /** Regular file. */
  REGULAR(8),
  /** Symbolic link. */
  SYMLINK(10),
  /** Socket. */
  SOCKET(12);

  /** Mask of the type in a mode. */
  public static final int S_IFMT = 0170000;

  private static final FileType[] BY_CODE = new FileType[16];

  static {
    for (FileType type : values()) {
      BY_CODE[type.code] = type;
    }
  }

  private final int code;

  FileType(int code) {
    this.code = code;
  }

  /** {@return the {@code DT_} number of readdir(3)} */
  public int code() {
    return code;
  }

  /** {@return the type's bits in a mode, for example 0100000 for a regular file} */
  public int bits() {
    return code << 12;
  }

  /**
   * Type of a mode.
   *
   * @param mode as in {@code stat.st_mode}
   * @return the type, {@link #UNKNOWN} if its bits are none
   */
  public static FileType ofMode(int mode) {
    FileType type = BY_CODE[(mode & S_IFMT) >> 12];
    return type == null ? UNKNOWN : type;
  }
}
