package io.github.ferrofuse;

/**
 * Takes the attributes of a node: those of stat(2). All are 0 until set, but the link count, which
 * is 1, and the preferred I/O size, which is 4096. Valid during the call that got it.
 */
public interface AttrSink {

  /**
   * Inode number that applications see.
   *
   * @param ino the number; the node's own unless set
   * @return this
   */
  AttrSink ino(long ino);

  /**
   * Type and permissions.
   *
   * @param mode as in {@code stat.st_mode}, for example {@code 0100644}; must be set
   * @return this
   */
  AttrSink mode(int mode);

  /**
   * Size of the file.
   *
   * @param bytes 0 or more
   * @return this
   */
  AttrSink size(long bytes);

  /**
   * Space taken.
   *
   * @param blocks in units of 512 bytes
   * @return this
   */
  AttrSink blocks(long blocks);

  /**
   * Number of names.
   *
   * @param nlink 1 unless set
   * @return this
   */
  AttrSink nlink(int nlink);

  /**
   * Owner.
   *
   * @param uid user id
   * @return this
   */
  AttrSink uid(int uid);

  /**
   * Owning group.
   *
   * @param gid group id
   * @return this
   */
  AttrSink gid(int gid);

  /**
   * Device number of a device node.
   *
   * @param rdev as in {@code stat.st_rdev}
   * @return this
   */
  AttrSink rdev(int rdev);

  /**
   * Preferred size of I/O.
   *
   * @param bytes 1 or more; 4096 unless set
   * @return this
   */
  AttrSink blksize(int bytes);

  /**
   * Time of the last access.
   *
   * @param seconds since 1970, may be negative
   * @param nanos 0 to 999,999,999
   * @return this
   */
  AttrSink atime(long seconds, int nanos);

  /**
   * Time of the last change of the content.
   *
   * @param seconds since 1970, may be negative
   * @param nanos 0 to 999,999,999
   * @return this
   */
  AttrSink mtime(long seconds, int nanos);

  /**
   * Time of the last change of the attributes.
   *
   * @param seconds since 1970, may be negative
   * @param nanos 0 to 999,999,999
   * @return this
   */
  AttrSink ctime(long seconds, int nanos);

  /**
   * Time of birth, for statx(2). Used if the file system has declared {@link
   * Connection#knowsBirthTimes}; a file whose time is not set has none.
   *
   * @param seconds since 1970, may be negative
   * @param nanos 0 to 999,999,999
   * @return this
   */
  AttrSink btime(long seconds, int nanos);

  /**
   * How long the kernel may believe these attributes.
   *
   * @param nanos in nanoseconds, 0 or more; the mount's {@code attr_timeout} unless set
   * @return this
   */
  AttrSink timeout(long nanos);
}
