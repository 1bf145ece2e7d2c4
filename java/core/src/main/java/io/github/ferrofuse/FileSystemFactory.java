package io.github.ferrofuse;

import java.io.IOException;
import java.util.Map;

/**
 * Makes file systems from a line of text: what {@code mount scheme:spec} finds by {@link
 * java.util.ServiceLoader}.
 *
 * <p>An implementation is named in {@code META-INF/services/io.github.ferrofuse.FileSystemFactory}
 * of its jar.
 */
public interface FileSystemFactory {

  /**
   * {@return the word before the colon, for example "memory"; lower case letters, digits and '-'}
   */
  String scheme();

  /** {@return one line for {@code --help}: what it mounts, and its options} */
  String help();

  /**
   * Makes a file system.
   *
   * @param spec what follows "scheme:", empty if nothing does
   * @param options the {@code -o} options that the mount itself does not know; the factory removes
   *     those it takes, and any left over is an error that names it
   * @return the file system
   * @throws IOException if it cannot be made; the message is shown to the user
   * @throws IllegalArgumentException if the spec or an option's value is wrong; the message is
   *     shown to the user
   */
  FileSystemBase create(String spec, Map<String, String> options) throws IOException;
}
