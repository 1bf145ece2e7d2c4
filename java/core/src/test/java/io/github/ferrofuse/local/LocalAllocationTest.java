package io.github.ferrofuse.local;

import static io.github.ferrofuse.local.LocalFlags.O_RDONLY;

import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.internal.Allocations;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What a file system does for each read, write, getattr and lookup. */
class LocalAllocationTest extends Scratch {
  private static final int SIZE = 4096;
  private final Name name = name("file");
  private LocalFd file;

  @Override
  Path where() {
    return TMPFS;
  }

  @BeforeEach
  void makeAFile() throws IOException {
    file = create("file");
    file.pwrite(buffer, 0, SIZE, 0);
  }

  @AfterEach
  void closeTheFile() {
    file.close();
  }

  @Test
  void aReadAllocatesNothing() {
    assertNone(SIZE, () -> file.pread(buffer, 0, SIZE, 0));
  }

  @Test
  void aWriteAllocatesNothing() {
    assertNone(SIZE, () -> file.pwrite(buffer, 0, SIZE, 0));
  }

  @Test
  void attributesAllocateNothing() {
    assertNone(
        SIZE,
        () -> {
          file.statx(stat);
          return (int) stat.size();
        });
  }

  @Test
  void attributesByNameAllocateNothing() {
    assertNone(
        SIZE,
        () -> {
          dir.statx(name, stat);
          return (int) stat.size();
        });
  }

  @Test
  void aHandleAllocatesNothing() throws Exception {
    byte[] handle = new byte[LocalFd.MAX_HANDLE_BYTES];
    assertNone(file.handle(handle), () -> file.handle(handle));
  }

  @Test
  void anErrnoAllocatesNothing() {
    Name absent = name("absent");
    assertNone(
        -2,
        () -> {
          dir.statx(absent, stat);
          return 0;
        });
  }

  @Test
  void entriesAllocateNothing() throws Exception {
    for (int i = 0; i < 7; i++) {
      Files.createFile(path.resolve("another-" + i));
    }
    LocalEntries entries = new LocalEntries(1 << 15);
    try (LocalFd listed = dir.reopen(O_RDONLY)) {
      assertNone(
          10,
          () -> {
            listed.seek(0, LocalFlags.SEEK_SET);
            int found = 0;
            while (listed.readEntries(entries)) {
              while (entries.next()) {
                found++;
              }
            }
            return found;
          });
    }
  }

  private interface Call {
    int make() throws FuseException;
  }

  /** Takes a call that was made before: one made for each round would be an allocation itself. */
  private static void assertNone(int answer, Call call) {
    Allocations.assertNone(
        answer,
        () -> {
          try {
            return call.make();
          } catch (FuseException e) {
            return -e.errno().code();
          }
        });
  }
}
