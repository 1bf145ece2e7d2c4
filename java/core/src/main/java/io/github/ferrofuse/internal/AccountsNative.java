package io.github.ferrofuse.internal;

import java.io.IOException;

/**
 * The C library's users and groups, in {@code native/jvm/src/accounts.rs}: whatever nsswitch.conf
 * names (files, LDAP ...). May take as long as a server does. For any thread, once {@link
 * Native#load} has been called.
 */
public final class AccountsNative {
  private AccountsNative() {}

  /**
   * Name of a user.
   *
   * @param uid the user's id, unsigned
   * @return the name's bytes, null if there is none
   * @throws IOException if a source of users can't be asked
   */
  public static native byte[] userName(int uid) throws IOException;

  /**
   * Name of a group.
   *
   * @param gid the group's id, unsigned
   * @return the name's bytes, null if there is none
   * @throws IOException if a source of groups can't be asked
   */
  public static native byte[] groupName(int gid) throws IOException;

  /**
   * Id of a user.
   *
   * @param name the name's bytes
   * @return the id, negative if there is none
   * @throws IOException if a source of users can't be asked
   */
  public static native long userId(byte[] name) throws IOException;

  /**
   * Id of a group.
   *
   * @param name the name's bytes
   * @return the id, negative if there is none
   * @throws IOException if a source of groups can't be asked
   */
  public static native long groupId(byte[] name) throws IOException;
}
