package io.github.ferrofuse.internal;

import io.github.ferrofuse.Name;
import java.nio.ByteBuffer;

/**
 * Lets this package refill a {@link Name} without a public method for it. Set by {@code Name} when
 * it is initialized.
 */
public abstract class NameAccess {
  private static volatile NameAccess instance;

  /** For {@code Name} alone. */
  protected NameAccess() {}

  /**
   * Called once by {@code Name}.
   *
   * @param access its own
   */
  public static void set(NameAccess access) {
    if (instance != null) {
      throw new IllegalStateException("the access to Name is set already");
    }
    instance = access;
  }

  /** {@return the one that {@code Name} has set} */
  public static NameAccess get() {
    if (instance == null) {
      Name.of(""); // initializes the class
    }
    return instance;
  }

  /** {@return a name that {@link #assign} may fill again and again} */
  public abstract Name reusable();

  /**
   * Refills a reusable name.
   *
   * @param name from {@link #reusable}
   * @param source where the bytes are
   * @param offset of the first
   * @param length how many
   */
  public abstract void assign(Name name, ByteBuffer source, int offset, int length);

  /**
   * The bytes that a string stands for.
   *
   * @param text a name, or a path
   * @return its bytes
   */
  public abstract byte[] encode(String text);

  /**
   * The array that a name's bytes are in, from its start.
   *
   * @param name any name
   * @return the array, of which the first {@link Name#length} bytes count; not to be changed or
   *     kept
   */
  public abstract byte[] bytes(Name name);

  /**
   * Copies a name's bytes.
   *
   * @param name any name
   * @param target where they go
   * @param offset of the first
   */
  public abstract void get(Name name, ByteBuffer target, int offset);
}
