package io.github.ferrofuse.internal;

import io.github.ferrofuse.Name;
import io.github.ferrofuse.Operation;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class AllocationTest {
  private static final int SLOT = 3;
  private static final int SIZE = 4096;

  private final FlatFileSystem fs = new FlatFileSystem();
  private final Caller caller = new Caller(fs);
  private long node;

  @BeforeEach
  void openAFile() {
    node = fs.add(Name.of("file")).node;
    caller.upcalls.open(node, 0, SLOT);
    caller.operation(Operation.WRITE).upcalls.write(SLOT, 0, SIZE);
  }

  @Test
  void aReadAllocatesNothing() {
    Allocations.assertNone(SIZE, () -> caller.upcalls.read(SLOT, 0, SIZE));
  }

  @Test
  void aReadAtTheEndOfTheFileAllocatesNothing() {
    Allocations.assertNone(0, () -> caller.upcalls.read(SLOT, SIZE, SIZE));
  }

  @Test
  void aWriteAllocatesNothing() {
    Allocations.assertNone(SIZE, () -> caller.upcalls.write(SLOT, 0, SIZE));
  }

  @Test
  void attributesAllocateNothing() {
    Allocations.assertNone(0, () -> caller.upcalls.getattr(node, SLOT));
  }

  @Test
  void aLookupThatFindsAllocatesNothing() {
    int length = caller.name("file");
    Allocations.assertNone(1, () -> caller.upcalls.lookup(1, length));
  }

  @Test
  void aLookupThatFindsNothingAllocatesNothing() {
    int length = caller.name("absent");
    Allocations.assertNone(0, () -> caller.upcalls.lookup(1, length));
  }

  @Test
  void anErrnoAllocatesNothing() {
    Allocations.assertNone(-116, () -> caller.upcalls.getattr(99, -1));
  }
}
