package io.github.ferrofuse.examples.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.DirHandle;
import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FileType;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

class DirectoryTest {
  private final Client client = Client.of(16, 200_000);

  private DirHandle open(long node) throws IOException {
    return client.fs.opendir(client.caller, node, Reply.IGNORED);
  }

  @Test
  void aListingShowsEachLastingEntryOnceWhateverComesAndGoes() throws IOException {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    TreeSet<String> present = new TreeSet<>();
    int made = 0;
    for (int round = 0; round < 100; round++) {
      DirHandle handle = open(Client.ROOT);
      Set<String> lasting = new HashSet<>(present);
      Listing listing = new Listing(false);
      int before;
      do {
        before = listing.names.size();
        handle.read(client.caller, listing.cookie, listing.room(1 + random.nextInt(7)));
        for (int i = random.nextInt(12); i > 0; i--) {
          String name = "f" + random.nextInt(150);
          String other = "f" + random.nextInt(150);
          if (present.contains(name) && random.nextInt(3) == 0) {
            client.rename(Client.ROOT, name, Client.ROOT, other, 0);
            if (!name.equals(other)) {
              present.remove(name);
              lasting.remove(name);
            }
            present.add(other);
          } else if (present.remove(name)) {
            client.unlink(Client.ROOT, name);
            lasting.remove(name);
          } else {
            client.mkfile(Client.ROOT, name);
            present.add(name);
            made++;
          }
        }
      } while (listing.names.size() > before);
      handle.release(client.caller);
      String where = "seed " + seed + ", round " + round;
      List<String> seen = new ArrayList<>(listing.names.subList(2, listing.names.size()));
      assertEquals(List.of(".", ".."), listing.names.subList(0, 2), where);
      for (String name : lasting) {
        assertEquals(1, Collections.frequency(seen, name), where + ", " + name);
      }
      assertEquals(present, new TreeSet<>(client.list(Client.ROOT)), where);
    }
    assertTrue(made > 1000);
  }

  @Test
  void aListingContinuesAfterItsLastEntryWasRemoved() throws IOException {
    for (int i = 0; i < 100; i++) {
      client.mkfile(Client.ROOT, "f" + i);
    }
    DirHandle handle = open(Client.ROOT);
    Listing listing = new Listing(false);
    handle.read(client.caller, 0, listing.room(12));
    assertEquals("f9", listing.names.get(11));
    for (int i = 0; i < 90; i++) {
      client.unlink(Client.ROOT, "f" + i);
    }
    handle.read(client.caller, listing.cookie, listing.room(100));
    assertEquals("f90", listing.names.get(12));
    assertEquals(22, listing.names.size());
  }

  @Test
  void aListingEndsAlthoughEachEntryIsRenamedAsItIsRead() throws IOException {
    for (int i = 0; i < 20; i++) {
      client.mkfile(Client.ROOT, "f" + i);
    }
    DirHandle handle = open(Client.ROOT);
    Listing listing = new Listing(false);
    handle.read(client.caller, 0, listing.room(2));
    for (int before = 0; listing.names.size() > before; ) {
      before = listing.names.size();
      assertTrue(before <= 22, "the listing goes on for ever");
      handle.read(client.caller, listing.cookie, listing.room(1));
      String name = listing.names.get(listing.names.size() - 1);
      if (listing.names.size() > before) {
        client.rename(Client.ROOT, name, Client.ROOT, name + "x", 0);
      }
    }
    Listing again = new Listing(false).room(100);
    handle.read(client.caller, 0, again);
    assertEquals(22, again.names.size(), "beginning anew shows them");
    assertTrue(again.names.contains("f0x"));
  }

  @Test
  void aListingTellsTypesAndNodes() throws IOException {
    long dir = client.mkdir(Client.ROOT, "dir");
    long file = client.mkfile(dir, "file");
    long link = client.symlink(dir, "link", "x");
    Listing listing = new Listing(false).room(10);
    open(dir).read(client.caller, 0, listing);
    assertEquals(List.of(".", "..", "file", "link"), listing.names);
    assertEquals(List.of(dir, Client.ROOT, file, link), listing.nodes);
    FileType d = FileType.DIRECTORY;
    assertEquals(List.of(d, d, FileType.REGULAR, FileType.SYMLINK), listing.types);
  }

  @Test
  void onlyEntriesThatWereTakenWithAttributesAreLookups() throws IOException {
    long dir = client.mkdir(Client.ROOT, "dir");
    for (int i = 0; i < 3; i++) {
      client.forget(client.mkfile(dir, "f" + i));
    }
    long free = client.statfs().freeFiles;
    DirHandle handle = open(dir);
    Listing listing = new Listing(true).room(4);
    handle.read(client.caller, 0, listing);
    assertEquals(List.of(".", "..", "f0", "f1"), listing.names);
    assertEquals(listing.nodes.subList(2, 4), listing.lookups);
    assertEquals(0100644, listing.attributes.mode);
    handle.read(client.caller, 0, new Listing(false).room(10));
    for (int i = 0; i < 3; i++) {
      client.unlink(dir, "f" + i);
    }
    assertEquals(free + 1, client.statfs().freeFiles, "f2 was not taken, so only it is freed");
    listing.lookups.forEach(node -> client.fs.forget(node, 1));
    assertEquals(free + 3, client.statfs().freeFiles);
  }

  @Test
  void aRemovedDirectoryThatIsOpenListsNothingAndTakesNothing() throws IOException {
    long dir = client.mkdir(Client.ROOT, "dir");
    DirHandle handle = open(dir);
    long free = client.statfs().freeFiles;
    client.rmdir(Client.ROOT, "dir");
    client.forgetAll();
    Listing listing = new Listing(false).room(10);
    handle.read(client.caller, 0, listing);
    assertEquals(List.of(), listing.names);
    assertEquals(Errno.ENOENT, Client.errnoOf(() -> client.mkfile(dir, "file")));
    assertEquals(0, client.stat(dir).nlink);
    assertEquals(free, client.statfs().freeFiles);
    handle.release(client.caller);
    assertEquals(free + 1, client.statfs().freeFiles);
  }

  @Test
  void gapsOfRemovedEntriesAreClosed() {
    Directory directory = new Directory(1, 0755, 0, 0, 0);
    Inode inode = new SpecialFile(2, 0010644, 0, 0, 0, 0);
    for (int i = 0; i < 100_000; i++) {
      directory.add(Client.name("f" + i), inode);
    }
    for (int i = 0; i < 99_990; i++) {
      directory.remove(directory.get(Client.name("f" + i)));
      assertTrue(directory.places() <= 2 * (100_000 - i) + 16);
    }
    assertTrue(directory.places() <= 40, directory.places() + " places for 10 entries");
    int place = directory.placeAfter(50_000);
    while (directory.at(place).inode() == null) {
      place++;
    }
    assertEquals("f99990", directory.at(place).name.toString());
  }

  @Test
  void aHundredThousandEntriesAreListedInSmallPieces() throws IOException {
    for (int i = 0; i < 100_000; i++) {
      client.mkfile(Client.ROOT, "f" + i);
    }
    assertTrue(client.lookup(Client.ROOT, "f77777") > 0);
    DirHandle handle = open(Client.ROOT);
    Listing listing = new Listing(false);
    for (int before = -1; listing.names.size() > before; ) {
      before = listing.names.size();
      handle.read(client.caller, listing.cookie, listing.room(25));
    }
    assertEquals(100_002, new HashSet<>(listing.names).size());
    assertEquals(100_002, listing.names.size());
  }
}
