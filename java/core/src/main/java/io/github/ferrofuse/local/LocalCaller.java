package io.github.ferrofuse.local;

/**
 * In whose name something is made: the file is owned by that user and group, and the umask is
 * theirs. The thread that makes the call takes on their ids (setfsuid(2), setfsgid(2)) for its
 * duration and then has its own again; no other thread notices. Immutable.
 *
 * <p>Taking on others' ids is for a process with CAP_SETUID and CAP_SETGID; without them, calls in
 * the name of anybody but its own user fail with EPERM.
 */
public final class LocalCaller {
  private final int[] words;

  private LocalCaller(int[] words) {
    this.words = words;
  }

  /**
   * Somebody whose right to do it was found already, by the kernel for a mount with {@code
   * default_permissions}: what is made is theirs, but this process's own capabilities decide
   * whether it may be made.
   *
   * @param uid the user
   * @param gid the group
   * @param umask permissions that the file doesn't get, unless the directory has a default ACL
   * @return the caller
   */
  public static LocalCaller owner(int uid, int gid, int umask) {
    return new LocalCaller(new int[] {uid, gid, umask, 0});
  }

  /**
   * Somebody whose right to do it the directory's file system is to find: capabilities over files
   * are given up for the call (those that setfsuid(2) takes from a user other than root).
   *
   * @param uid the user
   * @param gid the group
   * @param umask permissions that the file doesn't get, unless the directory has a default ACL
   * @param groups the user's other groups
   * @return the caller
   */
  public static LocalCaller user(int uid, int gid, int umask, int... groups) {
    int[] words = new int[4 + groups.length];
    words[0] = uid;
    words[1] = gid;
    words[2] = umask;
    words[3] = 1;
    System.arraycopy(groups, 0, words, 4, groups.length);
    return new LocalCaller(words);
  }

  /** For native code: uid, gid, umask, whether rights are checked, groups; null for no caller. */
  static int[] words(LocalCaller caller) {
    return caller == null ? null : caller.words;
  }
}
