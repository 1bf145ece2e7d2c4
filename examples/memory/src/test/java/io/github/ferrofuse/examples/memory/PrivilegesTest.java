package io.github.ferrofuse.examples.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.ferrofuse.Connection;
import io.github.ferrofuse.FileHandle;
import java.io.IOException;
import java.lang.reflect.Proxy;
import java.util.List;
import org.junit.jupiter.api.Test;

class PrivilegesTest {
  private static final int O_RDWR = 2;
  private static final int O_TRUNC = 01000;
  private static final String CAPABILITY = "security.capability";

  private final Client client = Client.small();

  /** A file with setuid, setgid, group execution, and a capability. */
  private long privileged(String name, int permissions) throws IOException {
    long file = client.mkfile(Client.ROOT, name);
    client.write(file, Client.bytes("content"), 0);
    client.setattr(file, Change.of().mode(permissions));
    client.setxattr(file, CAPABILITY, Client.bytes("x"), 0);
    return file;
  }

  private interface Action {
    void run(long file) throws IOException;
  }

  private void assertKeeps(Action action) throws IOException {
    assertKeeps(action, List.of(CAPABILITY));
  }

  private void assertKeeps(Action action, List<String> attributes) throws IOException {
    long file = privileged("keeps", 06755);
    action.run(file);
    assertEquals(06755, client.stat(file).permissions());
    assertEquals(attributes, client.listxattr(file));
    client.unlink(Client.ROOT, "keeps");
  }

  private void assertClears(Action action) throws IOException {
    long file = privileged("group-executable", 06755);
    action.run(file);
    assertEquals(0755, client.stat(file).permissions());
    assertEquals(List.of(), client.listxattr(file));
    file = privileged("not", 06745);
    action.run(file);
    assertEquals(02745, client.stat(file).permissions(), "setgid without group execution stays");
    client.unlink(Client.ROOT, "group-executable");
    client.unlink(Client.ROOT, "not");
  }

  @Test
  void isAnnouncedToTheKernel() {
    int[] calls = {0};
    client.fs.init(
        (Connection)
            Proxy.newProxyInstance(
                Connection.class.getClassLoader(),
                new Class<?>[] {Connection.class},
                (proxy, method, arguments) -> {
                  calls[0] += method.getName().equals("clearsPrivileges") ? 1 : 0;
                  return method.getReturnType() == boolean.class ? false : null;
                }));
    assertEquals(1, calls[0]);
  }

  @Test
  void clearsOnWriteAndTruncateWhenTheKernelSaysSoAndCapabilitiesAlways() throws IOException {
    List<Action> actions =
        List.of(
            file -> client.write(file, Client.bytes("x"), 0),
            file -> client.setattr(file, Change.of().size(2)),
            file -> client.open(file, O_RDWR | O_TRUNC));
    for (Action action : actions) {
      client.as(Caller.USER);
      assertKeeps(action, List.of());
      client.as(Caller.ROOT);
      assertClears(
          file -> {
            client.as(Caller.KILLING);
            action.run(file);
            client.as(Caller.ROOT);
          });
    }
    client.as(Caller.KILLING);
    assertKeeps(file -> client.open(file, O_RDWR));
  }

  @Test
  void clearsWhenTheOwnerChangesEvenByRoot() throws IOException {
    assertClears(file -> client.setattr(file, Change.of().uid(5)));
    assertClears(file -> client.setattr(file, Change.of().gid(5)));
    assertKeeps(file -> client.setattr(file, Change.of().times(1, 1)));
    long dir = client.mkdir(Client.ROOT, "dir", 06755);
    client.setattr(dir, Change.of().uid(5).gid(5));
    assertEquals(06755, client.stat(dir).permissions(), "a directory keeps them");
    assertEquals(5, client.stat(dir).uid);
    assertEquals(5, client.stat(dir).gid);
  }

  @Test
  void clearsOnFallocateUnlessByRoot() throws IOException {
    Action fallocate =
        file -> {
          FileHandle handle = client.open(file, O_RDWR);
          handle.fallocate(client.caller, 0, 0, 10);
          handle.release(client.caller);
        };
    assertKeeps(fallocate, List.of());
    assertClears(
        file -> {
          client.as(Caller.KILLING);
          fallocate.run(file);
          client.as(Caller.ROOT);
        });
  }

  @Test
  void setgidThatTheGroupMayNotExecuteIsLostToStrangersOnly() throws IOException {
    long source = client.mkfile(Client.ROOT, "source");
    client.write(source, Client.bytes("x"), 0);
    List<Action> actions =
        List.of(
            file -> client.write(file, Client.bytes("x"), 0),
            file -> client.setattr(file, Change.of().size(2)),
            file -> client.setattr(file, Change.of().uid(1000)),
            file -> client.open(file, O_RDWR | O_TRUNC),
            file -> client.open(file, O_RDWR).fallocate(client.caller, 0, 0, 10),
            file -> copy(source, file));
    for (Action action : actions) {
      assertEquals(0745, after(action, Caller.STRANGER));
      assertEquals(0745, after(action, Caller.UNKNOWN));
      assertEquals(02745, after(action, Caller.KILLING));
    }
  }

  private void copy(long source, long target) throws IOException {
    FileHandle from = client.open(source, O_RDWR);
    client.open(target, O_RDWR).copyFileRange(client.caller, from, 0, 0, 1);
  }

  /** What is left of root's file when somebody has done something to it. */
  private int after(Action action, Caller caller) throws IOException {
    long file = privileged("file", 06745);
    client.as(caller);
    action.run(file);
    client.as(Caller.ROOT);
    int left = client.stat(file).permissions();
    client.unlink(Client.ROOT, "file");
    return left;
  }

  @Test
  void chmodSetsThem() throws IOException {
    long file = client.mkfile(Client.ROOT, "file");
    assertEquals(0107777, client.setattr(file, Change.of().mode(07777)).mode);
    assertEquals(0100644, client.setattr(file, Change.of().mode(0100644)).mode);
  }

  @Test
  void aSetgidDirectoryGivesItsGroup() throws IOException {
    long dir = client.mkdir(Client.ROOT, "dir");
    client.setattr(dir, Change.of().gid(77).mode(02755));
    client.as(Caller.USER);
    long[] made = {
      client.mkfile(dir, "file"),
      client.symlink(dir, "link", "x"),
      client.mknod(dir, "fifo", 0010644, 0)
    };
    for (long node : made) {
      assertEquals(77, client.stat(node).gid);
      assertEquals(1000, client.stat(node).uid);
      assertEquals(0, client.stat(node).permissions() & 02000);
    }
    client.create(dir, "created", O_RDWR);
    assertEquals(77, client.stat(client.lookup(dir, "created")).gid);
    long sub = client.mkdir(dir, "sub");
    assertEquals(77, client.stat(sub).gid);
    assertEquals(02755, client.stat(sub).permissions());
    long plain = client.mkdir(Client.ROOT, "plain");
    assertEquals(100, client.stat(plain).gid);
    assertEquals(0755, client.stat(plain).permissions());
  }
}
