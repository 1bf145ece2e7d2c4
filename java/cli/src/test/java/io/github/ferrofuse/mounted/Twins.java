package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.ferrofuse.FileSystemBase;
import io.github.ferrofuse.MountOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * The same steps on a mount and on a file system of the kernel's own, a tmpfs, which must tell the
 * same. Steps are Python; what they print is compared.
 *
 * <p>They begin in an empty directory with umask 022, and have: {@code sh(line)}, which runs a
 * command; {@code said(call, arguments...)}, which tells what a call answers or its errno; {@code
 * by(uid, gid, groups, body)}, which runs {@code body()} as somebody else, with /usr/bin/python3's
 * modules loaded; {@code privileged(name, mode)}, which makes a file with these bits and a
 * capability; {@code dump()}, which tells all there is: modes, owners, attributes, ACLs. Everything
 * is printed in the end, too.
 */
final class Twins implements AfterEachCallback {
  private static final String BEFORE =
      """
import ctypes, errno, mmap, os, stat, subprocess, sys
os.chdir(sys.argv[1])
os.umask(0o022)
libc = ctypes.CDLL(None, use_errno=True)
def checked(done):
    if done < 0:
        raise OSError(ctypes.get_errno(), "")
    return done
def sh(line):
    done = subprocess.run(["sh", "-c", line], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    print("$", line, "->", done.returncode, done.stdout)
def said(call, *arguments, **named):
    try:
        result = call(*arguments, **named)
    except OSError as e:
        result = errno.errorcode[e.errno]
    print(call.__name__, arguments, "->", result)
def by(uid, gid, groups, body):
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups(groups)
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            print("as", uid, gid, groups)
            body()
            sys.stdout.flush()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
CAPABILITY = "security.capability"
# Version 2 of struct vfs_cap_data in <linux/capability.h>: cap_net_raw, permitted.
NET_RAW = bytes.fromhex("0000000200200000000000000000000000000000")
def privileged(name, mode, uid=1000, gid=1000):
    with open(name, "w") as f:
        f.write("content")
    os.chown(name, uid, gid)
    os.setxattr(name, CAPABILITY, NET_RAW)
    os.chmod(name, mode)
def dump():
    names = subprocess.run("find . | LC_ALL=C sort", shell=True, capture_output=True, text=True)
    for name in names.stdout.split("\\n")[:-1]:
        found = os.lstat(name)
        print(name, oct(found.st_mode), found.st_uid, found.st_gid,
              sorted(os.listxattr(name, follow_symlinks=False)))
    sh("find . ! -type l | LC_ALL=C sort | getfacl -n -")
""";

  private static final String AFTER = "dump()\n";

  private final Mounts mounts = new Mounts();
  private Path reference;

  /** From now on, mounts inode-based file systems in their path-based form. */
  void byPath() {
    mounts.byPath();
  }

  /**
   * Refuses to go on without other users and groups to give files to, which need not be logged in.
   */
  static void needAllIds() throws IOException {
    assumeTrue(
        Files.readString(Path.of("/proc/self/uid_map")).endsWith(" 4294967295\n"),
        "needs all user ids, which a user namespace of one's own doesn't have");
  }

  /**
   * Takes steps on the memory file system, open to everybody if root mounts it, and on the
   * kernel's.
   */
  void same(String steps) throws Exception {
    MountOptions.Builder options = MountOptions.builder().suid(Shell.isRoot());
    same(
        Mounts.memory(Map.of("acl", "")),
        options.allowOther(Shell.isRoot()).defaultPermissions(true),
        steps);
  }

  /** Takes steps on a file system and on the kernel's. */
  void same(FileSystemBase fs, MountOptions.Builder options, String steps) throws Exception {
    assertEquals(
        take(reference(), steps), take(mounts.mount(fs, options.build()).mountPoint(), steps));
  }

  private static String take(Path root, String steps) throws Exception {
    Path directory = Files.createDirectory(root.resolve("twin"));
    // That of the distribution: others than root can't reach one in root's home.
    return Shell.succeed("/usr/bin/python3", "-c", BEFORE + steps + AFTER, directory.toString());
  }

  /** An ordinary user's temporary directory lies in a tmpfs already where gradle runs the tests. */
  private Path reference() throws Exception {
    reference = Files.createTempDirectory("ferrofuse-twin-");
    if (Shell.isRoot()) {
      Shell.succeed("mount", "-t", "tmpfs", "-o", "mode=755", "twin", reference.toString());
    }
    return reference;
  }

  @Override
  public void afterEach(ExtensionContext context) throws Exception {
    mounts.afterEach(context);
    if (reference == null) {
      return;
    }
    if (Shell.isRoot()) {
      Shell.succeed("umount", reference.toString());
    } else {
      Shell.succeed("rm", "-r", reference.toString());
    }
    Files.deleteIfExists(reference);
    reference = null;
  }
}
