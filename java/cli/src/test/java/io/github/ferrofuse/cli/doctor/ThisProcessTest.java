package io.github.ferrofuse.cli.doctor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ThisProcessTest {
  @TempDir Path temp;
  private FakeMachine fake;

  @BeforeEach
  void build() {
    fake = new FakeMachine(temp);
  }

  private static void assertFinding(State state, String part, Finding finding) {
    assertEquals(state, finding.state(), finding.text());
    assertTrue(finding.text().contains(part), finding.text());
  }

  private void limits(String files, String locked) {
    fake.file(
        "/proc/self/limits",
        "Max open files            "
            + files
            + "  524288  files\n"
            + "Max locked memory         "
            + locked
            + "  8388608  bytes\n");
  }

  @Test
  void lowLimitsAreToldWithTheCommandThatRaisesThem() {
    assertFinding(State.UNKNOWN, "doesn't tell", ThisProcess.openFiles(fake.machine()));
    limits("256", "65536");
    assertFinding(State.OFF, "ulimit -n 1024", ThisProcess.openFiles(fake.machine()));
    assertFinding(State.OFF, "ulimit -l 8192", ThisProcess.lockedMemory(fake.machine()));
    limits("20000", "unlimited");
    assertFinding(State.OK, "20000 files", ThisProcess.openFiles(fake.machine()));
    assertFinding(State.OK, "unlimited", ThisProcess.lockedMemory(fake.machine()));
  }

  @Test
  void directMemoryIsComparedWithWhatThreadsTake() {
    assertFinding(State.OK, "512 MiB", ThisProcess.directMemory(512 << 20, 4));
    Finding little = ThisProcess.directMemory(16 << 20, 16);
    assertFinding(State.OFF, "16 threads takes 17", little);
    assertFinding(State.OFF, "-XX:MaxDirectMemorySize=32m", little);
  }

  @Test
  void theLibraryIsTheOneThatIsMapped() {
    assertFinding(State.NO, "not loaded", ThisProcess.library(fake.machine()));
    map("/run/ferrofuse/libferrofuse-ab12.so (deleted)");
    Finding found = ThisProcess.library(fake.machine());
    assertEquals("/run/ferrofuse/libferrofuse-ab12.so (deleted)", found.text());
    assertEquals(State.OK, found.state());
  }

  @Test
  void theVersionOfTheCLibraryIsComparedWithWhatTheLibraryNeeds() {
    assertFinding(State.UNKNOWN, "none", ThisProcess.cLibrary(fake.machine()));
    map("/lib/x86_64/libcap.so.2", "/lib/x86_64/libc.so.6", "/tmp/libferrofuse-1.so");
    fake.file(
        "/lib/x86_64/libc.so.6", "\0GNU C Library (Debian 2.36-9) stable release version 2.36.");
    fake.file("/tmp/libferrofuse-1.so", "\0GLIBC_2.9\0GLIBC_2.34\0GLIBC_2.2.5\0");
    assertEquals(
        "glibc 2.36, the native library needs 2.34", ThisProcess.cLibrary(fake.machine()).text());
    map("/lib/ld-musl-x86_64.so.1", "/tmp/libferrofuse-1.so");
    assertFinding(State.OK, "musl", ThisProcess.cLibrary(fake.machine()));
  }

  private void map(String... files) {
    StringBuilder maps = new StringBuilder("7ffd2000-7ffd4000 rw-p 00000000 00:00 0    [stack]\n");
    for (String file : files) {
      maps.append("7f00d000-7f00e000 r-xp 00001000 fe:00 1234       ").append(file).append('\n');
    }
    fake.file("/proc/self/maps", maps.toString());
  }
}
