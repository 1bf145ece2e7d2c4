package io.github.ferrofuse.cli.doctor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MachineTest {
  @TempDir Path temp;
  private FakeMachine fake;

  @BeforeEach
  void build() {
    fake = new FakeMachine(temp);
  }

  /** The kernel allows no fewer than 301 (PIDs reserved, and one), and usually 32768. */
  @Test
  void numbersOfTheKernelAreReadWithAllTheirDigits() {
    long most = new Machine(Path.of("/")).number("/proc/sys/kernel/pid_max").orElseThrow();
    assertTrue(most > 300, () -> "pid_max: " + most);
  }

  @Test
  void whatIsMissingOrNoNumberIsAbsent() {
    Machine machine = fake.file("/sys/a", "12\n").file("/sys/b", "Y\n").machine();
    assertEquals(OptionalLong.of(12), machine.number("/sys/a"));
    assertEquals(OptionalLong.empty(), machine.number("/sys/b"));
    assertEquals(OptionalLong.empty(), machine.number("/sys/c"));
    assertEquals(Optional.of("Y"), machine.text("/sys/b"));
    assertFalse(machine.exists("/sys/c"));
  }

  @Test
  void versionsAreComparedAsNumbers() {
    Machine machine = fake.kernel("6.9.12-amd64").machine();
    assertTrue(machine.kernelSince(6, 9));
    assertTrue(machine.kernelSince(5, 15));
    assertFalse(machine.kernelSince(6, 12));
    assertFalse(machine.kernelSince(7, 0));
    assertFalse(new Machine(temp.resolve("none")).kernelSince(2, 6));
  }

  @Test
  void theEffectiveUserAndItsCapabilitiesCount() {
    Machine root = fake.root(false).machine();
    assertTrue(root.isRoot());
    assertFalse(root.hasSysAdmin());
    assertTrue(fake.root(true).machine().hasSysAdmin());
    assertFalse(fake.user().machine().isRoot());
    assertFalse(new Machine(temp.resolve("none")).isRoot());
  }

  @Test
  void rootOfAUserNamespaceMountsButDoesNotAdminister() {
    fake.root(true).file("/proc/self/uid_map", "         0       1000          1\n");
    assertTrue(fake.machine().hasSysAdmin());
    assertFalse(fake.machine().administers());
    fake.file("/proc/self/uid_map", "         0          0 4294967295\n");
    assertTrue(fake.machine().administers());
    assertFalse(fake.user().machine().administers());
  }

  @Test
  void limitsAreFoundByTheirName() {
    String limits =
        """
        Limit                     Soft Limit           Hard Limit           Units
        Max open files            1024                 524288               files
        Max locked memory         unlimited            unlimited            bytes
        """;
    Machine machine = fake.file("/proc/self/limits", limits).machine();
    assertEquals(Optional.of("1024"), machine.limit("Max open files"));
    assertEquals(Optional.of("unlimited"), machine.limit("Max locked memory"));
    assertEquals(Optional.empty(), machine.limit("Max stack size"));
  }

  @Test
  void thePageSizeIsThatOfTheAuxiliaryVector() {
    assertEquals(4096, fake.machine().pageSize());
    ByteBuffer vector = ByteBuffer.allocate(48).order(ByteOrder.nativeOrder());
    vector.putLong(16).putLong(6).putLong(6).putLong(65536).putLong(0).putLong(0);
    assertEquals(65536, fake.file("/proc/self/auxv", vector.array()).machine().pageSize());
  }

  @Test
  void aDeviceThatCannotBeOpenedSaysWhy() {
    Machine machine = fake.file("/dev/fuse", "").machine();
    assertEquals(Optional.empty(), machine.cannotOpen("/dev/fuse"));
    assertEquals(Optional.of("it doesn't exist"), machine.cannotOpen("/dev/cuse"));
    assertEquals(Optional.of("Is a directory"), machine.cannotOpen("/dev"));
  }
}
