package io.github.ferrofuse.cli.doctor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MountingTest {
  private static final String CONNECTIONS = "/sys/fs/fuse/connections";

  @TempDir Path temp;
  private FakeMachine fake;

  @BeforeEach
  void build() {
    fake = new FakeMachine(temp.resolve("machine")).user();
  }

  private static void assertFinding(State state, String part, Finding finding) {
    assertEquals(state, finding.state(), finding.text());
    assertTrue(finding.text().contains(part), finding.text());
  }

  @Test
  void aMissingDeviceNamesTheModule() {
    assertFinding(State.NO, "modprobe fuse", Mounting.device(fake.machine()));
    fake.file("/dev/fuse", "");
    assertFinding(State.OK, "usable", Mounting.device(fake.machine()));
  }

  @Test
  void aDeviceThatCannotBeOpenedHasAnotherRemedyForRoot() throws Exception {
    Files.createDirectories(temp.resolve("machine/dev/fuse")); // can't be opened for writing
    assertFinding(State.NO, "sudo chmod 666 /dev/fuse", Mounting.device(fake.machine()));
    assertFinding(State.NO, "device rules", Mounting.device(fake.root(true).machine()));
  }

  @Test
  void fusermountIsSearchedForAndMissedByUsersOnly() throws Exception {
    Path empty = Files.createDirectory(temp.resolve("empty"));
    List<Path> searched = List.of(Path.of("relative"), empty);
    Programs none = command -> Optional.empty();
    assertFinding(
        State.NO, "install the package fuse3", Mounting.fusermount(fake.machine(), searched, none));
    assertFinding(
        State.OFF,
        "install the package fuse3",
        Mounting.fusermount(fake.root(true).machine(), searched, none));
  }

  @Test
  void fusermountWithoutItsSetuidBitIsOff() throws Exception {
    Path program = Files.createFile(temp.resolve("fusermount3"));
    Programs said = command -> Optional.of("fusermount3 version: 3.14.0");
    List<Path> searched = List.of(temp);
    assertTrue(program.toFile().setExecutable(true));
    Finding plain = Mounting.fusermount(fake.machine(), searched, said);
    assertFinding(State.OFF, program + " 3.14.0, not setuid root", plain);
    assertFinding(State.OFF, "chmod u+s " + program, plain);
    Finding silent = Mounting.fusermount(fake.machine(), searched, command -> Optional.empty());
    assertFinding(State.OFF, "of unknown version", silent);
  }

  @Test
  void othersAreAllowedByALineOfItsOwn() {
    assertFinding(State.OFF, "tee -a /etc/fuse.conf", Mounting.userAllowOther(fake.machine()));
    fake.file("/etc/fuse.conf", "# user_allow_other\nmount_max = 5\n");
    assertFinding(State.OFF, "tee -a /etc/fuse.conf", Mounting.userAllowOther(fake.machine()));
    fake.file("/etc/fuse.conf", "mount_max = 5\nuser_allow_other\n");
    assertFinding(State.OK, "allow_other", Mounting.userAllowOther(fake.machine()));
  }

  @Test
  void aConfigurationThatCannotBeReadIsUnknown() throws Exception {
    Files.createDirectories(temp.resolve("machine/etc/fuse.conf"));
    assertFinding(State.UNKNOWN, "can't be read", Mounting.userAllowOther(fake.machine()));
  }

  @Test
  void mountsOfFuseAreCountedAgainstTheirLimit() {
    fake.file(
        "/proc/self/mounts",
        """
        fusectl /sys/fs/fuse/connections fusectl rw 0 0
        memory /mnt/a fuse.ferrofuse rw 0 0
        /dev/sdb1 /mnt/b fuseblk rw 0 0
        x /mnt/fuse ext4 rw 0 0
        """);
    assertFinding(State.OK, "2 FUSE mounts, users may add", Mounting.mountMax(fake.machine()));
    assertFinding(State.OK, "up to 1000", Mounting.mountMax(fake.machine()));
    fake.file("/etc/fuse.conf", "mount_max = 2\n");
    assertFinding(State.NO, "raise mount_max", Mounting.mountMax(fake.machine()));
  }

  @Test
  void userNamespacesNeedEachOfTheirSettings() {
    assertFinding(State.NO, "CONFIG_USER_NS", Mounting.userNamespaces(fake.machine()));
    fake.file("/proc/self/ns/user", "").file("/proc/sys/user/max_user_namespaces", "31000\n");
    assertFinding(State.OK, "unshare -Urm", Mounting.userNamespaces(fake.machine()));
    fake.file("/proc/sys/user/max_user_namespaces", "0\n");
    fake.file("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n");
    assertFinding(
        State.OFF,
        "sudo sysctl user.max_user_namespaces=15000"
            + " kernel.apparmor_restrict_unprivileged_userns=0",
        Mounting.userNamespaces(fake.machine()));
  }

  @Test
  void fusectlIsAMountNotADirectory() throws Exception {
    assertFinding(State.NO, "not loaded", Mounting.fusectl(fake.machine()));
    Files.createDirectories(temp.resolve("machine" + CONNECTIONS));
    assertFinding(State.OFF, "mount -t fusectl", Mounting.fusectl(fake.machine()));
    fake.file("/proc/self/mounts", "none " + CONNECTIONS + " fusectl rw 0 0\n");
    assertFinding(State.OK, "mounted", Mounting.fusectl(fake.machine()));
  }
}
