package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Timeout.ThreadMode.SEPARATE_THREAD;
import static org.junit.jupiter.api.parallel.ExecutionMode.CONCURRENT;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** POSIX ACLs do what they do on file systems of the kernel's own. */
@Tag("mount")
@ResourceLock("beside the others") // one test at a time
@Execution(CONCURRENT) // takes long
@Timeout(value = 60, threadMode = SEPARATE_THREAD)
class AclTest {
  @RegisterExtension final Twins twins = new Twins();

  @BeforeEach
  void needAllIds() throws Exception {
    Twins.needAllIds();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "touch f; setfacl -m u:1000:rw,g:2000:r f",
        "touch f; setfacl -m u:1000:rwx,m::r f",
        "touch f; setfacl -m u:1000:rwx,g:7:x f; setfacl -x u:1000 f",
        "touch f; setfacl -m u:1000:rwx f; setfacl -b f",
        "touch f; setfacl -m u:1000:rwx f; setfacl -x u:1000,m f",
        "touch f; setfacl -m u::r,g::w,o::x f",
        "mkdir d; setfacl -m g:5:x,d:g:5:rx d; setfacl -k d",
        "mkdir d; setfacl -k d; setfacl -b d",
        "touch f; setfacl -d -m u:1000:r f; setfacl -m d:u::r f",
        "mkdir d; ln -s d l; setfacl -m u:1000:r l",
        "touch f; ln f g; setfacl -m u:1000:r g; mv f h",
        "mkfifo p; setfacl -m u:1000:r p",
        "touch f; setfacl --set u::rw,u:4294967294:r,g::-,m::r,o::- f"
      })
  void aclsThatAreSetAreTold(String steps) throws Exception {
    twins.same("sh('" + steps + "')\n");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "touch f; setfacl -m u:1000:rwx f; chmod 640 f",
        "touch f; setfacl -m u:1000:rwx f; chmod 0 f",
        "touch f; setfacl -m u:1000:rwx f; chmod g+w,o=rx f",
        "touch f; setfacl -m u:1000:rwx f; chmod 4711 f; setfacl -m u:1000:r f",
        "mkdir d; setfacl -m d:u:1000:rwx d; chmod 1700 d",
        "mkdir d; setfacl -m u:1000:rwx,d:u:1000:rwx d; chmod 2700 d"
      })
  void chmodChangesTheMask(String steps) throws Exception {
    twins.same("sh('" + steps + "')\n");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "-m u:1000:rwx,g:2000:rx,o::-",
        "-m u:1000:rwx,m::r",
        "-m u::rwx,g::rwx,o::rwx",
        "-m u:1000:- -m m::-"
      })
  void defaultAclsAreInheritedByWhatIsMade(String acl) throws Exception {
    inherits(acl);
  }

  /** Root only: the owner may not enter what is made. */
  @ParameterizedTest
  @Tag("root")
  @ValueSource(strings = {"-m u::rx,g::w,o::r", "-m u::-,g::-,o::-"})
  void defaultAclsThatShutTheOwnerOutAreInherited(String acl) throws Exception {
    inherits(acl);
  }

  private void inherits(String acl) throws Exception {
    twins.same(
        "sh('mkdir d; setfacl -d %s d')\n".formatted(acl)
            + """
            os.umask(0o077)
            for mode in (0o666, 0o777, 0o640, 0o400, 0o1777, 0):
                os.close(os.open("d/created%o" % mode, os.O_CREAT | os.O_WRONLY, mode))
                os.mknod("d/made%o" % mode, stat.S_IFREG | mode)
                os.mkdir("d/directory%o" % mode, mode)
                os.mkfifo("d/fifo%o" % mode, mode)
            os.symlink("nowhere", "d/link")
            os.chmod("d/directory777", 0o700)
            os.mkdir("d/directory777/deeper")
            os.close(os.open("d/directory777/deeper/file", os.O_CREAT | os.O_WRONLY, 0o666))
            sh("touch outside; mv outside d; cp d/made666 outside")
            """);
  }

  @ParameterizedTest
  @ValueSource(strings = {"000", "022", "027", "077", "777"})
  void theUmaskAppliesWhereNoDefaultAclIs(String umask) throws Exception {
    twins.same(
        """
        os.mkdir("d", 0o777)
        sh("setfacl -m u:1000:rwx d")
        os.umask(0o%s)
        os.close(os.open("d/created", os.O_CREAT | os.O_WRONLY, 0o666))
        os.close(os.open("d/special", os.O_CREAT | os.O_WRONLY, 0o1777))
        os.mknod("d/made", stat.S_IFREG | 0o764)
        os.mkfifo("d/fifo", 0o666)
        os.mkdir("d/directory", 0o1777)
        os.symlink("nowhere", "d/link")
        os.umask(0)
        """
            .formatted(umask));
  }

  @Test
  void aSetgidDirectoryWithADefaultAclGivesBoth() throws Exception {
    twins.same(
        """
        sh("mkdir d; chmod 2775 d; setfacl -d -m g:2000:rwx d; mkdir d/e d/e/f; touch d/e/f/g")
        """);
  }

  @Test
  void valuesThatAreNoAclsAreRefused() throws Exception {
    twins.same(
        """
        ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
        sh("touch f; mkdir d")
        NONE = b"\\xff" * 4
        def acl(*entries, version=2):
            value = version.to_bytes(4, "little")
            for tag, permissions, number in entries:
                value += tag.to_bytes(2, "little") + permissions.to_bytes(2, "little") + number
            return value
        minimal = (1, 6, NONE), (4, 4, NONE), (32, 0, NONE)
        for value in (b"", b"\\2", acl(), acl(*minimal, version=1), acl(*minimal)[:-1],
                      acl(*minimal) + b"xx", acl(*minimal[:2]), acl(*minimal, minimal[2]),
                      acl(*reversed(minimal)), acl((1, 8, NONE), *minimal[1:]),
                      acl(minimal[0], (2, 7, b"\\1\\0\\0\\0"), *minimal[1:]),
                      acl((3, 7, NONE), *minimal), acl(*minimal)):
            for name in ("f", "d"):
                said(os.setxattr, name, ACCESS, value)
                said(os.setxattr, name, DEFAULT, value)
                said(os.getxattr, name, ACCESS)
                said(os.getxattr, name, DEFAULT)
        for name in ("f", "d"):
            said(os.removexattr, name, ACCESS)
            said(os.removexattr, name, DEFAULT)
            said(os.getxattr, name, DEFAULT)
        """);
  }

  @Test
  void removingTheAttributesKeepsTheMode() throws Exception {
    twins.same(
        """
        sh("mkdir d; setfacl -m u:1000:rwx,m::x,d:u:1000:rwx d")
        said(os.getxattr, "d", "system.posix_acl_access")
        said(os.removexattr, "d", "system.posix_acl_access")
        dump()
        said(os.removexattr, "d", "system.posix_acl_default")
        """);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "cp -a from to",
        "mkdir to; tar -C from --acls -cf - . | tar -C to --acls -xpf -",
        "rsync -aA from/ to",
        "getfacl -nR from >acls; mkdir to; cp -r from to; cd to; setfacl --restore=../acls",
      })
  void copiersKeepAcls(String copy) throws Exception {
    twins.same(
        """
        os.umask(0o027)
        sh("mkdir -p from/d; setfacl -m u:1000:rwx,d:u:1001:rx,d:g:2000:- from/d; touch from/d/f")
        sh("touch from/plain; setfacl -m g:2000:rw,m::r from/plain; chmod 751 from")
        sh("%s")
        """
            .formatted(copy));
  }

  @Test
  @Tag("root")
  void entriesDecideWhoMayDoWhat() throws Exception {
    twins.same(
        """
        sh("echo x > f; chown 1000:1000 f; mkdir d; touch d/in; chown -R 1000:1000 d")
        callers = [(1000, 1000, []), (1001, 1001, []), (1002, 1002, []), (1003, 2000, []),
                   (1003, 1003, [2000, 7]), (1003, 1003, [1000]), (1003, 1003, [2001]), (0, 0, [])]
        def tries():
            for name, mode in (("f", os.O_RDONLY), ("f", os.O_WRONLY), ("f", os.O_RDWR)):
                def open_it(name, mode):
                    os.close(os.open(name, mode))
                said(open_it, name, mode)
            for mask in (os.R_OK, os.W_OK, os.X_OK, os.R_OK | os.W_OK):
                said(os.access, "f", mask)
                said(os.access, "d", mask)
            said(os.listdir, "d")
            said(os.stat, "d/missing")
            said(os.mkdir, "d/made")
            said(os.rmdir, "d/made")
            said(os.chdir, "d")
        for acl in ("u::rw,g::-,o::-", "u::r,u:1001:rwx,g::-,m::rwx,o::-",
                    "u::rwx,u:1001:rwx,u:1002:-,g::x,g:2000:rw,m::rwx,o::rwx",
                    "u::rwx,u:1001:rwx,g::rwx,g:2000:rwx,m::r,o::rwx",
                    "u::rwx,g::-,g:2000:r,g:2001:x,g:7:w,m::rwx,o::rwx",
                    "u::-,u:1000:rwx,g::rwx,m::rwx,o::rwx"):
            sh("setfacl --set %s f d" % acl)
            for caller in callers:
                by(*caller, tries)
        """);
  }

  @Test
  @Tag("root")
  void anAclThatIsChangedAppliesAtOnce() throws Exception {
    twins.same(
        """
        sh("echo x > f; chmod 600 f; chown 1000:1000 f")
        def read():
            said(open("f").read)
        def denied():
            said(open, "f")
        for _ in range(3):
            by(1001, 1001, [], denied)
            sh("setfacl -m u:1001:r f")
            by(1001, 1001, [], read)
            sh("setfacl -x u:1001 f")
            by(1001, 1001, [], denied)
            sh("setfacl -m g:1001:r f")
            by(1001, 1001, [], read)
            sh("chmod 600 f")
            by(1001, 1001, [], denied)
            sh("chmod 640 f")
            by(1001, 1001, [], read)
            sh("setfacl -b f")
        """);
  }

  @Test
  @Tag("root")
  void onlyTheOwnerSetsAcls() throws Exception {
    twins.same(
        """
        sh("touch f; chown 1000:2000 f; chmod 666 f; mkdir d; chown 1000:2000 d; chmod 777 d")
        def change():
            sh("setfacl -m u:5:rwx f; setfacl -m d:u:5:rwx d; setfacl -b f d")
            sh("setfacl -m u:6:rwx f; setfacl -m d:u:6:rwx d")
        for caller in ((1001, 2000, []), (1001, 1001, [2000]), (1000, 1000, []), (0, 0, [])):
            by(*caller, change)
            dump()
        """);
  }

  @Test
  @Tag("root")
  void anAclSetFromOutsideTheGroupClearsSetgid() throws Exception {
    twins.same(
        """
        def change():
            sh("setfacl -m u:5:rwx f g; setfacl -m u:5:rwx,d:u:5:x d; setfacl -m d:u:5:r e")
        for caller in ((1000, 2000, []), (1000, 1000, [2000]), (0, 0, []), (1000, 1000, [])):
            sh("rm -rf f g d e; touch f g; mkdir d e; chown 1000:2000 f g d e")
            sh("chmod 6775 f; chmod 2644 g; chmod 3775 d e")
            by(*caller, change)
            dump()
        """);
  }
}
