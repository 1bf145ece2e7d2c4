package io.github.ferrofuse.examples.memory;

import static io.github.ferrofuse.InodeFileSystem.XATTR_CREATE;
import static io.github.ferrofuse.InodeFileSystem.XATTR_REPLACE;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FuseException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class XattrsTest {
  private final Client client = Client.small();
  private long file;

  @BeforeEach
  void makeFile() throws IOException {
    file = client.mkfile(Client.ROOT, "file");
  }

  private Errno setting(String name, int size, int flags) {
    return Client.errnoOf(() -> client.setxattr(file, name, Client.bytes(size, 1), flags));
  }

  @Test
  void areSetReadListedAndRemoved() throws IOException {
    client.setxattr(file, "user.one", Client.bytes("first"), 0);
    client.setxattr(file, "user.two", Client.bytes(""), 0);
    client.setxattr(file, "user.one", Client.bytes("second"), 0);
    assertEquals("second", client.getxattr(file, "user.one"));
    assertEquals("", client.getxattr(file, "user.two"));
    assertEquals(Set.of("user.one", "user.two"), new HashSet<>(client.listxattr(file)));
    client.fs.removexattr(client.caller, file, Client.name("user.one"));
    assertEquals(List.of("user.two"), client.listxattr(file));
    assertEquals(Errno.ENODATA, Client.errnoOf(() -> client.getxattr(file, "user.one")));
    assertEquals(
        Errno.ENODATA,
        Client.errnoOf(() -> client.fs.removexattr(client.caller, file, Client.name("user.one"))));
  }

  @Test
  void theSizeIsAnsweredEvenIfTheValueDoesNotFit() throws IOException {
    client.setxattr(file, "user.one", Client.bytes("value"), 0);
    for (int room : new int[] {0, 4}) {
      ByteBuffer out = ByteBuffer.allocateDirect(room);
      assertEquals(5, client.fs.getxattr(client.caller, file, Client.name("user.one"), out));
      assertEquals(0, out.position());
    }
  }

  @Test
  void createAndReplaceSayWhatTheyExpect() throws IOException {
    assertEquals(Errno.ENODATA, setting("user.one", 1, XATTR_REPLACE));
    client.setxattr(file, "user.one", Client.bytes("x"), XATTR_CREATE);
    assertEquals(Errno.EEXIST, setting("user.one", 1, XATTR_CREATE));
    client.setxattr(file, "user.one", Client.bytes("y"), XATTR_REPLACE);
    assertEquals("y", client.getxattr(file, "user.one"));
    assertEquals(Errno.EINVAL, setting("user.one", 1, 4));
  }

  @Test
  void namesAndValuesAreLimited() throws IOException {
    client.setxattr(file, "user." + "n".repeat(250), Client.bytes(65536, 1), 0);
    assertEquals(Errno.ERANGE, setting("user." + "n".repeat(251), 1, 0));
    assertEquals(Errno.E2BIG, setting("user.one", 65537, 0));
    assertEquals(Errno.ENODATA, Client.errnoOf(() -> client.getxattr(file, "user.one")));
    assertEquals(Errno.EINVAL, setting("user.", 1, 0));
    int names = 1;
    Errno errno = null;
    while (errno == null) {
      try {
        client.setxattr(file, String.format("user.%0250d", names), Client.bytes(""), 0);
        names++;
      } catch (FuseException e) {
        errno = e.errno();
      }
    }
    assertEquals(Errno.ENOSPC, errno);
    assertEquals(256, names, "a list of 64 KiB");
  }

  @Test
  void namespacesAreThoseThatAreObeyed() throws IOException {
    client.setxattr(file, "security.selinux", Client.bytes("x"), 0);
    client.setxattr(file, "trusted.x", Client.bytes("x"), 0);
    for (String name :
        new String[] {"system.posix_acl_access", "system.posix_acl_default", "btrfs.x", "x"}) {
      assertEquals(Errno.EOPNOTSUPP, setting(name, 1, 0));
      assertEquals(Errno.EOPNOTSUPP, Client.errnoOf(() -> client.getxattr(file, name)));
      assertEquals(
          Errno.EOPNOTSUPP,
          Client.errnoOf(() -> client.fs.removexattr(client.caller, file, Client.name(name))));
    }
    assertEquals(Set.of("security.selinux", "trusted.x"), new HashSet<>(client.listxattr(file)));
    client.as(Caller.USER);
    assertEquals(List.of("security.selinux"), client.listxattr(file));
  }
}
