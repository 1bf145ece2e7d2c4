package io.github.ferrofuse;

/** Takes the names of extended attributes. Valid during {@code listxattr}. */
public interface XattrSink {

  /**
   * Adds a name. Whether they all fitted is the engine's business (ERANGE): add every one.
   *
   * @param name the name, with its prefix
   */
  void add(Name name);

  /**
   * Adds a name.
   *
   * @param name the name, with its prefix
   */
  default void add(String name) {
    add(Name.of(name));
  }
}
