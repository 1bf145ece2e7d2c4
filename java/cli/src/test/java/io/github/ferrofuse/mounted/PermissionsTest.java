package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Real users under {@code default_permissions} may do what they may on the kernel's file systems.
 */
@Tag("mount")
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class PermissionsTest {
  /** Root, an owner, a member of the owner's group, a stranger who is in groups 5 and 2000. */
  private static final String CALLERS =
      """
      callers = [(0, 0, []), (1000, 1000, []), (1001, 1000, []), (1003, 1003, [5, 2000])]
      """;

  @RegisterExtension final Twins twins = new Twins();

  @BeforeEach
  void needAllIds() throws Exception {
    Twins.needAllIds();
  }

  @Test
  @Tag("root")
  void modesDecideWhoMayDoWhat() throws Exception {
    twins.same(
        CALLERS
            + """
            for mode in (0o000, 0o700, 0o070, 0o007, 0o640, 0o752, 0o111, 0o333, 0o555):
                sh("rm -rf f d; touch f; mkdir d; touch d/in; chown -R 1000:1000 f d")
                os.chmod("f", mode)
                os.chmod("d", mode)
                def tries():
                    for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC):
                        def open_it(flags):
                            os.close(os.open("f", flags))
                        said(open_it, flags)
                    said(os.truncate, "f", 0)
                    said(os.listdir, "d")
                    for mask in range(8):
                        said(os.access, "f", mask)
                        said(os.access, "d", mask)
                    said(os.path.getsize, "d/in")
                    said(os.path.getsize, "d/missing")
                    said(os.mkdir, "d/made")
                    said(os.symlink, "x", "d/link")
                    said(os.link, "d/in", "d/again")
                    said(os.rename, "d/in", "d/moved")
                    said(os.rename, "d/moved", "d/in")
                    said(os.chdir, "d")
                print("mode %o" % mode)
                for caller in callers:
                    by(*caller, tries)
                    sh("rm -rf d/made d/link d/again")
            """);
  }

  @Test
  @Tag("root")
  void onlyTheOwnerChangesModeGroupAndTimes() throws Exception {
    twins.same(
        CALLERS
            + """
            for caller in callers + [(1000, 1000, [5])]:
                sh("rm -rf f d; touch f; mkdir d; chown 1000:1000 f d; chmod 666 f; chmod 777 d")
                def tries():
                    for name in ("f", "d"):
                        said(os.chmod, name, 0o6775)
                        said(os.chown, name, -1, 5)
                        said(os.chmod, name, 0o6775)
                        said(os.chown, name, -1, 2000)
                        said(os.chown, name, 1001, -1)
                        said(os.chown, name, 1000, -1)
                        said(os.utime, name)
                        said(os.utime, name, ns=(5, 5))
                    said(os.setxattr, "f", "user.x", b"y")
                    said(os.setxattr, "f", "trusted.x", b"y")
                    said(os.setxattr, "f", "security.capability", NET_RAW)
                by(*caller, tries)
                dump()
            """);
  }

  @Test
  @Tag("root")
  void stickyDirectoriesProtectWhatOthersOwn() throws Exception {
    twins.same(
        CALLERS
            + """
            for owner in (1000, 1003, 0):
                for caller in callers:
                    sh("rm -rf d e; mkdir d e; touch d/f d/g e/f; mkdir d/sub; chmod 1777 d e")
                    sh("chown 1000:1000 d/f d/sub; chown 1001:1000 d/g; chown %d d e" % owner)
                    def tries():
                        said(os.rename, "d/f", "d/moved")
                        said(os.rename, "d/moved", "d/f")
                        said(os.rename, "d/sub", "e/sub")
                        said(os.rename, "d/g", "e/f")
                        said(os.rmdir, "d/sub")
                        said(os.unlink, "d/f")
                        said(os.unlink, "e/f")
                    by(*caller, tries)
                    sh("ls d e")
            """);
  }

  @Test
  @Tag("root")
  void whatIsMadeBelongsToWhoMakesIt() throws Exception {
    twins.same(
        CALLERS
            + """
            os.mkdir("d")
            os.mkdir("s")
            sh("chmod 777 d; chown 5:2000 s; chmod 2777 s")
            for caller in callers:
                def make():
                    for d in ("d", "s"):
                        prefix = "%s/%d-%d-" % (d, caller[0], caller[1])
                        os.close(os.open(prefix + "file", os.O_CREAT | os.O_WRONLY, 0o6755))
                        os.mknod(prefix + "node", stat.S_IFREG | 0o2755)
                        os.mkdir(prefix + "directory", 0o755)
                        os.mkfifo(prefix + "fifo")
                        os.symlink("x", prefix + "link")
                        said(os.mknod, prefix + "device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
                by(*caller, make)
            """);
  }

  @Test
  @Tag("root")
  void accessAsksForTheRealUserAndOtherCallsForTheEffectiveOne() throws Exception {
    twins.same(
        """
        sh("touch mine yours; chown 1000 mine; chown 1001 yours; chmod 600 mine yours")
        def opened(name):
            os.close(os.open(name, os.O_RDONLY))
        def tries():
            for name in ("mine", "yours"):
                said(os.access, name, os.R_OK)
                said(os.access, name, os.R_OK, effective_ids=True)
                said(opened, name)
        def real():
            os.setresuid(1000, 1001, 0)
            tries()
        by(0, 0, [], real)
        def privileged_effective():
            os.setresuid(1000, 0, 0)
            tries()
        by(0, 0, [], privileged_effective)
        """);
  }
}
