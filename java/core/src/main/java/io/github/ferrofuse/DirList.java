package io.github.ferrofuse;

/**
 * Takes all entries of a directory. Valid during {@link FuseFileSystem#readdir}.
 *
 * <p>Names are path components, in the form that {@link Name} gives strings; "." and ".." are added
 * by the engine, and ignored here.
 */
public interface DirList {

  /**
   * Adds an entry of which no more is known.
   *
   * @param name its name
   * @param type its type, {@link FileType#UNKNOWN} if that is not known either
   * @return this
   * @throws IllegalArgumentException if the name is empty or has a '/' or NUL
   */
  DirList add(String name, FileType type);

  /**
   * Adds an entry with its inode number.
   *
   * @param name its name
   * @param type its type
   * @param ino what {@link AttrSink#ino} says for it, 0 if that is not known
   * @return this
   * @throws IllegalArgumentException if the name is empty or has a '/' or NUL
   */
  DirList add(String name, FileType type, long ino);

  /**
   * Adds an entry with all its attributes, which spares the kernel a {@link FuseFileSystem#getattr}
   * if it wants them (ls -l). They are used for entries that are read at once with the listing, not
   * for later ones, where they could be out of date. Not worth while if they are expensive.
   *
   * @param name its name
   * @return takes the attributes, until the next entry is added; {@link AttrSink#mode} must be set
   * @throws IllegalArgumentException if the name is empty or has a '/' or NUL
   */
  AttrSink add(String name);
}
