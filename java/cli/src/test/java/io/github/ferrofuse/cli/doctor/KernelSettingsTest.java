package io.github.ferrofuse.cli.doctor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KernelSettingsTest {
  private static final String BACKGROUND = "/sys/module/fuse/parameters/max_user_bgreq";
  private static final String PAGES = "/proc/sys/fs/fuse/max_pages_limit";
  private static final String TIMEOUT = "/proc/sys/fs/fuse/default_request_timeout";
  private static final String URING = "/sys/module/fuse/parameters/enable_uring";
  private static final String DISABLED = "/proc/sys/kernel/io_uring_disabled";

  @TempDir Path temp;
  private FakeMachine fake;

  @BeforeEach
  void build() {
    fake = new FakeMachine(temp).kernel("6.18.0").user();
  }

  private static void assertFinding(State state, String part, Finding finding) {
    assertEquals(state, finding.state(), finding.text());
    assertTrue(finding.text().contains(part), finding.text());
  }

  @Test
  void theLargestRequestFollowsTheLimitOfPages() {
    assertFinding(State.OK, "1024 KiB, not adjust", KernelSettings.maxPages(fake.machine()));
    fake.file(PAGES, "256\n");
    assertFinding(State.OK, "up to 1024 KiB", KernelSettings.maxPages(fake.machine()));
    fake.file(PAGES, "512\n");
    assertFinding(State.OK, "2048 KiB, of which 1024", KernelSettings.maxPages(fake.machine()));
    fake.file(PAGES, "32\n");
    Finding low = KernelSettings.maxPages(fake.machine());
    assertFinding(State.OFF, "128 KiB: echo 256 | sudo tee " + PAGES, low);
  }

  @Test
  void backgroundRequestsOfUsersAreBounded() {
    String name = "max_user_bgreq";
    assertFinding(State.UNKNOWN, BACKGROUND, KernelSettings.background(fake.machine(), name));
    fake.file(BACKGROUND, "7866\n");
    assertFinding(State.OK, "7866", KernelSettings.background(fake.machine(), name));
    fake.file(BACKGROUND, "12\n");
    Finding low = KernelSettings.background(fake.machine(), name);
    assertFinding(State.OFF, "12 background requests", low);
    assertFinding(State.OFF, "echo 64 | sudo tee " + BACKGROUND, low);
  }

  @Test
  void aTimeoutOfRequestsIsTold() {
    assertFinding(State.NO, "6.15", KernelSettings.requestTimeout(fake.machine()));
    fake.file(TIMEOUT, "0\n");
    assertFinding(State.OK, "none", KernelSettings.requestTimeout(fake.machine()));
    fake.file(TIMEOUT, "300\n");
    assertFinding(State.OK, "300 s ends its mount", KernelSettings.requestTimeout(fake.machine()));
  }

  @Test
  void ioUringOfFuseHasARemedyOnlyWhereItExists() {
    assertFinding(State.NO, "CONFIG_FUSE_IO_URING", KernelSettings.uringOfFuse(fake.machine()));
    fake.kernel("6.12.0");
    assertFinding(State.NO, "Linux 6.14 or later", KernelSettings.uringOfFuse(fake.machine()));
    fake.kernel("6.14.0").file(URING, "N\n");
    Finding off = KernelSettings.uringOfFuse(fake.machine());
    assertFinding(State.OFF, "echo Y | sudo tee " + URING, off);
    fake.file(URING, "Y\n");
    assertFinding(State.OK, "offered to new mounts", KernelSettings.uringOfFuse(fake.machine()));
  }

  @Test
  void ioUringMayBeForbiddenForUsersOrForAll() {
    assertFinding(State.NO, "CONFIG_IO_URING", KernelSettings.uringOfKernel(fake.machine()));
    fake.file(DISABLED, "0\n");
    assertFinding(State.OK, "everybody", KernelSettings.uringOfKernel(fake.machine()));
    fake.file(DISABLED, "1\n");
    String remedy = "echo 0 | sudo tee " + DISABLED;
    assertFinding(State.OFF, remedy, KernelSettings.uringOfKernel(fake.machine()));
    assertFinding(State.OK, "root", KernelSettings.uringOfKernel(fake.root(true).machine()));
    fake.file(DISABLED, "2\n");
    assertFinding(State.OFF, remedy, KernelSettings.uringOfKernel(fake.machine()));
  }

  @Test
  void anOldKernelLeavesItUnknownWhetherIoUringMayBeUsed() {
    fake.kernel("5.15.0");
    assertFinding(State.UNKNOWN, "before 6.6", KernelSettings.uringOfKernel(fake.machine()));
  }
}
