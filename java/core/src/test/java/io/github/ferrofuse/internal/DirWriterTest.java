package io.github.ferrofuse.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.DirHandle;
import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.OpenReply;
import io.github.ferrofuse.Operation;
import io.github.ferrofuse.Request;
import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;

class DirWriterTest {
  private static final int SLOT = 0;

  private DirHandle listing;
  private final Caller caller =
      new Caller(
          new InodeFileSystem() {
            @Override
            public DirHandle opendir(Request request, long node, OpenReply out) {
              return listing;
            }
          });

  private int list(int size, boolean plus, DirHandle handle) {
    listing = handle;
    caller.upcalls.opendir(1, SLOT);
    ByteBuffer bulk = caller.bulk();
    while (bulk.hasRemaining()) {
      bulk.put((byte) -1); // what an earlier request left
    }
    caller.operation(Operation.READDIR);
    return caller.upcalls.readdir(SLOT, 0, size, plus ? 1 : 0);
  }

  @Test
  void aRecordIsWhatTheKernelReads() {
    int length =
        list(4096, false, (r, cookie, out) -> out.add(Name.of("hello"), 7, FileType.REGULAR, 9));
    assertEquals(32, length);
    ByteBuffer bulk = caller.bulk();
    assertEquals(7, bulk.getLong(0));
    assertEquals(9, bulk.getLong(8));
    assertEquals(5, bulk.getInt(16));
    assertEquals(8, bulk.getInt(20));
    assertEquals("hello\0\0\0", textAt(24, 8));
  }

  private String textAt(int offset, int length) {
    byte[] bytes = new byte[length];
    caller.bulk().get(offset, bytes);
    return Name.of(bytes).toString();
  }

  @Test
  void aNameThatFillsItsRecordHasNoPadding() {
    assertEquals(
        32, list(4096, false, (r, c, out) -> out.add(Name.of("eightchr"), 7, FileType.FIFO, 1)));
    assertEquals("eightchr", textAt(24, 8));
  }

  @Test
  void attributesComeWithTheirRecord() {
    int length =
        list(
            4096,
            true,
            (r, cookie, out) -> {
              assertTrue(out.wantsAttr());
              out.entry().attr().mode(0100600).size(77).ino(1234);
              out.add(Name.of("a"), 5, FileType.REGULAR, 1);
              out.add(Name.of("b"), 6, FileType.REGULAR, 2);
            });
    assertEquals(2 * 160, length);
    ByteBuffer bulk = caller.bulk();
    assertEquals(5, bulk.getLong(Layout.ENTRY_NODE));
    assertEquals(77, bulk.getLong(Layout.ENTRY_ATTR + Layout.ATTR_SIZE));
    assertEquals(1234, bulk.getLong(Layout.ENTRY_SIZE), "d_ino is st_ino");
    assertEquals(0, bulk.getLong(160 + Layout.ENTRY_NODE), "no attributes were given");
    assertEquals(0, bulk.getInt(160 + Layout.ENTRY_ATTR + Layout.ATTR_MODE));
    assertEquals(6, bulk.getLong(160 + Layout.ENTRY_SIZE));
    assertEquals("b", textAt(160 + 152, 1));
  }

  @Test
  void theDotsHaveNoAttributes() {
    list(
        4096,
        true,
        (r, cookie, out) -> {
          out.entry().attr().mode(040755);
          out.add(Name.of(".."), 5, FileType.DIRECTORY, 1);
        });
    assertEquals(0, caller.bulk().getLong(Layout.ENTRY_NODE));
  }

  @Test
  void nothingIsAddedAfterOneThatDidNotFit() {
    int length =
        list(
            100,
            false,
            (r, cookie, out) -> {
              assertTrue(out.add(Name.of("first"), 2, FileType.REGULAR, 1));
              assertFalse(out.add(Name.of("x".repeat(60)), 3, FileType.REGULAR, 2));
              assertFalse(out.add(Name.of("small"), 4, FileType.REGULAR, 3), "order is kept");
            });
    assertEquals(32, length);
  }

  @Test
  void anEntryLargerThanTheRoomIsNoEndOfDirectory() {
    assertEquals(
        -22, list(24, false, (r, c, out) -> out.add(Name.of("name"), 2, FileType.REGULAR, 1)));
  }

  @Test
  void anEmptyAnswerIsTheEnd() {
    assertEquals(0, list(4096, false, (r, cookie, out) -> {}));
  }

  @Test
  void namesThatAreNoneAreRefused() {
    for (String name : new String[] {"", "a/b", "a\0b", "x".repeat(1025)}) {
      list(
          4096,
          false,
          (r, cookie, out) ->
              assertThrows(
                  IllegalArgumentException.class,
                  () -> out.add(Name.of(name), 2, FileType.REGULAR, 1),
                  name));
    }
  }

  @Test
  void aCookieIsAnOffsetThatCanBeSeekedTo() {
    for (long cookie : new long[] {0, -1, Long.MIN_VALUE}) {
      assertEquals(
          -5, list(4096, false, (r, c, out) -> out.add(Name.of("a"), 2, FileType.REGULAR, cookie)));
    }
    assertEquals(
        32,
        list(
            4096,
            false,
            (r, c, out) -> out.add(Name.of("a"), 2, FileType.REGULAR, Long.MAX_VALUE)));
  }

  @Test
  void anEntryWithoutNumberIsNotHidden() {
    for (boolean plus : new boolean[] {false, true}) {
      int head = plus ? Layout.ENTRY_SIZE : 0;
      list(4096, plus, (r, cookie, out) -> out.add(Name.of(".."), 0, FileType.DIRECTORY, 1));
      assertEquals(0xffffffffL, caller.bulk().getLong(head + Layout.DIRENT_INO));
    }
  }

  @Test
  void whatWasListedBeforeAFailureIsAnswered() {
    DirHandle failing =
        (r, cookie, out) -> {
          if (cookie == 0) {
            out.entry().attr().mode(0100600);
            out.add(Name.of("a"), 5, FileType.REGULAR, 1);
          }
          throw Errno.ESTALE.exception();
        };
    assertEquals(160, list(4096, true, failing));
    assertEquals(5, caller.bulk().getLong(Layout.ENTRY_NODE), "a lookup that was counted");
    assertEquals(-Errno.ESTALE.code(), caller.upcalls.readdir(SLOT, 1, 4096, 1));
    assertEquals(
        32,
        list(
            4096,
            false,
            (r, cookie, out) -> {
              out.add(Name.of("a"), 5, FileType.REGULAR, 1);
              out.add(Name.of("b/c"), 6, FileType.REGULAR, 2);
            }));
  }

  @Test
  void attributesThatAreNotWantedAreRefused() {
    list(
        4096,
        false,
        (r, cookie, out) -> {
          assertFalse(out.wantsAttr());
          assertThrows(IllegalStateException.class, out::entry);
        });
  }
}
