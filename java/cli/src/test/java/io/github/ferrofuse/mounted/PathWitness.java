package io.github.ferrofuse.mounted;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.FuseFileSystem;
import io.github.ferrofuse.Operation;
import io.github.ferrofuse.Request;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/**
 * Watches that every path a file system is given leads to the same file from the beginning of the
 * call to its end. Safe for threads.
 */
final class PathWitness {
  /** Methods whose last name comes or goes: what has to stay is the directory that it is in. */
  private static final Set<String> ON_NAMES =
      Set.of("symlink", "mknod", "mkdir", "unlink", "rmdir", "rename", "create");

  /** Keeps calls inside long enough for a rename to come in between. */
  private static final int STAY_NANOS = 100_000;

  private final ByPath delegate;
  private final AtomicInteger calls = new AtomicInteger();
  private final Queue<String> stale = new ConcurrentLinkedQueue<>();

  PathWitness(ByPath delegate) {
    this.delegate = delegate;
  }

  /** The file system to mount: passes everything on to the delegate. */
  FuseFileSystem fileSystem() {
    return (FuseFileSystem)
        Proxy.newProxyInstance(
            FuseFileSystem.class.getClassLoader(),
            new Class<?>[] {FuseFileSystem.class},
            (proxy, method, arguments) -> call(method, arguments));
  }

  /** Fails if a path was wrong, or if there were few calls. */
  void assertPathsWereTrue(int callsAtLeast) {
    assertEquals(List.of(), new ArrayList<>(stale), "paths that changed during a call");
    assertTrue(calls.get() >= callsAtLeast, "only " + calls);
  }

  private Object call(Method method, Object[] arguments) throws Throwable {
    if (arguments == null || arguments.length < 2 || !(arguments[0] instanceof Request)) {
      return invoke(method, arguments);
    }
    calls.incrementAndGet();
    boolean mayBeAbsent = ((Request) arguments[0]).operation() == Operation.LOOKUP;
    List<String> paths = watched(method, arguments);
    List<Long> before = nodes(paths);
    try {
      return invoke(method, arguments);
    } finally {
      LockSupport.parkNanos(STAY_NANOS);
      List<Long> after = nodes(paths);
      if (!before.equals(after) || before.contains(0L) && !mayBeAbsent) {
        stale.add(method.getName() + " " + paths + ": " + before + " became " + after);
      }
    }
  }

  private static List<String> watched(Method method, Object[] arguments) {
    boolean onNames = ON_NAMES.contains(method.getName());
    String path = (String) arguments[1];
    List<String> paths = new ArrayList<>(List.of(onNames ? ByPath.parent(path) : path));
    if (method.getName().equals("rename") || method.getName().equals("link")) {
      paths.add(ByPath.parent((String) arguments[2]));
    }
    return paths;
  }

  private List<Long> nodes(List<String> paths) throws Exception {
    List<Long> nodes = new ArrayList<>();
    for (String path : paths) {
      nodes.add(delegate.nodeOf(path));
    }
    return nodes;
  }

  private Object invoke(Method method, Object[] arguments) throws Throwable {
    try {
      return method.invoke(delegate, arguments);
    } catch (InvocationTargetException e) {
      throw e.getCause();
    }
  }
}
