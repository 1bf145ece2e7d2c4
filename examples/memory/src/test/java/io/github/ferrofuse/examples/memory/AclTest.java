package io.github.ferrofuse.examples.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.ferrofuse.Connection;
import io.github.ferrofuse.Errno;
import java.io.IOException;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import org.junit.jupiter.api.Test;

class AclTest {
  private static final String ACCESS = "system.posix_acl_access";
  private static final String DEFAULT = "system.posix_acl_default";
  private static final int SOME = 1000;

  /** An ACL for the owner, user 1000, the group, the mask and others. */
  private static ByteBuffer acl(int owner, int user, int group, int mask, int other) {
    ByteBuffer bytes = ByteBuffer.allocateDirect(44).order(ByteOrder.LITTLE_ENDIAN).putInt(2);
    int[][] entries = {{1, owner}, {2, user}, {4, group}, {16, mask}, {32, other}};
    for (int[] entry : entries) {
      bytes.putShort((short) entry[0]).putShort((short) entry[1]).putInt(SOME);
    }
    return bytes.flip();
  }

  private static Client keeping(Client client, boolean offered) {
    client.fs.keepAcls();
    client.fs.init(
        (Connection)
            Proxy.newProxyInstance(
                Connection.class.getClassLoader(),
                new Class<?>[] {Connection.class},
                (proxy, method, arguments) ->
                    method.getReturnType() == boolean.class ? offered : null));
    return client;
  }

  @Test
  void aKernelThatDoesNotCheckThemGetsNone() throws IOException {
    Client client = keeping(Client.small(), false);
    ByteBuffer value = acl(7, 7, 7, 7, 7);
    assertEquals(
        Errno.EOPNOTSUPP, Client.errnoOf(() -> client.setxattr(Client.ROOT, ACCESS, value, 0)));
    assertEquals(Errno.EOPNOTSUPP, Client.errnoOf(() -> client.getxattr(Client.ROOT, DEFAULT)));
    client.as(Caller.MASKED);
    assertEquals(0644, client.stat(client.mkfile(Client.ROOT, "file")).permissions());
  }

  @Test
  void theUmaskIsTakenUnlessThereIsADefaultAcl() throws IOException {
    Client client = keeping(Client.small(), true).as(Caller.MASKED);
    long plain = client.mkfile(Client.ROOT, "plain");
    assertEquals(0600, client.stat(plain).permissions());
    assertEquals(0777, client.stat(client.symlink(Client.ROOT, "link", "x")).permissions());
    client.setxattr(Client.ROOT, DEFAULT, acl(6, 7, 7, 5, 4), 0);
    long made = client.mkfile(Client.ROOT, "made");
    assertEquals(0644, client.stat(made).permissions());
    assertEquals(List.of(ACCESS), client.listxattr(made));
    long directory = client.mkdir(Client.ROOT, "directory", 0750);
    assertEquals(0650, client.stat(directory).permissions());
    assertEquals(List.of(ACCESS, DEFAULT), client.listxattr(directory).stream().sorted().toList());
    assertEquals(List.of(), client.listxattr(client.symlink(Client.ROOT, "other", "x")));
  }

  /** Of what cannot be made nothing is kept, the room for inherited ACLs included. */
  @Test
  void inheritedAclsCountAndAreGivenBack() throws IOException {
    Limits limits = new Limits(16L * Client.CHUNK, 1 << 20, 64 << 10);
    Client client = keeping(new Client(new MemoryFileSystem(limits, 0755, 0, 0)), true);
    client.setxattr(Client.ROOT, DEFAULT, acl(7, 7, 7, 7, 7), 0);
    int first = fill(client);
    assertEquals(first, fill(client));
    assertEquals(first, fill(client));
    client.fs.removexattr(Caller.ROOT, Client.ROOT, Client.name(DEFAULT));
    int without = fill(client);
    assertEquals(true, without > first, first + " with ACLs, " + without + " without");
  }

  /** Makes directories until there is no room, removes them again; answers how many there were. */
  private static int fill(Client client) throws IOException {
    int count = 0;
    while (true) {
      String name = String.format("%06d", count);
      try {
        client.forget(client.mkdir(Client.ROOT, name));
        count++;
      } catch (IOException e) {
        assertEquals(Errno.ENOSPC.exception(), e);
        break;
      }
    }
    for (int i = 0; i < count; i++) {
      client.rmdir(Client.ROOT, String.format("%06d", i));
    }
    return count;
  }
}
