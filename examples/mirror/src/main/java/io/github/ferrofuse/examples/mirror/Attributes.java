package io.github.ferrofuse.examples.mirror;

import io.github.ferrofuse.AttrChange;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.Request;
import io.github.ferrofuse.local.LocalFd;
import io.github.ferrofuse.local.LocalFlags;
import io.github.ferrofuse.local.LocalStat;
import java.io.IOException;
import java.util.stream.IntStream;

/**
 * Changes of attributes. The kernel has looked whether the caller may make them; the file's own
 * file system sees this process make them, which is often root and keeps setuid and setgid.
 */
final class Attributes {
  private static final int SETUID = 04000;
  private static final int SETGID = 02000;
  private static final int GROUP_EXECUTES = 00010;
  private static final int PERMISSIONS = 07777;

  private Attributes() {}

  /**
   * Changes what a request asks for. The owner comes before the mode, because a change of the owner
   * takes setuid and setgid; the times come last, because all else changes them.
   *
   * @param file any descriptor of the file
   * @param handle the open file that it is asked through, or null
   */
  static void change(
      Request request, Nodes nodes, LocalFd file, FileHandle handle, AttrChange change)
      throws IOException {
    if (change.hasUid() || change.hasGid()) {
      if (request.uid() != 0) {
        clearPrivileges(request, file);
      }
      file.chown(change.hasUid() ? change.uid() : -1, change.hasGid() ? change.gid() : -1);
    }
    if (change.hasMode()) {
      file.chmod(change.mode() & PERMISSIONS);
    }
    if (change.hasSize()) {
      truncate(nodes, file, handle, change.size());
      if (request.killsPrivileges()) {
        clearPrivileges(request, file);
      }
    }
    if (change.hasAtime() || change.hasMtime()) {
      file.utimens(
          atimeSeconds(change), atimeNanos(change), mtimeSeconds(change), mtimeNanos(change));
    }
  }

  private static void truncate(Nodes nodes, LocalFd file, FileHandle handle, long size)
      throws IOException {
    if (handle instanceof OpenFile && ((OpenFile) handle).isWritable()) {
      ((OpenFile) handle).fd.truncate(size);
      return;
    }
    try (LocalFd open =
        nodes.withRoom(
            () -> file.reopen(LocalFlags.O_WRONLY | LocalFlags.O_NONBLOCK | LocalFlags.O_NOCTTY))) {
      open.truncate(size);
    }
  }

  private static long atimeSeconds(AttrChange change) {
    return change.hasAtime() && !change.atimeNow() ? change.atimeSeconds() : 0;
  }

  private static int atimeNanos(AttrChange change) {
    if (!change.hasAtime()) {
      return LocalFlags.UTIME_OMIT;
    }
    return change.atimeNow() ? LocalFlags.UTIME_NOW : change.atimeNanos();
  }

  private static long mtimeSeconds(AttrChange change) {
    return change.hasMtime() && !change.mtimeNow() ? change.mtimeSeconds() : 0;
  }

  private static int mtimeNanos(AttrChange change) {
    if (!change.hasMtime()) {
      return LocalFlags.UTIME_OMIT;
    }
    return change.mtimeNow() ? LocalFlags.UTIME_NOW : change.mtimeNanos();
  }

  /**
   * Takes setuid and setgid from a regular file that has them. Setgid without execution by the
   * group is lost only to who is not in the group.
   */
  static void clearPrivileges(Request request, LocalFd file) throws IOException {
    LocalStat stat = Scratch.get().stat;
    file.statx(stat);
    int mode = stat.mode();
    int cleared = mode & ~SETUID;
    if ((mode & SETGID) != 0 && ((mode & GROUP_EXECUTES) != 0 || isStranger(request, stat.gid()))) {
      cleared &= ~SETGID;
    }
    if (cleared != mode && FileType.ofMode(mode) == FileType.REGULAR) {
      file.chmod(cleared & PERMISSIONS);
    }
  }

  /** Whether the caller is neither root nor in a group; who is unknown is in none. */
  private static boolean isStranger(Request request, int group) {
    if (request.uid() == 0 || request.gid() == group) {
      return false;
    }
    try {
      return IntStream.of(request.groups()).noneMatch(one -> one == group);
    } catch (IOException e) {
      return true;
    }
  }

  /** Takes setgid from a file that has it. */
  static void clearSetgid(LocalFd file) throws IOException {
    LocalStat stat = Scratch.get().stat;
    file.statx(stat);
    if ((stat.mode() & SETGID) != 0) {
      file.chmod(stat.mode() & PERMISSIONS & ~SETGID);
    }
  }
}
