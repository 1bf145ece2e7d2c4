package io.github.ferrofuse.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.Request;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class TransfersTest {
  private final ByteBuffer bulk = ByteBuffer.allocateDirect(64);
  private final List<String> calls = new ArrayList<>();

  /** What a handle does with a call. */
  private interface Body {
    int run(ByteBuffer buffer, long offset) throws IOException;
  }

  private FileHandle handle(Body body) {
    return new FileHandle() {
      @Override
      public int read(Request request, ByteBuffer dst, long offset) throws IOException {
        calls.add(offset + ":" + dst.position() + "-" + dst.limit());
        assertEquals(ByteOrder.BIG_ENDIAN, dst.order());
        int result = body.run(dst, offset);
        dst.order(ByteOrder.LITTLE_ENDIAN); // must not last
        return result;
      }

      @Override
      public int write(Request request, ByteBuffer src, long offset) throws IOException {
        return read(request, src, offset);
      }
    };
  }

  private static int move(ByteBuffer buffer, int count) {
    buffer.position(buffer.position() + count);
    return count;
  }

  private int read(Body body) throws IOException {
    return Transfers.read(handle(body), null, bulk, 100, 10);
  }

  private int write(Body body) throws IOException {
    return Transfers.write(handle(body), null, bulk, 100, 10);
  }

  @Test
  void aShortReadIsRepeatedWithTheRest() throws IOException {
    assertEquals(10, read((dst, offset) -> move(dst, Math.min(4, dst.remaining()))));
    assertEquals(List.of("100:0-10", "104:4-10", "108:8-10"), calls);
  }

  @Test
  void aReadEndsWithTheFile() throws IOException {
    assertEquals(4, read((dst, offset) -> offset < 104 ? move(dst, 4) : -1));
    assertEquals(0, read((dst, offset) -> 0));
    assertEquals(0, read((dst, offset) -> -1));
  }

  @Test
  void theReturnedCountCountsWhenThePositionStands() throws IOException {
    assertEquals(10, read((dst, offset) -> 5));
    assertEquals(List.of("100:0-10", "105:5-10"), calls);
  }

  @Test
  void aCountThatContradictsThePositionIsRefused() {
    for (Body body :
        List.<Body>of(
            (dst, offset) -> 11,
            (dst, offset) -> move(dst, 3) + 1,
            (dst, offset) -> move(dst, 3) - 3,
            (dst, offset) -> -move(dst, 1))) {
      assertThrows(IllegalStateException.class, () -> read(body));
      assertThrows(IllegalStateException.class, () -> write(body));
    }
  }

  @Test
  void anErrorAfterSomeBytesIsAnErrorOfTheWholeRead() {
    assertThrows(
        FuseException.class,
        () ->
            read(
                (dst, offset) -> {
                  if (offset > 100) {
                    throw Errno.EIO.exception();
                  }
                  return move(dst, 1);
                }));
  }

  @Test
  void aShortWriteIsRepeatedWithTheRest() throws IOException {
    assertEquals(10, write((src, offset) -> move(src, Math.min(7, src.remaining()))));
    assertEquals(List.of("100:0-10", "107:7-10"), calls);
  }

  @Test
  void aWriteThatStopsIsShort() throws IOException {
    assertEquals(6, write((src, offset) -> offset < 106 ? move(src, 6) : 0));
    assertEquals(List.of("100:0-10", "106:6-10", "106:6-10"), calls);
    assertEquals(6, write((src, offset) -> offset < 106 ? move(src, 6) : -1));
  }

  @Test
  void anErrorAfterSomeBytesMakesTheWriteShort() throws IOException {
    Body fillsUp =
        (src, offset) -> {
          if (offset >= 106) {
            throw Errno.ENOSPC.exception();
          }
          return move(src, 6);
        };
    assertEquals(6, write(fillsUp));
    assertThrows(FuseException.class, () -> Transfers.write(handle(fillsUp), null, bulk, 106, 4));
  }

  @Test
  void aWriteThatTakesNothingIsAnError() {
    Exception error = assertThrows(IllegalStateException.class, () -> write((src, offset) -> 0));
    assertTrue(error.getMessage().contains("took nothing"), error.getMessage());
  }

  @Test
  void anEmptyWriteIsNone() throws IOException {
    assertEquals(0, Transfers.write(handle((src, offset) -> 0), null, bulk, 0, 0));
    assertEquals(List.of(), calls);
  }
}
