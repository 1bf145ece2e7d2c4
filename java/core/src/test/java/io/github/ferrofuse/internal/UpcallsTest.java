package io.github.ferrofuse.internal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.AttrChange;
import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.EntrySink;
import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.OpenReply;
import io.github.ferrofuse.Operation;
import io.github.ferrofuse.Request;
import io.github.ferrofuse.StatfsSink;
import io.github.ferrofuse.XattrSink;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.NoSuchFileException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import org.junit.jupiter.api.Test;

class UpcallsTest {
  private static final int EIO = -5;

  /** What the file system under test was asked, and does then. */
  private final List<String> asked = new ArrayList<>();

  private interface Entry {
    void fill(EntrySink out) throws IOException;
  }

  private static InodeFileSystem withLookup(Entry entry) {
    return new InodeFileSystem() {
      @Override
      public boolean lookup(Request request, long parent, Name name, EntrySink out)
          throws IOException {
        entry.fill(out);
        return true;
      }
    };
  }

  private static int lookup(Caller caller) {
    return caller.operation(Operation.LOOKUP).upcalls.lookup(1, caller.name("x"));
  }

  @Test
  void anEntryHasDefaultsWhereNothingIsSet() {
    Caller caller = new Caller(withLookup(out -> out.node(42).attr().mode(0100644)));
    assertEquals(1, lookup(caller));
    assertEquals(42, caller.entryLong(Layout.ENTRY_NODE));
    assertEquals(1, caller.entryLong(Layout.ENTRY_VALID), "entry_timeout");
    assertEquals(1, caller.entryLong(Layout.ENTRY_ATTR_VALID), "attr_timeout");
    assertEquals(42, caller.entryLong(Layout.ENTRY_ATTR + Layout.ATTR_INO));
    assertEquals(1, caller.entryInt(Layout.ENTRY_ATTR + Layout.ATTR_NLINK));
    assertEquals(4096, caller.entryInt(Layout.ENTRY_ATTR + Layout.ATTR_BLKSIZE));
  }

  @Test
  void whatOneRequestSetIsNotSeenByTheNext() {
    boolean[] first = {true};
    Caller caller =
        new Caller(
            withLookup(
                out -> {
                  out.node(2).attr().mode(0100644);
                  if (first[0]) {
                    out.generation(9).entryTimeout(2_500_000_000L).attr().size(5).uid(7).ino(8);
                    out.attr().ctime(-3, 4).timeout(0);
                  }
                }));
    assertEquals(1, lookup(caller));
    assertEquals(2, caller.entryLong(Layout.ENTRY_VALID));
    assertEquals(500_000_000, caller.entryInt(Layout.ENTRY_VALID_NSEC));
    assertEquals(0, caller.entryLong(Layout.ENTRY_ATTR_VALID));
    assertEquals(-3, caller.entryLong(Layout.ENTRY_ATTR + Layout.ATTR_CTIME));
    first[0] = false;
    assertEquals(1, lookup(caller));
    assertEquals(0, caller.entryLong(Layout.ENTRY_GENERATION));
    assertEquals(1, caller.entryLong(Layout.ENTRY_VALID));
    assertEquals(0, caller.entryInt(Layout.ENTRY_VALID_NSEC));
    assertEquals(0, caller.entryLong(Layout.ENTRY_ATTR + Layout.ATTR_SIZE));
    assertEquals(0, caller.entryLong(Layout.ENTRY_ATTR + Layout.ATTR_CTIME));
    assertEquals(0, caller.entryInt(Layout.ENTRY_ATTR + Layout.ATTR_UID));
    assertEquals(2, caller.entryLong(Layout.ENTRY_ATTR + Layout.ATTR_INO));
  }

  @Test
  void anEntryWithoutNodeOrTypeIsAnError() {
    assertEquals(EIO, lookup(new Caller(withLookup(out -> out.attr().mode(0100644)))));
    assertEquals(EIO, lookup(new Caller(withLookup(out -> out.node(2)))));
    assertEquals(EIO, lookup(new Caller(withLookup(out -> out.node(2).attr().mode(0644)))));
    assertEquals(EIO, lookup(new Caller(withLookup(out -> out.node(2).entryTimeout(-1)))));
  }

  @Test
  void anythingThrownBecomesOneErrno() {
    assertEquals(-13, answerTo(Errno.EACCES.exception()));
    assertEquals(-2, answerTo(new NoSuchFileException("x")));
    assertEquals(-28, answerTo(new IOException("No space left on device")));
    assertEquals(-12, answerTo(new OutOfMemoryError("of the test")));
    assertEquals(EIO, answerTo(new StackOverflowError()));
    assertEquals(EIO, answerTo(new AssertionError("of the test")));
    assertEquals(EIO, answerTo(new NullPointerException("of the test")));
  }

  private static int answerTo(Throwable thrown) {
    return lookup(new Caller(withLookup(out -> sneak(thrown))));
  }

  @SuppressWarnings("unchecked")
  private static <T extends Throwable> void sneak(Throwable thrown) throws T {
    throw (T) thrown;
  }

  @Test
  void anEndlessRecursionIsContained() {
    Caller caller = new Caller(withLookup(UpcallsTest::recurse));
    assertEquals(EIO, lookup(caller));
    assertEquals(EIO, lookup(caller));
  }

  private static void recurse(EntrySink out) {
    recurse(out);
    out.node(1);
  }

  @Test
  void anInterruptOfOneRequestDoesNotReachTheNext() {
    List<Boolean> seen = new ArrayList<>();
    Caller caller =
        new Caller(
            withLookup(
                out -> {
                  seen.add(Thread.currentThread().isInterrupted());
                  Thread.currentThread().interrupt();
                  out.node(2).attr().mode(0100644);
                }));
    lookup(caller);
    lookup(caller);
    assertTrue(Thread.interrupted());
    assertEquals(List.of(false, false), seen);
  }

  @Test
  void namesAndRequestsComeAsTheyAre() {
    Request[] kept = new Request[1];
    Caller caller =
        new Caller(
            new InodeFileSystem() {
              @Override
              public void rename(
                  Request request,
                  long parent,
                  Name name,
                  long newParent,
                  Name newName,
                  int flags) {
                asked.add(parent + " " + name + " " + newParent + " " + newName + " " + flags);
                kept[0] = request.copy();
              }
            });
    caller.operation(Operation.RENAME);
    caller.page.putLong(Layout.REQUEST_UNIQUE, 11).putInt(Layout.REQUEST_UID, 12);
    caller.page.putInt(Layout.REQUEST_GID, 13).putInt(Layout.REQUEST_PID, 14);
    caller.page.putInt(Layout.REQUEST_UMASK, 022).putInt(Layout.REQUEST_FLAGS, 1);
    int answer = caller.upcalls.rename(3, caller.name("ä"), 4, caller.target("\udc80😀"), 2);
    caller.page.putInt(Layout.REQUEST_UID, 99); // the next request
    assertEquals(0, answer);
    assertEquals(List.of("3 ä 4 \udc80😀 2"), asked);
    Request request = kept[0];
    assertEquals(Operation.RENAME, request.operation());
    assertEquals(11, request.unique());
    assertEquals(12, request.uid());
    assertEquals(13, request.gid());
    assertEquals(14, request.pid());
    assertEquals(022, request.umask());
    assertTrue(request.killsPrivileges());
  }

  @Test
  void changesAreReadFromTheArgsPage() {
    Caller caller =
        new Caller(
            new InodeFileSystem() {
              @Override
              public void setattr(
                  Request request, long node, FileHandle handle, AttrChange change, AttrSink out) {
                asked.add("mode " + change.hasMode() + " size " + change.size());
                asked.add("mtime " + change.mtimeSeconds() + "." + change.mtimeNanos());
                asked.add(
                    "now " + change.atimeNow() + change.mtimeNow() + " uid " + change.hasUid());
                out.mode(0100644).size(change.size());
              }
            });
    caller.operation(Operation.SETATTR);
    caller.page.putInt(Layout.CHANGE + Layout.CHANGE_VALID, 1 << 3 | 1 << 4 | 1 << 5 | 1 << 7);
    caller.page.putLong(Layout.CHANGE + Layout.CHANGE_SIZE, 55);
    caller.page.putLong(Layout.CHANGE + Layout.CHANGE_MTIME, -1);
    caller.page.putInt(Layout.CHANGE + Layout.CHANGE_MTIMENSEC, 3);
    assertEquals(0, caller.upcalls.setattr(7, -1));
    assertEquals(List.of("mode false size 55", "mtime -1.3", "now truefalse uid false"), asked);
    int attr = Layout.GETATTR + Layout.GETATTR_ATTR;
    assertEquals(55, caller.page.getLong(attr + Layout.ATTR_SIZE));
    assertEquals(7, caller.page.getLong(attr + Layout.ATTR_INO));
  }

  /** A file system that opens one handle. */
  private final class Opening implements InodeFileSystem {
    private final FileHandle handle;
    private long node = 5;

    Opening(FileHandle handle) {
      this.handle = handle;
    }

    @Override
    public void forget(long forgotten, long lookups) {
      asked.add("forget " + forgotten + " " + lookups);
    }

    @Override
    public FileHandle open(Request request, long opened, int flags, OpenReply out) {
      out.keepCache();
      return handle;
    }

    @Override
    public FileHandle create(
        Request request,
        long parent,
        Name name,
        int mode,
        int flags,
        EntrySink entry,
        OpenReply o) {
      entry.node(node).attr().mode(mode);
      return handle;
    }
  }

  /** A handle that tells when it is released. */
  private class Told implements FileHandle {
    @Override
    public void release(Request request) {
      asked.add("release");
    }
  }

  @Test
  void aHandleIsThereFromOpenToRelease() {
    Caller caller = new Caller(new Opening(new Told()));
    assertEquals(-9, caller.upcalls.flush(300));
    assertEquals(0, caller.upcalls.open(5, 0, 300));
    assertEquals(0, caller.upcalls.flush(300));
    assertEquals(0, caller.upcalls.release(300));
    assertEquals(-9, caller.upcalls.read(300, 0, 10));
    assertEquals(0, caller.upcalls.release(300));
    assertEquals(List.of("release"), asked);
  }

  @Test
  void aClassWithoutFlushGetsNone() {
    Caller caller = new Caller(new Opening(new Told()));
    caller.upcalls.open(5, 0, 0);
    assertEquals(
        OpenReplyWriter.FOPEN_KEEP_CACHE | OpenReplyWriter.FOPEN_NOFLUSH, caller.openFlags());
    assertEquals(0, caller.page.getInt(Layout.OPENED_CONCURRENCY));

    Caller flushed =
        new Caller(
            new Opening(
                new Told() {
                  @Override
                  public void flush(Request request) {}

                  @Override
                  public Concurrency concurrency() {
                    return Concurrency.CONCURRENT;
                  }
                }));
    flushed.upcalls.open(5, 0, 0);
    assertEquals(OpenReplyWriter.FOPEN_KEEP_CACHE, flushed.openFlags());
    assertEquals(2, flushed.page.getInt(Layout.OPENED_CONCURRENCY));
  }

  @Test
  void aDescriptorToPassThroughToIsThatOfOneOpenAlone() {
    Iterator<Integer> descriptors = List.of(7, -1, -2).iterator();
    Caller caller =
        new Caller(
            new InodeFileSystem() {
              @Override
              public FileHandle open(Request request, long node, int flags, OpenReply out) {
                int descriptor = descriptors.next();
                if (descriptor != -1) {
                  out.passThrough(descriptor);
                }
                return new Told();
              }
            });
    assertEquals(0, caller.upcalls.open(5, 0, 0));
    assertEquals(7, caller.page.getInt(Layout.BACKING));
    assertEquals(0, caller.upcalls.open(5, 0, 1));
    assertEquals(-1, caller.page.getInt(Layout.BACKING));
    assertEquals(EIO, caller.upcalls.open(5, 0, 2), "no number of a descriptor");
  }

  @Test
  void aHandleThatIsNotHandedOutIsReleasedOnce() {
    Opening fs = new Opening(new Told());
    fs.node = 0;
    Caller caller = new Caller(fs);
    caller.operation(Operation.CREATE);
    assertEquals(EIO, caller.upcalls.create(1, caller.name("x"), 0100644, 0, 0));
    assertEquals(List.of("release"), asked);
    assertEquals(-9, caller.upcalls.flush(0));

    asked.clear();
    FileHandle undecided =
        new Told() {
          @Override
          public Concurrency concurrency() {
            throw new IllegalStateException("of the test");
          }
        };
    assertEquals(EIO, new Caller(new Opening(undecided)).upcalls.open(5, 0, 0));
    assertEquals(List.of("release"), asked);
  }

  @Test
  void noHandleIsAnError() {
    Caller caller = new Caller(new Opening(null));
    caller.operation(Operation.OPEN);
    assertEquals(EIO, caller.upcalls.open(5, 0, 0));
  }

  @Test
  void noDefaultAnswersForTheWholeMount() {
    Caller caller = new Caller(new InodeFileSystem() {});
    NodeUpcalls upcalls = caller.operation(Operation.LOOKUP).upcalls;
    int name = caller.name("x");
    int[] answers = {
      upcalls.lookup(1, name),
      upcalls.getattr(1, -1),
      upcalls.setattr(1, -1),
      upcalls.readlink(1),
      upcalls.symlink(1, name, name),
      upcalls.mknod(1, name, 0100644, 0),
      upcalls.mkdir(1, name, 0755),
      upcalls.unlink(1, name),
      upcalls.rmdir(1, name),
      upcalls.rename(1, name, 1, name, 0),
      upcalls.link(2, 1, name),
      upcalls.open(2, 0, 0),
      upcalls.create(1, name, 0100644, 0, 0),
      upcalls.opendir(1, 0),
      upcalls.statfs(1),
      upcalls.setxattr(1, name, 0, 0, 0),
      upcalls.getxattr(1, name, 0),
      upcalls.listxattr(1, 0),
      upcalls.removexattr(1, name),
      upcalls.access(1, 0)
    };
    int[] expected = new int[answers.length];
    Arrays.fill(expected, -Errno.EOPNOTSUPP.code());
    assertArrayEquals(expected, answers);
  }

  /** Hands out nodes whose attributes were forgotten, and tells what it gets back. */
  private class Careless implements InodeFileSystem {
    @Override
    public boolean lookup(Request request, long parent, Name name, EntrySink out) {
      out.node(2);
      return true;
    }

    @Override
    public void mkdir(Request request, long parent, Name name, int mode, EntrySink out) {
      out.node(3);
    }

    @Override
    public void mknod(Request r, long parent, Name name, int mode, int rdev, EntrySink out) {
      out.node(4);
    }

    @Override
    public void symlink(Request request, long parent, Name name, Name target, EntrySink out) {
      out.node(5);
    }

    @Override
    public void link(Request request, long node, long newParent, Name newName, EntrySink out) {
      out.node(node);
    }

    @Override
    public void forget(long node, long lookups) {
      asked.add("forget " + node + " " + lookups);
      throw new IllegalStateException("of the test");
    }
  }

  @Test
  void aLookupThatIsNotHandedOutIsForgotten() {
    Caller caller = new Caller(new Careless());
    NodeUpcalls upcalls = caller.operation(Operation.LOOKUP).upcalls;
    int name = caller.name("x");
    assertEquals(EIO, upcalls.lookup(1, name));
    assertEquals(EIO, upcalls.mkdir(1, name, 0755));
    assertEquals(EIO, upcalls.mknod(1, name, 0100644, 0));
    assertEquals(EIO, upcalls.symlink(1, name, name));
    assertEquals(EIO, upcalls.link(6, 1, name));
    assertEquals(
        List.of("forget 2 1", "forget 3 1", "forget 4 1", "forget 5 1", "forget 6 1"), asked);
  }

  @Test
  void whatWasNoLookupIsNotForgotten() {
    InodeFileSystem fs =
        new Careless() {
          @Override
          public boolean lookup(Request request, long parent, Name name, EntrySink out) {
            return true;
          }

          @Override
          public void mkdir(Request request, long parent, Name name, int mode, EntrySink out) {
            out.node(3);
            throw new IllegalStateException("of the test");
          }
        };
    Caller caller = new Caller(fs);
    assertEquals(EIO, lookup(caller), "no node");
    assertEquals(EIO, caller.upcalls.mkdir(1, caller.name("x"), 0755), "it threw");
    assertEquals(List.of(), asked);
  }

  private int create(InodeFileSystem fs, int mode) {
    Caller caller = new Caller(fs);
    caller.operation(Operation.CREATE);
    int answer = caller.upcalls.create(1, caller.name("x"), mode, 0, 0);
    assertEquals(answer == 0 ? 0 : -9, caller.upcalls.flush(0), "is there a handle?");
    return answer;
  }

  @Test
  void onlyRegularFilesAreCreated() {
    assertEquals(0, create(new Opening(new Told()), 0100644));
    assertEquals(List.of(), asked);
    for (int mode : new int[] {040755, 010644, 020644, 060644, 0120777, 0140644}) {
      asked.clear();
      assertEquals(EIO, create(new Opening(new Told()), mode));
      assertEquals(List.of("release", "forget 5 1"), asked, Integer.toOctalString(mode));
    }
  }

  @Test
  void aCreatedFileWithoutHandleIsForgotten() {
    assertEquals(EIO, create(new Opening(null), 0100644));
    assertEquals(List.of("forget 5 1"), asked);
  }

  @Test
  void aLinksTargetIsWhatWasPut() {
    Caller caller =
        new Caller(
            new InodeFileSystem() {
              @Override
              public void readlink(Request request, long node, ByteBuffer out) {
                out.put(Name.of("a/b").toBytes());
              }
            });
    assertEquals(3, caller.upcalls.readlink(2));
    assertEquals("a/b", caller.text(3));
  }

  @Test
  void aTargetThatIsNoneIsAnError() {
    for (byte[] target : new byte[][] {{}, {0}, {'a', 0, 'b'}}) {
      Caller caller =
          new Caller(
              new InodeFileSystem() {
                @Override
                public void readlink(Request request, long node, ByteBuffer out) {
                  out.put(target);
                }
              });
      assertEquals(EIO, caller.upcalls.readlink(2), Arrays.toString(target));
    }
  }

  @Test
  void aValueThatIsLongerThanWhatWasPutIsAnError() {
    Caller caller =
        new Caller(
            new InodeFileSystem() {
              @Override
              public int getxattr(Request request, long node, Name name, ByteBuffer out) {
                out.put((byte) 1);
                return 5;
              }
            });
    assertEquals(EIO, caller.upcalls.getxattr(2, caller.name("user.a"), 10));
    assertEquals(-34, caller.upcalls.getxattr(2, caller.name("user.a"), 4), "it did not fit");
  }

  /** One attribute of five bytes. */
  private static final class WithXattrs implements InodeFileSystem {
    String set;

    @Override
    public void setxattr(Request request, long node, Name name, ByteBuffer value, int flags) {
      byte[] bytes = new byte[value.remaining()];
      value.get(bytes);
      set = name + "=" + Name.of(bytes) + " " + flags;
    }

    @Override
    public int getxattr(Request request, long node, Name name, ByteBuffer out) {
      if (out.remaining() >= 5) {
        out.put(Name.of("value").toBytes());
      }
      return 5;
    }

    @Override
    public void listxattr(Request request, long node, XattrSink out) {
      out.add(Name.of("user.a"));
      out.add(Name.of("user.bc"));
    }
  }

  @Test
  void attributesFitOrAreAnError() {
    Caller caller = new Caller(new WithXattrs());
    assertEquals(5, caller.upcalls.getxattr(2, caller.name("user.a"), 0));
    assertEquals(-34, caller.upcalls.getxattr(2, caller.name("user.a"), 4));
    assertEquals(5, caller.upcalls.getxattr(2, caller.name("user.a"), 5));
    assertEquals("value", caller.text(5));
    assertEquals(15, caller.upcalls.listxattr(2, 0));
    caller.bulk().put(14, (byte) 99);
    assertEquals(-34, caller.upcalls.listxattr(2, 14));
    assertEquals(99, caller.bulk().get(14), "nothing is written beyond the room");
    assertEquals(15, caller.upcalls.listxattr(2, 15));
    assertEquals("user.a\0user.bc\0", caller.text(15));
  }

  @Test
  void aValueIsTheRangeOfTheBulkArea() {
    WithXattrs fs = new WithXattrs();
    Caller caller = new Caller(fs);
    caller.bulk().put(10, Name.of("bytes").toBytes());
    assertEquals(0, caller.upcalls.setxattr(2, caller.name("user.x"), 10, 15, 1));
    assertEquals("user.x=bytes 1", fs.set);
  }

  @Test
  void figuresHaveDefaults() {
    Caller caller =
        new Caller(
            new InodeFileSystem() {
              @Override
              public void statfs(Request request, long node, StatfsSink out) {
                out.blocks(10, 5, 4);
              }
            });
    assertEquals(0, caller.upcalls.statfs(1));
    assertEquals(4, caller.page.getLong(Layout.STATFS + Layout.STATFS_BAVAIL));
    assertEquals(4096, caller.page.getInt(Layout.STATFS + Layout.STATFS_FRSIZE));
    assertEquals(255, caller.page.getInt(Layout.STATFS + Layout.STATFS_NAMELEN));
  }

  @Test
  void aBufferThatWasKeptIsReusedAndStillValid() {
    ByteBuffer[] kept = new ByteBuffer[1];
    FileHandle handle =
        new Told() {
          @Override
          public int read(Request request, ByteBuffer dst, long offset) {
            kept[0] = dst;
            return -1;
          }
        };
    Caller caller = new Caller(new Opening(handle));
    caller.upcalls.open(5, 0, 0);
    assertEquals(0, caller.upcalls.read(0, 0, 100));
    assertEquals(100, kept[0].limit());
    kept[0].limit(1); // a file system that meddles
    assertEquals(0, caller.upcalls.read(0, 0, 200));
    assertEquals(200, kept[0].limit());
  }
}
